//! Answers to gateways: 200, 401 and 403 are decisions, 429 and 503 are none. All are without a body, since some gateways break off the client's
//! connection over one; the reason stands in headers.

use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use keywright_protocol::{ErrorBody, claims::IdentityClaims};

const REASON: HeaderName = HeaderName::from_static("x-keywright-reason");
const MESSAGE: HeaderName = HeaderName::from_static("x-keywright-message");
const STATUS: HeaderName = HeaderName::from_static("x-keywright-status");
const SUBJECT: HeaderName = HeaderName::from_static("x-keywright-subject");
const EMAIL: HeaderName = HeaderName::from_static("x-keywright-email");
const ORGANIZATION: HeaderName = HeaderName::from_static("x-keywright-organization");
const KEY_ID: HeaderName = HeaderName::from_static("x-keywright-key-id");
const ROLES: HeaderName = HeaderName::from_static("x-keywright-roles");
const IDENTITY_TOKEN: HeaderName = HeaderName::from_static("x-identity-jwt");
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="keywright""#);
const CHALLENGE_REQUEST: HeaderValue = HeaderValue::from_static(r#"Bearer realm="keywright", error="invalid_request""#);

/// Whoever was let through, and what he is told of.
pub(crate) struct Allowed {
    /// Times and `jti` say nothing.
    pub(crate) who: IdentityClaims,
    /// Signed, where this process can sign.
    pub(crate) token: Option<HeaderValue>,
}

/// Why a request is not let through, or not decided about.
#[derive(Debug)]
pub(crate) struct Refused(Box<Told>);

#[derive(Debug)]
struct Told {
    status: StatusCode,
    reason: String,
    message: String,
    challenge: Option<HeaderValue>,
    retry_after: Option<HeaderValue>,
}

impl Refused {
    fn new(told: Told) -> Self {
        Self(Box::new(told))
    }

    /// 403.
    pub(crate) fn forbidden(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Told { status: StatusCode::FORBIDDEN, reason: reason.to_owned(), message: message.into(), challenge: Some(CHALLENGE), retry_after: None })
    }

    /// 401, for a request whose credentials cannot be read.
    pub(crate) fn unreadable(message: &str) -> Self {
        let reason = "invalid_request".to_owned();
        Self::new(Told { status: StatusCode::UNAUTHORIZED, reason, message: message.to_owned(), challenge: Some(CHALLENGE_REQUEST), retry_after: None })
    }

    /// 503: nothing is known that a decision could rest on.
    pub(crate) fn undecided() -> Self {
        let message = "this cannot be decided at the moment; try again in a second".to_owned();
        let retry_after = Some(HeaderValue::from_static("1"));
        Self::new(Told { status: StatusCode::SERVICE_UNAVAILABLE, reason: "temporarily_unavailable".to_owned(), message, challenge: None, retry_after })
    }

    /// What an answer with an [`ErrorBody`] says, as a gateway understands it: whatever is wrong with a request is 403, whatever is wrong here 503.
    pub(crate) fn of<B>(response: &mut http::Response<B>) -> Self {
        let body = response.extensions_mut().remove::<ErrorBody>();
        let (reason, message) = body.map_or_else(|| ("refused".to_owned(), String::new()), |body| (body.error, body.message));
        let status = match response.status() {
            status @ (StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) => status,
            status if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => StatusCode::FORBIDDEN,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let headers = response.headers_mut();
        let challenge = headers.remove(WWW_AUTHENTICATE).or_else(|| matches!(status.as_u16(), 401 | 403).then_some(CHALLENGE));
        Self::new(Told { status, reason, message, challenge, retry_after: headers.remove(RETRY_AFTER) })
    }

    /// For a metric: one of few fixed words.
    pub(crate) fn word(&self) -> &'static str {
        match self.0.status {
            StatusCode::UNAUTHORIZED => "unauthenticated",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::TOO_MANY_REQUESTS => "limited",
            _ => "undecided",
        }
    }

    pub(crate) fn into_response(self) -> Response {
        let Told { status, reason, message, challenge, retry_after } = *self.0;
        let mut response = empty(status);
        let headers = response.headers_mut();
        headers.insert(REASON, text(&reason));
        headers.insert(MESSAGE, text(&message));
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            headers.insert(STATUS, HeaderValue::from(status.as_u16()));
            headers.insert(RETRY_AFTER, retry_after.unwrap_or(HeaderValue::from_static("1")));
        }
        response
    }
}

