//! Changing an organization, leaving it, and its end.

use super::{
    bodies::{self, Done},
    call::{Caller, Named, Query, changed, json, told, user},
    docs::{ChangeRefusals, Refusals},
};
use crate::{app::App, error::ApiError};
use axum::{body::Body, extract::State, response::Response};
use http::Request;
use keywright_protocol::identity::OrganizationItem;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What changes about an organization.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationChange {
    /// Another name, unique among the siblings of a sub-organization.
    name: String,
}

/// `PATCH /identity/v1/organizations/{id}`.
#[utoipa::path(
    patch,
    path = "/identity/v1/organizations/{id}",
    tag = "Organizations",
    operation_id = "updateOrganization",
    summary = "Change an organization",
    description = "Its name; its id stays for ever.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    request_body(content = OrganizationChange, example = json!({"name": "Acme Apps"})),
    responses((status = 200, description = "The organization.", body = OrganizationItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "Acme Apps", "givenId": null, "ssoEnabled": false, "disabled": false,
        "rootOrganizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "rootOrganizationName": null, "createdDate": "2026-11-24T09:00:00.000Z"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn update(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let change: OrganizationChange = json(request.into_body(), r#"{"name": "Acme Apps"}"#).await?;
    let renamed = told(app.core.rename_organization(&caller.ctx, organization, &change.name).await)?;
    let organization = keywright_core::organizations::Organization { row: renamed.value, root_name: None };
    Ok(changed(renamed.position, &bodies::organization(organization)))
}

/// `DELETE /identity/v1/organizations/{id}?action=`.
#[utoipa::path(
    delete,
    path = "/identity/v1/organizations/{id}",
    tag = "Organizations",
    operation_id = "removeFromOrganization",
    summary = "Remove a member, leave, or delete the organization",
    description = "`action=remove&userId=` ends somebody's direct membership; his keys there die. `action=leave` ends one's own. `action=delete&confirm=` with the organization's name deletes it for ever, with its sub-organizations and all of their keys. The last two need a session whose password was given within five minutes. Without an action nothing happens.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("action" = String, Query, description = "`remove`, `leave` or `delete`.", example = "remove"),
        ("userId" = Option<String>, Query, description = "The user's id, for `remove`.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff"),
        ("confirm" = Option<String>, Query, description = "The organization's name, for `delete`.", example = "Acme Mobile")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It is done.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the member was removed"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn remove(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, query: Query) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    match query.require_action(&["remove", "leave", "delete"])? {
        "remove" => {
            let member = query.get("userId").ok_or_else(|| ApiError::BadRequest("say who is to be removed with the parameter userId".to_owned()))?;
            let removed = told(app.core.remove_member(&caller.ctx, organization, user(member)?).await)?;
            Ok(changed(removed.position, &Done { message: "the member was removed" }))
        }
        "leave" => {
            let left = told(app.core.leave_organization(&caller.ctx, organization).await)?;
            Ok(changed(left.position, &Done { message: "you left the organization; your keys there are dead" }))
        }
        _ => {
            let sentence = "confirm with the parameter confirm, which must be the organization's name; it is deleted for ever";
            let confirm = query.get("confirm").ok_or_else(|| ApiError::BadRequest(sentence.to_owned()))?;
            let deleted = told(app.core.delete_organization(&caller.ctx, organization, confirm).await)?;
            Ok(changed(deleted.position, &Done { message: "the organization was deleted, with its sub-organizations and all of their keys" }))
        }
    }
}
