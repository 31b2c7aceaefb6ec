//! Other programs: run, waited for within a bound, and ended by their own process id.

use crate::steps::Stopwatch;
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

/// Between two looks at something that is awaited.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a program may take to end after it was asked to.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Runs a program to its end; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("could not start {}", shown(command)))?;
    succeeded(command, status)
}

/// Runs a program that must end within `limit`; one that does not is killed and counts as failed.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> anyhow::Result<()> {
    let mut child = command.spawn().with_context(|| format!("could not start {}", shown(command)))?;
    if let Some(status) = poll(limit, || Ok(child.try_wait()?))? {
        succeeded(command, status)
    } else {
        child.kill()?;
        child.wait()?;
        bail!("{} did not end within {} s", shown(command), limit.as_secs())
    }
}

/// Runs a program that starts others and must end within `limit`, having ended them. What does not end is ended here, as one group of
/// processes by its id, and counts as failed.
pub(crate) fn run_group_within(command: &mut Command, limit: Duration) -> anyhow::Result<()> {
    let mut child = command.process_group(0).stdin(Stdio::null()).spawn().with_context(|| format!("could not start {}", shown(command)))?;
    let group = format!("-{}", child.id());
    let ended = poll(limit, || Ok(child.try_wait()?))?;
    let rest = works_quietly(kill("-TERM", &group));
    if rest && poll(END_LIMIT, || Ok((child.try_wait()?.is_some() && !works_quietly(kill("-0", &group))).then_some(())))?.is_none() {
        works_quietly(kill("-KILL", &group));
        child.wait()?;
    }
    match ended {
        None => bail!("{} did not end within {} s", shown(command), limit.as_secs()),
        Some(status) => succeeded(command, status)?,
    }
    ensure!(!rest, "{} left programs running", shown(command));
    Ok(())
}

/// Runs a program to its end and gives what it printed on standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("could not start {}", shown(command)))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("{} printed something that is no UTF-8", shown(command)))
}

/// Whether a program can be run and ends well; says nothing on the terminal.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    works_quietly(command)
}

fn works_quietly(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Asks again and again until there is an answer; `None` when `limit` has passed without one.
pub(crate) fn poll<T>(limit: Duration, mut ask: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<Option<T>> {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if watch.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

fn succeeded(command: &Command, status: ExitStatus) -> anyhow::Result<()> {
    if status.success() { Ok(()) } else { bail!("{} failed: {status}", shown(command)) }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A signal that asks a program to end.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// What service managers send.
    Terminate,
    /// PostgreSQL's "fast" shutdown.
    Interrupt,
}

/// A server that we started. It is ended when this value goes, whatever happened before.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    signal: Signal,
}

impl Server {
    /// Starts it with standard output and error in the file `log`, and no standard input.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path, signal: Signal) -> anyhow::Result<Self> {
        let file = fs::File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("could not start {}", shown(command)))?;
        Ok(Self { name, child, log: log.to_owned(), signal })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ask` has an answer. Fails, with the end of the log, when the server ends first or `limit` passes.
    pub(crate) fn await_answer<T>(&mut self, limit: Duration, mut ask: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let child = &mut self.child;
        let answer = poll(limit, || match (ask()?, child.try_wait()?) {
            (Some(answer), _) => Ok(Some(Ok(answer))),
            (None, Some(status)) => Ok(Some(Err(status))),
            (None, None) => Ok(None),
        })?;
        match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(status)) => bail!("{} ended before it was ready: {status}\n{}", self.name, self.end_of_log()),
            None => bail!("{} was not ready within {} s\n{}", self.name, limit.as_secs(), self.end_of_log()),
        }
    }

    /// Waits for the line `listening on http://ADDRESS` in the log and gives the `http://ADDRESS`.
    pub(crate) fn await_address(&mut self, limit: Duration) -> anyhow::Result<String> {
        let log = self.log.clone();
        self.await_answer(limit, || Ok(announced_address(&fs::read_to_string(&log)?)))
    }

    /// Asks it to end, waits, and gives its exit status.
    pub(crate) fn end(&mut self) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let option = match self.signal {
            Signal::Terminate => "-TERM",
            Signal::Interrupt => "-INT",
        };
        run(&mut kill(option, &self.child.id().to_string()))?;
        if let Some(status) = poll(END_LIMIT, || Ok(self.child.try_wait()?))? {
            return Ok(status);
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("{} did not end within {} s of being asked to", self.name, END_LIMIT.as_secs())
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            println!("{error:#}");
        }
    }
}

