//! An issuer's signing keys and catalog, and a verifier of its tokens.

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use keywright_protocol::{
    Catalog, Time,
    jwk::{Algorithm, Jwk, JwkSet, Purpose},
    status::StatusList,
};
use keywright_verify::{Config, KeySet, Need, RefreshError, Refreshing, Snapshot, Source, StatusLists, Verifier};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "https://reports.example.com";
/// The tests' present, in seconds.
pub(crate) const NOW: i64 = 1_800_000_000;
/// When the good token expires.
pub(crate) const EXP: i64 = NOW + 3600;

/// The entry that the good token names.
pub(crate) const STATUS_INDEX: u64 = 4711;

enum Secret {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A signing key.
pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    pub(crate) algorithm: Algorithm,
    purpose: Option<Purpose>,
    secret: Secret,
}

impl Signer {
    pub(crate) fn new(kid: &'static str, algorithm: Algorithm, purpose: Option<Purpose>) -> Self {
        let secret = match algorithm {
            Algorithm::ES256 => Secret::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            Algorithm::EdDSA => Secret::Ed(Ed25519KeyPair::generate().unwrap()),
            Algorithm::RS256 => Secret::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        };
        Self { kid, algorithm, purpose, secret }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        match &self.secret {
            Secret::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub(crate) fn jwk(&self) -> Jwk {
        let public = self.public();
        let (kty, crv, [x, y, n, e]) = match self.algorithm {
            Algorithm::ES256 => ("EC", Some("P-256"), [Some(&public[1..33]), Some(&public[33..65]), None, None]),
            Algorithm::EdDSA => ("OKP", Some("Ed25519"), [Some(&public[..]), None, None, None]),
            // RSAPublicKey (RFC 8017, appendix A.1.1) with a modulus of 2048 bits and the exponent 65537 has fixed offsets.
            Algorithm::RS256 => ("RSA", None, [None, None, Some(&public[9..265]), Some(&public[267..270])]),
        };
        let text = |bytes: Option<&[u8]>| bytes.map(base64url);
        Jwk {
            kty: kty.to_owned(),
            kid: self.kid.to_owned(),
            alg: self.algorithm.as_str().to_owned(),
            usage: "sig".to_owned(),
            purpose: self.purpose,
            crv: crv.map(str::to_owned),
            x: text(x),
            y: text(y),
            n: text(n),
            e: text(e),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.secret {
            Secret::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Secret::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A compact JWS of this header and payload, whatever they are, with a right signature.
    pub(crate) fn jws(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(payload));
        let signature = base64url(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The header this key's tokens have.
    pub(crate) fn header(&self) -> String {
        format!(r#"{{"alg":"{}","kid":"{}","typ":"at+jwt"}}"#, self.algorithm.as_str(), self.kid)
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.jws(&self.header(), &claims.to_string())
    }

    /// The same key for the `jsonwebtoken` crate.
    pub(crate) fn encoding_key(&self) -> EncodingKey {
        match &self.secret {
            Secret::Ec(pair) => EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
            Secret::Ed(pair) => EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref()),
            // That crate wants the RSAPrivateKey alone, which stands after 26 bytes of PKCS #8.
            Secret::Rsa(pair) => EncodingKey::from_rsa_der(&AsDer::as_der(pair.as_ref()).unwrap().as_ref()[26..]),
        }
    }

    /// The public key for the `jsonwebtoken` crate.
    pub(crate) fn decoding_key(&self) -> DecodingKey {
        DecodingKey::from_jwk(&serde_json::from_value(serde_json::to_value(self.jwk()).unwrap()).unwrap()).unwrap()
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Lists in which nothing was taken back, as of [`NOW`].
pub(crate) fn good_status() -> Arc<StatusLists> {
    let lists = StatusLists::default();
    lists.insert(0, Arc::new(StatusList::all_good()));
    lists.confirm(NOW * 1000);
    Arc::new(lists)
}

/// Claims that are good at [`NOW`].
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "8c0d1f7e-0000-4000-8000-000000000001", "aud": AUDIENCE,
        "exp": EXP, "nbf": NOW, "iat": NOW, "jti": "j-1", "client_id": "8c0d1f7e-0000-4000-8000-000000000002",
        "roles": ["viewer"], "currentOrganizationId": "8c0d1f7e-0000-4000-8000-000000000003",
        "organizationId": "8c0d1f7e-0000-4000-8000-000000000004", "email": "ada@example.com",
        "keyId": "8c0d1f7e-0000-4000-8000-000000000002", "keyKind": "personalAccessKey",
        "status": { "status_list": { "idx": STATUS_INDEX, "uri": format!("{ISSUER}/status/v1/lists/0") } },
    })
}

/// Two APIs: reports, and the issuer's own.
pub(crate) fn catalog_document() -> Value {
    json!({
        "apis": {
            "reports": { "audience": AUDIENCE, "permissions": { "reports.view": "read", "reports.edit": "write" } },
            "identity": { "permissions": { "members.list": "see members" } },
        },
        "roles": {
            "viewer": { "name": "Viewer", "permissions": ["reports.view", "members.list"] },
            "editor": { "name": "Editor", "permissions": ["reports.view", "reports.edit"] },
            "owner": { "name": "Owner", "everything": true },
        },
    })
}

/// A source of the tests: what it has, and what a refresh brings.
#[derive(Default)]
pub(crate) struct Shelf {
    now: Mutex<Option<Arc<Snapshot>>>,
    next: Mutex<Option<Result<Arc<Snapshot>, RefreshError>>>,
    pub(crate) refreshes: AtomicUsize,
}

impl Shelf {
    pub(crate) fn of(snapshot: Snapshot) -> Arc<Self> {
        let shelf = Self::default();
        shelf.put(snapshot);
        Arc::new(shelf)
    }

    pub(crate) fn put(&self, snapshot: Snapshot) {
        *self.now.lock().unwrap() = Some(Arc::new(snapshot));
    }

    pub(crate) fn next(&self, next: Result<Snapshot, RefreshError>) {
        *self.next.lock().unwrap() = Some(next.map(Arc::new));
    }
}

impl Source for Shelf {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.now.lock().unwrap().clone()
    }

    fn refresh(&self, _need: Need) -> Refreshing<'_> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            match self.next.lock().unwrap().take() {
                Some(Ok(snapshot)) => *self.now.lock().unwrap() = Some(snapshot),
                Some(Err(error)) => return Err(error),
                None => {}
            }
            Ok(())
        })
    }
}

