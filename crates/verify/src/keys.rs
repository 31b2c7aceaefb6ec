//! The issuer's public keys, read once.

use crate::parse::{self, MAX_KID_BYTES};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use keywright_protocol::jwk::{Algorithm, Jwk, JwkSet, Purpose};
#[cfg(feature = "http")]
use std::collections::HashSet;
use std::{collections::HashMap, sync::Arc};

/// Why a key set cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// A key is not what its `alg` needs.
    #[error("the key `{0}` is no public key for its algorithm")]
    Material(String),
    /// Two keys of one id.
    #[error("the key id `{0}` stands there twice")]
    Twice(String),
    /// A key id that no token could name.
    #[error("a key id must have 1 to 64 bytes")]
    KeyId,
}

/// One key. Its algorithm and purpose are the set's word, never a token's.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) purpose: Purpose,
    public: ParsedPublicKey,
}

impl Key {
    /// Whether the signature over `message` is right. An ECDSA signature is `r` and `s` of 32 bytes each (RFC 7518, section 3.4).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

/// The public keys of an issuer, by key id.
#[derive(Debug)]
pub struct KeySet {
    keys: HashMap<String, Arc<Key>>,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of a type or algorithm that this verifier does not know, and those that are not for
    /// signatures, are left out: a token that names one is signed with an unknown key. A key without a purpose is one for
    /// access tokens.
    ///
    /// # Errors
    /// [`KeySetError`] when a key of a known algorithm is broken or an id stands there twice: such a set is not the issuer's.
    pub fn from_jwks(set: &JwkSet) -> Result<Self, KeySetError> {
        let mut keys = HashMap::with_capacity(set.keys.len());
        for jwk in &set.keys {
            let Some(algorithm) = known(jwk) else { continue };
            if jwk.kid.is_empty() || jwk.kid.len() > MAX_KID_BYTES {
                return Err(KeySetError::KeyId);
            }
            let public = public_key(jwk, algorithm).ok_or_else(|| KeySetError::Material(jwk.kid.clone()))?;
            let key = Key { algorithm, purpose: jwk.purpose.unwrap_or(Purpose::AccessToken), public };
            if keys.insert(jwk.kid.clone(), Arc::new(key)).is_some() {
                return Err(KeySetError::Twice(jwk.kid.clone()));
            }
        }
        Ok(Self { keys })
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&Key> {
        self.keys.get(kid).map(Arc::as_ref)
    }

    /// The same set without some of them.
    #[cfg(feature = "http")]
    pub(crate) fn without(&self, kids: &HashSet<String>) -> Self {
        Self { keys: self.keys.iter().filter(|(kid, _)| !kids.contains(*kid)).map(|(kid, key)| (kid.clone(), Arc::clone(key))).collect() }
    }
}

/// The algorithm of a signature key whose type, curve and algorithm this verifier knows.
fn known(jwk: &Jwk) -> Option<Algorithm> {
    if jwk.usage != "sig" {
        return None;
    }
    let algorithm = Algorithm::from_name(&jwk.alg)?;
    let fits = match algorithm {
        Algorithm::ES256 => jwk.kty == "EC" && jwk.crv.as_deref() == Some("P-256"),
        Algorithm::EdDSA => jwk.kty == "OKP" && jwk.crv.as_deref() == Some("Ed25519"),
        Algorithm::RS256 => jwk.kty == "RSA",
    };
    fits.then_some(algorithm)
}

fn public_key(jwk: &Jwk, algorithm: Algorithm) -> Option<ParsedPublicKey> {
    let number = |text: &Option<String>| parse::decode(text.as_deref()?).ok();
    match algorithm {
        Algorithm::ES256 => {
            let (x, y) = (number(&jwk.x)?, number(&jwk.y)?);
            // The uncompressed form of a point (SEC 1, section 2.3.3).
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            if x.len() == 32 && y.len() == 32 { ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).ok() } else { None }
        }
        Algorithm::EdDSA => number(&jwk.x).filter(|x| x.len() == 32).and_then(|x| ParsedPublicKey::new(&ED25519, &x).ok()),
        Algorithm::RS256 => {
            let (n, e) = (number(&jwk.n)?, number(&jwk.e)?);
            if (256..=1024).contains(&n.len()) { RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok() } else { None }
        }
    }
}
