//! Backup and restore of a data folder: one encrypted file that holds the databases and the key file, made while the server runs.
//! Inside it is a tar archive, so that the age tool and tar open it too.

use crate::data_dir::{DataDir, DataDirError, Layout};
use keywright_core::{
    KeyFile, Location, OpenError,
    age::{AgeError, Decryptor, Encryptor, Identity, Recipient, found_in},
    recovery::{self, Later, RestoreError, Restored},
};
use keywright_protocol::{Clock, Position, Time};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The form of the archive; a later one may need a later program.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const MAX_MANIFEST: u64 = 64 * 1024;

/// Why there is no backup, or nothing was restored; one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is nothing to back up.
    #[error("there is no database in {}; name the data folder with --data-dir", .0.display())]
    NoDatabase(PathBuf),
    /// Nobody could open it.
    #[error("a backup needs a recipient: `keywright backup key` makes one; name it with --recipient, or set backup.recipients")]
    NoRecipient,
    /// The file is there already.
    #[error("{} is there already, and a backup overwrites nothing; give another name with --output", .0.display())]
    Exists(PathBuf),
    /// The folder that is written first.
    #[error("{} has files in it that no restore left there; move them away", .0.display())]
    Foreign(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is encrypted for somebody else, cut short, altered, or no backup.
    #[error("the backup cannot be opened")]
    Age(#[from] AgeError),
    /// It comes from a later program.
    #[error("the backup was made by {0}, and its form is newer than this program knows; restore it with that release, or a newer one")]
    Newer(String),
    /// The archive is not what a backup holds.
    #[error("the backup cannot be read: {0}")]
    Content(String),
    /// The database in it.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// What a backup says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The form of the archive.
    pub format: u32,
    /// What made it.
    pub program: String,
    /// When.
    pub at: Time,
    /// The position of the identity database.
    #[serde(default)]
    pub position: Option<Position>,
    /// The files that follow, in order.
    #[serde(default)]
    pub files: Vec<String>,
}

fn at<E: Into<io::Error>>(path: &Path) -> impl Fn(E) -> BackupError {
    move |error| {
        let error = error.into();
        found_in(&error).map_or_else(|| BackupError::File { path: path.to_owned(), error }, BackupError::Age)
    }
}

/// Writes a backup of a data folder, which a server may be using. `output` of `-` is the standard output.
///
/// # Errors
/// [`BackupError`]; then nothing is left behind.
pub async fn back_up(data_dir: &Path, output: &Path, recipients: Vec<Recipient>, clock: &Clock) -> Result<Manifest, BackupError> {
    if recipients.is_empty() {
        return Err(BackupError::NoRecipient);
    }
    let layout = Layout::of(data_dir);
    if !layout.database.try_exists().map_err(at(&layout.database))? {
        return Err(BackupError::NoDatabase(data_dir.to_owned()));
    }
    if output != Path::new("-") && output.exists() {
        return Err(BackupError::Exists(output.to_owned()));
    }
    let _turn = layout.lock_backup()?;
    let work = Folder::make(&layout.backup)?;
    let copies = Layout::of(&work.0);
    recovery::copy(&layout.database, &copies.database).await?;
    let position = recovery::position_of(&copies.database).await?;
    let mut files = vec![layout.key_file.clone(), copies.database.clone()];
    if layout.distribution_database.exists() {
        recovery::copy(&layout.distribution_database, &copies.distribution_database).await?;
        files.push(copies.distribution_database.clone());
    }
    let names = files.iter().map(|file| name_of(file)).collect();
    let manifest = Manifest { format: FORMAT, program: program(), at: clock.now(), position: Some(position), files: names };
    let (told, output) = (manifest.clone(), output.to_owned());
    let written = tokio::task::spawn_blocking(move || write(&output, &recipients, &manifest, &files)).await;
    written.map_err(|_| BackupError::Content("it was interrupted".to_owned()))??;
    Ok(told)
}

fn program() -> String {
    format!("keywright {}", env!("CARGO_PKG_VERSION"))
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Under another name first: whoever sees the name sees the whole.
fn write(output: &Path, recipients: &[Recipient], manifest: &Manifest, files: &[PathBuf]) -> Result<(), BackupError> {
    if output == Path::new("-") {
        return archive(io::stdout().lock(), recipients, manifest, files).map(drop);
    }
    let mut part = output.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(at(&part))?;
    let done = || {
        let file = archive(file, recipients, manifest, files)?;
        file.sync_all().map_err(at(&part))?;
        // A second name fails where a new name would overwrite; not every file system has second names.
        match fs::hard_link(&part, output) {
            Ok(()) => fs::remove_file(&part).map_err(at(&part))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(BackupError::Exists(output.to_owned())),
            Err(_) => fs::rename(&part, output).map_err(at(output))?,
        }
        sync_folder(output)
    };
    done().inspect_err(|_| drop(fs::remove_file(&part)))
}

/// The name is durable once its folder is.
fn sync_folder(of: &Path) -> Result<(), BackupError> {
    let folder = of.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn archive<W: Write>(out: W, recipients: &[Recipient], manifest: &Manifest, files: &[PathBuf]) -> Result<W, BackupError> {
    let (here, encrypted) = (Path::new(MANIFEST), Path::new("the backup"));
    let encryptor = Encryptor::new(BufWriter::new(out), recipients).map_err(at(encrypted))?;
    let mut archive = tar::Builder::new(encryptor);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| at(here)(io::Error::from(error)))?;
    archive.append_data(&mut header(text.len() as u64, manifest.at), MANIFEST, text.as_slice()).map_err(at(encrypted))?;
    for file in files {
        let content = File::open(file).map_err(at(file))?;
        let length = content.metadata().map_err(at(file))?.len();
        archive.append_data(&mut header(length, manifest.at), name_of(file), BufReader::new(content)).map_err(at(encrypted))?;
    }
    let encryptor = archive.into_inner().map_err(at(encrypted))?;
    let out = encryptor.finish().map_err(at(encrypted))?;
    out.into_inner().map_err(|error| at(encrypted)(error.into_error()))
}

fn header(length: u64, time: Time) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(time.as_millis() / 1_000).unwrap_or_default());
    header
}

