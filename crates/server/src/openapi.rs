//! The API documentation: one page, several specs by name.

use crate::{
    auth, gateway as gateway_checks, health, identity, oauth,
    openapi_modify::{Common, Examples, Shared},
    status, well_known,
};
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use std::sync::Arc;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, Url};

/// A spec that the page lists.
#[derive(Clone)]
pub struct Spec {
    /// As in `?urls.primaryName=`.
    pub name: String,
    /// Where it is: here, or at another server's address.
    pub at: SpecAt,
}

/// Where a spec is.
#[derive(Clone)]
pub enum SpecAt {
    /// This server serves it.
    Here(Box<Document>),
    /// Another one does, at this URL.
    Url(String),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keywright OAuth API",
        description = "Get access tokens, ask about them, and take them back, by the standards of the OAuth 2.0 family: any client of these works.\n\n**How to authenticate**: `POST /oauth/token` with `grant_type=client_credentials` and an API Key (its id or name, and its secret, by HTTP Basic), or with `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` and a Personal Access Key as `subject_token`. Send the `access_token` that it answers in the `Authorization` header, after `Bearer`.\n\n**Errors** have the codes of the standards in `error`, what exactly it was in `reason`, and one sentence that says what to do in `error_description` and `message`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    paths(
        oauth::token::token,
        oauth::introspect::introspect,
        oauth::revoke::revoke,
        auth::userinfo::oauth_userinfo,
        auth::userinfo::oauth_userinfo_by_post,
        oauth::metadata::server,
        oauth::metadata::openid,
        oauth::metadata::resource
    ),
    // Schemas that only answers documented by `IntoResponses` name are not found by themselves.
    components(schemas(keywright_protocol::ErrorBody, keywright_protocol::auth::UserInfo, keywright_protocol::oauth::OAuthTokenResponse)),
    tags((name = "OAuth", description = "Tokens, by the standards.")),
    modifiers(&TokenScheme, &ClientScheme, &Shared)
)]
struct OAuthApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keywright auth API",
        description = "Exchange a long-lived key for a short-lived access token, and check tokens.\n\n**How to authenticate**: `POST /auth/v3/token` with your Personal Access Key, or `POST /auth/v1/api-key/token` with an API Key's name and secret. Copy `access_token` from the answer, press *Authorize* on this page, paste it, and try the other operations; in your own code send it in the `Authorization` header, with or without `Bearer` before it.\n\n**Errors** are `application/json` with `error` (a stable code), `error_description` and `message` (one sentence that says what to do). Every answer has `X-Request-Id`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    paths(
        auth::token::v3,
        auth::token::api_key,
        auth::token::v2,
        auth::token::v1,
        auth::userinfo::userinfo,
        auth::sessions::sign_in,
        auth::sessions::list,
        auth::sessions::end_others,
        auth::sessions::end,
        auth::sessions::current,
        auth::sessions::switch,
        auth::sessions::sign_out,
        auth::sessions::confirm,
        auth::sessions::token,
        auth::passwords::change,
        auth::passwords::request_reset,
        auth::passwords::reset,
        auth::second_factor::get,
        auth::second_factor::begin,
        auth::second_factor::confirm,
        auth::second_factor::remove,
        auth::second_factor::renew_recovery_codes,
        well_known::jwks,
        well_known::pem,
        well_known::catalog,
        status::list,
        status::changes,
        status::follow,
        status::report,
        well_known::roles,
        health::alive,
        health::ready_docs,
        health::metrics_docs
    ),
    components(schemas(keywright_protocol::auth::TokenResponse, keywright_protocol::auth::UserInfo)),
    tags(
        (name = "Sign-in", description = "People: sessions, passwords and second factors."),
        (name = "Token", description = "About a token."),
        (name = "Verification", description = "What a resource server needs to check tokens by itself."),
        (name = "Compatibility", description = "The vendor's wire protocol, for its clients; everybody else is at home in the spec `oauth`."),
        (name = "Operation", description = "For whoever runs the server.")
    ),
    modifiers(&TokenScheme, &Common, &Examples, &Shared)
)]
struct AuthApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keywright identity API",
        description = "Organizations, their members with roles, invitations and keys, as far as the holder of an access token or a session may see and change them.\n\n**How to authenticate**: exchange a key at `POST /auth/v3/token` (see the spec `auth`) and send the token in the `Authorization` header. What the token may do here is computed anew at each request: a key that has been revoked opens nothing any more, whatever its tokens say. A token that says more than its key may do now is taken back; exchange the key for another one.\n\n**Changes** answer with the header `Keywright-Revision`; reads that send it back as `Keywright-Min-Revision` see that change. Keys never give or take Owner, and never change the roles of their own holder.\n\n**Keys do not breed**: whoever makes, widens, rotates or resumes a key is a person with a fresh session. Sign in at `POST /auth/v1/sessions` (spec `auth`), send the `sessionToken` in the `Authorization` header, and after five minutes confirm the password at `/auth/v1/sessions/current/confirm`. A token made from a key lists, suspends and revokes keys, as far as its roles go, and nothing else.\n\n**Operator keys** are for the programs of whoever runs the installation, and are sent here as they are. As their scopes go they do in every organization but the operator organization what its Owners may do. With each change they say for whom, in the query: `?onBehalfOf=customer-17`, on any route; without it the change is refused (400).\n\n**Twice is once**: a change that comes with an `Idempotency-Key` is made once in 24 hours; a repetition gets the first answer again, with `Idempotency-Replayed: true`, and `null` where a secret stood, with `secretShown: true`. The same key with another request is 422.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    paths(
        identity::me::me,
        identity::me::explain,
        identity::organizations::list,
        identity::organizations::get,
        identity::organizations::create_sub,
        identity::attention::attention,
        identity::lifecycle::update,
        identity::lifecycle::remove,
        identity::provisioning::create_root,
        identity::provisioning::put_root,
        identity::provisioning::get_root,
        identity::provisioning::limits,
        identity::provisioning::set_limits,
        identity::provisioning::suspend,
        identity::provisioning::resume,
        identity::provisioning::add_user,
        identity::provisioning::disable_user,
        identity::provisioning::enable_user,
        identity::operator_keys::list,
        identity::operator_keys::create,
        identity::operator_keys::rotate,
        identity::operator_keys::revoke,
        identity::installation::signing_keys,
        identity::installation::rotate_signing_keys,
        identity::installation::revoke_signing_key,
        identity::installation::diff_catalog,
        identity::installation::apply_catalog,
        identity::members::list,
        identity::members::roles,
        identity::members::replace_roles,
        identity::members::add_roles,
        identity::members::remove_roles,
        identity::export::export,
        identity::policy::get,
        identity::policy::set,
        identity::revoke_all::revoke_all,
        identity::revocations::get,
        identity::brought_in::list,
        identity::usage::secrets,
        identity::usage::of_api_key,
        identity::usage::of_personal_access_key,
        identity::invitations::invite,
        identity::invitations::list,
        identity::invitations::re_invite,
        identity::invitations::revoke,
        identity::invitations::look_up,
        identity::invitations::accept,
        identity::personal_access_keys::list,
        identity::personal_access_keys::create,
        identity::personal_access_keys::rename,
        identity::personal_access_keys::revoke,
        identity::api_keys::list,
        identity::api_keys::create,
        identity::api_keys::get_one,
        identity::api_keys::update,
        identity::api_keys::revoke,
        identity::api_keys::suspend,
        identity::api_keys::resume,
        identity::api_keys::rotate,
        identity::activity::list,
        identity::activity::export,
        identity::activity::head,
        identity::activity::chain,
        identity::roles::list,
        identity::roles::create,
        identity::roles::get_one,
        identity::roles::update,
        identity::roles::delete,
        identity::webhooks::list,
        identity::webhooks::create,
        identity::webhooks::get_one,
        identity::webhooks::update,
        identity::webhooks::delete,
        identity::webhooks::rotate,
        identity::webhooks::ping,
        identity::webhooks::deliveries,
        identity::webhooks::redeliver
    ),
    components(schemas(keywright_protocol::ErrorBody)),
    tags(
        (name = "Me", description = "Who holds the token, what he may do, and why."),
        (name = "Organizations", description = "Roots and their sub-organizations."),
        (name = "Members", description = "Who belongs to an organization, with which roles."),
        (name = "Roles", description = "Roles that an organization makes of permissions of the catalog."),
        (name = "Invitations", description = "How people come in."),
        (name = "Personal Access Keys", description = "Keys of people: each makes his own."),
        (name = "API Keys", description = "Keys of organizations, for their programs."),
        (name = "Policy", description = "What an organization demands of its keys, and how it takes back all of them at once."),
        (name = "Receipts", description = "Who has heard that something was taken back."),
        (name = "Activity", description = "What happened, who did it, and how to prove it."),
        (name = "Webhooks", description = "What happened, sent to programs of the organization's own."),
        (name = "Users", description = "People of the installation, wherever they are members."),
        (name = "Operator keys", description = "For the programs of whoever runs the installation."),
        (name = "Installation", description = "Signing keys and the catalog, for Owners of the operator organization.")
    ),
    modifiers(&TokenScheme, &Common, &Examples, &Shared)
)]
struct IdentityApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keywright gateway checks",
        description = "nginx, Caddy, HAProxy, Envoy and others ask here about each request whether it may go on to what stands behind them, by the route table in the configuration.\n\n**How to authenticate**: the client exchanges its key at `POST /auth/v3/token` (see the spec `auth`) and sends the token to the gateway, which hands it on to here. On routes that take raw keys, the key itself will do. Only addresses in `gateway.peers` may ask.\n\n**Answers have no body.** 200, 401 and 403 are decisions; 429 and 503 are none, and carry `X-Keywright-Status`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    paths(gateway_checks::docs::forwarded, gateway_checks::docs::itself),
    tags((name = "Gateways", description = "Whether a request may go on.")),
    modifiers(&TokenScheme)
)]
struct GatewayApi;

struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "An access token; on the routes of sessions, and on the identity API if you like, a sessionToken; on the identity API an operator key too. `Bearer` before it is optional, in any case.",
            ))
            .build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

struct ClientScheme;

impl Modify for ClientScheme {
    fn modify(&self, document: &mut Document) {
        let description = "An API Key as an OAuth client: its id or name, and its secret.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(description)).build();
        document.components.get_or_insert_default().add_security_scheme("client", SecurityScheme::Http(scheme));
    }
}

/// The spec `oauth`.
#[must_use]
pub fn oauth() -> Document {
    OAuthApi::openapi()
}

/// The spec `auth`.
#[must_use]
pub fn auth() -> Document {
    AuthApi::openapi()
}

/// The spec `identity`.
#[must_use]
pub fn identity() -> Document {
    IdentityApi::openapi()
}

/// The spec `gateway`.
#[must_use]
pub fn gateway() -> Document {
    GatewayApi::openapi()
}

/// The page at `/openapi/index.html` with these specs, and the documents of those that are served here.
pub fn router<S: Clone + Send + Sync + 'static>(specs: &[Spec]) -> Router<S> {
    let mut router = Router::new().route("/openapi", get(|| async { Redirect::permanent("/openapi/index.html") }));
    let mut urls = Vec::new();
    for spec in specs {
        let url = match &spec.at {
            SpecAt::Url(url) => url.clone(),
            SpecAt::Here(document) => {
                let path = format!("/openapi/{}.json", spec.name);
                let text = document.to_json().unwrap_or_default();
                router = router.route(&path, get(move || async move { file("application/json", text.into_bytes()) }));
                path
            }
        };
        urls.push((spec.name.clone(), url));
    }
    let urls = Arc::new(urls);
    let policy = policy(specs);
    router.route("/openapi/{file}", get(move |Path(name): Path<String>| async move { page_file(&name, &urls, policy) }))
}

