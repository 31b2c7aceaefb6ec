//! What is the installation's: signing keys and the catalog, for Owners of the operator organization.

use super::{
    bodies::Done,
    call::{Caller, Named, answer, changed, json_within, parse, read, told},
    docs::{ChangeRefusals, Refusals},
};
use crate::{app::App, error::ApiError};
use axum::{
    Router,
    body::Body,
    extract::State,
    response::Response,
    routing::{delete, get, post},
};
use http::{Request, StatusCode};
use keywright_core::catalog::{Preset, assemble};
use keywright_protocol::{
    admin::{CatalogDiff, RoleReplacement, SigningKeyRow},
    catalog::Document,
    jwk::Purpose,
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

const ROTATION: &str = r#"{"purpose": "access-token"}"#;
/// Longest body with a catalog in it, in bytes.
const MAX_CATALOG: usize = 64 * 1024;
const CATALOG: &str = r#"{"own": "[apis.invoices]\n..."}"#;

/// Its routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v1/signing-keys", get(signing_keys))
        .route("/identity/v1/signing-keys/rotate", post(rotate_signing_keys))
        .route("/identity/v1/signing-keys/{kid}", delete(revoke_signing_key))
        .route("/identity/v1/catalog/diff", post(diff_catalog))
        .route("/identity/v1/catalog/apply", post(apply_catalog))
}

/// Which signing keys get successors.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningKeyRotation {
    /// Of one purpose; without it of all.
    #[serde(default)]
    purpose: Option<Purpose>,
}

/// A catalog to compare with the one in force: what is configured as `[catalog]`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogToCompare {
    /// One that comes with the program; without it none.
    #[serde(default)]
    preset: Option<String>,
    /// The operator's own, TOML; laid over the preset and what is built in.
    #[serde(default)]
    own: Option<String>,
}

/// A catalog to put in force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CatalogToApply {
    /// One that comes with the program; without it none.
    #[serde(default)]
    preset: Option<String>,
    /// The operator's own, TOML; laid over the preset and what is built in.
    #[serde(default)]
    own: Option<String>,
    /// What takes the place of roles that vanish while somebody holds them.
    #[serde(default)]
    replace: Vec<RoleReplacement>,
}

fn assembled(preset: Option<&str>, own: Option<&str>) -> Result<Document, ApiError> {
    let known = |name: &str| Preset::from_name(name).ok_or_else(|| ApiError::BadRequest("preset must be `appcircle`, or left out".to_owned()));
    Ok(assemble(preset.map(known).transpose()?, own)?)
}

/// `GET /identity/v1/signing-keys`.
#[utoipa::path(
    get,
    path = "/identity/v1/signing-keys",
    tag = "Installation",
    operation_id = "listSigningKeys",
    summary = "The signing keys of this installation",
    description = "All that ever were, oldest first; no private key is in it. For Owners of the operator organization, by a session. A bare array.",
    security(("token" = [])),
    responses((status = 200, description = "The keys.", body = Vec<SigningKeyRow>, example = json!([{"kid": "3vWk1xS8...", "purpose": "access-token",
        "algorithm": "ES256", "state": "active", "since": "2026-11-24T09:00:00.000Z", "createdAt": "2026-11-24T08:45:00.000Z",
        "until": "2027-02-22T09:00:00.000Z"}])), Refusals)
)]
pub(crate) async fn signing_keys(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, ApiError> {
    Ok(answer(StatusCode::OK, &told(app.core.list_signing_keys(&caller.ctx).await)?))
}

/// `POST /identity/v1/signing-keys/rotate`.
#[utoipa::path(
    post,
    path = "/identity/v1/signing-keys/rotate",
    tag = "Installation",
    operation_id = "rotateSigningKeys",
    summary = "Give signing keys successors",
    description = "They are published now and sign after a quarter of an hour (a setting); no token becomes invalid. For Owners of the operator organization with a fresh session.",
    security(("token" = [])),
    request_body(content = Option<SigningKeyRotation>, example = json!({"purpose": "access-token"})),
    responses((status = 200, description = "The successors, a bare array.", body = Vec<SigningKeyRow>,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!([{"kid": "9fKq...", "purpose": "access-token",
        "algorithm": "ES256", "state": "pending", "since": "2026-11-24T09:00:00.000Z", "createdAt": "2026-11-24T09:00:00.000Z",
        "until": "2026-11-24T09:15:00.000Z"}])), Refusals, ChangeRefusals)
)]
pub(crate) async fn rotate_signing_keys(State(app): State<Arc<App>>, caller: Caller, request: Request<Body>) -> Result<Response, ApiError> {
    let body = read(request.into_body()).await?;
    let wanted: SigningKeyRotation = if body.trim_ascii().is_empty() { SigningKeyRotation::default() } else { parse(&body, ROTATION)? };
    let made = told(app.core.rotate_signing_keys(&caller.ctx, wanted.purpose).await)?;
    Ok(changed(made.position, &made.value))
}

