//! Catalogs that are or were in force.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::{Position, Time};

statements! {
    INSERT = "INSERT INTO catalogs (history, n, document, applied_at) VALUES ($1, $2, $3, $4)";
    FIND_IN_FORCE = "SELECT history, n, document FROM catalogs ORDER BY history DESC, n DESC LIMIT 1";
    LIST_DOCUMENTS = "SELECT document FROM catalogs ORDER BY history, n";
    FIND_POSITION = "SELECT history, n FROM catalogs ORDER BY history DESC, n DESC LIMIT 1";
}

/// A catalog's document and the position from which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRow {
    /// Since when.
    pub position: Position,
    /// JSON.
    pub document: String,
}

/// Puts a catalog in force with the change that `tx` is.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, document: &str, now: Time) -> Result<(), StoreError> {
    let position = tx.position();
    tx.execute_one(INSERT, &[position.history.into(), position.n.into(), document.into(), now.into()]).await
}

/// The one in force.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_in_force(tx: &mut Tx) -> Result<Option<CatalogRow>, StoreError> {
    let row = tx.fetch_optional(FIND_IN_FORCE, &[]).await?;
    row.map(|row| Ok(CatalogRow { position: Position { history: row.get("history")?, n: row.get("n")? }, document: row.get("document")? })).transpose()
}

/// All that are or were in force, JSON, the first one first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_documents(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    tx.fetch_all(LIST_DOCUMENTS, &[]).await?.iter().map(|row| row.get("document")).collect()
}

/// Since when the one in force holds, without its document.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_position(tx: &mut Tx) -> Result<Option<Position>, StoreError> {
    let row = tx.fetch_optional(FIND_POSITION, &[]).await?;
    row.map(|row| Ok(Position { history: row.get("history")?, n: row.get("n")? })).transpose()
}
