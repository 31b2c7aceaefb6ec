//! Access tokens, and the keys that sign them.

use super::ConfigError;
use keywright_core::keyring::lifecycle::SigningKeyTimes;
use keywright_protocol::jwk::Algorithm;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Access tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// ES256, EdDSA (Ed25519 is taken too) or RS256.
    pub algorithm: String,
    /// Life in minutes.
    pub life_minutes: u32,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { algorithm: "ES256".to_owned(), life_minutes: 60 }
    }
}

/// The keys that sign tokens and documents.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigningKeys {
    /// Days after which one gets a successor; 0: by hand only.
    pub rotated_after_days: u32,
    /// Seconds that a successor is published before it signs.
    pub published_before_seconds: u32,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self { rotated_after_days: 90, published_before_seconds: 15 * 60 }
    }
}

impl Tokens {
    /// How they are signed.
    pub(super) fn algorithm(&self) -> Result<Algorithm, ConfigError> {
        let name = if self.algorithm == "Ed25519" { "EdDSA" } else { &self.algorithm };
        Algorithm::from_name(name).ok_or_else(|| ConfigError(format!("tokens.algorithm: `{name}` is not one of ES256, EdDSA, RS256")))
    }

    /// How long they live.
    pub(super) fn life(&self) -> Duration {
        Duration::from_secs(u64::from(self.life_minutes) * 60)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.algorithm()?;
        if (1..=24 * 60).contains(&self.life_minutes) { Ok(()) } else { Err(ConfigError("tokens.life_minutes must be 1 to 1440".to_owned())) }
    }
}

impl SigningKeys {
    /// As the core takes them.
    pub(super) fn times(&self) -> SigningKeyTimes {
        const DAY: u64 = 24 * 60 * 60;
        SigningKeyTimes {
            published_before: Duration::from_secs(self.published_before_seconds.into()),
            rotated_after: (self.rotated_after_days > 0).then(|| Duration::from_secs(u64::from(self.rotated_after_days) * DAY)),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let sentence = "signing_keys.published_before_seconds must be at most 86400, which is a day";
        if self.published_before_seconds <= 24 * 60 * 60 { Ok(()) } else { Err(ConfigError(sentence.to_owned())) }
    }
}
