//! API Keys: list, make, look at one, change, suspend, resume, rotate, revoke.

use super::{
    bodies::Done,
    brought_in::RevokedKeyBody,
    call::{Caller, Named, Query, answer, changed, created, json, key, parse, read, told},
    docs::{ChangeRefusals, Refusals},
    key_bodies,
    personal_access_keys::paging,
};
use crate::{app::App, error::ApiError};
use axum::{
    Router,
    body::Body,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{Request, StatusCode};
use keywright_core::Part;
use keywright_protocol::keys::{ApiKeyBody, ApiKeyChangeBody, ApiKeyItem, KeyPage, NewApiKeyItem, RotatedBody, RotationBody};
use std::sync::Arc;

const NEW: &str = r#"{"name": "nightly", "grants": [{"organizationId": "...", "roles": ["view-build"]}]}"#;
const CHANGE: &str = r#"{"description": "builds every night"}"#;
const ROTATION: &str = r#"{"overlapSeconds": 3600}"#;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v1/organizations/{id}/api-keys", get(list).post(create))
        .route("/identity/v1/organizations/{id}/api-keys/{key}", get(get_one).patch(update).delete(revoke))
        .route("/identity/v1/organizations/{id}/api-keys/{key}/suspend", post(suspend))
        .route("/identity/v1/organizations/{id}/api-keys/{key}/resume", post(resume))
        .route("/identity/v1/organizations/{id}/api-keys/{key}/rotate", post(rotate))
}

/// `GET /identity/v1/organizations/{id}/api-keys`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/api-keys",
    tag = "API Keys",
    operation_id = "listApiKeys",
    summary = "API Keys of an organization",
    description = "In whatever state, oldest first. Nobody sees a secret again.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("page" = Option<u32>, Query, minimum = 1, description = "Which page, from 1.", example = 1),
        ("perPage" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many a page, 200 at most and by default.", example = 50)
    ),
    security(("token" = [])),
    responses((status = 200, description = "A page.", body = KeyPage<ApiKeyItem>, example = json!({"data": [{
        "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "nightly", "email": "nightly.0b1f7a52@keys.auth.example.com", "state": "Active",
        "expiryState": "ok", "grants": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "roles": ["view-build"]}],
        "allowedAddresses": ["203.0.113.0/24"], "description": "", "metadata": {}, "deleteProtection": false, "introspect": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "notBefore": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2027-05-25T09:00:00.000Z", "suspendedAt": null, "revokedAt": null,
        "lastUsedAt": "2026-11-30T02:00:07.412Z", "lastUsedAddress": "203.0.113.7"}], "page": 1, "perPage": 50, "total": 1})), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, query: Query) -> Result<Response, ApiError> {
    let (page, per_page) = paging(&query)?;
    let keys = told(app.core.list_api_keys(&caller.ctx, caller.named(&id)?, Part::page(page, per_page)).await)?;
    Ok(answer(StatusCode::OK, &key_bodies::key_page(keys, (page, per_page), |key| key_bodies::api_key(key, caller.ctx.now))?))
}

/// `POST /identity/v1/organizations/{id}/api-keys`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/api-keys",
    tag = "API Keys",
    operation_id = "createApiKey",
    summary = "Make an API Key",
    description = "With roles in the organization and in sub-organizations of it, all of them within one's own permissions. It belongs to the organization: it lives on when its maker loses his roles or leaves. Needs a person with a fresh session (403 `session_not_fresh`: confirm the password at `/auth/v1/sessions/current/confirm`).",
    params(("id" = String, Path, description = "The organization's id, or `current` for the session's.", example = "current")),
    security(("token" = [])),
    request_body(content = ApiKeyBody, example = json!({"name": "nightly", "grants": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "roles": ["view-build"]}], "expiresAt": "2027-05-25T09:00:00Z", "allowedAddresses": ["203.0.113.0/24"]})),
    responses((status = 201, description = "The key with its secret, shown once.", body = NewApiKeyItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"secret": "kw_api_...", "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "nightly",
        "email": "nightly.0b1f7a52@keys.auth.example.com", "state": "Active", "expiryState": "ok",
        "grants": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "roles": ["view-build"]}], "allowedAddresses": ["203.0.113.0/24"],
        "description": "", "metadata": {}, "deleteProtection": false, "introspect": false, "createdAt": "2026-11-24T09:00:00.000Z",
        "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "notBefore": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2027-05-25T09:00:00.000Z", "suspendedAt": null, "revokedAt": null,
        "lastUsedAt": null, "lastUsedAddress": null})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn create(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let new: ApiKeyBody = json(request.into_body(), NEW).await?;
    let made = told(app.core.make_api_key(&caller.ctx, caller.named(&id)?, key_bodies::api_key_to_make(new)).await)?;
    Ok(created(made.position, &key_bodies::new_api_key(made, caller.ctx.now)?))
}

