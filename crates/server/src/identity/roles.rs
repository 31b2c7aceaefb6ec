//! Roles of an organization's own: list, make, look at one, change, delete.

use super::{
    bodies::Done,
    call::{Caller, Named, Query, answer, changed, created, json, told},
    docs::{ChangeRefusals, Refusals},
    key_bodies::present,
};
use crate::{app::App, error::ApiError};
use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use http::{Request, StatusCode};
use keywright_core::custom_roles::{NewRole, Role, RoleUpdate};
use keywright_protocol::Time;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

const NEW: &str = r#"{"name": "Release manager", "permissions": ["invoices.read", "invoices.send"]}"#;
const CHANGE: &str = r#"{"permissions": ["invoices.read"]}"#;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v1/organizations/{id}/roles", get(list).post(create))
        .route("/identity/v1/organizations/{id}/roles/{role}", get(get_one).patch(update).delete(delete))
}

/// A role of an organization's own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CustomRole)]
pub(crate) struct RoleItem {
    /// Its key, by which it is given: `custom:` and the slug.
    key: String,
    /// As it is shown.
    name: String,
    /// What it is for; may be empty.
    description: String,
    /// Ids of permissions, in alphabetical order. One that the catalog has not any more gives nothing.
    permissions: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// By how many it is held, in the root and its sub-organizations.
    held_by: HeldBy,
}

/// By how many a role is held as one of their own; whoever inherits it is not counted again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RoleHeldBy)]
pub(crate) struct HeldBy {
    /// Memberships.
    memberships: usize,
    /// Grants of API Keys, one for each organization.
    keys: usize,
    /// Pending invitations, once for each organization.
    invitations: usize,
}

impl From<Role> for RoleItem {
    fn from(Role { row, held }: Role) -> Self {
        let held_by = HeldBy { memberships: held.memberships, keys: held.keys, invitations: held.invitations };
        let (name, description, created_at) = (row.name, row.description, row.created_at);
        Self { key: row.role.key, name, description, permissions: row.role.permissions, created_at, held_by }
    }
}

/// A role to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewCustomRole)]
pub(crate) struct RoleBody {
    /// What its key ends with, 1 to 40 characters of a-z, 0-9 and -, never used before; left out, it is made of the name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    slug: Option<String>,
    /// As it is shown: 1 to 128 characters.
    name: String,
    /// What it is for: 256 characters at most.
    #[serde(default)]
    description: String,
    /// Ids of permissions of the catalog, of whatever API.
    permissions: Vec<String>,
}

/// What changes about a role; what is left out stays. `null` is refused, since it might mean either.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CustomRoleChange)]
pub(crate) struct RoleChangeBody {
    /// Another name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// Another description.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    description: Option<String>,
    /// These permissions and no others.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<String>, required = false)]
    permissions: Option<Vec<String>>,
}

/// `GET /identity/v1/organizations/{id}/roles`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/roles",
    tag = "Roles",
    operation_id = "listRoles",
    summary = "Roles of an organization's own",
    description = "By key, 50 at most; those of a sub-organization are its root's. The roles of the catalog, which every organization has, are at `/roles.json`. Needs the permission `organization.member.view`.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "All of them.", body = [RoleItem], example = json!([{"key": "custom:release-manager", "name": "Release manager",
        "description": "Sends what is released", "permissions": ["invoices.read", "invoices.send"], "createdAt": "2026-11-24T09:00:00.000Z",
        "heldBy": {"memberships": 3, "keys": 1, "invitations": 0}}])), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let roles = told(app.core.list_custom_roles(&caller.ctx, caller.named(&id)?).await)?;
    Ok(answer(StatusCode::OK, &roles.into_iter().map(RoleItem::from).collect::<Vec<_>>()))
}

