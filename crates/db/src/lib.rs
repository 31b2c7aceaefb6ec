//! The one room that names a database engine: transactions, gathered writes and migrations over SQLite and PostgreSQL.
//!
//! The SQL of the callers is one text for both engines, with `$1` placeholders. Beneath it lie the two native drivers, and
//! here is all in which they differ: connecting, types, transactions, errors.
//!
//! - [`Db::read`] gives one snapshot, read only, on one of several connections.
//! - [`Db::write`] is the only way to write: one queue and one writing connection per [`Db`], see [`Writes`].
//! - A statement that fails dooms its transaction on both engines (on PostgreSQL it does so anyway): later statements
//!   answer with the same error, and a write is rolled back whatever its closure returns. Where a conflict is expected
//!   and survivable, say `ON CONFLICT` in the SQL.
//!
//! Migrations declare no `DEFERRABLE` constraint: it would be checked at the commit, which gathered writes share.

/// Defines the statements of one file and the list of them (`STATEMENTS`), so that a test can prepare each on both engines.
#[macro_export]
macro_rules! statements {
    ($($(#[$attribute:meta])* $name:ident = $sql:expr;)+) => {
        $(const $name: &str = $sql;)+

        /// Every statement of this file.
        pub const STATEMENTS: &[&str] = &[$($name),+];
    };
}

mod aside;
pub mod copy;
mod error;
mod migrate;
mod notice;
mod postgres;
mod rings;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod value;
mod whole;
mod write;

pub use aside::Aside;
pub use error::{OpenError, StoreError};
pub use futures_util::future::BoxFuture;
pub use migrate::Migration;
pub use rings::Rings;
pub use tx::{Server, Tx};
pub use value::{Column, Row, Value};
pub use whole::{Access, Look, Whole, newest_version};

use keywright_protocol::Position;
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tx::{Pool, Raise, Source};
use write::Queue;

/// Where a database is.
#[derive(Clone)]
pub enum Location {
    /// A file, made (readable by its owner alone) if it is missing; its folder must exist.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A database on a PostgreSQL server.
    Postgres {
        /// `postgres://user:password@host:port/database?sslmode=verify-full`.
        url: String,
        /// The schema that holds the tables, made if it is missing; `None` leaves the server's default.
        schema: Option<String>,
        /// Whether a commit must reach a standby before it counts: refused where the server names no synchronous one.
        standby: Standby,
    },
}

/// What a PostgreSQL server must have besides its own disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standby {
    /// Nothing.
    AsItIs,
    /// A synchronous standby, all the time.
    Required,
}

/// How the writes of one database hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Every write first raises the single row of table `revision` (`id = 1`, columns `history` and `n`). The lock on that
    /// row makes writes happen one by one, across all processes; and whoever has seen `n` has seen all below.
    ///
    /// Where the row says that the history is shut (`shut_at`), or names another server or timeline (`cluster`) than the one that is written
    /// to, nothing is written: a number that was given there may be given here to something else. That is [`StoreError::Unavailable`],
    /// except for [`Db::write_though_shut`].
    Revisioned,
    /// Writes have no position and exclude each other only as far as the engine makes them.
    Plain,
}

/// The two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file and one process.
    Sqlite,
    /// A server, 15 or newer, for one process or several.
    Postgres,
}

/// What a write gave, after its commit returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the closure returned.
    pub value: T,
    /// The position of this write; `0.0` with [`Writes::Plain`].
    pub position: Position,
}

/// Writes what a SQLite database holds at one moment into a new file, which only its owner can read. Others may go on writing
/// meanwhile, also in other processes; the file that they write to is not touched.
///
/// # Errors
/// [`OpenError`] about either file.
pub async fn copy_sqlite(from: &std::path::Path, to: &std::path::Path) -> Result<(), OpenError> {
    sqlite::copy(from, to).await
}

/// A database: cheap to clone, shared by all clones.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    readers: Pool,
    queue: Queue,
    source: Source,
    /// What is older is not read any more.
    floor: RwLock<Option<Position>>,
    standby: Standby,
}

/// A snapshot that nobody has come to an end with by now is given up: a file may be on a slow disk, a server may be gone without a word.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT_OF_SERVER: Duration = Duration::from_secs(3);

impl Db {
    /// Connects, checks that the engine is new enough and keeps what it commits, and runs the `migrations` that are missing.
    /// Must be called within a tokio runtime, on which the writer then lives.
    ///
    /// # Errors
    /// [`OpenError`], each a sentence for the person who starts the service.
    pub async fn open(location: &Location, writes: Writes, migrations: &[Migration]) -> Result<Self, OpenError> {
        let (readers, source, connection) = match location {
            Location::Sqlite { path } => sqlite::open(path, migrations).await?,
            Location::Postgres { url, schema, standby } => postgres::open(url, (schema.as_deref(), *standby), migrations).await?,
        };
        let standby = match location {
            Location::Sqlite { .. } => Standby::AsItIs,
            Location::Postgres { standby, .. } => *standby,
        };
        let queue = Queue::start(source.clone(), connection, (writes, standby));
        Ok(Self { inner: Arc::new(Inner { readers, queue, source, floor: RwLock::default(), standby }) })
    }

