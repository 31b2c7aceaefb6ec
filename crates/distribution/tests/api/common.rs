//! An issuer of tokens, and a router to send requests to.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use keywright_db::Db;
use keywright_distribution::{Distribution, FileSettings};
use keywright_protocol::{
    AccessClaims, Catalog, Clock, KeyKind, OrganizationId, Time,
    claims::ACCESS_TOKEN_TYPE,
    jwk::{Jwk, JwkSet},
    status::StatusClaim,
};
use keywright_verify::{Config, KeySet, Need, Refreshing, Snapshot, Source, StatusPolicy, Verifier};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};
use tempfile::TempDir;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) const ISSUER: &str = "https://auth.test";
pub(crate) const START: Time = Time::from_seconds(1_772_000_000);
pub(crate) const BASE: &str = "https://api.test";
pub(crate) const MAX_FILE_BYTES: u64 = 1_000_000;
pub(crate) const ACME: u128 = 0xacce;
pub(crate) const OTHER: u128 = 0x07e4;

/// Sees and changes everything but the type of authentication.
pub(crate) const MANAGER: &str = "manage-distribution-profile";
/// Sees everything.
pub(crate) const VIEWER: &str = "view-distribution-profile";
/// Sees profiles, but of authentication the type alone.
pub(crate) const EXTERNAL: &str = "external-operate-distribution-profile";
/// Uploads, downloads, deletes.
pub(crate) const OPERATOR: &str = "operate-distribution-profile";
/// Everything about testing groups, and nothing else.
pub(crate) const GROUPER: &str = "manage-distribution-group";
/// Sees testing groups, but not who is in them.
pub(crate) const ONLOOKER: &str = "onlooker";
/// One permission more than a viewer.
pub(crate) const ORGANIZER: &str = "organizer";
pub(crate) const SETTER: &str = "setter";
pub(crate) const CHOOSER: &str = "chooser";

pub(crate) fn organization(id: u128) -> OrganizationId {
    OrganizationId::from(Uuid::from_u128(id))
}

fn catalog() -> Catalog {
    let document = json!({
        "apis": { "distribution": { "permissions": {
            "distribution.profile.manage": "", "distribution.profile.settings": "", "distribution.profile.view": "",
            "distribution.auth.select": "", "distribution.auth.view": "",
            "distribution.app-version.manage": "", "distribution.app-version.download": "",
            "distribution-group.group.view": "", "distribution-group.group.manage": "",
            "distribution-group.tester.view": "", "distribution-group.tester.manage": ""
        } } },
        "roles": {
            "owner": { "name": "Owner", "everything": true },
            MANAGER: { "name": "Manager", "permissions": ["distribution.profile.manage", "distribution.profile.settings", "distribution.profile.view", "distribution.auth.view"] },
            VIEWER: { "name": "Viewer", "permissions": ["distribution.profile.view", "distribution.auth.view"] },
            EXTERNAL: { "name": "Ext. Operator", "permissions": ["distribution.profile.view"] },
            OPERATOR: { "name": "Operator", "permissions": ["distribution.profile.view", "distribution.app-version.manage", "distribution.app-version.download", "distribution.auth.view"] },
            GROUPER: { "name": "Groups", "permissions": ["distribution-group.group.view", "distribution-group.group.manage", "distribution-group.tester.view", "distribution-group.tester.manage"] },
            ONLOOKER: { "name": "Groups seen", "permissions": ["distribution-group.group.view"] },
            ORGANIZER: { "name": "Organizer", "permissions": ["distribution.profile.view", "distribution.profile.manage"] },
            SETTER: { "name": "Setter", "permissions": ["distribution.profile.view", "distribution.profile.settings"] },
            CHOOSER: { "name": "Chooser", "permissions": ["distribution.profile.view", "distribution.auth.select"] }
        }
    });
    Catalog::new(serde_json::from_value(document).unwrap()).unwrap()
}

struct Known(Arc<Snapshot>);

impl Source for Known {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Some(Arc::clone(&self.0))
    }

    fn refresh(&self, _need: Need) -> Refreshing<'_> {
        Box::pin(async { Ok(()) })
    }
}

