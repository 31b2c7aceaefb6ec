//! Direct memberships and their roles. Inheritance is no row: it is computed.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{MembershipId, OrganizationId, Time, UserId};

statements! {
    INSERT = "INSERT INTO memberships (id, organization_id, user_id, created_at, ended_at) VALUES ($1, $2, $3, $4, NULL)";
    FIND_LIVE = "SELECT m.id, m.organization_id, m.user_id, u.email,
            (SELECT string_agg(role, ' ') FROM membership_roles WHERE membership_id = m.id) AS roles
        FROM memberships m JOIN users u ON u.id = m.user_id
        WHERE m.organization_id = $1 AND m.user_id = $2 AND m.ended_at IS NULL";
    LIST = "SELECT m.id, m.organization_id, m.user_id, u.email,
            (SELECT string_agg(role, ' ') FROM membership_roles WHERE membership_id = m.id) AS roles
        FROM memberships m JOIN users u ON u.id = m.user_id
        WHERE m.organization_id = $1 AND m.ended_at IS NULL ORDER BY m.created_at, m.id";
    COUNT = "SELECT count(*) AS members FROM memberships WHERE organization_id = $1 AND ended_at IS NULL";
    LIST_ORGANIZATIONS_OF = "SELECT organization_id FROM memberships WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at, id";
    END = "UPDATE memberships SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
    INSERT_ROLE = "INSERT INTO membership_roles (membership_id, role) VALUES ($1, $2)";
    DELETE_ROLES = "DELETE FROM membership_roles WHERE membership_id = $1";
    COUNT_OTHERS_WITH_ROLE = "SELECT count(*) AS holders FROM organizations o
        JOIN memberships m ON m.organization_id IN (o.id, o.root_id) AND m.ended_at IS NULL AND m.user_id <> $3
        JOIN membership_roles r ON r.membership_id = m.id AND r.role = $2
        JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL AND u.deleted_at IS NULL
        WHERE o.id = $1 AND (m.organization_id = o.id OR NOT EXISTS
            (SELECT 1 FROM memberships y JOIN membership_roles x ON x.membership_id = y.id
             WHERE y.organization_id = o.id AND y.user_id = m.user_id AND y.ended_at IS NULL))";
}

/// A live direct membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow {
    /// Its id.
    pub id: MembershipId,
    /// Where.
    pub organization_id: OrganizationId,
    /// Who.
    pub user_id: UserId,
    /// His address.
    pub email: String,
    /// His own roles there, sorted.
    pub roles: Vec<String>,
}

impl MembershipRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            organization_id: row.get("organization_id")?,
            user_id: row.get("user_id")?,
            email: row.get("email")?,
            roles: split_roles(row.get("roles")?),
        })
    }
}

/// Role keys contain no space, so that they travel in one column.
pub(crate) fn split_roles(joined: Option<String>) -> Vec<String> {
    let mut roles: Vec<String> = joined.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    roles.sort_unstable();
    roles
}

/// Adds one, with roles.
///
/// # Errors
/// `Conflict` if the user is a direct member already.
pub async fn insert(tx: &mut Tx, id: MembershipId, organization: OrganizationId, user: UserId, now: Time) -> Result<(), StoreError> {
    tx.execute_one(INSERT, &[id.into(), organization.into(), user.into(), now.into()]).await
}

/// A user's live direct membership in an organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, organization: OrganizationId, user: UserId) -> Result<Option<MembershipRow>, StoreError> {
    tx.fetch_optional(FIND_LIVE, &[organization.into(), user.into()]).await?.as_ref().map(MembershipRow::read).transpose()
}

/// An organization's direct members, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, organization: OrganizationId) -> Result<Vec<MembershipRow>, StoreError> {
    tx.fetch_all(LIST, &[organization.into()]).await?.iter().map(MembershipRow::read).collect()
}

/// Ends one for ever.
///
/// # Errors
/// `NotFound` if it is not live.
pub async fn end(tx: &mut Tx, id: MembershipId, now: Time) -> Result<(), StoreError> {
    tx.execute_one(END, &[id.into(), now.into()]).await
}

/// Replaces the roles of a membership.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn update_roles(tx: &mut Tx, id: MembershipId, roles: &[String]) -> Result<(), StoreError> {
    tx.execute(DELETE_ROLES, &[id.into()]).await?;
    for role in roles {
        tx.execute_one(INSERT_ROLE, &[id.into(), role.as_str().into()]).await?;
    }
    Ok(())
}

/// How many enabled members other than `except` hold a role in an organization: their own, or the root's where they have none of
/// their own.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_others_with_role(tx: &mut Tx, organization: OrganizationId, role: &str, except: UserId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_OTHERS_WITH_ROLE, &[organization.into(), role.into(), except.into()]).await?.get("holders")
}

/// How many direct members an organization has.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count(tx: &mut Tx, organization: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT, &[organization.into()]).await?.get("members")
}

/// Where a user is a direct member, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_organizations_of(tx: &mut Tx, user: UserId) -> Result<Vec<OrganizationId>, StoreError> {
    tx.fetch_all(LIST_ORGANIZATIONS_OF, &[user.into()]).await?.iter().map(|row| row.get("organization_id")).collect()
}
