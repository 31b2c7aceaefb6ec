//! Who asks: an API Key as an OAuth client (RFC 6749, section 2.3.1), by `Authorization: Basic` or in the body.

use super::error::OAuthError;
use crate::{auth::form::Fields, error::ApiError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use keywright_core::Credential;

const TWICE: &str = "a client says who it is in one way: in an Authorization header, or by client_id and client_secret in the body";

/// What a client sent of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientCredentials {
    id: String,
    secret: String,
}

impl ClientCredentials {
    /// As the core takes them.
    pub(super) fn credential(&self) -> Credential<'_> {
        Credential::ApiKey { name: &self.id, secret: &self.secret }
    }
}

/// What stands in `Authorization`, once.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(ApiError::BadRequest("there is more than one Authorization header; send one".to_owned()));
    }
    let unreadable = |_| OAuthError::client("the Authorization header has characters that none has", None);
    value.map(|value| value.to_str().map(str::trim).map_err(unreadable)).transpose()
}

/// The client, if it said who it is. A bare `client_id` says nothing that counts.
pub(super) fn credentials(headers: &HeaderMap, fields: &Fields<'_>) -> Result<Option<ClientCredentials>, ApiError> {
    let header = authorization(headers)?.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let (id, secret) = (fields.one_of(&["client_id"], "client_id")?, fields.one_of(&["client_secret"], "client_secret")?);
    match (header, secret) {
        (Some(_), Some(_)) => Err(ApiError::BadRequest(TWICE.to_owned())),
        (Some((_, encoded)), None) => {
            let wrong = || OAuthError::client("the Authorization header is not Basic with client id, colon and secret in base64", None);
            let client = basic(encoded.trim()).ok_or_else(wrong)?;
            if id.is_some_and(|id| id != client.id) { Err(ApiError::BadRequest(TWICE.to_owned())) } else { Ok(Some(client)) }
        }
        (None, Some(secret)) => {
            let missing = || ApiError::BadRequest("the parameter client_id is missing; send the API Key's id or name in it, beside client_secret".to_owned());
            Ok(Some(ClientCredentials { id: id.ok_or_else(missing)?.to_owned(), secret: secret.to_owned() }))
        }
        (None, None) => Ok(None),
    }
}

/// Both halves are form-encoded before they are put together.
fn basic(encoded: &str) -> Option<ClientCredentials> {
    let bytes = STANDARD.decode(encoded).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(ClientCredentials { id: form_decoded(id)?, secret: form_decoded(secret)? })
}

/// `+` is a space and `%` begins a byte in hexadecimal. What is neither stands for itself, since not every client encodes.
fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next())? * 16 + digit(rest.next())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_decoded() {
        let read = |text: &str| basic(&STANDARD.encode(text)).map(|client| (client.id, client.secret));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("nightly:kw_api_x"), pair("nightly", "kw_api_x"));
        assert_eq!(read("nightly+build%3A%C3%A4:a:b"), pair("nightly build:ä", "a:b"));
        assert_eq!(read("nightly build:x"), pair("nightly build", "x"));
        for broken in ["no colon", "%zz:x", "%4:x", "%ff:x"] {
            assert_eq!(read(broken), None, "{broken}");
        }
        assert_eq!(basic("no base64!"), None);
    }
}
