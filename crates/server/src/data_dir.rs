//! The data folder: the database, the key file beside it, and the lock that keeps a second process away.

use crate::config::DEFAULT_FILE;
use keywright_core::{KeyFile, Location};
use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

const DATABASE: &str = "keywright.sqlite3";
const DISTRIBUTION_DATABASE: &str = "distribution.sqlite3";
const KEY_FILE: &str = "keywright.key";
const LOCK: &str = "keywright.lock";
const SOCKET: &str = "admin.sock";
const MAIL: &str = "mail";
const FILES: &str = "files";
const BACKUP: &str = "backup.tmp";
const RESTORE: &str = "restore.tmp";

/// Why a data folder cannot be used; one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made or written.
    #[error("the data folder {path} cannot be used: {error}; give a folder that this user may write with --data-dir", path = .path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Another process holds it.
    #[error("another Keywright process uses the data folder {path}; stop it first, or give another folder with --data-dir", path = .0.display())]
    InUse(PathBuf),
    /// A database without its key file.
    #[error("the key file {path} is missing beside its database; put it back from your backup: without it no key in the database is of any use", path = .0.display())]
    KeyFileMissing(PathBuf),
    /// The key file cannot be read.
    #[error("the key file {path} cannot be read: {reason}", path = .path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The demo wants a fresh one.
    #[error("the folder {path} is not empty; the demo starts in a fresh one: give another one with --data-dir{}", going_on(.0), path = .0.display())]
    NotEmpty(PathBuf),
    /// A restore wants a fresh one.
    #[error("the folder {path} is not empty, and a restore writes into an empty one only; give another one with --data-dir", path = .0.display())]
    Occupied(PathBuf),
    /// A restore did not come to its end.
    #[error("a restore into the folder {path} was interrupted; run it again", path = .0.display())]
    HalfRestored(PathBuf),
    /// Another backup is being made.
    #[error("another backup of {path} is being made; wait until it is done", path = .0.display())]
    BackupRuns(PathBuf),
}

/// What to do with a folder that a demo has left.
fn going_on(folder: &Path) -> String {
    let file = folder.join(DEFAULT_FILE);
    let serve = || format!(". To go on with what an earlier demo left there, use serve: keywright serve --config {}", file.display());
    if file.exists() { serve() } else { String::new() }
}

/// Whether a database was ever started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Never.
    New,
    /// It was, with a key file.
    Started,
}

/// Where things are in a data folder, whether this process holds it or not.
pub(crate) struct Layout {
    folder: PathBuf,
    /// The identity database.
    pub(crate) database: PathBuf,
    /// The distribution API's.
    pub(crate) distribution_database: PathBuf,
    /// The key file.
    pub(crate) key_file: PathBuf,
    /// Where a backup puts its copies.
    pub(crate) backup: PathBuf,
    /// What a restore puts together, as long as it is not done.
    pub(crate) restore: PathBuf,
    /// Held by whoever uses the folder.
    pub(crate) lock: PathBuf,
}

impl Layout {
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            database: folder.join(DATABASE),
            distribution_database: folder.join(DISTRIBUTION_DATABASE),
            key_file: folder.join(KEY_FILE),
            backup: folder.join(BACKUP),
            restore: folder.join(RESTORE),
            lock: folder.join(LOCK),
        }
    }

    /// What a backup holds, in the order in which a restore puts it in its place: the database is the last one.
    pub(crate) fn parts(&self) -> [&Path; 3] {
        [&self.key_file, &self.distribution_database, &self.database]
    }

    /// Whether a file is one of those, or SQLite's beside them, or the lock.
    pub(crate) fn is_ours(name: &str) -> bool {
        [DATABASE, DISTRIBUTION_DATABASE, KEY_FILE, LOCK]
            .iter()
            .any(|known| name.strip_prefix(known).is_some_and(|rest| ["", "-wal", "-shm", "-journal"].contains(&rest)))
    }

    /// Keeps a second backup away, as long as the handle lives.
    pub(crate) fn lock_backup(&self) -> Result<File, DataDirError> {
        let not_writable = |error| DataDirError::NotWritable { path: self.folder.clone(), error };
        // The folder itself: a file would belong to whoever makes the first backup.
        let lock = File::open(&self.folder).map_err(not_writable)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(DataDirError::BackupRuns(self.folder.clone())),
            Err(TryLockError::Error(error)) => Err(not_writable(error)),
        }
    }
}

/// A data folder that this process holds.
pub struct DataDir {
    layout: Layout,
    /// Held as long as this lives; the system lets go of it with the process.
    _lock: File,
}

