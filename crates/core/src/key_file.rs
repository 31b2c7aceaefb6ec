//! The secrets of an installation that are kept beside the database and never in it: the pepper of key digests and the
//! key-encryption key of the signing keys.

use crate::{Error, chance, secret::Pepper};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The text of a key file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    pepper: Zeroizing<String>,
    key_encryption_key: Zeroizing<String>,
}

/// The two secrets. Has no `Debug` and no `Display`.
pub struct KeyFile {
    pepper: Zeroizing<[u8; 32]>,
    key_encryption_key: Zeroizing<[u8; 32]>,
}

impl KeyFile {
    /// Makes new ones.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self { pepper: Zeroizing::new(chance::bytes()?), key_encryption_key: Zeroizing::new(chance::bytes()?) })
    }

    /// Reads a key file's text.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not what [`KeyFile::to_text`] writes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid { field: "key file", reason: "it cannot be read; restore it from your backup".to_owned() };
        let text: Text = toml::from_str(text).map_err(|_| invalid())?;
        let decode = |encoded: &str| {
            let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| invalid())?);
            <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| invalid())
        };
        Ok(Self { pepper: decode(&text.pepper)?, key_encryption_key: decode(&text.key_encryption_key)? })
    }

    /// The text to write, for nobody but the service's own user to read.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be composed.
    pub fn to_text(&self) -> Result<Zeroizing<String>, Error> {
        let text = Text {
            pepper: Zeroizing::new(STANDARD.encode(self.pepper.as_slice())),
            key_encryption_key: Zeroizing::new(STANDARD.encode(self.key_encryption_key.as_slice())),
        };
        let body = Zeroizing::new(toml::to_string(&text).map_err(|_| Error::Internal("the key file cannot be composed"))?);
        Ok(Zeroizing::new(format!(
            "# Keywright's key file. Without it no key and no signing key in the database beside it is of any use:\n\
             # keep a copy in a safe place, apart from copies of the database, and show it to nobody.\n{}",
            body.as_str()
        )))
    }

    /// The pepper of key digests.
    #[must_use]
    pub fn pepper(&self) -> Pepper {
        Pepper::new(&self.pepper)
    }

    /// Seals a text for storage: AES-256-GCM, nonce in front; it opens only with the same `purpose`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the library refuses.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Internal("sealing failed");
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.key_encryption_key.as_slice()).map_err(failed)?;
        let mut sealed = plain.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed).map_err(failed)?;
        let mut stored = nonce.as_ref().to_vec();
        stored.append(&mut sealed);
        Ok(stored)
    }

    /// Opens what [`KeyFile::seal`] made.
    ///
    /// # Errors
    /// [`Error::Internal`] if it was sealed under another key or for another purpose, or was altered.
    pub fn open(&self, purpose: &str, stored: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let failed = || Error::Internal("a sealed value does not open with this key file");
        let (nonce, sealed) = stored.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.key_encryption_key.as_slice()).map_err(|_| failed())?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let length = key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut buffer).map_err(|_| failed())?.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_written_and_read() {
        let file = KeyFile::generate().unwrap();
        let again = KeyFile::parse(&file.to_text().unwrap()).unwrap();
        let sealed = file.seal("a", b"plain").unwrap();
        assert_eq!(again.open("a", &sealed).unwrap().as_slice(), b"plain");
        assert!(KeyFile::parse("pepper = 'c2hvcnQ='").is_err());
    }

    #[test]
    fn what_is_sealed_opens_only_for_its_purpose_and_unaltered() {
        let file = KeyFile::generate().unwrap();
        let sealed = file.seal("one", b"plain").unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"plain"));
        assert!(file.open("other", &sealed).is_err());
        assert!(KeyFile::generate().unwrap().open("one", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(file.open("one", &altered).is_err(), "byte {at}");
        }
    }
}
