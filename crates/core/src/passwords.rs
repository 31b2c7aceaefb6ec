//! Passwords of people: Argon2id, off the threads that answer requests, and behind a bulkhead, so that many sign-ins at once take
//! neither the processors nor the memory that exchanges need.

use crate::{Error, chance};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use keywright_db::Tx;
use keywright_protocol::{Time, UserId};
use keywright_store::{
    changes::{self, ChangeKind},
    password_resets, users,
};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// Hashings at a time; each takes 19 MiB and a processor for as long as it lasts.
const AT_A_TIME: usize = 2;
/// How many may wait for their turn; whoever comes then is told to come again.
const WAITING: usize = 64;

/// Shortest password that somebody may choose, in characters.
pub const MIN_CHARS: usize = 12;
/// Longest one, in bytes.
pub const MAX_BYTES: usize = 256;

/// The bulkhead before all hashing of passwords.
pub struct Hashing {
    /// Everybody who hashes or waits.
    places: Arc<Semaphore>,
    /// Whoever hashes.
    turns: Arc<Semaphore>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_A_TIME + WAITING)), turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

impl Hashing {
    /// Hashes a password (RFC 9106), in PHC form.
    ///
    /// # Errors
    /// [`Error::Busy`] if too many wait already; [`Error::Internal`] if hashing fails.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Error> {
        let hash = move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string());
        self.run(hash).await?.map_err(|_| Error::Internal("a password cannot be hashed"))
    }

    /// Checks a password against a stored hash. Without one the same work is done in vain, so that time tells nothing.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::Busy`] if too many wait already; [`Error::Internal`] if the stored hash cannot be read.
    pub async fn check(&self, password: Zeroizing<String>, stored: Option<String>) -> Result<(), Error> {
        if password.len() > MAX_BYTES {
            return Err(Error::WrongPassword);
        }
        let Some(stored) = stored else {
            self.hash(password).await?;
            return Err(Error::WrongPassword);
        };
        let check = move || {
            let known = PasswordHash::new(&stored).map_err(|_| Error::Internal("a stored password hash cannot be read"))?;
            Argon2::default().verify_password(password.as_bytes(), &known).map_err(|_| Error::WrongPassword)
        };
        self.run(check).await?
    }

    /// Does a piece of work when its turn comes. It keeps its turn until it is done, also when whoever asked for it goes away.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Error::Internal("hashing was interrupted"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
            work()
        });
        done.await.map_err(|_| Error::Internal("hashing was interrupted"))
    }
}

/// A password that nobody chose: 128 random bits.
///
/// # Errors
/// [`Error::Internal`] if the system gives no randomness.
pub fn generate() -> Result<Zeroizing<String>, Error> {
    chance::text().map(Zeroizing::new)
}

/// Gives somebody another password, as a hash. Links for new passwords end with the old one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn replace(tx: &mut Tx, user: UserId, hash: &str, now: Time) -> Result<(), Error> {
    users::update_password(tx, user, hash).await?;
    password_resets::end_of_user(tx, user, now).await?;
    Ok(changes::insert(tx, ChangeKind::User, user.as_uuid(), &[]).await?)
}

/// Whether a password may be chosen; `field` is its name on the wire.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_new(field: &'static str, password: &str) -> Result<(), Error> {
    if password.chars().count() >= MIN_CHARS && password.len() <= MAX_BYTES {
        return Ok(());
    }
    Err(Error::Invalid { field, reason: format!("must have at least {MIN_CHARS} characters, and {MAX_BYTES} bytes at most") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{join_all, poll_immediate};

    /// Reddens when the number of those who wait has no limit, or a turn is not needed.
    #[tokio::test]
    async fn two_hash_at_a_time_and_sixty_four_wait() {
        let hashing = Hashing::default();
        let turns = Arc::clone(&hashing.turns).try_acquire_many_owned(2).unwrap();
        let places = Arc::clone(&hashing.places).try_acquire_many_owned(2).unwrap();
        let mut waiting: Vec<_> = (0..64).map(|number| Box::pin(hashing.run(move || number))).collect();
        for one in &mut waiting {
            assert_eq!(poll_immediate(one).await, None, "it waits");
        }
        assert_eq!(hashing.run(|| 0).await, Err(Error::Busy));
        assert_eq!(hashing.check(Zeroizing::new("a password".to_owned()), None).await, Err(Error::Busy), "an unknown address too");
        drop((turns, places));
        let done: Vec<i32> = join_all(waiting).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(done, (0..64).collect::<Vec<_>>());
        assert_eq!(hashing.run(|| 1).await, Ok(1), "places come back");
    }

    /// Reddens when the turn ends with the request and not with the work.
    #[tokio::test]
    async fn work_keeps_its_turn_when_nobody_waits_for_it_any_more() {
        let hashing = Hashing::default();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let mut asked = Box::pin(hashing.run(move || gate.recv()));
        assert!(poll_immediate(&mut asked).await.is_none());
        drop(asked);
        assert_eq!(hashing.turns.available_permits(), 1);
        release.send(()).unwrap();
        let both = Arc::clone(&hashing.turns).acquire_many_owned(2).await.unwrap();
        assert_eq!(both.num_permits(), 2);
    }

    #[tokio::test]
    async fn a_password_opens_its_own_hash_alone() {
        let hashing = Hashing::default();
        let password = |text: &str| Zeroizing::new(text.to_owned());
        let hash = hashing.hash(password("correct horse")).await.unwrap();
        assert_eq!(hashing.check(password("correct horse"), Some(hash.clone())).await, Ok(()));
        assert_eq!(hashing.check(password("correct house"), Some(hash)).await, Err(Error::WrongPassword));
        assert_eq!(hashing.check(password("correct horse"), None).await, Err(Error::WrongPassword));
        assert!(check_new("password", "eleven char").is_err() && check_new("password", "twelve chars").is_ok());
    }
}
