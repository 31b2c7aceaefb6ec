//! Operator keys: rows of `keys` without an organization. They are never exchanged, so they have no generations.

use crate::{StoreError, managed_keys::VersionRow, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{KeyId, Time};

macro_rules! record_from {
    ($more_columns:literal, $rest:literal) => {
        concat!(
            "SELECT k.id, k.name, k.operator_scopes, k.allowed_addresses, k.created_at, k.created_by, k.not_before, k.expires_at, k.revoked_at",
            $more_columns,
            " FROM keys k ",
            $rest
        )
    };
}

macro_rules! credential_where {
    ($predicate:literal) => {
        concat!(
            record_from!(", v.version, v.digest, v.tag, v.ends_at, v.ended_at", "JOIN secret_versions v ON v.key_id = k.id WHERE k.kind = 'op' AND "),
            $predicate
        )
    };
}

statements! {
    INSERT = "INSERT INTO keys (id, kind, organization_id, membership_id, name, email, description, metadata, allowed_addresses,
            created_at, created_by, not_before, expires_at, suspended_at, revoked_at, operator_scopes)
        VALUES ($1, 'op', NULL, NULL, $2, NULL, '', '{}', $3, $4, $5, $6, $7, NULL, NULL, $8)";
    FIND = record_from!("", "WHERE k.kind = 'op' AND k.id = $1");
    LIST = record_from!("", "WHERE k.kind = 'op' ORDER BY k.created_at, k.id");
    FIND_BY_DIGEST = credential_where!("v.digest = $1");
    FIND_VERSION = credential_where!("k.id = $1 AND v.version = $2");
}

/// An operator key with everything about it but its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorKeyRow {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// What it may do, words with spaces between.
    pub scopes: String,
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
    /// Since when it is revoked.
    pub revoked_at: Option<Time>,
}

impl OperatorKeyRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            scopes: row.get("operator_scopes")?,
            allowed_addresses: row.get("allowed_addresses")?,
            created_at: row.get("created_at")?,
            created_by: row.get("created_by")?,
            not_before: row.get("not_before")?,
            expires_at: row.get("expires_at")?,
            revoked_at: row.get("revoked_at")?,
        })
    }
}

/// A presented secret's operator key, with the secret version that was presented.
#[derive(Debug, Clone)]
pub struct OperatorCredential {
    /// The key.
    pub key: OperatorKeyRow,
    /// The version.
    pub version: VersionRow,
}

impl OperatorCredential {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { key: OperatorKeyRow::read(row)?, version: VersionRow::read(row)? })
    }
}

/// Adds one; without a secret it opens nothing yet.
///
/// # Errors
/// `Conflict` if the id is taken.
pub async fn insert(tx: &mut Tx, key: &OperatorKeyRow) -> Result<(), StoreError> {
    let values: [Value; 8] = [
        key.id.into(),
        key.name.as_str().into(),
        key.allowed_addresses.as_str().into(),
        key.created_at.into(),
        key.created_by.as_str().into(),
        key.not_before.into(),
        key.expires_at.into(),
        key.scopes.as_str().into(),
    ];
    tx.execute_one(INSERT, &values).await
}

/// One by its id.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: KeyId) -> Result<Option<OperatorKeyRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await?.as_ref().map(OperatorKeyRow::read).transpose()
}

/// All of them, in whatever state, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx) -> Result<Vec<OperatorKeyRow>, StoreError> {
    tx.fetch_all(LIST, &[]).await?.iter().map(OperatorKeyRow::read).collect()
}

/// The one that a secret's digest selects.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_by_digest(tx: &mut Tx, digest: &[u8; 32]) -> Result<Option<OperatorCredential>, StoreError> {
    tx.fetch_optional(FIND_BY_DIGEST, &[digest.as_slice().into()]).await?.as_ref().map(OperatorCredential::read).transpose()
}

/// One by its id, with a certain secret version.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_version(tx: &mut Tx, id: KeyId, version: i64) -> Result<Option<OperatorCredential>, StoreError> {
    tx.fetch_optional(FIND_VERSION, &[id.into(), version.into()]).await?.as_ref().map(OperatorCredential::read).transpose()
}
