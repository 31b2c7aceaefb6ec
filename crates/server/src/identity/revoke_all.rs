//! All keys and sessions in one call.

use super::{
    call::{Caller, Named, changed, json, told},
    docs::{ChangeRefusals, Refusals},
};
use crate::{app::App, error::ApiError};
use axum::{body::Body, extract::State, response::Response};
use http::Request;
use keywright_core::revoke_all::{Reach, RevokedAll};
use keywright_protocol::{KeyId, Time, UserId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is to be revoked; `{}` is everything.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReachBody {
    /// One member's keys and sessions alone.
    #[serde(default)]
    user_id: Option<UserId>,
    /// What was made since then alone.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
}

/// What was revoked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevokedBody {
    /// The keys, with their names.
    keys: Vec<RevokedKey>,
    /// How many sessions ended.
    sessions: u64,
}

/// A key that was revoked.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevokedKey {
    /// Its id.
    id: KeyId,
    /// Its name.
    name: String,
}

impl From<RevokedAll> for RevokedBody {
    fn from(RevokedAll { keys, sessions }: RevokedAll) -> Self {
        Self { keys: keys.into_iter().map(|key| RevokedKey { id: key.id, name: key.name }).collect(), sessions }
    }
}

/// `POST /identity/v1/organizations/{id}/revoke-all`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/revoke-all",
    tag = "Policy",
    operation_id = "revokeAll",
    summary = "Revoke all keys and sessions at once",
    description = "For when something has leaked. Of an organization and its sub-organizations, of one member there, or whatever was made since a time. Protected keys too; your own session goes on. Owners only, with a session whose password was given within five minutes.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    request_body(content = ReachBody, example = json!({"since": "2026-11-24T09:00:00Z"})),
    responses((status = 200, description = "They are revoked.", body = RevokedBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"keys": [{"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "ci"}], "sessions": 3})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn revoke_all(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let body: ReachBody = json(request.into_body(), r#"{} or {"userId": "...", "since": "2026-11-24T09:00:00Z"}"#).await?;
    let revoked = told(app.core.revoke_all(&caller.ctx, organization, Reach { user: body.user_id, since: body.since }).await)?;
    Ok(changed(revoked.position, &RevokedBody::from(revoked.value)))
}
