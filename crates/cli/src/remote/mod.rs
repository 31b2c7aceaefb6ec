//! Commands that speak to a server as any client does: by its public routes, with a key or a session of one's own.

mod activity;
mod connection;
mod environment;
mod exec;
mod exit;
mod files;
mod inspect;
mod keys;
mod login;
mod members;
mod organization;
mod output;
mod profiles;
mod secrets;
mod token;
mod tokens;
mod verify;
mod when;
mod whoami;

pub use exit::Failure;
pub use output::OutputFormat;

use clap::{Args, Subcommand};
use connection::Connection;
use environment::Environment;
use output::Output;
use std::process::ExitCode;

/// What the exit codes mean, for `--help`.
pub const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused or failed; 2 not understood; 3 not signed in, or the key, session or password is not accepted; \
4 not permitted; 5 the server cannot be reached or cannot decide now. `exec` ends as its command does.";

/// A command that speaks to a server.
#[derive(Debug, Subcommand)]
pub enum RemoteCommand {
    /// Keep a key or a session for later commands, in a file of one's own
    #[command(after_help = EXIT_CODES)]
    Login(login::LoginArgs),
    /// Forget the key, or end the session
    #[command(after_help = EXIT_CODES)]
    Logout(Common),
    /// Who one is, where, by what, until when, and what one may do
    #[command(after_help = EXIT_CODES)]
    Whoami(Common),
    /// Print an access token that lives, or say what one is
    #[command(after_help = EXIT_CODES)]
    Token(token::TokenArgs),
    /// Run a command with an access token in its environment
    #[command(after_help = EXIT_CODES)]
    Exec(exec::ExecArgs),
    /// API Keys of an organization, and one's own Personal Access Keys
    #[command(after_help = EXIT_CODES)]
    Keys(keys::KeysArgs),
    /// Members of an organization and their roles
    #[command(after_help = EXIT_CODES)]
    Members(members::MembersArgs),
    /// What happened in an organization
    #[command(after_help = EXIT_CODES)]
    Activity(activity::ActivityArgs),
}

/// What all of them take.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Which of several kept keys and sessions
    #[arg(long, global = true, env = "KEYWRIGHT_PROFILE")]
    profile: Option<String>,
    /// For people or for programs
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
}

impl Common {
    /// The profile that is meant.
    fn profile_name(&self) -> String {
        self.profile.clone().unwrap_or_else(|| profiles::DEFAULT.to_owned())
    }

    fn output(&self) -> Output {
        Output::new(self.output)
    }
}

impl RemoteCommand {
    fn common(&self) -> &Common {
        match self {
            Self::Login(args) => &args.common,
            Self::Logout(common) | Self::Whoami(common) => common,
            Self::Token(args) => &args.common,
            Self::Exec(args) => &args.common,
            Self::Keys(args) => &args.common,
            Self::Members(args) => &args.common,
            Self::Activity(args) => &args.common,
        }
    }
}

/// Runs a command to its end, and tells what went wrong on standard error.
pub async fn run(command: RemoteCommand) -> ExitCode {
    let output = command.common().output();
    match carry_out(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(&output),
    }
}

async fn carry_out(command: RemoteCommand) -> Result<(), Failure> {
    let environment = Environment::read();
    match command {
        RemoteCommand::Login(args) => login::login(args, &environment).await,
        RemoteCommand::Logout(common) => login::logout(&common, &environment).await,
        RemoteCommand::Whoami(common) => whoami::run(Connection::open(&common, &environment).await?, &common.output()).await,
        RemoteCommand::Token(args) => token::run(args, &environment).await,
        RemoteCommand::Exec(args) => exec::run(args, &environment).await,
        RemoteCommand::Keys(args) => keys::run(args, &environment).await,
        RemoteCommand::Members(args) => members::run(args, &environment).await,
        RemoteCommand::Activity(args) => activity::run(args, &environment).await,
    }
}
