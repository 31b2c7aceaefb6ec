//! Who hears of what happens to a key: its holder, or the Owners of its organization.

use crate::{StoreError, keys::kind_of, statements};
use keywright_db::Tx;
use keywright_protocol::{KeyId, KeyKind, OrganizationId};

statements! {
    FIND_KEY = "SELECT k.id, k.kind, k.name, k.organization_id, o.name AS organization_name, o.root_id
        FROM keys k JOIN organizations o ON o.id = k.organization_id WHERE k.id = $1";
    FIND_HOLDER = "SELECT u.email FROM keys k JOIN memberships m ON m.id = k.membership_id AND m.ended_at IS NULL
        JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL AND u.deleted_at IS NULL WHERE k.id = $1";
    LIST_DIRECT = "SELECT u.email FROM memberships m JOIN membership_roles r ON r.membership_id = m.id AND r.role = $2
        JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL AND u.deleted_at IS NULL
        WHERE m.organization_id = $1 AND m.ended_at IS NULL ORDER BY u.email";
}

/// What mail says of a key, and what decides who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardKey {
    /// Its id.
    pub id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Its present name.
    pub name: String,
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// That organization's name.
    pub organization_name: String,
    /// That organization's root.
    pub root_id: OrganizationId,
}

/// A key of an organization, whatever its state; an operator key is none.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_key(tx: &mut Tx, id: KeyId) -> Result<Option<HeardKey>, StoreError> {
    let Some(row) = tx.fetch_optional(FIND_KEY, &[id.into()]).await? else { return Ok(None) };
    Ok(Some(HeardKey {
        id: row.get("id")?,
        kind: kind_of(&row.get::<String>("kind")?)?,
        name: row.get("name")?,
        organization_id: row.get("organization_id")?,
        organization_name: row.get("organization_name")?,
        root_id: row.get("root_id")?,
    }))
}

/// The address of the holder of a Personal Access Key, if he is enabled and still a member.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_holder(tx: &mut Tx, id: KeyId) -> Result<Option<String>, StoreError> {
    tx.fetch_optional(FIND_HOLDER, &[id.into()]).await?.map(|row| row.get("email")).transpose()
}

/// The addresses of the enabled direct members of an organization who hold a role there, in alphabetical order.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_direct(tx: &mut Tx, organization: OrganizationId, role: &str) -> Result<Vec<String>, StoreError> {
    tx.fetch_all(LIST_DIRECT, &[organization.into(), role.into()]).await?.iter().map(|row| row.get("email")).collect()
}
