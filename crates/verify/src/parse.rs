//! The one strict reader of compact JWS (RFC 7515, section 7.1). Lenient reading is where forged tokens get in, so there is one
//! accepted spelling of everything: three parts, canonical base64url, a header of exactly `alg`, `kid` and `typ`, and JSON
//! objects without doubled members.

use crate::error::Malformation;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, collections::HashSet, fmt};

/// Longest `kid`, in bytes. A thumbprint (RFC 7638) has 43.
pub(crate) const MAX_KID_BYTES: usize = 64;
/// Deepest nesting of claims.
const MAX_DEPTH: u8 = 32;

/// The protected header. Whatever else a JWS header may have (`jwk`, `jku`, `x5c`, `crit`, `b64`, `zip`, ..) would let the
/// sender choose how he is checked, so nothing else is accepted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// Signature algorithm.
    pub(crate) alg: String,
    /// Key id.
    pub(crate) kid: String,
    /// Type of the whole.
    pub(crate) typ: String,
}

/// A JWS whose header is read, and whose payload must not be read before its signature is checked.
pub(crate) struct Jws<'t> {
    pub(crate) header: Header,
    /// What the signature covers: the first two parts with their dot.
    pub(crate) signed: &'t str,
    pub(crate) signature: Vec<u8>,
    payload: &'t str,
}

impl<'t> Jws<'t> {
    /// Splits and decodes; checks form alone.
    pub(crate) fn parse(text: &'t str) -> Result<Self, Malformation> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformation::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformation::Parts)?;
        if payload.contains('.') {
            return Err(Malformation::Parts);
        }
        let header = decode(header)?;
        // Three texts and nothing else, none of them twice: the reader sees to that by itself, once it is an object and not a list.
        let is_object = header.trim_ascii_start().first() == Some(&b'{');
        let header: Header = is_object.then(|| serde_json::from_slice(&header).ok()).flatten().ok_or(Malformation::Header)?;
        if header.kid.is_empty() || header.kid.len() > MAX_KID_BYTES {
            return Err(Malformation::KeyId);
        }
        Ok(Self { header, signed, signature: decode(signature)?, payload })
    }

    /// The payload's bytes.
    pub(crate) fn payload(&self) -> Result<Vec<u8>, Malformation> {
        decode(self.payload)
    }
}

/// For whom a token says that it is, before anything about it is known to be true: to choose the verifier that asks it. `None` if it does not
/// say so readably.
#[must_use]
pub fn unverified_audience(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Audience {
        aud: String,
    }
    if token.len() > crate::MAX_TOKEN_BYTES {
        return None;
    }
    let payload = Jws::parse(token).ok()?.payload().ok()?;
    serde_json::from_slice::<Audience>(&payload).ok().map(|claims| claims.aud)
}

/// base64url without padding, where each sequence of bytes has one spelling: left-over bits must be zero.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, Malformation> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformation::Encoding)
}

/// Whether a member of the outermost object may be `null`. For an optional claim it may not: "present" and "absent" are all
/// there is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Null {
    Accepted,
    Refused,
}

/// Reads a JSON object that has no member twice, at any depth, and is not nested too deeply. First a walk that only looks,
/// then the typed reading of the same bytes.
pub(crate) fn read_object<T: DeserializeOwned>(bytes: &[u8], null: Null) -> Result<T, serde_json::Error> {
    serde_json::from_slice::<Object>(bytes).and_then(|object| {
        if null == Null::Refused && object.has_null { Err(serde_json::Error::custom("a member is null")) } else { serde_json::from_slice(bytes) }
    })
}

/// The outermost object, looked at.
struct Object {
    has_null: bool,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outermost;
        impl<'de> Visitor<'de> for Outermost {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object, A::Error> {
                walk_members(map, MAX_DEPTH).map(|has_null| Object { has_null })
            }
        }
        deserializer.deserialize_any(Outermost)
    }
}

/// Walks the members of an object; `true` when one of them is `null`.
fn walk_members<'de, A: MapAccess<'de>>(mut map: A, depth: u8) -> Result<bool, A::Error> {
    let below = depth.checked_sub(1).ok_or_else(|| A::Error::custom("nested too deeply"))?;
    let mut seen = Names::default();
    let mut has_null = false;
    while let Some(name) = map.next_key::<Name<'de>>()? {
        if !seen.insert(name) {
            return Err(A::Error::custom("a member stands there twice"));
        }
        has_null |= map.next_value_seed(Walk { depth: below })? == Seen::Null;
    }
    Ok(has_null)
}

/// Names of members. The few that a token has are compared one by one, which is faster than hashing them; a crowd is hashed.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Name<'de>>,
    more: HashSet<Name<'de>>,
}

impl<'de> Names<'de> {
    const FEW: usize = 32;

    /// Whether it was not there yet.
    fn insert(&mut self, name: Name<'de>) -> bool {
        if self.few.contains(&name) {
            return false;
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
            return true;
        }
        self.more.insert(name)
    }
}

/// A member's name, as it stands in the text where it has no escapes.
#[derive(PartialEq, Eq, Hash)]
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[derive(PartialEq, Eq)]
enum Seen {
    Null,
    Other,
}

/// Looks at any JSON value and keeps nothing of it. `depth` is how many levels may still open below.
struct Walk {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = Seen;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = Seen;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }
    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        let below = self.depth.checked_sub(1).ok_or_else(|| A::Error::custom("nested too deeply"))?;
        while items.next_element_seed(Walk { depth: below })?.is_some() {}
        Ok(Seen::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Seen, A::Error> {
        walk_members(map, self.depth).map(|_| Seen::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn read(text: &str) -> bool {
        read_object::<Value>(text.as_bytes(), Null::Accepted).is_ok()
    }

    #[test]
    fn doubled_members_are_found_at_every_depth() {
        assert!(read(r#"{"a":1,"b":{"a":[{"a":null}]}}"#));
        for doubled in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":1}"#, r#"{"b":{"a":1,"a":2}}"#, r#"{"b":[[{"a":1,"a":2}]]}"#] {
            assert!(!read(doubled), "{doubled}");
        }
        // Also among more of them than are compared one by one.
        let many = |last: &str| format!("{{{}\"{last}\":1}}", (0..100).map(|number| format!("\"m{number}\":1,")).collect::<String>());
        assert!(read(&many("m100")));
        assert!(["m0", "m31", "m32", "m99", "\\u006d99"].iter().all(|doubled| !read(&many(doubled))));
    }

    #[test]
    fn only_an_object_alone_is_read() {
        for other in ["", "null", "[]", r#"["a"]"#, "1", r#""a""#, "{} {}", "{},", "\u{feff}{}", r#"{"a":NaN}"#, r#"{"a":1e400}"#, "{'a':1}"] {
            assert!(!read(other), "{other}");
        }
        assert!(read_object::<Value>(br#"{"a":null}"#, Null::Refused).is_err());
        assert!(read_object::<Value>(br#"{"a":[null]}"#, Null::Refused).is_ok());
    }

    #[test]
    fn nesting_ends_at_the_thirty_second_level() {
        let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(read(&nested(32)));
        assert!(!read(&nested(33)));
        assert!(!read(&format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000))));
    }

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(decode("QQ"), Ok(vec![b'A']));
        for other in ["QR", "QQ==", "QQ=", "Q", "Q Q", "QQ\n", "Q+/Q"] {
            assert_eq!(decode(other), Err(Malformation::Encoding), "{other:?}");
        }
    }
}
