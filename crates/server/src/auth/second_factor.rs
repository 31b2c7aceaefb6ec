//! One's second factor: a device that shows codes, and recovery codes.

mod bodies;

use super::sessions::docs::{BodyRefusals, SessionRefusals};
use crate::{
    app::App,
    caller::Person,
    error::ApiError,
    json::{answer, changed, secret_json},
    limits::LimitedAnswer,
};
use axum::{body::Body, extract::State, response::Response};
use bodies::{CodeBody, RecoveryCodesBody, SecondFactorBody, SetUpBody};
use http::{Request, StatusCode};
use keywright_protocol::{ErrorBody, sessions::SentenceBody};
use std::sync::Arc;

const CODE: &str = r#"{"code": "123456"}"#;

/// What a route answers that needs a second factor.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
enum NoSecondFactor {
    /// There is none, or none that waits.
    #[response(status = 404, example = json!({"error": "not_found",
        "error_description": "you have no second factor; set one up with POST /auth/v1/second-factor",
        "message": "you have no second factor; set one up with POST /auth/v1/second-factor"}))]
    NotFound(ErrorBody),
}

/// `GET /auth/v1/second-factor`.
#[utoipa::path(
    get,
    path = "/auth/v1/second-factor",
    operation_id = "getSecondFactor",
    tag = "Sign-in",
    summary = "How one's second factor stands",
    security(("token" = [])),
    responses((status = 200, description = "Its state.", body = SecondFactorBody,
        example = json!({"state": "on", "since": "2026-11-24T09:00:00.000Z", "confirmUntil": null, "recoveryCodesLeft": 10})), SessionRefusals)
)]
pub(crate) async fn get(State(app): State<Arc<App>>, Person(ctx): Person) -> Result<Response, ApiError> {
    let found = app.core.second_factor(&ctx).await?;
    Ok(answer(StatusCode::OK, &SecondFactorBody::from(found)))
}

/// `POST /auth/v1/second-factor`.
#[utoipa::path(
    post,
    path = "/auth/v1/second-factor",
    operation_id = "beginSecondFactor",
    tag = "Sign-in",
    summary = "Begin to set up a second factor",
    description = "Needs a fresh session. Give `secret` or `uri` to an authenticator app, then confirm it within an hour with a code that the app shows. Until then nothing is asked for, and beginning again makes another secret.",
    security(("token" = [])),
    responses((status = 200, description = "What the app needs.", body = SetUpBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "uri": "otpauth://totp/auth.example.com:owner%40acme.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=auth.example.com&algorithm=SHA1&digits=6&period=30",
        "confirmUntil": "2026-11-24T10:00:00.000Z"})),
        (status = 409, description = "A second factor is on.", body = ErrorBody, example = json!({"error": "conflict",
        "error_description": "a second factor is on already; remove it before you set up another one",
        "message": "a second factor is on already; remove it before you set up another one"})), SessionRefusals)
)]
pub(crate) async fn begin(State(app): State<Arc<App>>, Person(ctx): Person) -> Result<Response, ApiError> {
    let begun = app.core.begin_second_factor(&ctx).await?;
    Ok(changed(begun.position, &SetUpBody::from(begun.value)))
}

/// `POST /auth/v1/second-factor/confirm`.
#[utoipa::path(
    post,
    path = "/auth/v1/second-factor/confirm",
    operation_id = "confirmSecondFactor",
    tag = "Sign-in",
    summary = "Turn the second factor on",
    description = "By a code that the authenticator app shows. From then on each sign-in takes a code, and one's other sessions end. The recovery codes that are answered are shown once: keep them where they are found without the device.",
    request_body(content = CodeBody, example = json!({"code": "123456"})),
    security(("token" = [])),
    responses((status = 200, description = "It is on.", body = RecoveryCodesBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"recoveryCodes": ["ABCD-EFGH-IJKL-MNOP", "QRST-UVWX-YZ23-4567"]})), SessionRefusals, BodyRefusals, NoSecondFactor, LimitedAnswer)
)]
pub(crate) async fn confirm(State(app): State<Arc<App>>, Person(ctx): Person, request: Request<Body>) -> Result<Response, ApiError> {
    let body: CodeBody = secret_json(request.into_body(), CODE).await?;
    let confirmed = app.core.confirm_second_factor(&ctx, &body.code).await?;
    Ok(changed(confirmed.position, &RecoveryCodesBody { recovery_codes: confirmed.value }))
}

/// `POST /auth/v1/second-factor/remove`.
#[utoipa::path(
    post,
    path = "/auth/v1/second-factor/remove",
    operation_id = "removeSecondFactor",
    tag = "Sign-in",
    summary = "Turn the second factor off",
    description = "Needs a fresh session, and a code or a recovery code. Secret and recovery codes are deleted.",
    request_body(content = CodeBody, example = json!({"code": "123456"})),
    security(("token" = [])),
    responses((status = 200, description = "It is off.", body = SentenceBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"message": "the second factor is off"})), SessionRefusals, BodyRefusals, NoSecondFactor, LimitedAnswer)
)]
pub(crate) async fn remove(State(app): State<Arc<App>>, Person(ctx): Person, request: Request<Body>) -> Result<Response, ApiError> {
    let body: CodeBody = secret_json(request.into_body(), CODE).await?;
    let removed = app.core.remove_second_factor(&ctx, &body.code).await?;
    Ok(changed(removed.position, &SentenceBody { message: "the second factor is off".to_owned() }))
}

/// `POST /auth/v1/second-factor/recovery-codes`.
#[utoipa::path(
    post,
    path = "/auth/v1/second-factor/recovery-codes",
    operation_id = "createRecoveryCodes",
    tag = "Sign-in",
    summary = "New recovery codes",
    description = "Needs a fresh session, and a code or a recovery code. The old ones open nothing any more.",
    request_body(content = CodeBody, example = json!({"code": "123456"})),
    security(("token" = [])),
    responses((status = 200, description = "The new ones, shown once.", body = RecoveryCodesBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"recoveryCodes": ["ABCD-EFGH-IJKL-MNOP", "QRST-UVWX-YZ23-4567"]})), SessionRefusals, BodyRefusals, NoSecondFactor, LimitedAnswer)
)]
pub(crate) async fn renew_recovery_codes(State(app): State<Arc<App>>, Person(ctx): Person, request: Request<Body>) -> Result<Response, ApiError> {
    let body: CodeBody = secret_json(request.into_body(), CODE).await?;
    let renewed = app.core.renew_recovery_codes(&ctx, &body.code).await?;
    Ok(changed(renewed.position, &RecoveryCodesBody { recovery_codes: renewed.value }))
}
