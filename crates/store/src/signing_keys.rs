//! Signing keys; the private part only sealed.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{Time, jwk};

statements! {
    INSERT = "INSERT INTO signing_keys (kid, purpose, algorithm, public_jwk, sealed_private, created_at, retired_at, revoked_at)
        VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL)";
    LIST = "SELECT kid, purpose, algorithm, public_jwk, sealed_private, created_at, retired_at FROM signing_keys
        WHERE revoked_at IS NULL ORDER BY created_at, kid";
    RETIRE = "UPDATE signing_keys SET retired_at = $2 WHERE purpose = $1 AND retired_at IS NULL AND revoked_at IS NULL";
}

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
    /// Since when it signs nothing new.
    pub retired_at: Option<Time>,
}

impl SigningKeyRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let purpose = match row.get::<String>("purpose")?.as_str() {
            "access-token" => jwk::Purpose::AccessToken,
            "document" => jwk::Purpose::Document,
            _ => return Err(StoreError::Corrupt),
        };
        let algorithm = jwk::Algorithm::from_name(&row.get::<String>("algorithm")?).ok_or(StoreError::Corrupt)?;
        Ok(Self {
            kid: row.get("kid")?,
            purpose,
            algorithm,
            public_jwk: row.get("public_jwk")?,
            sealed_private: row.get("sealed_private")?,
            created_at: row.get("created_at")?,
            retired_at: row.get("retired_at")?,
        })
    }
}

/// Adds a key; the one of its purpose that is active must have been retired before.
///
/// # Errors
/// `Conflict` if one is still active.
pub async fn insert(tx: &mut Tx, key: &SigningKeyRow) -> Result<(), StoreError> {
    let values = [
        key.kid.as_str().into(),
        key.purpose.as_str().into(),
        key.algorithm.as_str().into(),
        key.public_jwk.as_str().into(),
        key.sealed_private.as_slice().into(),
        key.created_at.into(),
    ];
    tx.execute_one(INSERT, &values).await
}

/// All that are not revoked, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx) -> Result<Vec<SigningKeyRow>, StoreError> {
    tx.fetch_all(LIST, &[]).await?.iter().map(SigningKeyRow::read).collect()
}

/// Ends the active key of a purpose: it verifies on, but signs nothing new.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn retire(tx: &mut Tx, purpose: jwk::Purpose, now: Time) -> Result<(), StoreError> {
    tx.execute(RETIRE, &[purpose.as_str().into(), now.into()]).await.map(|_| ())
}
