//! Programs that nobody here wrote, against the running binary: JWT libraries of Node's and Python's, curl, and APIs in several languages
//! that leave the judging of tokens to `keywright verifier`, or do it with the crate.

use crate::{
    openapi,
    process::{Folder, Server, Signal, run as run_to_end, run_within},
    test::Extent,
    tools,
};
use anyhow::{Context as _, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const START_LIMIT: Duration = Duration::from_secs(60);
/// What the demonstration prints, in its folder.
pub(crate) const DEMO_LOG: &str = "log";
const CLIENT_LIMIT: Duration = Duration::from_secs(120);
/// Schemathesis sends some thousands of requests, in the full form some hundred thousand.
const SPECS_LIMIT: Duration = Duration::from_secs(600);
const SPECS_LIMIT_OF_FULL: Duration = Duration::from_secs(4 * 60 * 60);
/// The crate's examples, and what is spoken with each.
const EXAMPLES: [(&str, &str); 3] = [("axum", "http"), ("hyper", "http"), ("tonic", "grpc")];

/// Where `keywright verifier` listens.
#[derive(Clone, Copy)]
enum Listen {
    Unix,
    Tcp,
}

/// The demonstration, and what is started beside it.
struct Stage<'a> {
    root: &'a Path,
    binary: PathBuf,
    folder: Folder,
    demo: Server,
    credentials: PathBuf,
    issuer: String,
}

/// Starts the demonstration on a port of its own, runs each client program with its credentials, and ends it.
pub(crate) fn run(root: &Path, extent: Extent) -> anyhow::Result<()> {
    let binary = openapi::debug_binary(root)?;
    run_to_end(Command::new("cargo").current_dir(root).args(["build", "--quiet", "--workspace", "--all-features", "--examples"]))?;
    let folder = Folder::create(&root.join("target/tools"), "demo")?;
    let (demo, credentials) = start_demo(&mut Command::new(&binary), folder.path())?;
    let issuer = auth_url(&credentials).context("the demonstration's credentials name no authUrl")?;
    let mut stage = Stage { root, binary, folder, demo, credentials, issuer };
    stage.clients()?;
    stage.lists()?;
    stage.apis_beside_a_verifier(extent)?;
    stage.apis_with_the_crate()?;
    // The last one: it calls everything there is.
    stage.specs(extent)?;
    let status = stage.demo.end()?;
    ensure!(status.success(), "the demonstration did not end well when it was asked to: {status}");
    Ok(())
}

