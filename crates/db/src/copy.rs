//! All rows of a database into an empty one, on the same engine or the other.
//!
//! The source is held by one transaction from the first row that is read to the end, so that nothing changes meanwhile. It is read twice: for
//! counts and digests, which say what the source is, and to be copied; then the copy is read back. The target has a mark from before the first
//! row to behind the last check, in the table of migrations, where every release looks first. There is nothing else to remember: rows go in by
//! the order of their keys, so that the last key there says how far it has come (`docs/decisions/0027-moving-between-engines.md`).

mod rows;
mod schema;
mod statements;

pub use schema::LeftOut;

use crate::{
    BoxFuture, Committed, Db, Engine, Location, Migration, OpenError, StoreError, Tx, Value, Writes,
    migrate::{UNFINISHED, newest},
    sqlite,
    tx::Held,
    whole::{self, Access, Look, Whole},
};
use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt as _;
use schema::Table;
use sqlx::{ConnectOptions as _, SqliteConnection};

/// Rows of one transaction, for whoever has no reason for another number.
pub const BATCH: usize = 4_000;
/// A transaction ends earlier if its rows take so much memory.
const BATCH_BYTES: usize = 4 << 20;

/// Why a database is not copied; one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the two does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// One of the two does not answer.
    #[error("{0} on the way; what is copied stays: run the same command again, which goes on where it stopped")]
    Store(#[from] StoreError),
    /// There are no tables.
    #[error("there is no database of ours in the source")]
    Nothing,
    /// Migrations are missing.
    #[error("the source has schema version {found}, and this program's is {known}: run `keywright db migrate` on it first")]
    OldSource {
        /// In the source.
        found: i64,
        /// The newest one.
        known: i64,
    },
    /// The source is itself an unfinished copy.
    #[error("the source is itself a copy that is not finished")]
    UnfinishedSource,
    /// There is something in the target.
    #[error("the target is not empty: there are rows in its table {0}; name another one, or move away what is there")]
    Occupied(String),
    /// The copy that was begun is one of something else.
    #[error("the target is an unfinished copy of another database, or of this one before it was changed: empty it, and copy from the beginning")]
    OtherCopy,
    /// Somebody else copies into the target.
    #[error("another copy into this target runs")]
    BusyTarget,
    /// PostgreSQL has no place for it.
    #[error("PostgreSQL cannot hold the character NUL, and there is one in a row of {table}, column {column}: change that row first")]
    Nul {
        /// Where.
        table: String,
        /// Where there.
        column: String,
    },
    /// The target's characters.
    #[error("the target's encoding is {0}: make its database with ENCODING 'UTF8'")]
    Encoding(String),
    /// What was written is not what is there.
    #[error("the copy is not the same as the source in its table {0}; it is not used: empty the target, and copy from the beginning")]
    Differs(String),
    /// The schema has something that this does not know.
    #[error("the schema cannot be copied: {0}")]
    Unknown(String),
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The source is read, and its digests are made.
    Reading,
    /// Rows are copied.
    Copying,
    /// The copy is read back.
    Checking,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is being done.
    pub step: Step,
    /// With which table.
    pub table: &'a str,
    /// Rows of all tables that this step is done with.
    pub rows: u64,
    /// How many there are; unknown while the source is read.
    pub of: Option<u64>,
}

/// Hears how far it is: after every transaction, and now and then while something is read.
pub type Told<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// A table of the source, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDigest {
    /// Its name.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over all of them in the order of their keys.
    pub sha256: [u8; 32],
}

/// Where a copy comes from: nobody else writes to it as long as this lives.
pub struct Origin {
    whole: Whole,
    tables: Vec<Table>,
    migrations: Vec<Migration>,
    left_out: LeftOut,
    read: Vec<TableDigest>,
}

