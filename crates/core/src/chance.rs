//! The one home of randomness: the operating system's, through the cryptography library.

use crate::Error;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

/// Random bytes.
///
/// # Errors
/// [`Error::Internal`] if the system gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Internal("the system gives no randomness"))?;
    Ok(bytes)
}

/// A random id (RFC 9562, version 4).
///
/// # Errors
/// [`Error::Internal`] if the system gives no randomness.
pub fn id<I: From<Uuid>>() -> Result<I, Error> {
    Ok(uuid::Builder::from_random_bytes(bytes()?).into_uuid().into())
}

/// 128 random bits as text that needs no escaping anywhere.
///
/// # Errors
/// [`Error::Internal`] if the system gives no randomness.
pub fn text() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<16>()?))
}

/// 256 random bits as text that needs no escaping anywhere: the secret of a link.
///
/// # Errors
/// [`Error::Internal`] if the system gives no randomness.
pub fn link_secret() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}
