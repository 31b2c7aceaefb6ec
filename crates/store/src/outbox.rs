//! Mail to be sent. What it says is sealed: links in it are secrets.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::Time;
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO outbox (id, kind, recipient, sealed, created_at, sent_at) VALUES ($1, $2, $3, $4, $5, NULL)";
    LIST = "SELECT id, kind, recipient, sealed, created_at FROM outbox WHERE sent_at IS NULL ORDER BY created_at, id";
}

/// One piece of mail.
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
}

/// Adds one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, mail: &OutboxRow) -> Result<(), StoreError> {
    let values = [mail.id.into(), mail.kind.as_str().into(), mail.recipient.as_str().into(), mail.sealed.as_slice().into(), mail.created_at.into()];
    tx.execute_one(INSERT, &values).await
}

/// What waits, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx) -> Result<Vec<OutboxRow>, StoreError> {
    tx.fetch_all(LIST, &[])
        .await?
        .iter()
        .map(|row| {
            Ok(OutboxRow {
                id: row.get("id")?,
                kind: row.get("kind")?,
                recipient: row.get("recipient")?,
                sealed: row.get("sealed")?,
                created_at: row.get("created_at")?,
            })
        })
        .collect()
}
