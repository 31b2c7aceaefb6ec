//! Change of one's password, and a new one by mail for whoever has forgotten it.

use super::sessions::{
    bodies::{ChangeBody, ResetBody, ResetRequestBody, session_secret},
    docs::{BodyRefusals, PublicRefusals, SessionRefusals},
};
use crate::{
    app::App,
    caller::{Person, Stranger},
    error::ApiError,
    json::{answer, changed, secret_json},
    limits::LimitedAnswer,
    tasks,
};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use keywright_protocol::sessions::{SentenceBody, SessionSecretBody};
use std::sync::Arc;

/// What everybody is answered who asks for a link.
const ASKED: &str = "if there is an account with this address, a link to choose a new password is on its way; it works once, within an hour";

/// `POST /auth/v1/password`.
#[utoipa::path(
    post,
    path = "/auth/v1/password",
    operation_id = "changePassword",
    tag = "Sign-in",
    summary = "Change one's password",
    description = "All other sessions end. This one is fresh, and goes on under the secret that is answered. Keys are not touched.",
    request_body(content = ChangeBody, example = json!({"currentPassword": "the present one", "newPassword": "another password of your own"})),
    security(("token" = [])),
    responses((status = 200, description = "Changed.", body = SessionSecretBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"sessionToken": "kw_ses_...", "expiresIn": 2_592_000})), SessionRefusals, BodyRefusals, LimitedAnswer)
)]
pub(crate) async fn change(State(app): State<Arc<App>>, Person(ctx): Person, request: Request<Body>) -> Result<Response, ApiError> {
    let body: ChangeBody = secret_json(request.into_body(), r#"{"currentPassword": "...", "newPassword": "..."}"#).await?;
    let renewed = app.core.change_password(&ctx, body.current_password, body.new_password).await?;
    Ok(changed(renewed.position, &session_secret(&renewed.value, ctx.now)))
}

/// `POST /auth/v1/password-resets`.
#[utoipa::path(
    post,
    path = "/auth/v1/password-resets",
    operation_id = "requestPasswordReset",
    tag = "Sign-in",
    summary = "Ask for a link to choose a new password",
    description = "The answer is the same for an address with an account and one without. One mail a minute at most goes to an address.",
    request_body(content = ResetRequestBody, example = json!({"email": "owner@acme.example"})),
    responses((status = 202, description = "Asked.", body = SentenceBody, example = json!({"message": "if there is an account with this address, a link to choose a new password is on its way; it works once, within an hour"})),
        PublicRefusals, BodyRefusals, LimitedAnswer)
)]
pub(crate) async fn request_reset(State(app): State<Arc<App>>, Stranger(ctx): Stranger, request: Request<Body>) -> Result<Response, ApiError> {
    let body: ResetRequestBody = secret_json(request.into_body(), r#"{"email": "..."}"#).await?;
    let work = app.core.request_reset(&ctx, &body.email)?;
    // Carried out after the answer, whose time then tells nothing.
    tasks::spawn(async move {
        if let Err(error) = work.await {
            tracing::warn!(code = error.code(), "a link to choose a new password could not be made");
        }
    });
    Ok(answer(StatusCode::ACCEPTED, &SentenceBody { message: ASKED.to_owned() }))
}

/// `POST /auth/v1/password-resets/confirm`.
#[utoipa::path(
    post,
    path = "/auth/v1/password-resets/confirm",
    operation_id = "resetPassword",
    tag = "Sign-in",
    summary = "Choose a new password by a link",
    description = "Once, within an hour. All sessions of that person end; sign in with the new password then.",
    request_body(content = ResetBody, example = json!({"token": "q2Jx...", "newPassword": "another password of your own"})),
    responses((status = 200, description = "Chosen.", body = SentenceBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the password is set; sign in with it"})), PublicRefusals, BodyRefusals, LimitedAnswer)
)]
pub(crate) async fn reset(State(app): State<Arc<App>>, Stranger(ctx): Stranger, request: Request<Body>) -> Result<Response, ApiError> {
    let body: ResetBody = secret_json(request.into_body(), r#"{"token": "...", "newPassword": "..."}"#).await?;
    let set = app.core.reset_password(&ctx, &body.token, body.new_password).await?;
    Ok(changed(set.position, &SentenceBody { message: "the password is set; sign in with it".to_owned() }))
}
