//! The program as a process in a folder of its own: started, read line by line, awaited within a bound, killed when its owner goes.

use serde_json::Value;
use std::{
    cell::Cell,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long anything may take that is not the subject of a test.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// Between two looks at something that is awaited.
const PAUSE: Duration = Duration::from_millis(10);
/// The public URL of most servers here: it stays the same while the port changes from start to start.
pub(crate) const ISSUER: &str = "https://auth.example.com";
/// The setting that gives a server the roles which most tests name.
pub(crate) const PRESET: (&str, &str) = ("KEYWRIGHT_CATALOG__PRESET", "appcircle");

/// Asks again and again until there is an answer; fails the test when the bound passes without one.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    timeout(BOUND, asking).await.unwrap_or_else(|_| panic!("{what}: not within {} s", BOUND.as_secs()))
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    /// Everything on standard output.
    pub(crate) printed: String,
    /// Everything on standard error.
    pub(crate) log: String,
}

impl Ended {
    /// Exit code 1, nothing on standard output, and one sentence of the program's own on standard error which contains all parts.
    pub(crate) fn assert_refused(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.printed, "", "{self:?}");
        let sentences: Vec<&str> = self.log.lines().collect();
        let [sentence] = sentences.as_slice() else { panic!("more or less than one line: {self:?}") };
        assert!(sentence.starts_with("keywright: "), "{sentence}");
        for part in parts {
            assert!(sentence.contains(part), "{part:?} is not in: {sentence}");
        }
    }

    /// Exit code 0; gives what it printed.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.printed
    }

    /// Exit code 0; gives what it printed as JSON.
    pub(crate) fn json(self) -> Value {
        let printed = self.succeeded();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }
}

/// A process that runs.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    printed: String,
    log: PathBuf,
}

impl Program {
    /// What it reads is set before.
    fn start(command: &mut Command, log: PathBuf) -> Self {
        command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, printed: String::new(), log }
    }

    /// Reads on to the first line that contains `part`.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = timeout(BOUND, self.lines.next_line()).await.unwrap_or_else(|_| panic!("{part:?} was not printed\n{}", self.log())).unwrap();
            let Some(line) = line else { panic!("it ended before it printed {part:?}\n{}\n{}", self.printed, self.log()) };
            self.keep(&line);
            if line.contains(part) {
                return line;
            }
        }
    }

    /// What has been read of its standard output.
    pub(crate) fn printed(&self) -> &str {
        &self.printed
    }

    /// Its number, as long as it runs.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends SIGTERM.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends a signal, by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(Command::new("sh").args(["-c", r#"kill -"$2" "$1""#, "kill", &pid, name]).status().await.unwrap().success());
    }

    /// Kills it, as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits until it has ended by itself, for as long as `limit`.
    pub(crate) async fn ended_within(mut self, limit: Duration) -> Ended {
        let ending = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.keep(&line);
            }
            self.child.wait().await.unwrap()
        };
        let Ok(status) = timeout(limit, ending).await else { panic!("it did not end within {} s\n{}", limit.as_secs(), self.log()) };
        Ended { code: status.code(), log: self.log(), printed: self.printed }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn end(self) -> Ended {
        self.terminate().await;
        self.ended_within(BOUND).await
    }

    fn keep(&mut self, line: &str) {
        self.printed.push_str(line);
        self.printed.push('\n');
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

/// A server that says that it listens.
pub(crate) struct Server {
    /// Where it is, without a slash at the end.
    pub(crate) base: String,
    /// The process.
    pub(crate) program: Program,
}

impl Server {
    /// Waits for the line that says where it is.
    pub(crate) async fn listening(mut program: Program) -> Self {
        let line = program.line_with("listening on ").await;
        let (_, rest) = line.split_once("listening on ").unwrap();
        Self { base: rest.split(' ').next().unwrap().to_owned(), program }
    }

    /// Asks it to end, which it must do in good order.
    pub(crate) async fn end(self) {
        let ended = self.program.end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

/// A temporary folder in which the program runs; nothing of the environment reaches it.
pub(crate) struct Place {
    folder: TempDir,
    logs: Cell<u32>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["work", "logs", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, logs: Cell::new(0) }
    }

    /// Something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file in the folder and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.text(name)
    }

    /// The servers' data folder.
    pub(crate) fn data(&self) -> String {
        self.text("data")
    }

    /// Starts the program.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, arguments: &[A], environment: &[(&str, &str)]) -> Program {
        self.start_reading(arguments, environment, Stdio::null())
    }

    fn start_reading<A: AsRef<OsStr>>(&self, arguments: &[A], environment: &[(&str, &str)], input: Stdio) -> Program {
        let mut command = self.command(arguments, environment);
        self.logs.set(self.logs.get() + 1);
        Program::start(command.stdin(input), self.path("logs").join(self.logs.get().to_string()))
    }

    /// The program, to be started in another way.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
        command.args(arguments).env_clear().envs(environment.iter().copied()).env("TMPDIR", self.path("tmp")).current_dir(self.path("work"));
        command
    }

    /// Runs the program to its end, with something on its standard input.
    pub(crate) async fn run_with<A: AsRef<OsStr>>(&self, arguments: &[A], environment: &[(&str, &str)], input: &str) -> Ended {
        let file = self.write("input", input);
        self.start_reading(arguments, environment, File::open(file).unwrap().into()).ended_within(BOUND).await
    }

    /// Runs the program to its end.
    pub(crate) async fn run<A: AsRef<OsStr>>(&self, arguments: &[A], environment: &[(&str, &str)]) -> Ended {
        self.start(arguments, environment).ended_within(BOUND).await
    }

    fn serve_arguments(&self, more: &[&str]) -> Vec<String> {
        let data = self.data();
        ["serve", "--data-dir", &data, "--public-url", ISSUER, "--listen", "127.0.0.1:0"].iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    /// Starts a server on the data folder; `--listen` and `--public-url` are given.
    pub(crate) async fn serve(&self, more: &[&str], environment: &[(&str, &str)]) -> Server {
        Server::listening(self.start(&self.serve_arguments(more), environment)).await
    }

    /// The same for a server that does not start.
    pub(crate) async fn serve_in_vain(&self, more: &[&str], environment: &[(&str, &str)]) -> Ended {
        self.run(&self.serve_arguments(more), environment).await
    }

    /// `keywright admin` on the data folder.
    pub(crate) async fn admin(&self, arguments: &[&str]) -> Ended {
        let data = self.data();
        self.run(&[&["admin", "--data-dir", &data], arguments].concat(), &[]).await
    }

    /// The same with `--json`, which must succeed.
    pub(crate) async fn admin_json(&self, arguments: &[&str]) -> Value {
        self.admin(&[arguments, &["--json"]].concat()).await.json()
    }
}

/// A member of a JSON object, as text.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// The permission bits of a file or folder.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Runs lines as a person would who pastes them into a shell, and gives what they print.
pub(crate) async fn shell(script: &str) -> String {
    let there = Command::new("curl").arg("--version").stdout(Stdio::null()).status().await.is_ok_and(|status| status.success());
    assert!(there, "these tests run the curl lines that the program prints: install curl");
    let output = Command::new("sh").args(["-c", script]).env("NO_PROXY", "*").env("no_proxy", "*").kill_on_drop(true).output();
    let output = timeout(BOUND, output).await.expect("the shell ends").unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
