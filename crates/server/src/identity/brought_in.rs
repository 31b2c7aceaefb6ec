//! What came in by an API Key.

use super::{
    call::{Caller, Named, answer, told},
    docs::Refusals,
};
use crate::{app::App, error::ApiError};
use axum::{extract::State, response::Response};
use http::StatusCode;
use keywright_core::{
    Error,
    brought_in::{BroughtInRow, Undone},
};
use keywright_protocol::{KeyId, OrganizationId, Time};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// One thing that came in by a key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BroughtInItem {
    /// `invitation`, `member`, `role`, `organization`, or `api-key` for one that somebody made who came in so.
    kind: &'static str,
    /// The address of whom it is about, or the name of the organization or the API Key.
    name: String,
    /// The role, if it is one; otherwise null.
    role: Option<String>,
    /// Where.
    organization_id: OrganizationId,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Whether it is still so.
    stands: bool,
}

impl From<BroughtInRow> for BroughtInItem {
    fn from(row: BroughtInRow) -> Self {
        let role = (!row.role.is_empty()).then_some(row.role);
        Self { kind: row.kind.as_str(), name: row.name, role, organization_id: row.organization_id, at: row.at, stands: row.stands }
    }
}

/// What became of a key, and of what it had brought in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevokedKeyBody {
    /// A sentence.
    message: &'static str,
    /// What was taken back with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_back: Option<Vec<BroughtInItem>>,
    /// What stays: sub-organizations, whoever is Owner by now, and you; also API Keys and invitations, accepted ones too, of people who came
    /// in by the key. Look at these, and revoke them yourself.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Vec<BroughtInItem>>,
}

impl From<Undone> for RevokedKeyBody {
    fn from(Undone { taken_back, kept }: Undone) -> Self {
        let items = |rows: Vec<BroughtInRow>| Some(rows.into_iter().map(BroughtInItem::from).collect());
        Self { message: "the key was revoked, and what came in by it taken back", taken_back: items(taken_back), kept: items(kept) }
    }
}

/// `GET /identity/v1/organizations/{id}/api-keys/{key}/brought-in`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/api-keys/{key}/brought-in",
    tag = "API Keys",
    operation_id = "listBroughtIn",
    summary = "What came in by an API Key",
    description = "Invitations, members, roles and sub-organizations that were made with its tokens, oldest first; then API Keys and invitations that the people who came in so have made in turn. Deleting the key with `undo=true` takes back what still stands, but for sub-organizations, whoever is Owner by then, and what others made in turn.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "What came in.", body = Vec<BroughtInItem>, example = json!([{"kind": "member", "name": "new@acme.example", "role": null,
        "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "at": "2026-11-24T09:00:00.000Z", "stands": true}])), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named((id, key)): Named<(String, String)>) -> Result<Response, ApiError> {
    let key: KeyId = key.parse().map_err(|_| Error::NotFound("key"))?;
    let rows = told(app.core.list_brought_in(&caller.ctx, caller.named(&id)?, key).await)?;
    Ok(answer(StatusCode::OK, &rows.into_iter().map(BroughtInItem::from).collect::<Vec<_>>()))
}
