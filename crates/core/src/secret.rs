//! A key's secret, which is shown once, and its digest, which is stored.

use crate::{Error, Refusal, chance};
use aws_lc_rs::hmac;
use keywright_protocol::{
    KeyId, KeyKind, OrganizationId, Time, UserId,
    secret::{self, Shape},
};
use zeroize::Zeroizing;

/// A secret just made. It has no `Display`, `Serialize` or `PartialEq`: [`KeySecret::reveal`] is the one way to see it.
pub struct KeySecret(Zeroizing<String>);

impl KeySecret {
    /// A new one from 32 random bytes.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no randomness.
    pub fn generate(prefix: &str, kind: KeyKind) -> Result<Self, Error> {
        let random = Zeroizing::new(chance::bytes::<32>()?);
        Ok(Self(Zeroizing::new(secret::compose(prefix, kind, &random))))
    }

    /// The text, for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySecret(..)")
    }
}

/// Reads a presented secret of the kind that is wanted, without asking anybody.
///
/// # Errors
/// [`Refusal::Malformed`] or [`Refusal::WrongKind`].
pub fn parse(presented: &str, wanted: KeyKind) -> Result<Shape<'_>, Refusal> {
    let shape = secret::inspect(presented).map_err(Refusal::Malformed)?;
    if shape.kind == wanted { Ok(shape) } else { Err(Refusal::WrongKind { got: shape.kind }) }
}

/// HMAC-SHA-256 of a secret under the pepper. What is stored; useless without the pepper.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The key of all digests. It lives in the key file, never in the database.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// From the key file's 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The digest of a secret. The installation's prefix is no part of it, so that a changed prefix leaves old keys valid.
    #[must_use]
    pub fn digest(&self, shape: Shape<'_>) -> KeyDigest {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(shape.kind.infix().as_bytes());
        context.update(b"_");
        context.update(shape.body.as_bytes());
        KeyDigest(to_array(&context.sign()))
    }

    /// The digest of a recovery code of a person, as it is stored.
    #[must_use]
    pub fn recovery_digest(&self, user: UserId, code: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"keywright recovery code\0");
        context.update(user.as_uuid().as_bytes());
        context.update(code.as_bytes());
        to_array(&context.sign())
    }

    /// Binds a digest to its key, organization and times: a row that somebody planted or moved in the database does not
    /// carry the right one.
    #[must_use]
    pub fn tag(&self, digest: &[u8], bound: &Bound) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"keywright credential\0");
        context.update(digest);
        context.update(bound.key_id.as_uuid().as_bytes());
        context.update(bound.organization_id.as_uuid().as_bytes());
        context.update(&bound.not_before.as_millis().to_be_bytes());
        context.update(&bound.expires_at.as_millis().to_be_bytes());
        to_array(&context.sign())
    }

    /// The same for an operator key.
    #[must_use]
    pub fn operator_tag(&self, digest: &[u8], bound: &OperatorBound<'_>) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"keywright operator key\0");
        context.update(digest);
        context.update(bound.key_id.as_uuid().as_bytes());
        context.update(&bound.not_before.as_millis().to_be_bytes());
        context.update(&bound.expires_at.as_millis().to_be_bytes());
        // With its length before it, no text can take over a part of the next one.
        for text in [bound.scopes, bound.allowed_addresses] {
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(text.as_bytes());
        }
        to_array(&context.sign())
    }

    /// Binds a form to whoever it is shown to.
    #[must_use]
    pub fn form_token(&self, holder: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"keywright form\0");
        context.update(holder);
        to_array(&context.sign())
    }

    /// Whether an operator key's tag is the right one, in constant time.
    #[must_use]
    pub fn is_operator_tag(&self, tag: &[u8], digest: &[u8], bound: &OperatorBound<'_>) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(tag, &self.operator_tag(digest, bound)).is_ok()
    }

    /// Whether a tag is the right one, in constant time.
    #[must_use]
    pub fn is_tag(&self, tag: &[u8], digest: &[u8], bound: &Bound) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(tag, &self.tag(digest, bound)).is_ok()
    }
}

