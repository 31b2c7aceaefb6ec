//! How long what was logged is kept.

use super::ConfigError;
use keywright_core::log::Keeping;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `[retention]`, in days.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Changes and sign-ins.
    pub changes_days: u32,
    /// Exchanges and refusals.
    pub access_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { changes_days: 730, access_days: 90 }
    }
}

impl Retention {
    /// As the core takes it.
    pub(super) fn keeping(&self) -> Result<Keeping, ConfigError> {
        let days = |name: &str, count: u32| match count {
            1..=36_500 => Ok(Duration::from_secs(u64::from(count) * 24 * 60 * 60)),
            _ => Err(ConfigError(format!("retention.{name} must be a number of days from 1 to 36500, not {count}"))),
        };
        Ok(Keeping { changes: days("changes_days", self.changes_days)?, accesses: days("access_days", self.access_days)? })
    }
}
