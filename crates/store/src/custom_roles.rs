//! Roles that root organizations made of permissions of the catalog. Who holds them stands where the catalog's do.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{OrganizationId, Time, catalog::CustomRole};

statements! {
    INSERT = "INSERT INTO custom_roles (root_id, role, name, description, created_at, deleted_at) VALUES ($1, $2, $3, $4, $5, NULL)";
    INSERT_PERMISSION = "INSERT INTO custom_role_permissions (root_id, role, permission) VALUES ($1, $2, $3)";
    DELETE_PERMISSIONS = "DELETE FROM custom_role_permissions WHERE root_id = $1 AND role = $2";
    UPDATE = "UPDATE custom_roles SET name = $3, description = $4 WHERE root_id = $1 AND role = $2 AND deleted_at IS NULL";
    DELETE = "UPDATE custom_roles SET deleted_at = $3 WHERE root_id = $1 AND role = $2 AND deleted_at IS NULL";
    FIND = "SELECT c.root_id, c.role, c.name, c.description, c.created_at,
            (SELECT string_agg(p.permission, ' ') FROM custom_role_permissions p WHERE p.root_id = c.root_id AND p.role = c.role) AS permissions
        FROM custom_roles c WHERE c.root_id = $1 AND c.role = $2 AND c.deleted_at IS NULL";
    LIST = "SELECT c.root_id, c.role, c.name, c.description, c.created_at,
            (SELECT string_agg(p.permission, ' ') FROM custom_role_permissions p WHERE p.root_id = c.root_id AND p.role = c.role) AS permissions
        FROM custom_roles c WHERE c.root_id = $1 AND c.deleted_at IS NULL ORDER BY c.role";
    LIST_PERMISSIONS = "SELECT c.role, string_agg(p.permission, ' ') AS permissions
        FROM custom_roles c LEFT JOIN custom_role_permissions p ON p.root_id = c.root_id AND p.role = c.role
        WHERE c.root_id = $1 AND c.deleted_at IS NULL GROUP BY c.role ORDER BY c.role";
    LIST_ALL = "SELECT c.root_id, o.name AS root_name, c.role, string_agg(p.permission, ' ') AS permissions
        FROM custom_roles c JOIN organizations o ON o.id = c.root_id AND o.deleted_at IS NULL
        LEFT JOIN custom_role_permissions p ON p.root_id = c.root_id AND p.role = c.role
        WHERE c.deleted_at IS NULL GROUP BY c.root_id, o.name, c.role ORDER BY c.root_id, c.role";
    COUNT = "SELECT count(*) AS roles FROM custom_roles WHERE root_id = $1 AND deleted_at IS NULL";
}

/// A role that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRoleRow {
    /// The root organization that made it.
    pub root_id: OrganizationId,
    /// Its key and its permissions, in alphabetical order.
    pub role: CustomRole,
    /// As it is shown.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// When it was made.
    pub created_at: Time,
}

/// A role that is not deleted, of a root that is not either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleOfRoot {
    /// The root.
    pub root_id: OrganizationId,
    /// The root's name.
    pub root_name: String,
    /// Its key and its permissions.
    pub role: CustomRole,
}

/// Ids of permissions contain no space, so that they travel in one column.
fn role(row: &Row) -> Result<CustomRole, StoreError> {
    let joined: Option<String> = row.get("permissions")?;
    let mut permissions: Vec<String> = joined.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    permissions.sort_unstable();
    Ok(CustomRole { key: row.get("role")?, permissions })
}

fn read(row: &Row) -> Result<CustomRoleRow, StoreError> {
    let (root_id, name, description) = (row.get("root_id")?, row.get("name")?, row.get("description")?);
    Ok(CustomRoleRow { root_id, role: role(row)?, name, description, created_at: row.get("created_at")? })
}

/// Adds one.
///
/// # Errors
/// `Conflict` if the root has, or had, one with that key.
pub async fn insert(tx: &mut Tx, row: &CustomRoleRow) -> Result<(), StoreError> {
    let values: [Value; 5] =
        [row.root_id.into(), row.role.key.as_str().into(), row.name.as_str().into(), row.description.as_str().into(), row.created_at.into()];
    tx.execute_one(INSERT, &values).await?;
    insert_permissions(tx, row).await
}

async fn insert_permissions(tx: &mut Tx, row: &CustomRoleRow) -> Result<(), StoreError> {
    for permission in &row.role.permissions {
        tx.execute_one(INSERT_PERMISSION, &[row.root_id.into(), row.role.key.as_str().into(), permission.as_str().into()]).await?;
    }
    Ok(())
}

/// Writes name, description and permissions of one.
///
/// # Errors
/// `NotFound` if there is no such one, or it is deleted.
pub async fn update(tx: &mut Tx, row: &CustomRoleRow) -> Result<(), StoreError> {
    let (root, key) = (row.root_id, row.role.key.as_str());
    tx.execute_one(UPDATE, &[root.into(), key.into(), row.name.as_str().into(), row.description.as_str().into()]).await?;
    tx.execute(DELETE_PERMISSIONS, &[root.into(), key.into()]).await?;
    insert_permissions(tx, row).await
}

/// Deletes one for ever: its key is not used again.
///
/// # Errors
/// `NotFound` if there is no such one, or it is deleted.
pub async fn delete(tx: &mut Tx, root: OrganizationId, key: &str, now: Time) -> Result<(), StoreError> {
    tx.execute_one(DELETE, &[root.into(), key.into(), now.into()]).await?;
    tx.execute(DELETE_PERMISSIONS, &[root.into(), key.into()]).await.map(drop)
}

/// One of a root's.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, root: OrganizationId, key: &str) -> Result<Option<CustomRoleRow>, StoreError> {
    tx.fetch_optional(FIND, &[root.into(), key.into()]).await?.as_ref().map(read).transpose()
}

/// A root's, by key.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, root: OrganizationId) -> Result<Vec<CustomRoleRow>, StoreError> {
    tx.fetch_all(LIST, &[root.into()]).await?.iter().map(read).collect()
}

/// What a root's permit, by key.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_permissions(tx: &mut Tx, root: OrganizationId) -> Result<Vec<CustomRole>, StoreError> {
    tx.fetch_all(LIST_PERMISSIONS, &[root.into()]).await?.iter().map(role).collect()
}

/// What those of all roots permit.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_all(tx: &mut Tx) -> Result<Vec<RoleOfRoot>, StoreError> {
    let rows = tx.fetch_all(LIST_ALL, &[]).await?;
    rows.iter().map(|row| Ok(RoleOfRoot { root_id: row.get("root_id")?, root_name: row.get("root_name")?, role: role(row)? })).collect()
}

/// How many a root has.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count(tx: &mut Tx, root: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT, &[root.into()]).await?.get("roles")
}
