//! Mail: what waits to be sent, and what became of it. What it says is sealed: links in it are secrets.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::Time;
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO outbox (id, kind, recipient, sealed, created_at, revision, sent_at, attempts, next_attempt_at, failed_at, failure)
        VALUES ($1, $2, $3, $4, $5, $6, NULL, 0, $5, NULL, '')";
    LIST_UNSENT = "SELECT id, kind, recipient, sealed, created_at, attempts, next_attempt_at, failed_at, failure FROM outbox
        WHERE sent_at IS NULL ORDER BY revision, id";
    FIND_DUE = "SELECT id FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= $1 LIMIT 1";
    LIST_DUE = "SELECT id, kind, recipient, sealed, created_at, attempts, next_attempt_at, failed_at, failure FROM outbox
        WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= $1 ORDER BY next_attempt_at, revision, id LIMIT $2";
    TAKE = "UPDATE outbox SET attempts = $2, next_attempt_at = $3 WHERE id = $1 AND sent_at IS NULL AND failed_at IS NULL";
    SEND = "UPDATE outbox SET sent_at = $2, sealed = $3, failure = '' WHERE id = $1 AND sent_at IS NULL";
    DEFER = "UPDATE outbox SET failure = $2 WHERE id = $1 AND sent_at IS NULL AND failed_at IS NULL";
    FAIL = "UPDATE outbox SET failed_at = $2, failure = $3 WHERE id = $1 AND sent_at IS NULL AND failed_at IS NULL";
    DELETE = "DELETE FROM outbox WHERE id = $1";
    COUNT_SINCE = "SELECT count(*) AS mail FROM outbox WHERE recipient = $1 AND kind = $2 AND created_at > $3";
    PRUNE = "DELETE FROM outbox WHERE id IN
        (SELECT id FROM outbox WHERE created_at < $1 AND (sent_at IS NOT NULL OR failed_at IS NOT NULL) ORDER BY created_at LIMIT $2)";
    FIND_OLD = "SELECT id FROM outbox WHERE created_at < $1 AND (sent_at IS NOT NULL OR failed_at IS NOT NULL) LIMIT 1";
}

/// A piece of mail to add.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMail {
    /// Its id.
    pub id: Uuid,
    /// What it is about, such as `invitation`.
    pub kind: &'static str,
    /// To whom.
    pub recipient: String,
    /// What it says, sealed.
    pub sealed: Vec<u8>,
    /// Now; it is due at once.
    pub created_at: Time,
}

/// One piece of mail that was not sent.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its id.
    pub id: Uuid,
    /// What it is about, such as `invitation`.
    pub kind: String,
    /// To whom.
    pub recipient: String,
    /// What it says, sealed.
    pub sealed: Vec<u8>,
    /// Since when it waits.
    pub created_at: Time,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again.
    pub next_attempt_at: Time,
    /// When it was given up.
    pub failed_at: Option<Time>,
    /// Why the last attempt failed; empty if none has.
    pub failure: String,
}

impl OutboxRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            kind: row.get("kind")?,
            recipient: row.get("recipient")?,
            sealed: row.get("sealed")?,
            created_at: row.get("created_at")?,
            attempts: row.get("attempts")?,
            next_attempt_at: row.get("next_attempt_at")?,
            failed_at: row.get("failed_at")?,
            failure: row.get("failure")?,
        })
    }
}

/// Adds one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, mail: &NewMail) -> Result<(), StoreError> {
    let values =
        [mail.id.into(), mail.kind.into(), mail.recipient.as_str().into(), mail.sealed.as_slice().into(), mail.created_at.into(), tx.position().n.into()];
    tx.execute_one(INSERT, &values).await
}

/// What waits or was given up, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_unsent(tx: &mut Tx) -> Result<Vec<OutboxRow>, StoreError> {
    tx.fetch_all(LIST_UNSENT, &[]).await?.iter().map(OutboxRow::read).collect()
}

/// Whether anything is to be sent now.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn is_due(tx: &mut Tx, now: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_DUE, &[now.into()]).await.map(|row| row.is_some())
}

/// What is to be sent now, as many as `most`; what has waited longest comes first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_due(tx: &mut Tx, now: Time, most: i64) -> Result<Vec<OutboxRow>, StoreError> {
    tx.fetch_all(LIST_DUE, &[now.into(), most.into()]).await?.iter().map(OutboxRow::read).collect()
}

/// Counts an attempt before it is made, and says when the next one would be.
///
/// # Errors
/// `NotFound` if it does not wait.
pub async fn take(tx: &mut Tx, id: Uuid, attempts: i64, next_attempt_at: Time) -> Result<(), StoreError> {
    tx.execute_one(TAKE, &[id.into(), attempts.into(), next_attempt_at.into()]).await
}

/// Notes that one was sent, and forgets what it said. Of one that is not there, or was noted, nothing.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn send(tx: &mut Tx, id: Uuid, now: Time) -> Result<(), StoreError> {
    const NOTHING: &[u8] = &[];
    tx.execute(SEND, &[id.into(), now.into(), NOTHING.into()]).await.map(|_| ())
}

/// Notes why an attempt failed that is followed by others.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn defer(tx: &mut Tx, id: Uuid, failure: &str) -> Result<(), StoreError> {
    tx.execute(DEFER, &[id.into(), failure.into()]).await.map(|_| ())
}

/// Gives one up.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn fail(tx: &mut Tx, id: Uuid, now: Time, failure: &str) -> Result<(), StoreError> {
    tx.execute(FAIL, &[id.into(), now.into(), failure.into()]).await.map(|_| ())
}

/// Removes one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    tx.execute(DELETE, &[id.into()]).await.map(|_| ())
}

/// How much mail of a kind somebody was written since a time, sent or not.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_since(tx: &mut Tx, recipient: &str, kind: &str, since: Time) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_SINCE, &[recipient.into(), kind.into(), since.into()]).await?.get("mail")
}

/// Whether there is mail of before a time that was sent or given up.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn has_old(tx: &mut Tx, before: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_OLD, &[before.into()]).await.map(|row| row.is_some())
}

/// Removes mail of before a time that was sent or given up, as much as `most`; answers how much.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn prune(tx: &mut Tx, before: Time, most: i64) -> Result<u64, StoreError> {
    tx.execute(PRUNE, &[before.into(), most.into()]).await
}
