//! What goes wrong, and the one mapping of it to answers.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use keywright_db::StoreError;
use keywright_protocol::ErrorBody;
use keywright_verify::{Verified, Verifier, VerifyError, rejection};
use std::{fmt, sync::Arc};

/// Why a request is not answered as asked. The text of each is the sentence that the caller reads.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 400: the request itself is wrong; the sentence says what to send instead.
    #[error("{0}")]
    Invalid(String),
    /// 400: as many bytes as the upload was asked for, neither more nor less.
    #[error("this upload is for a file of {0} bytes; send exactly these, or ask for another upload with the right fileSize")]
    WrongLength(u64),
    /// 401 or 503: the token was good when the request began, and is not any more.
    #[error("{}", .0.error)]
    Ended(Ended),
    /// 403: the token is good, but does not carry this permission.
    #[error("this needs a permission that the token does not carry")]
    Forbidden(Refusal),
    /// 403: no such URL was given out, or it is over; nobody can tell which.
    #[error("this upload URL is not one that was given out, or it is over: its hour, its token, or its commit; ask for another with action=uploadInformation")]
    UploadUrl,
    /// 403: whoever was given the URL could not ask for it any more.
    #[error("the key or the token that asked for this upload URL is not accepted any more; exchange a key that is, and ask for another URL")]
    UploadUrlRevoked,
    /// 404: unknown, another organization's, or no id at all; nobody can tell which.
    #[error("there is no such {} in this {}; {}", .0.noun(), .0.home(), .0.way_out())]
    NotFound(Thing),
    /// 404: the row is there, and the file is not.
    #[error("the file of this app version is missing on the server; upload it again, and tell the operator")]
    FileMissing,
    /// 409: the organization has one of this name.
    #[error("this organization has a {} of this name already; choose another name, or use that {}", .0.noun(), .0.noun())]
    NameTaken(Thing),
    /// 409: the URL has done its work.
    #[error("this upload has its file already, and a URL works once; if it was you who sent it, commit it; otherwise ask for another upload")]
    AlreadyUploaded,
    /// 409: a commit before its file.
    #[error("the file of this upload has not arrived yet; send it to the upload URL first, then commit")]
    NotUploaded,
    /// 413: longer than [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    #[error("the body is longer than it may be: 16384 bytes, or 65536 where it has release notes; send less")]
    TooLarge,
    /// 413: longer than files may be here. Clients look for the first words.
    #[error("The file is too large: it may have at most {0} bytes here; make it smaller, or ask the operator for more")]
    FileTooLarge(u64),
    /// 429: more uploads under way than an organization may have.
    #[error(
        "{0} uploads are under way here, and there may be no more; commit them, wait until they run out after an hour, or send the file in one request, as a form"
    )]
    TooManyUploads(i64),
    /// 503: others send to the same URL.
    #[error("others are sending to this upload URL at the moment; try again in a second")]
    UploadBusy,
    /// 503: the database is busy or away. Whether a write took place is then not known.
    #[error("the service cannot reach its data at the moment; try again in a second")]
    Unavailable,
    /// 500: the operator's to repair; details are in his log alone.
    #[error("something is broken inside; the operator's log says what")]
    Internal,
}

/// What is not there, or has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A distribution profile.
    Profile,
    /// A testing group.
    TestingGroup,
    /// An app version of a profile.
    AppVersion,
    /// An upload that was asked for.
    Upload,
    /// A task.
    Task,
}

impl Thing {
    const fn noun(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::TestingGroup => "testing group",
            Self::AppVersion => "app version",
            Self::Upload => "upload",
            Self::Task => "task",
        }
    }

    /// What it is looked for in.
    const fn home(self) -> &'static str {
        match self {
            Self::Profile | Self::TestingGroup | Self::Task => "organization",
            Self::AppVersion | Self::Upload => "profile",
        }
    }

    const fn way_out(self) -> &'static str {
        match self {
            Self::Profile => "GET /distribution/v2/profiles lists those there are",
            Self::TestingGroup => "GET /distribution/v2/testing-groups lists those there are",
            Self::AppVersion => "GET the profile for those there are",
            Self::Upload => {
                "if it was committed before, its app version is in the profile; otherwise ask for one with action=uploadInformation, and commit it within an hour, once"
            }
            Self::Task => "take its id from the answer to an upload; it is kept for a week",
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Profile => "profile_not_found",
            Self::TestingGroup => "testing_group_not_found",
            Self::AppVersion => "app_version_not_found",
            Self::Upload => "upload_not_found",
            Self::Task => "task_not_found",
        }
    }
}

