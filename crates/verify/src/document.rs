//! Signed documents of the issuer, such as its catalog: the same strict form as a token, signed with a key of another purpose.

use crate::{
    keys::KeySet,
    parse::{self, Jws, Null},
};
use keywright_protocol::{Position, catalog::Document, jwk::Purpose};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Longest signed document that is looked at, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Why a signed document is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Longer than [`MAX_DOCUMENT_BYTES`].
    #[error("it is longer than 1 MiB")]
    TooLong,
    /// No compact JWS of the accepted form.
    #[error("it is no compact JWS with exactly alg, kid and typ in its header")]
    Malformed,
    /// A document of another type.
    #[error("its `typ` is another one")]
    WrongType,
    /// None of the issuer's keys of that purpose.
    #[error("its `kid` is none of the issuer's keys for that")]
    UnknownKey,
    /// Not the algorithm of its key.
    #[error("its `alg` is not that of its key")]
    Algorithm,
    /// The signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// The payload is not what it must be.
    #[error("its payload is not of the expected form")]
    Payload,
}

/// The payload of the signed catalog at [`paths::CATALOG`](keywright_protocol::paths::CATALOG), whose `typ` is
/// [`CATALOG_TYPE`](keywright_protocol::claims::CATALOG_TYPE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogDocument {
    /// The issuer's public URL.
    pub iss: String,
    /// Signed at this second.
    pub iat: i64,
    /// With `revision`, how new it is: [`Position`]'s `history`.
    pub history: i64,
    /// [`Position`]'s `n`.
    pub revision: i64,
    /// The catalog itself.
    pub catalog: Document,
}

impl CatalogDocument {
    /// How new it is.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { history: self.history, n: self.revision }
    }
}

/// Reads a signed document: a compact JWS of this `typ`, signed with one of the set's keys of this purpose.
///
/// # Errors
/// [`DocumentError`] says why it is not accepted. Issuer and age are for the caller to check.
pub fn signed_document<T: DeserializeOwned>(jws: &str, (typ, purpose): (&str, Purpose), keys: &KeySet) -> Result<T, DocumentError> {
    if jws.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLong);
    }
    let jws = Jws::parse(jws).map_err(|_| DocumentError::Malformed)?;
    if jws.header.typ != typ {
        return Err(DocumentError::WrongType);
    }
    let key = keys.get(&jws.header.kid).filter(|key| key.purpose == purpose).ok_or(DocumentError::UnknownKey)?;
    if jws.header.alg != key.algorithm.as_str() {
        return Err(DocumentError::Algorithm);
    }
    if !key.verifies(jws.signed.as_bytes(), &jws.signature) {
        return Err(DocumentError::Signature);
    }
    let payload = jws.payload().map_err(|_| DocumentError::Malformed)?;
    parse::read_object(&payload, Null::Accepted).map_err(|_| DocumentError::Payload)
}
