//! Errors in the words of the OAuth standards (RFC 6749, section 5.2; RFC 8693, section 2.2.2; RFC 8707, section 2). What exactly it was
//! stands in `reason`.

use crate::error::ApiError;
use http::StatusCode;
use keywright_core::Error;
use keywright_verify::VerifyError;

/// What a refused credential was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// It said who asks.
    Client,
    /// It was what is asked about.
    Subject,
}

/// A refusal at the token endpoint.
#[derive(Debug)]
pub(crate) struct OAuthError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// Our own code for it.
    pub(crate) reason: Option<&'static str>,
    pub(crate) sentence: String,
}

impl OAuthError {
    /// Whoever asks did not say who he is.
    pub(super) fn client(sentence: impl Into<String>, reason: Option<&'static str>) -> ApiError {
        ApiError::OAuth(Self { status: StatusCode::UNAUTHORIZED, code: "invalid_client", reason, sentence: sentence.into() })
    }

    /// The request itself, in another word than `invalid_request` if there is one.
    pub(super) fn request(code: &'static str, sentence: impl Into<String>) -> ApiError {
        ApiError::OAuth(Self { status: StatusCode::BAD_REQUEST, code, reason: None, sentence: sentence.into() })
    }
}

/// What an operation refused. An outage and a limit are what they are everywhere.
pub(super) fn of_core(error: Error, refused: As) -> ApiError {
    let (code, reason) = match &error {
        Error::Refused(refusal) if refused == As::Client => return OAuthError::client(error.to_string(), Some(refusal.code())),
        Error::Refused(refusal) => ("invalid_request", Some(refusal.code())),
        Error::Scope(_) => ("invalid_scope", None),
        Error::Target(_) => ("invalid_target", None),
        Error::OutOfReach => ("invalid_target", Some(error.code())),
        Error::NothingGranted => ("invalid_scope", Some(error.code())),
        _ => return ApiError::Core(error),
    };
    ApiError::OAuth(OAuthError { status: StatusCode::BAD_REQUEST, code, reason, sentence: error.to_string() })
}

/// A subject token that is not good.
pub(super) fn of_verify(error: VerifyError) -> ApiError {
    match error {
        VerifyError::NeedsRefresh(_) | VerifyError::Unavailable => ApiError::Core(Error::Unavailable),
        refused => ApiError::OAuth(OAuthError {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_request",
            reason: Some("invalid_token"),
            sentence: refused.to_string(),
        }),
    }
}
