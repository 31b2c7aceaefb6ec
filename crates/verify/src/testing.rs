//! An issuer for the tests of an API: its tokens are made and taken back in the test itself, without a server and without a network.
//!
//! The API under test gets [`Issuer::verifier`] where it has a verifier with an [`HttpSource`](crate::HttpSource) otherwise; the rest of it
//! is what runs in earnest. No other verifier takes the tokens: they say that they come from [`ISSUER`], and are signed with a key that is
//! made anew for each [`Issuer`].
//!
//! ```
//! use keywright_verify::{Clock, testing::Issuer};
//!
//! let issuer = Issuer::from_toml(
//!     r#"
//!     [apis.reports]
//!     audience = "https://reports.example.com"
//!     permissions = { "reports.view" = "See reports", "reports.write" = "Write reports" }
//!     "#,
//! );
//! let verifier = issuer.verifier("https://reports.example.com");
//! let token = issuer.token(&["reports.view"]);
//! let holder = verifier.verify(&token, Clock::System.now())?;
//! assert!(holder.may("reports.view") && !holder.may("reports.write"));
//!
//! issuer.revoke(&token);
//! assert!(verifier.verify(&token, Clock::System.now()).is_err());
//! # Ok::<(), keywright_verify::VerifyError>(())
//! ```
//!
//! Where a test asks for what cannot be, as a token for a permission that the catalog does not have, it fails on the spot with a sentence: the
//! functions here panic, since a test that went on would prove something else than what it says.

use crate::{Config, KeySet, Need, Refreshing, Snapshot, Source, Verifier, parse};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keywright_protocol::{
    AccessClaims, Catalog, Clock, KeyId, KeyKind, OrganizationId,
    catalog::Document,
    claims::ACCESS_TOKEN_TYPE,
    jwk::{Algorithm, Jwk, JwkSet, Purpose},
    status::{ENTRIES, Entry, StatusClaim, StatusList, StatusLists},
};
use serde::Serialize;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use uuid::Uuid;

/// The `iss` of all tokens that are made here. Nobody can have it: the domain `test` is set aside (RFC 6761, section 6.2).
pub const ISSUER: &str = "https://issuer.test";
/// How long a token lives, in seconds.
pub const LIFE_SECONDS: i64 = 3600;
const KEY_ID: &str = "testing";

