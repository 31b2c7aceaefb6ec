//! What the routes of sessions and passwords answer besides success.

use keywright_protocol::ErrorBody;

/// What a route that needs a session answers.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum SessionRefusals {
    /// No session, an unknown one (`invalid_session`), a damaged one (`malformed_key`), one that has ended (`session_ended`), or its
    /// user is disabled (`user_disabled`). Whoever sends something else is told how to sign in.
    #[response(status = 401, example = json!({"error": "session_ended",
        "error_description": "this session ended on 2026-11-24T21:00:00.000Z; sign in again", "message": "this session ended on 2026-11-24T21:00:00.000Z; sign in again"}))]
    Unauthorized(ErrorBody),
    /// An access token was sent where the session itself is needed; or the roles permit nothing in the session's organization.
    #[response(status = 403, example = json!({"error": "insufficient_permission",
        "error_description": "this needs the session itself: sign in with POST /auth/v1/sessions and send the sessionToken that it answers; an access token does not do it",
        "message": "this needs the session itself: sign in with POST /auth/v1/sessions and send the sessionToken that it answers; an access token does not do it"}))]
    Forbidden(ErrorBody),
    /// Something broke here; tell the operator the `X-Request-Id`.
    #[response(status = 500, example = json!({"error": "server_error",
        "error_description": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer",
        "message": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer"}))]
    Broken(ErrorBody),
    /// The database does not answer. The session may well live: try again after `Retry-After` seconds.
    #[response(status = 503, example = json!({"error": "temporarily_unavailable",
        "error_description": "the database does not answer at the moment; try again in a second",
        "message": "the database does not answer at the moment; try again in a second"}))]
    Unavailable(ErrorBody),
}

/// What a route with a body answers besides.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum BodyRefusals {
    /// The body cannot be read, has a member that is not known here, or a value that cannot be used.
    #[response(status = 400, example = json!({"error": "invalid_request",
        "error_description": "newPassword: must have at least 12 characters, and 256 bytes at most",
        "message": "newPassword: must have at least 12 characters, and 256 bytes at most"}))]
    BadRequest(ErrorBody),
    /// The body is longer than 16 KiB.
    #[response(status = 413, example = json!({"error": "request_too_large",
        "error_description": "the body is longer than 16384 bytes, which is the limit here",
        "message": "the body is longer than 16384 bytes, which is the limit here"}))]
    TooLarge(ErrorBody),
}

/// What a route answers that names one thing.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum Nowhere {
    /// There is none, or it is not one's own; the two are the same.
    #[response(status = 404, example = json!({"error": "not_found",
        "error_description": "there is no organization with that id", "message": "there is no organization with that id"}))]
    NotFound(ErrorBody),
}

/// What a sign-in answers.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum SignInRefusals {
    /// Address and password do not belong together, or the account is disabled; which of these is not said (`invalid_credentials`). Or they do,
    /// and the account has a second factor: `code` is not there (`second_factor_required`), or wrong or used already (`wrong_second_factor`).
    #[response(status = 401, examples(
        ("invalid_credentials" = (summary = "Address or password is wrong", value = json!({"error": "invalid_credentials",
            "error_description": "e-mail address or password is wrong", "message": "e-mail address or password is wrong"}))),
        ("second_factor_required" = (summary = "A code is needed besides", value = json!({"error": "second_factor_required",
            "error_description": "this account has a second factor: send the same again with code besides, the six digits that your authenticator app shows or a recovery code",
            "message": "this account has a second factor: send the same again with code besides, the six digits that your authenticator app shows or a recovery code"}))),
        ("wrong_second_factor" = (summary = "The code is wrong or was used", value = json!({"error": "wrong_second_factor",
            "error_description": "this code is wrong, or was used already: send the one that your authenticator app shows now, or a recovery code that was not used yet",
            "message": "this code is wrong, or was used already: send the one that your authenticator app shows now, or a recovery code that was not used yet"})))))]
    Unauthorized(ErrorBody),
    /// The password is right and was made for the first sign-in alone; or the second factor was lost when a backup was restored
    /// (`insufficient_permission`).
    #[response(status = 403, example = json!({"error": "password_must_change",
        "error_description": "this password was made for the first sign-in alone: send the same again with newPassword besides, a password of your own of at least 12 characters",
        "message": "this password was made for the first sign-in alone: send the same again with newPassword besides, a password of your own of at least 12 characters"}))]
    MustChange(ErrorBody),
    /// Something broke here; tell the operator the `X-Request-Id`.
    #[response(status = 500, example = json!({"error": "server_error",
        "error_description": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer",
        "message": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer"}))]
    Broken(ErrorBody),
    /// The database does not answer. Try again after `Retry-After` seconds.
    #[response(status = 503, example = json!({"error": "temporarily_unavailable",
        "error_description": "the database does not answer at the moment; try again in a second",
        "message": "the database does not answer at the moment; try again in a second"}))]
    Unavailable(ErrorBody),
}

/// What the routes of a forgotten password answer, which need nobody to be signed in.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum PublicRefusals {
    /// Something broke here; tell the operator the `X-Request-Id`.
    #[response(status = 500, example = json!({"error": "server_error",
        "error_description": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer",
        "message": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer"}))]
    Broken(ErrorBody),
    /// The database does not answer. Try again after `Retry-After` seconds.
    #[response(status = 503, example = json!({"error": "temporarily_unavailable",
        "error_description": "the database does not answer at the moment; try again in a second",
        "message": "the database does not answer at the moment; try again in a second"}))]
    Unavailable(ErrorBody),
}
