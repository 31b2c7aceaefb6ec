//! Verifiers that follow the feed of what was taken back, and how far they have come.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::{Position, Time};
use uuid::Uuid;

statements! {
    UPSERT = "INSERT INTO verifiers (id, name, version, address, max_age, seen_at, came_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, address = excluded.address, max_age = excluded.max_age,
            seen_at = excluded.seen_at WHERE verifiers.seen_at < excluded.seen_at";
    CONFIRM = "INSERT INTO confirmations (verifier_id, history, n, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    LIST_SEEN_SINCE = "SELECT v.id, v.name, v.version, v.address, v.max_age, v.seen_at, v.came_at,
            (SELECT c.at FROM confirmations c WHERE c.verifier_id = v.id AND (c.history > $2 OR (c.history = $2 AND c.n >= $3))
                ORDER BY c.history, c.n LIMIT 1) AS confirmed_at
        FROM verifiers v WHERE $1 <= v.seen_at ORDER BY v.seen_at, v.id LIMIT $4";
    DELETE_CONFIRMATIONS = "DELETE FROM confirmations WHERE at < $1";
    DELETE_VERIFIERS = "DELETE FROM verifiers WHERE seen_at < $1 AND NOT EXISTS (SELECT 1 FROM confirmations c WHERE c.verifier_id = verifiers.id)";
}

/// A verifier, as it called itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierRow {
    /// Made by it at its start.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its program and version.
    pub version: String,
    /// Where it came from.
    pub address: String,
    /// After how many milliseconds without news it refuses; `None`: it accepts until the tokens' end.
    pub max_age: Option<i64>,
    /// When it last had news.
    pub seen_at: Time,
    /// When it first came; `None` if that was before this was noted.
    pub came_at: Option<Time>,
}

/// Notes that a verifier was there.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn upsert(tx: &mut Tx, row: &VerifierRow) -> Result<(), StoreError> {
    let VerifierRow { id, name, version, address, max_age, seen_at, came_at } = row;
    let values =
        [(*id).into(), name.as_str().into(), version.as_str().into(), address.as_str().into(), (*max_age).into(), (*seen_at).into(), (*came_at).into()];
    tx.execute(UPSERT, &values).await.map(|_| ())
}

/// Notes when a verifier, which must be there, had applied a position.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn confirm(tx: &mut Tx, verifier: Uuid, position: Position, at: Time) -> Result<(), StoreError> {
    tx.execute(CONFIRM, &[verifier.into(), position.history.into(), position.n.into(), at.into()]).await.map(|_| ())
}

/// Those that were there since a time, those who left first before the others; each with the time at which it first said that it had applied a position or a later one.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_seen_since(tx: &mut Tx, since: Time, position: Position, limit: i64) -> Result<Vec<(VerifierRow, Option<Time>)>, StoreError> {
    let rows = tx.fetch_all(LIST_SEEN_SINCE, &[since.into(), position.history.into(), position.n.into(), limit.into()]).await?;
    rows.iter()
        .map(|row| {
            let verifier = VerifierRow {
                id: row.get("id")?,
                name: row.get("name")?,
                version: row.get("version")?,
                address: row.get("address")?,
                max_age: row.get("max_age")?,
                seen_at: row.get("seen_at")?,
                came_at: row.get("came_at")?,
            };
            Ok((verifier, row.get("confirmed_at")?))
        })
        .collect()
}

/// Forgets what was confirmed before a time, and who was not there since.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_before(tx: &mut Tx, time: Time) -> Result<u64, StoreError> {
    let confirmations = tx.execute(DELETE_CONFIRMATIONS, &[time.into()]).await?;
    Ok(confirmations + tx.execute(DELETE_VERIFIERS, &[time.into()]).await?)
}
