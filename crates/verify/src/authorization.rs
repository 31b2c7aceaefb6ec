//! The token out of an `Authorization` header (RFC 6750, section 2.1, and the bare form that the contract's clients send).

use crate::error::{Malformation, VerifyError};

/// The token out of the value of an `Authorization` header: after `Bearer` in any case of letters, or standing alone; spaces
/// around it don't matter. Whether there is more than one such header is for the caller to see: that is
/// [`Malformation::SeveralHeaders`].
///
/// # Errors
/// [`VerifyError::Missing`] without a header, or when it is empty or only the scheme; [`VerifyError::Malformed`] for another
/// scheme, several words, or anything but visible ASCII.
pub fn bearer_token(header: Option<&[u8]>) -> Result<&str, VerifyError> {
    let value = std::str::from_utf8(header.unwrap_or_default()).map_err(|_| Malformation::Characters)?.trim_matches([' ', '\t']);
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start_matches(' '),
        Some(_) => return Err(Malformation::Scheme.into()),
        None if value.eq_ignore_ascii_case("bearer") => "",
        None => value,
    };
    if token.is_empty() {
        return Err(VerifyError::Missing);
    }
    if token.contains([' ', '\t']) {
        return Err(Malformation::Scheme.into());
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Malformation::Characters.into());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_clients_send_is_read() {
        for form in ["a.b.c", "Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c", "  Bearer a.b.c  ", "\ta.b.c "] {
            assert_eq!(bearer_token(Some(form.as_bytes())), Ok("a.b.c"), "{form:?}");
        }
    }

    #[test]
    fn other_forms_are_refused_by_name() {
        for nothing in [None, Some(""), Some("  "), Some("Bearer"), Some("bearer  ")] {
            assert_eq!(bearer_token(nothing.map(str::as_bytes)), Err(VerifyError::Missing), "{nothing:?}");
        }
        for words in ["Basic dXNlcjpwdw==", "Bearer a b", "Bearer a, Bearer b", "a b", "Bearer a\tb", "Bearer\ta"] {
            assert_eq!(bearer_token(Some(words.as_bytes())), Err(Malformation::Scheme.into()), "{words:?}");
        }
        for odd in [b"a\xffb".as_slice(), "ü".as_bytes(), b"a\0b", b"Bearer a\x7f"] {
            let error = bearer_token(Some(odd)).unwrap_err();
            assert_eq!(error, Malformation::Characters.into(), "{odd:?}");
            assert_eq!(error.error_code(), "invalid_request");
        }
    }
}