impl Stage<'_> {
    /// What has to do with the service alone.
    fn clients(&self) -> anyhow::Result<()> {
        self.client(self.node()?, "verify_with_jose.mjs", &[])?;
        self.client(self.node()?, "revocation_with_jose.ts", &[])?;
        self.client(self.python(), "verify_with_pyjwt.py", &[])?;
        self.client(self.python(), "revocation_with_pyjwt.py", &[])?;
        self.client(self.node()?, "oauth_with_oauth4webapi.ts", &[])?;
        self.client(self.node()?, "oauth_with_openid_client.ts", &[])?;
        self.client(self.python(), "oauth_with_python.py", &[])?;
        self.client(Command::new("sh"), "exchange_shell.sh", &[])
    }

    /// Every document of the API page, as everybody who may call.
    fn specs(&self, extent: Extent) -> anyhow::Result<()> {
        const PROGRAM: &str = "specs_with_schemathesis.py";
        println!("--- {PROGRAM}");
        let mut command = self.python();
        command.arg(tools::clients_folder(self.root).join(PROGRAM)).arg(&self.credentials);
        match extent {
            Extent::Short => run_within(&mut command, SPECS_LIMIT),
            Extent::Full => run_within(command.arg("--full"), SPECS_LIMIT_OF_FULL),
        }
    }

    /// A library for status lists, and a verifier.
    fn lists(&self) -> anyhow::Result<()> {
        let (_verifier, address) = self.verifier(Listen::Tcp)?;
        self.client(self.node()?, "compare_status_lists.ts", &[&format!("http://{address}")])
    }

    /// APIs that ask a verifier, each a new one, which goes away at the end.
    fn apis_beside_a_verifier(&self, extent: Extent) -> anyhow::Result<()> {
        let examples = self.root.join("tests/clients/sidecar");
        let with = |mut interpreter: Command, name: &'static str| {
            interpreter.arg(examples.join(name));
            (interpreter, name)
        };
        let mut apis = vec![with(self.node()?, "api.ts"), with(self.python(), "api.py")];
        if let Extent::Full = extent {
            apis.push((self.go(&examples.join("api.go"))?, "api.go"));
            apis.push(with(Command::new("java"), "Api.java"));
        }
        for (mut command, name) in apis {
            let listen = if name == "Api.java" { Listen::Tcp } else { Listen::Unix };
            let (mut verifier, address) = self.verifier(listen)?;
            let (_api, url) = self.api(name, command.args([address.as_str(), "0"]))?;
            self.client(self.node()?, "check_api.ts", &[&url])?;
            verifier.end()?;
            self.client(self.node()?, "check_api.ts", &[&url, "--without-verifier"])?;
        }
        Ok(())
    }

    /// The crate's examples.
    fn apis_with_the_crate(&self) -> anyhow::Result<()> {
        for (name, scheme) in EXAMPLES {
            let mut command = Command::new(self.root.join("target/debug/examples").join(name));
            let (_api, url) = self.api(name, command.args([self.issuer.as_str(), "127.0.0.1:0"]))?;
            self.client(self.node()?, "check_api.ts", &[&url.replacen("http", scheme, 1)])?;
        }
        Ok(())
    }

    /// Runs a program of `tests/clients` to its end.
    fn client(&self, mut interpreter: Command, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        println!("--- {program}");
        interpreter.arg(tools::clients_folder(self.root).join(program)).arg(&self.credentials).args(arguments);
        run_within(interpreter.env("PYTHON", tools::venv_python(self.root)), CLIENT_LIMIT)
    }

    /// Starts an example; gives its URL.
    fn api(&self, name: &'static str, command: &mut Command) -> anyhow::Result<(Server, String)> {
        println!("--- the example {name}");
        let mut api = Server::start(name, command.current_dir(self.folder.path()), &self.folder.path().join(name), Signal::Terminate)?;
        let url = api.await_address(START_LIMIT)?;
        Ok((api, url))
    }

    /// Starts a verifier; gives what it listens on: a socket in the folder in which examples run, so that no path is too long for one.
    fn verifier(&self, listen: Listen) -> anyhow::Result<(Server, String)> {
        const SOCKET: &str = "verifier.sock";
        let argument = match listen {
            Listen::Unix => format!("unix:{SOCKET}"),
            Listen::Tcp => "127.0.0.1:0".to_owned(),
        };
        let log = self.folder.path().join("verifier.log");
        let mut command = Command::new(&self.binary);
        command.current_dir(self.folder.path()).args(["verifier", "--issuer", &self.issuer, "--listen", &argument]);
        let mut verifier = Server::start("keywright verifier", &mut command, &log, Signal::Terminate)?;
        let address = match listen {
            Listen::Unix => {
                verifier.await_answer(START_LIMIT, || Ok(fs::read_to_string(&log)?.contains(&argument).then_some(())))?;
                SOCKET.to_owned()
            }
            Listen::Tcp => verifier.await_address(START_LIMIT)?.trim_start_matches("http://").to_owned(),
        };
        Ok((verifier, address))
    }

    fn node(&self) -> anyhow::Result<Command> {
        Ok(Command::new(tools::node(self.root)?))
    }

    fn python(&self) -> Command {
        Command::new(tools::venv_python(self.root))
    }

    /// Builds a program in Go: `go run` would leave it behind when it is asked to end.
    fn go(&self, source: &Path) -> anyhow::Result<Command> {
        let program = self.folder.path().join("api-in-go");
        run_to_end(Command::new("go").env("GOCACHE", self.root.join("target/tools/go")).args(["build", "-o"]).arg(&program).arg(source))?;
        Ok(Command::new(program))
    }
}

/// Starts `keywright demo` in a folder of its own; answers when its credentials file is complete, with that file's path.
pub(crate) fn start_demo(command: &mut Command, folder: &Path) -> anyhow::Result<(Server, PathBuf)> {
    let credentials = folder.join("credentials.json");
    command.current_dir(folder).args(["demo", "--listen", "127.0.0.1:0", "--credentials-file"]).arg(&credentials);
    let mut demo = Server::start("keywright demo", command, &folder.join(DEMO_LOG), Signal::Terminate)?;
    demo.await_answer(START_LIMIT, || Ok(auth_url(&credentials).map(drop)))?;
    Ok((demo, credentials))
}

/// The issuer, once the file is complete.
pub(crate) fn auth_url(credentials: &Path) -> Option<String> {
    let text = fs::read_to_string(credentials).unwrap_or_default();
    let value = serde_json::from_str::<serde_json::Value>(&text).ok()?;
    value.get("authUrl")?.as_str().map(str::to_owned)
}
