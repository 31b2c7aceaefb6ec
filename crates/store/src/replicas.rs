//! Processes that serve this database together, and how far each of them is. Written beside the revision: a renewal is no change.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{Position, Time};
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO replicas (instance, process, address, history, n, renewals, started_at, renewed_at) VALUES ($1, $2, $3, 0, 0, 0, $4, $4)";
    RENEW = "UPDATE replicas SET history = $2, n = $3, renewals = renewals + 1, renewed_at = $4 WHERE instance = $1";
    LIST = "SELECT instance, process, address, history, n, renewals, started_at, renewed_at, owes FROM replicas ORDER BY started_at, instance";
    PAY = "UPDATE replicas SET owes = 0 WHERE instance = $1";
    DELETE = "DELETE FROM replicas WHERE instance = $1 AND owes = 0";
    DELETE_STILL = "DELETE FROM replicas WHERE instance = $1 AND renewals = $2 AND owes = 0";
}

/// A process that serves, or served until lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Made anew at every start, and whenever the row was gone.
    pub instance: Uuid,
    /// The process, for as long as it runs.
    pub process: Uuid,
    /// Where it listens.
    pub address: String,
    /// How far it had applied the log of changes before its last renewal; `0.0` as long as it has loaded nothing.
    pub applied: Position,
    /// How often it was renewed.
    pub renewals: i64,
    /// When it was made.
    pub started_at: Time,
    /// When it was renewed, by its process's clock; for people alone.
    pub renewed_at: Time,
    /// Whether it was there before a history that is shut, and has not written back yet what it knows.
    pub owes: bool,
}

/// Writes the row of an instance that has loaded nothing yet.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, (instance, process): (Uuid, Uuid), address: &str, now: Time) -> Result<(), StoreError> {
    tx.execute_one(INSERT, &[instance.into(), process.into(), address.into(), now.into()]).await
}

/// Says how far an instance is. It never makes a row: one that is gone stays gone.
///
/// # Errors
/// `NotFound` if the row is gone.
pub async fn renew(tx: &mut Tx, instance: Uuid, applied: Position, now: Time) -> Result<(), StoreError> {
    tx.execute_one(RENEW, &[instance.into(), applied.history.into(), applied.n.into(), now.into()]).await
}

/// All of them.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx) -> Result<Vec<ReplicaRow>, StoreError> {
    tx.fetch_all(LIST, &[]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ReplicaRow, StoreError> {
    Ok(ReplicaRow {
        instance: row.get("instance")?,
        process: row.get("process")?,
        address: row.get("address")?,
        applied: Position { history: row.get("history")?, n: row.get("n")? },
        renewals: row.get("renewals")?,
        started_at: row.get("started_at")?,
        renewed_at: row.get("renewed_at")?,
        owes: row.get::<i64>("owes")? != 0,
    })
}

/// Notes that an instance has written back what it knows.
///
/// # Errors
/// `NotFound` if the row is gone.
pub async fn pay(tx: &mut Tx, instance: Uuid) -> Result<(), StoreError> {
    tx.execute_one(PAY, &[instance.into()]).await
}

/// Removes an instance that has ended; `false` if it was gone, or owes what it knows.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete(tx: &mut Tx, instance: Uuid) -> Result<bool, StoreError> {
    Ok(tx.execute(DELETE, &[instance.into()]).await? == 1)
}

/// Removes an instance that stands still, unless it was renewed since it was looked at; `false` if it was, or is gone.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_still(tx: &mut Tx, instance: Uuid, renewals: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(DELETE_STILL, &[instance.into(), renewals.into()]).await? == 1)
}
