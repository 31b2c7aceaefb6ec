//! Where a list goes on: sealed, so that nobody reads anything out of it, and so that it opens for the list alone that gave it.

use crate::{Core, Error};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

impl Core {
    /// A place in a list, as text that nobody can read or alter.
    pub(crate) fn seal_cursor(&self, purpose: &str, at: impl Serialize) -> Result<String, Error> {
        let text = serde_json::to_vec(&at).map_err(|_| Error::Internal("a cursor cannot be written"))?;
        Ok(URL_SAFE_NO_PAD.encode(self.key_file.seal(purpose, &text)?))
    }

    /// The place again.
    pub(crate) fn open_cursor<T: DeserializeOwned>(&self, purpose: &str, cursor: &str) -> Result<T, Error> {
        let opened = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|sealed| self.key_file.open(purpose, &sealed).ok());
        opened.and_then(|text| serde_json::from_slice(&text).ok()).ok_or_else(|| Error::Invalid {
            field: "cursor",
            reason: "this is no cursor of this list: send one that the list answered, with the same organization and the same filters, or none to begin"
                .to_owned(),
        })
    }
}
