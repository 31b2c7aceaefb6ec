//! Operator keys: made, listed, rotated and revoked by Owners of the operator organization.

use super::{
    bodies::Done,
    call::{Caller, Named, answer, changed, created, json, key, parse, read, told},
    docs::{ChangeRefusals, Refusals},
    operator_bodies::{MadeOperatorKey, NewOperatorKeyBody, OperatorKeyItem, OperatorKeyRotation, RotatedOperatorKey},
};
use crate::{app::App, error::ApiError};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use std::sync::Arc;

const NEW: &str = r#"{"name": "backend", "scopes": ["organizations", "keys"]}"#;
const ROTATION: &str = r#"{"overlapSeconds": 3600}"#;

/// `GET /identity/v1/operator-keys`.
#[utoipa::path(
    get,
    path = "/identity/v1/operator-keys",
    tag = "Operator keys",
    operation_id = "listOperatorKeys",
    summary = "The operator keys of this installation",
    description = "In whatever state, oldest first, without secrets. For Owners of the operator organization with a fresh session. A bare array.",
    security(("token" = [])),
    responses((status = 200, description = "The keys.", body = Vec<OperatorKeyItem>, example = json!([{"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "name": "backend", "scopes": ["organizations", "keys"], "allowedAddresses": ["203.0.113.0/24"], "state": "Active",
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "expiresAt": "2027-05-25T09:00:00.000Z",
        "revokedAt": null}])), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, ApiError> {
    let keys = told(app.core.list_operator_keys(&caller.ctx).await)?;
    Ok(answer(StatusCode::OK, &keys.into_iter().map(|key| OperatorKeyItem::new(key, caller.ctx.now)).collect::<Vec<_>>()))
}

/// `POST /identity/v1/operator-keys`.
#[utoipa::path(
    post,
    path = "/identity/v1/operator-keys",
    tag = "Operator keys",
    operation_id = "createOperatorKey",
    summary = "Make an operator key",
    description = "For your own programs, so that they need no person. It is sent in the `Authorization` header of the identity API as it is, is never exchanged, and reaches every organization but the operator organization. For Owners of the operator organization with a fresh session.",
    security(("token" = [])),
    request_body(content = NewOperatorKeyBody, example = json!({"name": "backend", "scopes": ["organizations", "keys"], "allowedAddresses": ["203.0.113.0/24"]})),
    responses((status = 201, description = "The key with its secret, which is shown once.", body = MadeOperatorKey,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "name": "backend", "scopes": ["organizations", "keys"], "allowedAddresses": ["203.0.113.0/24"], "state": "Active",
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "expiresAt": "2027-05-25T09:00:00.000Z",
        "revokedAt": null, "secret": "kw_op_..."})), Refusals, ChangeRefusals)
)]
pub(crate) async fn create(State(app): State<Arc<App>>, caller: Caller, request: Request<Body>) -> Result<Response, ApiError> {
    let new: NewOperatorKeyBody = json(request.into_body(), NEW).await?;
    let made = told(app.core.create_operator_key(&caller.ctx, new.into()).await)?;
    Ok(created(made.position, &MadeOperatorKey::new(made.value, caller.ctx.now)))
}

/// `POST /identity/v1/operator-keys/{id}/rotate`.
#[utoipa::path(
    post,
    path = "/identity/v1/operator-keys/{id}/rotate",
    tag = "Operator keys",
    operation_id = "rotateOperatorKey",
    summary = "Give an operator key another secret",
    description = "Id, name and scopes stay; the old secret goes on for an overlap. Without a body for 24 hours. For Owners of the operator organization with a fresh session.",
    params(("id" = String, Path, description = "The key's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")),
    security(("token" = [])),
    request_body(content = Option<OperatorKeyRotation>, example = json!({"overlapSeconds": 3600})),
    responses((status = 200, description = "The new secret, which is shown once.", body = RotatedOperatorKey,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "secret": "kw_op_...", "expiresAt": "2027-05-25T09:00:00.000Z", "oldSecretEndsAt": "2026-11-24T10:00:00.000Z"})), Refusals, ChangeRefusals)
)]
pub(crate) async fn rotate(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let (id, body) = (key(&id), read(request.into_body()).await?);
    let how = if body.trim_ascii().is_empty() { OperatorKeyRotation::default() } else { parse(&body, ROTATION)? };
    let rotated = told(app.core.rotate_operator_key(&caller.ctx, id, how.into()).await)?;
    Ok(changed(rotated.position, &RotatedOperatorKey::new(id, &rotated)))
}

/// `DELETE /identity/v1/operator-keys/{id}`.
#[utoipa::path(
    delete,
    path = "/identity/v1/operator-keys/{id}",
    tag = "Operator keys",
    operation_id = "revokeOperatorKey",
    summary = "Revoke an operator key for ever",
    description = "Keys that it made live on. Doing it again changes nothing and succeeds. For Owners of the operator organization with a fresh session.",
    params(("id" = String, Path, description = "The key's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")),
    security(("token" = [])),
    responses((status = 200, description = "It opens nothing any more.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the operator key was revoked"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn revoke(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let revoked = told(app.core.revoke_operator_key(&caller.ctx, key(&id)).await)?;
    Ok(changed(revoked.position, &Done { message: "the operator key was revoked" }))
}
