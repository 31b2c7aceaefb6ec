//! The log of changes: what whoever remembers something has to forget.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{Position, Time};
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO changes (history, n, ordinal, kind, subject, bits)
        VALUES ($1, $2, (SELECT COALESCE(MAX(ordinal), -1) + 1 FROM changes WHERE history = $1 AND n = $2), $3, $4, $5)";
    LIST_AFTER = "SELECT history, n, kind, subject, bits FROM changes WHERE history > $1 OR (history = $1 AND n > $2) ORDER BY history, n, ordinal";
    LIST_AT = "SELECT history, n, kind, subject, bits FROM changes WHERE history = $1 AND n = $2 ORDER BY ordinal";
    FIND_LAST_OF_SIGNING_KEYS = "SELECT history, n FROM changes WHERE kind = 'signing-keys' ORDER BY history DESC, n DESC LIMIT 1";
    FIND_CLUSTER = "SELECT cluster, shut_at, forked_history, forked_n FROM revision WHERE id = 1";
    NOTE_CLUSTER = "UPDATE revision SET cluster = $1 WHERE id = 1 AND cluster IS NULL";
    BEGIN_HISTORY = "UPDATE revision SET cluster = $2, shut_at = COALESCE($3, shut_at),
            forked_history = CASE WHEN $4 = 1 AND shut_at IS NULL AND EXISTS (SELECT 1 FROM replicas) THEN history END,
            forked_n = CASE WHEN $4 = 1 AND shut_at IS NULL AND EXISTS (SELECT 1 FROM replicas) THEN n END,
            history = CASE WHEN history < $5 THEN $5 ELSE history + 1 END
        WHERE id = 1 AND cluster = $1";
    ALL_OWE = "UPDATE replicas SET owes = 1";
    NONE_OWE = "UPDATE replicas SET owes = 0";
    OPEN = "UPDATE revision SET cluster = $1, shut_at = NULL, forked_history = NULL, forked_n = NULL WHERE id = 1";
    OPEN_ANOTHER = "UPDATE revision SET shut_at = NULL, forked_history = NULL, forked_n = NULL, history = history + 1
        WHERE id = 1 AND cluster = $1 AND forked_history = $2 AND forked_n = $3 AND NOT EXISTS (SELECT 1 FROM replicas WHERE owes <> 0)";
    SHUT = "UPDATE revision SET n = n + 1, shut_at = $1 WHERE id = 1 AND shut_at IS NULL";
    CLEAR_SHUT = "UPDATE revision SET shut_at = NULL, forked_history = NULL, forked_n = NULL WHERE id = 1";
    POSITION = "SELECT history, n FROM revision WHERE id = 1";
}

/// What a change is about. The subject's id says which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// One key: anything about it or its grants.
    Key,
    /// An organization: what is in it and below it.
    Organization,
    /// A user: everything of his.
    User,
    /// The catalog; the subject means nothing.
    Catalog,
    /// The signing keys; the subject means nothing.
    SigningKeys,
}

impl ChangeKind {
    const ALL: [Self; 5] = [Self::Key, Self::Organization, Self::User, Self::Catalog, Self::SigningKeys];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Organization => "organization",
            Self::User => "user",
            Self::Catalog => "catalog",
            Self::SigningKeys => "signing-keys",
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When, in the order of changes.
    pub position: Position,
    /// What it is about.
    pub kind: ChangeKind,
    /// Which one.
    pub subject: Uuid,
    /// The status indices that it ended.
    pub bits: Vec<i64>,
}

/// Appends a line to the change that `tx` is. `bits` are the status indices that it ends.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, kind: ChangeKind, subject: Uuid, bits: &[i64]) -> Result<(), StoreError> {
    let position = tx.position();
    let bits = bits.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    tx.execute_one(INSERT, &[position.history.into(), position.n.into(), kind.as_str().into(), subject.into(), bits.into()]).await
}

/// Everything after a position, in order.
///
/// # Errors
/// `Corrupt` for a kind of change that this program does not know: it must not guess what to forget.
pub async fn list_after(tx: &mut Tx, after: Position) -> Result<Vec<Change>, StoreError> {
    tx.fetch_all(LIST_AFTER, &[after.history.into(), after.n.into()]).await?.iter().map(read).collect()
}