impl DataDir {
    /// Makes the folder if need be, for this user alone, and takes it.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn take(path: &Path) -> Result<Self, DataDirError> {
        let taken = Self::take_as_it_is(path)?;
        if taken.layout.restore.exists() {
            return Err(DataDirError::HalfRestored(path.to_owned()));
        }
        Ok(taken)
    }

    /// The same together with other processes: the database is elsewhere, and the key file is shared.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn share(path: &Path) -> Result<Self, DataDirError> {
        let lock = Self::open_lock(path)?;
        Self::held(path, lock.try_lock_shared(), lock)
    }

    /// The same, whether a restore has come to its end there or not.
    pub(crate) fn take_as_it_is(path: &Path) -> Result<Self, DataDirError> {
        let lock = Self::open_lock(path)?;
        Self::held(path, lock.try_lock(), lock)
    }

    fn open_lock(path: &Path) -> Result<File, DataDirError> {
        let not_writable = |error| DataDirError::NotWritable { path: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(not_writable)?;
        private(OpenOptions::new().create(true).truncate(false).write(true)).open(path.join(LOCK)).map_err(not_writable)
    }

    fn held(path: &Path, locked: Result<(), TryLockError>, lock: File) -> Result<Self, DataDirError> {
        match locked {
            Ok(()) => Ok(Self { layout: Layout::of(path), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(DataDirError::NotWritable { path: path.to_owned(), error }),
        }
    }

    /// Whether a folder is empty or not there yet. The lock does not count: a start that failed leaves it.
    ///
    /// # Errors
    /// [`DataDirError::NotEmpty`] and the others.
    pub fn check_empty(path: &Path) -> Result<(), DataDirError> {
        let holds_more = path.exists() && Self::holds_more_than_lock(path)?;
        if holds_more { Err(DataDirError::NotEmpty(path.to_owned())) } else { Ok(()) }
    }

    /// Removes the lock of a folder that this process holds and leaves as it was.
    pub(crate) fn forget_lock(path: &Path) {
        drop(std::fs::remove_file(path.join(LOCK)));
    }

    /// Whether there is nothing but the lock in a folder that this process holds.
    ///
    /// # Errors
    /// [`DataDirError::Occupied`], and [`DataDirError::NotWritable`] if it cannot be looked into.
    pub(crate) fn check_nothing_but_lock(path: &Path) -> Result<(), DataDirError> {
        if Self::holds_more_than_lock(path)? { Err(DataDirError::Occupied(path.to_owned())) } else { Ok(()) }
    }

    fn holds_more_than_lock(path: &Path) -> Result<bool, DataDirError> {
        let not_writable = |error| DataDirError::NotWritable { path: path.to_owned(), error };
        for entry in std::fs::read_dir(path).map_err(not_writable)? {
            if entry.map_err(not_writable)?.file_name() != LOCK {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.layout.folder
    }

    /// The identity database.
    #[must_use]
    pub fn database(&self) -> Location {
        Location::Sqlite { path: self.layout.database.clone() }
    }

    /// The distribution API's own database.
    #[must_use]
    pub fn distribution_database(&self) -> Location {
        Location::Sqlite { path: self.layout.distribution_database.clone() }
    }

    /// Where the distribution API keeps files, unless another folder is set.
    #[must_use]
    pub fn distribution_files(&self) -> PathBuf {
        self.layout.folder.join(FILES)
    }

    /// Where mail is written if there is no mail server; made when there is some.
    #[must_use]
    pub fn mail_folder(&self) -> PathBuf {
        self.layout.folder.join(MAIL)
    }

    /// The administration socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket(&self.layout.folder)
    }

    /// Reads the key file, or makes one if there is no database in the folder yet.
    ///
    /// # Errors
    /// [`DataDirError::KeyFileMissing`] and the others.
    pub fn key_file(&self) -> Result<KeyFile, DataDirError> {
        self.key_file_of(if self.layout.database.exists() { Age::Started } else { Age::New })
    }

    /// Reads the key file of a database, or makes one if that is a new one.
    ///
    /// # Errors
    /// [`DataDirError::KeyFileMissing`] and the others.
    pub fn key_file_of(&self, database: Age) -> Result<KeyFile, DataDirError> {
        let path = self.layout.key_file.clone();
        let unreadable = |reason: String| DataDirError::KeyFile { path: path.clone(), reason };
        match File::open(&path) {
            Ok(mut file) => {
                let mut text = zeroize::Zeroizing::new(String::new());
                file.read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
                KeyFile::parse(&text).map_err(|error| unreadable(error.to_string()))
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unreadable(error.to_string())),
            Err(_) if database == Age::Started => Err(DataDirError::KeyFileMissing(path)),
            Err(_) => self.write_key_file(&path),
        }
    }

    /// Written under another name first and then given its own: a crash leaves a whole key file or none. Where others share the folder,
    /// the first one counts.
    fn write_key_file(&self, path: &Path) -> Result<KeyFile, DataDirError> {
        let not_writable = |error| DataDirError::NotWritable { path: self.layout.folder.clone(), error };
        let broken = |error: keywright_core::Error| DataDirError::KeyFile { path: path.to_owned(), reason: error.to_string() };
        let key_file = KeyFile::generate().map_err(broken)?;
        let text = key_file.to_text().map_err(broken)?;
        let draft = path.with_extension(format!("key.new-{}", std::process::id()));
        let mut file = private(OpenOptions::new().create(true).truncate(true).write(true)).open(&draft).map_err(not_writable)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(not_writable)?;
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft).map_err(not_writable)?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return self.key_file_of(Age::Started),
            Err(error) => return Err(not_writable(error)),
        }
        File::open(&self.layout.folder).and_then(|folder| folder.sync_all()).map_err(not_writable)?;
        Ok(key_file)
    }
}

/// The administration socket of a data folder.
#[must_use]
pub fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// Writes a file that only this user may read, replacing what is there.
///
/// # Errors
/// Whatever the system says.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    write_private_bytes(path, text.as_bytes())
}

/// Writes a file that only this user may read, and that is not there yet.
///
/// # Errors
/// Whatever the system says.
pub fn write_private_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = private(OpenOptions::new().create_new(true).write(true)).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The same with content that is no text.
///
/// # Errors
/// Those.
pub(crate) fn write_private_bytes(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut file = private(OpenOptions::new().create(true).truncate(true).write(true)).open(path)?;
    // A file that was there before keeps its mode otherwise.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}
