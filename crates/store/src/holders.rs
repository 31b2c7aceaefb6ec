//! Who holds a role: live memberships, unrevoked API Keys, and invitations that may still be accepted, in organizations that have not
//! been deleted.

use crate::{StoreError, memberships::split_roles, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{KeyId, OrganizationId, UserId};

/// Everybody who holds any role, in organizations that are not deleted.
macro_rules! holders {
    ($where:literal) => {
        concat!(
            "SELECT 'membership' AS kind, o.id AS organization_id, o.root_id AS root_id, o.name AS organization_name, string_agg(r.role, ' ') AS roles
                FROM membership_roles r JOIN memberships m ON m.id = r.membership_id AND m.ended_at IS NULL
                JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL",
            $where,
            " GROUP BY m.id, o.id, o.root_id, o.name
            UNION ALL SELECT 'key', o.id, o.root_id, o.name, string_agg(r.role, ' ')
                FROM key_roles r JOIN keys k ON k.id = r.key_id AND k.revoked_at IS NULL
                JOIN organizations o ON o.id = r.organization_id AND o.deleted_at IS NULL",
            $where,
            " GROUP BY k.id, o.id, o.root_id, o.name
            UNION ALL SELECT 'invitation', o.id, o.root_id, o.name, string_agg(r.role, ' ')
                FROM invitation_roles r JOIN invitations i ON i.id = r.invitation_id AND i.accepted_at IS NULL AND i.revoked_at IS NULL
                JOIN organizations o ON o.id = r.organization_id AND o.deleted_at IS NULL",
            $where,
            " GROUP BY i.id, o.id, o.root_id, o.name"
        )
    };
}

statements! {
    LIST = holders!("");
    LIST_IN = holders!(" WHERE o.root_id = $1");
    LIST_USERS_WITH = "SELECT DISTINCT m.user_id FROM membership_roles r JOIN memberships m ON m.id = r.membership_id AND m.ended_at IS NULL WHERE r.role = $1";
    LIST_KEYS_WITH = "SELECT DISTINCT r.key_id FROM key_roles r JOIN keys k ON k.id = r.key_id AND k.revoked_at IS NULL WHERE r.role = $1";
    LIST_USERS_WITH_IN = "SELECT DISTINCT m.user_id FROM membership_roles r JOIN memberships m ON m.id = r.membership_id AND m.ended_at IS NULL
        JOIN organizations o ON o.id = m.organization_id WHERE r.role = $1 AND o.root_id = $2";
    LIST_KEYS_WITH_IN = "SELECT DISTINCT r.key_id FROM key_roles r JOIN keys k ON k.id = r.key_id AND k.revoked_at IS NULL
        JOIN organizations o ON o.id = r.organization_id WHERE r.role = $1 AND o.root_id = $2";
    DROP_DOUBLE_OF_MEMBERSHIPS = "DELETE FROM membership_roles WHERE role = $1
        AND membership_id IN (SELECT id FROM memberships WHERE ended_at IS NULL)
        AND membership_id IN (SELECT membership_id FROM membership_roles WHERE role = $2)";
    REPLACE_OF_MEMBERSHIPS = "UPDATE membership_roles SET role = $2 WHERE role = $1
        AND membership_id IN (SELECT id FROM memberships WHERE ended_at IS NULL)";
    DROP_DOUBLE_OF_KEYS = "DELETE FROM key_roles WHERE role = $1
        AND key_id IN (SELECT id FROM keys WHERE revoked_at IS NULL)
        AND EXISTS (SELECT 1 FROM key_roles x WHERE x.key_id = key_roles.key_id AND x.organization_id = key_roles.organization_id AND x.role = $2)";
    REPLACE_OF_KEYS = "UPDATE key_roles SET role = $2 WHERE role = $1 AND key_id IN (SELECT id FROM keys WHERE revoked_at IS NULL)";
    DROP_DOUBLE_OF_INVITATIONS = "DELETE FROM invitation_roles WHERE role = $1
        AND invitation_id IN (SELECT id FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL)
        AND EXISTS (SELECT 1 FROM invitation_roles x WHERE x.invitation_id = invitation_roles.invitation_id
            AND x.organization_id = invitation_roles.organization_id AND x.role = $2)";
    REPLACE_OF_INVITATIONS = "UPDATE invitation_roles SET role = $2 WHERE role = $1
        AND invitation_id IN (SELECT id FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL)";
    DROP_DOUBLE_OF_MEMBERSHIPS_IN = "DELETE FROM membership_roles WHERE role = $1
        AND membership_id IN (SELECT m.id FROM memberships m JOIN organizations o ON o.id = m.organization_id WHERE m.ended_at IS NULL AND o.root_id = $3)
        AND membership_id IN (SELECT membership_id FROM membership_roles WHERE role = $2)";
    REPLACE_OF_MEMBERSHIPS_IN = "UPDATE membership_roles SET role = $2 WHERE role = $1
        AND membership_id IN (SELECT m.id FROM memberships m JOIN organizations o ON o.id = m.organization_id WHERE m.ended_at IS NULL AND o.root_id = $3)";
    DROP_DOUBLE_OF_KEYS_IN = "DELETE FROM key_roles WHERE role = $1
        AND key_id IN (SELECT id FROM keys WHERE revoked_at IS NULL) AND organization_id IN (SELECT id FROM organizations WHERE root_id = $3)
        AND EXISTS (SELECT 1 FROM key_roles x WHERE x.key_id = key_roles.key_id AND x.organization_id = key_roles.organization_id AND x.role = $2)";
    REPLACE_OF_KEYS_IN = "UPDATE key_roles SET role = $2 WHERE role = $1
        AND key_id IN (SELECT id FROM keys WHERE revoked_at IS NULL) AND organization_id IN (SELECT id FROM organizations WHERE root_id = $3)";
    DROP_DOUBLE_OF_INVITATIONS_IN = "DELETE FROM invitation_roles WHERE role = $1
        AND invitation_id IN (SELECT id FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL AND root_id = $3)
        AND EXISTS (SELECT 1 FROM invitation_roles x WHERE x.invitation_id = invitation_roles.invitation_id
            AND x.organization_id = invitation_roles.organization_id AND x.role = $2)";
    REPLACE_OF_INVITATIONS_IN = "UPDATE invitation_roles SET role = $2 WHERE role = $1
        AND invitation_id IN (SELECT id FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL AND root_id = $3)";
}

/// What kind of thing holds roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderKind {
    /// A live direct membership.
    Membership,
    /// An unrevoked API Key.
    Key,
    /// A pending invitation, whose roles come with its acceptance.
    Invitation,
}

