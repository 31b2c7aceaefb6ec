//! Passwords of profiles with static authentication: kept as Argon2id hashes, never given out.

use crate::Error;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// So many are hashed at a time. Each takes 19 MiB and a core for some hundredths of a second; the others wait.
const AT_A_TIME: usize = 2;

/// Hashes passwords, a few at a time.
#[derive(Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// The hash in the PHC string format, with a salt of its own.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Error::Unavailable)?;
        let hashing = tokio::task::spawn_blocking(move || {
            let hash: Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
            // The turn ends with the work, also when nobody waits for it any more.
            drop(turn);
            hash.map(|hash| hash.to_string())
        });
        match hashing.await {
            Ok(Ok(hash)) => Ok(hash),
            Ok(Err(_)) | Err(_) => {
                tracing::error!("a password could not be hashed");
                Err(Error::Internal)
            }
        }
    }
}