    /// Runs `f` on one snapshot, read only: all its statements see the same state.
    ///
    /// # Errors
    /// What `f` returns; [`StoreError::Busy`] or [`StoreError::Unavailable`] if no connection is to be had, if it takes too long, or if
    /// the snapshot lies below the floor ([`Db::raise_floor`]) or in another history.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        self.read_where(|snapshot, floor| floor <= snapshot && floor.history == snapshot.history, f).await
    }

    /// The same, also in a later history than the floor's: for whoever is to go on with that one.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read_of_any_history<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        self.read_where(|snapshot, floor| floor <= snapshot, f).await
    }

    async fn read_where<T, E, F>(&self, is_good: fn(Position, Position) -> bool, f: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        let read = async {
            let mut tx = self.inner.readers.begin_read().await?;
            let floor = *self.inner.floor.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(floor) = floor {
                let snapshot = tx.snapshot_position().await?;
                if !is_good(snapshot, floor) {
                    tracing::warn!(%floor, %snapshot, "a server answered from before what is known here, or in another history: an old primary that is still there?");
                    return Err(StoreError::Unavailable.into());
                }
            }
            // Dropping the transaction ends it, without a round trip that anybody would wait for.
            f(&mut tx).await
        };
        let patience = match self.engine() {
            Engine::Sqlite => READ_TIMEOUT,
            Engine::Postgres => READ_TIMEOUT_OF_SERVER,
        };
        match tokio::time::timeout(patience, read).await {
            Ok(done) => done,
            Err(_late) => Err(StoreError::Unavailable.into()),
        }
    }

    /// From here on nothing is read that is older than a position: a connection may lead to a server that others have left behind.
    /// For [`Writes::Revisioned`] on a server; lower than before, it changes nothing.
    pub fn raise_floor(&self, position: Position) {
        if self.engine() == Engine::Postgres {
            let mut floor = self.inner.floor.write().unwrap_or_else(PoisonError::into_inner);
            *floor = Some(floor.map_or(position, |known| known.max(position)));
        }
    }

    /// A connection of its own, on which small transactions neither wait for writes nor are gathered with them. `None` on SQLite,
    /// where there is one writer.
    #[must_use]
    pub fn aside(&self) -> Option<Aside> {
        (self.engine() == Engine::Postgres).then(|| Aside::new(self.inner.source.clone()))
    }

    /// Hears when others have written ([`Tx::ring`]); on SQLite there are no others.
    #[must_use]
    pub fn rings(&self) -> Rings {
        Rings::new(&self.inner.source)
    }

    /// Runs `f` in the next transaction of the writer and returns once its commit is durable.
    ///
    /// Writes that wait are gathered, each under a savepoint of its own: one that fails (an error, a panic) is rolled back
    /// alone. If the caller goes away after the write was queued, it runs all the same. `f` should do nothing but talk to
    /// the database, since all other writes wait meanwhile; a [`Db::write`] inside of it would wait for itself.
    ///
    /// # Errors
    /// What `f` returns; [`StoreError::Corrupt`] if it panicked; [`StoreError::Unavailable`] if the commit is unsure (it may
    /// have happened), the engine cannot be reached, or the database is closed.
    pub async fn write<T, E, F>(&self, f: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.queue.submit(f, Raise::WhereOpen(self.inner.standby)).await
    }

    /// The same, also where the history is shut or on another server: for what makes up for it and opens it again.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write_though_shut<T, E, F>(&self, f: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.queue.submit(f, Raise::Anywhere).await
    }

    /// Which engine this is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.inner.readers.engine()
    }

    /// Whether a commit must have reached a standby.
    #[must_use]
    pub fn standby(&self) -> Standby {
        self.inner.standby
    }

    /// A trivial read, for readiness.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|tx| Box::pin(async move { tx.fetch_one("SELECT 1 AS one", &[]).await.map(|_| ()) })).await
    }

    /// Waits for running reads and queued writes, then closes all connections. Afterwards reads and writes are
    /// [`StoreError::Unavailable`]. A SQLite database is left as one file, without a write-ahead log.
    pub async fn close(&self) {
        // Readers first: the writer's last checkpoint needs the log to itself.
        self.inner.readers.close().await;
        self.inner.queue.close().await;
    }
}
