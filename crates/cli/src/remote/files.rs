//! Files that nobody else may read, replaced whole or not at all.

use super::Failure;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

const OF_OTHERS: u32 = 0o077;

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
    let damaged = |error| Failure::failed(format!("{} is damaged ({error}); delete it and sign in again", path.display()));
    serde_json::from_str(&text).map(Some).map_err(damaged)
}

/// Writes a file for its owner alone (0600), in a folder for its owner alone (0700) if that is made here.
pub(super) fn write(path: &Path, content: &impl Serialize) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    let Some(folder) = path.parent() else { return Err(Failure::failed(format!("{} is in no folder", path.display()))) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let text = Zeroizing::new(serde_json::to_string_pretty(content).map_err(|error| Failure::failed(error.to_string()))?);
    // Made with mode 0600 from its first moment.
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Deletes a file, if it is there.
pub(super) fn delete(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::failed(format!("{} cannot be deleted: {error}", path.display()))),
        Ok(()) | Err(_) => Ok(()),
    }
}
