//! What people may call things, and addresses. Normalised once, then checked.

use crate::Error;
use keywright_protocol::names;

/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 128;
/// A usable name: 1 to 128 characters, none of them a control character or invisible, without spaces around.
///
/// # Errors
/// [`Error::Invalid`].
pub fn name(field: &'static str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_NAME_CHARS {
        return Err(Error::Invalid { field, reason: format!("must have 1 to {MAX_NAME_CHARS} characters, this has {length}") });
    }
    if text.chars().any(|character| character.is_control() || names::is_invisible(character)) {
        return Err(Error::Invalid { field, reason: "must not contain control characters or invisible ones".to_owned() });
    }
    Ok(text.to_owned())
}

/// A usable address, as [`names::email`] has it.
///
/// # Errors
/// [`Error::Invalid`].
pub fn email(text: &str) -> Result<String, Error> {
    names::email(text).ok_or_else(|| Error::Invalid { field: "email", reason: "must be an address such as owner@example.com, of ASCII characters".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        assert_eq!(name("name", "  Acme Mobile ").unwrap(), "Acme Mobile");
        for bad in ["", "   ", "a\u{7}b", &"x".repeat(129), "Acme\u{200b}", "\u{202e}emcA", "\u{3164}", "Acme\u{2028}Mobile"] {
            assert!(name("name", bad).is_err(), "{bad:?}");
        }
        assert!(name("name", &"ü".repeat(128)).is_ok());
        assert_eq!(email(" Owner@Example.COM ").unwrap(), "owner@example.com");
        assert!(matches!(email("owner"), Err(Error::Invalid { field: "email", .. })));
    }
}
