//! Several processes on one database, and the promise that a change which was answered holds in all of them.
//!
//! A replica answers from memory, so it must know that nobody was told of a change which memory has not seen. It knows by a *lease*: it
//! writes durably how far it has come, then reads how far the database is, and once it has come that far it may answer for [`LEASE`], from
//! the moment *before* it wrote. Whoever changes something answers when every replica has come that far, or when [`WAIT`] has passed: then
//! every lease is over that was taken without the change. Each step stands where it stands for a reason
//! (`docs/decisions/0026-replicas.md`).
//!
//! After a failover that may have lost changes the history is shut. Replicas write back what they know to have been taken away; once all that
//! were there have done so, and no lease of before can run any more, it opens.
//!
//! A process that has its database alone needs none of it.

mod failover;
mod tail;

pub(crate) use failover::find_shut;
pub(crate) use tail::Recent;

use crate::{Context, Core, Error, chance, recovery};
use failover::{check_goes_on, stands};
use keywright_db::{Aside, Db, Rings, Standby, Tx};
use keywright_protocol::{
    Position, Time,
    installation::{InstallationStatus, ReplicaStatus},
};
use keywright_store::{
    changes,
    replicas::{self, ReplicaRow},
};
use std::{
    collections::HashMap,
    sync::{
        Mutex as Lock, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tail::Tail;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

/// How long a replica may answer after it noted the time of its renewal.
pub const LEASE: Duration = Duration::from_secs(2);
/// After this, by the clock of whoever changed something, no lease of before the change runs any more: a fifth more than a lease, since
/// clocks do not run alike.
pub const WAIT: Duration = Duration::from_millis(2_400);
/// How often a lease is renewed, if nothing rings.
pub const RENEWED_EVERY: Duration = Duration::from_millis(500);
/// A renewal that takes longer is given up, with its connection.
const RENEWAL: Duration = Duration::from_secs(1);
/// How long a request waits for a lease; and how long for what memory does not hold. Together less than the quarter of a second in which an
/// exchange is answered in an outage.
const PATIENCE: Duration = Duration::from_millis(80);
const PATIENCE_WITH_READS: Duration = Duration::from_millis(150);
/// How often it is looked how far the others are, while somebody waits for them.
const LOOKED_EVERY: Duration = Duration::from_millis(5);

/// How this process stands to its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has it alone: a file that is locked, or an act of administration.
    Alone,
    /// It is one of several, and listens at an address.
    Replica {
        /// What the others call it.
        address: String,
    },
}

/// What a replica knows of itself and of the others.
pub(crate) struct Replica {
    process: Uuid,
    address: String,
    instance: RwLock<Uuid>,
    /// Until when the lease runs, in nanoseconds of the steady clock.
    until: AtomicU64,
    /// Rings when there is a lease again.
    renewed: watch::Sender<()>,
    keeper: Mutex<Keeper>,
    /// What was taken away lately, where a failover may lose it.
    tail: Option<Lock<Option<Tail>>>,
    looker: Mutex<Looker>,
    /// Replicas that share the load, this one among them.
    sharers: AtomicU32,
    /// Whether a row was removed whose process may have left its events of access unwritten.
    has_gone: AtomicBool,
    /// Whether it has taken its own row away, or could not.
    has_left: AtomicBool,
}

/// Renews the lease.
struct Keeper {
    aside: Aside,
    /// Rows of others: how often they were renewed, and since when that has not changed.
    still: HashMap<Uuid, (i64, Duration)>,
    /// Whether it was told what keeps this process from a lease, which is looked at ten times a second.
    has_told: bool,
    /// Which fork of a history this process sees shut, and since when.
    shut_since: Option<(Position, Duration)>,
    /// The fork for which it has written back what it knows.
    written_back: Option<Position>,
}

/// Looks how far the others are.
struct Looker {
    aside: Aside,
    /// When it last looked, and what it saw.
    looked_at: Duration,
    /// How far the last of the others is; nothing where there are none.
    last: Option<Position>,
    /// How far the database was then.
    reached: Position,
    /// Whether this replica's own row was there.
    sees_me: bool,
}

impl Replica {
    /// Leaves a row that says: this instance has loaded nothing. To be done before anything is loaded.
    pub(crate) async fn join(db: &Db, address: String, now: Time) -> Result<Self, Error> {
        const NONE: Error = Error::Internal("there are no replicas on this database");
        let (instance, process) = (chance::id()?, chance::id()?);
        let (mut aside, looking) = (db.aside().ok_or(NONE)?, db.aside().ok_or(NONE)?);
        announce(&mut aside, (instance, process), address.clone(), now).await?;
        Ok(Self {
            process,
            address,
            instance: RwLock::new(instance),
            until: AtomicU64::new(0),
            renewed: watch::Sender::new(()),
            keeper: Mutex::new(Keeper { aside, still: HashMap::new(), has_told: false, shut_since: None, written_back: None }),
            tail: (db.standby() == Standby::AsItIs).then(|| Lock::new(None)),
            looker: Mutex::new(Looker { aside: looking, looked_at: Duration::ZERO, last: None, reached: Position { history: 0, n: 0 }, sees_me: false }),
            sharers: AtomicU32::new(1),
            has_gone: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
        })
    }

    /// The process, for as long as it runs.
    pub(crate) const fn process(&self) -> Uuid {
        self.process
    }

    fn me(&self) -> Uuid {
        *self.instance.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self, now: Duration) -> bool {
        nanos(now) < self.until.load(Ordering::SeqCst)
    }

    pub(crate) fn end_lease(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    /// Whether what is taken away is kept for a while.
    pub(crate) const fn keeps_recent(&self) -> bool {
        self.tail.is_some()
    }

    fn tail(&self) -> Option<MutexGuard<'_, Option<Tail>>> {
        self.tail.as_ref().map(|tail| tail.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was taken away behind a position, as [`Tail::behind`] says; `None` if that is not known.
    fn find_lost(&self, forked: Position, now: Duration) -> Option<Option<Vec<recovery::Section>>> {
        self.tail()?.as_ref()?.behind(forked, now).ok()
    }

    /// Keeps what was changed up to a position.
    pub(crate) fn keep(&self, reached: Position, recent: Recent, at: Duration) {
        if let Some(tail) = self.tail().as_mut().and_then(|tail| tail.as_mut()) {
            tail.push(reached, recent, at);
        }
    }

    /// Everything was loaded anew, as it is at a position.
    pub(crate) fn keep_anew(&self, reached: Position, at: Duration) {
        if let Some(mut tail) = self.tail() {
            match tail.as_mut() {
                Some(tail) => tail.begin_anew(reached, at),
                None => *tail = Some(Tail::new(reached, at)),
            }
        }
    }

    /// How far the others are, as of `from` or later: the last of them, and the database in the same snapshot.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also where the own row is gone: what this process knows nobody would wait for after a failover.
    async fn look(&self, from: Duration, clock: impl Fn() -> Duration) -> Result<(Option<Position>, Position), Error> {
        let me = self.me();
        let mut looker = self.looker.lock().await;
        // Another one who waited has looked meanwhile.
        if looker.looked_at <= from {
            let looked_at = clock();
            let read = looker.aside.run(|tx| {
                Box::pin(async move {
                    // The rows first: what is read later is no older.
                    let rows = replicas::list(tx).await?;
                    Ok::<_, Error>((rows, changes::position(tx).await?))
                })
            });
            let (rows, reached) = in_time(read).await?;
            looker.last = rows.iter().filter(|row| row.instance != me).map(|row| row.applied).min();
            looker.sees_me = rows.iter().any(|row| row.instance == me);
            (looker.looked_at, looker.reached) = (looked_at, reached);
        }
        if looker.sees_me { Ok((looker.last, looker.reached)) } else { Err(Error::Unavailable) }
    }
}

async fn announce(aside: &mut Aside, (instance, process): (Uuid, Uuid), address: String, now: Time) -> Result<(), Error> {
    let written = aside.run(|tx| Box::pin(async move { replicas::insert(tx, (instance, process), &address, now).await.map_err(Error::from) }));
    in_time(written).await
}

async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(RENEWAL, work).await.unwrap_or(Err(Error::Unavailable))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Core {
    /// Whether this process may answer at this moment, at its own word. The time is read anew each time: a process that was stopped and
    /// goes on finds its lease over.
    #[must_use]
    pub fn has_lease(&self) -> bool {
        self.replica.as_ref().is_none_or(|replica| replica.runs(self.clock.steady()))
    }

    /// To be called before anything is answered out of memory or database, and before either is looked at.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no lease, and none comes within a moment.
    pub async fn hold_lease(&self) -> Result<(), Error> {
        let Some(replica) = &self.replica else { return Ok(()) };
        if replica.runs(self.clock.steady()) {
            return Ok(());
        }
        let mut renewed = replica.renewed.subscribe();
        let comes = async {
            while !replica.runs(self.clock.steady()) {
                // The sender lives as long as this does.
                let _ = renewed.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, comes).await.map_err(|_| Error::Unavailable)
    }

    /// Applies what is new and renews the lease. To be called every [`RENEWED_EVERY`], and when somebody rings.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the lease runs out, unless the next time is better.
    pub async fn renew_lease(&self) -> Result<(), Error> {
        let Some(replica) = &self.replica else { return Ok(()) };
        let mut keeper = replica.keeper.lock().await;
        // First, so that the row tells of it.
        if let Err(error) = in_time(self.follow(None)).await {
            // After a failover that lost changes nothing can be read that is not older than what is known, until another history begins.
            self.look_at_server(replica, &mut keeper).await?;
            return Err(error);
        }
        let (noted, applied) = (self.clock.steady(), self.memory.applied());
        let (me, now) = (replica.me(), self.clock.now());
        let written = keeper.aside.run(|tx| Box::pin(async move { replicas::renew(tx, me, applied, now).await.map_err(Error::from) }));
        match in_time(written).await {
            Err(Error::NotFound(_)) => return self.start_anew(replica, &mut keeper).await,
            written => written?,
        }
        let connection = keeper.aside.connection_number();
        // Only now: what was acknowledged before the row was written is in it.
        let (reached, rows) = self.look_at_server(replica, &mut keeper).await?;
        if keeper.aside.connection_number() != connection {
            // The row is on one server, and this may be another one.
            return Err(Error::Unavailable);
        }
        if reached < applied {
            tracing::error!(%reached, %applied, "the database is behind what was read from it before: an old primary, or one that has lost writes");
            return Err(Error::Unavailable);
        }
        in_time(self.follow(Some(reached))).await?;
        replica.until.fetch_max(nanos(noted.saturating_add(LEASE)), Ordering::SeqCst);
        if self.memory.applied().history != reached.history {
            // Somebody else has loaded another history meanwhile.
            replica.end_lease();
            return Err(Error::Unavailable);
        }
        replica.renewed.send_replace(());
        let sharers = u32::try_from(rows.len()).unwrap_or(u32::MAX).max(1);
        if replica.sharers.swap(sharers, Ordering::SeqCst) != sharers {
            self.limits.share(sharers);
        }
        self.forget_still_ones(&mut keeper, me, rows).await
    }

    /// How far the database is, and who serves it, if its history goes on. Otherwise the lease ends: whatever is remembered is of one that is over.
    async fn look_at_server(&self, replica: &Replica, keeper: &mut Keeper) -> Result<(Position, Vec<ReplicaRow>), Error> {
        let read = keeper.aside.run(|tx| {
            Box::pin(async move {
                let stands = stands(tx).await?;
                Ok::<_, Error>((changes::position(tx).await?, replicas::list(tx).await?, stands))
            })
        });
        let (reached, rows, stands) = in_time(read).await?;
        self.check_server(replica, keeper, stands).await.inspect_err(|_| replica.end_lease())?;
        Ok((reached, rows))
    }

    /// The row is gone: the others do not wait for this instance any more. It goes on as another one that has loaded nothing.
    async fn start_anew(&self, replica: &Replica, keeper: &mut Keeper) -> Result<(), Error> {
        replica.end_lease();
        let instance = chance::id()?;
        tracing::warn!(%instance, "the row of this replica was gone; it starts anew, with an empty memory");
        announce(&mut keeper.aside, (instance, replica.process), replica.address.clone(), self.clock.now()).await?;
        *replica.instance.write().unwrap_or_else(PoisonError::into_inner) = instance;
        self.load_anew().await
    }

    /// Removes rows that have stood still for so long that no lease of theirs runs, by this clock.
    async fn forget_still_ones(&self, keeper: &mut Keeper, me: Uuid, rows: Vec<ReplicaRow>) -> Result<(), Error> {
        let now = self.clock.steady();
        let others: Vec<ReplicaRow> = rows.into_iter().filter(|row| row.instance != me).collect();
        keeper.still.retain(|instance, _| others.iter().any(|row| row.instance == *instance));
        for ReplicaRow { instance, renewals, address, .. } in others {
            let since = keeper.still.entry(instance).or_insert((renewals, now));
            if since.0 != renewals {
                *since = (renewals, now);
            }
            if now.saturating_sub(since.1) <= WAIT {
                continue;
            }
            let removed = keeper.aside.run(|tx| {
                Box::pin(async move {
                    check_goes_on(tx).await?;
                    replicas::delete_still(tx, instance, renewals).await.map_err(Error::from)
                })
            });
            if in_time(removed).await? {
                tracing::warn!(%instance, address, "a replica has stood still for {} ms and is not waited for any more", WAIT.as_millis());
                // Told of by whoever writes these events: a change here would keep the lease waiting for others.
                self.one_has_gone();
            }
        }
        Ok(())
    }

    /// Whether a process has gone without a word since this was asked the last time.
    pub(crate) fn has_one_gone(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.has_gone.swap(false, Ordering::SeqCst))
    }

    /// A process has gone, or could not be told of.
    pub(crate) fn one_has_gone(&self) {
        if let Some(replica) = &self.replica {
            replica.has_gone.store(true, Ordering::SeqCst);
        }
    }

    /// Waits until every other replica has come to a position that was committed before a moment of the steady clock, or until no lease of
    /// before it runs any more. It holds no connection meanwhile that anybody else needs.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if another history has begun meanwhile: whether the change is in it nobody can say from here. Likewise if this
    /// replica's own row is gone.
    pub(crate) async fn wait_for_others(&self, position: Position, committed: Duration) -> Result<(), Error> {
        let Some(replica) = &self.replica else { return Ok(()) };
        let over = committed.saturating_add(WAIT);
        // Whether the own row was there after the commit.
        let mut is_member = false;
        loop {
            let now = self.clock.steady();
            if over <= now && is_member {
                tracing::warn!(%position, "a change was answered without another replica, whose lease is over by now");
                return Ok(());
            }
            let patience = over.saturating_sub(now).max(if is_member { Duration::ZERO } else { RENEWAL });
            match tokio::time::timeout(patience, replica.look(now, || self.clock.steady())).await {
                Ok(Ok((last, reached))) => {
                    if position.history < reached.history {
                        return Err(Error::Unavailable);
                    }
                    is_member = true;
                    // Nothing that is seen of a server which does not even have the change counts.
                    if position <= reached && last.is_none_or(|last| position <= last) {
                        return Ok(());
                    }
                }
                Ok(Err(_)) | Err(_) if over <= now => return Err(Error::Unavailable),
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(LOOKED_EVERY).await;
        }
    }

    /// Hears when another replica has changed something; `None` where there are no others.
    #[must_use]
    pub fn rings(&self) -> Option<Rings> {
        self.replica.as_ref().map(|_| self.db.rings())
    }

    /// Takes this replica's row away, so that nobody waits for it. To be done when nothing is answered any more; again does nothing.
    pub(crate) async fn leave(&self) {
        let Some(replica) = self.replica.as_ref().filter(|replica| !replica.has_left.swap(true, Ordering::SeqCst)) else { return };
        let mut keeper = replica.keeper.lock().await;
        replica.end_lease();
        // Whoever goes says what it knows, if that is asked for.
        let _ = self.look_at_server(replica, &mut keeper).await;
        let me = replica.me();
        let left = keeper.aside.run(|tx| {
            Box::pin(async move {
                check_goes_on(tx).await?;
                replicas::delete(tx, me).await.map_err(Error::from)
            })
        });
        if !matches!(in_time(left).await, Ok(true)) {
            tracing::warn!("this replica's row could not be removed: the others wait for it, once");
        }
    }

    /// For a read that somebody waits for who could come again: with a server that may be gone, it is given up soon.
    pub(crate) async fn soon<T>(&self, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match &self.replica {
            Some(_) => tokio::time::timeout(PATIENCE_WITH_READS, read).await.unwrap_or(Err(Error::Unavailable)),
            None => read.await,
        }
    }

    /// How the installation is, for whoever runs it.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::Unavailable`].
    pub async fn installation_status(&self, ctx: &Context) -> Result<InstallationStatus, Error> {
        ctx.authorize_host()?;
        let read = self.db.read_of_any_history(|tx| {
            Box::pin(async move { Ok::<_, Error>((replicas::list(tx).await?, changes::position(tx).await?, changes::find_cluster(tx).await?)) })
        });
        let (rows, reached, cluster) = read.await?;
        let me = self.instance();
        let status = |row: ReplicaRow| ReplicaStatus {
            instance: row.instance,
            address: row.address,
            is_this: Some(row.instance) == me,
            applied: row.applied.to_string(),
            behind: (row.applied.history == reached.history).then(|| reached.n.saturating_sub(row.applied.n)),
            renewed_at: row.renewed_at,
            started_at: row.started_at,
            owes: row.owes,
        };
        Ok(InstallationStatus {
            revision: reached.to_string(),
            has_lease: self.has_lease(),
            shut_at: cluster.shut_at,
            replicas: rows.into_iter().map(status).collect(),
        })
    }

    /// What this replica's row is called; `None` for a process that has its database alone.
    pub(crate) fn instance(&self) -> Option<Uuid> {
        self.replica.as_ref().map(Replica::me)
    }

    /// How many replicas share the load, this one among them.
    #[must_use]
    pub fn sharers(&self) -> u32 {
        self.replica.as_ref().map_or(1, |replica| replica.sharers.load(Ordering::SeqCst))
    }

    /// Which processes have a row.
    pub(crate) async fn processes(tx: &mut Tx) -> Result<Vec<Uuid>, Error> {
        Ok(replicas::list(tx).await?.into_iter().map(|row| row.process).collect())
    }
}
