//! For whom backups are encrypted.

use super::ConfigError;
use keywright_core::age::Recipient;
use serde::{Deserialize, Serialize};

/// `[backup]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// Recipients, `age1…`.
    pub recipients: Vec<String>,
}

impl Backup {
    /// Each, read.
    ///
    /// # Errors
    /// [`ConfigError`] names the first one that is none.
    pub fn recipients(&self) -> Result<Vec<Recipient>, ConfigError> {
        // A key may stand there by mistake, and is not repeated.
        let read = |(at, text): (usize, &String)| text.parse().map_err(|error| ConfigError(format!("backup.recipients, entry {}: {error}", at + 1)));
        self.recipients.iter().enumerate().map(read).collect()
    }
}
