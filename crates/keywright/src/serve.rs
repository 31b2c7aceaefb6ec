//! `keywright serve`: the server for real use.

use crate::ServeArgs;
use anyhow::{Context as _, bail};
use keywright_cli::admin::{Format, render};
use keywright_distribution::{Distribution, FileSettings, PERMISSIONS, brings_a_file};
use keywright_protocol::{
    Catalog, Clock,
    admin::{AdminReply, AdminRequest},
};
use keywright_server::{
    App, Mounted, admin_socket,
    config::Flags,
    listen, logging,
    openapi::{Spec, SpecAt},
    run,
    tasks::EndSignals,
};
use std::sync::Arc;

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let flags = Flags { public_url: args.public_url, listen: args.listen, insecure_http: args.insecure_http.then_some(true), ..Flags::default() };
    let config = args.place.load(flags)?;
    logging::start(&config.log);
    // What can be wrong with address, certificate and mail is said before the folder is touched.
    config.check_transport(config.listen.ip())?;
    listen::check_tls(&config)?;
    // A name that only the database has is not known yet.
    if config.public_url.is_some() || !config.database.is_shared() {
        config.mail.route(&config.issuer(config.listen)?, config.data_dir.clone())?;
    }
    let data_dir = config.database.take(&config.data_dir)?;
    let prepared = run::prepare(config, data_dir, Clock::System).await?;
    let core = Arc::clone(&prepared.core);
    let served = serve(prepared, args.owner_email).await;
    // Also when it was not served at all: a log that is not closed counts as a crash. After an end in good order it does nothing.
    core.close().await;
    served
}

async fn serve(prepared: run::Prepared, owner_email: Option<String>) -> anyhow::Result<()> {
    let enabled = prepared.config.distribution.enabled;
    let distribution = if enabled { Some(open(&prepared).await?) } else { None };
    let mounted = distribution.as_ref().map(|distribution| mount(distribution, &prepared.app)).transpose()?;
    if !prepared.core.is_bootstrapped().await? {
        first_start(&prepared, owner_email).await?;
    }
    let (address, scheme) = (prepared.address, if prepared.config.tls.is_some() { "https" } else { "http" });
    let signals = EndSignals::take().context("signals cannot be taken over")?;
    let running = prepared.start(mounted.into_iter().collect())?;
    println!("listening on {scheme}://{address}");
    running.until_asked_to_end(signals).await?;
    if let Some(distribution) = distribution {
        distribution.close().await;
    }
    Ok(())
}

/// The distribution API's own database and folder.
pub(crate) async fn open(prepared: &run::Prepared) -> anyhow::Result<Distribution> {
    let run::Prepared { config, data_dir, core, .. } = prepared;
    let files = FileSettings { folder: config.distribution.files(data_dir), max_bytes: config.distribution.max_file_bytes };
    Ok(Distribution::open(&config.database.distribution(data_dir), &files, core.clock().clone()).await?)
}

/// The distribution API in this process, protected by the server's own verifier.
pub(crate) fn mount(distribution: &Distribution, app: &Arc<App>) -> anyhow::Result<Mounted> {
    check_catalog(&app.core.catalog().catalog)?;
    let router = distribution.router(Arc::clone(&app.verifier), app.core.issuer());
    let spec = Spec { name: "distribution".to_owned(), at: SpecAt::Here(Box::new(keywright_distribution::openapi())) };
    Ok(Mounted { router, spec, brings_files: brings_a_file })
}

/// Whether a catalog has what the distribution API asks for.
pub(crate) fn check_catalog(catalog: &Catalog) -> anyhow::Result<()> {
    match PERMISSIONS.iter().find(|id| catalog.index(id).is_none()) {
        Some(missing) => bail!("distribution.enabled needs the permission {missing}, which the catalog does not have; set catalog.preset = \"appcircle\""),
        None => Ok(()),
    }
}

/// Makes the operator organization, or says which command does it.
async fn first_start(prepared: &run::Prepared, owner_email: Option<String>) -> anyhow::Result<()> {
    let data_dir = prepared.data_dir.path().display();
    let Some(owner_email) = owner_email else {
        println!("there is no operator organization yet; make it with: keywright admin --data-dir {data_dir} bootstrap --owner-email you@example.com");
        return Ok(());
    };
    let reply = admin_socket::administer(&prepared.core, AdminRequest::Bootstrap { owner_email }).await;
    if let AdminReply::Refused { message, .. } = &reply {
        bail!("the operator organization was not made: {message}");
    }
    println!("{}", render(&reply, Format::Text).context("the operator organization was not made")?);
    Ok(())
}
