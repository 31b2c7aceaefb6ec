//! `keywright db`: acts on a PostgreSQL database as a whole.

use crate::{Place, backup::read_revocations};
use anyhow::bail;
use clap::Subcommand;
use keywright_core::recovery::{Later, restore};
use keywright_protocol::Clock;
use keywright_server::{config::Flags, data_dir::Age};
use std::path::PathBuf;

/// An act on the database.
#[derive(Subcommand)]
pub(crate) enum DbCommand {
    /// Open a PostgreSQL database again that is shut after a failover or a restore, without what was taken away since
    Reopen {
        #[command(flatten)]
        place: Place,
        /// What was taken away since: the file that `keywright audit revocations` writes
        #[arg(long, conflicts_with = "accept_lost_revocations")]
        revocations: Option<PathBuf>,
        /// Nobody knows what was taken away since: keys that were revoked in the last moments live again, and all access tokens die
        #[arg(long)]
        accept_lost_revocations: bool,
    },
}

pub(crate) async fn run(command: DbCommand) -> anyhow::Result<()> {
    let DbCommand::Reopen { place, revocations, accept_lost_revocations } = command;
    let later = match (&revocations, accept_lost_revocations) {
        (Some(file), _) => Later::Known(read_revocations(file)?),
        (None, true) => Later::Lost,
        (None, false) => bail!(
            "what was taken away must not come back: give the file that `keywright audit revocations` wrote with --revocations, or, if there is none, --accept-lost-revocations"
        ),
    };
    let config = place.load(Flags::default())?;
    if !config.database.is_shared() {
        bail!("this is about PostgreSQL: name the database with --database-url; a backup of SQLite is opened by `keywright restore`");
    }
    let folder = config.database.take(&config.data_dir)?;
    let restored = restore(&config.database.identity(&folder), folder.key_file_of(Age::Started)?, later, &Clock::System).await?;
    match restored.known_to {
        Some((to, at)) => println!("what was taken away up to position {to} on {at} is taken away again: {} keys, people or organizations", restored.narrowed),
        None => println!("what was taken away since is not known: look through keys and members; all access tokens are dead"),
    }
    println!("the database is open, in a new history; everybody signs in again");
    Ok(())
}