/// `DELETE /identity/v1/signing-keys/{kid}`.
#[utoipa::path(
    delete,
    path = "/identity/v1/signing-keys/{kid}",
    tag = "Installation",
    operation_id = "revokeSigningKey",
    summary = "Take the trust from a signing key",
    description = "At once and for ever: nothing that it signed is believed, and a new one signs. For a key that somebody else may have. For Owners of the operator organization with a fresh session.",
    params(("kid" = String, Path, description = "Its id, as listed.", example = "3vWk1xS8-2h0m1Q")),
    security(("token" = [])),
    responses((status = 200, description = "It is done.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the signing key was revoked"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn revoke_signing_key(State(app): State<Arc<App>>, caller: Caller, Named(kid): Named<String>) -> Result<Response, ApiError> {
    let revoked = told(app.core.revoke_signing_key(&caller.ctx, &kid).await)?;
    Ok(changed(revoked.position, &Done { message: "the signing key was revoked" }))
}

/// `POST /identity/v1/catalog/diff`.
#[utoipa::path(
    post,
    path = "/identity/v1/catalog/diff",
    tag = "Installation",
    operation_id = "diffCatalog",
    summary = "What another catalog would change",
    description = "And for whom. Changes nothing. For Owners of the operator organization, by a session.",
    security(("token" = [])),
    request_body(content = CatalogToCompare, example = json!({"own": "[apis.invoices]\naudience = \"https://invoices.example.com\"\npermissions = { \"invoices.read\" = \"Read invoices\" }\n"})),
    responses((status = 200, description = "The difference.", body = CatalogDiff, example = json!({"identical": false,
        "permissions": {"added": ["invoices.read"], "removed": [], "changed": []}, "roles": {"added": ["accountant"], "removed": [], "changed": []},
        "defaultAudience": null, "held": [], "generationsEnded": 0})), Refusals, ChangeRefusals)
)]
pub(crate) async fn diff_catalog(State(app): State<Arc<App>>, caller: Caller, request: Request<Body>) -> Result<Response, ApiError> {
    told(app.core.require_installation_reader(&caller.ctx).await)?;
    let body: CatalogToCompare = json_within(request.into_body(), CATALOG, MAX_CATALOG).await?;
    Ok(answer(StatusCode::OK, &told(app.core.diff_catalog(&caller.ctx, assembled(body.preset.as_deref(), body.own.as_deref())?).await)?))
}

/// `POST /identity/v1/catalog/apply`.
#[utoipa::path(
    post,
    path = "/identity/v1/catalog/apply",
    tag = "Installation",
    operation_id = "applyCatalog",
    summary = "Put another catalog in force",
    description = "Tokens of whoever loses something are taken back. At its next start the server takes the one of its configuration again: change that too. For Owners of the operator organization with a fresh session.",
    security(("token" = [])),
    request_body(content = CatalogToApply, example = json!({"own": "[apis.invoices]\naudience = \"https://invoices.example.com\"\npermissions = { \"invoices.read\" = \"Read invoices\" }\n", "replace": [{"old": "clerk", "new": "accountant"}]})),
    responses((status = 200, description = "What changed.", body = CatalogDiff,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"identical": false,
        "permissions": {"added": ["invoices.read"], "removed": [], "changed": []}, "roles": {"added": ["accountant"], "removed": [], "changed": []},
        "defaultAudience": null, "held": [], "generationsEnded": 3})), Refusals, ChangeRefusals)
)]
pub(crate) async fn apply_catalog(State(app): State<Arc<App>>, caller: Caller, request: Request<Body>) -> Result<Response, ApiError> {
    told(app.core.require_installation_reader(&caller.ctx).await)?;
    let body: CatalogToApply = json_within(request.into_body(), CATALOG, MAX_CATALOG).await?;
    let applied = told(app.core.apply_catalog(&caller.ctx, assembled(body.preset.as_deref(), body.own.as_deref())?, body.replace).await)?;
    Ok(changed(applied.position, &applied.value))
}
