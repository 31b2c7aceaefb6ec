//! The installation's own facts.

use crate::{StoreError, statements};
use keywright_db::Tx;

statements! {
    FIND = "SELECT value FROM settings WHERE name = $1";
    INSERT = "INSERT INTO settings (name, value) VALUES ($1, $2)";
}

/// The issuer, as it was at the first start.
pub const ISSUER: &str = "issuer";
/// A text sealed under the key-encryption key, to notice a wrong key file.
pub const SEAL_CHECK: &str = "seal_check";
/// The operator organization's id.
pub const OPERATOR_ORGANIZATION: &str = "operator_organization";

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
pub async fn insert(tx: &mut Tx, name: &'static str, value: &str) -> Result<(), StoreError> {
    tx.execute_one(INSERT, &[name.into(), value.into()]).await
}
