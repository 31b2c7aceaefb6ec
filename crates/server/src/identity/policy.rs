//! What an organization demands of its keys.

use super::{
    bodies::Done,
    call::{Caller, Named, answer, changed, json, told},
    docs::{ChangeRefusals, Refusals},
};
use crate::{app::App, error::ApiError};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use keywright_core::policy::{Allowed, Policies, Policy};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use utoipa::ToSchema;

/// With what a sentence says of it: the policy is replaced as a whole.
const EXAMPLE: &str = r#"{"longestKeyLifeSeconds": 7776000, "allowedAddresses": ["203.0.113.0/24"], "personalKeys": true, "membersByKeys": false}, always with all four members; null in longestKeyLifeSeconds is for no limit, [] in allowedAddresses for everywhere"#;

/// An organization's own demands.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PolicyBody {
    /// How long a key that is made or rotated from now on lives at most, in seconds, an hour at least; null for as long as the
    /// installation allows.
    // Without this, one who forgot it would lift the limit.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    longest_key_life_seconds: Option<u32>,
    /// Networks (CIDR) that keys are exchanged from, besides each key's own list; an empty list is for everywhere.
    allowed_addresses: Vec<String>,
    /// Whether Personal Access Keys are made here, and open anything.
    personal_keys: bool,
    /// Whether tokens of keys invite and change roles.
    members_by_keys: bool,
}

impl From<Policy> for PolicyBody {
    fn from(policy: Policy) -> Self {
        Self {
            longest_key_life_seconds: policy.longest_key_life.map(|life| u32::try_from(life.as_secs()).unwrap_or(u32::MAX)),
            allowed_addresses: policy.allowed_addresses,
            personal_keys: policy.personal_keys == Allowed::Yes,
            members_by_keys: policy.members_by_keys == Allowed::Yes,
        }
    }
}

impl PolicyBody {
    fn read(self) -> Policy {
        let allowed = |yes| if yes { Allowed::Yes } else { Allowed::No };
        Policy {
            longest_key_life: self.longest_key_life_seconds.map(|seconds| Duration::from_secs(seconds.into())),
            allowed_addresses: self.allowed_addresses,
            personal_keys: allowed(self.personal_keys),
            members_by_keys: allowed(self.members_by_keys),
        }
    }
}

/// What holds in an organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct PoliciesBody {
    /// Its own.
    own: PolicyBody,
    /// Its root's, which holds besides: the stricter of the two decides each time. Null for a root.
    root: Option<PolicyBody>,
}

impl From<Policies> for PoliciesBody {
    fn from(Policies { own, root, .. }: Policies) -> Self {
        Self { own: own.into(), root: root.map(PolicyBody::from) }
    }
}

/// `GET /identity/v1/organizations/{id}/policy`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/policy",
    tag = "Policy",
    operation_id = "getPolicy",
    summary = "What an organization demands of its keys",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "Its own policy and its root's.", body = PoliciesBody, example = json!({"own": {"longestKeyLifeSeconds": 7_776_000,
        "allowedAddresses": ["203.0.113.0/24"], "personalKeys": true, "membersByKeys": false}, "root": null})), Refusals)
)]
pub(crate) async fn get(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let policies = told(app.core.get_policy(&caller.ctx, caller.named(&id)?).await)?;
    Ok(answer(StatusCode::OK, &PoliciesBody::from(policies)))
}

/// `PUT /identity/v1/organizations/{id}/policy`.
#[utoipa::path(
    put,
    path = "/identity/v1/organizations/{id}/policy",
    tag = "Policy",
    operation_id = "setPolicy",
    summary = "Set what an organization demands of its keys",
    description = "All of it at once, null for no limit of the life. It holds in sub-organizations too, which can only be stricter. Addresses and Personal Access Keys take effect at once, also on keys that are out; a shorter life on keys that are made or rotated from now on. Needs a session whose password was given within five minutes.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    request_body(content = PolicyBody, example = json!({"longestKeyLifeSeconds": 7_776_000, "allowedAddresses": ["203.0.113.0/24"], "personalKeys": true, "membersByKeys": false})),
    responses((status = 200, description = "It holds.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the policy holds"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn set(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let body: PolicyBody = json(request.into_body(), EXAMPLE).await?;
    let set = told(app.core.set_policy(&caller.ctx, organization, body.read()).await)?;
    Ok(changed(set.position, &Done { message: "the policy holds" }))
}
