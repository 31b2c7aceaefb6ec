//! `keywright catalog`: the catalog that the configuration names, looked at, compared, and put in force without a restart.

use crate::{Place, admin::ask};
use anyhow::Context as _;
use keywright_cli::{
    admin::{Format, render},
    catalog::{CatalogCommand, CatalogSource, Contents},
};
use keywright_core::catalog::assemble;
use keywright_protocol::{admin::AdminRequest, catalog::Document};
use keywright_server::config::{Config, Flags};

pub(crate) async fn run(place: &Place, format: Format, command: CatalogCommand) -> anyhow::Result<()> {
    let mut config = place.load(Flags::default())?;
    let printed = match command {
        CatalogCommand::Check(source) => {
            let contents = Contents::of(&named(&mut config, source)?);
            match format {
                Format::Text => contents.text(),
                Format::Json => serde_json::to_string_pretty(&contents.json())?,
            }
        }
        CatalogCommand::Diff(source) => {
            let document = named(&mut config, source)?;
            render(&ask(&config, AdminRequest::DiffCatalog { document }).await?, format)?
        }
        CatalogCommand::Apply { replace } => {
            let document = assembled(&config)?;
            render(&ask(&config, AdminRequest::ApplyCatalog { document, replace }).await?, format)?
        }
    };
    println!("{printed}");
    Ok(())
}

/// The configured catalog, with what the command line names in place of it.
fn named(config: &mut Config, source: CatalogSource) -> anyhow::Result<Document> {
    if source.file.is_some() {
        config.catalog.file = source.file;
    }
    if source.preset.is_some() {
        config.catalog.preset = source.preset;
    }
    assembled(config)
}

/// The whole catalog: what is built in, the preset, the operator's own.
fn assembled(config: &Config) -> anyhow::Result<Document> {
    // No token is made here, so that the issuer does not matter.
    let settings = config.settings(String::new())?;
    let document = assemble(settings.preset, settings.own_catalog.as_deref());
    match &config.catalog.file {
        Some(file) => document.with_context(|| file.display().to_string()),
        None => Ok(document?),
    }
}
