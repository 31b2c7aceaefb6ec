//! The administration socket: one JSON line in, one out. Whoever may open it is the administrator; its mode is 0600.

use crate::tasks::{self, Stop};
use keywright_core::{Context, Core};
use keywright_protocol::admin::{AdminReply, AdminRequest};
use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};

/// Longest request, in bytes. A whole catalog goes through here.
const MAX_LINE: u64 = 4 * 1024 * 1024;
const LINE_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the socket in a data folder that this process holds; what a crash left there is removed.
///
/// # Errors
/// Whatever the system says.
pub fn open(path: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Whether another process answers there.
#[must_use]
pub fn is_answered(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// Answers until the sign to stop, then removes the socket.
pub async fn serve(listener: UnixListener, path: std::path::PathBuf, core: Arc<Core>, mut stop: Stop) {
    loop {
        let stream = tokio::select! {
            () = stop.wait() => break,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = stream {
            let core = Arc::clone(&core);
            tasks::spawn(async move {
                if let Err(error) = answer(stream, &core).await {
                    tracing::debug!(%error, "an administration connection broke off");
                }
            });
        }
    }
    let _ = std::fs::remove_file(path);
}

async fn answer(stream: UnixStream, core: &Arc<Core>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(MAX_LINE));
    tokio::time::timeout(LINE_TIMEOUT, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str::<AdminRequest>(&line) {
        Ok(request) => administer(core, request).await,
        Err(error) => AdminReply::Refused { error: "invalid_request".to_owned(), message: format!("the request cannot be read: {error}") },
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await?;
    writer.shutdown().await
}

/// One act of administration on this core, through the socket or directly.
pub async fn administer(core: &Arc<Core>, request: AdminRequest) -> AdminReply {
    match Context::system(core.clock().now()) {
        Ok(ctx) => core.administer(&ctx, request).await,
        Err(error) => AdminReply::Refused { error: error.code().to_owned(), message: error.to_string() },
    }
}
