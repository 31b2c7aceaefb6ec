//! Passwords of people: Argon2id, off the threads that answer requests.

use crate::{Error, chance};
use argon2::{Argon2, password_hash::PasswordHasher};
use zeroize::Zeroizing;

/// Hashes a password (RFC 9106), in PHC form.
///
/// # Errors
/// [`Error::Internal`] if hashing fails.
pub async fn hash(password: Zeroizing<String>) -> Result<String, Error> {
    let hashed = tokio::task::spawn_blocking(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()));
    hashed.await.map_err(|_| Error::Internal("hashing was interrupted"))?.map_err(|_| Error::Internal("a password cannot be hashed"))
}

/// A password that nobody chose: 128 random bits.
///
/// # Errors
/// [`Error::Internal`] if the system gives no randomness.
pub fn generate() -> Result<Zeroizing<String>, Error> {
    chance::text().map(Zeroizing::new)
}