/// Whose token has ended, and why.
#[derive(Debug, Clone)]
pub struct Ended {
    pub(crate) error: VerifyError,
    pub(crate) verifier: Arc<Verifier>,
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

/// Whether the caller may; the first line of what asks for more than its route does.
pub(crate) fn require(caller: &Arc<Verified>, permission: &'static str) -> Result<(), Error> {
    if caller.may(permission) { Ok(()) } else { Err(Error::Forbidden(Refusal { caller: Arc::clone(caller), permission })) }
}

/// An id out of a path. One answer for what is no id and for what is nobody's.
pub(crate) fn id<T: std::str::FromStr>(text: &str, thing: Thing) -> Result<T, Error> {
    text.parse().map_err(|_| Error::NotFound(thing))
}

impl Error {
    /// The status and the stable code of the body. A refusal's own answer is made by `verify`; here is what it amounts to.
    pub(crate) fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::WrongLength(_) => (StatusCode::BAD_REQUEST, "wrong_length"),
            Self::Ended(_) => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "insufficient_permission"),
            Self::UploadUrl => (StatusCode::FORBIDDEN, "upload_url_invalid"),
            Self::UploadUrlRevoked => (StatusCode::FORBIDDEN, "upload_url_revoked"),
            Self::NotFound(thing) => (StatusCode::NOT_FOUND, thing.code()),
            Self::FileMissing => (StatusCode::NOT_FOUND, "file_missing"),
            Self::NameTaken(Thing::TestingGroup) => (StatusCode::CONFLICT, "testing_group_name_taken"),
            Self::NameTaken(Thing::Profile | Thing::AppVersion | Thing::Upload | Thing::Task) => (StatusCode::CONFLICT, "profile_name_taken"),
            Self::AlreadyUploaded => (StatusCode::CONFLICT, "already_uploaded"),
            Self::NotUploaded => (StatusCode::CONFLICT, "not_uploaded"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::FileTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "file_too_large"),
            Self::TooManyUploads(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_uploads"),
            Self::UploadBusy => (StatusCode::SERVICE_UNAVAILABLE, "upload_busy"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }

    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody::new(self.status_and_code().1, self.to_string())
    }

    /// Seconds after which to try again.
    const fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::UploadBusy | Self::Unavailable => Some(HeaderValue::from_static("1")),
            Self::TooManyUploads(_) => Some(HeaderValue::from_static("60")),
            Self::Invalid(_)
            | Self::WrongLength(_)
            | Self::Ended(_)
            | Self::Forbidden(_)
            | Self::UploadUrl
            | Self::UploadUrlRevoked
            | Self::NotFound(_)
            | Self::FileMissing
            | Self::NameTaken(_)
            | Self::AlreadyUploaded
            | Self::NotUploaded
            | Self::TooLarge
            | Self::FileTooLarge(_)
            | Self::Internal => None,
        }
    }
}

impl From<StoreError> for Error {
    /// What is expected to be missing is asked for with `fetch_optional` and named there.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Unavailable => Self::Unavailable,
            StoreError::Conflict { .. } | StoreError::Corrupt | StoreError::NotFound => {
                tracing::error!(kind = ?error, "the database of the distribution API holds or refuses what it should not");
                Self::Internal
            }
        }
    }
}

impl Error {
    /// For a write in which a name may be taken, or a row missing.
    pub(crate) fn of(thing: Thing) -> impl FnOnce(StoreError) -> Self {
        move |error| match error {
            StoreError::NotFound => Self::NotFound(thing),
            StoreError::Conflict { constraint } if constraint.as_deref().is_none_or(|constraint| constraint.contains("name")) => Self::NameTaken(thing),
            StoreError::Conflict { .. } | StoreError::Corrupt | StoreError::Busy | StoreError::Unavailable => error.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Forbidden(Refusal { caller, permission }) = &self {
            return keywright_verify::insufficient(permission, caller.catalog());
        }
        if let Self::Ended(Ended { error, verifier }) = &self {
            return rejection(error, verifier.config());
        }
        let (status, _) = self.status_and_code();
        let body = self.body();
        let mut response = (status, Json(&body)).into_response();
        // For the server, which adds where this is documented.
        response.extensions_mut().insert(body);
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}