/// `GET /identity/v1/organizations/{id}/api-keys/{key}`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/api-keys/{key}",
    tag = "API Keys",
    operation_id = "getApiKey",
    summary = "One API Key",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "The key.", body = ApiKeyItem, example = json!({
        "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "nightly", "email": "nightly.0b1f7a52@keys.auth.example.com", "state": "Suspended",
        "expiryState": "ok", "grants": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "roles": ["view-build"]}],
        "allowedAddresses": [], "description": "builds every night", "metadata": {"team": "mobile"}, "deleteProtection": true, "introspect": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "notBefore": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2027-05-25T09:00:00.000Z", "suspendedAt": "2026-12-01T09:00:00.000Z", "revokedAt": null,
        "lastUsedAt": "2026-11-30T02:00:07.412Z", "lastUsedAddress": "203.0.113.7"})), Refusals)
)]
pub(crate) async fn get_one(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let found = told(app.core.get_api_key(&caller.ctx, caller.named(&id)?, key(&of)).await)?;
    Ok(answer(StatusCode::OK, &key_bodies::api_key(found, caller.ctx.now)?))
}

/// `PATCH /identity/v1/organizations/{id}/api-keys/{key}`.
#[utoipa::path(
    patch,
    path = "/identity/v1/organizations/{id}/api-keys/{key}",
    tag = "API Keys",
    operation_id = "updateApiKey",
    summary = "Change an API Key",
    description = "What is left out stays; so does the secret. A person may narrow and describe a key; what widens it (more permissions, more addresses, an earlier begin) needs his session to be fresh, and that he may do himself all that the key may then. If it may do less afterwards, its tokens are taken back, and the next exchange gives others. Another expiry is set by rotating.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the session's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    request_body(content = ApiKeyChangeBody, example = json!({"description": "builds every night", "deleteProtection": true})),
    responses((status = 200, description = "The key as it is now.", body = ApiKeyItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({
        "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "nightly", "email": "nightly.0b1f7a52@keys.auth.example.com", "state": "Active",
        "expiryState": "ok", "grants": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "roles": ["view-build"]}],
        "allowedAddresses": [], "description": "builds every night", "metadata": {}, "deleteProtection": true, "introspect": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "notBefore": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2027-05-25T09:00:00.000Z", "suspendedAt": null, "revokedAt": null,
        "lastUsedAt": "2026-11-30T02:00:07.412Z", "lastUsedAddress": "203.0.113.7"})), Refusals, ChangeRefusals)
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of)): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let change: ApiKeyChangeBody = json(request.into_body(), CHANGE).await?;
    let updated = told(app.core.update_api_key(&caller.ctx, caller.named(&id)?, key(&of), key_bodies::api_key_change(change)).await)?;
    Ok(changed(updated.position, &key_bodies::api_key(updated.value, caller.ctx.now)?))
}