impl Allowed {
    /// All headers are always there, empty where there is nothing to say, so that none of a client's own stays in the place of one.
    pub(crate) fn into_response(self) -> Response {
        let mut response = empty(StatusCode::OK);
        let (headers, who) = (response.headers_mut(), self.who);
        for (name, value) in [
            (SUBJECT, who.sub),
            (EMAIL, who.email),
            (ORGANIZATION, who.current_organization_id.to_string()),
            (KEY_ID, who.key_id.to_string()),
            (ROLES, who.roles.join(" ")),
        ] {
            // What a header cannot say as it is stands in the token alone: half of an address would be another one.
            headers.insert(name, HeaderValue::from_str(&value).ok().filter(|_| value.is_ascii()).unwrap_or(HeaderValue::from_static("")));
        }
        headers.insert(IDENTITY_TOKEN, self.token.unwrap_or(HeaderValue::from_static("")));
        response
    }
}

/// The answer of whatever stands before the routes, to a gateway.
pub(crate) fn plain(response: &mut Response) {
    if response.headers().contains_key(CONTENT_LENGTH)
        && response.extensions().get::<ErrorBody>().is_none()
        && is_decision(response.status(), response.headers())
    {
        return;
    }
    *response = Refused::of(response).into_response();
}

fn is_decision(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::OK || headers.contains_key(REASON)
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// A sentence as a header may say it: visible ASCII and spaces.
fn text(sentence: &str) -> HeaderValue {
    let safe: String = sentence.chars().map(|letter| if matches!(letter, ' '..='~') { letter } else { '\'' }).collect();
    HeaderValue::from_str(&safe).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;
    use axum::response::IntoResponse as _;

    #[test]
    fn a_sentence_breaks_no_header() {
        assert_eq!(text("a\r\nX: b\0 \u{7f}ü`\"").to_str().unwrap(), "a''X: b' ''`\"");
    }

    /// Whatever goes wrong before a decision: a gateway understands 401, 403, 429 and 503 alone, and no body.
    #[test]
    fn other_answers_become_ones_that_a_gateway_understands() {
        for (error, status) in [
            (ApiError::BadRequest("x".to_owned()), 403),
            (ApiError::HeadersTooLarge(1), 403),
            (ApiError::NoSuchPath, 403),
            (ApiError::NoSuchMethod, 403),
            (ApiError::TooLate, 503),
            (ApiError::Broken, 503),
            (ApiError::Core(keywright_core::Error::Unavailable), 503),
            (ApiError::Core(keywright_core::Error::Busy), 429),
            (ApiError::Core(keywright_core::Error::NothingGranted), 403),
            (ApiError::Core(keywright_core::Refusal::Unknown.into()), 401),
        ] {
            let mut response = error.into_response();
            plain(&mut response);
            let (parts, body) = response.into_parts();
            assert_eq!(parts.status, status);
            assert_eq!((parts.headers[CONTENT_LENGTH].as_bytes(), hyper::body::Body::size_hint(&body).exact()), (b"0".as_slice(), Some(0)));
            assert!(!parts.headers[REASON].is_empty() && !parts.headers[MESSAGE].is_empty() && !parts.headers.contains_key(CONTENT_TYPE));
            let undecided = status == 429 || status == 503;
            assert_eq!((parts.headers.contains_key(STATUS), parts.headers.contains_key(RETRY_AFTER)), (undecided, undecided));
            assert_eq!(parts.headers.contains_key(WWW_AUTHENTICATE), !undecided);
        }
    }
}
