//! Whoever clears away: what broke off, what was deleted, what has run out.

use super::{
    folder::{Folder, Found},
    rows::{self, Loose},
};
use crate::ids::FileId;
use keywright_db::{Db, StoreError};
use keywright_protocol::{Clock, Time};
use std::{io, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// Between two passes.
const EVERY: Duration = Duration::from_secs(60);
/// A row whose file is not there: it may be about to be made.
const UNTIL_MADE: Duration = Duration::from_secs(60);
/// Longer than any upload may take.
const UNTIL_ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// A reservation without a file stays so long after its end: somebody may be sending.
const UNTIL_SENT: Duration = Duration::from_secs(13 * 60 * 60);
/// How long one may ask for a task.
const TASKS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What it is told.
pub(super) enum Order {
    /// Somebody gave a file up.
    Discard(FileId),
    /// A transaction has doomed a file.
    Remove(FileId),
    /// A pass now, and word when it is done.
    Tidy(oneshot::Sender<()>),
    /// To end, after what it was told before.
    End(oneshot::Sender<()>),
}

pub(super) struct Keeper {
    pub(super) db: Db,
    pub(super) folder: Folder,
    pub(super) clock: Clock,
}

impl Keeper {
    /// Until it is told to end. The first pass is at once: it finds what a crash has left.
    pub(super) async fn run(self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut passes = tokio::time::interval(EVERY);
        passes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let order = tokio::select! {
                order = orders.recv() => order,
                _ = passes.tick() => {
                    self.pass().await;
                    continue;
                }
            };
            match order {
                None => break,
                Some(Order::Discard(id)) => warn(self.discard(id).await),
                Some(Order::Remove(id)) => warn(self.remove(id).await),
                Some(Order::Tidy(done)) => {
                    self.pass().await;
                    let _ = done.send(());
                }
                Some(Order::End(done)) => {
                    orders.close();
                    while let Some(rest) = orders.recv().await {
                        if let Order::Discard(id) = rest {
                            warn(self.discard(id).await);
                        }
                    }
                    let _ = done.send(());
                    break;
                }
            }
        }
    }

    async fn pass(&self) {
        let now = self.clock.now();
        let ended = self.db.write(move |tx| {
            Box::pin(async move {
                rows::end_uploads(tx, now, now.minus(UNTIL_SENT)).await?;
                rows::delete_tasks(tx, now.minus(TASKS_KEPT)).await
            })
        });
        warn(ended.await.map(drop).map_err(Trouble::from));
        let listed = self.db.read(|tx| Box::pin(async move { rows::list(tx).await })).await;
        match listed {
            Err(error) => warn(Err(error.into())),
            Ok(loose) => {
                for row in loose {
                    warn(self.judge(row, now).await);
                }
            }
        }
    }

    /// What becomes of a file that is loose.
    async fn judge(&self, Loose { id, noted_at, is_doomed }: Loose, now: Time) -> Result<(), Trouble> {
        if is_doomed {
            return self.remove(id).await;
        }
        let folder = self.folder.clone();
        let found = tokio::task::spawn_blocking(move || folder.look(id)).await.map_err(|_| Trouble::Lost)??;
        let over = match found {
            Found::Held => false,
            Found::Abandoned => true,
            Found::Nothing => noted_at.plus(UNTIL_MADE) <= now,
            Found::Unknown => noted_at.plus(UNTIL_ABANDONED) <= now,
        };
        if over { self.discard(id).await } else { Ok(()) }
    }

    /// Dooms a file if it is still loose: a commit of which nobody heard may have made it somebody's.
    async fn discard(&self, id: FileId) -> Result<(), Trouble> {
        let now = self.clock.now();
        let doomed = self.db.write(move |tx| Box::pin(async move { rows::doom(tx, id, now).await }));
        if doomed.await?.value { self.remove(id).await } else { Ok(()) }
    }

    /// The file first: as long as the row is there, it is tried again.
    async fn remove(&self, id: FileId) -> Result<(), Trouble> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || folder.remove(id)).await.map_err(|_| Trouble::Lost)??;
        self.db.write(move |tx| Box::pin(async move { rows::delete(tx, id).await })).await?;
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the database: {0:?}")]
    Database(StoreError),
    #[error("the folder: {0}")]
    Folder(#[from] io::Error),
    #[error("a task did not come to its end")]
    Lost,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Database(error)
    }
}

/// The next pass tries again.
fn warn(done: Result<(), Trouble>) {
    if let Err(error) = done {
        tracing::warn!(%error, "files that belong to nobody could not be cleared away; the next pass tries again");
    }
}