/// The shell's own `kill`, which is always there, for a process id or, with a minus before it, a group of processes.
fn kill(option: &str, id: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"kill "$1" "$2""#, "kill", option, id]);
    command
}

/// The address in a finished line that announces it. A line without its end may have been read half written.
fn announced_address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on http://")?;
    let (address, _) = rest.split_once(|c: char| c.is_whitespace() || matches!(c, '"' | '/' | ','))?;
    Some(format!("http://{address}"))
}

/// A folder of ours that goes when this value goes.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes `parent/name-PID`, empty.
    pub(crate) fn create(parent: &Path, name: &str) -> anyhow::Result<Self> {
        let path = parent.join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(parent)?;
        fs::create_dir(&path).with_context(|| format!("could not make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("could not remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_early_is_told_apart_from_one_that_is_late() {
        let folder = Folder::create(&std::env::temp_dir(), "keywright-xtask-early").unwrap();
        let log = folder.path().join("log");
        let mut server = Server::start("early", Command::new("sh").args(["-c", "echo no reason; exit 3"]), &log, Signal::Terminate).unwrap();
        let error = server.await_answer(Duration::from_secs(60), || Ok(None::<()>)).unwrap_err().to_string();
        assert!(error.contains("ended before it was ready") && error.contains("no reason"), "{error}");
    }

    #[test]
    fn a_server_is_ended_when_its_owner_goes() {
        let folder = Folder::create(&std::env::temp_dir(), "keywright-xtask-drop").unwrap();
        let log = folder.path().join("log");
        let server = Server::start("sleeper", Command::new("sleep").arg("600"), &log, Signal::Terminate).unwrap();
        let pid = server.pid().to_string();
        run(&mut kill("-0", &pid)).unwrap();
        drop(server);
        assert!(run(kill("-0", &pid).stderr(Stdio::null())).is_err());
    }

    #[test]
    fn what_a_program_leaves_behind_is_ended_and_told() {
        let folder = Folder::create(&std::env::temp_dir(), "keywright-xtask-group").unwrap();
        let script = |text: &str| {
            let mut command = Command::new("sh");
            command.current_dir(folder.path()).args(["-c", text]);
            command
        };
        assert!(run_group_within(&mut script("sleep 600 & kill $!; wait"), Duration::from_secs(60)).is_ok());
        for (text, limit, complaint) in [
            ("sleep 600 & echo $! > pid", Duration::from_secs(60), "left programs running"),
            ("sleep 600 & echo $! > pid; exit 3", Duration::from_secs(60), "failed"),
            ("sleep 600 & echo $! > pid; sleep 600", Duration::from_millis(200), "did not end within"),
        ] {
            let error = run_group_within(&mut script(text), limit).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
            let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
            assert!(!works_quietly(kill("-0", pid.trim())), "{text}");
        }
    }

    #[test]
    fn an_address_is_read_from_a_finished_line_only() {
        assert_eq!(announced_address("x\nlistening on http://127.0.0.1:80\n"), Some("http://127.0.0.1:80".into()));
        assert_eq!(announced_address(r#"{"message":"listening on http://127.0.0.1:8080"}"#), Some("http://127.0.0.1:8080".into()));
        assert_eq!(announced_address("listening on http://127.0.0.1:80"), None);
        assert_eq!(announced_address(""), None);
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        assert!(run_within(Command::new("sleep").arg("600"), Duration::from_millis(5)).is_err());
        assert!(run_within(&mut Command::new("true"), Duration::from_secs(60)).is_ok());
        assert!(run(&mut Command::new("false")).is_err());
        assert!(!works("no-such-program-anywhere", &[]));
    }
}