impl Origin {
    /// Takes hold of a database. It must have this program's schema.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn hold(location: &Location, migrations: &[Migration], left_out: LeftOut) -> Result<Self, CopyError> {
        let known = newest(migrations);
        let look = Whole::open(&location.as_it_is(), Access::Look).await?.look().await?;
        match look.schema {
            _ if look.unfinished.is_some() => return Err(CopyError::UnfinishedSource),
            None => return Err(CopyError::Nothing),
            Some(found) if found < known => return Err(CopyError::OldSource { found, known }),
            Some(found) if known < found => return Err(OpenError::NewerVersion { found, known }.into()),
            Some(_) => {}
        }
        let tables = schema::without(schema::tables(&mut schema::fresh(migrations).await?).await?, left_out);
        let mut whole = Whole::open(&location.as_it_is(), Access::Hold).await?;
        // Before anything is read: the snapshot is of the moment when nobody writes any more.
        if whole.tx.engine() == Engine::Postgres {
            rows::execute(&mut whole.tx, statements::lock(&tables)).await.map_err(|error| match error {
                StoreError::Busy => OpenError::Busy.into(),
                StoreError::NotFound | StoreError::Conflict { .. } | StoreError::Unavailable | StoreError::Corrupt => CopyError::Store(error),
            })?;
        }
        let tables = schema::as_there(&tables, &mut whole.tx).await?;
        Ok(Self { whole, tables, migrations: migrations.to_vec(), left_out, read: Vec::new() })
    }

    /// The transaction that holds it.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.whole.tx
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn read(&mut self, told: Told<'_>) -> Result<(), CopyError> {
        self.read = digests(&mut self.whole.tx, &self.tables, None, (Step::Reading, told)).await?;
        Ok(())
    }

    /// What was read.
    #[must_use]
    pub fn tables(&self) -> &[TableDigest] {
        &self.read
    }

    /// Commits what was done in the transaction that holds it, and lets go.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the commit is unsure.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.whole.commit(()).await.map(drop)
    }

    fn rows(&self) -> u64 {
        self.read.iter().map(|table| table.rows).sum()
    }
}

/// The digest of all digests.
#[must_use]
pub fn digest_of(tables: &[TableDigest]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for table in tables {
        context.update(table.table.as_bytes());
        context.update(&[0]);
        context.update(&table.rows.to_be_bytes());
        context.update(&table.sha256);
    }
    rows::fixed(context)
}

