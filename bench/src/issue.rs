//! The least that an exchange has to do: form, digest, lookup, claims, signature.

use anyhow::Context;
use aws_lc_rs::{
    hmac, rand,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use keywright_protocol::{
    AccessClaims, KeyKind, Time,
    auth::TokenResponse,
    claims::ACCESS_TOKEN_TYPE,
    jwk::{Algorithm, Jwk},
    secret,
};
use std::{borrow::Cow, collections::HashMap};

/// As long as a thumbprint is.
const KEY_ID: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

/// A signing key, parsed once.
pub(crate) enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Signer {
    /// Makes a key.
    pub(crate) fn generate(algorithm: Algorithm) -> anyhow::Result<Self> {
        Ok(match algorithm {
            Algorithm::ES256 => Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
            Algorithm::EdDSA => Self::EdDsa(Ed25519KeyPair::generate()?),
            Algorithm::RS256 => Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?),
        })
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::ES256,
            Self::EdDsa(_) => Algorithm::EdDSA,
            Self::Rs256(_) => Algorithm::RS256,
        }
    }

    /// The header of every token, encoded, with the dot behind it.
    pub(crate) fn header(&self) -> String {
        let header = serde_json::json!({ "alg": self.algorithm().as_str(), "kid": KEY_ID, "typ": ACCESS_TOKEN_TYPE });
        format!("{}.", BASE64.encode(header.to_string()))
    }

    /// Header, claims and signature.
    pub(crate) fn token(&self, header: &str, claims: &AccessClaims<'_>) -> anyhow::Result<String> {
        let mut token = String::with_capacity(1536);
        token.push_str(header);
        BASE64.encode_string(serde_json::to_vec(claims)?, &mut token);
        let (mut rsa, ecdsa, ed25519);
        let signature: &[u8] = match self {
            Self::Es256(key) => {
                ecdsa = key.sign(&rand::SystemRandom::new(), token.as_bytes())?;
                ecdsa.as_ref()
            }
            Self::EdDsa(key) => {
                ed25519 = key.sign(token.as_bytes());
                ed25519.as_ref()
            }
            Self::Rs256(key) => {
                rsa = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), token.as_bytes(), &mut rsa)?;
                &rsa
            }
        };
        token.push('.');
        BASE64.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The public key of an ES256 key, and the same as an uncompressed point.
    pub(crate) fn es256_public(&self) -> Option<(Jwk, Vec<u8>)> {
        let Self::Es256(key) = self else { return None };
        let point = key.public_key().as_ref().to_vec();
        let (x, y) = point.get(1..)?.split_at_checked(32)?;
        let jwk = Jwk {
            kty: "EC".to_owned(),
            kid: KEY_ID.to_owned(),
            alg: Algorithm::ES256.as_str().to_owned(),
            usage: "sig".to_owned(),
            purpose: None,
            crv: Some("P-256".to_owned()),
            x: Some(BASE64.encode(x)),
            y: Some(BASE64.encode(y)),
            n: None,
            e: None,
        };
        Some((jwk, point))
    }
}

/// One key that is known, and what its tokens say.
pub(crate) struct Issuer {
    signer: Signer,
    header: String,
    pepper: hmac::Key,
    known: HashMap<[u8; 32], AccessClaims<'static>>,
}

impl Issuer {
    /// An issuer that knows the one key which it gives back. Its tokens say what the token `like` says.
    pub(crate) fn new(algorithm: Algorithm, like: &str) -> anyhow::Result<(Self, String)> {
        let signer = Signer::generate(algorithm)?;
        let pepper = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())?;
        let (mut random, mut known) = ([0; 32], HashMap::new());
        rand::fill(&mut random)?;
        let key = secret::compose("kw", KeyKind::PersonalAccessKey, &random);
        known.insert(digest(&pepper, &key)?, claims_of(like)?);
        Ok((Self { header: signer.header(), signer, pepper, known }, key))
    }

    /// The answer's body to a form with a known key; `None` to any other.
    pub(crate) fn exchange(&self, form: &[u8], now: Time) -> anyhow::Result<Option<Vec<u8>>> {
        let Some((_, key)) = form_urlencoded::parse(form).find(|(name, _)| name == "personalAccessKey") else { return Ok(None) };
        if secret::inspect(&key).is_err() {
            return Ok(None);
        }
        let Some(known) = self.known.get(&digest(&self.pepper, &key)?) else { return Ok(None) };
        let mut id = [0; 16];
        rand::fill(&mut id)?;
        let (lifetime, issued) = (known.exp - known.iat, now.as_seconds());
        let claims = AccessClaims {
            iss: borrowed(&known.iss),
            sub: borrowed(&known.sub),
            aud: borrowed(&known.aud),
            exp: issued + lifetime,
            nbf: issued,
            iat: issued,
            jti: Cow::Owned(BASE64.encode(id)),
            client_id: borrowed(&known.client_id),
            roles: known.roles.iter().map(|role| borrowed(role)).collect(),
            permissions: known.permissions.iter().map(|id| borrowed(id)).collect(),
            scope: known.scope.as_deref().map(borrowed),
            email: borrowed(&known.email),
            status: known.status.clone(),
            ..*known
        };
        let access_token = self.signer.token(&self.header, &claims)?;
        Ok(Some(serde_json::to_vec(&TokenResponse { access_token, token_type: "Bearer".to_owned(), expires_in: lifetime })?))
    }
}

fn borrowed(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

fn digest(pepper: &hmac::Key, key: &str) -> anyhow::Result<[u8; 32]> {
    hmac::sign(pepper, key.as_bytes()).as_ref().try_into().context("a SHA-256 digest has 32 bytes")
}

/// Reads a token's claims without looking at its signature.
pub(crate) fn claims_of(token: &str) -> anyhow::Result<AccessClaims<'static>> {
    let payload = token.split('.').nth(1).context("no token has less than three parts")?;
    serde_json::from_slice(&BASE64.decode(payload)?).context("these are no claims of an access token")
}

/// A token such as an owner's.
#[cfg(test)]
pub(crate) fn example(signer: &Signer) -> String {
    signer.token(&signer.header(), &crate::check::claims(Time::from_seconds(1_700_000_000), 0)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_gets_a_token_that_says_the_same() {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
            let like = example(&Signer::generate(algorithm).unwrap());
            let (issuer, key) = Issuer::new(algorithm, &like).unwrap();
            let body = issuer.exchange(format!("personalAccessKey={key}").as_bytes(), Time::from_seconds(1_800_000_000)).unwrap().unwrap();
            let answer: TokenResponse = serde_json::from_slice(&body).unwrap();
            let (claims, expected) = (claims_of(&answer.access_token).unwrap(), claims_of(&like).unwrap());
            assert_eq!((claims.iat, claims.exp), (1_800_000_000, 1_800_003_600));
            assert_eq!((&claims.sub, &claims.roles, &claims.scope), (&expected.sub, &expected.roles, &expected.scope));
            assert_eq!(answer.access_token.len(), like.len());
        }
    }

    #[test]
    fn other_forms_get_nothing() {
        let (issuer, key) = Issuer::new(Algorithm::EdDSA, &example(&Signer::generate(Algorithm::EdDSA).unwrap())).unwrap();
        let unknown = secret::compose("kw", KeyKind::PersonalAccessKey, &[1; 32]);
        for form in [String::new(), format!("pat={key}"), "personalAccessKey=x".to_owned(), format!("personalAccessKey={unknown}")] {
            assert_eq!(issuer.exchange(form.as_bytes(), Time::from_seconds(0)).unwrap(), None, "{form}");
        }
    }
}
