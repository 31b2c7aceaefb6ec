//! Programs that are started here, and ended by their own process id.

use anyhow::{Context as _, bail};
use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

const PAUSE: Duration = Duration::from_millis(5);
/// Looks of [`PAUSE`] each.
const PATIENCE: usize = 6_000;

/// A program that ends with this.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, with what it says in a file of the folder.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = fs::File::create(&log)?;
        let child =
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn().with_context(|| format!("{name} cannot be started: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Waits for an answer to a question about it.
    pub(crate) fn until<T>(&mut self, mut ask: impl FnMut(&str) -> Option<T>) -> anyhow::Result<T> {
        for _ in 0..PATIENCE {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(answer) = ask(&log) {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it was ready: {status}\n{log}", self.name);
            }
            thread::sleep(PAUSE);
        }
        bail!("{} is not ready:\n{}", self.name, fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// Waits until it takes connections.
    pub(crate) fn until_listening(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.until(|_| TcpStream::connect(address).ok().map(drop))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Asked, not killed: nginx and Apache end their own children then.
        let _ = Command::new("sh").args(["-c", r#"kill -TERM "$1""#, "kill", &self.child.id().to_string()]).status();
        for _ in 0..1_000 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free at this moment.
pub(crate) fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
