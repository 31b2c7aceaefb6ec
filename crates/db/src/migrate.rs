//! Migrations: embedded, forward only, checked against what ran before.

use crate::OpenError;
use sqlx::{
    SqlStr,
    migrate::{MigrateError, MigrationType, Migrator},
};

/// One step of the schema, as text for either engine. Never edited once released: what has run is compared with it.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; they run in rising order.
    pub version: i64,
    /// What it does, in a few words.
    pub name: &'static str,
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

/// The driver's migrator for one engine's texts.
pub(crate) fn migrator(migrations: &[Migration], text: impl Fn(&Migration) -> &'static str) -> Migrator {
    let steps = migrations
        .iter()
        .map(|step| sqlx::migrate::Migration::new(step.version, step.name.into(), MigrationType::Simple, SqlStr::from_static(text(step)), false))
        .collect();
    let mut migrator = Migrator::with_migrations(steps);
    migrator.dangerous_set_table_name("schema_migrations");
    migrator
}

/// The number of a migration that never succeeds: it stands among those of a copy that is not finished. What ran there is what every
/// release looks at first, so that none takes half a copy for a database.
pub(crate) const UNFINISHED: i64 = i64::MAX;

/// The newest one.
pub(crate) fn newest(migrations: &[Migration]) -> i64 {
    migrations.iter().map(|step| step.version).max().unwrap_or(0)
}

/// Tells a database of a later release from one that went wrong.
pub(crate) fn explain(error: &MigrateError, migrations: &[Migration]) -> OpenError {
    let known = newest(migrations);
    if matches!(error, MigrateError::Dirty(UNFINISHED)) {
        return OpenError::Unfinished;
    }
    if let MigrateError::VersionMissing(found) = *error
        && found > known
    {
        return OpenError::NewerVersion { found, known };
    }
    OpenError::Migration(error.to_string())
}
