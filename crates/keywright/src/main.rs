//! The Keywright binary. Each command is one file; what they do lives in the other rooms.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its user")]

mod admin;
mod audit;
mod backup;
mod catalog;
mod db;
mod demo;
mod distribution;
mod serve;
mod verifier;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use keywright_cli::{
    admin::{AdminCommand, Format, NoAnswer},
    catalog::CatalogCommand,
    remote::{self, RemoteCommand},
    signing_keys::SigningKeysCommand,
};
use keywright_core::catalog::assemble;
use keywright_protocol::{Catalog, admin::AdminRequest};
use keywright_server::{
    config::{Config, DatabaseFlags, Flags, REFERENCE},
    listen,
};
use std::{
    io::{ErrorKind, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

/// Self-hosted authentication for HTTP APIs: long-lived keys become short-lived signed access tokens.
#[derive(Parser)]
#[command(name = "keywright", version, after_help = remote::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything with sample data and print lines to paste
    Demo(demo::DemoArgs),
    /// Start the server
    Serve(ServeArgs),
    /// Run the distribution API by itself, beside a server that it knows only by URL
    Distribution(distribution::DistributionArgs),
    /// Decide about tokens beside an API or a gateway in any language, with no database and no secret
    Verifier(verifier::VerifierArgs),
    /// Organizations, users, members and keys, on the host itself
    Admin {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// The catalog of APIs, permissions and roles: check it, compare it, put it in force
    Catalog {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: CatalogCommand,
    },
    /// The keys that sign tokens and documents: list, make successors, revoke
    SigningKeys {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: SigningKeysCommand,
    },
    /// How the installation is: its revision, and the processes that serve it, with their leases
    #[command(after_help = "Exit codes: 0 it is printed; 1 refused or failed; 2 not understood; 5 the server does not answer within three seconds.")]
    Status {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The logs: export their chain, check it
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Write databases and key file into one encrypted file, while the server runs or not
    Backup(backup::BackupArgs),
    /// Put a backup into an empty folder, without what was taken away since
    Restore(backup::RestoreArgs),
    /// The database as a whole: how it is, its schema, moving it between SQLite and PostgreSQL
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(flatten)]
    Remote(RemoteCommand),
    /// Print what a shell needs to complete these commands
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print an OpenAPI document
    #[command(hide = true)]
    Openapi {
        /// Which
        name: SpecName,
    },
}

/// Where configuration and data are.
#[derive(Args, Clone)]
struct Place {
    /// Configuration file; without it keywright.toml here or in the data folder, if there is one
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Folder of database, key file and administration socket
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
    /// PostgreSQL, as postgres://user@host/database?sslmode=verify-full; without it a file in the data folder
    #[arg(long, global = true)]
    database_url: Option<String>,
}

#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    place: Place,
    /// URL under which others reach this server; the issuer of every token
    #[arg(long)]
    public_url: Option<String>,
    /// Address and port to listen on
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Listen without TLS on an address that others reach
    #[arg(long)]
    insecure_http: bool,
    /// First start: make the operator organization with this Owner
    #[arg(long)]
    owner_email: Option<String>,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration can be used
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Print every setting with its default and its meaning
    Reference,
}

#[derive(Clone, Copy, ValueEnum)]
enum SpecName {
    Oauth,
    Auth,
    Identity,
    Gateway,
    Distribution,
}

impl Place {
    fn load(&self, flags: Flags) -> anyhow::Result<Config> {
        let database = self.database_url.clone().map(|url| DatabaseFlags { url });
        Ok(Config::load(self.config.as_deref(), &Flags { data_dir: self.data_dir.clone(), database, ..flags })?)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Verifier(args) = cli.command {
        return verifier_beside().unwrap_or_else(|| verifier::run_to_end(args));
    }
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
        .and_then(|runtime| runtime.block_on(run(cli.command)));
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("keywright: {error:#}");
            if error.is::<NoAnswer>() { ExitCode::from(NoAnswer::EXIT_CODE) } else { ExitCode::FAILURE }
        }
    }
}

/// The same command in a program of its own that stands beside this one takes half the memory; if it is there, it takes over, and this does
/// not come back.
fn verifier_beside() -> Option<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    let program = std::env::current_exe().ok()?.with_file_name("keywright-verifier");
    if !program.is_file() {
        return None;
    }
    let error = std::process::Command::new(&program).args(std::env::args_os().skip(2)).exec();
    eprintln!("keywright: {} cannot be started: {error}", program.display());
    Some(ExitCode::FAILURE)
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Remote(command) = command {
        return Ok(remote::run(command).await);
    }
    if let Command::Db(command) = command {
        return db::run(command).await;
    }
    carry_out(command).await.map(|()| ExitCode::SUCCESS)
}

async fn carry_out(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Distribution(args) => distribution::run(args).await,
        Command::Verifier(_) | Command::Remote(_) | Command::Db(_) => Ok(()),
        Command::Completions { shell } => completions(shell),
        Command::Admin { place, json, command } => admin::run(&place, if json { Format::Json } else { Format::Text }, command).await,
        Command::Catalog { place, json, command } => catalog::run(&place, if json { Format::Json } else { Format::Text }, command).await,
        Command::SigningKeys { place, json, command } => admin::run(&place, if json { Format::Json } else { Format::Text }, command).await,
        Command::Status { place, json } => admin::run(&place, if json { Format::Json } else { Format::Text }, AdminRequest::Status).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Backup(args) => backup::back_up_or_make_key(args).await,
        Command::Restore(args) => backup::restore_into(args).await,
        Command::Config(ConfigCommand::Check { place }) => {
            let config = place.load(Flags::default())?;
            config.check_transport(config.listen.ip())?;
            listen::check_tls(&config)?;
            let issuer = config.issuer(config.listen)?;
            config.mail.route(&issuer, config.data_dir.clone())?;
            config.backup.recipients()?;
            let settings = config.settings(issuer)?;
            for sentence in config.gateway.doubts(settings.preset, settings.own_catalog.as_deref())? {
                println!("{sentence}");
            }
            if config.distribution.enabled {
                serve::check_catalog(&Catalog::new(assemble(settings.preset, settings.own_catalog.as_deref())?)?)?;
            }
            println!("the configuration can be used");
            Ok(())
        }
        Command::Config(ConfigCommand::Reference) => {
            print!("{REFERENCE}");
            Ok(())
        }
        Command::Openapi { name } => {
            let document = match name {
                SpecName::Oauth => keywright_server::openapi::oauth(),
                SpecName::Auth => keywright_server::openapi::auth(),
                SpecName::Identity => keywright_server::openapi::identity(),
                SpecName::Gateway => keywright_server::openapi::gateway(),
                SpecName::Distribution => keywright_distribution::openapi(),
            };
            println!("{}", document.to_pretty_json()?);
            Ok(())
        }
    }
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keywright", &mut text);
    std::io::stdout().write_all(&text).or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })?;
    Ok(())
}
