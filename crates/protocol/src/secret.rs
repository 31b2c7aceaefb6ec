//! The shape of a key's secret: what anybody can tell about it by looking.
//!
//! `<prefix>_<kind>_` + 43 characters (32 random bytes in base 62) + 6 characters of CRC-32 over all before them. The prefix
//! belongs to the installation, the kind is fixed, so that a verifier anywhere knows a raw key when it sees one.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Characters of the random part.
pub const BODY_LEN: usize = 43;
/// Characters of the checksum.
pub const CHECKSUM_LEN: usize = 6;
/// Longest prefix of an installation.
pub const MAX_PREFIX_LEN: usize = 16;
/// What a webhook's secret begins with. It signs, and opens nothing: it is no key, and has not their shape but that of Standard Webhooks.
pub const WEBHOOK_PREFIX: &str = "whsec_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What kind of credential a secret is; as `keyKind` in a token, in the names of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// Of one user in one organization.
    PersonalAccessKey,
    /// Of an organization, with roles and an expiry.
    ApiKey,
    /// Of the installation.
    OperatorKey,
    /// A person who has signed in.
    Session,
}

impl KeyKind {
    const ALL: [Self; 4] = [Self::PersonalAccessKey, Self::ApiKey, Self::OperatorKey, Self::Session];

    /// The middle part of the secret: `pak`, `api`, `op` or `ses`.
    #[must_use]
    pub const fn infix(self) -> &'static str {
        match self {
            Self::PersonalAccessKey => "pak",
            Self::ApiKey => "api",
            Self::OperatorKey => "op",
            Self::Session => "ses",
        }
    }

    /// From the middle part of a secret.
    #[must_use]
    pub fn from_infix(infix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.infix() == infix)
    }

    /// With its article, for a sentence.
    #[must_use]
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::PersonalAccessKey => "a Personal Access Key",
            Self::ApiKey => "an API Key's secret",
            Self::OperatorKey => "an operator key",
            Self::Session => "a session token",
        }
    }
}

/// A secret that is whole: its checksum is right. Nothing is said about whether it is known to anybody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape<'a> {
    /// What kind it says it is.
    pub kind: KeyKind,
    /// The 43 random characters. Secret.
    pub body: &'a str,
}

impl fmt::Debug for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why a text is not a whole secret, in words for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Three parts with dots: a token, not a key.
    #[error("this is an access token, not a key; send it in the Authorization header of the API you want to call")]
    AccessToken,
    /// Shorter than a key of this kind is.
    #[error("it is cut off after {have} of {want} characters; copy the whole key")]
    CutOff {
        /// Characters that are there.
        have: usize,
        /// Characters of a whole key.
        want: usize,
    },
    /// Longer than a key of this kind is.
    #[error("it has {have} characters where a key has {want}; copy the key alone")]
    TooLong {
        /// Characters that are there.
        have: usize,
        /// Characters of a whole key.
        want: usize,
    },
    /// A character that no key has.
    #[error("it contains a character that no key has (keys are made of A-Z, a-z, 0-9 and _)")]
    Character,
    /// The checksum does not fit: a typing or copying error.
    #[error("its checksum does not fit; at least one character was changed, copy the key again")]
    Checksum,
    /// Nothing like a key.
    #[error("this does not look like a key; one starts like kw_pak_ or kw_api_")]
    Unrecognized,
}

/// Which kind of raw key a text starts like, whole or not. What a resource server asks before it reads a token.
#[must_use]
pub fn recognize(text: &str) -> Option<KeyKind> {
    split(text).map(|(kind, _)| kind)
}

