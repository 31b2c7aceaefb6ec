//! Personal Access Keys: list, make, rename, revoke.

use super::{
    bodies::Done,
    call::{Caller, Named, Query, answer, changed, created, json, key, told},
    docs::{ChangeRefusals, Refusals},
    key_bodies,
};
use crate::{app::App, error::ApiError};
use axum::{
    Router,
    body::Body,
    extract::State,
    response::Response,
    routing::{get, patch},
};
use http::{Request, StatusCode};
use keywright_core::Part;
use keywright_protocol::keys::{KeyPage, NameBody, NewPersonalAccessKey, PersonalAccessKeyBody, PersonalAccessKeyItem};
use std::sync::Arc;

/// Most keys a page.
pub(super) const MAX_PER_PAGE: u32 = 200;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v1/organizations/{id}/personal-access-keys", get(list).post(create))
        .route("/identity/v1/organizations/{id}/personal-access-keys/{key}", patch(rename).delete(revoke))
}

/// Page and size that a query asks for.
pub(super) fn paging(query: &Query) -> Result<(u32, u32), ApiError> {
    Ok((query.number("page", 1, 1..=1_000_000)?, query.number("perPage", MAX_PER_PAGE, 1..=MAX_PER_PAGE)?))
}

/// `GET /identity/v1/organizations/{id}/personal-access-keys`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/personal-access-keys",
    tag = "Personal Access Keys",
    operation_id = "listPersonalAccessKeys",
    summary = "Personal Access Keys of an organization",
    description = "One's own, and for its Owners everybody's; in whatever state, oldest first. Nobody sees a secret again.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("page" = Option<u32>, Query, minimum = 1, description = "Which page, from 1.", example = 1),
        ("perPage" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many a page, 200 at most and by default.", example = 50)
    ),
    security(("token" = [])),
    responses((status = 200, description = "A page.", body = KeyPage<PersonalAccessKeyItem>, example = json!({"data": [{
        "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "laptop", "userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "email": "owner@acme.example",
        "state": "Active", "expiryState": "ok", "createdAt": "2026-11-24T09:00:00.000Z", "expiresAt": "2027-05-25T09:00:00.000Z", "revokedAt": null,
        "lastUsedAt": "2026-11-30T02:00:07.412Z", "lastUsedAddress": "203.0.113.7"}],
        "page": 1, "perPage": 50, "total": 1})), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, query: Query) -> Result<Response, ApiError> {
    let (page, per_page) = paging(&query)?;
    let keys = told(app.core.list_personal_access_keys(&caller.ctx, caller.named(&id)?, Part::page(page, per_page)).await)?;
    let body = key_bodies::key_page(keys, (page, per_page), |key| Ok(key_bodies::personal_access_key(key, caller.ctx.now)))?;
    Ok(answer(StatusCode::OK, &body))
}

/// `POST /identity/v1/organizations/{id}/personal-access-keys`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/personal-access-keys",
    tag = "Personal Access Keys",
    operation_id = "createPersonalAccessKey",
    summary = "Make a Personal Access Key for oneself",
    description = "It may do what its holder may, at each exchange anew. For direct members; whoever belongs to a sub-organization through its root uses a key of the root there. Needs a person with a fresh session (403 `session_not_fresh`: confirm the password at `/auth/v1/sessions/current/confirm`).",
    params(("id" = String, Path, description = "The organization's id, or `current` for the session's.", example = "current")),
    security(("token" = [])),
    request_body(content = PersonalAccessKeyBody, example = json!({"name": "laptop", "expiresAt": "2027-05-25T09:00:00Z"})),
    responses((status = 201, description = "The key, shown once.", body = NewPersonalAccessKey,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"key": "kw_pak_...", "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "laptop",
        "userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "email": "owner@acme.example", "state": "Active", "expiryState": "ok",
        "createdAt": "2026-11-24T09:00:00.000Z", "expiresAt": "2027-05-25T09:00:00.000Z", "revokedAt": null,
        "lastUsedAt": null, "lastUsedAddress": null})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn create(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let new: PersonalAccessKeyBody = json(request.into_body(), r#"{"name": "laptop"}"#).await?;
    let made = told(app.core.create_own_personal_access_key(&caller.ctx, caller.named(&id)?, &new.name, new.expires_at).await)?;
    Ok(created(made.position, &key_bodies::new_personal_access_key(made, caller.ctx.now)))
}

/// `PATCH /identity/v1/organizations/{id}/personal-access-keys/{key}`.
#[utoipa::path(
    patch,
    path = "/identity/v1/organizations/{id}/personal-access-keys/{key}",
    tag = "Personal Access Keys",
    operation_id = "renamePersonalAccessKey",
    summary = "Give one's own Personal Access Key another name",
    description = "The key itself stays as it is. A token made from a key cannot do it.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the session's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    request_body(content = NameBody, example = json!({"name": "old laptop"})),
    responses((status = 200, description = "The key as it is now.", body = PersonalAccessKeyItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "old laptop", "userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "email": "owner@acme.example", "state": "Active", "expiryState": "ok", "createdAt": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2027-05-25T09:00:00.000Z", "revokedAt": null,
        "lastUsedAt": "2026-11-30T02:00:07.412Z", "lastUsedAddress": "203.0.113.7"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of)): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let NameBody { name } = json(request.into_body(), r#"{"name": "old laptop"}"#).await?;
    let renamed = told(app.core.rename_personal_access_key(&caller.ctx, caller.named(&id)?, key(&of), &name).await)?;
    Ok(changed(renamed.position, &key_bodies::personal_access_key(renamed.value, caller.ctx.now)))
}

/// `DELETE /identity/v1/organizations/{id}/personal-access-keys/{key}`.
#[utoipa::path(
    delete,
    path = "/identity/v1/organizations/{id}/personal-access-keys/{key}",
    tag = "Personal Access Keys",
    operation_id = "revokePersonalAccessKey",
    summary = "Revoke a Personal Access Key for ever",
    description = "One's own, or as an Owner a member's. Its tokens die with it. Revoking it again changes nothing and succeeds. A token made from a key may do it.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It is revoked.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the key was revoked"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn revoke(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>, query: Query) -> Result<Response, ApiError> {
    if query.get("undo").is_some() {
        let sentence = "undo is for API Keys; revoke this one without it, and take back what came in by it at its invitations and members";
        return Err(ApiError::BadRequest(sentence.to_owned()));
    }
    let revoked = told(app.core.revoke_personal_access_key(&caller.ctx, caller.named(&id)?, key(&of)).await)?;
    Ok(changed(revoked.position, &Done { message: "the key was revoked" }))
}