/// An issuer in the memory of a test. Clones are the same issuer.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    snapshot: Arc<Snapshot>,
    lists: Arc<StatusLists>,
    next: AtomicU64,
    clock: Clock,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer with this catalog and the system's clock.
    #[must_use]
    #[track_caller]
    pub fn new(catalog: Catalog) -> Self {
        Self::with_clock(catalog, Clock::System)
    }

    /// An issuer with a catalog as it stands in the file that the server reads: `Issuer::from_toml(include_str!("../catalog.toml"))`. What is
    /// built into a server, such as the role `owner`, is not in it.
    #[must_use]
    #[track_caller]
    pub fn from_toml(catalog: &str) -> Self {
        let document: Document = toml::from_str(catalog).unwrap_or_else(|error| fail(&format!("this is no catalog: {error}")));
        Self::new(Catalog::new(document).unwrap_or_else(|error| fail(&error.to_string())))
    }

    /// An issuer whose tokens begin and whose status holds at this clock's time, so that a test can step it. The API under test needs the
    /// same clock.
    #[must_use]
    #[track_caller]
    pub fn with_clock(catalog: Catalog, clock: Clock) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap_or_else(|_| fail("this machine gives no key"));
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![public(&pair)] }).unwrap_or_else(|error| fail(&error.to_string()));
        let lists = Arc::new(StatusLists::default());
        let snapshot = Arc::new(Snapshot { keys, catalog: Arc::new(catalog), epoch: 0, status: Some(Arc::clone(&lists)) });
        Self(Arc::new(Inner { pair, snapshot, lists, next: AtomicU64::new(0), clock }))
    }

    /// A verifier of this issuer's tokens for the API of this audience, with the defaults of [`Config::new`].
    #[must_use]
    pub fn verifier(&self, audience: &str) -> Verifier {
        Verifier::new(Config::new(ISSUER, audience), Arc::new(self.clone()))
    }

    /// The organization that all tokens are for unless they are made otherwise.
    #[must_use]
    pub fn organization(&self) -> OrganizationId {
        OrganizationId::from(Uuid::from_u128(0x0a11_ce00_0000_4000_8000_0000_0000_0001))
    }

    /// A token whose holder has these permissions and no others, for the API that they belong to. Without any it is for the catalog's default
    /// audience.
    #[must_use]
    #[track_caller]
    pub fn token(&self, permissions: &[&str]) -> String {
        self.token_with(permissions, |_| {})
    }

    /// The same with other claims: [`Issuer::token`] makes them, `change` is the last to touch them.
    ///
    /// ```
    /// # let issuer = keywright_verify::testing::Issuer::new(keywright_verify::Catalog::new(Default::default())?);
    /// let elsewhere = "8c0d1f7e-0000-4000-8000-000000000003".parse()?;
    /// let other_organization = issuer.token_with(&[], |claims| claims.current_organization_id = elsewhere);
    /// let other_audience = issuer.token_with(&[], |claims| claims.aud = "https://mail.example.com".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn token_with(&self, permissions: &[&str], change: impl FnOnce(&mut AccessClaims<'static>)) -> String {
        let mut claims = self.claims(self.audience_of(permissions));
        claims.scope = Some(permissions.join(" ").into());
        change(&mut claims);
        self.sign(&claims)
    }

    /// A token for the API of this audience whose holder has these roles: what the catalog permits them.
    #[must_use]
    #[track_caller]
    pub fn token_with_roles(&self, audience: &str, roles: &[&str]) -> String {
        if let Some(role) = roles.iter().find(|role| !self.0.snapshot.catalog.has_role(role)) {
            fail(&format!("the catalog has no role `{role}`"));
        }
        let mut claims = self.claims(audience.to_owned());
        claims.roles = roles.iter().map(|role| (*role).to_owned().into()).collect();
        self.sign(&claims)
    }

    /// A token that was as good as that of [`Issuer::token`] until an hour ago.
    #[must_use]
    #[track_caller]
    pub fn expired(&self, permissions: &[&str]) -> String {
        self.token_with(permissions, |claims| {
            for time in [&mut claims.iat, &mut claims.nbf, &mut claims.exp] {
                *time -= 2 * LIFE_SECONDS;
            }
        })
    }

    /// Takes a token back; from here on no verifier of this issuer takes it.
    #[track_caller]
    pub fn revoke(&self, token: &str) {
        match self.index(token) {
            Some(index) if self.0.lists.entry(index) != Entry::Unknown => self.0.lists.end(index),
            _ => fail("this is no token of this issuer"),
        }
    }

    /// The entry that a token of this issuer names.
    fn index(&self, token: &str) -> Option<u64> {
        let jws = parse::Jws::parse(token).ok()?;
        if !self.0.snapshot.keys.get(KEY_ID)?.verifies(jws.signed.as_bytes(), &jws.signature) {
            return None;
        }
        serde_json::from_slice::<AccessClaims<'_>>(&jws.payload().ok()?).ok()?.status.index(ISSUER)
    }

    #[track_caller]
    fn audience_of(&self, permissions: &[&str]) -> String {
        let catalog = self.0.snapshot.catalog.document();
        let audience = |permission: &&str| {
            let api = catalog.apis.values().find(|api| api.permissions.contains_key(*permission));
            api.unwrap_or_else(|| fail(&format!("the catalog has no permission `{permission}`"))).audience.as_deref()
        };
        let audiences: Vec<Option<&str>> = permissions.iter().map(audience).collect();
        if audiences.array_windows().any(|[one, other]| one != other) {
            fail("these permissions are of APIs with different audiences, and a token is for one");
        }
        audiences.first().copied().unwrap_or(catalog.default_audience.as_deref()).unwrap_or(ISSUER).to_owned()
    }

    /// The claims of a new token that permits nothing yet.
    fn claims(&self, audience: String) -> AccessClaims<'static> {
        let index = self.0.next.fetch_add(1, Ordering::Relaxed);
        if self.0.lists.entry(index) == Entry::Unknown {
            self.0.lists.insert(index / ENTRIES, Arc::new(StatusList::all_good()));
        }
        let key = Uuid::from_u128(0x0a11_ce00_0000_4000_8000_0000_0000_0002);
        let now = self.0.clock.now().as_seconds();
        AccessClaims {
            iss: ISSUER.into(),
            sub: key.to_string().into(),
            aud: audience.into(),
            exp: now.saturating_add(LIFE_SECONDS),
            nbf: now,
            iat: now,
            jti: format!("token-{index}").into(),
            client_id: key.to_string().into(),
            roles: Vec::new(),
            permissions: Vec::new(),
            scope: None,
            current_organization_id: self.organization(),
            organization_id: self.organization(),
            email: "holder@example.com".into(),
            key_id: KeyId::from(key),
            key_kind: KeyKind::ApiKey,
            key_version: Some(1),
            status: StatusClaim::new(ISSUER, index),
        }
    }

    #[track_caller]
    fn sign(&self, claims: &AccessClaims<'_>) -> String {
        #[derive(Serialize)]
        struct Header {
            alg: &'static str,
            kid: &'static str,
            typ: &'static str,
        }
        let part = |json: serde_json::Result<Vec<u8>>| json.map_or_else(|error| fail(&error.to_string()), |json| URL_SAFE_NO_PAD.encode(json));
        let header = Header { alg: Algorithm::ES256.as_str(), kid: KEY_ID, typ: ACCESS_TOKEN_TYPE };
        let signed = format!("{}.{}", part(serde_json::to_vec(&header)), part(serde_json::to_vec(claims)));
        let signature = self.0.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap_or_else(|_| fail("this machine does not sign"));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Source for Issuer {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.lists.confirm(self.0.clock.now().as_millis());
        Some(Arc::clone(&self.0.snapshot))
    }

    fn refresh(&self, _need: Need) -> Refreshing<'_> {
        Box::pin(async { Ok(()) })
    }
}

/// The public half of a key on P-256: a point in its uncompressed form (SEC 1, section 2.3.3).
fn public(pair: &EcdsaKeyPair) -> Jwk {
    let point = pair.public_key().as_ref();
    let coordinate = |at: std::ops::Range<usize>| point.get(at).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    Jwk {
        kty: "EC".to_owned(),
        kid: KEY_ID.to_owned(),
        alg: Algorithm::ES256.as_str().to_owned(),
        usage: "sig".to_owned(),
        purpose: Some(Purpose::AccessToken),
        crv: Some("P-256".to_owned()),
        x: coordinate(1..33),
        y: coordinate(33..65),
        n: None,
        e: None,
    }
}

/// Ends the test that asked for what cannot be.
#[track_caller]
#[expect(clippy::panic, reason = "called by tests alone, where going on would prove nothing")]
fn fail(sentence: &str) -> ! {
    panic!("{sentence}")
}
