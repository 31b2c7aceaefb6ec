//! One private key that signs (RFC 7515), parsed once.

use crate::{Error, key_file::KeyFile};
use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use keywright_protocol::{
    Time,
    jwk::{Algorithm, Jwk, Purpose},
};
use keywright_store::signing_keys::SigningKeyRow;
use zeroize::Zeroizing;

enum Private {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

/// A signing key with its public half.
pub struct Signer {
    private: Private,
    jwk: Jwk,
    pem: String,
    header_of_tokens: String,
}

impl Signer {
    /// Makes a new key and the row that keeps it.
    ///
    /// # Errors
    /// [`Error::Internal`] if the library refuses.
    pub fn generate(purpose: Purpose, algorithm: Algorithm, key_file: &KeyFile, now: Time) -> Result<SigningKeyRow, Error> {
        let failed = |_| Error::Internal("a signing key cannot be made");
        let random = SystemRandom::new();
        let pkcs8 = match algorithm {
            Algorithm::ES256 => Zeroizing::new(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(failed)?.as_ref().to_vec()),
            Algorithm::EdDSA => Zeroizing::new(Ed25519KeyPair::generate_pkcs8(&random).map_err(failed)?.as_ref().to_vec()),
            Algorithm::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
        };
        let signer = Self::from_pkcs8(purpose, algorithm, &pkcs8)?;
        Ok(SigningKeyRow {
            sealed_private: key_file.seal(&seal_purpose(&signer.jwk.kid, purpose), &pkcs8)?,
            public_jwk: serde_json::to_string(&signer.jwk).map_err(|_| Error::Internal("a public key cannot be written"))?,
            kid: signer.jwk.kid,
            purpose,
            algorithm,
            created_at: now,
            activated_at: None,
            retired_at: None,
            removed_at: None,
            revoked_at: None,
        })
    }

    /// Opens a stored key.
    ///
    /// # Errors
    /// [`Error::Internal`] if it does not open with this key file, or is not the key that its row says.
    pub fn open(row: &SigningKeyRow, key_file: &KeyFile) -> Result<Self, Error> {
        let pkcs8 = key_file.open(&seal_purpose(&row.kid, row.purpose), &row.sealed_private)?;
        let signer = Self::from_pkcs8(row.purpose, row.algorithm, &pkcs8)?;
        if signer.jwk.kid == row.kid { Ok(signer) } else { Err(Error::Internal("a signing key is not the one its row says")) }
    }

    fn from_pkcs8(purpose: Purpose, algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, Error> {
        let rejected = |_| Error::Internal("a signing key cannot be read");
        let private = match algorithm {
            Algorithm::ES256 => Private::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(rejected)?),
            Algorithm::EdDSA => Private::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(rejected)?),
            Algorithm::RS256 => Private::Rs256(Box::new(RsaKeyPair::from_pkcs8(pkcs8).map_err(rejected)?)),
        };
        let (jwk, pem) = public_half(&private, purpose, algorithm)?;
        let header_of_tokens = header(algorithm, &jwk.kid, keywright_protocol::claims::ACCESS_TOKEN_TYPE);
        Ok(Self { private, jwk, pem, header_of_tokens })
    }

    /// The public key.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The public key as a PEM block (RFC 7468, section 13).
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Length of a compact JWS over a payload of `payload` bytes, with the header of an access token.
    #[must_use]
    pub fn token_length(&self, payload: usize) -> usize {
        let signature = match self.private {
            Private::Es256(_) | Private::EdDsa(_) => 86,
            Private::Rs256(_) => 342,
        };
        self.header_of_tokens.len() + 1 + (payload * 4).div_ceil(3) + 1 + signature
    }

    /// An access token: the compact serialization (RFC 7515, section 7.1) of these claims, which are JSON.
    ///
    /// # Errors
    /// [`Error::Internal`] if the library refuses.
    pub fn sign_token(&self, claims: &[u8]) -> Result<String, Error> {
        self.sign(&self.header_of_tokens, claims)
    }

    /// A signed document with another `typ`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the library refuses.
    pub fn sign_document(&self, typ: &str, payload: &[u8]) -> Result<String, Error> {
        let algorithm = match self.private {
            Private::Es256(_) => Algorithm::ES256,
            Private::EdDsa(_) => Algorithm::EdDSA,
            Private::Rs256(_) => Algorithm::RS256,
        };
        self.sign(&header(algorithm, &self.jwk.kid, typ), payload)
    }

