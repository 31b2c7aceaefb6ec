//! What Keywright means: organizations, members, keys, exchange, signing, revocation. No HTTP, no SQL.
//!
//! Start reading at [`Core::exchange`]. Every operation takes a [`Context`] first, and its first line authorizes.

pub mod acceptance;
pub mod access_log;
pub mod activity;
pub mod administration;
pub mod age;
pub mod alive;
pub mod attention;
pub mod authorize;
pub mod brought_in;
pub mod catalog;
pub mod chance;
pub mod checks;
mod context;
mod cursor;
pub mod custom_roles;
pub mod database;
pub mod deletion;
pub mod demo;
mod error;
pub mod exchange;
pub mod explain;
mod form_token;
pub mod grant;
pub mod idempotency;
pub mod identity;
pub mod invitations;
pub mod key_file;
pub mod keyring;
pub mod keys;
pub mod limits;
pub mod log;
pub mod members;
pub mod memory;
pub mod names;
pub mod narrowing;
pub mod notices;
pub mod operator;
pub mod organizations;
pub mod outbox;
pub mod pages;
pub mod passwords;
pub mod policy;
pub mod provisioning;
pub mod recovery;
pub mod reminders;
pub mod replica;
pub mod resets;
mod retry;
pub mod revoke_all;
pub mod second_factor;
pub mod secret;
pub mod sessions;
pub mod signer;
mod start;
pub mod status;
mod token_revocation;
pub mod tree_limits;
pub mod usage;
mod userinfo;
pub mod webhooks;

pub use checks::{Client, JudgedKey};
pub use context::{Actor, Context, OperatorActor, PersonActor, TokenActor};
pub use error::{Error, Forbidden, Refusal};
pub use exchange::{Credential, IssuedToken};
pub use key_file::KeyFile;
pub use keywright_db::{Location, OpenError, Standby};
pub use keywright_store::page::{Page, Part};
pub use narrowing::{HeldToken, ScopedToken, Wanted};
pub use start::{KeysBring, RoleGiving, Settings, StartError};

use access_log::AccessLog;
use arc_swap::ArcSwap;
use catalog::CatalogInForce;
use keyring::Keyring;
use keywright_db::{BoxFuture, Committed, Db, Tx};
use keywright_protocol::{Clock, OrganizationId, Position, Time};
use keywright_store::{
    catalogs::{self, CatalogRow},
    changes::{self, ChangeKind},
    signing_keys::{self, SigningKeyRow},
};
use limits::Limits;
use memory::GrantCache;
use replica::Recent;
use secret::Pepper;
use status::Marks;
use std::{sync::Arc, time::Duration};

/// The service without its HTTP.
pub struct Core {
    db: Db,
    clock: Clock,
    issuer: String,
    settings: Settings,
    token_life_seconds: i64,
    /// When the last token has expired that was made while tokens lived longer.
    longer_tokens_end_at: Time,
    key_file: Arc<KeyFile>,
    pepper: Pepper,
    memory: GrantCache,
    status: status::Status,
    /// Where this process is one of several.
    replica: Option<replica::Replica>,
    /// An organization stays below its root for ever.
    roots: quick_cache::sync::Cache<OrganizationId, OrganizationId>,
    catalog: ArcSwap<CatalogInForce>,
    keyring: ArcSwap<Keyring>,
    /// Whoever reads the log of changes holds it, so that it is applied in order.
    following: tokio::sync::Mutex<()>,
    hashing: passwords::Hashing,
    limits: Limits,
    /// Requests for a reset that are being carried out.
    resets: Arc<tokio::sync::Semaphore>,
    access_log: AccessLog,
    /// Rings when there is mail to be sent.
    mail_put: Arc<tokio::sync::Notify>,
    /// Rings after every change: there may be something for webhooks.
    changed: Arc<tokio::sync::Notify>,
}

/// How long the end waits for the last events of access to be written.
const LAST_EVENTS: Duration = Duration::from_secs(3);