/// Everything that one holder has in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderRow {
    /// Its kind.
    pub kind: HolderKind,
    /// Where.
    pub organization_id: OrganizationId,
    /// That organization's root.
    pub root_id: OrganizationId,
    /// That organization's name.
    pub organization_name: String,
    /// Its own roles there, sorted; at least one.
    pub roles: Vec<String>,
}

/// Everybody who holds any role, one row a holder and organization.
///
/// # Errors
/// `Corrupt` for a kind that there is not.
pub async fn list(tx: &mut Tx) -> Result<Vec<HolderRow>, StoreError> {
    tx.fetch_all(LIST, &[]).await?.iter().map(read).collect()
}

/// Those in a root and its sub-organizations.
///
/// # Errors
/// `Corrupt` for a kind that there is not.
pub async fn list_in(tx: &mut Tx, root: OrganizationId) -> Result<Vec<HolderRow>, StoreError> {
    tx.fetch_all(LIST_IN, &[root.into()]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<HolderRow, StoreError> {
    let kind = match row.get::<String>("kind")?.as_str() {
        "membership" => HolderKind::Membership,
        "key" => HolderKind::Key,
        "invitation" => HolderKind::Invitation,
        _ => return Err(StoreError::Corrupt),
    };
    let (organization_id, root_id, organization_name) = (row.get("organization_id")?, row.get("root_id")?, row.get("organization_name")?);
    Ok(HolderRow { kind, organization_id, root_id, organization_name, roles: split_roles(row.get("roles")?) })
}

/// Who holds a role by a live membership.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_users_with(tx: &mut Tx, role: &str) -> Result<Vec<UserId>, StoreError> {
    tx.fetch_all(LIST_USERS_WITH, &[role.into()]).await?.iter().map(|row| row.get("user_id")).collect()
}

/// Which unrevoked API Keys hold a role.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_keys_with(tx: &mut Tx, role: &str) -> Result<Vec<KeyId>, StoreError> {
    tx.fetch_all(LIST_KEYS_WITH, &[role.into()]).await?.iter().map(|row| row.get("key_id")).collect()
}

/// Puts one role in another's place for everybody who holds it; who has both keeps one. What has ended stays as it was.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn replace_role(tx: &mut Tx, old: &str, new: &str) -> Result<(), StoreError> {
    let in_order =
        [DROP_DOUBLE_OF_MEMBERSHIPS, REPLACE_OF_MEMBERSHIPS, DROP_DOUBLE_OF_KEYS, REPLACE_OF_KEYS, DROP_DOUBLE_OF_INVITATIONS, REPLACE_OF_INVITATIONS];
    for statement in in_order {
        tx.execute(statement, &[old.into(), new.into()]).await?;
    }
    Ok(())
}

/// Who holds a role of a root's own by a live membership, there or in a sub-organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_users_with_in(tx: &mut Tx, role: &str, root: OrganizationId) -> Result<Vec<UserId>, StoreError> {
    tx.fetch_all(LIST_USERS_WITH_IN, &[role.into(), root.into()]).await?.iter().map(|row| row.get("user_id")).collect()
}

/// Which unrevoked API Keys hold it.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_keys_with_in(tx: &mut Tx, role: &str, root: OrganizationId) -> Result<Vec<KeyId>, StoreError> {
    tx.fetch_all(LIST_KEYS_WITH_IN, &[role.into(), root.into()]).await?.iter().map(|row| row.get("key_id")).collect()
}

/// Puts one role in another's place in a root and its sub-organizations; who has both keeps one. What has ended stays as it was.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn replace_role_in(tx: &mut Tx, root: OrganizationId, old: &str, new: &str) -> Result<(), StoreError> {
    let in_order = [
        DROP_DOUBLE_OF_MEMBERSHIPS_IN,
        REPLACE_OF_MEMBERSHIPS_IN,
        DROP_DOUBLE_OF_KEYS_IN,
        REPLACE_OF_KEYS_IN,
        DROP_DOUBLE_OF_INVITATIONS_IN,
        REPLACE_OF_INVITATIONS_IN,
    ];
    for statement in in_order {
        tx.execute(statement, &[old.into(), new.into(), root.into()]).await?;
    }
    Ok(())
}
