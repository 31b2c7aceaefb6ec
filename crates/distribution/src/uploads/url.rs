//! The number in an upload URL, and what it opens. Nothing of it is kept.

use crate::{Error, ids::UploadId};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac::{self, HMAC_SHA256},
    rand,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

const BYTES: usize = 32;
const FOR_THE_TOKEN: &[u8] = b"keywright upload url: token";

/// 256 random bits, which only the URL has.
pub(super) struct Number([u8; BYTES]);

impl Number {
    /// # Errors
    /// [`Error::Internal`] if the system has no randomness.
    pub(super) fn draw() -> Result<Self, Error> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(|_| broken("there is no randomness"))?;
        Ok(Self(bytes))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub(super) fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The token, for whoever has both the row and the URL: AES-256-GCM, nonce in front.
    pub(super) fn seal(&self, upload: UploadId, token: &str) -> Result<Vec<u8>, Error> {
        let failed = |_| broken("sealing failed");
        let mut sealed = token.as_bytes().to_vec();
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.key()).map_err(failed)?;
        let nonce = key.seal_in_place_append_tag(Aad::from(upload.as_uuid().as_bytes()), &mut sealed).map_err(failed)?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    pub(super) fn open(&self, upload: UploadId, stored: &[u8]) -> Option<String> {
        let (nonce, sealed) = stored.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.key()).ok()?;
        let mut buffer = sealed.to_vec();
        let token = key.open_in_place(nonce, Aad::from(upload.as_uuid().as_bytes()), &mut buffer).ok()?;
        String::from_utf8(token.to_vec()).ok()
    }

    fn key(&self) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(HMAC_SHA256, &self.0), FOR_THE_TOKEN).as_ref().to_vec()
    }
}

fn broken(what: &'static str) -> Error {
    tracing::error!(what, "an upload URL cannot be made");
    Error::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_with_its_own_number_for_its_own_upload() {
        let (upload, number) = (UploadId::random(), Number::draw().unwrap());
        let sealed = number.seal(upload, "a.b.c").unwrap();
        let again = Number::parse(&number.text()).unwrap();
        assert_eq!(again.open(upload, &sealed).as_deref(), Some("a.b.c"));
        let other = Number::draw().unwrap();
        assert_eq!((other.open(upload, &sealed), again.open(UploadId::random(), &sealed), again.open(upload, &[0; 5])), (None, None, None));
        assert!(!sealed.windows(5).any(|window| window == b"a.b.c"));
    }

    #[test]
    fn other_texts_are_no_numbers() {
        let text = Number::draw().unwrap().text();
        for bad in [
            "",
            "x",
            text.get(1..).unwrap(),
            &format!("{text}A"),
            &format!("{text}="),
            &format!("+{}", text.get(1..).unwrap()),
            &format!("{}!", text.get(1..).unwrap()),
        ] {
            assert!(Number::parse(bad).is_none(), "{bad}");
        }
    }
}
