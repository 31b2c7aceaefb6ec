//! What stands behind names and addresses everywhere: which characters are not seen, and what an e-mail address is.

/// Longest e-mail address, in bytes (RFC 5321, section 4.5.3.1.3, without the brackets).
pub const MAX_EMAIL_BYTES: usize = 254;

/// Characters that are not seen, or turn the direction of what is: with them two names look alike, or one looks like another
/// (Unicode Technical Report 36, section 2).
#[must_use]
pub const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{2800}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A usable address: in lower case, without spaces around, `local@domain`, both of ASCII: a local part without quotes (RFC 5322,
/// section 3.2.3) and a host name, an internationalised one in its `xn--` form. `None` for anything else.
#[must_use]
pub fn email(text: &str) -> Option<String> {
    // Only ASCII letters change: other alphabets have letters whose lower case is an ASCII one.
    let text = text.trim().to_ascii_lowercase();
    let (local, domain) = text.split_once('@')?;
    let is_atom = |part: &str| !part.is_empty() && part.chars().all(|character| character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character));
    let is_label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
    };
    (text.len() <= MAX_EMAIL_BYTES && local.split('.').all(is_atom) && domain.split('.').all(is_label)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(email(" Owner@Example.COM ").unwrap(), "owner@example.com");
        assert_eq!(email("x+y.z'q@b.c").unwrap(), "x+y.z'q@b.c");
        for bad in [
            "",
            "owner",
            "@example.com",
            "owner@",
            "a@b@c",
            "a b@c",
            "a,b@c.d",
            "<a>@c.d",
            "a@\u{212a}.d",
            "\u{212a}@c.d",
            "a.@c.d",
            "a..b@c.d",
            "a@-c.d",
            "a@c..d",
            &format!("{}@x", "y".repeat(254)),
        ] {
            assert!(email(bad).is_none(), "{bad:?}");
        }
    }
}
