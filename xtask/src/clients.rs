//! Programs that nobody here wrote, against the running binary: a JWT library of Node's, one of Python's, and curl.

use crate::{
    openapi,
    process::{Folder, Server, Signal, run_within},
    tools,
};
use anyhow::ensure;
use std::{fs, path::Path, process::Command, time::Duration};

const START_LIMIT: Duration = Duration::from_secs(60);
const CLIENT_LIMIT: Duration = Duration::from_secs(120);

/// Starts the demonstration on a port of its own, runs each client program with its credentials, and ends it.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let binary = openapi::debug_binary(root)?;
    let folder = Folder::create(&root.join("target/tools"), "demo")?;
    let (mut demo, credentials) = start_demo(&mut Command::new(binary), folder.path())?;
    let credentials = credentials.as_path();
    let clients = tools::clients_folder(root);
    let programs = [
        (Command::new(tools::node(root)?), "verify_with_jose.mjs"),
        (Command::new(tools::venv_python(root)), "verify_with_pyjwt.py"),
        (Command::new("sh"), "exchange_shell.sh"),
    ];
    for (mut interpreter, program) in programs {
        println!("--- {program}");
        run_within(interpreter.arg(clients.join(program)).arg(credentials).env("PYTHON", tools::venv_python(root)), CLIENT_LIMIT)?;
    }
    let status = demo.end()?;
    ensure!(status.success(), "the demonstration did not end well when it was asked to: {status}");
    Ok(())
}

/// Starts `keywright demo` in a folder of its own; answers when its credentials file is complete, with that file's path.
pub(crate) fn start_demo(command: &mut Command, folder: &Path) -> anyhow::Result<(Server, std::path::PathBuf)> {
    let credentials = folder.join("credentials.json");
    command.current_dir(folder).args(["demo", "--listen", "127.0.0.1:0", "--credentials-file"]).arg(&credentials);
    let mut demo = Server::start("keywright demo", command, &folder.join("log"), Signal::Terminate)?;
    demo.await_answer(START_LIMIT, || Ok(is_complete(&credentials).then_some(())))?;
    Ok((demo, credentials))
}

fn is_complete(credentials: &Path) -> bool {
    let text = fs::read_to_string(credentials).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| value.get("authUrl").is_some())
}