/// Reads a secret without asking anybody: its kind, length and checksum.
///
/// # Errors
/// [`Damage`] says what the text looks like instead.
pub fn inspect(text: &str) -> Result<Shape<'_>, Damage> {
    let Some((kind, rest)) = split(text) else {
        return Err(if is_token_like(text) { Damage::AccessToken } else { Damage::Unrecognized });
    };
    if !text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
        return Err(Damage::Character);
    }
    let (have, want) = (text.len(), text.len() - rest.len() + BODY_LEN + CHECKSUM_LEN);
    match have.cmp(&want) {
        std::cmp::Ordering::Less => return Err(Damage::CutOff { have, want }),
        std::cmp::Ordering::Greater => return Err(Damage::TooLong { have, want }),
        std::cmp::Ordering::Equal => {}
    }
    if rest.contains('_') {
        return Err(Damage::Character);
    }
    let (covered, checksum) = text.split_at_checked(have - CHECKSUM_LEN).ok_or(Damage::Character)?;
    let body = rest.get(..BODY_LEN).ok_or(Damage::Character)?;
    if checksum_of(covered).as_bytes() == checksum.as_bytes() { Ok(Shape { kind, body }) } else { Err(Damage::Checksum) }
}

/// Writes the secret of 32 random bytes. `prefix` must satisfy [`is_prefix`].
#[must_use]
pub fn compose(prefix: &str, kind: KeyKind, random: &[u8; 32]) -> String {
    let mut text = format!("{prefix}_{}_{}", kind.infix(), base62(random));
    let checksum = checksum_of(&text);
    text.push_str(&checksum);
    text
}

/// Whether a text may be an installation's prefix: 1 to 16 lower-case letters and digits.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    (1..=MAX_PREFIX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn split(text: &str) -> Option<(KeyKind, &str)> {
    let (prefix, rest) = text.split_once('_')?;
    let (infix, rest) = rest.split_once('_')?;
    if is_prefix(prefix) { KeyKind::from_infix(infix).map(|kind| (kind, rest)) } else { None }
}

/// Three parts of base64url with dots between them, or a JWT's first letters.
fn is_token_like(text: &str) -> bool {
    text.starts_with("eyJ") || (text.len() > 60 && text.bytes().filter(|byte| *byte == b'.').count() == 2)
}

fn base62(bytes: &[u8; 32]) -> String {
    let mut number = *bytes;
    let mut digits = [b'0'; BODY_LEN];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = letter(remainder);
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn checksum_of(covered: &str) -> String {
    let mut crc = crc32fast::hash(covered.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = letter(crc % 62);
        crc /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn letter(value: u32) -> u8 {
    usize::try_from(value).ok().and_then(|index| ALPHABET.get(index)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn what_is_composed_is_read_again() {
        for kind in KeyKind::ALL {
            let text = compose("kw", kind, &KEY);
            let shape = inspect(&text).unwrap();
            assert_eq!((shape.kind, shape.body.len()), (kind, BODY_LEN));
            assert_eq!(recognize(&text), Some(kind));
        }
        assert_eq!(compose("kw", KeyKind::PersonalAccessKey, &KEY).len(), 56);
    }

    #[test]
    fn base_62_is_big_endian_and_padded() {
        assert_eq!(base62(&[0; 32]), "0".repeat(43));
        let mut one = [0; 32];
        one[31] = 63;
        assert!(base62(&one).ends_with("011"));
        assert_eq!(base62(&[255; 32]).len(), 43);
    }

    #[test]
    fn the_checksum_is_the_published_crc_32() {
        // ISO-HDLC's check value: CRC-32 of "123456789" is 0xCBF43926 = 3421780262.
        assert_eq!(checksum_of("123456789"), "3jZRME");
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = compose("kw", KeyKind::ApiKey, &KEY);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(inspect(std::str::from_utf8(&bytes).unwrap()).is_err(), "position {at}");
        }
    }

    #[test]
    fn damage_is_named() {
        let text = compose("kw", KeyKind::PersonalAccessKey, &KEY);
        assert_eq!(inspect(text.get(..31).unwrap()), Err(Damage::CutOff { have: 31, want: 56 }));
        assert_eq!(inspect(&format!("{text}0")), Err(Damage::TooLong { have: 57, want: 56 }));
        assert_eq!(inspect(&format!("{text} ")), Err(Damage::Character));
        assert_eq!(inspect("eyJhbGciOiJFUzI1NiJ9.e30.c2ln"), Err(Damage::AccessToken));
        assert_eq!(inspect("hunter2"), Err(Damage::Unrecognized));
        assert_eq!(inspect(""), Err(Damage::Unrecognized));
        assert_eq!(inspect("kw_pak_ü"), Err(Damage::Character));
    }
}
