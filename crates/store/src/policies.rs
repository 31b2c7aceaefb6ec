//! What organizations demand of keys. An exchange reads it with the credential, in [`crate::keys`].

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{OrganizationId, Time};

statements! {
    FIND = "SELECT longest_key_life, allowed_addresses, personal_keys_off_at, members_by_keys_off_at FROM organizations
        WHERE id = $1 AND deleted_at IS NULL";
    UPDATE = "UPDATE organizations SET longest_key_life = $2, allowed_addresses = $3, personal_keys_off_at = $4, members_by_keys_off_at = $5
        WHERE id = $1 AND deleted_at IS NULL";
}

/// One organization's own demands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyRow {
    /// How long a new key lives at most, in seconds.
    pub longest_key_life: Option<i64>,
    /// Addresses that keys are taken from, with spaces between; empty for all.
    pub allowed_addresses: String,
    /// Since when Personal Access Keys open nothing.
    pub personal_keys_off_at: Option<Time>,
    /// Since when tokens of keys neither invite nor change roles.
    pub members_by_keys_off_at: Option<Time>,
}

impl PolicyRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            longest_key_life: row.get("longest_key_life")?,
            allowed_addresses: row.get("allowed_addresses")?,
            personal_keys_off_at: row.get("personal_keys_off_at")?,
            members_by_keys_off_at: row.get("members_by_keys_off_at")?,
        })
    }
}

/// An organization's own.
///
/// # Errors
/// `NotFound` if there is no such organization.
pub async fn get(tx: &mut Tx, organization: OrganizationId) -> Result<PolicyRow, StoreError> {
    PolicyRow::read(&tx.fetch_one(FIND, &[organization.into()]).await?)
}

/// Replaces it.
///
/// # Errors
/// `NotFound` if there is no such organization.
pub async fn update(tx: &mut Tx, organization: OrganizationId, policy: &PolicyRow) -> Result<(), StoreError> {
    let values = [
        organization.into(),
        policy.longest_key_life.into(),
        policy.allowed_addresses.as_str().into(),
        policy.personal_keys_off_at.into(),
        policy.members_by_keys_off_at.into(),
    ];
    tx.execute_one(UPDATE, &values).await
}
