//! What people may call things, and addresses. Normalised once, then checked.

use crate::Error;

/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 128;
/// Longest e-mail address, in bytes (RFC 5321, section 4.5.3.1.3, without the brackets).
pub const MAX_EMAIL_BYTES: usize = 254;

/// A usable name: 1 to 128 characters, none of them a control character, without spaces around.
///
/// # Errors
/// [`Error::Invalid`].
pub fn name(field: &'static str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_NAME_CHARS {
        return Err(Error::Invalid { field, reason: format!("must have 1 to {MAX_NAME_CHARS} characters, this has {length}") });
    }
    if text.chars().any(char::is_control) {
        return Err(Error::Invalid { field, reason: "must not contain control characters".to_owned() });
    }
    Ok(text.to_owned())
}

/// A usable address: in lower case, without spaces around, `local@domain`.
///
/// # Errors
/// [`Error::Invalid`].
pub fn email(text: &str) -> Result<String, Error> {
    let text = text.trim().to_lowercase();
    let invalid = || Error::Invalid { field: "email", reason: "must be an address such as owner@example.com".to_owned() };
    let (local, domain) = text.split_once('@').ok_or_else(invalid)?;
    let usable = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && text.len() <= MAX_EMAIL_BYTES
        && !text.chars().any(|character| character.is_control() || character.is_whitespace());
    if usable { Ok(text) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        assert_eq!(name("name", "  Acme Mobile ").unwrap(), "Acme Mobile");
        for bad in ["", "   ", "a\u{7}b", &"x".repeat(129)] {
            assert!(name("name", bad).is_err(), "{bad:?}");
        }
        assert!(name("name", &"ü".repeat(128)).is_ok());
        assert_eq!(email(" Owner@Example.COM ").unwrap(), "owner@example.com");
        for bad in ["", "owner", "@example.com", "owner@", "a@b@c", "a b@c", &format!("{}@x", "y".repeat(254))] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }
}
