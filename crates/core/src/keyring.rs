//! The signing keys in force: one that signs per purpose, and all that verify.

use crate::{Error, key_file::KeyFile, signer::Signer};
use keywright_protocol::{
    Time,
    jwk::{Algorithm, JwkSet, Purpose},
};
use keywright_store::{changes, changes::ChangeKind, signing_keys};
use uuid::Uuid;

/// All signing keys that are not revoked.
pub struct Keyring {
    token: Signer,
    document: Signer,
    retired: Vec<Signer>,
}

impl Keyring {
    /// Opens the stored keys.
    ///
    /// # Errors
    /// [`Error::Internal`] if one does not open, or a purpose has no active key.
    pub fn open(rows: &[signing_keys::SigningKeyRow], key_file: &KeyFile) -> Result<Self, Error> {
        let (mut token, mut document, mut retired) = (None, None, Vec::new());
        for row in rows {
            let signer = Signer::open(row, key_file)?;
            match (row.retired_at, row.purpose) {
                (Some(_), _) => retired.push(signer),
                (None, Purpose::AccessToken) => token = Some(signer),
                (None, Purpose::Document) => document = Some(signer),
            }
        }
        let missing = || Error::Internal("there is no active signing key");
        Ok(Self { token: token.ok_or_else(missing)?, document: document.ok_or_else(missing)?, retired })
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
        [&self.token, &self.document].into_iter().chain(&self.retired)
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
    for purpose in [Purpose::AccessToken, Purpose::Document] {
        let stands = rows.iter().any(|row| row.purpose == purpose && row.retired_at.is_none() && row.algorithm == algorithm);
        if !stands {
            signing_keys::retire(tx, purpose, now).await?;
            signing_keys::insert(tx, &Signer::generate(purpose, algorithm, key_file, now)?).await?;
            changed = true;
        }
    }
    if changed {
        changes::insert(tx, ChangeKind::SigningKeys, Uuid::nil(), &[]).await?;
    }
    Ok(())
}
