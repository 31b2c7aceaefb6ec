//! Generations: what tokens point at in the status list.

use crate::{StoreError, statements};
use keywright_db::Tx;
use keywright_protocol::{KeyId, OrganizationId, Time, UserId};

statements! {
    TAKE_INDEX = "UPDATE status_indices SET next = next + 1 WHERE id = 1 RETURNING next - 1 AS status_index";
    INSERT = "INSERT INTO generations (status_index, key_id, version, organization_id, opened_at, ended_at) VALUES ($1, $2, $3, $4, $5, NULL)";
    FIND_OPEN = "SELECT status_index FROM generations WHERE key_id = $1 AND version = $2 AND organization_id = $3 AND ended_at IS NULL";
    END_OF_KEY = "UPDATE generations SET ended_at = $2 WHERE key_id = $1 AND ended_at IS NULL RETURNING status_index";
    END_OF_HOLDER = "UPDATE generations SET ended_at = $3
        WHERE organization_id = $1 AND ended_at IS NULL AND key_id IN
            (SELECT k.id FROM keys k JOIN memberships m ON m.id = k.membership_id WHERE m.user_id = $2)
        RETURNING status_index";
    END_OF_USER = "UPDATE generations SET ended_at = $2
        WHERE ended_at IS NULL AND key_id IN (SELECT k.id FROM keys k JOIN memberships m ON m.id = k.membership_id WHERE m.user_id = $1)
        RETURNING status_index";
    END_OF_ORGANIZATION = "UPDATE generations SET ended_at = $2
        WHERE ended_at IS NULL AND (
            organization_id IN (SELECT id FROM organizations WHERE id = $1 OR root_id = $1)
            OR key_id IN (SELECT k.id FROM keys k JOIN organizations o ON o.id = k.organization_id WHERE o.id = $1 OR o.root_id = $1))
        RETURNING status_index";
    LIST_INHERITING = "SELECT o.id FROM organizations o
        WHERE o.root_id = $1 AND o.id <> $1 AND o.deleted_at IS NULL AND NOT EXISTS
            (SELECT 1 FROM memberships m JOIN membership_roles r ON r.membership_id = m.id
             WHERE m.organization_id = o.id AND m.user_id = $2 AND m.ended_at IS NULL)";
}

/// Opens the generation of a secret version in an organization, or finds it open.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn open(tx: &mut Tx, key: KeyId, version: i64, organization: OrganizationId, now: Time) -> Result<i64, StoreError> {
    if let Some(row) = tx.fetch_optional(FIND_OPEN, &[key.into(), version.into(), organization.into()]).await? {
        return row.get("status_index");
    }
    let index: i64 = tx.fetch_one(TAKE_INDEX, &[]).await?.get("status_index")?;
    tx.execute_one(INSERT, &[index.into(), key.into(), version.into(), organization.into(), now.into()]).await?;
    Ok(index)
}

/// Ends all of a key's. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_key(tx: &mut Tx, key: KeyId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_KEY, &[key.into(), now.into()]).await
}

/// Ends those that a user's keys have in one organization. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_holder(tx: &mut Tx, organization: OrganizationId, user: UserId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_HOLDER, &[organization.into(), user.into(), now.into()]).await
}

/// Ends all of a user's. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_user(tx: &mut Tx, user: UserId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_USER, &[user.into(), now.into()]).await
}

/// Ends all that are in an organization or below it, and all of the keys that live there. Answers their indices.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_organization(tx: &mut Tx, organization: OrganizationId, now: Time) -> Result<Vec<i64>, StoreError> {
    indices(tx, END_OF_ORGANIZATION, &[organization.into(), now.into()]).await
}

/// The sub-organizations of a root in which a user has no roles of his own, so that the root's hold.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_inheriting(tx: &mut Tx, root: OrganizationId, user: UserId) -> Result<Vec<OrganizationId>, StoreError> {
    tx.fetch_all(LIST_INHERITING, &[root.into(), user.into()]).await?.iter().map(|row| row.get("id")).collect()
}

async fn indices(tx: &mut Tx, statement: &'static str, values: &[keywright_db::Value]) -> Result<Vec<i64>, StoreError> {
    tx.fetch_all(statement, values).await?.iter().map(|row| row.get("status_index")).collect()
}
