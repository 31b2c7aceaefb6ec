//! The folder itself: one file an id, in sub-folders by the id's first two digits. Names come from ids alone.

use crate::ids::FileId;
use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A folder that was found usable.
#[derive(Clone)]
pub(super) struct Folder {
    path: Arc<Path>,
}

/// How a file is found that nobody has claimed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// Somebody who is alive writes to it.
    Held,
    /// Whoever wrote it is gone.
    Abandoned,
    /// The file system has no locks.
    Unknown,
}

impl Folder {
    /// Makes it if need be, for this user alone.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        std::fs::read_dir(path)?;
        Ok(Self { path: path.into() })
    }

    fn place(&self, id: FileId) -> PathBuf {
        let name = id.as_uuid().simple().to_string();
        let shelf: String = name.chars().take(2).collect();
        self.path.join(shelf).join(name)
    }

    /// Makes a file that was not there before, and locks it.
    pub(super) fn create(&self, id: FileId) -> io::Result<File> {
        let place = self.place(id);
        if let Some(shelf) = place.parent()
            && !shelf.is_dir()
        {
            DirBuilder::new().recursive(true).mode(0o700).create(shelf)?;
            File::open(&self.path)?.sync_all()?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            // Without locks it is left alone for longer: see the keeper.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(file),
            Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Makes the name of a file last.
    pub(super) fn sync(&self, id: FileId) -> io::Result<()> {
        self.place(id).parent().map_or(Ok(()), |shelf| File::open(shelf)?.sync_all())
    }

    /// Looks whether somebody writes to a file.
    pub(super) fn look(&self, id: FileId) -> io::Result<Found> {
        let file = match File::open(self.place(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => Ok(Found::Abandoned),
            Err(TryLockError::WouldBlock) => Ok(Found::Held),
            Err(TryLockError::Error(_)) => Ok(Found::Unknown),
        }
    }

    /// Removes a file; one that is not there is removed.
    pub(super) fn remove(&self, id: FileId) -> io::Result<()> {
        match std::fs::remove_file(self.place(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Opens a file to be read, with its length.
    pub(super) async fn open_file(&self, id: FileId) -> io::Result<Option<(tokio::fs::File, u64)>> {
        let file = match tokio::fs::File::open(self.place(id)).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata().await?.len();
        Ok(Some((file, length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_its_owners_alone_and_held_as_long_as_he_lives() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&place.path().join("deep/files")).unwrap();
        let id = FileId::random();
        assert_eq!(folder.look(id).unwrap(), Found::Nothing);
        let file = folder.create(id).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.create(id).unwrap_err().kind(), ErrorKind::AlreadyExists);
        folder.sync(id).unwrap();
        assert_eq!(folder.look(id).unwrap(), Found::Held);
        drop(file);
        assert_eq!(folder.look(id).unwrap(), Found::Abandoned);
        folder.remove(id).unwrap();
        folder.remove(id).unwrap();
        assert_eq!(folder.look(id).unwrap(), Found::Nothing);
    }
}
