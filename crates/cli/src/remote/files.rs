//! Files that nobody else may read, replaced whole or not at all.

use super::Failure;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

const OF_OTHERS: u32 = 0o077;
const WRITTEN_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Reads a file; `None` if there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be read: {error}", path.display()));
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    if file.metadata().map_err(failed)?.permissions().mode() & OF_OTHERS != 0 {
        return Err(Failure::failed(format!(
            "{0} can be read or changed by others, and what is in it may be known: `chmod 600 {0}`, or replace the key and delete the file",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    // Where, and not what: the parser's own words could quote what is secret.
    let damaged = |error: serde_json::Error| {
        Failure::failed(format!("{} is damaged at line {}, column {}; delete it and sign in again", path.display(), error.line(), error.column()))
    };
    serde_json::from_str(&text).map(Some).map_err(damaged)
}

/// What becomes of a file.
pub(super) enum Then {
    /// It has what is in memory now.
    Keep,
    /// It goes: nothing is left in it.
    Delete,
}

/// Reads a file, changes what is in it, and writes it for its owner alone (0600), in a folder for its owner alone (0700) if that is made
/// here. Commands that do so at the same time wait for each other.
pub(super) fn change<T: Serialize + DeserializeOwned + Default>(path: &Path, change: impl FnOnce(&mut T) -> Then) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    let Some(folder) = path.parent() else { return Err(Failure::failed(format!("{} is in no folder", path.display()))) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mode = fs::metadata(folder).map_err(failed)?.permissions().mode();
    if mode & WRITTEN_BY_OTHERS != 0 && mode & STICKY == 0 {
        let sentence = format!("others can put files into {0}, and so replace what is kept there: `chmod go-w {0}`", folder.display());
        return Err(Failure::failed(sentence));
    }
    let lock = OpenOptions::new().create(true).write(true).truncate(false).open(folder.join("lock")).map_err(failed)?;
    // A file system without locks has the last one win.
    match lock.lock() {
        Err(error) if error.kind() != ErrorKind::Unsupported => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let mut content = read(path)?.unwrap_or_default();
    match change(&mut content) {
        Then::Keep => write(path, folder, &content),
        Then::Delete => delete(path),
    }
}

fn write(path: &Path, folder: &Path, content: &impl Serialize) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    let text = Zeroizing::new(serde_json::to_string_pretty(content).map_err(|error| Failure::failed(error.to_string()))?);
    // Made with mode 0600 from its first moment.
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Deletes a file, if it is there.
fn delete(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::failed(format!("{} cannot be deleted: {error}", path.display()))),
        Ok(()) | Err(_) => Ok(()),
    }
}
