//! A change that is asked for twice by mistake is made once.
//!
//! Whoever repeats a request with the same `Idempotency-Key` gets the first answer again, without its secrets. The note that it was
//! carried out is part of the change's own transaction, so that two at once make one; the answer is kept right after.

use crate::{Actor, Context, Core, Error};
use aws_lc_rs::digest::{Context as Sha256, SHA256};
use keywright_db::{BoxFuture, Committed, Tx};
use keywright_protocol::{OrganizationId, Position, Time};
use keywright_store::idempotency_keys;
use std::{sync::Arc, time::Duration};

/// How long it is remembered.
pub const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;

/// What stands for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    actor: String,
    key: String,
    fingerprint: [u8; 32],
    now: Time,
}

/// A request's own part of it: its key, and a digest of everything that it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As it stands in `Idempotency-Key`.
    pub key: String,
    /// Of method, path, query and body.
    pub fingerprint: [u8; 32],
}

impl Asked {
    /// The same in an organization that its path calls `current`: that is another one after the session has moved.
    #[must_use]
    pub fn in_current(self, organization: OrganizationId) -> Self {
        let fingerprint = fingerprint(&[&self.fingerprint, organization.as_uuid().as_bytes()]);
        Self { fingerprint, ..self }
    }

    /// Of these.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that cannot be used.
    pub fn new(key: &str, parts: &[&[u8]]) -> Result<Self, Error> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = format!("must be 1 to {MAX_KEY_BYTES} visible ASCII characters, such as a UUID, and another one for each request");
            return Err(Error::Invalid { field: "Idempotency-Key", reason });
        }
        Ok(Self { key: key.to_owned(), fingerprint: fingerprint(parts) })
    }
}

/// SHA-256 over parts, each with its length before it.
fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new(&SHA256);
    for part in parts {
        digest.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest.finish().as_ref());
    fingerprint
}

impl Context {
    /// The same request by an actor; it is his alone.
    #[must_use]
    pub fn by_once(&self, asked: Asked) -> Option<Once> {
        let actor = match &self.actor {
            Actor::Anonymous | Actor::System => return None,
            Actor::Token(token) => format!("key {} in {}", token.key_id, token.organization_id),
            Actor::Operator(operator) => format!("operator-key {}", operator.key_id),
            Actor::Person(person) => format!("user {}", person.user_id),
        };
        Some(Once { actor, key: asked.key, fingerprint: asked.fingerprint, now: self.now })
    }

    /// For the write of an operation.
    pub(crate) fn once(&self) -> Option<Once> {
        self.once.clone()
    }
}

impl Core {
    /// As [`Core::write`], but once: a repetition is answered with what was answered then.
    pub(crate) async fn write_once<T, F>(self: &Arc<Self>, once: Option<Once>, change: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
    {
        match once {
            None => self.write(change).await,
            Some(once) => {
                self.write(move |tx| {
                    Box::pin(async move {
                        let Some(earlier) = claim(tx, &once).await? else { return change(tx).await };
                        // Made again and then taken back, so that the operation itself says whether the actor may still do it.
                        match change(tx).await {
                            Err(error) if !is_about_the_object(&error) => Err(error),
                            Ok(_) | Err(_) => Err(Error::Repeated(Box::new(earlier))),
                        }
                    })
                })
                .await
            }
        }
    }

    /// Keeps what was answered to a request that was carried out. The text must not contain a secret.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn keep_answer(self: &Arc<Self>, once: Once, answer: String) -> Result<(), Error> {
        let kept = self.write(move |tx| Box::pin(async move { Ok(idempotency_keys::keep_answer(tx, &once.actor, &once.key, &answer).await?) }));
        kept.await.map(|_| ())
    }
}

/// Notes a request, or answers what became of it when it came before.
async fn claim(tx: &mut Tx, once: &Once) -> Result<Option<Repeated>, Error> {
    idempotency_keys::forget(tx, once.now).await?;
    match idempotency_keys::find(tx, &once.actor, &once.key).await? {
        None => {
            idempotency_keys::insert(tx, (&once.actor, &once.key), &once.fingerprint, once.now.plus(LIFE)).await?;
            Ok(None)
        }
        Some(earlier) if earlier.fingerprint == once.fingerprint => Ok(Some(Repeated { position: earlier.position, answer: earlier.answer })),
        Some(_) => Err(Error::KeyReused),
    }
}

/// Whether an operation refuses for what has become of what is asked about, and not whoever asks. Only then a repetition gets its
/// answer: what was made or deleted then is there, or is not, by his own doing. Whoever left, gave up his own role or deleted the
/// organization cannot be told from somebody who was put out since, and is refused.
fn is_about_the_object(error: &Error) -> bool {
    matches!(error, Error::Invalid { .. } | Error::Absent(_) | Error::Conflict(_) | Error::NotFresh(_))
        || matches!(error, Error::NotFound(what) if *what != "organization")
}

/// What became of a request that is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// The position of its change.
    pub position: Position,
    /// What was answered; `None` if that was not kept.
    pub answer: Option<String>,
}
