//! The distribution API in this process.

use super::ConfigError;
use crate::data_dir::DataDir;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whether it is there, and where it keeps files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistributionMount {
    /// Whether it is there.
    pub enabled: bool,
    /// The folder of files; absent: one in the data folder. Replicas on several machines share it.
    pub files_dir: Option<PathBuf>,
    /// Longest file, in bytes.
    pub max_file_bytes: u64,
}

impl Default for DistributionMount {
    fn default() -> Self {
        Self { enabled: false, files_dir: None, max_file_bytes: 3 * 1024 * 1024 * 1024 }
    }
}

impl DistributionMount {
    /// The folder of files.
    #[must_use]
    pub fn files(&self, data_dir: &DataDir) -> PathBuf {
        self.files_dir.clone().unwrap_or_else(|| data_dir.distribution_files())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.max_file_bytes == 0 || i64::try_from(self.max_file_bytes).is_err() {
            return Err(ConfigError("distribution.max_file_bytes must be at least 1; leave it out for 3 GiB".to_owned()));
        }
        Ok(())
    }
}