/// Restores a backup into a data folder that is empty or not there. Nobody can use it before it is whole. `input` of `-` is the standard
/// input.
///
/// # Errors
/// [`BackupError`]; then nothing is left behind.
pub async fn restore(input: &Path, identity: Identity, data_dir: &Path, later: Later, clock: &Clock) -> Result<(Manifest, Restored), BackupError> {
    let draft = Draft::begin(data_dir)?;
    let (from, to) = (input.to_owned(), draft.copies_at().to_owned());
    let read = tokio::task::spawn_blocking(move || {
        if from == Path::new("-") {
            return extract(io::stdin().lock(), &identity, &to);
        }
        extract(BufReader::new(File::open(&from).map_err(at(&from))?), &identity, &to)
    });
    let manifest = read.await.map_err(|_| BackupError::Content("it was interrupted".to_owned()))??;
    let layout = Layout::of(draft.copies_at());
    let key_file = zeroize::Zeroizing::new(fs::read_to_string(&layout.key_file).map_err(at(&layout.key_file))?);
    let key_file = KeyFile::parse(&key_file).map_err(|_| BackupError::Content("the key file in it cannot be read".to_owned()))?;
    let restored = recovery::restore(&Location::Sqlite { path: layout.database }, key_file, later, clock).await?;
    draft.finish()?;
    Ok((manifest, restored))
}

fn extract(input: impl io::BufRead, identity: &Identity, to: &Path) -> Result<Manifest, BackupError> {
    // What the archive's reader says is of no help to whoever has the wrong file.
    let at = |_: &Path| {
        |error: io::Error| found_in(&error).map_or_else(|| BackupError::Content("it is no archive of Keywright's, or not whole".to_owned()), BackupError::Age)
    };
    let here = Path::new("the backup");
    let mut archive = tar::Archive::new(Decryptor::new(input, identity).map_err(at(here))?);
    let mut entries = archive.entries().map_err(at(here))?;
    let broken = |what: &str| BackupError::Content(what.to_owned());
    let first = entries.next().ok_or_else(|| broken("it is empty"))?.map_err(at(here))?;
    if first.path().map_err(at(here))? != Path::new(MANIFEST) {
        return Err(broken("it does not begin with a manifest; is it a backup of Keywright?"));
    }
    let mut text = Vec::new();
    first.take(MAX_MANIFEST).read_to_end(&mut text).map_err(at(here))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| broken("its manifest cannot be read"))?;
    if manifest.format > FORMAT {
        return Err(BackupError::Newer(manifest.program.escape_debug().to_string()));
    }
    let layout = Layout::of(to);
    let known = [&layout.key_file, &layout.database, &layout.distribution_database].map(|file| name_of(file));
    let mut found = Vec::new();
    for entry in entries {
        let mut entry = entry.map_err(at(here))?;
        let name = entry.path().map_err(at(here))?.to_string_lossy().into_owned();
        if !known.contains(&name) || found.contains(&name) {
            return Err(BackupError::Content(format!("there is a file `{}` in it that does not belong there", name.escape_debug())));
        }
        let path = to.join(&name);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut file| {
            io::copy(&mut entry, &mut file)?;
            file.sync_all()
        });
        written.map_err(|error| found_in(&error).map_or_else(|| BackupError::File { path: path.clone(), error }, BackupError::Age))?;
        found.push(name);
    }
    // The end is read too: a cut shows there.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(at(here))?;
    let needed = known.iter().take(2).chain(&manifest.files);
    if let Some(missing) = needed.into_iter().find(|name| !found.contains(name)) {
        return Err(BackupError::Content(format!("`{missing}` is not in it")));
    }
    Ok(manifest)
}

