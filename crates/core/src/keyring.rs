//! The signing keys in force: one that signs per purpose, and all that verify.

pub mod lifecycle;

use crate::{Error, key_file::KeyFile, signer::Signer};
use keywright_protocol::{
    Time,
    jwk::{Algorithm, JwkSet, Purpose},
};
use keywright_store::{changes, changes::ChangeKind, signing_keys, signing_keys::SigningKeyRow};
use std::collections::HashMap;
use uuid::Uuid;

/// All signing keys that are published.
pub struct Keyring {
    token: Signer,
    document: Signer,
    status: Option<Signer>,
    identity: Option<Signer>,
    /// Retired ones, and those that are to sign soon.
    others: Vec<Signer>,
}

impl Keyring {
    /// Opens the stored keys.
    ///
    /// # Errors
    /// [`Error::Internal`] if one does not open, or a purpose has no active key.
    pub fn open(rows: &[SigningKeyRow], key_file: &KeyFile) -> Result<Self, Error> {
        let (mut active, mut others) = (HashMap::new(), Vec::new());
        for row in rows {
            let signer = Signer::open(row, key_file)?;
            if is_active(row) {
                active.insert(row.purpose, signer);
            } else {
                others.push(signer);
            }
        }
        let missing = || Error::Internal("there is no active signing key");
        Ok(Self {
            token: active.remove(&Purpose::AccessToken).ok_or_else(missing)?,
            document: active.remove(&Purpose::Document).ok_or_else(missing)?,
            status: active.remove(&Purpose::StatusList),
            identity: active.remove(&Purpose::Identity),
            others,
        })
    }

    /// The key that signs status lists, their feed, and receipts.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is none yet: a server makes it when it starts.
    pub fn status(&self) -> Result<&Signer, Error> {
        self.status.as_ref().ok_or(Error::Internal("there is no signing key for status lists; start the server once"))
    }

    /// The key that signs identity tokens.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is none yet: a server makes it when it starts.
    pub fn identity(&self) -> Result<&Signer, Error> {
        self.identity.as_ref().ok_or(Error::Internal("there is no signing key for identity tokens; start the server once"))
    }

    /// The key that signs access tokens.
    #[must_use]
    pub fn token(&self) -> &Signer {
        &self.token
    }

    /// The key that signs documents.
    #[must_use]
    pub fn document(&self) -> &Signer {
        &self.document
    }

    /// Everything that verifies.
    #[must_use]
    pub fn jwks(&self) -> JwkSet {
        JwkSet { keys: self.all().map(|signer| signer.jwk().clone()).collect() }
    }

    /// The keys of access tokens as PEM blocks.
    #[must_use]
    pub fn pem(&self) -> String {
        self.all().filter(|signer| signer.jwk().purpose == Some(Purpose::AccessToken)).map(Signer::pem).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Signer> {
        [&self.token, &self.document].into_iter().chain(&self.status).chain(&self.identity).chain(&self.others)
    }
}

/// Makes what is missing: one active key a purpose, of the algorithm that is wished for. A key of another algorithm retires; it
/// goes on verifying.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn ensure(tx: &mut keywright_db::Tx, key_file: &KeyFile, algorithm: Algorithm, now: Time) -> Result<(), Error> {
    let rows = signing_keys::list(tx).await?;
    let mut changed = false;
    for purpose in Purpose::ALL {
        if !rows.iter().any(|row| row.purpose == purpose && is_active(row) && row.algorithm == algorithm) {
            signing_keys::retire(tx, purpose, now).await?;
            signing_keys::insert(tx, &SigningKeyRow { activated_at: Some(now), ..Signer::generate(purpose, algorithm, key_file, now)? }).await?;
            changed = true;
        }
    }
    if changed {
        changes::insert(tx, ChangeKind::SigningKeys, Uuid::nil(), &[]).await?;
    }
    Ok(())
}

/// Whether a key signs, of those that are neither revoked nor removed.
pub(crate) fn is_active(row: &SigningKeyRow) -> bool {
    row.activated_at.is_some() && row.retired_at.is_none()
}
