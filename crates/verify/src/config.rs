//! What a verifier insists on.

use keywright_protocol::{jwk::Algorithm, paths, secret::KeyKind};
use std::time::Duration;

/// No leeway is ever longer, in seconds.
pub const MAX_LEEWAY_SECONDS: i64 = 30;

/// How old the knowledge of what was taken back may be under [`StatusPolicy::DEFAULT`].
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60);

/// What is done about tokens that may have been taken back since they were issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPolicy {
    /// A token is accepted only with a status that is at most this old by the issuer's clock. Otherwise it cannot be judged, which is
    /// 503: safe when the issuer is away.
    Strict {
        /// How old.
        max_age: Duration,
    },
    /// A token is accepted until it expires when its status is not to be had: available when the issuer is away. What is known to be
    /// taken back stays so.
    Lenient,
    /// The status is not looked at. A token is good until it expires, whatever becomes of its key.
    Ignore,
}

impl StatusPolicy {
    /// Strict, with [`DEFAULT_MAX_AGE`].
    pub const DEFAULT: Self = Self::Strict { max_age: DEFAULT_MAX_AGE };
}

/// What a verifier insists on. Made with [`Config::new`], then changed where the default does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The only accepted `iss`: the public URL of the Keywright installation, exactly as it writes it.
    pub issuer: String,
    /// The only accepted `aud`: the API that this verifier guards.
    pub audience: String,
    /// The only accepted `alg`s. All three by default.
    pub algorithms: Vec<Algorithm>,
    /// How long after its `exp` a token is still accepted, for clocks that disagree, in seconds. 30 by default; anything
    /// outside 0 to 30 is taken as the nearer end.
    pub leeway_seconds: i64,
    /// How far `nbf` and `iat` may lie in the future, in seconds. 30 by default, within 0 to 30 like the other.
    pub not_before_leeway_seconds: i64,
    /// What is done about tokens that may have been taken back. [`StatusPolicy::DEFAULT`] by default.
    pub status: StatusPolicy,
    /// How many tokens that were found good are remembered, so that they need no second signature check. 10,000 by default;
    /// 0 remembers none.
    pub cache_capacity: usize,
    /// Where somebody who sent a raw key is told to exchange it. Absent: the issuer's own address for that kind of key.
    pub exchange_url: Option<String>,
    /// Where this API describes itself as a protected resource (RFC 9728); stands in its challenges if it is there.
    pub resource_metadata: Option<String>,
}

impl Config {
    /// The defaults for an issuer's public URL and the audience to guard.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithms: vec![Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256],
            leeway_seconds: MAX_LEEWAY_SECONDS,
            not_before_leeway_seconds: MAX_LEEWAY_SECONDS,
            status: StatusPolicy::DEFAULT,
            cache_capacity: 10_000,
            exchange_url: None,
            resource_metadata: None,
        }
    }

    /// Where a key of this kind is exchanged for an access token; `None` for the kinds that never are.
    #[must_use]
    pub fn exchange_url_for(&self, kind: KeyKind) -> Option<String> {
        let path = match kind {
            KeyKind::PersonalAccessKey => paths::TOKEN_V3,
            KeyKind::ApiKey => paths::API_KEY_TOKEN,
            KeyKind::OperatorKey | KeyKind::Session => return None,
        };
        Some(self.exchange_url.clone().unwrap_or_else(|| format!("{}{path}", self.issuer.trim_end_matches('/'))))
    }

    /// The `exp` leeway within its bounds, in milliseconds.
    pub(crate) fn leeway_millis(&self) -> i64 {
        self.leeway_seconds.clamp(0, MAX_LEEWAY_SECONDS) * 1000
    }

    /// The `nbf` and `iat` leeway within its bounds, in milliseconds.
    pub(crate) fn not_before_leeway_millis(&self) -> i64 {
        self.not_before_leeway_seconds.clamp(0, MAX_LEEWAY_SECONDS) * 1000
    }
}
