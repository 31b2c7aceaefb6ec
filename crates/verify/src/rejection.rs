//! What an API answers to whom it does not let in (RFC 6750, section 3).

use crate::{Config, VerifyError};
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use keywright_protocol::{Catalog, ErrorBody, KeyKind};

/// The answer, of whatever type of body, to a request whose token is not accepted: 401 with a challenge, or 503 when it could not be judged. Its
/// [`ErrorBody`] stands in the extensions too, for a service that adds to it.
#[must_use]
pub fn rejection<B: From<Vec<u8>>>(error: &VerifyError, config: &Config) -> Response<B> {
    match error {
        VerifyError::Missing => {
            let url = config.exchange_url_for(KeyKind::PersonalAccessKey).unwrap_or_default();
            unauthorized(error, config, "unauthorized", format!("{error}; exchange a key for one at {url}"))
        }
        VerifyError::RawKey(kind) => {
            let place = config.exchange_url_for(*kind).map(|url| format!("; keys are exchanged at {url}")).unwrap_or_default();
            unauthorized(error, config, "key_not_exchanged", format!("{error}{place}"))
        }
        VerifyError::NeedsRefresh(_) | VerifyError::Unavailable => {
            let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &ErrorBody::new("temporarily_unavailable", VerifyError::Unavailable.to_string()));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        VerifyError::Malformed(_)
        | VerifyError::Expired
        | VerifyError::NotYetValid
        | VerifyError::WrongIssuer
        | VerifyError::WrongAudience
        | VerifyError::WrongType
        | VerifyError::Algorithm
        | VerifyError::Signature
        | VerifyError::UnknownKey
        | VerifyError::Claims(_)
        | VerifyError::Revoked
        | VerifyError::Inactive
        | VerifyError::TooLong => unauthorized(error, config, error.error_code(), error.to_string()),
    }
}

/// The answer to a request whose token is good but does not carry `permission`: 403, naming it and the roles that would do.
#[must_use]
pub fn insufficient<B: From<Vec<u8>>>(permission: &str, catalog: &Catalog) -> Response<B> {
    let roles: Vec<String> = catalog.roles_with(permission).map(str::to_owned).collect();
    let sentence = if roles.is_empty() {
        format!("this needs the permission {permission}, which no role carries; ask the operator of the installation")
    } else {
        format!("this needs the permission {permission}; ask an Owner of the organization for one of these roles: {}", roles.join(", "))
    };
    let mut body = ErrorBody::new("insufficient_permission", sentence);
    body.required_permission = Some(permission.to_owned());
    body.roles_with_permission = roles;
    challenged(StatusCode::FORBIDDEN, &body, &format!(r#"Bearer error="insufficient_scope", scope="{}""#, quotable(permission)))
}

/// The answer where a route asks for a token that nobody has looked for.
pub(crate) fn no_layer<B: From<Vec<u8>>>() -> Response<B> {
    answer(StatusCode::INTERNAL_SERVER_ERROR, &ErrorBody::new("server_error", "this service is not set up to check access tokens; tell its operator"))
}

fn unauthorized<B: From<Vec<u8>>>(error: &VerifyError, config: &Config, code: &str, sentence: String) -> Response<B> {
    let mut challenge = r#"Bearer realm="keywright""#.to_owned();
    if let Some(url) = &config.resource_metadata {
        challenge.push_str(&format!(r#", resource_metadata="{}""#, quotable(url)));
    }
    if !error.error_code().is_empty() {
        challenge.push_str(&format!(r#", error="{}", error_description="{}""#, error.error_code(), quotable(&sentence)));
    }
    challenged(StatusCode::UNAUTHORIZED, &ErrorBody::new(code, sentence), &challenge)
}

fn challenged<B: From<Vec<u8>>>(status: StatusCode, body: &ErrorBody, challenge: &str) -> Response<B> {
    let mut response = answer(status, body);
    // `quotable` leaves nothing that a header must not have.
    let challenge = HeaderValue::from_str(challenge).unwrap_or(HeaderValue::from_static("Bearer"));
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

fn answer<B: From<Vec<u8>>>(status: StatusCode, body: &ErrorBody) -> Response<B> {
    let mut response = Response::new(B::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(body.clone());
    response
}

/// Only what may stand in a challenge's quoted text (RFC 6750, section 3): visible ASCII and spaces, no `"` and no `\`.
fn quotable(text: &str) -> String {
    text.chars().map(|letter| if matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\') { letter } else { '\'' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_quoted_text() {
        assert_eq!(quotable("a\"b\\c\r\nd ü"), "a'b'c''d '");
    }
}