async fn digests(tx: &mut Tx, tables: &[Table], of: Option<u64>, (step, told): (Step, Told<'_>)) -> Result<Vec<TableDigest>, CopyError> {
    let (mut read, mut done) = (Vec::new(), 0);
    for table in tables {
        let mut each = |rows| told(Progress { step, table: &table.name, rows: done + rows, of });
        let (rows, sha256) = rows::digest(tx, table, &mut each).await?;
        done += rows;
        read.push(TableDigest { table: table.name.clone(), rows, sha256 });
    }
    Ok(read)
}

/// The first table in which two databases differ.
fn first_difference(one: &[TableDigest], other: &[TableDigest]) -> Option<String> {
    one.iter().zip(other).find(|(one, other)| one != other).map(|(one, _)| one.table.clone())
}

/// Where a copy goes. As long as it is not finished, nobody opens it.
pub struct Target {
    held: Option<Held>,
    tables: Vec<Table>,
    of: [u8; 32],
}

/// How a target was found.
pub enum Begun {
    /// Empty until now, or as an earlier copy of the same left it.
    Target(Target),
    /// It has all rows already, and no mark.
    Same,
}

impl Target {
    /// Prepares an empty database, which is brought to this program's schema, or goes on with an unfinished copy of the same source.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn begin(location: &Location, origin: &Origin) -> Result<Begun, CopyError> {
        let of = digest_of(&origin.read);
        let (target, mark) = Self::open(location, &origin.migrations, (origin.left_out, of)).await?;
        match mark {
            Some(mark) if mark == of => Ok(Begun::Target(target)),
            Some(_) => Err(CopyError::OtherCopy),
            None => target.mark(origin).await,
        }
    }

    /// Takes up a copy that has all rows, and whose source was changed by nothing but the word that it was copied.
    ///
    /// # Errors
    /// [`CopyError::OtherCopy`] if it is another one, or finished; and the others.
    pub async fn resume(location: &Location, migrations: &[Migration], (left_out, of): (LeftOut, [u8; 32])) -> Result<Self, CopyError> {
        // Before anything is made in what may be somebody else's.
        let look = Self::look(location).await?;
        if look.and_then(|look| look.unfinished).is_none_or(|mark| mark != of) {
            return Err(CopyError::OtherCopy);
        }
        match Self::open(location, migrations, (left_out, of)).await? {
            (target, Some(mark)) if mark == of => Ok(target),
            _ => Err(CopyError::OtherCopy),
        }
    }

    /// How it is; `None` if it is not there yet.
    async fn look(location: &Location) -> Result<Option<Look>, CopyError> {
        let is_new = matches!(location, Location::Sqlite { path } if !path.exists());
        Ok(if is_new { None } else { Some(Whole::open(location, Access::Look).await?.look().await?) })
    }

    async fn open(location: &Location, migrations: &[Migration], (left_out, of): (LeftOut, [u8; 32])) -> Result<(Self, Option<Vec<u8>>), CopyError> {
        let look = Self::look(location).await?;
        let mark = look.as_ref().and_then(|look| look.unfinished.clone());
        if mark.is_none() {
            Db::open(location, Writes::Plain, migrations).await?.close().await;
        } else if let Some(found) = look.and_then(|look| look.schema).filter(|found| *found != newest(migrations)) {
            // Begun by another release: neither is it finished, nor migrated.
            tracing::warn!(found, "the copy was begun by another release");
            return Err(CopyError::OtherCopy);
        }
        let held = match location {
            Location::Sqlite { path } => {
                let connection: SqliteConnection = sqlite::writing(path).connect().await.map_err(|error| sqlite::explain(path, &error))?;
                Held::SqliteWriter(connection)
            }
            Location::Postgres { url, schema, .. } => Held::writer(whole::connect(url, schema.as_deref()).await?),
        };
        let tables = schema::without(schema::tables(&mut schema::fresh(migrations).await?).await?, left_out);
        let mut target = Self { held: Some(held), tables, of };
        let tables = target.tables.clone();
        let tables = target.transaction(async |tx| {
            keep_to_oneself(tx).await?;
            schema::as_there(&tables, tx).await
        });
        target.tables = tables.await?;
        Ok((target, mark))
    }

    /// Sets the mark, if there is nothing in the target but what migrations put there; that goes.
    async fn mark(mut self, origin: &Origin) -> Result<Begun, CopyError> {
        let mut fresh = schema::fresh(&origin.migrations).await?;
        // Also of what is left out.
        let all = schema::tables(&mut fresh).await?;
        let new = digests(&mut fresh, &all, None, (Step::Reading, &mut |_| {})).await?;
        let (of, kept) = (self.of, self.tables.clone());
        let same = self.transaction(async |tx| {
            if tx.engine() == Engine::Postgres {
                rows::execute(tx, statements::lock(&all)).await?;
            }
            let there = schema::as_there(&all, tx).await?;
            let found = digests(tx, &there, None, (Step::Reading, &mut |_| {})).await?;
            if let Some(table) = first_difference(&found, &new) {
                let found = digests(tx, &kept, None, (Step::Reading, &mut |_| {})).await?;
                return if digest_of(&found) == of { Ok(true) } else { Err(CopyError::Occupied(table)) };
            }
            for table in there.iter().rev() {
                rows::execute(tx, statements::empty(table)).await?;
            }
            const MARK: &str = "INSERT INTO schema_migrations (version, description, success, checksum, execution_time)
                VALUES ($1, 'a copy that is not finished', false, $2, 0)";
            tx.execute_one(MARK, &[UNFINISHED.into(), of.to_vec().into()]).await?;
            Ok(false)
        });
        Ok(if same.await? { Begun::Same } else { Begun::Target(self) })
    }

    /// Copies what is not there yet, so many rows a transaction.
    ///
    /// # Errors
    /// [`CopyError`]; what was committed stays.
    pub async fn fill(&mut self, origin: &mut Origin, batch: usize, told: Told<'_>) -> Result<(), CopyError> {
        let (of, mut done) = (Some(origin.rows()), 0);
        let engine = origin.whole.tx.engine();
        for (from, to) in origin.tables.iter().zip(self.tables.clone()) {
            let mut tell = |rows| told(Progress { step: Step::Copying, table: &to.name, rows, of });
            done += self.count(&to).await?;
            tell(done);
            for part in statements::parts(from) {
                let last = self.last_key(&to, &part).await?;
                let key = last.iter().flatten().cloned().zip(from.key()).map(|(value, column)| rows::convert(value, column.kind));
                let key: Vec<Value> = key.collect::<Result<_, _>>()?;
                let sql = statements::read(from, &part, if last.is_some() { statements::From::Key } else { statements::From::Start }, engine);
                let mut stream = rows::stream(&mut origin.whole.tx, sql, &key);
                let (mut waiting, mut weight) = (Vec::new(), 0);
                while let Some(row) = stream.try_next().await? {
                    let values = rows::values(&row, &from.columns)?.into_iter().zip(&to.columns);
                    let values = values.map(|(value, column)| rows::convert(value, column.kind)).collect::<Result<Vec<_>, _>>()?;
                    weight += values.iter().map(rows::weight).sum::<usize>();
                    waiting.push(values);
                    if waiting.len() >= batch || weight >= BATCH_BYTES {
                        done += self.insert(&to, std::mem::take(&mut waiting)).await?;
                        weight = 0;
                        tell(done);
                    }
                }
                done += self.insert(&to, waiting).await?;
                tell(done);
            }
        }
        Ok(())
    }

    async fn count(&mut self, table: &Table) -> Result<u64, CopyError> {
        let sql = statements::count(table);
        let counted = self.transaction(async |tx| {
            let row = rows::stream(tx, sql, &[]).try_next().await?.ok_or(StoreError::Corrupt)?;
            Ok(row.get::<i64>("count")?)
        });
        Ok(u64::try_from(counted.await?).unwrap_or_default())
    }

    async fn last_key(&mut self, table: &Table, part: &str) -> Result<Option<Vec<Value>>, CopyError> {
        self.transaction(async |tx| {
            let sql = statements::last_key(table, part, tx.engine());
            let row = rows::stream(tx, sql, &[]).try_next().await?;
            Ok(row.map(|row| rows::values(&row, table.key())).transpose()?)
        })
        .await
    }

    async fn insert(&mut self, table: &Table, waiting: Vec<Vec<Value>>) -> Result<u64, CopyError> {
        let count = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        if count > 0 {
            self.transaction(async |tx| rows::insert(tx, table, waiting).await).await?;
        }
        Ok(count)
    }

    /// Reads all of it back, and compares it with what it is to be a copy of.
    ///
    /// # Errors
    /// [`CopyError::Differs`] with the first table that is not the same, if `source` is known by tables; and the others.
    pub async fn check(&mut self, source: &[TableDigest], told: Told<'_>) -> Result<Vec<TableDigest>, CopyError> {
        let tables = self.tables.clone();
        let of = source.iter().map(|table| table.rows).reduce(|sum, rows| sum + rows);
        let found = self.transaction(async |tx| digests(tx, &tables, of, (Step::Checking, told)).await).await?;
        if digest_of(&found) == self.of {
            return Ok(found);
        }
        let table = first_difference(source, &found).unwrap_or_else(|| "(which one is not known any more)".to_owned());
        Err(CopyError::Differs(table))
    }

    /// Takes the mark away. In a revisioned database another history begins with it, a later one than `at_least`; `f` says what else belongs
    /// to it. All of this is one transaction.
    ///
    /// # Errors
    /// What `f` returns, and the copy stays unfinished; [`StoreError::Unavailable`] if the commit is unsure.
    pub async fn finish<T, E, F>(mut self, at_least: Option<i64>, f: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        let mut tx = Tx::begin_write(self.held.take().ok_or(StoreError::Unavailable)?).await?;
        if let Some(at_least) = at_least {
            tx.begin_history(at_least).await?;
        }
        let value = f(&mut tx).await?;
        tx.execute_one("DELETE FROM schema_migrations WHERE version = $1", &[UNFINISHED.into()]).await?;
        Whole { tx }.commit(value).await.map_err(E::from)
    }

    async fn transaction<T>(&mut self, f: impl AsyncFnOnce(&mut Tx) -> Result<T, CopyError>) -> Result<T, CopyError> {
        let mut tx = Tx::begin_write(self.held.take().ok_or(StoreError::Unavailable)?).await?;
        let value = f(&mut tx).await?;
        if let Some(failed) = tx.failed() {
            return Err(failed.into());
        }
        tx.commit().await?;
        self.held = Some(tx.into_held());
        Ok(value)
    }
}

/// On a server: only one copy into a target at a time, for as long as its connection lives; and a database that can hold all characters. A
/// file is held by the lock of its folder.
async fn keep_to_oneself(tx: &mut Tx) -> Result<(), CopyError> {
    // The connection of a process that was killed may take a moment to go, as long as it is waited for a lock.
    const LOCK: &str = "SELECT pg_advisory_lock(1262830169, hashtext(current_schema()))::text AS taken, current_setting('server_encoding') AS encoding";
    if tx.engine() == Engine::Sqlite {
        return Ok(());
    }
    let locked = tx.fetch_one(LOCK, &[]).await;
    let encoding: String = locked.map_err(|error| if error == StoreError::Busy { CopyError::BusyTarget } else { error.into() })?.get("encoding")?;
    if encoding == "UTF8" { Ok(()) } else { Err(CopyError::Encoding(encoding)) }
}
