//! What goes wrong, and the one mapping of it to answers.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use keywright_db::StoreError;
use keywright_protocol::ErrorBody;
use keywright_verify::Verified;
use std::{fmt, sync::Arc};

/// Why a request is not answered as asked. The text of each is the sentence that the caller reads.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 400: the request itself is wrong; the sentence says what to send instead.
    #[error("{0}")]
    Invalid(String),
    /// 403: the token is good, but does not carry this permission.
    #[error("this needs a permission that the token does not carry")]
    Forbidden(Refusal),
    /// 404: unknown, another organization's, or no id at all; nobody can tell which.
    #[error("there is no such profile in this organization; GET /distribution/v2/profiles lists those there are")]
    NotFound,
    /// 409: the organization has a profile of this name.
    #[error("this organization has a profile of this name already; choose another name, or use that profile")]
    NameTaken,
    /// 413: longer than [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    #[error("the body is longer than 16384 bytes; send less")]
    TooLarge,
    /// 503: the database is busy or away. Whether a write took place is then not known.
    #[error("the service cannot reach its data at the moment; try again in a second")]
    Unavailable,
    /// 500: the operator's to repair; details are in his log alone.
    #[error("something is broken inside; the operator's log says what")]
    Internal,
}

/// Who was refused, and the permission that was missing.
#[derive(Clone)]
pub struct Refusal {
    pub(crate) caller: Arc<Verified>,
    pub(crate) permission: &'static str,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("permission", &self.permission).finish_non_exhaustive()
    }
}

impl Error {
    /// The status and the stable code of the body. A refusal's own answer is made by `verify`; here is what it amounts to.
    pub(crate) fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "insufficient_permission"),
            Self::NotFound => (StatusCode::NOT_FOUND, "profile_not_found"),
            Self::NameTaken => (StatusCode::CONFLICT, "profile_name_taken"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }

    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody::new(self.status_and_code().1, self.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            StoreError::Conflict { constraint } if constraint.as_deref().is_none_or(|constraint| constraint.contains("name")) => Self::NameTaken,
            StoreError::Busy | StoreError::Unavailable => Self::Unavailable,
            StoreError::Conflict { .. } | StoreError::Corrupt => {
                tracing::error!(kind = ?error, "the database of the distribution API holds or refuses what it should not");
                Self::Internal
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Forbidden(Refusal { caller, permission }) = &self {
            return keywright_verify::insufficient(permission, caller.catalog());
        }
        let (status, _) = self.status_and_code();
        let body = self.body();
        let mut response = (status, Json(&body)).into_response();
        // For the server, which adds where this is documented.
        response.extensions_mut().insert(body);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