/// What a tag binds the digest of an operator key to: it lives in no organization, and what it may do stands in its row.
#[derive(Debug, Clone, Copy)]
pub struct OperatorBound<'a> {
    /// The key.
    pub key_id: KeyId,
    /// Not valid before.
    pub not_before: Time,
    /// Not valid from then on.
    pub expires_at: Time,
    /// What it may do, as it is stored.
    pub scopes: &'a str,
    /// Where it is taken from, as it is stored.
    pub allowed_addresses: &'a str,
}

/// What a tag binds a digest to.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The key.
    pub key_id: KeyId,
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// Not valid before.
    pub not_before: Time,
    /// Not valid from then on.
    pub expires_at: Time,
}

fn to_array(tag: &hmac::Tag) -> [u8; 32] {
    let mut array = [0; 32];
    for (to, from) in array.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_prefix_is_the_same_secret_and_another_kind_is_not() {
        let pepper = Pepper::new(&[1; 32]);
        let random = [9; 32];
        let digest = |prefix: &str, kind| {
            let text = secret::compose(prefix, kind, &random);
            pepper.digest(secret::inspect(&text).unwrap())
        };
        assert!(digest("kw", KeyKind::ApiKey) == digest("acme", KeyKind::ApiKey));
        assert!(digest("kw", KeyKind::ApiKey) != digest("kw", KeyKind::PersonalAccessKey));
    }

    #[test]
    fn a_tag_covers_each_thing_it_binds() {
        let pepper = Pepper::new(&[1; 32]);
        let id = |n: u128| uuid::Uuid::from_u128(n);
        let bound = Bound { key_id: id(1).into(), organization_id: id(2).into(), not_before: Time::from_seconds(3), expires_at: Time::from_seconds(4) };
        let tag = pepper.tag(b"digest", &bound);
        assert!(pepper.is_tag(&tag, b"digest", &bound));
        assert!(!pepper.is_tag(&tag, b"Digest", &bound));
        for moved in [
            Bound { key_id: id(9).into(), ..bound },
            Bound { organization_id: id(9).into(), ..bound },
            Bound { not_before: Time::from_seconds(0), ..bound },
            Bound { expires_at: Time::from_seconds(5), ..bound },
        ] {
            assert!(!pepper.is_tag(&tag, b"digest", &moved));
        }
    }

    #[test]
    fn an_operator_keys_tag_covers_each_thing_it_binds() {
        let pepper = Pepper::new(&[1; 32]);
        let id = |n: u128| uuid::Uuid::from_u128(n);
        let (not_before, expires_at) = (Time::from_seconds(3), Time::from_seconds(4));
        let bound = OperatorBound { key_id: id(1).into(), not_before, expires_at, scopes: "keys", allowed_addresses: "10.0.0.0/8" };
        let tag = pepper.operator_tag(b"digest", &bound);
        assert!(pepper.is_operator_tag(&tag, b"digest", &bound));
        assert!(!pepper.is_operator_tag(&tag, b"Digest", &bound));
        for moved in [
            OperatorBound { key_id: id(9).into(), ..bound },
            OperatorBound { not_before: Time::from_seconds(0), ..bound },
            OperatorBound { expires_at: Time::from_seconds(5), ..bound },
            OperatorBound { scopes: "keys members", ..bound },
            OperatorBound { allowed_addresses: "", ..bound },
            OperatorBound { scopes: "keys1", allowed_addresses: "0.0.0.0/8", ..bound },
        ] {
            assert!(!pepper.is_operator_tag(&tag, b"digest", &moved), "{moved:?}");
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = KeySecret::generate("kw", KeyKind::ApiKey).unwrap();
        assert_eq!(format!("{secret:?}"), "KeySecret(..)");
        let shape = parse(secret.reveal(), KeyKind::ApiKey).unwrap();
        assert!(!format!("{shape:?}").contains(shape.body));
        assert_eq!(parse(secret.reveal(), KeyKind::PersonalAccessKey), Err(Refusal::WrongKind { got: KeyKind::ApiKey }));
    }
}
