//! Links to choose a new password.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::{Time, UserId};
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO password_resets (id, digest, user_id, created_at, expires_at, used_at, ended_at) VALUES ($1, $2, $3, $4, $5, NULL, NULL)";
    FIND_OPEN = "SELECT user_id FROM password_resets WHERE digest = $1 AND used_at IS NULL AND ended_at IS NULL AND expires_at > $2";
    EXISTS_SINCE = "SELECT id FROM password_resets WHERE user_id = $1 AND created_at > $2 AND used_at IS NULL LIMIT 1";
    USE = "UPDATE password_resets SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND ended_at IS NULL AND expires_at > $2 RETURNING user_id";
    END_OF_USER = "UPDATE password_resets SET ended_at = $2 WHERE user_id = $1 AND used_at IS NULL AND ended_at IS NULL";
}

/// A link to add.
#[derive(Clone)]
pub struct NewReset {
    /// Its id.
    pub id: Uuid,
    /// SHA-256 of its secret.
    pub digest: [u8; 32],
    /// Whose password.
    pub user_id: UserId,
    /// Now.
    pub created_at: Time,
    /// When it stops working.
    pub expires_at: Time,
}

/// Adds one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, reset: &NewReset) -> Result<(), StoreError> {
    let values = [reset.id.into(), reset.digest.as_slice().into(), reset.user_id.into(), reset.created_at.into(), reset.expires_at.into()];
    tx.execute_one(INSERT, &values).await
}

/// Whose password a link is for, if it still works.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_open(tx: &mut Tx, digest: &[u8; 32], now: Time) -> Result<Option<UserId>, StoreError> {
    tx.fetch_optional(FIND_OPEN, &[digest.as_slice().into(), now.into()]).await?.map(|row| row.get("user_id")).transpose()
}

/// Whether a user was sent an unused one after a point in time.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn exists_since(tx: &mut Tx, user: UserId, since: Time) -> Result<bool, StoreError> {
    Ok(tx.fetch_optional(EXISTS_SINCE, &[user.into(), since.into()]).await?.is_some())
}

/// Uses one up; `None` if it does not work, or not any more.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn consume(tx: &mut Tx, digest: &[u8; 32], now: Time) -> Result<Option<UserId>, StoreError> {
    tx.fetch_optional(USE, &[digest.as_slice().into(), now.into()]).await?.map(|row| row.get("user_id")).transpose()
}

/// Ends those of a user that were not used.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_user(tx: &mut Tx, user: UserId, now: Time) -> Result<(), StoreError> {
    tx.execute(END_OF_USER, &[user.into(), now.into()]).await.map(|_| ())
}
