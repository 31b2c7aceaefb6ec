//! Organizations: roots, and sub-organizations of a root.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{OrganizationId, Time};

statements! {
    INSERT = "INSERT INTO organizations (id, root_id, name, external_id, metadata, created_at, suspended_at, deleted_at)
        VALUES ($1, $2, $3, NULL, '{}', $4, NULL, NULL)";
    FIND = "SELECT id, root_id, name, created_at, suspended_at FROM organizations WHERE id = $1 AND deleted_at IS NULL";
    LIST = "SELECT id, root_id, name, created_at, suspended_at FROM organizations WHERE deleted_at IS NULL ORDER BY created_at, id";
    LIST_TREE = "SELECT id, root_id, name, created_at, suspended_at FROM organizations WHERE (id = $1 OR root_id = $1) AND deleted_at IS NULL
        ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END, created_at, id";
    SUSPEND = "UPDATE organizations SET suspended_at = $2 WHERE id = $1 AND deleted_at IS NULL AND suspended_at IS NULL";
    RENAME = "UPDATE organizations SET name = $2 WHERE id = $1 AND deleted_at IS NULL";
    DELETE_TREE = "UPDATE organizations SET deleted_at = $2 WHERE (id = $1 OR root_id = $1) AND deleted_at IS NULL";
    RESUME = "UPDATE organizations SET suspended_at = NULL WHERE id = $1 AND deleted_at IS NULL AND suspended_at IS NOT NULL";
}

/// An organization that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRow {
    /// Its id.
    pub id: OrganizationId,
    /// Its root's id; its own for a root.
    pub root_id: OrganizationId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
    /// Since when it is suspended.
    pub suspended_at: Option<Time>,
}

impl OrganizationRow {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            root_id: row.get("root_id")?,
            name: row.get("name")?,
            created_at: row.get("created_at")?,
            suspended_at: row.get("suspended_at")?,
        })
    }

    /// Whether it is a root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.id == self.root_id
    }
}

/// Adds one.
///
/// # Errors
/// `Conflict` if a sibling has that name.
pub async fn insert(tx: &mut Tx, organization: &OrganizationRow) -> Result<(), StoreError> {
    let values = [organization.id.into(), organization.root_id.into(), organization.name.as_str().into(), organization.created_at.into()];
    tx.execute_one(INSERT, &values).await
}

/// One by its id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: OrganizationId) -> Result<Option<OrganizationRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await?.as_ref().map(OrganizationRow::read).transpose()
}

/// All of them, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx) -> Result<Vec<OrganizationRow>, StoreError> {
    tx.fetch_all(LIST, &[]).await?.iter().map(OrganizationRow::read).collect()
}

/// One and, if it is a root, what hangs under it, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_tree(tx: &mut Tx, id: OrganizationId) -> Result<Vec<OrganizationRow>, StoreError> {
    tx.fetch_all(LIST_TREE, &[id.into()]).await?.iter().map(OrganizationRow::read).collect()
}

/// Suspends one; `false` if it was already.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn suspend(tx: &mut Tx, id: OrganizationId, now: Time) -> Result<bool, StoreError> {
    Ok(tx.execute(SUSPEND, &[id.into(), now.into()]).await? == 1)
}

/// Takes a suspension back; `false` if there was none.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn resume(tx: &mut Tx, id: OrganizationId) -> Result<bool, StoreError> {
    Ok(tx.execute(RESUME, &[id.into()]).await? == 1)
}

/// Gives one another name.
///
/// # Errors
/// `Conflict` if a sibling has that name, `NotFound` if there is no such one.
pub async fn rename(tx: &mut Tx, id: OrganizationId, name: &str) -> Result<(), StoreError> {
    tx.execute_one(RENAME, &[id.into(), name.into()]).await
}

/// Deletes one for ever, with what hangs under it. The rows stay as tombstones: an id is never used again.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_tree(tx: &mut Tx, id: OrganizationId, now: Time) -> Result<(), StoreError> {
    tx.execute(DELETE_TREE, &[id.into(), now.into()]).await.map(|_| ())
}
