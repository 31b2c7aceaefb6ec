//! `keywright db`: acts on a database as a whole.

mod copy;
mod progress;

use crate::{Place, backup::read_revocations};
use anyhow::bail;
use clap::Subcommand;
use keywright_cli::admin::Format;
use keywright_core::{
    Location,
    database::{self, DatabaseStatus},
    recovery::{Later, restore},
};
use keywright_distribution::moving as profiles;
use keywright_protocol::Clock;
use keywright_server::{
    config::{Config, Flags},
    data_dir::{Age, DataDir},
};
use std::{path::PathBuf, process::ExitCode};

/// What `status` ends with where this program cannot serve the database as it is.
const OBSTACLE: u8 = 3;

/// An act on the database.
#[derive(Subcommand)]
pub(crate) enum DbCommand {
    /// How the database is. Nothing is changed, and servers may run meanwhile
    #[command(after_help = "Exit codes: 0 this program can serve it as it is; 1 it cannot be looked at; 3 something has to be done first, which is printed.")]
    Status {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring the database to this program's schema, without serving
    Migrate {
        #[command(flatten)]
        place: Place,
    },
    /// Copy everything into an empty database on the other engine or another server, and check it; what was interrupted goes on where it stopped
    Copy(copy::CopyArgs),
    /// Open a database again that is shut: after a failover or a restore without what was taken away since, after a move as it was
    Reopen {
        #[command(flatten)]
        place: Place,
        /// What was taken away since: the file that `keywright audit revocations` writes
        #[arg(long, conflicts_with_all = ["accept_lost_revocations", "nothing_changed"])]
        revocations: Option<PathBuf>,
        /// Nobody knows what was taken away since: keys that were revoked in the last moments live again, and all access tokens die
        #[arg(long, conflicts_with = "nothing_changed")]
        accept_lost_revocations: bool,
        /// It was moved by `keywright db copy`, and nobody has ever served from the copy
        #[arg(long)]
        nothing_changed: bool,
    },
}

pub(crate) async fn run(command: DbCommand) -> anyhow::Result<ExitCode> {
    match command {
        DbCommand::Status { place, json } => return status(&place, if json { Format::Json } else { Format::Text }).await,
        DbCommand::Migrate { place } => migrate(&place).await?,
        DbCommand::Copy(args) => copy::run(args).await?,
        DbCommand::Reopen { place, revocations: _, accept_lost_revocations: _, nothing_changed: true } => reopen_moved(&place).await?,
        DbCommand::Reopen { place, revocations, accept_lost_revocations, nothing_changed: false } => {
            let later = match (&revocations, accept_lost_revocations) {
                (Some(file), _) => Later::Known(read_revocations(file)?),
                (None, true) => Later::Lost,
                (None, false) => bail!(
                    "what was taken away must not come back: give the file that `keywright audit revocations` wrote with --revocations, or, if there is none, --accept-lost-revocations"
                ),
            };
            reopen(&place, later).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn reopen(place: &Place, later: Later) -> anyhow::Result<()> {
    let config = place.load(Flags::default())?;
    let (folder, location) = there(&config)?;
    if !config.database.is_shared() && database::status(&location).await?.shut_at.is_none() {
        bail!("this database is not shut; a backup of SQLite is opened by `keywright restore`, and PostgreSQL is named with --database-url");
    }
    let restored = restore(&location, folder.key_file_of(Age::Started)?, later, &Clock::System).await?;
    match restored.known_to {
        Some((to, at)) => println!("what was taken away up to position {to} on {at} is taken away again: {} keys, people or organizations", restored.narrowed),
        None => println!("what was taken away since is not known: look through keys and members; all access tokens are dead"),
    }
    println!("the database is open, in a new history; everybody signs in again");
    Ok(())
}

async fn reopen_moved(place: &Place) -> anyhow::Result<()> {
    let (folder, location) = there(&place.load(Flags::default())?)?;
    let position = database::reopen_moved(&location, &folder.key_file_of(Age::Started)?, &Clock::System).await?;
    println!("the database is open again, at position {position}; the copy must not be served from any more");
    Ok(())
}

async fn migrate(place: &Place) -> anyhow::Result<()> {
    let config = place.load(Flags::default())?;
    let (folder, location) = there(&config)?;
    match database::migrate(&location).await? {
        (Some(before), now) if before == now => println!("schema version {now}; there was nothing to do"),
        (Some(before), now) => println!("schema version {before} is now {now}"),
        (None, now) => println!("the tables are made, schema version {now}"),
    }
    let location = config.database.distribution(&folder);
    if profiles::exists(&location).await? {
        profiles::migrate(&location).await?;
        println!("the distribution API's tables are up to date as well");
    }
    Ok(())
}

async fn status(place: &Place, format: Format) -> anyhow::Result<ExitCode> {
    let config = place.load(Flags::default())?;
    // Not taken: a server may run.
    let location = config.database.identity_at(&config.data_dir);
    check_there(&config, &location)?;
    let status = database::status(&location).await?;
    let obstacle = status.obstacle();
    if format == Format::Json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print_status(&location, &status, obstacle.as_deref());
    }
    Ok(if obstacle.is_some() { ExitCode::from(OBSTACLE) } else { ExitCode::SUCCESS })
}

fn print_status(location: &Location, status: &DatabaseStatus, obstacle: Option<&str>) {
    println!("database  {}", location.describe());
    println!("engine    {}", status.engine);
    println!("schema    {} (this program: {})", status.schema.map_or_else(|| "none".to_owned(), |schema| schema.to_string()), status.newest);
    println!("size      {:.1} MB", f64::from(u32::try_from(status.bytes / 1_000).unwrap_or(u32::MAX)) / 1_000.0);
    if let Some(revision) = &status.revision {
        println!("revision  {revision}");
    }
    if let Some(since) = status.shut_at {
        println!("shut      since {since}");
    }
    for row in &status.replicas {
        let owes = if row.owes { "; has not written back what it knows" } else { "" };
        println!("replica   {} at {}, renewed {}{owes}", row.address, row.applied, row.renewed_at);
    }
    match obstacle {
        None => println!("this program can serve it"),
        Some(obstacle) => println!("{obstacle}"),
    }
}

/// The data folder, taken, and the database that belongs to it.
fn there(config: &Config) -> anyhow::Result<(DataDir, Location)> {
    check_there(config, &config.database.identity_at(&config.data_dir))?;
    let folder = config.database.take(&config.data_dir)?;
    let location = config.database.identity(&folder);
    Ok((folder, location))
}

/// A file that is missing is not made.
fn check_there(config: &Config, location: &Location) -> anyhow::Result<()> {
    if matches!(location, Location::Sqlite { path } if !path.exists()) {
        bail!("there is no database in {}; name another folder with --data-dir, or PostgreSQL with --database-url", config.data_dir.display());
    }
    Ok(())
}
