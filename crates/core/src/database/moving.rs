//! Moving: the order in which source and target are held, copied, checked, shut and opened.
//!
//! It may be killed at any point, and the same command goes on. Before the last check the source is as it was, and the target is marked. Then the
//! source is shut, and says which copy it went into; a source that says so is not copied again, but the same copy is finished. The target is
//! opened last. So there is no moment at which both can be served from, unless that was asked for.

use super::{Known, Moved};
use crate::{
    Context, Error, KeyFile,
    authorize::By,
    log::{self, Action, Where},
    recovery::{INDICES_A_SECOND, INDICES_LEFT_OUT},
    replica::WAIT,
    start::check_key_file,
};
use keywright_db::{
    Access, Engine, Location, OpenError, Whole,
    copy::{BATCH, Begun, CopyError, LeftOut, Origin, Progress, TableDigest, Target, digest_of},
};
use keywright_protocol::{Clock, Position, Time};
use keywright_store::{
    MIGRATIONS, StoreError, changes, recovery,
    replicas::{self, ReplicaRow},
    settings,
};
use std::time::Duration;

/// The processes do not exist there, and the history is on another server; the first start there notes which.
const LEFT_OUT: LeftOut = LeftOut { tables: &["replicas"], columns: &[("revision", "cluster")] };

/// What becomes of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It is not served from any more.
    Shut,
    /// It stays as it is.
    Open,
}

/// Why a database is not moved; one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The same twice.
    #[error("source and target are the same database")]
    Same,
    /// Somebody serves it.
    #[error("a replica at {0} serves from the source: stop every one of them first")]
    Served(String),
    /// There is nothing to move.
    #[error("the source was never started with; there is nothing to copy")]
    NeverStarted,
    /// The key file is another one's.
    #[error("the key file does not belong to this database; name the folder in which the right one is with --data-dir")]
    OtherKeyFile,
    /// Revocations may be lost.
    #[error("the source is shut since {0}, because revocations may be lost: run `keywright db reopen` on it first")]
    Shut(Time),
    /// The history is not where it was.
    #[error("the source is on another server or timeline than its history: start a replica on it once, or run `keywright db reopen`, first")]
    Elsewhere,
    /// It was moved elsewhere already.
    #[error(
        "the source was moved to {0} already; copy from there, or, if nobody has ever served from there, run `keywright db reopen --nothing-changed` first"
    )]
    Moved(String),
    /// It was not moved.
    #[error("this database was not moved: after a failover or a restore say what was taken away since, with --revocations or --accept-lost-revocations")]
    NotMoved,
    /// Something in it is not usable.
    #[error(transparent)]
    Core(#[from] Error),
}

impl From<StoreError> for MoveError {
    fn from(error: StoreError) -> Self {
        Self::Copy(error.into())
    }
}

impl From<OpenError> for MoveError {
    fn from(error: OpenError) -> Self {
        Self::Copy(error.into())
    }
}

/// A database on its way.
pub struct Moving {
    origin: Origin,
    target: Target,
    to: String,
    /// If the source is shut already, and all rows are there: the history that is to begin.
    shut_for: Option<i64>,
}

