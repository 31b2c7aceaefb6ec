//! Signing keys; the private part only sealed.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{Time, jwk};

statements! {
    INSERT = "INSERT INTO signing_keys (kid, purpose, algorithm, public_jwk, sealed_private, created_at, activated_at, retired_at, removed_at, revoked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL, NULL)";
    LIST = "SELECT kid, purpose, algorithm, public_jwk, sealed_private, created_at, activated_at, retired_at, removed_at, revoked_at FROM signing_keys
        WHERE revoked_at IS NULL AND removed_at IS NULL ORDER BY created_at, kid";
    LIST_ALL = "SELECT kid, purpose, algorithm, public_jwk, sealed_private, created_at, activated_at, retired_at, removed_at, revoked_at FROM signing_keys
        ORDER BY created_at, kid";
    LIST_REVOKED = "SELECT kid FROM signing_keys WHERE revoked_at IS NOT NULL ORDER BY revoked_at, kid";
    ACTIVATE = "UPDATE signing_keys SET activated_at = $2 WHERE kid = $1 AND activated_at IS NULL AND revoked_at IS NULL";
    RETIRE = "UPDATE signing_keys SET retired_at = $2 WHERE purpose = $1 AND activated_at IS NOT NULL AND retired_at IS NULL AND revoked_at IS NULL";
    REMOVE = "UPDATE signing_keys SET removed_at = $2, sealed_private = $3 WHERE kid = $1 AND retired_at IS NOT NULL AND removed_at IS NULL";
    REVOKE = "UPDATE signing_keys SET revoked_at = $2, sealed_private = $3 WHERE kid = $1 AND revoked_at IS NULL";
}

/// In the place of a private part that is gone.
const NOTHING: &[u8] = &[];

/// One signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it may sign.
    pub purpose: jwk::Purpose,
    /// How it signs.
    pub algorithm: jwk::Algorithm,
    /// The public key as a JWK, JSON.
    pub public_jwk: String,
    /// PKCS #8, sealed.
    pub sealed_private: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// Since when it signs; `None` as long as it is only published.
    pub activated_at: Option<Time>,
    /// Since when it signs nothing new.
    pub retired_at: Option<Time>,
    /// Since when it verifies nothing any more, as all that it signed has expired.
    pub removed_at: Option<Time>,
    /// Since when nothing that it signed is believed.
    pub revoked_at: Option<Time>,
}

impl SigningKeyRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let purpose = jwk::Purpose::from_name(&row.get::<String>("purpose")?).ok_or(StoreError::Corrupt)?;
        let algorithm = jwk::Algorithm::from_name(&row.get::<String>("algorithm")?).ok_or(StoreError::Corrupt)?;
        Ok(Self {
            kid: row.get("kid")?,
            purpose,
            algorithm,
            public_jwk: row.get("public_jwk")?,
            sealed_private: row.get("sealed_private")?,
            created_at: row.get("created_at")?,
            activated_at: row.get("activated_at")?,
            retired_at: row.get("retired_at")?,
            removed_at: row.get("removed_at")?,
            revoked_at: row.get("revoked_at")?,
        })
    }
}

/// Adds a key, active or pending; another one of its purpose must not be so.
///
/// # Errors
/// `Conflict` if one is.
pub async fn insert(tx: &mut Tx, key: &SigningKeyRow) -> Result<(), StoreError> {
    let values = [
        key.kid.as_str().into(),
        key.purpose.as_str().into(),
        key.algorithm.as_str().into(),
        key.public_jwk.as_str().into(),
        key.sealed_private.as_slice().into(),
        key.created_at.into(),
        key.activated_at.into(),
    ];
    tx.execute_one(INSERT, &values).await
}

/// All that verify, or will: neither revoked nor removed, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx) -> Result<Vec<SigningKeyRow>, StoreError> {
    tx.fetch_all(LIST, &[]).await?.iter().map(SigningKeyRow::read).collect()
}

/// All that ever were, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_all(tx: &mut Tx) -> Result<Vec<SigningKeyRow>, StoreError> {
    tx.fetch_all(LIST_ALL, &[]).await?.iter().map(SigningKeyRow::read).collect()
}

/// The key ids of those that are revoked.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_revoked(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    tx.fetch_all(LIST_REVOKED, &[]).await?.iter().map(|row| row.get("kid")).collect()
}

/// A pending key signs from now on. The active one of its purpose must have been retired before.
///
/// # Errors
/// `NotFound` if it is not pending, `Conflict` if another one is still active.
pub async fn activate(tx: &mut Tx, kid: &str, now: Time) -> Result<(), StoreError> {
    tx.execute_one(ACTIVATE, &[kid.into(), now.into()]).await
}

/// A retired key verifies nothing any more; its private part goes.
///
/// # Errors
/// `NotFound` if it is not retired.
pub async fn remove(tx: &mut Tx, kid: &str, now: Time) -> Result<(), StoreError> {
    tx.execute_one(REMOVE, &[kid.into(), now.into(), NOTHING.into()]).await
}

/// Nothing that this key signed is believed any more; its private part goes. Answers whether it was not revoked before.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn revoke(tx: &mut Tx, kid: &str, now: Time) -> Result<bool, StoreError> {
    tx.execute(REVOKE, &[kid.into(), now.into(), NOTHING.into()]).await.map(|changed| changed > 0)
}

/// Ends the active key of a purpose: it verifies on, but signs nothing new.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn retire(tx: &mut Tx, purpose: jwk::Purpose, now: Time) -> Result<(), StoreError> {
    tx.execute(RETIRE, &[purpose.as_str().into(), now.into()]).await.map(|_| ())
}
