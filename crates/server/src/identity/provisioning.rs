//! Organizations and users as an operator's programs make them, limits, and suspensions.

use super::{
    bodies::Done,
    call::{Caller, Named, answer, changed, created, json, told},
    docs::{ChangeRefusals, Refusals},
    operator_bodies::{AddedUser, AllowancesBody, LimitsBody, NewRootBody, NewUser, RootBody, RootItem},
};
use crate::{app::App, error::ApiError};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use keywright_core::provisioning::Outcome;
use keywright_protocol::{Position, UserId};
use serde::Serialize;
use std::sync::Arc;

const NEW: &str = r#"{"name": "Acme", "externalId": "customer-17"}"#;
const ROOT: &str = r#"{"name": "Acme"}"#;
const LIMITS: &str = r#"{"apiKeys": 50, "members": null}"#;
const USER: &str = r#"{"email": "person@example.com", "name": "Person"}"#;

/// 201 for what was made, 200 for what was there.
fn made<T: Serialize>(position: Position, outcome: Outcome, body: &T) -> Response {
    match outcome {
        Outcome::Made => created(position, body),
        Outcome::Found => changed(position, body),
    }
}

/// `POST /identity/v1/organizations`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations",
    tag = "Organizations",
    operation_id = "createOrganization",
    summary = "Make a root organization",
    description = "For operator keys with the scope `organizations`. It has no members yet. To be sure of one organization a customer, put it by your own id.",
    security(("token" = [])),
    request_body(content = NewRootBody, example = json!({"name": "Acme", "externalId": "customer-17", "metadata": {"plan": "gold"}, "limits": {"apiKeys": 50}})),
    responses((status = 201, description = "It was made.", body = RootItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "name": "Acme", "externalId": "customer-17", "metadata": {"plan": "gold"}, "limits": {"apiKeys": 50, "members": null, "subOrganizations": null},
        "createdAt": "2026-11-24T09:00:00.000Z", "suspendedAt": null})), Refusals, ChangeRefusals)
)]
pub(crate) async fn create_root(State(app): State<Arc<App>>, caller: Caller, request: Request<Body>) -> Result<Response, ApiError> {
    let new: NewRootBody = json(request.into_body(), NEW).await?;
    let root = told(app.core.make_root(&caller.ctx, new.into()).await)?;
    Ok(created(root.position, &RootItem::try_from(root.value)?))
}

/// `PUT /identity/v1/organizations/by-external-id/{externalId}`.
#[utoipa::path(
    put,
    path = "/identity/v1/organizations/by-external-id/{externalId}",
    tag = "Organizations",
    operation_id = "putOrganizationByExternalId",
    summary = "Make a root organization, or make it what it is to be",
    description = "By your own id for it. Doing it again changes nothing; of two at once one makes it. What is left out of the body stays as it is. For operator keys with the scope `organizations`.",
    params(("externalId" = String, Path, description = "Your own id for it: 1 to 128 visible ASCII characters.", example = "customer-17")),
    security(("token" = [])),
    request_body(content = RootBody, example = json!({"name": "Acme", "metadata": {"plan": "gold"}})),
    responses((status = 201, description = "It was made.", body = RootItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "name": "Acme", "externalId": "customer-17", "metadata": {"plan": "gold"}, "limits": {"apiKeys": null, "members": null, "subOrganizations": null},
        "createdAt": "2026-11-24T09:00:00.000Z", "suspendedAt": null})),
        (status = 200, description = "It was there, and is as it was asked for.", body = RootItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "name": "Acme", "externalId": "customer-17", "metadata": {"plan": "gold"}, "limits": {"apiKeys": null, "members": null, "subOrganizations": null},
        "createdAt": "2026-11-24T09:00:00.000Z", "suspendedAt": null})), Refusals, ChangeRefusals)
)]
pub(crate) async fn put_root(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(external_id): Named<String>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let wanted: RootBody = json(request.into_body(), ROOT).await?;
    let put = told(app.core.put_root(&caller.ctx, &external_id, wanted.into()).await)?;
    let (root, outcome) = put.value;
    Ok(made(put.position, outcome, &RootItem::try_from(root)?))
}

/// `GET /identity/v1/organizations/by-external-id/{externalId}`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/by-external-id/{externalId}",
    tag = "Organizations",
    operation_id = "getOrganizationByExternalId",
    summary = "A root organization by your own id",
    description = "For operator keys with the scope `organizations`.",
    params(("externalId" = String, Path, description = "Your own id for it.", example = "customer-17")),
    security(("token" = [])),
    responses((status = 200, description = "The organization.", body = RootItem, example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "name": "Acme", "externalId": "customer-17", "metadata": {"plan": "gold"}, "limits": {"apiKeys": 50, "members": null, "subOrganizations": null},
        "createdAt": "2026-11-24T09:00:00.000Z", "suspendedAt": null})), Refusals)
)]
pub(crate) async fn get_root(State(app): State<Arc<App>>, caller: Caller, Named(external_id): Named<String>) -> Result<Response, ApiError> {
    let root = told(app.core.find_root(&caller.ctx, &external_id).await)?;
    Ok(answer(StatusCode::OK, &RootItem::try_from(root)?))
}

/// `GET /identity/v1/organizations/{id}/limits`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/limits",
    tag = "Organizations",
    operation_id = "getLimits",
    summary = "What a root may have with its sub-organizations, and has",
    description = "For whoever manages the root, and for operator keys with the scope `organizations`.",
    params(("id" = String, Path, description = "The root's id, or `current` for the token's organization.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "Limits and use.", body = AllowancesBody, example = json!({"apiKeys": {"own": 50, "limit": 50, "used": 3},
        "members": {"own": null, "limit": null, "used": 12}, "subOrganizations": {"own": null, "limit": null, "used": 1}})), Refusals)
)]
pub(crate) async fn limits(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let limits = told(app.core.tree_limits(&caller.ctx, caller.named(&id)?).await)?;
    Ok(answer(StatusCode::OK, &AllowancesBody::from(limits)))
}

