//! The path of a request, read in the one way in which all who read it must agree. What two of them may read differently is refused: a
//! decision about one path must never let another one through.

use std::borrow::Cow;

/// Longest path with query that is looked at, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// Why a path is not decided about, for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ambiguity {
    /// Not a path from the root.
    #[error("the path must begin with one slash")]
    NotFromRoot,
    /// Longer than [`MAX_LENGTH`].
    #[error("the path with its query is longer than 8192 bytes")]
    TooLong,
    /// Nothing between two slashes.
    #[error("the path has two slashes in a row; send one")]
    DoubleSlash,
    /// `.` or `..`, also in percent escapes.
    #[error("the path has a segment `.` or `..`; send the path that is meant")]
    Dots,
    /// What RFC 3986, section 3.3, does not have in a path, or `;`.
    #[error("the path has a character that must not stand in one as it is: write it as a percent escape, or leave it out")]
    Character,
    /// `%` without two hexadecimal digits, or not UTF-8.
    #[error("the path has a percent escape that is none, or that gives no UTF-8")]
    Escape,
    /// An escape of a character that some take for part of the path's structure.
    #[error("the path has an escaped slash, backslash, `;`, `#`, `?`, `%` or control character, which not everybody reads alike")]
    EscapedStructure,
}

/// The segments of a path, decoded; the last one is empty when the path ends with a slash. `target` may have a query, which counts for nothing.
pub(crate) fn segments(target: &str) -> Result<Vec<Cow<'_, str>>, Ambiguity> {
    if target.len() > MAX_LENGTH {
        return Err(Ambiguity::TooLong);
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let rest = path.strip_prefix('/').ok_or(Ambiguity::NotFromRoot)?;
    let mut segments = Vec::new();
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() && parts.peek().is_some() {
            return Err(Ambiguity::DoubleSlash);
        }
        segments.push(segment(part)?);
    }
    Ok(segments)
}

fn segment(text: &str) -> Result<Cow<'_, str>, Ambiguity> {
    if !text.bytes().all(is_plain_or_escape) {
        return Err(Ambiguity::Character);
    }
    let decoded = if text.contains('%') { Cow::Owned(decoded(text)?) } else { Cow::Borrowed(text) };
    if matches!(decoded.as_ref(), "." | "..") {
        return Err(Ambiguity::Dots);
    }
    Ok(decoded)
}

/// `pchar` (RFC 3986, section 3.3) without `;`, after which some servers see parameters, and others more of the name.
const fn is_plain_or_escape(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' | b'%')
}

fn decoded(text: &str) -> Result<String, Ambiguity> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok()).ok_or(Ambiguity::Escape);
        let byte = digit()? * 16 + digit()?;
        if byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b';' | b'#' | b'?' | b'%') {
            return Err(Ambiguity::EscapedStructure);
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| Ambiguity::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_reads_alike_is_decoded() {
        let read = |target: &str| segments(target).unwrap().join("|");
        for (target, expected) in [
            ("/", ""),
            ("/invoices", "invoices"),
            ("/invoices/", "invoices|"),
            ("/invoices/42?a=//../b#c", "invoices|42"),
            ("/%69nvoices/a%20b", "invoices|a b"),
            ("/a/%C3%BC", "a|ü"),
            ("/a/...", "a|..."),
            ("/a/.b", "a|.b"),
            ("/a,b/c:d@e=f+g", "a,b|c:d@e=f+g"),
        ] {
            assert_eq!(read(target), expected, "{target}");
        }
    }

    /// Each line reddens when its check is left out.
    #[test]
    fn what_two_may_read_differently_is_refused() {
        use Ambiguity::{Character, Dots, DoubleSlash, Escape, EscapedStructure, NotFromRoot, TooLong};
        for (target, expected) in [
            ("", NotFromRoot),
            ("invoices", NotFromRoot),
            ("http://a/invoices", NotFromRoot),
            ("*", NotFromRoot),
            ("//", DoubleSlash),
            ("//a", DoubleSlash),
            ("/a//b", DoubleSlash),
            ("/a//", DoubleSlash),
            ("/.", Dots),
            ("/a/../b", Dots),
            ("/a/..", Dots),
            ("/a/./b", Dots),
            ("/a/%2e%2E/b", Dots),
            ("/a/.%2e/b", Dots),
            ("/a/%2e", Dots),
            ("/a%2fb", EscapedStructure),
            ("/a%2Fb", EscapedStructure),
            ("/a%5cb", EscapedStructure),
            ("/a%00", EscapedStructure),
            ("/a%0d%0ab", EscapedStructure),
            ("/a%7f", EscapedStructure),
            ("/a%3bb", EscapedStructure),
            ("/a%23", EscapedStructure),
            ("/a%3fb", EscapedStructure),
            ("/%252e%252e/b", EscapedStructure),
            ("/a\\b", Character),
            ("/a;b=c", Character),
            ("/a/..;/b", Character),
            ("/a#b", Character),
            ("/a b", Character),
            ("/a\u{0}", Character),
            ("/a\tb", Character),
            ("/ü", Character),
            ("/a\"", Character),
            ("/a|b", Character),
            ("/a[b", Character),
            ("/a%", Escape),
            ("/a%2", Escape),
            ("/a%zz", Escape),
            ("/a%c0%ae", Escape),
            ("/a%ff", Escape),
            ("/%+1", Escape),
        ] {
            assert_eq!(segments(target), Err(expected), "{target:?}");
        }
        assert_eq!(segments(&format!("/{}", "a".repeat(MAX_LENGTH))), Err(TooLong));
    }
}