impl Core {
    /// The issuer: the public URL, without a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where "now" comes from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The limits against guessing and floods.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// When the last token has expired that was made before a time: tokens live as long as was said when they were made.
    pub(crate) fn tokens_end_by(&self, made_before: Time) -> Time {
        made_before.plus(Duration::from_secs(u64::try_from(self.token_life_seconds).unwrap_or_default())).max(self.longer_tokens_end_at)
    }

    /// The signing keys in force, at this moment.
    #[must_use]
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.load_full()
    }

    /// Whether this process can answer: one of several as long as it has a lease, since it answers from memory until that is over; one that
    /// has its database alone if that answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ready(&self) -> Result<(), Error> {
        match self.replica {
            Some(_) => self.hold_lease().await,
            None => Ok(self.db.ping().await?),
        }
    }

    /// Waits until this replica has applied the log of changes up to a position.
    ///
    /// # Errors
    /// [`Error::Behind`] if it has not within two seconds.
    pub async fn wait_for(&self, position: Position) -> Result<(), Error> {
        const TICK: Duration = Duration::from_millis(20);
        for _ in 0..100 {
            if self.memory.applied() >= position {
                return Ok(());
            }
            tokio::time::sleep(TICK).await;
        }
        Err(Error::Behind(self.memory.applied()))
    }

    /// Ends: the log of access is closed, what is being written is finished, nothing more is accepted. Again does nothing.
    pub async fn close(self: &Arc<Self>) {
        let closed = tokio::time::timeout(LAST_EVENTS, self.close_access_log(self.clock.now())).await;
        if !matches!(closed, Ok(Ok(()))) {
            let (code, waiting) = (closed.map_or("too_late", |closed| closed.err().map_or("", |error| error.code())), self.access_events_waiting());
            tracing::warn!(code, waiting, "the last events of access could not be written: the next start tells of the gap");
        }
        self.leave().await;
        self.db.close().await;
    }

    /// The only way to change anything. It answers when the change is durable, this replica's own memory has applied it, and no other replica
    /// can answer as if it had not happened. The work goes on also when the asking request goes away, so that memory never stays behind a commit.
    pub(crate) async fn write<T, F>(self: &Arc<Self>, change: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
    {
        self.write_and_wait(change, Acknowledged::ByAll).await
    }

    /// The same for what only adds and what every replica finds in the database by itself: it does not wait for the others.
    pub(crate) async fn write_what_is_found<T, F>(self: &Arc<Self>, change: F) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
    {
        self.write_and_wait(change, Acknowledged::Here).await
    }

    async fn write_and_wait<T, F>(self: &Arc<Self>, change: F, by: Acknowledged) -> Result<Committed<T>, Error>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
    {
        let core = Arc::clone(self);
        #[expect(clippy::disallowed_methods, reason = "the one task of core: a write and its application must not be torn apart; it ends by itself")]
        let task = tokio::spawn(async move {
            let written = core
                .db
                .write(move |tx| {
                    tx.ring();
                    change(tx)
                })
                .await;
            let committed = core.clock.steady();
            let refusal = written.as_ref().err().cloned();
            let position = written.as_ref().ok().map(|written| written.position);
            if position.is_some() {
                core.changed.notify_one();
            }
            match refusal {
                // On its own, a process knows of nothing that others have done.
                Some(error) if error != Error::Unavailable && core.replica.is_none() => return written,
                // Also when it is not sure whether it was committed: if it was, memory must not stay behind.
                _ => core.follow(position).await?,
            }
            if matches!(written, Err(Error::Unavailable)) {
                return written;
            }
            // A refusal may tell what others have done: that there is nothing to be taken back any more.
            let seen = position.unwrap_or_else(|| core.memory.applied());
            if by == Acknowledged::ByAll {
                core.wait_for_others(seen, committed).await?;
            }
            written
        });
        task.await.map_err(|_| Error::Internal("a change was interrupted"))?
    }

    /// Applies the log of changes, up to a position at least; without one, up to wherever it has come.
    async fn follow(&self, position: Option<Position>) -> Result<(), Error> {
        let has_come = |applied| position.is_some_and(|position| applied >= position);
        if has_come(self.memory.applied()) {
            return Ok(());
        }
        let _turn = self.following.lock().await;
        let applied = self.memory.applied();
        if has_come(applied) {
            return Ok(());
        }
        let (keeps, now) = (self.replica.as_ref().is_some_and(replica::Replica::keeps_recent), self.clock.now());
        let read = self.db.read_of_any_history(|tx| {
            Box::pin(async move {
                let changes = changes::list_after(tx, applied).await?;
                let concerns_published = changes.iter().any(|change| matches!(change.kind, ChangeKind::SigningKeys | ChangeKind::Catalog));
                let published = if concerns_published { Some(Published::read(tx).await?) } else { None };
                let reached = changes::position(tx).await?;
                let recent = if keeps { Recent::read(tx, (applied, reached), &changes, now).await? } else { Recent::Nothing };
                Ok::<_, Error>((reached, changes, (published, recent)))
            })
        });
        let Ok((reached, changes, (published, recent))) = read.await else {
            // A replica's memory is as good as its lease. One that is alone has none: it must not go on as if nothing had been changed.
            if self.replica.is_none() {
                self.memory.forget_all();
                self.status.forget_all();
            }
            return Err(Error::Unavailable);
        };
        if reached.history != applied.history {
            tracing::warn!(%applied, %reached, "the database has another history: everything is loaded anew");
            if let Some(replica) = &self.replica {
                replica.end_lease();
            }
            let loaded = self.load_under_turn().await;
            if let Some(replica) = &self.replica {
                // Whoever renewed meanwhile did so in the history that is over.
                replica.end_lease();
            }
            return loaded;
        }
        if reached < applied {
            return Err(Error::Unavailable);
        }
        let marks = match published {
            Some(Published { marks, key_rows, catalog_row }) => {
                self.keyring.store(Arc::new(Keyring::open(&key_rows, &self.key_file)?));
                self.catalog.store(Arc::new(Self::publish(&self.issuer, &self.keyring(), &catalog_row, self.clock.now())?));
                Some(marks)
            }
            None => None,
        };
        // Before memory, whose position says that all of it is applied.
        self.status.apply(reached, &changes, marks, self.clock.now());
        self.memory.apply(reached, &changes);
        if let Some(replica) = &self.replica {
            replica.keep(reached, recent, self.clock.steady());
        }
        self.note_reached(reached);
        Ok(())
    }

    /// Forgets everything and loads what is remembered from the beginning on.
    async fn load_anew(&self) -> Result<(), Error> {
        let _turn = self.following.lock().await;
        self.load_under_turn().await
    }

    async fn load_under_turn(&self) -> Result<(), Error> {
        let read = self.db.read_of_any_history(|tx| Box::pin(async move { Ok::<_, Error>((changes::position(tx).await?, Published::read(tx).await?)) }));
        let (reached, Published { marks, key_rows, catalog_row }) = read.await?;
        self.keyring.store(Arc::new(Keyring::open(&key_rows, &self.key_file)?));
        self.catalog.store(Arc::new(Self::publish(&self.issuer, &self.keyring(), &catalog_row, self.clock.now())?));
        self.status.begin_anew(reached, marks);
        self.memory.begin_anew(reached);
        if let Some(replica) = &self.replica {
            replica.keep_anew(reached, self.clock.steady());
        }
        self.note_reached(reached);
        Ok(())
    }

    /// From here on nothing is believed that is older.
    fn note_reached(&self, reached: Position) {
        if self.replica.is_some() {
            self.db.raise_floor(reached);
        }
    }
}

/// Who must know of a change before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acknowledged {
    /// This process.
    Here,
    /// Every replica.
    ByAll,
}

/// What is published besides lists and news, of one snapshot.
struct Published {
    marks: Marks,
    key_rows: Vec<SigningKeyRow>,
    catalog_row: CatalogRow,
}

impl Published {
    async fn read(tx: &mut Tx) -> Result<Self, Error> {
        let catalog_row = catalogs::find_in_force(tx).await?.ok_or(Error::Internal("there is no catalog"))?;
        Ok(Self { marks: Marks::read(tx).await?, key_rows: signing_keys::list(tx).await?, catalog_row })
    }
}
