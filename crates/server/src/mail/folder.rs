//! Mail without a mail server: a file each, for nobody but the service's own user to read.

use crate::data_dir::write_private_bytes;
use keywright_core::outbox::delivery::DueMail;
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Writes a piece of mail; another attempt writes the same file again.
pub(super) async fn write(folder: &Path, mail: &DueMail, bytes: Vec<u8>) -> std::io::Result<PathBuf> {
    let path = folder.join(file_name(mail));
    let written = path.clone();
    let folder = folder.to_owned();
    let writing = tokio::task::spawn_blocking(move || {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        // Whoever looks into the folder finds whole files.
        let draft = path.with_extension("new");
        write_private_bytes(&draft, &bytes)?;
        std::fs::rename(&draft, &path)
    });
    writing.await.map_err(std::io::Error::other)??;
    Ok(written)
}

/// In the order of time, without the recipient: names of files are read by more people than files.
fn file_name(mail: &DueMail) -> String {
    let at: String = mail.created_at.to_string().chars().filter(|character| !matches!(character, ':' | '-')).collect();
    format!("{at}-{}-{}.eml", mail.content.kind(), mail.id)
}
