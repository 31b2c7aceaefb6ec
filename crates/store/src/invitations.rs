//! Invitations: to a root, to sub-organizations of it, or both.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{InvitationId, OrganizationId, Time, admin::RolesIn};

statements! {
    INSERT = "INSERT INTO invitations (id, root_id, email, digest, created_at, created_by, expires_at, accepted_at, revoked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL)";
    INSERT_ROLE = "INSERT INTO invitation_roles (invitation_id, organization_id, role) VALUES ($1, $2, $3)";
    RENEW = "UPDATE invitations SET digest = $2, expires_at = $3, created_by = $4 WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL";
    REVOKE = "UPDATE invitations SET revoked_at = $2 WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL";
    REVOKE_OF_ORGANIZATION = "UPDATE invitations SET revoked_at = $2 WHERE accepted_at IS NULL AND revoked_at IS NULL AND
        (root_id = $1 OR (EXISTS (SELECT 1 FROM invitation_roles r WHERE r.invitation_id = invitations.id AND r.organization_id = $1)
            AND NOT EXISTS (SELECT 1 FROM invitation_roles r WHERE r.invitation_id = invitations.id AND r.organization_id <> $1)))";
    DELETE_ROLES_IN = "DELETE FROM invitation_roles WHERE organization_id = $1 AND invitation_id IN
        (SELECT id FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL)";
    DELETE_ROLES = "DELETE FROM invitation_roles WHERE invitation_id = $1 AND organization_id = $2";
    ACCEPT = "UPDATE invitations SET accepted_at = $2 WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL";
    FIND_PENDING = "SELECT id, root_id, email, created_by, expires_at, accepted_at FROM invitations
        WHERE root_id = $1 AND email = $2 AND accepted_at IS NULL AND revoked_at IS NULL";
    FIND_BY_DIGEST = "SELECT id, root_id, email, created_by, expires_at, accepted_at FROM invitations
        WHERE digest = $1 AND accepted_at IS NULL AND revoked_at IS NULL";
    LIST_PENDING = "SELECT id, root_id, email, created_by, expires_at, accepted_at FROM invitations
        WHERE root_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL ORDER BY created_at, id";
    LIST_ROLES = "SELECT organization_id, role FROM invitation_roles WHERE invitation_id = $1 ORDER BY organization_id, role";
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRow {
    /// Its id.
    pub id: InvitationId,
    /// The root it is to.
    pub root_id: OrganizationId,
    /// Who is invited.
    pub email: String,
    /// By whom it was sent last: his kind and id.
    pub created_by: String,
    /// When its link stops working.
    pub expires_at: Time,
    /// When it was accepted.
    pub accepted_at: Option<Time>,
}

impl InvitationRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            root_id: row.get("root_id")?,
            email: row.get("email")?,
            created_by: row.get("created_by")?,
            expires_at: row.get("expires_at")?,
            accepted_at: row.get("accepted_at")?,
        })
    }
}

/// Adds one, with the digest of its link's secret. Roles are added one by one with [`insert_role`].
///
/// # Errors
/// `Conflict` if a pending one to that root has the address.
pub async fn insert(tx: &mut Tx, invitation: &InvitationRow, digest: &[u8; 32], now: Time) -> Result<(), StoreError> {
    let values = [
        invitation.id.into(),
        invitation.root_id.into(),
        invitation.email.as_str().into(),
        digest.as_slice().into(),
        now.into(),
        invitation.created_by.as_str().into(),
        invitation.expires_at.into(),
    ];
    tx.execute_one(INSERT, &values).await
}

/// Adds a role that it brings.
///
/// # Errors
/// `Conflict` if it brings it already.
pub async fn insert_role(tx: &mut Tx, id: InvitationId, organization: OrganizationId, role: &str) -> Result<(), StoreError> {
    tx.execute_one(INSERT_ROLE, &[id.into(), organization.into(), role.into()]).await
}

/// Gives a pending one another link, another end and another sender: those of `invitation`.
///
/// # Errors
/// `NotFound` if it is not pending.
pub async fn renew(tx: &mut Tx, invitation: &InvitationRow, digest: &[u8; 32]) -> Result<(), StoreError> {
    let values = [invitation.id.into(), digest.as_slice().into(), invitation.expires_at.into(), invitation.created_by.as_str().into()];
    tx.execute_one(RENEW, &values).await
}

/// Takes a pending one back.
///
/// # Errors
/// `NotFound` if it is not pending.
pub async fn revoke(tx: &mut Tx, id: InvitationId, now: Time) -> Result<(), StoreError> {
    tx.execute_one(REVOKE, &[id.into(), now.into()]).await
}

/// Takes away what an invitation brings to one organization.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_roles(tx: &mut Tx, id: InvitationId, organization: OrganizationId) -> Result<(), StoreError> {
    tx.execute(DELETE_ROLES, &[id.into(), organization.into()]).await.map(drop)
}

/// Takes back the pending ones of a root, or those to a sub-organization alone; others bring nothing there any more.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn revoke_of_organization(tx: &mut Tx, organization: OrganizationId, now: Time) -> Result<(), StoreError> {
    tx.execute(REVOKE_OF_ORGANIZATION, &[organization.into(), now.into()]).await?;
    tx.execute(DELETE_ROLES_IN, &[organization.into()]).await.map(|_| ())
}

/// Marks a pending one as accepted, once.
///
/// # Errors
/// `NotFound` if it is not pending.
pub async fn accept(tx: &mut Tx, id: InvitationId, now: Time) -> Result<(), StoreError> {
    tx.execute_one(ACCEPT, &[id.into(), now.into()]).await
}

/// The pending one of an address.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_pending(tx: &mut Tx, root: OrganizationId, email: &str) -> Result<Option<InvitationRow>, StoreError> {
    tx.fetch_optional(FIND_PENDING, &[root.into(), email.into()]).await?.as_ref().map(InvitationRow::read).transpose()
}

/// The pending one that a link's secret selects.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_by_digest(tx: &mut Tx, digest: &[u8; 32]) -> Result<Option<InvitationRow>, StoreError> {
    tx.fetch_optional(FIND_BY_DIGEST, &[digest.as_slice().into()]).await?.as_ref().map(InvitationRow::read).transpose()
}

/// The pending ones of a root, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_pending(tx: &mut Tx, root: OrganizationId) -> Result<Vec<InvitationRow>, StoreError> {
    tx.fetch_all(LIST_PENDING, &[root.into()]).await?.iter().map(InvitationRow::read).collect()
}

/// What it brings, by organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_roles(tx: &mut Tx, id: InvitationId) -> Result<Vec<RolesIn>, StoreError> {
    let mut grants: Vec<RolesIn> = Vec::new();
    for row in tx.fetch_all(LIST_ROLES, &[id.into()]).await? {
        let (organization_id, role) = (row.get::<OrganizationId>("organization_id")?, row.get::<String>("role")?);
        match grants.last_mut() {
            Some(last) if last.organization_id == organization_id => last.roles.push(role),
            _ => grants.push(RolesIn { organization_id, roles: vec![role] }),
        }
    }
    Ok(grants)
}
