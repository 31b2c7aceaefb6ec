//! Requests that are not to be carried out twice.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::{Position, Time};

statements! {
    FORGET = "DELETE FROM idempotency_keys WHERE expires_at <= $1";
    FIND = "SELECT fingerprint, history, n, answer FROM idempotency_keys WHERE actor = $1 AND key = $2";
    INSERT = "INSERT INTO idempotency_keys (actor, key, fingerprint, history, n, answer, expires_at) VALUES ($1, $2, $3, $4, $5, NULL, $6)";
    KEEP_ANSWER = "UPDATE idempotency_keys SET answer = $3 WHERE actor = $1 AND key = $2 AND answer IS NULL";
}

/// A request that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedOutRow {
    /// What it was.
    pub fingerprint: Vec<u8>,
    /// The position of its change.
    pub position: Position,
    /// What was answered; `None` if that was not kept.
    pub answer: Option<String>,
}

/// Forgets those whose day is over.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn forget(tx: &mut Tx, now: Time) -> Result<(), StoreError> {
    tx.execute(FORGET, &[now.into()]).await.map(|_| ())
}

/// One by its actor and key.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, actor: &str, key: &str) -> Result<Option<CarriedOutRow>, StoreError> {
    let row = tx.fetch_optional(FIND, &[actor.into(), key.into()]).await?;
    row.map(|row| {
        let position = Position { history: row.get("history")?, n: row.get("n")? };
        Ok(CarriedOutRow { fingerprint: row.get("fingerprint")?, position, answer: row.get("answer")? })
    })
    .transpose()
}

/// Notes that one is carried out in this transaction.
///
/// # Errors
/// `Conflict` if it was before.
pub async fn insert(tx: &mut Tx, (actor, key): (&str, &str), fingerprint: &[u8; 32], expires_at: Time) -> Result<(), StoreError> {
    let Position { history, n } = tx.position();
    let values = [actor.into(), key.into(), fingerprint.as_slice().into(), history.into(), n.into(), expires_at.into()];
    tx.execute_one(INSERT, &values).await
}

/// Keeps what was answered, once.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn keep_answer(tx: &mut Tx, actor: &str, key: &str, answer: &str) -> Result<(), StoreError> {
    tx.execute(KEEP_ANSWER, &[actor.into(), key.into(), answer.into()]).await.map(|_| ())
}
