//! `POST /oauth/introspect` (RFC 7662): for whoever cannot check tokens himself, or must ask each time.

use super::{
    client::{authorization, credentials},
    docs::{AlwaysAnswers, IntrospectForm, QuestionAnswers},
    error::{As, OAuthError, of_core},
};
use crate::{
    app::App,
    auth::{
        form::Fields,
        token::{context, read},
    },
    caller::user_agent,
    error::ApiError,
    json::answer,
    outer::RequestInfo,
};
use axum::{Extension, body::Body, extract::State, response::Response};
use http::{HeaderMap, Request, StatusCode};
use keywright_core::{Client, Context, Credential, Error, JudgedKey, usage::Way};
use keywright_protocol::{KeyKind, OrganizationId, oauth::Introspection, secret};
use keywright_verify::{Verified, VerifyError, bearer_token};
use std::sync::Arc;

const EXAMPLE: &str = "token=eyJhbGciOiJFUzI1NiIs...";

/// What whoever asks may know about.
enum Sees {
    /// All that there is.
    Everything,
    /// What is of a root and its sub-organizations.
    Tree(OrganizationId),
}

/// `POST /oauth/introspect`.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    operation_id = "introspect",
    tag = "OAuth",
    summary = "Ask about a token or a key",
    description = "Whether an access token, or a raw Personal Access Key or API Key, is good at this moment, and what it may do (RFC 7662). Whoever asks is an API Key, by HTTP Basic, as client_id and client_secret in the body, or by its secret as a Bearer token; or the holder of an access token or a session. An API Key of the operator organization with `introspect` asks about everything, everybody else about what is of his own organization's root; of anything else it says `active: false`. A key that is bound to addresses is not active here, since nobody knows from where it came.",
    request_body(content = IntrospectForm, content_type = "application/x-www-form-urlencoded"),
    security(("client" = []), ("token" = [])),
    responses((status = 200, description = "What is known of it.", body = Introspection, example = json!({"active": true, "scope": "invoices.read",
        "client_id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "username": "nightly.0b1f7a52@keys.auth.example.com", "token_type": "Bearer",
        "exp": 1_795_000_000, "iat": 1_794_996_400, "nbf": 1_794_996_400, "sub": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "aud": "https://api.example.com",
        "iss": "https://auth.example.com", "jti": "0cTq...", "roles": ["accountant"], "currentOrganizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "keyId": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "keyKind": "apiKey"})), QuestionAnswers, AlwaysAnswers)
)]
pub(crate) async fn introspect(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let form = read(request, &["token", "client_secret"], EXAMPLE).await?;
    let fields = form.fields()?;
    let ctx = context(&app, &info, user_agent(&headers), Way::Introspection);
    let sees = asker(&app, &ctx, &headers, &fields).await?;
    let missing = || ApiError::BadRequest(format!("the parameter token is missing or empty; send a form such as {EXAMPLE}"));
    let token = fields.one_of(&["token"], "token")?.ok_or_else(missing)?;
    let found = if secret::recognize(token).is_some() { key(&app, &ctx, token, &fields, &sees).await? } else { access_token(&app, &ctx, token, &sees).await? };
    Ok(answer(StatusCode::OK, &found))
}

/// Who asks.
async fn asker(app: &Arc<App>, ctx: &Context, headers: &HeaderMap, fields: &Fields<'_>) -> Result<Sees, ApiError> {
    let sees = |client: Client| if client.introspects { Sees::Everything } else { Sees::Tree(client.root_id) };
    if let Some(client) = credentials(headers, fields)? {
        return app.core.authenticate(ctx, client.credential()).await.map(sees).map_err(|error| of_core(error, As::Client));
    }
    let how = "say who asks: an API Key's id or name and its secret by HTTP Basic, or as client_id and client_secret in the body";
    let text = authorization(headers)?.ok_or_else(|| OAuthError::client(how, None))?;
    let bearer = bearer_token(Some(text.as_bytes())).map_err(|error| OAuthError::client(error.to_string(), None))?;
    match secret::recognize(bearer) {
        Some(KeyKind::ApiKey) => app.core.authenticate(ctx, Credential::ApiKeySecret(bearer)).await.map(sees).map_err(|error| of_core(error, As::Client)),
        Some(KeyKind::Session) => {
            let session = app.core.find_session(ctx.now, bearer).await.map_err(|error| of_core(error, As::Client))?;
            let nowhere = "this session is in no organization: choose one by PATCH at /auth/v1/sessions/current";
            tree(app, session.organization_id.ok_or_else(|| OAuthError::client(nowhere, None))?).await
        }
        Some(KeyKind::PersonalAccessKey | KeyKind::OperatorKey) => Err(OAuthError::client(format!("{how}; or send an access token"), None)),
        None => {
            let refused = |error: VerifyError| {
                if error.is_outage() { ApiError::Core(Error::Unavailable) } else { OAuthError::client(error.to_string(), Some("invalid_token")) }
            };
            let verified = app.audiences.verify(bearer, ctx.now).await.map_err(refused)?;
            tree(app, verified.organization_id()).await
        }
    }
}

async fn tree(app: &Arc<App>, organization: OrganizationId) -> Result<Sees, ApiError> {
    let root = app.core.root_of(organization).await.map_err(ApiError::from)?;
    root.map(Sees::Tree).ok_or_else(|| OAuthError::client("this organization is gone; use a key of another one", None))
}

async fn access_token(app: &Arc<App>, ctx: &Context, token: &str, sees: &Sees) -> Result<Introspection, ApiError> {
    match app.audiences.verify(token, ctx.now).await {
        Ok(verified) => {
            let is_seen = match sees {
                Sees::Everything => true,
                Sees::Tree(root) => app.core.root_of(verified.organization_id()).await? == Some(*root),
            };
            Ok(if is_seen { of_token(&verified) } else { Introspection::default() })
        }
        // An outage says nothing about the token.
        Err(error) if error.is_outage() => Err(ApiError::Core(Error::Unavailable)),
        Err(_refused) => Ok(Introspection::default()),
    }
}

fn of_token(verified: &Verified) -> Introspection {
    let claims = &verified.claims;
    Introspection {
        active: true,
        scope: Some(verified.permissions().collect::<Vec<_>>().join(" ")),
        client_id: Some(claims.client_id.to_string()),
        username: Some(claims.email.to_string()),
        token_type: Some("Bearer".to_owned()),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        nbf: Some(claims.nbf),
        sub: Some(claims.sub.to_string()),
        aud: Some(claims.aud.to_string()),
        iss: Some(claims.iss.to_string()),
        jti: Some(claims.jti.to_string()),
        roles: Some(claims.roles.iter().map(|role| role.to_string()).collect()),
        current_organization_id: Some(claims.current_organization_id),
        organization_id: Some(claims.organization_id),
        key_id: Some(claims.key_id),
        key_kind: Some(claims.key_kind),
    }
}

/// A raw key. It came by whoever asks, and from where before that is not known; nor does a wrong one cost his address.
async fn key(app: &Arc<App>, ctx: &Context, token: &str, fields: &Fields<'_>, sees: &Sees) -> Result<Introspection, ApiError> {
    let catalog = app.core.catalog();
    let issuer = app.core.issuer();
    let asked = fields.one_of(&["resource", "audience"], "resource")?;
    let audience = asked.or_else(|| catalog.catalog.default_audience()).filter(|audience| *audience != issuer);
    if audience.is_some() && catalog.catalog.audience(audience).is_none() {
        return Err(OAuthError::request("invalid_target", "there is no API with that audience here"));
    }
    // Nor is what asks written into the log of whose key it is.
    let from_nowhere = Context { client_ip: None, user_agent: None, ..ctx.clone() };
    match app.core.judge_key(&from_nowhere, token, audience).await {
        Ok(judged) if matches!(sees, Sees::Everything) || matches!(sees, Sees::Tree(root) if *root == judged.root_id) => {
            Ok(of_key(&judged, audience.unwrap_or(issuer), issuer))
        }
        Ok(_) => Ok(Introspection::default()),
        Err(error) if error.is_outage() => Err(error.into()),
        Err(_refused) => Ok(Introspection::default()),
    }
}

fn of_key(judged: &JudgedKey, audience: &str, issuer: &str) -> Introspection {
    Introspection {
        active: true,
        scope: Some(judged.catalog.ids(&judged.permissions).collect::<Vec<_>>().join(" ")),
        client_id: Some(judged.key_id.to_string()),
        username: Some(judged.email.clone()),
        exp: Some(judged.expires_at.as_seconds()),
        sub: Some(judged.subject.to_string()),
        aud: Some(audience.to_owned()),
        iss: Some(issuer.to_owned()),
        roles: Some(judged.roles.clone()),
        current_organization_id: Some(judged.organization_id),
        organization_id: Some(judged.organization_id),
        key_id: Some(judged.key_id),
        key_kind: Some(judged.key_kind),
        ..Introspection::default()
    }
}
