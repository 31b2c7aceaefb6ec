//! What can go wrong: while opening, for a person to read; afterwards, for the program to tell apart.

use crate::Engine;
use sqlx::{error::ErrorKind, postgres::PgDatabaseError, sqlite::SqliteError};
use std::path::PathBuf;

/// Why a statement or a transaction failed. What exactly the engine said goes to the log, without values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No row where one was expected.
    #[error("no such row")]
    NotFound,
    /// A unique, foreign-key or check constraint refused a row.
    #[error("a constraint refused the row")]
    Conflict {
        /// PostgreSQL: the constraint's name. SQLite: `table.column` (several divided by `, `), a check's name, or nothing
        /// for a foreign key.
        constraint: Option<String>,
    },
    /// Others were in the way; trying again may help.
    #[error("the database is busy")]
    Busy,
    /// The engine cannot be reached or cannot write, or it is unknown whether a commit happened.
    #[error("the database is unavailable")]
    Unavailable,
    /// A row, a statement or a closure is not what this program expects.
    #[error("the database holds something unexpected")]
    Corrupt,
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder.
    #[error("cannot write the database {}: create its folder, make both writable for the user that runs this program, and see that there is room", .0.display())]
    NotWritable(PathBuf),
    /// The file is something else.
    #[error("{} is not a SQLite database: name another file, or restore this one from a backup", .0.display())]
    NotADatabase(PathBuf),
    /// Written by a later release.
    #[error("the database has schema version {found} and this program knows {known} at most: start the release that wrote it, or a newer one")]
    NewerVersion {
        /// In the database.
        found: i64,
        /// The newest migration of this program; 0 without any.
        known: i64,
    },
    /// A copy was begun into it, and has not come to its end.
    #[error("this database is a copy that is not finished: run the same `keywright db copy` again, which goes on where it stopped")]
    Unfinished,
    /// Somebody else holds what is to be held.
    #[error("another process is writing to the database: stop it first")]
    Busy,
    /// The engine's own release.
    #[error("{engine} {found} is too old: use {needed} or newer")]
    EngineTooOld {
        /// Its name.
        engine: &'static str,
        /// The version that runs.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// The engine may forget what it has committed.
    #[error("the database would not keep every commit ({0}): correct that setting of the server, or move the file to a local disk")]
    NotDurable(String),
    /// Nothing is written there.
    #[error("this PostgreSQL server follows another one and cannot be written: give the address of the primary")]
    Follower,
    /// A commit would be on one machine alone.
    #[error("database.require_sync is set, but the server names no synchronous standby: set synchronous_standby_names there, or require_sync = false")]
    NoStandby,
    /// Another program's.
    #[error("the database holds tables that are not Keywright's; name an empty one")]
    Foreign,
    /// The address cannot be understood.
    #[error("the database URL cannot be read ({0}): write postgres://user:password@host:port/database")]
    BadUrl(String),
    /// Another machine, and nothing that protects what is sent there.
    #[error(
        "the database URL does not say how what is sent to {0} is protected: add ?sslmode=verify-full&sslrootcert=FILE, or ?sslmode=disable on a network that nobody else is on"
    )]
    Unprotected(String),
    /// The schema's name.
    #[error("{0:?} cannot be the name of the schema: use lower-case letters, digits and _, with a letter first, 63 at most")]
    BadSchema(String),
    /// No connection.
    #[error("cannot use the database ({0}): check that it runs, and its address, user and password")]
    Unreachable(String),
    /// A migration was changed after it ran, is unknown to this program, or failed.
    #[error("cannot bring the database to this program's schema ({0}): use the release that belongs to it, or restore a backup")]
    Migration(String),
}

/// SQLite's primary result code, without the extension in the higher bits.
pub(crate) fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

/// Sorts a driver's error, and logs what it said.
#[expect(clippy::wildcard_enum_match_arm, reason = "the driver's list is open")]
pub(crate) fn sort(engine: Engine, error: &sqlx::Error) -> StoreError {
    let (sorted, detail) = match error {
        sqlx::Error::Database(database) => sort_database(database.as_ref()),
        sqlx::Error::RowNotFound => (StoreError::NotFound, String::new()),
        sqlx::Error::PoolTimedOut => (StoreError::Busy, "no free connection".to_owned()),
        sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::InvalidArgument(_) => (StoreError::Corrupt, error.to_string()),
        // The connection, in all its ways.
        _ => (StoreError::Unavailable, error.to_string()),
    };
    match sorted {
        StoreError::NotFound => {}
        StoreError::Conflict { .. } | StoreError::Busy => tracing::debug!(?engine, ?sorted, detail, "statement refused"),
        StoreError::Unavailable => tracing::warn!(?engine, detail, "database unavailable"),
        StoreError::Corrupt => tracing::error!(?engine, detail, "unexpected answer of the database"),
    }
    sorted
}

fn sort_database(error: &dyn sqlx::error::DatabaseError) -> (StoreError, String) {
    // NOT NULL is a mistake of the program, no conflict.
    let conflict =
        matches!(error.kind(), ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation | ErrorKind::CheckViolation | ErrorKind::ExclusionViolation);
    if let Some(postgres) = error.try_downcast_ref::<PgDatabaseError>() {
        let code = postgres.code();
        let class = code.get(..2).unwrap_or_default();
        let sorted = match (class, code) {
            _ if conflict => StoreError::Conflict { constraint: postgres.constraint().map(str::to_owned) },
            // Serialization failure, deadlock; lock timeout; cancelled by a timeout.
            ("40", _) | (_, "55P03" | "57014") => StoreError::Busy,
            // Connection, resources, operator intervention, the machine; a server that only reads, as after a failover; one that did not wait.
            ("08" | "53" | "57" | "58", _) | (_, "25006" | "25P03") => StoreError::Unavailable,
            _ => StoreError::Corrupt,
        };
        // Messages about data (classes 22, 23) may quote it.
        let message = if matches!(class, "22" | "23") { "" } else { postgres.message() };
        let detail = format!("{code} {} {} {message}", postgres.table().unwrap_or_default(), postgres.constraint().unwrap_or_default());
        return (sorted, detail);
    }
    let sorted = match sqlite_code(error) {
        _ if conflict => StoreError::Conflict { constraint: sqlite_constraint(error.message()) },
        // BUSY, LOCKED, INTERRUPT.
        Some(5 | 6 | 9) => StoreError::Busy,
        // PERM, NOMEM, READONLY, IOERR, FULL, CANTOPEN.
        Some(3 | 7 | 8 | 10 | 13 | 14) => StoreError::Unavailable,
        _ => StoreError::Corrupt,
    };
    let detail = error.try_downcast_ref::<SqliteError>().map(ToString::to_string).unwrap_or_default();
    (sorted, detail)
}

/// `UNIQUE constraint failed: users.email` names `users.email`; `FOREIGN KEY constraint failed` names nothing.
fn sqlite_constraint(message: &str) -> Option<String> {
    message.split_once(" constraint failed: ").map(|(_, name)| name.to_owned())
}