/// A folder of copies, which goes away again.
struct Folder(PathBuf);

impl Folder {
    /// What an interrupted run left there is removed; what is foreign is not.
    fn make(path: &Path) -> Result<Self, BackupError> {
        if path.exists() {
            require_ours(path)?;
            fs::remove_dir_all(path).map_err(at(path))?;
        }
        DirBuilder::new().mode(0o700).create(path).map_err(at(path))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn require_ours(folder: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let name = entry.map_err(at(folder))?.file_name();
        if !Layout::is_ours(&name.to_string_lossy()) {
            return Err(BackupError::Foreign(folder.to_owned()));
        }
    }
    Ok(())
}

/// A data folder that is being restored: it is put together in a folder inside of it, and as long as that is there nobody starts on it.
/// (Renaming a whole folder would be simpler, and fails where the data folder is a file system of its own.)
struct Draft {
    layout: Layout,
    copies: Option<Folder>,
    /// Held to the end.
    _held: DataDir,
    /// Whether the data folder was not there before.
    is_new: bool,
    target: PathBuf,
}

impl Draft {
    fn begin(target: &Path) -> Result<Self, BackupError> {
        let (layout, is_new) = (Layout::of(target), !target.exists());
        let was_locked = layout.lock.exists();
        let held = DataDir::take_as_it_is(target)?;
        let mut draft = Self { layout, copies: None, _held: held, is_new, target: target.to_owned() };
        let begun = draft.make_room().and_then(|()| Folder::make(&draft.layout.restore));
        match begun {
            Ok(copies) => draft.copies = Some(copies),
            Err(error) => {
                if !was_locked {
                    DataDir::forget_lock(target);
                }
                return Err(error);
            }
        }
        Ok(draft)
    }

    /// Nobody has used what an interrupted restore has put there already; everything else stays.
    fn make_room(&self) -> Result<(), BackupError> {
        if !self.layout.restore.exists() {
            return Ok(DataDir::check_nothing_but_lock(&self.target)?);
        }
        require_ours(&self.layout.restore)?;
        for part in self.layout.parts().into_iter().filter(|part| part.exists()) {
            fs::remove_file(part).map_err(at(part))?;
        }
        Ok(())
    }

    fn copies_at(&self) -> &Path {
        &self.layout.restore
    }

    fn finish(mut self) -> Result<(), BackupError> {
        let copies = Layout::of(&self.layout.restore);
        // What is taken away stands in the file itself, and not in a log beside it that is left behind.
        let log = copies.database.with_extension("sqlite3-wal");
        if log.metadata().is_ok_and(|log| log.len() > 0) {
            return Err(BackupError::Content("the restored database was not closed in good order; try again".to_owned()));
        }
        for (from, to) in copies.parts().into_iter().zip(self.layout.parts()).filter(|(from, _)| from.exists()) {
            fs::rename(from, to).map_err(at(to))?;
        }
        sync_folder(&self.layout.database)?;
        // From here on it is whole.
        drop(self.copies.take());
        self.is_new = false;
        sync_folder(&self.layout.database)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Something went wrong: nothing is left. After the end there are no copies any more.
        if self.copies.take().is_some() {
            for part in self.layout.parts() {
                drop(fs::remove_file(part));
            }
            DataDir::forget_lock(&self.target);
            if self.is_new {
                drop(fs::remove_dir(&self.target));
            }
        }
    }
}
