//! Documents by which programs find their way: RFC 8414, OpenID Connect Discovery as far as it is true here, RFC 9728.

use crate::{app::App, well_known::document};
use axum::{extract::State, response::Response};
use keywright_protocol::{
    oauth::{self, ResourceMetadata, ServerMetadata},
    paths,
};
use serde::Serialize;
use std::sync::Arc;

const CACHE: &str = "public, max-age=300";

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn json(body: &impl Serialize) -> Response {
    document("application/json", CACHE, serde_json::to_vec(body).unwrap_or_default())
}

fn server_metadata(app: &App) -> ServerMetadata {
    let at = |path: &str| format!("{}{path}", app.core.issuer());
    let catalog = app.core.catalog();
    let scopes = catalog.catalog.document().apis.values().flat_map(|api| api.permissions.keys().cloned());
    ServerMetadata {
        issuer: app.core.issuer().to_owned(),
        token_endpoint: at(paths::OAUTH_TOKEN),
        jwks_uri: at(paths::JWKS),
        introspection_endpoint: at(paths::OAUTH_INTROSPECT),
        revocation_endpoint: at(paths::OAUTH_REVOKE),
        userinfo_endpoint: at(paths::OAUTH_USERINFO),
        grant_types_supported: texts([oauth::CLIENT_CREDENTIALS, oauth::TOKEN_EXCHANGE]),
        response_types_supported: Vec::new(),
        token_endpoint_auth_methods_supported: texts(["client_secret_basic", "client_secret_post", "none"]),
        introspection_endpoint_auth_methods_supported: texts(["client_secret_basic", "client_secret_post"]),
        revocation_endpoint_auth_methods_supported: texts(["none", "client_secret_basic", "client_secret_post"]),
        scopes_supported: scopes.collect(),
        service_documentation: at(paths::OPENAPI_PAGE),
        subject_types_supported: texts(["public"]),
        id_token_signing_alg_values_supported: Vec::new(),
        claims_supported: texts(["sub", "email", "name", "preferred_username", "currentOrganizationId"]),
    }
}

/// `GET /.well-known/oauth-authorization-server`.
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    operation_id = "serverMetadata",
    tag = "OAuth",
    summary = "Where everything is, for OAuth clients",
    description = "Metadata of the authorization server (RFC 8414).",
    responses((status = 200, description = "The metadata.", body = ServerMetadata, example = json!({"issuer": "https://auth.example.com",
        "token_endpoint": "https://auth.example.com/oauth/token", "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
        "introspection_endpoint": "https://auth.example.com/oauth/introspect", "revocation_endpoint": "https://auth.example.com/oauth/revoke",
        "userinfo_endpoint": "https://auth.example.com/oauth/userinfo",
        "grant_types_supported": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"], "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "scopes_supported": ["invoices.read", "invoices.write"], "service_documentation": "https://auth.example.com/openapi/index.html",
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": [],
        "claims_supported": ["sub", "email", "name", "preferred_username", "currentOrganizationId"]})))
)]
pub(crate) async fn server(State(app): State<Arc<App>>) -> Response {
    json(&server_metadata(&app))
}

/// `GET /.well-known/openid-configuration`.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    operation_id = "openidConfiguration",
    tag = "OAuth",
    summary = "The same, for clients of OpenID Connect",
    description = "As far as it is true: there is no authorization endpoint and there are no ID tokens, nobody is sent here with a browser (OpenID Connect Discovery 1.0, section 3).",
    responses((status = 200, description = "The metadata, as at `/.well-known/oauth-authorization-server`.", body = ServerMetadata))
)]
pub(crate) async fn openid(State(app): State<Arc<App>>) -> Response {
    json(&server_metadata(&app))
}

/// `GET /.well-known/oauth-protected-resource`.
#[utoipa::path(
    get,
    path = "/.well-known/oauth-protected-resource",
    operation_id = "resourceMetadata",
    tag = "OAuth",
    summary = "Which tokens the identity API takes",
    description = "Metadata of this server's own API as a protected resource (RFC 9728).",
    responses((status = 200, description = "The metadata.", body = ResourceMetadata, example = json!({"resource": "https://auth.example.com",
        "authorization_servers": ["https://auth.example.com"], "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
        "scopes_supported": ["organization.member.view"], "bearer_methods_supported": ["header"],
        "resource_documentation": "https://auth.example.com/openapi/index.html?urls.primaryName=identity"})))
)]
pub(crate) async fn resource(State(app): State<Arc<App>>) -> Response {
    let (issuer, catalog) = (app.core.issuer(), app.core.catalog());
    let own = catalog.catalog.audience(None).cloned().unwrap_or_default();
    json(&ResourceMetadata {
        resource: issuer.to_owned(),
        authorization_servers: texts([issuer]),
        jwks_uri: format!("{issuer}{}", paths::JWKS),
        scopes_supported: catalog.catalog.ids(&own).map(str::to_owned).collect(),
        bearer_methods_supported: texts(["header"]),
        resource_documentation: format!("{issuer}{}?urls.primaryName=identity", paths::OPENAPI_PAGE),
    })
}
