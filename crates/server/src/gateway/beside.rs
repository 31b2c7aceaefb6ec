//! The checks of a process beside a gateway, which knows of the issuer what is published, takes no keys and signs nothing.

use super::{
    answer::{Allowed, Refused},
    decide::{By, Judge, decide, holder},
    table::Table,
};
use crate::audiences::Verifiers;
use axum::http::request::Parts;
use keywright_protocol::{Catalog, KeyKind, Time, secret};
use keywright_verify::{Config, HttpSource, Need, Source as _, Verifier, VerifyError, rejection};
use std::{net::IpAddr, sync::Arc};

/// The table, and a verifier for each audience that its permissions are of.
pub(crate) struct Beside {
    table: Table,
    verifiers: Verifiers,
    source: HttpSource,
}

impl Beside {
    /// With the rest of `config` for each audience.
    pub(crate) fn new(table: Table, config: Config, source: HttpSource) -> Self {
        Self { table, verifiers: Verifiers::new(config, Arc::new(source.clone())), source }
    }

    /// Decides about a request.
    pub(crate) async fn check(&self, parts: &Parts, peer: Option<IpAddr>, now: Time) -> Result<Allowed, Refused> {
        let (found, by) = decide(self, &self.table, parts, peer, now).await?;
        match by {
            By::Token(verified) => Ok(Allowed { who: holder(&verified, found.upstream()), token: None }),
            By::Key(text) => {
                let kind = secret::recognize(text).unwrap_or(KeyKind::ApiKey);
                Err(Refused::of(&mut rejection::<Vec<u8>>(&VerifyError::RawKey(kind), self.verifiers.config())))
            }
        }
    }
}

impl Judge for Beside {
    fn issuer(&self) -> &str {
        &self.verifiers.config().issuer
    }

    async fn catalog(&self) -> Option<Arc<Catalog>> {
        if self.source.snapshot().is_none() {
            // Whether it worked, the snapshot tells.
            let _ = self.source.refresh(Need::Keys).await;
        }
        self.source.snapshot().map(|snapshot| Arc::clone(&snapshot.catalog))
    }

    fn verifier(&self, audience: &str) -> Option<Arc<Verifier>> {
        Some(self.verifiers.of(audience))
    }
}