/// A snapshot of these signers' public keys.
pub(crate) fn snapshot(signers: &[&Signer], epoch: u64) -> Snapshot {
    let keys = KeySet::from_jwks(&JwkSet { keys: signers.iter().map(|signer| signer.jwk()).collect() }).unwrap();
    let catalog = Catalog::new(serde_json::from_value(catalog_document()).unwrap()).unwrap();
    Snapshot { keys, catalog: Arc::new(catalog), epoch, status: Some(good_status()) }
}

/// One key of each algorithm, one for documents, and a verifier that knows them all.
pub(crate) struct World {
    pub(crate) es: Signer,
    pub(crate) ed: Signer,
    pub(crate) rs: Signer,
    pub(crate) document: Signer,
    pub(crate) shelf: Arc<Shelf>,
}

impl World {
    pub(crate) fn new() -> Self {
        let es = Signer::new("es", Algorithm::ES256, Some(Purpose::AccessToken));
        let ed = Signer::new("ed", Algorithm::EdDSA, None);
        let rs = Signer::new("rs", Algorithm::RS256, Some(Purpose::AccessToken));
        let document = Signer::new("doc", Algorithm::ES256, Some(Purpose::Document));
        let shelf = Shelf::of(snapshot(&[&es, &ed, &rs, &document], 1));
        Self { es, ed, rs, document, shelf }
    }

    pub(crate) fn verifier(&self) -> Verifier {
        self.verifier_with(|_| {})
    }

    pub(crate) fn verifier_with(&self, change: impl FnOnce(&mut Config)) -> Verifier {
        let mut config = Config::new(ISSUER, AUDIENCE);
        change(&mut config);
        Verifier::new(config, Arc::clone(&self.shelf) as Arc<dyn Source>)
    }
}

pub(crate) fn now() -> Time {
    Time::from_seconds(NOW)
}
