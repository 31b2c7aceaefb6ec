//! The public documents that verifiers read.

use crate::app::App;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use keywright_protocol::{
    jwk::JwkSet,
    roles::{RoleGroup, role_groups},
};
use std::sync::Arc;

pub(crate) fn document(content_type: &'static str, cache: &'static str, body: impl IntoResponse) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(content_type)), (CACHE_CONTROL, HeaderValue::from_static(cache))];
    (headers, body).into_response()
}

/// `GET /.well-known/jwks.json`.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Verification",
    summary = "The public signing keys",
    description = "A JSON Web Key Set (RFC 7517). Choose by `kid`; the algorithm is the key's `alg`, whatever a token says. Keys whose `keywright_purpose` is not `access-token` sign other documents.",
    responses((status = 200, description = "The keys.", body = JwkSet, example = json!({"keys": [{"kty": "EC", "kid": "3vWk...", "alg": "ES256", "use": "sig",
        "keywright_purpose": "access-token", "crv": "P-256", "x": "f83O...", "y": "x_FE..."}]})))
)]
pub(crate) async fn jwks(State(app): State<Arc<App>>) -> Response {
    document("application/json", "public, max-age=300", serde_json::to_vec(&app.core.keyring().jwks()).unwrap_or_default())
}

/// `GET /.well-known/jwks.pem`.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.pem",
    tag = "Verification",
    summary = "The keys of access tokens as PEM",
    description = "For gateways that read nothing else: one `PUBLIC KEY` block a key.",
    responses((status = 200, description = "PEM blocks (RFC 7468).", body = String, content_type = "application/x-pem-file",
        example = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE...\n-----END PUBLIC KEY-----\n"))
)]
pub(crate) async fn pem(State(app): State<Arc<App>>) -> Response {
    document("application/x-pem-file", "public, max-age=300", app.core.keyring().pem())
}

/// `GET /.well-known/keywright-catalog`.
#[utoipa::path(
    get,
    path = "/.well-known/keywright-catalog",
    tag = "Verification",
    summary = "The signed catalog in force",
    description = "A JWS (RFC 7515) of type `keywright-catalog+jwt` by a key of purpose `document`. Its payload has `iss`, `iat`, `history`, `revision` and `catalog`: APIs, permissions, roles and conditions, so that a verifier resolves `roles` of a token without `scope`.",
    responses((status = 200, description = "The catalog.", body = String, content_type = "application/jwt", example = "eyJhbGciOiJFUzI1NiIs..."))
)]
pub(crate) async fn catalog(State(app): State<Arc<App>>) -> Response {
    document("application/jwt", "public, max-age=60", app.core.catalog().signed.clone())
}

/// `GET /roles.json`.
#[utoipa::path(
    get,
    path = "/roles.json",
    tag = "Compatibility",
    summary = "The roles that can be given",
    description = "From the catalog in force: one element a module that has roles, then one of the roles without a module; in each the strongest role first. The role `owner` is in none of them. Needs no token; a query such as `?v=5` changes nothing.",
    responses((status = 200, description = "The groups of roles, a bare array.", body = Vec<RoleGroup>, example = json!([
        {"title": "Organization Management", "module": "organization", "multi": true,
            "roles": [{"key": "manage-organization", "name": "Manager"}, {"key": "view-organization", "name": "Viewer"}]},
        {"title": "Roles", "module": "roles", "multi": true, "roles": [{"key": "accountant", "name": "Accountant"}]}])))
)]
pub(crate) async fn roles(State(app): State<Arc<App>>) -> Response {
    let groups = role_groups(app.core.catalog().catalog.document());
    document("application/json", "public, max-age=60", serde_json::to_vec(&groups).unwrap_or_default())
}