/// `PUT /identity/v1/organizations/{id}/limits`.
#[utoipa::path(
    put,
    path = "/identity/v1/organizations/{id}/limits",
    tag = "Organizations",
    operation_id = "setLimits",
    summary = "Set what a root may have with its sub-organizations",
    description = "What is null or left out is as the installation has it. What there is beyond a limit stays; nothing is added. For operator keys with the scope `organizations`, and Owners of the operator organization with a fresh session.",
    params(("id" = String, Path, description = "The root's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")),
    security(("token" = [])),
    request_body(content = LimitsBody, example = json!({"apiKeys": 50, "members": null, "subOrganizations": 5})),
    responses((status = 200, description = "Limits and use.", body = AllowancesBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"apiKeys": {"own": 50, "limit": 50, "used": 3},
        "members": {"own": null, "limit": null, "used": 12}, "subOrganizations": {"own": 5, "limit": 5, "used": 1}})), Refusals, ChangeRefusals)
)]
pub(crate) async fn set_limits(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let limits: LimitsBody = json(request.into_body(), LIMITS).await?;
    let set = told(app.core.set_limits(&caller.ctx, caller.named(&id)?, limits.into()).await)?;
    Ok(changed(set.position, &AllowancesBody::from(set.value)))
}

/// `POST /identity/v1/organizations/{id}/suspend`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/suspend",
    tag = "Organizations",
    operation_id = "suspendOrganization",
    summary = "Suspend an organization",
    description = "Nothing of it, nor of what hangs under it, authenticates until it is resumed. A root: operator keys with the scope `organizations`, and Owners of the operator organization with a fresh session. A sub-organization: whoever manages those of its root.",
    params(("id" = String, Path, description = "The organization's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")),
    security(("token" = [])),
    responses((status = 200, description = "It is suspended.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the organization is suspended"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn suspend(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let suspended = told(app.core.suspend_organization(&caller.ctx, caller.named(&id)?).await)?;
    Ok(changed(suspended.position, &Done { message: "the organization is suspended" }))
}

/// `POST /identity/v1/organizations/{id}/resume`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/resume",
    tag = "Organizations",
    operation_id = "resumeOrganization",
    summary = "Take a suspension back",
    description = "By the same, people with a fresh session: keys live again by it.",
    params(("id" = String, Path, description = "The organization's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")),
    security(("token" = [])),
    responses((status = 200, description = "It is not suspended any more.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"message": "the organization is not suspended any more"})), Refusals, ChangeRefusals)
)]
pub(crate) async fn resume(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let resumed = told(app.core.resume_organization(&caller.ctx, caller.named(&id)?).await)?;
    Ok(changed(resumed.position, &Done { message: "the organization is not suspended any more" }))
}

/// `POST /identity/v1/users`.
#[utoipa::path(
    post,
    path = "/identity/v1/users",
    tag = "Users",
    operation_id = "addUser",
    summary = "Add a user",
    description = "Without a password: he gets one by an invitation, or by a link that he asks for. Whoever has the address already is answered as he is. For operator keys with the scope `users`.",
    security(("token" = [])),
    request_body(content = NewUser, example = json!({"email": "person@example.com", "name": "Person"})),
    responses((status = 201, description = "He was added.", body = AddedUser,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "email": "person@example.com", "name": "Person", "disabledAt": null})),
        (status = 200, description = "Somebody had the address already: this one.", body = AddedUser,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "email": "person@example.com", "name": "Person", "disabledAt": null})), Refusals, ChangeRefusals)
)]
pub(crate) async fn add_user(State(app): State<Arc<App>>, caller: Caller, request: Request<Body>) -> Result<Response, ApiError> {
    let new: NewUser = json(request.into_body(), USER).await?;
    let added = told(app.core.ensure_user(&caller.ctx, &new.email, &new.name).await)?;
    let (user, outcome) = added.value;
    Ok(made(added.position, outcome, &AddedUser::from(user)))
}

/// `POST /identity/v1/users/{user}/disable`.
#[utoipa::path(
    post,
    path = "/identity/v1/users/{user}/disable",
    tag = "Users",
    operation_id = "disableUser",
    summary = "Disable a user",
    description = "Nothing of his authenticates, in no organization. For operator keys with the scope `users`; members of the operator organization are out of their reach.",
    params(("user" = String, Path, description = "The user's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")),
    security(("token" = [])),
    responses((status = 200, description = "He is disabled.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the user is disabled"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn disable_user(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let disabled = told(app.core.disable_user(&caller.ctx, user(&id)).await)?;
    Ok(changed(disabled.position, &Done { message: "the user is disabled" }))
}

/// `POST /identity/v1/users/{user}/enable`.
#[utoipa::path(
    post,
    path = "/identity/v1/users/{user}/enable",
    tag = "Users",
    operation_id = "enableUser",
    summary = "Enable a user again",
    description = "For operator keys with the scope `users`; members of the operator organization are out of their reach.",
    params(("user" = String, Path, description = "The user's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")),
    security(("token" = [])),
    responses((status = 200, description = "He is enabled.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the user is enabled"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn enable_user(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let enabled = told(app.core.enable_user(&caller.ctx, user(&id)).await)?;
    Ok(changed(enabled.position, &Done { message: "the user is enabled" }))
}

/// A user's id in a path. What is no GUID is as unknown as the nil one, which nobody has.
fn user(text: &str) -> UserId {
    text.parse().unwrap_or(UserId::from(uuid::Uuid::nil()))
}
