//! Who holds a token.

use crate::{
    app::App,
    caller::{authorization, held_token},
    error::ApiError,
    json::answer,
    outer::RequestInfo,
};
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use keywright_protocol::{ErrorBody, auth::UserInfo};
use keywright_verify::rejection;
use std::sync::Arc;

/// What whoever asks is answered.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum HolderAnswers {
    /// The holder.
    #[response(status = 200, example = json!({"sub": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "email": "owner@acme.example", "name": "owner", "preferred_username": "owner@acme.example",
        "currentOrganizationId": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11"}))]
    Found(UserInfo),
    /// No token, not a good one, or its key is dead.
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "`Bearer`, with the reason (RFC 6750).")),
        example = json!({"error": "unauthorized", "error_description": "send an access token in the Authorization header", "message": "send an access token in the Authorization header"}))]
    Refused(ErrorBody),
    /// Something broke here; tell the operator the `X-Request-Id`.
    #[response(status = 500,
        example = json!({"error": "server_error", "error_description": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer", "message": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer"}))]
    Broken(ErrorBody),
    /// It cannot be decided at the moment; try again.
    #[response(status = 503, headers(("Retry-After" = String, description = "Seconds to wait.")),
        example = json!({"error": "temporarily_unavailable", "error_description": "the database does not answer at the moment; try again in a second", "message": "the database does not answer at the moment; try again in a second"}))]
    Unavailable(ErrorBody),
}

/// `GET /auth/realms/{realm}/protocol/openid-connect/userinfo`.
#[utoipa::path(
    get,
    path = "/auth/realms/{realm}/protocol/openid-connect/userinfo",
    tag = "Token",
    summary = "Who holds this token",
    description = "The person or the API Key behind an access token, and the organization it is for. The key, or the session, must still live: this answer is never given for a key that has been revoked or a session that has ended.",
    params(("realm" = String, Path, description = "Any; the contract's clients send `appcircle`.", example = "appcircle")),
    security(("token" = [])),
    responses(HolderAnswers)
)]
pub(crate) async fn userinfo(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, headers: HeaderMap) -> Result<Response, Response> {
    holder(&app, &info, &headers).await
}

/// `GET /oauth/userinfo`.
#[utoipa::path(
    get,
    path = "/oauth/userinfo",
    operation_id = "oauthUserinfo",
    tag = "OAuth",
    summary = "Who holds this token",
    description = "The person or the API Key behind an access token of any API of this installation, and the organization it is for. The key, or the session, must still live.",
    security(("token" = [])),
    responses(HolderAnswers)
)]
pub(crate) async fn oauth_userinfo(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, headers: HeaderMap) -> Result<Response, Response> {
    holder(&app, &info, &headers).await
}

/// `POST /oauth/userinfo`.
#[utoipa::path(
    post,
    path = "/oauth/userinfo",
    operation_id = "oauthUserinfoByPost",
    tag = "OAuth",
    summary = "The same, for clients that send POST",
    description = "Both methods are taken (OpenID Connect Core 1.0, section 5.3.1). The token stands in the `Authorization` header all the same.",
    security(("token" = [])),
    responses(HolderAnswers)
)]
pub(crate) async fn oauth_userinfo_by_post(
    State(app): State<Arc<App>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    holder(&app, &info, &headers).await
}

/// Of a token of any audience.
async fn holder(app: &Arc<App>, info: &RequestInfo, headers: &HeaderMap) -> Result<Response, Response> {
    let ctx = info.context(app.core.clock());
    let refused = |error| rejection(&error, app.verifier.config());
    let token = authorization(headers).map_err(refused)?;
    let verified = app.audiences.verify(token, ctx.now).await.map_err(refused)?;
    let holder = app.core.user_info(&ctx, &held_token(&verified)).await;
    holder.map(|holder| answer(StatusCode::OK, &holder)).map_err(|error| ApiError::of_token(error).into_response())
}
