//! A program in Python that tests speak with by lines. It ends with its standard input, so also with a test that fails.

use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

const BOUND: Duration = Duration::from_secs(60);

pub(crate) struct Python {
    /// Where it listens.
    pub(crate) port: u16,
    child: Child,
    lines: UnboundedReceiver<String>,
    input: ChildStdin,
}

impl Python {
    /// Starts a program of `tests/clients`; the first thing that it says is its port.
    pub(crate) async fn start(program: &str, arguments: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("target/tools/venv/bin/python");
        assert!(python.is_file(), "these tests need Python's libraries: run `cargo xtask test` once, which installs them");
        let mut command = Command::new(python);
        command.arg(root.join("tests/clients").join(program)).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, lines) = unbounded_channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut started = Self { port: 0, child, lines, input };
        started.port = u16::try_from(started.told().await["port"].as_u64().unwrap()).unwrap();
        started
    }

    /// What it says next.
    pub(crate) async fn told(&mut self) -> Value {
        let line = timeout(BOUND, self.lines.recv()).await.expect("something comes").expect("it runs");
        serde_json::from_str(&line).unwrap()
    }

    /// Tells it something.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Ends it; answers what had come besides.
    pub(crate) async fn end(mut self) -> Vec<Value> {
        drop(self.input);
        let mut rest = Vec::new();
        while let Some(line) = timeout(BOUND, self.lines.recv()).await.expect("it ends") {
            rest.push(serde_json::from_str(&line).unwrap());
        }
        assert!(self.child.wait().unwrap().success());
        rest
    }
}
