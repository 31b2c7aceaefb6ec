//! Receiving: bytes to the disk as they come, counted and digested on the way.

use super::{broken, claim, folder::Folder, keeper::Order, lost};
use crate::{Error, ids::FileId, multipart::Parts};
use aws_lc_rs::digest::{Context, SHA256};
use axum::body::{BodyDataStream, Bytes};
use futures_util::StreamExt as _;
use keywright_db::{StoreError, Tx};
use tokio::{fs::File, io::AsyncWriteExt as _, sync::mpsc};

/// So much is written before it is synced, so that the last sync does not take long and the system's memory is not filled.
const SYNC_EVERY: u64 = 32 * 1024 * 1024;

/// Where bytes come from.
pub(crate) enum Source<'a> {
    /// A whole body.
    Body(BodyDataStream),
    /// The part that a body is at.
    Part(&'a mut Parts),
}

impl Source<'_> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Body(body) => body.next().await.transpose().map_err(|_| broke_off()),
            Self::Part(parts) => parts.chunk().await,
        }
    }
}

/// How long it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// As it was declared.
    Exactly(u64),
    /// As files may be here.
    AtMost,
}

impl Length {
    /// # Errors
    /// For what is too long already.
    fn check(self, so_far: u64, max_bytes: u64) -> Result<(), Error> {
        match self {
            Self::Exactly(size) if so_far > size => Err(Error::WrongLength(size)),
            Self::AtMost if so_far > max_bytes => Err(Error::FileTooLarge(max_bytes)),
            Self::Exactly(_) | Self::AtMost => Ok(()),
        }
    }

    /// # Errors
    /// For what ended too early.
    fn check_end(self, size: u64) -> Result<(), Error> {
        match self {
            Self::Exactly(declared) if size != declared => Err(Error::WrongLength(declared)),
            Self::AtMost if size == 0 => Err(Error::Invalid("the file is empty; send one that is not".to_owned())),
            Self::Exactly(_) | Self::AtMost => Ok(()),
        }
    }
}

/// The loose file of somebody who is alive. Dropped before it is kept, it is removed.
pub(super) struct Loose {
    id: FileId,
    keeper: Option<mpsc::UnboundedSender<Order>>,
}

impl Loose {
    pub(super) fn new(id: FileId, keeper: mpsc::UnboundedSender<Order>) -> Self {
        Self { id, keeper: Some(keeper) }
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            // Without a keeper the process ends, and the next start finds it.
            drop(keeper.send(Order::Discard(self.id)));
        }
    }
}

/// A file that is wholly in the folder, durably, and nobody's yet.
pub(crate) struct Received {
    pub(crate) id: FileId,
    pub(crate) size: u64,
    pub(crate) sha256: Vec<u8>,
    loose: Loose,
    /// Its lock keeps others from removing it.
    _file: File,
}

impl Received {
    /// In the transaction that makes somebody its owner.
    ///
    /// # Errors
    /// `NotFound` if it was given up meanwhile.
    pub(crate) async fn claim(tx: &mut Tx, id: FileId) -> Result<(), StoreError> {
        claim(tx, id).await
    }

    /// After that transaction was committed.
    pub(crate) fn keep(mut self) {
        self.loose.keeper = None;
    }
}

pub(super) async fn receive(folder: &Folder, loose: Loose, (length, max_bytes): (Length, u64), mut source: Source<'_>) -> Result<Received, Error> {
    let (making, id) = (folder.clone(), loose.id);
    // Whoever gives up while it is made, gives it up when it is there.
    let (file, loose) = tokio::task::spawn_blocking(move || (making.create(id), loose)).await.map_err(lost)?;
    let mut file = File::from_std(file.map_err(|error| broken(&error))?);
    let (mut size, mut unsynced, mut digest) = (0_u64, 0_u64, Context::new(&SHA256));
    while let Some(chunk) = source.chunk().await? {
        let more = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        (size, unsynced) = (size.saturating_add(more), unsynced.saturating_add(more));
        length.check(size, max_bytes)?;
        digest.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| broken(&error))?;
        if unsynced >= SYNC_EVERY {
            file.sync_data().await.map_err(|error| broken(&error))?;
            unsynced = 0;
        }
    }
    length.check_end(size)?;
    file.sync_all().await.map_err(|error| broken(&error))?;
    let syncing = folder.clone();
    tokio::task::spawn_blocking(move || syncing.sync(id)).await.map_err(lost)?.map_err(|error| broken(&error))?;
    Ok(Received { id, size, sha256: digest.finish().as_ref().to_vec(), loose, _file: file })
}

fn broke_off() -> Error {
    Error::Invalid("the body broke off; send it again".to_owned())
}