/// `DELETE /identity/v1/organizations/{id}/api-keys/{key}`.
#[utoipa::path(
    delete,
    path = "/identity/v1/organizations/{id}/api-keys/{key}",
    tag = "API Keys",
    operation_id = "revokeApiKey",
    summary = "Revoke an API Key for ever",
    description = "Its tokens die with it. Revoking it again changes nothing and succeeds. A token made from a key may do it. 409 if the key is protected. With `undo=true` what came in by the key is taken back too, which needs a session whose password was given within five minutes.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11"),
        ("undo" = Option<bool>, Query, description = "Whether what came in by the key is taken back too; `GET .../brought-in` lists it.", example = false)
    ),
    security(("token" = [])),
    responses((status = 200, description = "It is revoked. `takenBack` and `kept` stand there with `undo=true` alone.", body = RevokedKeyBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the key was revoked"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn revoke(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>, query: Query) -> Result<Response, ApiError> {
    match query.get("undo") {
        Some("true") => {
            let revoked = told(app.core.revoke_api_key_and_undo(&caller.ctx, caller.named(&id)?, key(&of)).await)?;
            return Ok(changed(revoked.position, &RevokedKeyBody::from(revoked.value)));
        }
        Some("false") | None => {}
        Some(_) => return Err(ApiError::BadRequest("undo must be true or false".to_owned())),
    }
    let revoked = told(app.core.revoke_api_key(&caller.ctx, caller.named(&id)?, key(&of)).await)?;
    Ok(changed(revoked.position, &Done { message: "the key was revoked" }))
}

/// `POST /identity/v1/organizations/{id}/api-keys/{key}/suspend`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/api-keys/{key}/suspend",
    tag = "API Keys",
    operation_id = "suspendApiKey",
    summary = "Suspend an API Key",
    description = "Until it is resumed it is not exchanged. Its tokens are taken back, here at once and by verifiers that follow the feed within a second; after resuming it gives new ones. Suspending it again changes nothing and succeeds. A token made from a key may do it.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It is suspended.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the key is suspended"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn suspend(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let suspended = told(app.core.suspend_api_key(&caller.ctx, caller.named(&id)?, key(&of)).await)?;
    Ok(changed(suspended.position, &Done { message: "the key is suspended" }))
}

/// `POST /identity/v1/organizations/{id}/api-keys/{key}/resume`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/api-keys/{key}/resume",
    tag = "API Keys",
    operation_id = "resumeApiKey",
    summary = "Take the suspension of an API Key back",
    description = "Without one nothing changes, and it succeeds. Needs a person with a fresh session who may do himself all that the key may.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the session's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It is taken again.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the key is not suspended any more"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn resume(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let resumed = told(app.core.resume_api_key(&caller.ctx, caller.named(&id)?, key(&of)).await)?;
    Ok(changed(resumed.position, &Done { message: "the key is not suspended any more" }))
}

/// `POST /identity/v1/organizations/{id}/api-keys/{key}/rotate`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/api-keys/{key}/rotate",
    tag = "API Keys",
    operation_id = "rotateApiKey",
    summary = "Give an API Key another secret",
    description = "And another expiry, if one is sent; a key that has expired needs one. The old secret goes on for the overlap; that of an expired key stays dead. Without a body the overlap is 24 hours and the expiry stays. Needs a person with a fresh session who may do himself all that the key may.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the session's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    request_body(content = Option<RotationBody>, example = json!({"overlapSeconds": 3600, "expiresAt": "2027-11-24T09:00:00Z"})),
    responses((status = 200, description = "The new secret, shown once.", body = RotatedBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "secret": "kw_api_...", "version": 2,
        "expiresAt": "2027-11-24T09:00:00.000Z", "oldSecretEndsAt": "2026-11-24T10:00:00.000Z"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of)): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let body = read(request.into_body()).await?;
    let how: RotationBody = if body.trim_ascii().is_empty() { RotationBody::default() } else { parse(&body, ROTATION)? };
    let key = key(&of);
    let rotated = told(app.core.rotate_api_key(&caller.ctx, caller.named(&id)?, key, key_bodies::rotation(&how)).await)?;
    Ok(changed(rotated.position, &key_bodies::rotated(key, &rotated)))
}