    fn sign(&self, header: &str, payload: &[u8]) -> Result<String, Error> {
        let failed = |_| Error::Internal("signing failed");
        let mut token = String::with_capacity(self.token_length(payload.len()));
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let random = SystemRandom::new();
        match &self.private {
            Private::Es256(key) => {
                let signature = key.sign(&random, token.as_bytes()).map_err(failed)?;
                append(&mut token, signature.as_ref());
            }
            Private::EdDsa(key) => {
                let signature = key.try_sign(token.as_bytes()).map_err(failed)?;
                append(&mut token, signature.as_ref());
            }
            Private::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature).map_err(failed)?;
                append(&mut token, &signature);
            }
        }
        Ok(token)
    }
}

fn header(algorithm: Algorithm, kid: &str, typ: &str) -> String {
    // None of the three needs escaping: two are ours, the thumbprint is base64url.
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{}","kid":"{kid}","typ":"{typ}"}}"#, algorithm.as_str()))
}

fn seal_purpose(kid: &str, purpose: Purpose) -> String {
    format!("signing key {kid} {}", purpose.as_str())
}

/// The JWK and the PEM block of a key.
fn public_half(private: &Private, purpose: Purpose, algorithm: Algorithm) -> Result<(Jwk, String), Error> {
    let unreadable = || Error::Internal("a public key cannot be read");
    let encode = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
    let mut jwk = Jwk {
        kty: String::new(),
        kid: String::new(),
        alg: algorithm.as_str().to_owned(),
        usage: "sig".to_owned(),
        purpose: Some(purpose),
        crv: None,
        x: None,
        y: None,
        n: None,
        e: None,
    };
    // What RFC 7638, section 3.2, has in its hash: the required members in alphabetical order.
    let (thumbprint, der) = match private {
        Private::Es256(key) => {
            let point = key.public_key().as_ref();
            let (x, y) = point.get(1..).and_then(|coordinates| coordinates.split_at_checked(32)).ok_or_else(unreadable)?;
            jwk.kty = "EC".to_owned();
            jwk.crv = Some("P-256".to_owned());
            (jwk.x, jwk.y) = (encode(x), encode(y));
            let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            (thumbprint, AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()))
        }
        Private::EdDsa(key) => {
            let x = key.public_key().as_ref();
            jwk.kty = "OKP".to_owned();
            jwk.crv = Some("Ed25519".to_owned());
            jwk.x = encode(x);
            (format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(x)), AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()))
        }
        Private::Rs256(key) => {
            let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
            let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
            jwk.kty = "RSA".to_owned();
            (jwk.n, jwk.e) = (encode(n), encode(e));
            let thumbprint = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, URL_SAFE_NO_PAD.encode(e), URL_SAFE_NO_PAD.encode(n));
            (thumbprint, AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()))
        }
    };
    jwk.kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, thumbprint.as_bytes()));
    let der = der.map_err(|_| unreadable())?;
    Ok((jwk, pem(der.as_ref())))
}

/// A `PUBLIC KEY` block with lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut block = String::from("-----BEGIN PUBLIC KEY-----\n");
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            block.push('\n');
        }
        block.push(character);
    }
    block.push_str("\n-----END PUBLIC KEY-----\n");
    block
}

fn append(token: &mut String, signature: &[u8]) {
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, token);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_standard() {
        // RFC 7638, section 3.1, gives this key and its thumbprint; the text that is hashed is what `public_half` composes.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n\
                 91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let text = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#);
        assert_eq!(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes())), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn every_algorithm_is_made_sealed_opened_and_signs() {
        let key_file = KeyFile::generate().unwrap();
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
            let row = Signer::generate(Purpose::AccessToken, algorithm, &key_file, Time::from_seconds(1)).unwrap();
            let signer = Signer::open(&row, &key_file).unwrap();
            assert_eq!((signer.jwk().alg.as_str(), signer.jwk().kid.len()), (algorithm.as_str(), 43));
            let token = signer.sign_token(b"{}").unwrap();
            assert_eq!(token.len(), signer.token_length(2), "the length is known before");
            assert!(signer.pem().lines().all(|line| line.len() <= 64));
            // Sealed for one kid and purpose: the row of another key does not open.
            let moved = SigningKeyRow { purpose: Purpose::Document, ..row.clone() };
            assert!(Signer::open(&moved, &key_file).is_err());
            assert!(Signer::open(&row, &KeyFile::generate().unwrap()).is_err());
        }
    }
}
