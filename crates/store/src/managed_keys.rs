//! Keys as whoever manages them sees and changes them. What an exchange needs is in [`crate::keys`].

use crate::{StoreError, keys::kind_of, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Time, UserId};

/// A key's record; the rest of the statement stands in one text or several.
macro_rules! record_where {
    ($($predicate:tt)+) => {
        concat!(
            "SELECT k.id, k.kind, k.organization_id, k.name, k.email, k.description, k.metadata, k.allowed_addresses, k.created_at, k.created_by,
                k.not_before, k.expires_at, k.suspended_at, k.revoked_at, k.protected_at, k.introspects_at, m.user_id, u.email AS user_email,
                (SELECT max(x.last_used_at) FROM key_uses x WHERE x.key_id = k.id) AS last_used_at,
                (SELECT x.address FROM key_uses x WHERE x.key_id = k.id AND x.last_used_at IS NOT NULL ORDER BY x.last_used_at DESC LIMIT 1)
                    AS last_used_address
            FROM keys k LEFT JOIN memberships m ON m.id = k.membership_id LEFT JOIN users u ON u.id = m.user_id
            WHERE ",
            $($predicate)+
        )
    };
}
pub(crate) use record_where;

statements! {
    FIND = record_where!("k.id = $1 AND k.organization_id = $2");
    LIST = record_where!("k.organization_id = $1 ORDER BY k.created_at, k.id");
    FIND_HOME = "SELECT organization_id FROM keys WHERE id = $1 AND organization_id IS NOT NULL";
    LIST_ROLES_OF = "SELECT key_id, organization_id, role FROM key_roles WHERE key_id = $1 ORDER BY organization_id, role";
    DELETE_ROLES_IN = "DELETE FROM key_roles WHERE key_id = $1 AND organization_id = $2";
    UPDATE_NAME = "UPDATE keys SET name = $2 WHERE id = $1 AND revoked_at IS NULL";
    KEEP_NAME = "INSERT INTO key_names (key_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    UPDATE_DETAILS = "UPDATE keys SET description = $2, metadata = $3, allowed_addresses = $4, not_before = $5, protected_at = $6, introspects_at = $7
        WHERE id = $1 AND revoked_at IS NULL";
    UPDATE_EXPIRY = "UPDATE keys SET expires_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    SUSPEND = "UPDATE keys SET suspended_at = $2 WHERE id = $1 AND revoked_at IS NULL AND suspended_at IS NULL";
    RESUME = "UPDATE keys SET suspended_at = NULL WHERE id = $1 AND revoked_at IS NULL AND suspended_at IS NOT NULL";
    LIST_LIVING_SINCE = record_where!("k.revoked_at IS NULL AND k.created_at >= $2 AND k.organization_id IN
        (SELECT id FROM organizations WHERE id = $1 OR root_id = $1) ORDER BY k.created_at, k.id");
    LIST_VERSIONS = "SELECT version, digest, tag, ends_at, ended_at FROM secret_versions WHERE key_id = $1 ORDER BY version";
    UPDATE_TAG = "UPDATE secret_versions SET tag = $3 WHERE key_id = $1 AND version = $2";
    END_VERSIONS = "UPDATE secret_versions SET ended_at = $3 WHERE key_id = $1 AND version < $2 AND ended_at IS NULL";
    LIMIT_VERSIONS = "UPDATE secret_versions SET ends_at = $3
        WHERE key_id = $1 AND version < $2 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > $3)";
}

/// A key with everything about it but its secrets and roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// Whose it is, for a Personal Access Key.
    pub user_id: Option<UserId>,
    /// That user's address.
    pub user_email: Option<String>,
    /// Its present name.
    pub name: String,
    /// The generated identity of an API Key.
    pub email: Option<String>,
    /// What its organization wrote about it.
    pub description: String,
    /// A JSON object for the organization's own programs.
    pub metadata: String,
    /// Addresses that it is taken from, with spaces between; empty for all.
    pub allowed_addresses: String,
    /// When it was made.
    pub created_at: Time,
    /// By whom, in words.
    pub created_by: String,
    /// Not valid before.
    pub not_before: Time,
    /// Not valid from then on.
    pub expires_at: Time,
    /// Since when it is suspended.
    pub suspended_at: Option<Time>,
    /// Since when it is revoked.
    pub revoked_at: Option<Time>,
    /// Since when it is protected from being revoked.
    pub protected_at: Option<Time>,
    /// Since when it may ask about every token and key of the installation.
    pub introspects_at: Option<Time>,
    /// When it was last exchanged for a token, as far as that is written.
    pub last_used_at: Option<Time>,
    /// From where; empty if nobody knew.
    pub last_used_address: Option<String>,
}

impl KeyRecord {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            kind: kind_of(&row.get::<String>("kind")?)?,
            organization_id: row.get("organization_id")?,
            user_id: row.get("user_id")?,
            user_email: row.get("user_email")?,
            name: row.get("name")?,
            email: row.get("email")?,
            description: row.get("description")?,
            metadata: row.get("metadata")?,
            allowed_addresses: row.get("allowed_addresses")?,
            created_at: row.get("created_at")?,
            created_by: row.get("created_by")?,
            not_before: row.get("not_before")?,
            expires_at: row.get("expires_at")?,
            suspended_at: row.get("suspended_at")?,
            revoked_at: row.get("revoked_at")?,
            protected_at: row.get("protected_at")?,
            introspects_at: row.get("introspects_at")?,
            last_used_at: row.get("last_used_at")?,
            last_used_address: row.get("last_used_address")?,
        })
    }
}

/// A key of an organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: KeyId, organization: OrganizationId) -> Result<Option<KeyRecord>, StoreError> {
    tx.fetch_optional(FIND, &[id.into(), organization.into()]).await?.as_ref().map(KeyRecord::read).transpose()
}