impl Moving {
    /// Holds the source, reads it, and prepares the target.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn begin(from: &Location, to: &Location, key_file: &KeyFile, told: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Self, MoveError> {
        if from.describe() == to.describe() {
            return Err(MoveError::Same);
        }
        check_unserved(from, WAIT).await?;
        let mut origin = Origin::hold(from, MIGRATIONS, LEFT_OUT).await?;
        let tx = origin.tx();
        let Known { cluster, moved, .. } = Known::read(tx).await?;
        settings::find(tx, settings::ISSUER).await?.ok_or(MoveError::NeverStarted)?;
        check_key_file(key_file, settings::find(tx, settings::SEAL_CHECK).await?).map_err(|_| MoveError::OtherKeyFile)?;
        if let Some(Moved { of, history, place }) = moved {
            let resumed = Target::resume(to, MIGRATIONS, (LEFT_OUT, of)).await;
            let target = resumed.map_err(|error| if matches!(error, CopyError::OtherCopy) { MoveError::Moved(place) } else { error.into() })?;
            return Ok(Self { origin, target, to: to.describe(), shut_for: Some(history) });
        }
        if let Some(since) = cluster.shut_at {
            return Err(MoveError::Shut(since));
        }
        if let (Some(server), Some(name)) = (origin.tx().server().await?, cluster.name)
            && server.cluster != name
        {
            return Err(MoveError::Elsewhere);
        }
        origin.read(told).await?;
        match Target::begin(to, &origin).await? {
            Begun::Target(target) => Ok(Self { origin, target, to: to.describe(), shut_for: None }),
            // Another history would have begun in it.
            Begun::Same => Err(CopyError::Occupied("revision".to_owned()).into()),
        }
    }

    /// Copies what is missing, reads it back and compares it.
    ///
    /// # Errors
    /// [`MoveError`]. What is copied stays.
    pub async fn copy(&mut self, told: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<TableDigest>, MoveError> {
        self.copy_by(BATCH, told).await
    }

    /// The same with so many rows in a transaction.
    ///
    /// # Errors
    /// Those.
    pub async fn copy_by(&mut self, batch: usize, told: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<TableDigest>, MoveError> {
        if self.shut_for.is_none() {
            self.target.fill(&mut self.origin, batch, told).await?;
        }
        Ok(self.target.check(self.origin.tables(), told).await?)
    }

    /// Shuts the source, unless it is to stay open, and opens the target in another history. Answers with its position.
    ///
    /// # Errors
    /// [`MoveError`].
    pub async fn finish(self, afterwards: Afterwards, clock: &Clock) -> Result<Position, MoveError> {
        let Self { mut origin, target, to, shut_for } = self;
        let now = clock.now();
        let source = changes::position(origin.tx()).await?;
        let history = shut_for.unwrap_or_else(|| now.as_seconds().max(source.history.saturating_add(1)));
        let stays_open = shut_for.is_none() && afterwards == Afterwards::Open;
        if shut_for.is_none() && afterwards == Afterwards::Shut {
            changes::shut(origin.tx(), now).await?;
            Moved { of: digest_of(origin.tables()), history, place: to.clone() }.insert(origin.tx()).await?;
            origin.commit().await?;
        }
        let finished = target.finish(Some(history), |tx| {
            Box::pin(async move {
                if stays_open {
                    // The source goes on giving indices, and none is ever given twice.
                    recovery::skip_indices(tx, INDICES_LEFT_OUT, now.as_seconds().saturating_mul(INDICES_A_SECOND)).await?;
                }
                let told = (to, format!("copied at position {source}"));
                log::change(tx, &Context::system(now)?, &By::Host, Where::Installation, Action::Move, told).await?;
                Ok::<_, MoveError>(())
            })
        });
        Ok(finished.await?.position)
    }
}

/// Nobody serves from it: no row, or only such as stand still.
async fn check_unserved(location: &Location, wait: Duration) -> Result<(), MoveError> {
    let before = rows(location).await?;
    if before.is_empty() {
        return Ok(());
    }
    tokio::time::sleep(wait).await;
    let after = rows(location).await?;
    match after.into_iter().find(|row| !before.iter().any(|known| (known.instance, known.renewals) == (row.instance, row.renewals))) {
        Some(living) => Err(MoveError::Served(living.address)),
        None => Ok(()),
    }
}

async fn rows(location: &Location) -> Result<Vec<ReplicaRow>, MoveError> {
    let mut whole = Whole::open(&location.as_it_is(), Access::Look).await?;
    let look = whole.look().await?;
    // A file has one process, which the lock of its folder keeps away. What has another schema is refused by whoever holds it.
    if look.engine == Engine::Sqlite || look.schema != Some(keywright_db::newest_version(MIGRATIONS)) {
        return Ok(Vec::new());
    }
    Ok(replicas::list(whole.tx()).await?)
}
