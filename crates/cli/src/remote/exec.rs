//! `keywright exec`: a command with an access token in its environment, and no key.

use super::{
    Common, Connection, Failure,
    connection::Take,
    environment::{self, Environment},
    exit::Exit,
    token::NarrowingArgs,
};
use clap::Args;
use std::{ffi::OsString, io::ErrorKind, os::unix::process::CommandExt as _, process::Command};

/// What it takes.
#[derive(Debug, Args)]
pub struct ExecArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    narrowing: NarrowingArgs,
    /// The command with its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Becomes the command: its signals, its exit code and its process are the caller's business alone.
pub(super) async fn run(args: ExecArgs, environment: &Environment) -> Result<(), Failure> {
    let mut connection = Connection::open(&args.common, environment).await?;
    let narrowing = args.narrowing.find(&mut connection).await?;
    let token = connection.token(&narrowing, Take::Kept).await?;
    let [program, arguments @ ..] = args.command.as_slice() else { return Err(Failure::usage("say what to run behind --")) };
    let error = Command::new(program)
        .args(arguments)
        .env_remove(environment::KEY)
        .env(environment::TOKEN, token.access_token.as_str())
        .env(environment::URL, connection.client().url())
        .env(environment::ORGANIZATION, Connection::organization_in(&token)?)
        .exec();
    let program = program.to_string_lossy();
    if error.kind() == ErrorKind::NotFound {
        return Err(Failure::cannot_run(Exit::NoSuchCommand, format!("there is no command {program}")));
    }
    Err(Failure::cannot_run(Exit::CannotRun, format!("{program} cannot be run: {error}")))
}
