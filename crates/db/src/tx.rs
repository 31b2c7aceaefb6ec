//! A transaction, over either engine's connection.

use crate::{Engine, Row, Standby, StoreError, Value, Writes, error, notice::Ear, postgres, sqlite};
use keywright_protocol::Position;
use sqlx::{
    Connection as _, Executor, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};

/// A position that no write has.
const NOWHERE: Position = Position { history: 0, n: 0 };

/// The connections that read.
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    pub(crate) async fn begin_read(&self) -> Result<Tx, StoreError> {
        let most = match self {
            Self::Sqlite(pool) => pool.size(),
            Self::Postgres(pool) => pool.size(),
        };
        // When the server was restarted, every connection in the pool may be dead, and shows it here.
        for _ in 0..most {
            match self.try_begin_read().await {
                Err(StoreError::Unavailable) => {}
                done => return done,
            }
        }
        self.try_begin_read().await
    }

    async fn try_begin_read(&self) -> Result<Tx, StoreError> {
        let held = match self {
            Self::Sqlite(pool) => pool.begin_with("BEGIN").await.map(Held::SqliteReader),
            Self::Postgres(pool) => pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map(Held::PostgresReader),
        };
        held.map(Tx::new).map_err(|error| error::sort(self.engine(), &error))
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// How to make a connection that writes.
#[derive(Clone)]
pub(crate) enum Source {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

impl Source {
    pub(crate) async fn connect(&self) -> Result<Held, StoreError> {
        match self {
            Self::Sqlite(options) => SqliteConnection::connect_with(options).await.map(Held::SqliteWriter).map_err(|error| error::sort(Engine::Sqlite, &error)),
            Self::Postgres(options) => PgConnection::connect_with(options).await.map(Held::writer).map_err(|error| error::sort(Engine::Postgres, &error)),
        }
    }
}

/// The connection under a transaction. A reader's goes back to its pool when dropped, with the transaction rolled back; a
/// writer's is closed when dropped, which rolls back too.
pub(crate) enum Held {
    SqliteReader(Transaction<'static, Sqlite>),
    SqliteWriter(SqliteConnection),
    PostgresReader(Transaction<'static, Postgres>),
    PostgresWriter(Box<Writing>),
}

/// A connection that writes, and what hears the server's warnings on it.
pub(crate) struct Writing {
    connection: PgConnection,
    ear: Ear,
}

impl Held {
    pub(crate) fn writer(connection: PgConnection) -> Self {
        Self::PostgresWriter(Box::new(Writing { connection, ear: Ear::new() }))
    }
}

pub(crate) enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A transaction in progress. Statements are texts of the program, never put together; values go in by `$1`, `$2`, ..
pub struct Tx {
    held: Held,
    position: Position,
    failed: Option<StoreError>,
    committed: Vec<OnCommit>,
    rings: bool,
}

/// A PostgreSQL server, as it is at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its identifier and the timeline that it writes: another one after a restore or a failover.
    pub cluster: String,
    /// Whether commits wait for a standby.
    pub names_standby: bool,
}

/// Where a revisioned write may raise the revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Raise {
    /// On the server that the history is on, while it is open; and, if that is required, while it waits for a standby.
    WhereOpen(Standby),
    /// Wherever it is.
    Anywhere,
}

/// What is done once a write is durable.
pub(crate) type OnCommit = Box<dyn FnOnce() + Send>;

impl Tx {
    pub(crate) fn new(held: Held) -> Self {
        Self { held, position: NOWHERE, failed: None, committed: Vec::new(), rings: false }
    }

    /// The first row, if there is any.
    ///
    /// # Errors
    /// [`StoreError`], but never `NotFound`.
    pub async fn fetch_optional(&mut self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, StoreError> {
        self.check()?;
        let row = match self.link() {
            Link::Sqlite(connection) => sqlite::query(sql, values).fetch_optional(connection).await.map(|row| row.map(Row::from)),
            Link::Postgres(connection) => postgres::query(sql, values).fetch_optional(connection).await.map(|row| row.map(Row::from)),
        };
        self.note(row)
    }

    /// The first row.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn fetch_one(&mut self, sql: &'static str, values: &[Value]) -> Result<Row, StoreError> {
        self.fetch_optional(sql, values).await?.ok_or(StoreError::NotFound)
    }

    /// All rows.
    ///
    /// # Errors
    /// [`StoreError`], but never `NotFound`.
    pub async fn fetch_all(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        let rows = match self.link() {
            Link::Sqlite(connection) => sqlite::query(sql, values).fetch_all(connection).await.map(|rows| rows.into_iter().map(Row::from).collect()),
            Link::Postgres(connection) => postgres::query(sql, values).fetch_all(connection).await.map(|rows| rows.into_iter().map(Row::from).collect()),
        };
        self.note(rows)
    }

    /// Runs a statement; returns how many rows it affected.
    ///
    /// # Errors
    /// [`StoreError`], but never `NotFound`.
    pub async fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, StoreError> {
        self.check()?;
        let affected = match self.link() {
            Link::Sqlite(connection) => sqlite::query(sql, values).execute(connection).await.map(|done| done.rows_affected()),
            Link::Postgres(connection) => postgres::query(sql, values).execute(connection).await.map(|done| done.rows_affected()),
        };
        self.note(affected)
    }

    /// Runs a statement that must affect exactly one row.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it affected none, or several; in the latter case the transaction is doomed.
    pub async fn execute_one(&mut self, sql: &'static str, values: &[Value]) -> Result<(), StoreError> {
        match self.execute(sql, values).await? {
            1 => Ok(()),
            0 => Err(StoreError::NotFound),
            _ => {
                self.failed = Some(StoreError::NotFound);
                Err(StoreError::NotFound)
            }
        }
    }

    /// What the server says of itself; `None` on SQLite.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn server(&mut self) -> Result<Option<Server>, StoreError> {
        if matches!(self.held, Held::SqliteReader(_) | Held::SqliteWriter(_)) {
            return Ok(None);
        }
        let row = self.fetch_one(postgres::SERVER, &[]).await?;
        let standbys: String = row.get("standbys")?;
        Ok(Some(Server { cluster: row.get("cluster")?, names_standby: !standbys.is_empty() }))
    }

    /// In a revisioned write: the position that this write will have. Elsewhere `0.0`.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether this is a revisioned write.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.position != NOWHERE
    }

    /// In a write: has something done once the commit has returned, before the caller is answered. Not if this write is refused or its
    /// commit is unsure. It must neither take long nor panic: the writer itself does it. For lines of the process's log.
    pub fn on_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        self.committed.push(Box::new(act));
    }

    /// In a write: lets other processes on this database know, when it is committed, that there is something to be read ([`crate::Rings`]).
    pub fn ring(&mut self) {
        self.rings = true;
    }

    /// Has the engine check a statement against the schema without running it. For the test that does so with all of them.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the engine does not accept it.
    pub async fn prepare(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.check()?;
        let prepared = match self.link() {
            Link::Sqlite(connection) => connection.prepare(sqlx::SqlStr::from_static(sql)).await.map(drop),
            Link::Postgres(connection) => connection.prepare(sqlx::SqlStr::from_static(sql)).await.map(drop),
        };
        self.note(prepared)
    }

    pub(crate) fn link(&mut self) -> Link<'_> {
        match &mut self.held {
            Held::SqliteReader(transaction) => Link::Sqlite(transaction),
            Held::SqliteWriter(connection) => Link::Sqlite(connection),
            Held::PostgresReader(transaction) => Link::Postgres(transaction),
            Held::PostgresWriter(writing) => Link::Postgres(&mut writing.connection),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Which engine this is on.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self.held {
            Held::SqliteReader(_) | Held::SqliteWriter(_) => Engine::Sqlite,
            Held::PostgresReader(_) | Held::PostgresWriter(_) => Engine::Postgres,
        }
    }

    pub(crate) fn note<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        let engine = self.engine();
        result.map_err(|error| {
            let sorted = error::sort(engine, &error);
            self.failed = Some(sorted.clone());
            sorted
        })
    }
}