/// `POST /identity/v1/organizations/{id}/roles`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/roles",
    tag = "Roles",
    operation_id = "createRole",
    summary = "Make a role",
    description = "Of permissions of the catalog, in a root organization. It is given there and in its sub-organizations like the roles of the catalog, to members and API Keys, and whoever gives it must have what it permits. What the custom roles of one holder permit at one API takes 512 bytes of a token at most, each id with three bytes besides. For Owners with a fresh session, and for operator keys with the scope `members`; no token makes one.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    request_body(content = RoleBody, example = json!({"name": "Release manager", "description": "Sends what is released", "permissions": ["invoices.read", "invoices.send"]})),
    responses((status = 201, description = "The role.", body = RoleItem, headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"key": "custom:release-manager", "name": "Release manager", "description": "Sends what is released",
        "permissions": ["invoices.read", "invoices.send"], "createdAt": "2026-11-24T09:00:00.000Z", "heldBy": {"memberships": 0, "keys": 0, "invitations": 0}})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn create(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let RoleBody { slug, name, description, permissions } = json(request.into_body(), NEW).await?;
    let made = told(app.core.create_custom_role(&caller.ctx, organization, NewRole { slug, name, description, permissions }).await)?;
    Ok(created(made.position, &RoleItem::from(made.value)))
}

/// `GET /identity/v1/organizations/{id}/roles/{role}`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/roles/{role}",
    tag = "Roles",
    operation_id = "getRole",
    summary = "One role of an organization's own",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("role" = String, Path, description = "The role's key.", example = "custom:release-manager")
    ),
    security(("token" = [])),
    responses((status = 200, description = "The role.", body = RoleItem, example = json!({"key": "custom:release-manager", "name": "Release manager",
        "description": "Sends what is released", "permissions": ["invoices.read", "invoices.send"], "createdAt": "2026-11-24T09:00:00.000Z",
        "heldBy": {"memberships": 3, "keys": 1, "invitations": 0}})), Refusals)
)]
pub(crate) async fn get_one(State(app): State<Arc<App>>, caller: Caller, Named((id, role)): Named<(String, String)>) -> Result<Response, ApiError> {
    let found = told(app.core.get_custom_role(&caller.ctx, caller.named(&id)?, &role).await)?;
    Ok(answer(StatusCode::OK, &RoleItem::from(found)))
}

/// `PATCH /identity/v1/organizations/{id}/roles/{role}`.
#[utoipa::path(
    patch,
    path = "/identity/v1/organizations/{id}/roles/{role}",
    tag = "Roles",
    operation_id = "updateRole",
    summary = "Change a role",
    description = "What is left out stays; the key stays for ever. Whoever loses a permission by it has no token any more that says it; what is added comes with the next token. For Owners with a fresh session, and for operator keys with the scope `members`.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("role" = String, Path, description = "The role's key.", example = "custom:release-manager")
    ),
    security(("token" = [])),
    request_body(content = RoleChangeBody, example = json!({"permissions": ["invoices.read"]})),
    responses((status = 200, description = "The role as it is now.", body = RoleItem, headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"key": "custom:release-manager", "name": "Release manager", "description": "Sends what is released",
        "permissions": ["invoices.read"], "createdAt": "2026-11-24T09:00:00.000Z", "heldBy": {"memberships": 3, "keys": 1, "invitations": 0}})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, role)): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let RoleChangeBody { name, description, permissions } = json(request.into_body(), CHANGE).await?;
    let updated = told(app.core.update_custom_role(&caller.ctx, organization, &role, RoleUpdate { name, description, permissions }).await)?;
    Ok(changed(updated.position, &RoleItem::from(updated.value)))
}

/// `DELETE /identity/v1/organizations/{id}/roles/{role}`.
#[utoipa::path(
    delete,
    path = "/identity/v1/organizations/{id}/roles/{role}",
    tag = "Roles",
    operation_id = "deleteRole",
    summary = "Delete a role for ever",
    description = "Its key is never used again. Where it is held, `replace` names the role that takes its place, of the catalog or of the same organization, not `owner`; without that it is refused. For Owners with a fresh session, and for operator keys with the scope `members`.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("role" = String, Path, description = "The role's key.", example = "custom:release-manager"),
        ("replace" = Option<String>, Query, description = "The role that takes its place where it is held.", example = "custom:sender")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It is deleted.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the role was deleted"})), Refusals, ChangeRefusals)
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, role)): Named<(String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    query.require_known(&["replace"])?;
    let deleted = told(app.core.delete_custom_role(&caller.ctx, caller.named(&id)?, &role, query.get("replace")).await)?;
    Ok(changed(deleted.position, &Done { message: "the role was deleted" }))
}
