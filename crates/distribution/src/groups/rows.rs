//! The rows of testing groups. Testers are asked for after their group was found in the organization.

use crate::{ids::GroupId, statements};
use keywright_db::{Row, StoreError, Tx};
use keywright_protocol::{OrganizationId, Time};
use uuid::Uuid;

/// A row of `testing_groups`, without the organization, which the caller knows.
pub(crate) struct GroupRow {
    pub(crate) id: GroupId,
    pub(crate) name: String,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

statements! {
    LIST = "
        SELECT id, name, created_at, updated_at FROM testing_groups WHERE organization_id = $1
        ORDER BY created_at, id LIMIT $2 OFFSET $3";
    COUNT = "SELECT COUNT(*) AS total FROM testing_groups WHERE organization_id = $1";
    GET = "SELECT id, name, created_at, updated_at FROM testing_groups WHERE id = $1 AND organization_id = $2";
    INSERT = "INSERT INTO testing_groups (id, organization_id, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)";
    RENAME = "
        UPDATE testing_groups SET name = $3, updated_at = $4 WHERE id = $1 AND organization_id = $2
        RETURNING id, name, created_at, updated_at";
    // Others who change testers wait until this transaction is over.
    TOUCH = "
        UPDATE testing_groups SET updated_at = $3 WHERE id = $1 AND organization_id = $2
        RETURNING id, name, created_at, updated_at";
    DELETE = "DELETE FROM testing_groups WHERE id = $1 AND organization_id = $2";
    TESTERS = "SELECT email FROM testers WHERE testing_group_id = $1 ORDER BY email";
    INSERT_TESTER = "INSERT INTO testers (testing_group_id, email, added_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    DELETE_TESTER = "DELETE FROM testers WHERE testing_group_id = $1 AND email = $2";
}

pub(super) async fn list(tx: &mut Tx, organization: OrganizationId, (limit, offset): (i64, i64)) -> Result<(Vec<GroupRow>, i64), StoreError> {
    let total = tx.fetch_one(COUNT, &[organization.into()]).await?.get("total")?;
    let rows = tx.fetch_all(LIST, &[organization.into(), limit.into(), offset.into()]).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// # Errors
/// `NotFound` when this organization has no such group.
pub(super) async fn get(tx: &mut Tx, organization: OrganizationId, id: GroupId) -> Result<GroupRow, StoreError> {
    read(&tx.fetch_one(GET, &[id.into(), organization.into()]).await?)
}

/// Whether all of them are this organization's.
pub(crate) async fn exist(tx: &mut Tx, organization: OrganizationId, ids: &[Uuid]) -> Result<bool, StoreError> {
    for id in ids {
        if tx.fetch_optional(GET, &[(*id).into(), organization.into()]).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// # Errors
/// `Conflict` when the organization has a group of this name.
pub(super) async fn insert(tx: &mut Tx, organization: OrganizationId, row: &GroupRow) -> Result<(), StoreError> {
    let values = [row.id.into(), organization.into(), row.name.as_str().into(), row.created_at.into(), row.updated_at.into()];
    tx.execute_one(INSERT, &values).await
}

/// # Errors
/// `NotFound`; `Conflict` when the organization has another group of this name.
pub(super) async fn rename(tx: &mut Tx, organization: OrganizationId, id: GroupId, (name, now): (&str, Time)) -> Result<GroupRow, StoreError> {
    read(&tx.fetch_one(RENAME, &[id.into(), organization.into(), name.into(), now.into()]).await?)
}

/// # Errors
/// `NotFound` when this organization has no such group.
pub(super) async fn touch(tx: &mut Tx, organization: OrganizationId, id: GroupId, now: Time) -> Result<GroupRow, StoreError> {
    read(&tx.fetch_one(TOUCH, &[id.into(), organization.into(), now.into()]).await?)
}

/// # Errors
/// `NotFound` when this organization has no such group.
pub(super) async fn delete(tx: &mut Tx, organization: OrganizationId, id: GroupId) -> Result<(), StoreError> {
    tx.execute_one(DELETE, &[id.into(), organization.into()]).await
}

pub(super) async fn testers(tx: &mut Tx, id: GroupId) -> Result<Vec<String>, StoreError> {
    tx.fetch_all(TESTERS, &[id.into()]).await?.iter().map(|row| row.get("email")).collect()
}

pub(super) async fn insert_tester(tx: &mut Tx, id: GroupId, email: &str, now: Time) -> Result<(), StoreError> {
    tx.execute(INSERT_TESTER, &[id.into(), email.into(), now.into()]).await.map(drop)
}

pub(super) async fn delete_tester(tx: &mut Tx, id: GroupId, email: &str) -> Result<(), StoreError> {
    tx.execute(DELETE_TESTER, &[id.into(), email.into()]).await.map(drop)
}

fn read(row: &Row) -> Result<GroupRow, StoreError> {
    let id: Uuid = row.get("id")?;
    Ok(GroupRow { id: id.into(), name: row.get("name")?, created_at: row.get("created_at")?, updated_at: row.get("updated_at")? })
}
