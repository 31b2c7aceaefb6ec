//! `keywright admin`: through the socket of a server that runs, or on the database when none does.

use crate::Place;
use anyhow::bail;
use keywright_cli::admin::{self, Format};
use keywright_core::{Core, Location, Settings};
use keywright_protocol::{
    Clock,
    admin::{AdminReply, AdminRequest},
};
use keywright_server::{
    admin_socket,
    config::{Config, Flags},
    data_dir,
    data_dir::Age,
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
    let folder = config.database.take(&config.data_dir)?;
    let location = config.database.identity(&folder);
    if let Location::Sqlite { path } = &location
        && !path.exists()
    {
        bail!("there is no database in {}; name another folder with --data-dir, or start `keywright serve` once first", config.data_dir.display());
    }
    // The issuer is the stored one; this one is never used.
    let replica_at = config.database.is_shared().then(|| "keywright admin".to_owned());
    let settings = Settings { replica_at, ..config.settings(String::new())? };
    let core = Core::open_as_it_stands(&location, folder.key_file_of(Age::Started)?, settings, Clock::System).await?;
    // As one of several it is none as long as it has not said how far it is; what it was asked for needs no lease.
    if let Err(error) = core.renew_lease().await {
        eprintln!("keywright: this database gives no lease: {error}");
    }
    let reply = admin_socket::administer(&core, request).await;
    core.close().await;
    Ok(reply)
}
