//! A database as a whole: looked at as it is, or held by one long transaction. No migration runs, and nothing is gathered.

use crate::{
    BoxFuture, Committed, Engine, Location, Migration, OpenError, Standby, StoreError, Tx,
    migrate::{UNFINISHED, newest},
    postgres, sqlite,
    tx::Held,
};
use sqlx::{ConnectOptions as _, PgConnection, SqliteConnection};

/// What is wanted of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// One snapshot, read only, also while others serve it.
    Look,
    /// One transaction that changes something. On SQLite nobody else writes meanwhile.
    Hold,
}

/// One long transaction, on a connection of its own that no time limit ends.
pub struct Whole {
    pub(crate) tx: Tx,
}

/// How a database is, whatever its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its engine.
    pub engine: Engine,
    /// The engine's release.
    pub version: String,
    /// The last migration that ran; `None` if there is nothing yet.
    pub schema: Option<i64>,
    /// If it is a copy that is not finished: the digest of what it is to be a copy of.
    pub unfinished: Option<Vec<u8>>,
    /// How much room it takes.
    pub bytes: i64,
}

impl Whole {
    /// Connects, and begins.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(location: &Location, access: Access) -> Result<Self, OpenError> {
        let (held, begin) = match location {
            Location::Sqlite { path } => {
                let (options, begin) = match access {
                    Access::Look => (sqlite::options(path).read_only(true), "BEGIN"),
                    Access::Hold => (sqlite::writing(path), "BEGIN IMMEDIATE"),
                };
                let connection: SqliteConnection = options.connect().await.map_err(|error| sqlite::explain(path, &error))?;
                (Held::SqliteWriter(connection), begin)
            }
            Location::Postgres { url, schema, .. } => {
                let begin = match access {
                    Access::Look => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                    Access::Hold => "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE",
                };
                (Held::writer(connect(url, schema.as_deref()).await?), begin)
            }
        };
        let mut tx = Tx::new(held);
        tx.control(begin).await.map_err(busy)?;
        Ok(Self { tx })
    }

    /// The transaction.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// How it is.
    ///
    /// # Errors
    /// Whatever keeps the database from answering.
    pub async fn look(&mut self) -> Result<Look, StoreError> {
        let engine = self.tx.engine();
        let (version, migrations, bytes) = match engine {
            Engine::Sqlite => (
                "SELECT sqlite_version() AS version",
                "SELECT count(*) AS there FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'",
                "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
            ),
            Engine::Postgres => (
                "SELECT current_setting('server_version') AS version",
                "SELECT count(*) AS there FROM pg_attribute WHERE attrelid = to_regclass('schema_migrations') AND attname = 'checksum'",
                "SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0)::bigint AS bytes FROM pg_class
                    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'",
            ),
        };
        let tx = &mut self.tx;
        let mut look = Look {
            engine,
            version: tx.fetch_one(version, &[]).await?.get("version")?,
            schema: None,
            unfinished: None,
            bytes: tx.fetch_one(bytes, &[]).await?.get("bytes")?,
        };
        if tx.fetch_one(migrations, &[]).await?.get::<i64>("there")? == 1 {
            let last = tx.fetch_one("SELECT MAX(version) AS version FROM schema_migrations WHERE success AND version <> $1", &[UNFINISHED.into()]).await?;
            look.schema = last.get("version")?;
            let mark = tx.fetch_optional("SELECT checksum FROM schema_migrations WHERE version = $1", &[UNFINISHED.into()]).await?;
            look.unfinished = mark.map(|row| row.get("checksum")).transpose()?;
        }
        Ok(look)
    }

    /// Begins another history in a database that was shut, and lets `f` say in the same transaction what belongs to it.
    ///
    /// # Errors
    /// What `f` returns; nothing is changed then. [`StoreError::Unavailable`] if the commit is unsure.
    pub async fn reopen<T, E, F>(mut self, at_least: i64, f: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        self.tx.begin_history(at_least).await?;
        let value = f(&mut self.tx).await?;
        self.commit(value).await.map_err(E::from)
    }

    /// Commits what was done in the transaction; without it, nothing was.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the commit is unsure.
    pub async fn commit<T>(mut self, value: T) -> Result<Committed<T>, StoreError> {
        if let Some(failed) = self.tx.failed() {
            return Err(failed);
        }
        let (acts, position) = (self.tx.take_on_commit(), self.tx.position());
        self.tx.commit().await?;
        acts.into_iter().for_each(|act| act());
        if let Held::SqliteWriter(connection) = self.tx.into_held() {
            sqlite::close(connection).await;
        }
        Ok(Committed { value, position })
    }
}

/// Another one's transaction stands in the way, and nothing else does.
fn busy(error: StoreError) -> OpenError {
    match error {
        StoreError::Busy => OpenError::Busy,
        StoreError::NotFound | StoreError::Conflict { .. } | StoreError::Unavailable | StoreError::Corrupt => OpenError::Unreachable(error.to_string()),
    }
}

/// A connection that may wait between two statements for as long as it takes.
pub(crate) async fn connect(url: &str, schema: Option<&str>) -> Result<PgConnection, OpenError> {
    let settings = [("lock_timeout", postgres::LOCK_TIMEOUT), ("idle_in_transaction_session_timeout", "0"), ("statement_timeout", "0")];
    postgres::connect(&postgres::options(url, schema)?.options(settings)).await
}

impl Location {
    /// Where it is, without whoever signs in there and how.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite { path } => format!("sqlite:{}", path.display()),
            Self::Postgres { url, schema, .. } => {
                let Ok(options) = postgres::options(url, None) else { return "postgres:".to_owned() };
                let schema = schema.as_deref().map(|schema| format!(", schema {schema}")).unwrap_or_default();
                let database = options.get_database().unwrap_or(options.get_username());
                format!("postgres://{}:{}/{database}{schema}", options.get_host(), options.get_port())
            }
        }
    }

    /// Whether the engine is new enough and keeps what it commits, as it is asked before anything is made there.
    ///
    /// # Errors
    /// [`OpenError`], as where it is opened to be served from.
    pub async fn check(&self) -> Result<(), OpenError> {
        match self {
            // A file is checked where it is opened: what it must keep is set by whoever opens it.
            Self::Sqlite { .. } => Ok(()),
            Self::Postgres { url, schema, standby } => postgres::look_at(url, (schema.as_deref(), *standby)).await,
        }
    }

    /// The same without the wish for a standby, for a database that is only read.
    #[must_use]
    pub fn as_it_is(&self) -> Self {
        match self {
            Self::Sqlite { path } => Self::Sqlite { path: path.clone() },
            Self::Postgres { url, schema, .. } => Self::Postgres { url: url.clone(), schema: schema.clone(), standby: Standby::AsItIs },
        }
    }
}

/// The newest migration of a list, as [`Look::schema`] has it.
#[must_use]
pub fn newest_version(migrations: &[Migration]) -> i64 {
    newest(migrations)
}
