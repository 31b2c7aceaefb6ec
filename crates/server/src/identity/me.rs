//! Who holds the token, what he may do, and why.

use super::{
    bodies::{self, ExplanationBody},
    call::{Caller, Query, answer, told},
    docs::Refusals,
};
use crate::{app::App, error::ApiError};
use axum::{extract::State, response::Response};
use http::StatusCode;
use keywright_protocol::identity::MeBody;
use std::sync::Arc;

/// `GET /identity/v1/me`.
#[utoipa::path(
    get,
    path = "/identity/v1/me",
    tag = "Me",
    operation_id = "getMe",
    summary = "Who holds this token, and what he may do",
    description = "Computed anew at each request, not read from the token: roles that were taken away are not among these any more.",
    security(("token" = [])),
    responses((status = 200, description = "The person or the API Key.", body = MeBody, example = json!({"kind": "person", "id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "email": "viewer@acme.example", "name": "viewer", "organization": {"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "Acme", "givenId": null,
        "ssoEnabled": false, "disabled": false, "rootOrganizationId": null, "rootOrganizationName": null, "createdDate": "2026-11-24T09:00:00.000Z"},
        "roles": ["view-organization"], "permissions": ["organization.activity.view", "organization.api-key.view", "organization.member.view"]})), Refusals)
)]
pub(crate) async fn me(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, ApiError> {
    let me = told(app.core.me(&caller.ctx, caller.organization).await)?;
    Ok(answer(StatusCode::OK, &bodies::me(me)))
}

/// `GET /identity/v1/me/explain`.
#[utoipa::path(
    get,
    path = "/identity/v1/me/explain",
    tag = "Me",
    operation_id = "explainPermission",
    summary = "Why the holder of this token may do something, or not",
    description = "The chain of facts and rules that decides: the credential, the roles that hold and where they come from, which of them carries the permission, what else it needs, and whether the token carries it.",
    params(
        ("permission" = String, Query, description = "A permission's id, as in the catalog.", example = "organization.member.manage"),
        ("organizationId" = Option<String>, Query, description = "Where; without it the token's organization.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")
    ),
    security(("token" = [])),
    responses((status = 200, description = "Yes or no, and why.", body = ExplanationBody, example = json!({"allowed": false,
        "reason": "none of these roles carries organization.member.manage; ask an Owner of Acme for one that does: manage-organization, owner",
        "chain": [
            {"rule": "credential", "holds": true, "text": "the Personal Access Key \"laptop\" of viewer@acme.example lives, until 2027-05-23T09:00:00.000Z"},
            {"rule": "roles", "holds": true, "text": "your own roles in Acme hold: view-organization"},
            {"rule": "permission", "holds": false, "text": "none of these roles carries organization.member.manage; ask an Owner of Acme for one that does: manage-organization, owner"}]})),
        Refusals)
)]
pub(crate) async fn explain(State(app): State<Arc<App>>, caller: Caller, query: Query) -> Result<Response, ApiError> {
    let missing = || ApiError::BadRequest("say which permission is meant, for example ?permission=organization.member.view".to_owned());
    let permission = query.get("permission").ok_or_else(missing)?;
    let organization = query.get("organizationId").map_or_else(|| caller.current(), |text| text.parse().map_err(|_| ApiError::NotAGuid))?;
    let explanation = told(app.core.explain(&caller.ctx, organization, permission).await)?;
    Ok(answer(StatusCode::OK, &ExplanationBody::from(explanation)))
}
