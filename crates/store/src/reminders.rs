//! Keys that are about to expire, and of which expiry their people were reminded.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::{KeyId, Time};

statements! {
    LIST_EXPIRING = "SELECT id, expires_at FROM keys WHERE revoked_at IS NULL AND kind IN ('pak', 'api')
            AND (expires_at > $1 OR (expires_at = $1 AND id > $2)) AND expires_at <= $3
            AND expires_at - created_at >= $4 AND expires_at - not_before >= $4 AND (reminded_of IS NULL OR reminded_of <> expires_at)
        ORDER BY expires_at, id LIMIT $5";
    NOTE = "UPDATE keys SET reminded_of = expires_at
        WHERE id = $1 AND revoked_at IS NULL AND expires_at = $2 AND (reminded_of IS NULL OR reminded_of <> expires_at)";
}

/// Which keys are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Expiring {
    /// Those behind this one, in the order of expiry and id.
    pub after: (Time, KeyId),
    /// Those that expire until then.
    pub until: Time,
    /// Those that were meant to live for so many milliseconds at least, from when they were made and from when they are valid.
    pub life_millis: i64,
    /// So many at most.
    pub most: i64,
}

/// Unrevoked keys of organizations whose people were not yet reminded of their expiry, whether they are alive or not; those that
/// expire first come first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_expiring(tx: &mut Tx, asked: &Expiring) -> Result<Vec<(Time, KeyId)>, StoreError> {
    let (at, id) = asked.after;
    let values = [at.into(), id.into(), asked.until.into(), asked.life_millis.into(), asked.most.into()];
    tx.fetch_all(LIST_EXPIRING, &values).await?.iter().map(|row| Ok((row.get("expires_at")?, row.get("id")?))).collect()
}

/// Notes that a key's people are reminded of an expiry; `false` if they were already, or it has another one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn note(tx: &mut Tx, id: KeyId, expires_at: Time) -> Result<bool, StoreError> {
    Ok(tx.execute(NOTE, &[id.into(), expires_at.into()]).await? == 1)
}