/// The keys of an organization, of all kinds and states, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, organization: OrganizationId) -> Result<Vec<KeyRecord>, StoreError> {
    tx.fetch_all(LIST, &[organization.into()]).await?.iter().map(KeyRecord::read).collect()
}

/// The unrevoked keys of an organization and of what hangs under it that were made since a time, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_living_since(tx: &mut Tx, organization: OrganizationId, since: Time) -> Result<Vec<KeyRecord>, StoreError> {
    tx.fetch_all(LIST_LIVING_SINCE, &[organization.into(), since.into()]).await?.iter().map(KeyRecord::read).collect()
}

/// Where a key lives; an operator key lives nowhere. For the host alone: everybody else names the organization.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_home(tx: &mut Tx, id: KeyId) -> Result<Option<OrganizationId>, StoreError> {
    tx.fetch_optional(FIND_HOME, &[id.into()]).await?.map(|row| row.get("organization_id")).transpose()
}

/// One role of an API Key in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRole {
    /// The key.
    pub key_id: KeyId,
    /// Where it has the role.
    pub organization_id: OrganizationId,
    /// The role's key.
    pub role: String,
}

impl KeyRole {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { key_id: row.get("key_id")?, organization_id: row.get("organization_id")?, role: row.get("role")? })
    }
}

/// The roles of one key.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_roles_of(tx: &mut Tx, id: KeyId) -> Result<Vec<KeyRole>, StoreError> {
    tx.fetch_all(LIST_ROLES_OF, &[id.into()]).await?.iter().map(KeyRole::read).collect()
}

/// Takes all roles from a key that it has in one organization.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_roles(tx: &mut Tx, id: KeyId, organization: OrganizationId) -> Result<(), StoreError> {
    tx.execute(DELETE_ROLES_IN, &[id.into(), organization.into()]).await.map(|_| ())
}

/// Gives an unrevoked key another name; its earlier ones stay known.
///
/// # Errors
/// `Conflict` if an unrevoked API Key of the organization has that name, `NotFound` if the key is revoked.
pub async fn update_name(tx: &mut Tx, id: KeyId, name: &str) -> Result<(), StoreError> {
    tx.execute_one(UPDATE_NAME, &[id.into(), name.into()]).await?;
    tx.execute(KEEP_NAME, &[id.into(), name.into()]).await.map(|_| ())
}

/// Writes what an unrevoked key's record says of description, metadata, addresses, `not_before`, protection and introspection.
///
/// # Errors
/// `NotFound` if the key is revoked.
pub async fn update_details(tx: &mut Tx, record: &KeyRecord) -> Result<(), StoreError> {
    let values = [
        record.id.into(),
        record.description.as_str().into(),
        record.metadata.as_str().into(),
        record.allowed_addresses.as_str().into(),
        record.not_before.into(),
        record.protected_at.into(),
        record.introspects_at.into(),
    ];
    tx.execute_one(UPDATE_DETAILS, &values).await
}

/// Gives an unrevoked key another end.
///
/// # Errors
/// `NotFound` if the key is revoked.
pub async fn update_expiry(tx: &mut Tx, id: KeyId, expires_at: Time) -> Result<(), StoreError> {
    tx.execute_one(UPDATE_EXPIRY, &[id.into(), expires_at.into()]).await
}

/// Suspends an unrevoked key; `false` if it was already.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn suspend(tx: &mut Tx, id: KeyId, now: Time) -> Result<bool, StoreError> {
    Ok(tx.execute(SUSPEND, &[id.into(), now.into()]).await? == 1)
}

/// Takes a suspension back; `false` if there was none.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn resume(tx: &mut Tx, id: KeyId) -> Result<bool, StoreError> {
    Ok(tx.execute(RESUME, &[id.into()]).await? == 1)
}

/// A secret version without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Counted from 1.
    pub version: i64,
    /// Its digest.
    pub digest: Vec<u8>,
    /// The tag that binds the digest to the key.
    pub tag: Vec<u8>,
    /// End of its overlap.
    pub ends_at: Option<Time>,
    /// When it was ended at once.
    pub ended_at: Option<Time>,
}

impl VersionRow {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.get("version")?,
            digest: row.get("digest")?,
            tag: row.get("tag")?,
            ends_at: row.get("ends_at")?,
            ended_at: row.get("ended_at")?,
        })
    }

    /// Whether its secret is still taken.
    #[must_use]
    pub fn is_in_use(&self, now: Time) -> bool {
        self.ended_at.is_none() && self.ends_at.is_none_or(|at| now < at)
    }
}

/// All secret versions of a key, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_versions(tx: &mut Tx, id: KeyId) -> Result<Vec<VersionRow>, StoreError> {
    tx.fetch_all(LIST_VERSIONS, &[id.into()]).await?.iter().map(VersionRow::read).collect()
}

/// Binds a secret version anew.
///
/// # Errors
/// `NotFound` if there is no such one.
pub async fn update_tag(tx: &mut Tx, id: KeyId, version: i64, tag: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute_one(UPDATE_TAG, &[id.into(), version.into(), tag.as_slice().into()]).await
}

/// Ends every secret version before one, at once.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_versions_before(tx: &mut Tx, id: KeyId, version: i64, now: Time) -> Result<(), StoreError> {
    tx.execute(END_VERSIONS, &[id.into(), version.into(), now.into()]).await.map(|_| ())
}

/// Has every secret version before one end at a time; those that end earlier stay as they are.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn limit_versions_before(tx: &mut Tx, id: KeyId, version: i64, ends_at: Time) -> Result<(), StoreError> {
    tx.execute(LIMIT_VERSIONS, &[id.into(), version.into(), ends_at.into()]).await.map(|_| ())
}
