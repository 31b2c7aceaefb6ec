//! Sign-in, and what one does with a session.

pub(crate) mod bodies;
pub(crate) mod docs;

use crate::{
    app::App,
    caller::{Person, Stranger},
    error::ApiError,
    json::{answer, changed, parse, read, secret_json},
    limits::LimitedAnswer,
};
use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use bodies::{Which, session, session_secret};
use docs::{BodyRefusals, Nowhere, SessionRefusals, SignInRefusals};
use http::{Request, StatusCode};
use keywright_core::{Error, sessions::SignIn};
use keywright_protocol::{
    OrganizationId, SessionId,
    auth::TokenResponse,
    sessions::{ConfirmBody, SentenceBody, SessionBody, SessionSecretBody, SessionTokenBody, SignInBody, SwitchBody},
};
use std::sync::Arc;

/// `POST /auth/v1/sessions`.
#[utoipa::path(
    post,
    path = "/auth/v1/sessions",
    operation_id = "signIn",
    tag = "Sign-in",
    summary = "Sign in",
    description = "Gives a session, which is fresh for five minutes. A one-time password is changed at once by sending `newPassword` besides. If the account has a second factor and the password is right, `second_factor_required` asks for `code` besides. A code is taken once.",
    request_body(content = SignInBody, examples(
        ("password" = (summary = "With one's own password", value = json!({"email": "owner@acme.example", "password": "a password of your own"}))),
        ("one-time password" = (summary = "With a one-time password, which is changed by it",
            value = json!({"email": "owner@acme.example", "password": "the one-time password", "newPassword": "a password of your own"}))),
        ("second factor" = (summary = "With a code of one's second factor, or a recovery code",
            value = json!({"email": "owner@acme.example", "password": "a password of your own", "code": "123456"}))),
        ("organization" = (summary = "In another organization than the first of one's own",
            value = json!({"email": "owner@acme.example", "password": "a password of your own", "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff"}))))),
    responses((status = 200, description = "Signed in.", body = SessionSecretBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"sessionToken": "kw_ses_...", "expiresIn": 2_592_000})), SignInRefusals, BodyRefusals, Nowhere, LimitedAnswer)
)]
pub(crate) async fn sign_in(State(app): State<Arc<App>>, Stranger(ctx): Stranger, request: Request<Body>) -> Result<Response, ApiError> {
    let body: SignInBody = secret_json(request.into_body(), r#"{"email": "...", "password": "..."}"#).await?;
    let organization = body.organization_id.filter(|id| !id.is_empty()).map(|id| guid(&id)).transpose()?;
    let attempt = SignIn { email: body.email, password: body.password, organization, new_password: body.new_password, code: body.code };
    let begun = app.core.sign_in(&ctx, attempt).await?;
    Ok(changed(begun.position, &session_secret(&begun.value, ctx.now)))
}

/// `GET /auth/v1/sessions`.
#[utoipa::path(
    get,
    path = "/auth/v1/sessions",
    operation_id = "listSessions",
    tag = "Sign-in",
    summary = "One's own sessions",
    description = "Those that live, oldest first.",
    security(("token" = [])),
    responses((status = 200, description = "The sessions.", body = Vec<SessionBody>, example = json!([{"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11",
        "userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "email": "owner@acme.example", "name": "owner", "organizationId": null,
        "createdAt": "2026-11-24T09:00:00.000Z", "freshUntil": "2026-11-24T09:05:00.000Z", "usedAt": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2026-12-24T09:00:00.000Z", "address": "192.0.2.1", "userAgent": "curl/8.14.1", "current": true}])), SessionRefusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, Person(ctx): Person) -> Result<Response, ApiError> {
    let own = ctx.authorize_person()?.session_id;
    let sessions = app.core.list_sessions(&ctx).await?.into_iter();
    let sessions: Vec<SessionBody> = sessions.map(|row| if row.id == own { session(row, Which::Current) } else { session(row, Which::Other) }).collect();
    Ok(answer(StatusCode::OK, &sessions))
}

/// `DELETE /auth/v1/sessions`.
#[utoipa::path(
    delete,
    path = "/auth/v1/sessions",
    operation_id = "endOtherSessions",
    tag = "Sign-in",
    summary = "End all of one's other sessions",
    security(("token" = [])),
    responses((status = 200, description = "It is done.", body = SentenceBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "2 other sessions ended"})), SessionRefusals)
)]
pub(crate) async fn end_others(State(app): State<Arc<App>>, Person(ctx): Person) -> Result<Response, ApiError> {
    let ended = app.core.end_other_sessions(&ctx).await?;
    Ok(changed(ended.position, &SentenceBody { message: format!("{} other sessions ended", ended.value) }))
}

/// `DELETE /auth/v1/sessions/{id}`.
#[utoipa::path(
    delete,
    path = "/auth/v1/sessions/{id}",
    operation_id = "endSession",
    tag = "Sign-in",
    summary = "End one of one's own sessions",
    description = "Ending it again is no error.",
    params(("id" = String, Path, description = "Its id, as listed.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")),
    security(("token" = [])),
    responses((status = 200, description = "It is done.", body = SentenceBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the session ended"})), SessionRefusals, Nowhere)
)]
pub(crate) async fn end(State(app): State<Arc<App>>, Person(ctx): Person, path: Result<Path<String>, PathRejection>) -> Result<Response, ApiError> {
    let id: Option<SessionId> = path.ok().and_then(|Path(id)| id.parse().ok());
    let ended = app.core.end_session(&ctx, id.ok_or(Error::NotFound("session"))?).await?;
    Ok(changed(ended.position, &SentenceBody { message: "the session ended".to_owned() }))
}

/// `GET /auth/v1/sessions/current`.
#[utoipa::path(
    get,
    path = "/auth/v1/sessions/current",
    operation_id = "getCurrentSession",
    tag = "Sign-in",
    summary = "This session, and whose it is",
    security(("token" = [])),
    responses((status = 200, description = "The session.", body = SessionBody, example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11",
        "userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "email": "owner@acme.example", "name": "owner", "organizationId": null,
        "createdAt": "2026-11-24T09:00:00.000Z", "freshUntil": "2026-11-24T09:05:00.000Z", "usedAt": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2026-12-24T09:00:00.000Z", "address": "192.0.2.1", "userAgent": "curl/8.14.1", "current": true})), SessionRefusals)
)]
pub(crate) async fn current(State(app): State<Arc<App>>, Person(ctx): Person) -> Result<Response, ApiError> {
    let session = app.core.current_session(&ctx).await?;
    Ok(answer(StatusCode::OK, &bodies::session(session, Which::Current)))
}

/// `PATCH /auth/v1/sessions/current`.
#[utoipa::path(
    patch,
    path = "/auth/v1/sessions/current",
    operation_id = "switchOrganization",
    tag = "Sign-in",
    summary = "Go on in another organization",
    description = "From now on `current` in paths of the identity API is that organization, and access tokens are for it.",
    request_body(content = SwitchBody, example = json!({"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff"})),
    security(("token" = [])),
    responses((status = 200, description = "It, as it is now.", body = SessionBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11",
        "userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "email": "owner@acme.example", "name": "owner",
        "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "createdAt": "2026-11-24T09:00:00.000Z", "freshUntil": "2026-11-24T09:05:00.000Z", "usedAt": "2026-11-24T09:00:00.000Z",
        "expiresAt": "2026-12-24T09:00:00.000Z", "address": "192.0.2.1", "userAgent": "curl/8.14.1", "current": true})), SessionRefusals, BodyRefusals, Nowhere)
)]
pub(crate) async fn switch(State(app): State<Arc<App>>, Person(ctx): Person, request: Request<Body>) -> Result<Response, ApiError> {
    let body: SwitchBody = secret_json(request.into_body(), r#"{"organizationId": "..."}"#).await?;
    let switched = app.core.switch_organization(&ctx, guid(&body.organization_id)?).await?;
    Ok(changed(switched.position, &session(switched.value, Which::Current)))
}

/// `DELETE /auth/v1/sessions/current`.
#[utoipa::path(
    delete,
    path = "/auth/v1/sessions/current",
    operation_id = "signOut",
    tag = "Sign-in",
    summary = "Sign out",
    description = "Ends this session. Access tokens made from it open nothing here any more.",
    security(("token" = [])),
    responses((status = 200, description = "It is done.", body = SentenceBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the session ended"})), SessionRefusals)
)]
pub(crate) async fn sign_out(State(app): State<Arc<App>>, Person(ctx): Person) -> Result<Response, ApiError> {
    let own = ctx.authorize_person()?.session_id;
    let ended = app.core.end_session(&ctx, own).await?;
    Ok(changed(ended.position, &SentenceBody { message: "the session ended".to_owned() }))
}

/// `POST /auth/v1/sessions/current/confirm`.
#[utoipa::path(
    post,
    path = "/auth/v1/sessions/current/confirm",
    operation_id = "confirmSession",
    tag = "Sign-in",
    summary = "Make this session fresh",
    description = "By the password, for five minutes. The session goes on under the secret that is answered; the old one opens nothing any more.",
    request_body(content = ConfirmBody, example = json!({"password": "a password of your own"})),
    security(("token" = [])),
    responses((status = 200, description = "Fresh.", body = SessionSecretBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"sessionToken": "kw_ses_...", "expiresIn": 2_592_000})), SessionRefusals, BodyRefusals, LimitedAnswer)
)]
pub(crate) async fn confirm(State(app): State<Arc<App>>, Person(ctx): Person, request: Request<Body>) -> Result<Response, ApiError> {
    let body: ConfirmBody = secret_json(request.into_body(), r#"{"password": "..."}"#).await?;
    let confirmed = app.core.confirm(&ctx, body.password).await?;
    Ok(changed(confirmed.position, &session_secret(&confirmed.value, ctx.now)))
}

/// `POST /auth/v1/sessions/current/token`.
#[utoipa::path(
    post,
    path = "/auth/v1/sessions/current/token",
    operation_id = "createSessionToken",
    tag = "Sign-in",
    summary = "An access token of this session",
    description = "For five minutes, to call APIs with; for the session's organization, with one's present roles there. It is never fresh. A body is not needed; `resource` in it names another API than the default one.",
    request_body(content = SessionTokenBody, example = json!({"resource": "https://api.example.com"})),
    security(("token" = [])),
    responses((status = 200, description = "A token.", body = TokenResponse,
        example = json!({"access_token": "eyJhbGciOiJFUzI1NiIs...", "token_type": "Bearer", "expires_in": 300})),
        (status = 409, description = "The session is in no organization.", body = keywright_protocol::ErrorBody, example = json!({"error": "conflict",
            "error_description": "this session is in no organization; switch to one of yours first",
            "message": "this session is in no organization; switch to one of yours first"})),
        SessionRefusals, BodyRefusals, Nowhere)
)]
pub(crate) async fn token(State(app): State<Arc<App>>, Person(ctx): Person, request: Request<Body>) -> Result<Response, ApiError> {
    let body = read(request.into_body()).await?;
    let SessionTokenBody { resource } = if body.is_empty() { SessionTokenBody::default() } else { parse(&body, r#"{"resource": "https://api.example.com"}"#)? };
    let issued = app.core.session_token_for(&ctx, resource.as_deref()).await?;
    let body = TokenResponse { access_token: issued.access_token, token_type: "Bearer".to_owned(), expires_in: issued.expires_in };
    Ok(answer(StatusCode::OK, &body))
}

fn guid(text: &str) -> Result<OrganizationId, ApiError> {
    text.parse().map_err(|_| ApiError::NotAGuid)
}