struct Issuer {
    key: EcdsaKeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self { key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    fn keys(&self) -> KeySet {
        // An uncompressed point: 4, x, y.
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let text = |number: &[u8]| Some(BASE64_URL_SAFE_NO_PAD.encode(number));
        let (kty, kid, alg, usage) = ("EC".to_owned(), "one".to_owned(), "ES256".to_owned(), "sig".to_owned());
        let jwk = Jwk { kty, kid, alg, usage, purpose: None, crv: Some("P-256".to_owned()), x: text(x), y: text(y), n: None, e: None };
        KeySet::from_jwks(&JwkSet { keys: vec![jwk] }).unwrap()
    }

    fn sign(&self, claims: &AccessClaims<'_>) -> String {
        let header = json!({ "alg": "ES256", "kid": "one", "typ": ACCESS_TOKEN_TYPE }).to_string();
        let payload = serde_json::to_vec(claims).unwrap();
        let signed = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// The API, its clock, and whoever makes tokens for it.
pub(crate) struct World {
    pub(crate) distribution: Distribution,
    pub(crate) router: Router,
    pub(crate) clock: Clock,
    /// Where files are.
    pub(crate) folder: TempDir,
    issuer: Issuer,
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {:?}", self.bytes))
    }

    /// The JSON of an answer that went well.
    #[track_caller]
    pub(crate) fn good(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.bytes);
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    /// Asserts an error in the one shape that errors have.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, code: &str) {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["error"].as_str()), (status, Some(code)), "{body}");
        assert!(body["message"].as_str().is_some_and(|sentence| sentence.len() > 20), "{body}");
        assert_eq!(body["message"], body["error_description"]);
    }
}

impl World {
    pub(crate) fn new(db: Db) -> Self {
        let issuer = Issuer::new();
        let clock = Clock::stepped(START);
        let snapshot = Snapshot { keys: issuer.keys(), catalog: Arc::new(catalog()), epoch: 1, status: None };
        let verifier = Verifier::new(Config { status: StatusPolicy::Ignore, ..Config::new(ISSUER, ISSUER) }, Arc::new(Known(Arc::new(snapshot))));
        let folder = tempfile::tempdir().unwrap();
        let files = FileSettings { folder: folder.path().to_owned(), max_bytes: MAX_FILE_BYTES };
        let distribution = Distribution::over(db, &files, clock.clone()).unwrap();
        let router = distribution.router(Arc::new(verifier), BASE);
        Self { distribution, router, clock, folder, issuer }
    }

    /// A token for an organization with one role in it, or several with spaces between them.
    pub(crate) fn token(&self, organization_id: u128, role: &str) -> String {
        let now = self.clock.now().as_seconds();
        let id = organization(organization_id);
        self.issuer.sign(&AccessClaims {
            iss: ISSUER.into(),
            sub: "somebody".into(),
            aud: ISSUER.into(),
            exp: now + 3600,
            nbf: now,
            iat: now,
            jti: "1".into(),
            client_id: "2".into(),
            roles: role.split(' ').map(|role| role.to_owned().into()).collect(),
            permissions: Vec::new(),
            scope: None,
            current_organization_id: id,
            organization_id: id,
            email: "somebody@test".into(),
            key_id: Uuid::from_u128(3).into(),
            key_kind: KeyKind::PersonalAccessKey,
            key_version: None,
            status: StatusClaim::new(ISSUER, 0),
        })
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Answer { status: parts.status, headers: parts.headers, bytes: to_bytes(body, 1 << 22).await.unwrap() }
    }

    /// A request as somebody with `role` in the organization ACME.
    pub(crate) async fn call(&self, role: &str, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.call_in(ACME, role, method, path, body).await
    }

    pub(crate) async fn call_in(&self, organization: u128, role: &str, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let token = self.token(organization, role);
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, role: &str, path: &str) -> Answer {
        self.call(role, "GET", path, Body::empty()).await
    }

    pub(crate) async fn patch(&self, role: &str, id: &str, body: Value) -> Answer {
        self.call(role, "PATCH", &format!("/distribution/v2/profiles/{id}"), body.to_string()).await
    }

    /// Makes a testing group in ACME and answers its id.
    pub(crate) async fn group(&self, name: &str) -> String {
        let made = self.call("owner", "POST", "/distribution/v2/testing-groups", json!({ "name": name }).to_string()).await.good();
        made["id"].as_str().unwrap().to_owned()
    }

    /// The files in the folder.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let shelves = std::fs::read_dir(self.folder.path()).unwrap().map(|shelf| shelf.unwrap().path());
        shelves.flat_map(|shelf| std::fs::read_dir(shelf).unwrap().map(|file| file.unwrap().path())).collect()
    }

    /// Makes a profile in ACME and answers its id.
    pub(crate) async fn profile(&self, name: &str) -> String {
        let id = self.distribution.insert_profile(organization(ACME), name, self.clock.now()).await.unwrap();
        id.to_string()
    }
}
