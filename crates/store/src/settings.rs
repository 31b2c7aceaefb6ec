//! The installation's own facts.

use crate::{StoreError, statements};
use keywright_db::Tx;
use uuid::Uuid;

statements! {
    FIND = "SELECT value FROM settings WHERE name = $1";
    INSERT = "INSERT INTO settings (name, value) VALUES ($1, $2)";
    UPDATE = "UPDATE settings SET value = $2 WHERE name = $1";
    DELETE = "DELETE FROM settings WHERE name = $1";
    LIST_OPEN_LOGS = "SELECT name, value FROM settings WHERE name LIKE 'open-log:%' ORDER BY name";
}

/// The issuer, as it was at the first start.
pub const ISSUER: &str = "issuer";
/// A text sealed under the key-encryption key, to notice a wrong key file.
pub const SEAL_CHECK: &str = "seal_check";
/// How long a token lives that is made now, in seconds.
pub const TOKEN_LIFE: &str = "token_life";
/// When the last token has expired that was made while tokens lived longer, in milliseconds since 1970.
pub const LONGER_TOKENS_END_AT: &str = "longer_tokens_end_at";
/// The operator organization's id.
pub const OPERATOR_ORGANIZATION: &str = "operator_organization";
/// After a failover, as long as the database is shut: up to which position of the old server the catalog was known that is in force.
pub const CATALOG_WRITTEN_BACK: &str = "catalog_written_back";
/// Where the database has gone, if it was copied to be served elsewhere: the digest of what was copied, the history
/// that began there, and the place.
pub const MOVED_TO: &str = "moved_to";

/// The name of the mark that a process leaves while it keeps access events in memory. Processes have names of their own, so that
/// each knows its mark.
#[must_use]
pub fn open_log(process: Uuid) -> String {
    format!("open-log:{}", process.hyphenated())
}

/// The value of a setting.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, name: &'static str) -> Result<Option<String>, StoreError> {
    tx.fetch_optional(FIND, &[name.into()]).await?.map(|row| row.get("value")).transpose()
}

/// Writes a setting that was not there.
///
/// # Errors
/// `Conflict` if it was.
pub async fn insert(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute_one(INSERT, &[name.into(), value.into()]).await
}

/// Writes a setting, whether it was there or not.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn put(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    if update(tx, name, value).await? { Ok(()) } else { insert(tx, name, value).await }
}

/// Gives a setting another value; `false` if there is none of that name.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn update(tx: &mut Tx, name: &str, value: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(UPDATE, &[name.into(), value.into()]).await? == 1)
}

/// Removes a setting; `false` if there is none of that name.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(DELETE, &[name.into()]).await? == 1)
}

/// Name and value of every mark made by the name of [`open_log`].
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_open_logs(tx: &mut Tx) -> Result<Vec<(String, String)>, StoreError> {
    tx.fetch_all(LIST_OPEN_LOGS, &[]).await?.iter().map(|row| Ok((row.get("name")?, row.get("value")?))).collect()
}