/// What the writer does with a transaction.
impl Tx {
    /// Begins on a connection that writes.
    pub(crate) async fn begin_write(held: Held) -> Result<Self, StoreError> {
        let mut tx = Self::new(held);
        let begin = match tx.link() {
            Link::Sqlite(_) => "BEGIN IMMEDIATE",
            Link::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        };
        tx.control(begin).await?;
        Ok(tx)
    }

    /// A statement about the transaction itself, also when one of its jobs has failed.
    pub(crate) async fn control(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let done = match self.link() {
            Link::Sqlite(connection) => connection.execute(sql).await.map(drop),
            Link::Postgres(connection) => connection.execute(sql).await.map(drop),
        };
        self.note(done)
    }

    /// Starts a job's part: forgets the last one's, and takes a position.
    pub(crate) async fn begin_job(&mut self, (writes, raise): (Writes, Raise)) -> Result<(), StoreError> {
        self.failed = None;
        self.committed.clear();
        self.position = NOWHERE;
        if writes == Writes::Plain {
            return Ok(());
        }
        let statement = match (raise, self.link()) {
            (Raise::Anywhere, _) => "UPDATE revision SET n = n + 1 WHERE id = 1 RETURNING history, n",
            (Raise::WhereOpen(_), Link::Sqlite(_)) => "UPDATE revision SET n = n + 1 WHERE id = 1 AND shut_at IS NULL RETURNING history, n",
            (Raise::WhereOpen(Standby::AsItIs), Link::Postgres(_)) => postgres::RAISE,
            (Raise::WhereOpen(Standby::Required), Link::Postgres(_)) => postgres::RAISE_WITH_STANDBY,
        };
        let row = self.fetch_optional(statement, &[]).await?.ok_or(StoreError::Unavailable)?;
        self.position = Position { history: row.get("history")?, n: row.get("n")? };
        Ok(())
    }

