//! Where the data is.

use super::ConfigError;
use crate::data_dir::{DataDir, Layout};
use keywright_core::{Location, Standby};
use serde::{Deserialize, Serialize};

/// The schema of the distribution API's tables.
const DISTRIBUTION: &str = "distribution";

/// The database: a file in the data folder, or PostgreSQL.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://user:password@host/database?sslmode=verify-full`; absent: SQLite in the data folder.
    pub url: Option<String>,
    /// Whether a commit must have reached a synchronous standby.
    pub require_sync: bool,
}

/// Without the password.
impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("url", &self.url.as_ref().map(|_| "..")).field("require_sync", &self.require_sync).finish()
    }
}

impl Database {
    /// Where identity is kept.
    #[must_use]
    pub fn identity(&self, data_dir: &DataDir) -> Location {
        self.on_postgres(None).unwrap_or_else(|| data_dir.database())
    }

    /// Where the distribution API keeps what is its own.
    #[must_use]
    pub fn distribution(&self, data_dir: &DataDir) -> Location {
        self.on_postgres(Some(DISTRIBUTION)).unwrap_or_else(|| data_dir.distribution_database())
    }

    /// The same in a folder that nobody has to hold: to be looked at.
    #[must_use]
    pub fn identity_at(&self, folder: &std::path::Path) -> Location {
        self.on_postgres(None).unwrap_or_else(|| Location::Sqlite { path: Layout::of(folder).database })
    }

    /// The same for the distribution API's.
    #[must_use]
    pub fn distribution_at(&self, folder: &std::path::Path) -> Location {
        self.on_postgres(Some(DISTRIBUTION)).unwrap_or_else(|| Location::Sqlite { path: Layout::of(folder).distribution_database })
    }

    /// Whether it is a server that several processes share.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.url.is_some()
    }

    /// Takes a data folder: alone, if the database is in it.
    ///
    /// # Errors
    /// [`crate::data_dir::DataDirError`].
    pub fn take(&self, data_dir: &std::path::Path) -> Result<DataDir, crate::data_dir::DataDirError> {
        if self.is_shared() { DataDir::share(data_dir) } else { DataDir::take(data_dir) }
    }

    fn on_postgres(&self, schema: Option<&str>) -> Option<Location> {
        let standby = if self.require_sync { Standby::Required } else { Standby::AsItIs };
        self.url.clone().map(|url| Location::Postgres { url, schema: schema.map(str::to_owned), standby })
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match &self.url {
            Some(url) if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) => {
                Err(ConfigError("database.url must begin with postgres://; without it the data is kept in the data folder, on SQLite".to_owned()))
            }
            None if self.require_sync => Err(ConfigError("database.require_sync is about PostgreSQL: set database.url, or leave it out".to_owned())),
            Some(_) | None => Ok(()),
        }
    }
}
