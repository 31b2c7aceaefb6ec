//! `keywright admin`: through the socket of a server that runs, or on the database when none does.

use crate::Place;
use anyhow::bail;
use keywright_cli::admin::{self, Format};
use keywright_core::{Core, Location};
use keywright_protocol::{
    Clock,
    admin::{AdminReply, AdminRequest},
};
use keywright_server::{
    admin_socket,
    config::{Config, Flags},
    data_dir,
    data_dir::DataDir,
};

pub(crate) async fn run(place: &Place, format: Format, command: impl Into<AdminRequest>) -> anyhow::Result<()> {
    let reply = ask(&place.load(Flags::default())?, command.into()).await?;
    println!("{}", admin::render(&reply, format)?);
    Ok(())
}

/// Has the server that holds the data folder do it, or does it on the database when no server runs.
pub(crate) async fn ask(config: &Config, request: AdminRequest) -> anyhow::Result<AdminReply> {
    if let Some(reply) = admin::send(&data_dir::socket(&config.data_dir), &request).await? {
        return Ok(reply);
    }
    if !config.data_dir.is_dir() {
        bail!("there is no data folder {}; name it with --data-dir, or start `keywright serve` once first", config.data_dir.display());
    }
    let folder = DataDir::take(&config.data_dir)?;
    if let Location::Sqlite { path } = folder.database()
        && !path.exists()
    {
        bail!("there is no database in {}; name another folder with --data-dir, or start `keywright serve` once first", config.data_dir.display());
    }
    // The issuer is the stored one; this one is never used.
    let settings = config.settings(String::new())?;
    let core = Core::open_as_it_stands(&folder.database(), folder.key_file()?, settings, Clock::System).await?;
    let reply = admin_socket::administer(&core, request).await;
    core.close().await;
    Ok(reply)
}
