//! Roots as the operator of the installation sees them: with his own id and notes, and with what their trees may have.

use crate::{StoreError, organizations::OrganizationRow, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{OrganizationId, UserId};

macro_rules! root_where {
    ($predicate:literal) => {
        concat!(
            "SELECT id, root_id, name, created_at, suspended_at, external_id, metadata, limit_api_keys, limit_members, limit_sub_organizations
            FROM organizations WHERE id = root_id AND deleted_at IS NULL AND ",
            $predicate
        )
    };
}

statements! {
    FIND = root_where!("id = $1");
    FIND_BY_EXTERNAL_ID = root_where!("external_id = $1");
    UPDATE = "UPDATE organizations SET name = $2, external_id = $3, metadata = $4, limit_api_keys = $5, limit_members = $6, limit_sub_organizations = $7
        WHERE id = $1 AND id = root_id AND deleted_at IS NULL";
    COUNT_MEMBERS = "SELECT count(DISTINCT m.user_id) AS members FROM memberships m JOIN organizations o ON o.id = m.organization_id
        WHERE o.root_id = $1 AND o.deleted_at IS NULL AND m.ended_at IS NULL";
    COUNT_SUB_ORGANIZATIONS = "SELECT count(*) AS organizations FROM organizations WHERE root_id = $1 AND id <> $1 AND deleted_at IS NULL";
    IS_MEMBER_OF_TREE = "SELECT m.id FROM memberships m JOIN organizations o ON o.id = m.organization_id
        WHERE o.root_id = $1 AND o.deleted_at IS NULL AND m.ended_at IS NULL AND m.user_id = $2 LIMIT 1";
}

/// What a root and its sub-organizations may have together; `None` for the installation's setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeLimits {
    /// Unrevoked API Keys.
    pub api_keys: Option<i64>,
    /// People who are direct members anywhere in the tree.
    pub members: Option<i64>,
    /// Sub-organizations.
    pub sub_organizations: Option<i64>,
}

/// A root that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRow {
    /// What everybody sees of it.
    pub organization: OrganizationRow,
    /// The operator's own id for it.
    pub external_id: Option<String>,
    /// A JSON object for the operator's own programs.
    pub metadata: String,
    /// What its tree may have.
    pub limits: TreeLimits,
}

impl RootRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let limits =
            TreeLimits { api_keys: row.get("limit_api_keys")?, members: row.get("limit_members")?, sub_organizations: row.get("limit_sub_organizations")? };
        Ok(Self { organization: OrganizationRow::read(row)?, external_id: row.get("external_id")?, metadata: row.get("metadata")?, limits })
    }
}

/// A root by its id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: OrganizationId) -> Result<Option<RootRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await?.as_ref().map(RootRow::read).transpose()
}

/// A root by the operator's own id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_by_external_id(tx: &mut Tx, external_id: &str) -> Result<Option<RootRow>, StoreError> {
    tx.fetch_optional(FIND_BY_EXTERNAL_ID, &[external_id.into()]).await?.as_ref().map(RootRow::read).transpose()
}

/// Writes name, external id, metadata and limits of a root that is there.
///
/// # Errors
/// `Conflict` if another organization has, or had, the external id.
pub async fn update(tx: &mut Tx, root: &RootRow) -> Result<(), StoreError> {
    let values: [Value; 7] = [
        root.organization.id.into(),
        root.organization.name.as_str().into(),
        root.external_id.clone().into(),
        root.metadata.as_str().into(),
        root.limits.api_keys.into(),
        root.limits.members.into(),
        root.limits.sub_organizations.into(),
    ];
    tx.execute_one(UPDATE, &values).await
}

/// How many people are direct members anywhere in a root's tree.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_members(tx: &mut Tx, root: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_MEMBERS, &[root.into()]).await?.get("members")
}

/// How many sub-organizations a root has.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_sub_organizations(tx: &mut Tx, root: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_SUB_ORGANIZATIONS, &[root.into()]).await?.get("organizations")
}

/// Whether somebody is a direct member anywhere in a root's tree.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn is_member_of_tree(tx: &mut Tx, root: OrganizationId, user: UserId) -> Result<bool, StoreError> {
    Ok(tx.fetch_optional(IS_MEMBER_OF_TREE, &[root.into(), user.into()]).await?.is_some())
}
