//! Signals to processes that the drill started, each by its own id.

use anyhow::{Context as _, ensure};
use std::{fs, process::Stdio};
use tokio::process::Command;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// What service managers send.
    Terminate,
    /// PostgreSQL's "fast" shutdown.
    Interrupt,
    /// The process stands still.
    Stop,
    /// It goes on.
    Continue,
}

/// Sends one.
pub(crate) async fn send(id: u32, signal: Signal) -> anyhow::Result<()> {
    let option = match signal {
        Signal::Terminate => "-TERM",
        Signal::Interrupt => "-INT",
        Signal::Stop => "-STOP",
        Signal::Continue => "-CONT",
    };
    let mut kill = Command::new("sh");
    // The shell's own `kill`, which is always there.
    kill.args(["-c", r#"kill "$1" "$2""#, "kill", option, &id.to_string()]).stdin(Stdio::null());
    let status = kill.status().await?;
    ensure!(status.success(), "{signal:?} could not be sent to {id}");
    Ok(())
}

/// The processes that a process has started and that live.
pub(crate) fn children(of: u32) -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // `pid (name) state ppid ..`; the name may hold anything.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split_whitespace().nth(1)).and_then(|parent| parent.parse::<u32>().ok());
        if parent == Some(of) {
            children.push(id);
        }
    }
    Ok(children)
}

/// Ends a process and its children at once, suspended or not.
pub(crate) fn kill_family(main: u32) {
    let family: Vec<String> = std::iter::once(main).chain(children(main).unwrap_or_default()).map(|id| id.to_string()).collect();
    let mut kill = std::process::Command::new("sh");
    kill.args(["-c", r#"kill -KILL "$@" 2>/dev/null"#, "kill"]).args(family).stdin(Stdio::null());
    let _ = kill.status();
}

/// Memory of a process that is not on disk, in KiB.
pub(crate) fn resident(id: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.split_whitespace().next().and_then(|number| number.parse().ok()).context("VmRSS is no number")
}
