//! SQLite: one file, one writing connection, several that only read.

use crate::{
    Migration, OpenError, Row, Value,
    error::sqlite_code,
    migrate,
    tx::{Held, Pool, Source},
};
use sqlx::{
    ConnectOptions, Connection as _, Executor, Row as _, SqlSafeStr, Sqlite, SqliteConnection,
    migrate::MigrateError,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// Older ones can corrupt a write-ahead log.
const OLDEST: [u32; 3] = [3, 51, 3];
const OLDEST_TEXT: &str = "3.51.3";
const READERS: u32 = 8;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// What every connection has in common.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(512)
        .disable_statement_logging()
}

/// What a connection that writes has besides. `fullfsync` matters on macOS alone, where a plain fsync leaves the data in the disk's cache.
pub(crate) fn writing(path: &Path) -> SqliteConnectOptions {
    options(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full).pragma("fullfsync", "ON")
}

pub(crate) async fn open(path: &Path, migrations: &[Migration]) -> Result<(Pool, Source, Held), OpenError> {
    create(path).await.map_err(|_| OpenError::NotWritable(path.to_owned()))?;
    let writing = writing(path);
    let mut connection = writing.connect().await.map_err(|error| explain(path, &error))?;
    check(&mut connection).await.map_err(|error| explain(path, &error))??;
    migrate::migrator(migrations, |step| step.sqlite).run(&mut connection).await.map_err(|error| {
        if let MigrateError::Execute(cause) = &error
            && is_about_the_file(cause)
        {
            return explain(path, cause);
        }
        migrate::explain(&error, migrations)
    })?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options(path).read_only(true));
    Ok((Pool::Sqlite(readers), Source::Sqlite(writing), Held::SqliteWriter(connection)))
}

/// Makes the file before SQLite does, so that nobody but its owner can read it; the log beside it inherits the mode.
async fn create(path: &Path) -> std::io::Result<()> {
    let mut file = tokio::fs::OpenOptions::new();
    file.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    file.mode(0o600);
    file.open(path).await.map(drop)
}

async fn check(connection: &mut SqliteConnection) -> Result<Result<(), OpenError>, sqlx::Error> {
    let version: String = connection.fetch_one("SELECT sqlite_version()").await?.try_get(0)?;
    if is_older(&version) {
        return Ok(Err(OpenError::EngineTooOld { engine: "SQLite", found: version, needed: OLDEST_TEXT }));
    }
    // A file system without shared memory makes SQLite fall back without an error.
    let journal: String = connection.fetch_one("PRAGMA journal_mode").await?.try_get(0)?;
    let synchronous: i64 = connection.fetch_one("PRAGMA synchronous").await?.try_get(0)?;
    Ok(match (journal.as_str(), synchronous) {
        ("wal", 2) => Ok(()),
        _ => Err(OpenError::NotDurable(format!("journal_mode is {journal}, synchronous is {synchronous}"))),
    })
}

fn is_older(version: &str) -> bool {
    let parts: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    parts.as_slice() < OLDEST.as_slice()
}

/// A file that cannot be written, or is no database, may show it only when the first table is made.
fn is_about_the_file(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlite_code).is_some_and(|code| matches!(code, 3 | 8 | 10 | 11 | 13 | 14 | 26))
}

pub(crate) fn explain(path: &Path, error: &sqlx::Error) -> OpenError {
    match error.as_database_error().and_then(sqlite_code) {
        // PERM, READONLY, IOERR, FULL, CANTOPEN.
        Some(3 | 8 | 10 | 13 | 14) => OpenError::NotWritable(path.to_owned()),
        // CORRUPT, NOTADB.
        Some(11 | 26) => OpenError::NotADatabase(path.to_owned()),
        _ => OpenError::Unreachable(error.to_string()),
    }
}

/// Writes what a database holds at one moment into a new file, while others may go on writing.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    let target = to.to_str().ok_or_else(|| OpenError::NotWritable(to.to_owned()))?.to_owned();
    let mut connection = options(from).read_only(true).connect().await.map_err(|error| explain(from, &error))?;
    // SQLite takes an empty file for a new one, and keeps its mode.
    create(to).await.map_err(|_| OpenError::NotWritable(to.to_owned()))?;
    let copied = sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection).await;
    copied.map_err(|error| explain(if is_about_the_file(&error) { to } else { from }, &error))?;
    connection.close().await.map_err(|error| explain(from, &error))
}

/// Folds the log back into the file and closes.
pub(crate) async fn close(mut connection: SqliteConnection) {
    let done = async {
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        connection.close().await
    };
    if let Err(error) = done.await {
        tracing::warn!(detail = %error, "SQLite did not close cleanly; its log is read at the next start");
    }
}

pub(crate) fn query(sql: impl SqlSafeStr, values: &[Value]) -> Query<'static, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Text(text) => query.bind(text.clone()),
        Value::Int(int) => query.bind(*int),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
        Value::Id(id) => query.bind(*id),
        Value::Time(time) => query.bind(time.map(keywright_protocol::Time::as_millis)),
    })
}

impl From<sqlx::sqlite::SqliteRow> for Row {
    fn from(row: sqlx::sqlite::SqliteRow) -> Self {
        Self(crate::value::Cells::Sqlite(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_older("3.51.2"));
        assert!(is_older("3.9.100"));
        assert!(is_older("nonsense"));
        assert!(!is_older(OLDEST_TEXT));
        assert!(!is_older("3.100.0"));
        assert!(!is_older("4.0.0"));
    }
}