    /// Begins another history, a later one than `at_least` too, and takes the first position in it: whatever was shut is open.
    pub(crate) async fn begin_history(&mut self, at_least: i64) -> Result<(), StoreError> {
        const BEGIN: &str = "UPDATE revision SET history = CASE WHEN history < $1 THEN $1 ELSE history + 1 END, n = n + 1, shut_at = NULL
            WHERE id = 1 RETURNING history, n";
        let row = self.fetch_one(BEGIN, &[at_least.into()]).await?;
        self.position = Position { history: row.get("history")?, n: row.get("n")? };
        Ok(())
    }

    /// Why this job cannot be kept, if one of its statements failed.
    pub(crate) fn failed(&mut self) -> Option<StoreError> {
        self.failed.take()
    }

    /// What this job wants done after the commit.
    pub(crate) fn take_on_commit(&mut self) -> Vec<OnCommit> {
        std::mem::take(&mut self.committed)
    }

    /// Commits, and rings if anybody asked for it. A commit that the server warns of is none: it may be on the primary alone.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        let done = match &mut self.held {
            Held::SqliteReader(_) | Held::SqliteWriter(_) | Held::PostgresReader(_) => return self.control("COMMIT").await,
            Held::PostgresWriter(writing) => {
                let Writing { connection, ear } = writing.as_mut();
                let text = if std::mem::take(&mut self.rings) { "NOTIFY keywright; COMMIT" } else { "COMMIT" };
                ear.listen(connection.execute(text)).await
            }
        };
        match done {
            (Ok(_), true) => {
                tracing::error!("the server warned of a commit: it may not have reached the standby, and is not taken for one");
                Err(StoreError::Unavailable)
            }
            (done, _) => self.note(done.map(drop)),
        }
    }

    /// After a commit: whether the server waited for a standby, as far as this session knows.
    pub(crate) async fn waits_for_standby(&mut self) -> Result<bool, StoreError> {
        Ok(self.fetch_one(postgres::WAITS, &[]).await?.get::<i64>("waits")? == 1)
    }

    /// The position of the snapshot that a reader has.
    pub(crate) async fn snapshot_position(&mut self) -> Result<Position, StoreError> {
        let row = self.fetch_one("SELECT history, n FROM revision WHERE id = 1", &[]).await?;
        Ok(Position { history: row.get("history")?, n: row.get("n")? })
    }

    /// The connection, after the commit.
    pub(crate) fn into_held(self) -> Held {
        self.held
    }
}
