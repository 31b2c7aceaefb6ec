//! `keywright admin`: through the socket of a server that runs, or on the database when none does.

use crate::Place;
use keywright_cli::admin::{self, AdminCommand, Format};
use keywright_core::{Core, Location};
use keywright_protocol::{Clock, admin::AdminRequest};
use keywright_server::{admin_socket, config::Flags, data_dir, data_dir::DataDir};

pub(crate) async fn run(place: &Place, format: Format, command: AdminCommand) -> anyhow::Result<()> {
    let config = place.load(Flags::default())?;
    let request = AdminRequest::from(command);
    let reply = match admin::send(&data_dir::socket(&config.data_dir), &request).await? {
        Some(reply) => reply,
        None => {
            if !config.data_dir.is_dir() {
                anyhow::bail!("there is no data folder {}; name it with --data-dir, or start `keywright serve` once first", config.data_dir.display());
            }
            let folder = DataDir::take(&config.data_dir)?;
            if let Location::Sqlite { path } = folder.database()
                && !path.exists()
            {
                anyhow::bail!(
                    "there is no database in {}; name another folder with --data-dir, or start `keywright serve` once first",
                    config.data_dir.display()
                );
            }
            // The issuer is the stored one; this one is never used.
            let settings = config.settings(String::new())?;
            let core = Core::open_as_it_stands(&folder.database(), folder.key_file()?, settings, Clock::System).await?;
            let reply = admin_socket::administer(&core, request).await;
            core.close().await;
            reply
        }
    };
    println!("{}", admin::render(&reply, format)?);
    Ok(())
}
