//! Limits against guessing and floods, as an operator writes them.

use super::ConfigError;
use keywright_core::limits::{Rate, Rates};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Token buckets. A rate of 0 switches its limit off. An address is one of IPv4, or a /64 of IPv6.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Refused keys that come back to an address in a minute.
    pub refused_keys_per_minute: u32,
    /// And how many at once.
    pub refused_keys_burst: u32,
    /// Exchanges that come back to a key in a second.
    pub key_per_second: u32,
    /// And how many at once.
    pub key_burst: u32,
    /// Exchanges that come back to all keys of an organization in a second.
    pub organization_per_second: u32,
    /// And how many at once.
    pub organization_burst: u32,
    /// Sign-ins, changes of passwords and uses of links that come back to an address in a minute.
    pub sign_in_per_minute: u32,
    /// And how many at once.
    pub sign_in_burst: u32,
    /// Failed sign-ins to an account from one address in any hour.
    pub account_failures_per_hour_and_address: u32,
    /// The same from everywhere.
    pub account_failures_per_hour: u32,
    /// Buckets of each kind that are remembered.
    pub buckets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            refused_keys_per_minute: 60,
            refused_keys_burst: 60,
            key_per_second: 100,
            key_burst: 200,
            organization_per_second: 1_000,
            organization_burst: 2_000,
            sign_in_per_minute: 20,
            sign_in_burst: 20,
            account_failures_per_hour_and_address: 30,
            account_failures_per_hour: 100,
            buckets: 100_000,
        }
    }
}

impl Limits {
    /// The most that a rate or a burst may be.
    pub const MOST: u32 = 1_000_000;

    /// All switched off.
    #[must_use]
    pub fn off() -> Self {
        Self {
            refused_keys_per_minute: 0,
            key_per_second: 0,
            organization_per_second: 0,
            sign_in_per_minute: 0,
            account_failures_per_hour_and_address: 0,
            account_failures_per_hour: 0,
            ..Self::default()
        }
    }

    /// With no limit that a measurement could reach on exchanges that succeed; they are counted all the same.
    #[must_use]
    pub fn out_of_reach_for_keys(self) -> Self {
        Self { key_per_second: Self::MOST, key_burst: Self::MOST, organization_per_second: Self::MOST, organization_burst: Self::MOST, ..self }
    }

    pub(super) fn rates(&self) -> Rates {
        Rates {
            refused_keys: Rate::per(MINUTE, self.refused_keys_per_minute, self.refused_keys_burst),
            key: Rate::per(SECOND, self.key_per_second, self.key_burst),
            organization: Rate::per(SECOND, self.organization_per_second, self.organization_burst),
            sign_in: Rate::per(MINUTE, self.sign_in_per_minute, self.sign_in_burst),
            account_and_address: Rate::in_any_hour(self.account_failures_per_hour_and_address),
            account: Rate::in_any_hour(self.account_failures_per_hour),
            buckets: self.buckets,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let rates = [
            ("refused_keys_per_minute", self.refused_keys_per_minute),
            ("key_per_second", self.key_per_second),
            ("organization_per_second", self.organization_per_second),
            ("sign_in_per_minute", self.sign_in_per_minute),
            ("account_failures_per_hour_and_address", self.account_failures_per_hour_and_address),
            ("account_failures_per_hour", self.account_failures_per_hour),
        ];
        let bursts = [
            ("refused_keys_burst", self.refused_keys_burst),
            ("key_burst", self.key_burst),
            ("organization_burst", self.organization_burst),
            ("sign_in_burst", self.sign_in_burst),
        ];
        if let Some((name, _)) = rates.iter().find(|(_, rate)| *rate > Self::MOST) {
            return Err(ConfigError(format!("limits.{name} must be 0, which switches the limit off, or at most {}", Self::MOST)));
        }
        if let Some((name, _)) = bursts.iter().find(|(_, burst)| !(1..=Self::MOST).contains(burst)) {
            return Err(ConfigError(format!("limits.{name} must be 1 to {}; a rate of 0 switches the limit off", Self::MOST)));
        }
        if let Some((name, _)) = rates.iter().find(|(name, count)| name.starts_with("account") && *count == 1) {
            return Err(ConfigError(format!("limits.{name} must be 0, which switches the limit off, or at least 2")));
        }
        if self.buckets < 1_000 {
            return Err(ConfigError("limits.buckets must be at least 1000".to_owned()));
        }
        Ok(())
    }
}