/// The lines of one change.
///
/// # Errors
/// As [`list_after`].
pub async fn list_at(tx: &mut Tx, position: Position) -> Result<Vec<Change>, StoreError> {
    tx.fetch_all(LIST_AT, &[position.history.into(), position.n.into()]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Change, StoreError> {
    let (kind, bits): (String, String) = (row.get("kind")?, row.get("bits")?);
    let kind = ChangeKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or(StoreError::Corrupt)?;
    let bits = bits.split_ascii_whitespace().map(|bit| bit.parse().map_err(|_| StoreError::Corrupt)).collect::<Result<_, _>>()?;
    Ok(Change { position: Position { history: row.get("history")?, n: row.get("n")? }, kind, subject: row.get("subject")?, bits })
}

/// The position of the last change to signing keys; before the first one `0.0`.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_last_of_signing_keys(tx: &mut Tx) -> Result<Position, StoreError> {
    match tx.fetch_optional(FIND_LAST_OF_SIGNING_KEYS, &[]).await? {
        Some(row) => Ok(Position { history: row.get("history")?, n: row.get("n")? }),
        None => Ok(Position { history: 0, n: 0 }),
    }
}

/// Where a history is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The server and its timeline, as they were when the history began; `None` before anybody noted it.
    pub name: Option<String>,
    /// Since when nothing is answered.
    pub shut_at: Option<Time>,
    /// How far the database was when the history began that is shut, if replicas may know what came behind it elsewhere.
    pub forked: Option<Position>,
}

/// How another history begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// Open: whatever was acknowledged is here.
    Open,
    /// Shut since a moment, and replicas may know what is missing.
    ShutForReplicas(Time),
    /// Shut since a moment.
    Shut(Time),
}

/// Where the history is.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_cluster(tx: &mut Tx) -> Result<Cluster, StoreError> {
    let row = tx.fetch_one(FIND_CLUSTER, &[]).await?;
    let (history, n): (Option<i64>, Option<i64>) = (row.get("forked_history")?, row.get("forked_n")?);
    let forked = history.zip(n).map(|(history, n)| Position { history, n });
    Ok(Cluster { name: row.get("cluster")?, shut_at: row.get("shut_at")?, forked })
}

/// Notes where the history is, if nobody has.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn note_cluster(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    tx.execute(NOTE_CLUSTER, &[name.into()]).await.map(|_| ())
}

/// Begins a history elsewhere, a later one than the clock's second tells; `false` if somebody else did. Shut, nothing is answered in it until
/// it is opened; a second one that begins while the first is shut is nothing that replicas could make up for.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn begin_history(tx: &mut Tx, (from, to): (&str, &str), begins: Begins, now: Time) -> Result<bool, StoreError> {
    let (shut_at, by_replicas) = match begins {
        Begins::Open => (None, 0),
        Begins::ShutForReplicas(at) => (Some(at), 1),
        Begins::Shut(at) => (Some(at), 0),
    };
    let values = [from.into(), to.into(), shut_at.into(), by_replicas.into(), now.as_seconds().into()];
    let has_begun = tx.execute(BEGIN_HISTORY, &values).await? == 1;
    if has_begun && by_replicas == 1 {
        tx.execute(ALL_OWE, &[]).await?;
    }
    Ok(has_begun)
}

/// Opens a history, where it is.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn open(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    tx.execute_one(OPEN, &[name.into()]).await?;
    tx.execute(NONE_OWE, &[]).await.map(drop)
}

/// Opens another history behind one that is shut since it was forked at a position; `false` if that one is another, or some replica owes yet
/// what it knows.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn open_another(tx: &mut Tx, name: &str, forked: Position) -> Result<bool, StoreError> {
    Ok(tx.execute(OPEN_ANOTHER, &[name.into(), forked.history.into(), forked.n.into()]).await? == 1)
}

/// Shuts a history: nothing is answered in it until it is opened.
///
/// # Errors
/// `NotFound` if it is shut already.
pub async fn shut(tx: &mut Tx, now: Time) -> Result<(), StoreError> {
    tx.execute_one(SHUT, &[now.into()]).await
}

/// Opens a history in a file, which is on no server.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn clear_shut(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute_one(CLEAR_SHUT, &[]).await
}

/// The position of this snapshot.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn position(tx: &mut Tx) -> Result<Position, StoreError> {
    let row = tx.fetch_one(POSITION, &[]).await?;
    Ok(Position { history: row.get("history")?, n: row.get("n")? })
}
