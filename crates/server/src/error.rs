//! Errors on the wire: one mapping, one match, one shape.

use crate::idempotency;
use crate::limits;
use crate::oauth::OAuthError;
use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use keywright_core::Error;
use keywright_protocol::{ErrorBody, auth::GUID_SENTENCE};

const NO_SUCH_METHOD: &str = "method_not_allowed";

/// What an answer other than success is made of.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// An operation refused.
    Core(Error),
    /// The key behind a token that verifies is dead, or has no grant any more.
    DeadToken(Error),
    /// A refusal in the words of the OAuth standards.
    OAuth(OAuthError),
    /// The request cannot be read; the sentence says what to send.
    BadRequest(String),
    /// An organization id that is no GUID.
    NotAGuid,
    /// Not a form; with an example of one.
    NotAForm(&'static str),
    /// Longer than allowed, in bytes.
    TooLarge(usize),
    /// The headers together are longer than allowed, in bytes.
    HeadersTooLarge(usize),
    /// Nothing is there.
    NoSuchPath,
    /// Not by this method; `Allow` is set by the router.
    NoSuchMethod,
    /// An old endpoint that the operator has switched off.
    Gone(&'static str),
    /// It took too long to come in.
    TooLate,
    /// A handler broke; the log knows more.
    Broken,
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl ApiError {
    /// What the holder of a token is answered: unless this server is at fault, his token is not good any more.
    pub(crate) fn of_token(error: Error) -> Self {
        if error.is_outage() { Self::Core(error) } else { Self::DeadToken(error) }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Core(error) => match error {
                Error::Refused(_) | Error::WrongPassword | Error::SecondFactorRequired | Error::WrongSecondFactor => StatusCode::UNAUTHORIZED,
                Error::OutOfReach | Error::NothingGranted | Error::HostOnly | Error::Forbidden(_) | Error::NotFresh(_) | Error::PasswordMustChange => {
                    StatusCode::FORBIDDEN
                }
                Error::Busy | Error::Crowded | Error::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
                Error::Invalid { .. } | Error::Catalog(_) | Error::Scope(_) | Error::Target(_) => StatusCode::BAD_REQUEST,
                Error::NotFound(_) | Error::Absent(_) => StatusCode::NOT_FOUND,
                Error::Conflict(_) | Error::Repeated(_) => StatusCode::CONFLICT,
                Error::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
                Error::Unavailable | Error::Behind(_) => StatusCode::SERVICE_UNAVAILABLE,
                Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::DeadToken(_) => StatusCode::UNAUTHORIZED,
            Self::OAuth(error) => error.status,
            Self::BadRequest(_) | Self::NotAGuid => StatusCode::BAD_REQUEST,
            Self::NotAForm(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Gone(_) => StatusCode::GONE,
            Self::TooLate => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn body(&self) -> ErrorBody {
        const INTERNAL: &str = "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer";
        match self {
            Self::Core(Error::Internal(text)) | Self::DeadToken(Error::Internal(text)) => {
                tracing::error!(text, "an operation broke");
                ErrorBody::new("server_error", INTERNAL)
            }
            Self::Core(Error::Forbidden(forbidden)) => {
                let mut body = ErrorBody::new("insufficient_permission", forbidden.reason.clone());
                body.required_permission = forbidden.permission.clone();
                body.roles_with_permission = forbidden.roles.clone();
                body
            }
            Self::Core(error) => ErrorBody::new(error.code(), error.to_string()),
            Self::DeadToken(error) => ErrorBody::new("invalid_token", format!("the key of this token does not open this any more: {error}")),
            Self::OAuth(error) => {
                let mut body = ErrorBody::new(error.code, error.sentence.clone());
                body.reason = error.reason.map(str::to_owned);
                body
            }
            Self::BadRequest(sentence) => ErrorBody::new("invalid_request", sentence),
            Self::NotAGuid => ErrorBody::new(GUID_SENTENCE, format!("{GUID_SENTENCE}, such as 6f9619ff-8b86-4011-b42d-00c04fc964ff")),
            Self::NotAForm(example) => {
                let sentence = format!("send a form: Content-Type: application/x-www-form-urlencoded and a body such as {example}");
                ErrorBody::new("unsupported_media_type", sentence)
            }
            Self::TooLarge(limit) => ErrorBody::new("request_too_large", format!("the body is longer than {limit} bytes, which is the limit here")),
            Self::HeadersTooLarge(limit) => {
                ErrorBody::new("headers_too_large", format!("the headers are longer than {limit} bytes together, which is the limit here"))
            }
            Self::NoSuchPath => ErrorBody::new("not_found", "there is nothing at this path; see the API documentation for what there is"),
            Self::NoSuchMethod => ErrorBody::new(NO_SUCH_METHOD, "this path does not take this method; the Allow header lists those that it takes"),
            Self::Gone(successor) => {
                ErrorBody::new("endpoint_switched_off", format!("this old endpoint is switched off here; send personalAccessKey to {successor}"))
            }
            Self::TooLate => ErrorBody::new("request_timeout", "the request took too long to come in; send it again"),
            Self::Broken => ErrorBody::new("server_error", INTERNAL),
        }
    }
}

/// What a method is answered that its path does not take, by the `Allow` that the router has set (RFC 9110, section 10.2.1).
pub(crate) fn no_such_method(method: &Method, allow: &str) -> ErrorBody {
    let taken: Vec<&str> = allow.split(',').map(str::trim).collect();
    ErrorBody::new(NO_SUCH_METHOD, format!("this path does not take {method}; it takes {}", taken.join(", ")))
}

/// An error body as an answer. It stands in the extensions too: [`crate::outer`] adds where it is documented.
pub(crate) fn render(status: StatusCode, body: &ErrorBody) -> Response {
    let text = serde_json::to_vec(body).unwrap_or_default();
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.extensions_mut().insert(body.clone());
    response
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Core(Error::Repeated(repeated)) = &self
            && let Some(answer) = idempotency::replay(repeated)
        {
            return answer;
        }
        let status = self.status();
        let body = self.body();
        let mut response = render(status, &body);
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::Core(Error::Limited(allowance)) = &self {
            headers.insert(RETRY_AFTER, HeaderValue::from(allowance.wait));
            limits::tell(headers, allowance);
        } else if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = match self {
                Self::DeadToken(_) => r#"Bearer realm="keywright", error="invalid_token""#,
                Self::OAuth(_) => r#"Basic realm="keywright""#,
                Self::Core(_)
                | Self::BadRequest(_)
                | Self::NotAGuid
                | Self::NotAForm(_)
                | Self::TooLarge(_)
                | Self::HeadersTooLarge(_)
                | Self::NoSuchPath
                | Self::NoSuchMethod
                | Self::Gone(_)
                | Self::TooLate
                | Self::Broken => r#"Bearer realm="keywright""#,
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert("Accept-Post", HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        response
    }
}
