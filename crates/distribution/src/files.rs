//! The folder of files: who may have one in it, and how it comes and goes.
//!
//! A file that no other row has is *loose*: its id stands in `loose_files`, from before it is made until a row has it, and again from
//! when that row goes until it is removed. So whatever breaks off, the database knows what may be lying about.

mod folder;
mod incoming;
mod keeper;
mod outgoing;
pub(crate) mod rows;

use incoming::Loose;
pub(crate) use incoming::{Length, Received, Source};
pub(crate) use outgoing::sent;
pub(crate) use rows::STATEMENTS;

use crate::{
    Error,
    ids::{FileId, UploadId},
};
use folder::Folder;
use keeper::{Keeper, Order};
use keywright_db::{Db, StoreError, Tx};
use keywright_protocol::{Clock, OrganizationId};
use std::{io, path::Path};
use tokio::sync::{mpsc, oneshot};

/// Uploads that an organization may have under way in one request, and as many in three.
pub(crate) const MAX_UNDER_WAY: i64 = 100;

/// The folder, and whoever clears away.
#[derive(Clone)]
pub(crate) struct Files {
    db: Db,
    clock: Clock,
    folder: Folder,
    max_bytes: u64,
    keeper: mpsc::UnboundedSender<Order>,
}

impl Files {
    /// Makes the folder if need be, and starts the keeper, which ends with the last clone or when it is told to.
    ///
    /// # Errors
    /// What the system says of the folder.
    pub(crate) fn open(db: Db, folder: &Path, max_bytes: u64, clock: Clock) -> io::Result<Self> {
        let folder = Folder::open(folder)?;
        let (keeper, orders) = mpsc::unbounded_channel();
        let files = Self { db: db.clone(), clock: clock.clone(), folder: folder.clone(), max_bytes, keeper };
        #[expect(clippy::disallowed_methods, reason = "the one task of this room: it ends when it is told to, or when nobody is left who could tell it")]
        drop(tokio::spawn(Keeper { db, folder, clock }.run(orders)));
        Ok(files)
    }

    /// Longest file, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Takes a file from its sender into the folder. It stays there only if somebody claims it: [`Received::claim`]. What was
    /// reserved was counted then.
    ///
    /// # Errors
    /// [`Error::TooManyUploads`], what [`Length`] refuses, [`Error::Invalid`] for a body that breaks off, [`Error::Unavailable`] for
    /// database and disk.
    pub(crate) async fn receive(&self, organization: OrganizationId, upload: Option<UploadId>, length: Length, source: Source<'_>) -> Result<Received, Error> {
        let (id, now) = (FileId::random(), self.clock.now());
        // From here on, whoever gives up leaves nothing.
        let loose = Loose::new(id, self.keeper.clone());
        let noted = self.db.write(move |tx| {
            Box::pin(async move {
                if upload.is_none() && rows::count_under_way(tx, organization).await? >= MAX_UNDER_WAY {
                    return Err(Error::TooManyUploads(MAX_UNDER_WAY));
                }
                Ok(rows::insert(tx, id, (organization, upload), now).await?)
            })
        });
        noted.await?;
        incoming::receive(&self.folder, loose, (length, self.max_bytes), source).await
    }

    /// Opens a file to be read, with its length; `None` if it is not there.
    pub(crate) async fn open_file(&self, id: FileId) -> Result<Option<(tokio::fs::File, u64)>, Error> {
        self.folder.open_file(id).await.map_err(|error| broken(&error))
    }

    /// Whether a file is there in its whole length.
    pub(crate) async fn is_whole(&self, id: FileId, size: u64) -> Result<bool, Error> {
        Ok(self.open_file(id).await?.is_some_and(|(_, found)| found == size))
    }

    /// Has files removed that a transaction has doomed.
    pub(crate) fn remove(&self, ids: Vec<FileId>) {
        for id in ids {
            drop(self.keeper.send(Order::Remove(id)));
        }
    }

    /// Clears away everything that is over as of now, and waits for it.
    pub(crate) async fn tidy(&self) {
        self.ask(Order::Tidy).await;
    }

    /// Lets the keeper do what it was told before, and ends it.
    pub(crate) async fn close(&self) {
        self.ask(Order::End).await;
    }

    async fn ask(&self, order: fn(oneshot::Sender<()>) -> Order) {
        let (reply, done) = oneshot::channel();
        if self.keeper.send(order(reply)).is_ok() {
            // A keeper that ended meanwhile has nothing left to do.
            let _ = done.await;
        }
    }
}

/// A disk that does not do as it is told is an outage: whoever tries again later may have more luck.
fn broken(error: &io::Error) -> Error {
    tracing::error!(%error, "the folder of files cannot be used: is the disk full, or does the folder belong to somebody else?");
    Error::Unavailable
}

/// The same for a task that did not come to its end.
fn lost(_: tokio::task::JoinError) -> Error {
    tracing::error!("work on a file did not come to its end");
    Error::Unavailable
}

/// What a commit that is unsure leaves is judged by the row, later.
pub(crate) async fn claim(tx: &mut Tx, id: FileId) -> Result<(), StoreError> {
    rows::claim(tx, id).await
}