/// A file of the page; `swagger-initializer.js` among them lists the specs.
fn page_file(name: &str, urls: &[(String, String)], policy: HeaderValue) -> Response {
    let urls = urls.iter().map(|(name, url)| Url::new(name, url));
    let config = Config::new(urls).try_it_out_enabled(true).persist_authorization(false).display_request_duration(true);
    match utoipa_swagger_ui::serve(name, Arc::new(config)) {
        Ok(Some(found)) => {
            let mut response = file("application/octet-stream", found.bytes.into_owned());
            let headers = response.headers_mut();
            if let Ok(content_type) = HeaderValue::from_str(&found.content_type) {
                headers.insert(CONTENT_TYPE, content_type);
            }
            headers.insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
        Ok(None) => crate::error::ApiError::NoSuchPath.into_response(),
        Err(error) => {
            tracing::error!(%error, "the API page cannot be made");
            crate::error::ApiError::Broken.into_response()
        }
    }
}

fn file(content_type: &'static str, bytes: Vec<u8>) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(content_type)), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    (headers, bytes).into_response()
}

/// The page runs its own scripts only, and talks to the servers of its specs only.
fn policy(specs: &[Spec]) -> HeaderValue {
    let mut connect = "'self'".to_owned();
    for spec in specs {
        if let SpecAt::Url(url) = &spec.at
            && let Some(origin) = origin(url)
        {
            connect.push(' ');
            connect.push_str(&origin);
        }
    }
    let policy = format!(
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}
