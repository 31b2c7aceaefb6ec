//! Passwords of people: Argon2id, off the threads that answer requests.

use crate::{Error, chance};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
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

/// Shortest password that somebody may choose, in characters.
pub const MIN_CHARS: usize = 12;
/// Longest one, in bytes.
pub const MAX_BYTES: usize = 256;

/// Whether a password may be chosen.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_new(password: &str) -> Result<(), Error> {
    if password.chars().count() >= MIN_CHARS && password.len() <= MAX_BYTES {
        return Ok(());
    }
    Err(Error::Invalid { field: "password", reason: format!("must have at least {MIN_CHARS} characters, and {MAX_BYTES} bytes at most") })
}

/// Checks a password against a stored hash. Without one the same work is done in vain, so that time tells nothing.
///
/// # Errors
/// [`Error::WrongPassword`]; [`Error::Internal`] if the stored hash cannot be read.
pub async fn check(password: Zeroizing<String>, stored: Option<String>) -> Result<(), Error> {
    if password.len() > MAX_BYTES {
        return Err(Error::WrongPassword);
    }
    let Some(stored) = stored else {
        hash(password).await?;
        return Err(Error::WrongPassword);
    };
    let checked = tokio::task::spawn_blocking(move || {
        let known = PasswordHash::new(&stored).map_err(|_| Error::Internal("a stored password hash cannot be read"))?;
        Argon2::default().verify_password(password.as_bytes(), &known).map_err(|_| Error::WrongPassword)
    });
    checked.await.map_err(|_| Error::Internal("hashing was interrupted"))?
}
