//! One verifier for each audience of the catalog, all on the same source. (Stand-in.)

use keywright_verify::{Config, Source, Verifier};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Verifiers by audience.
pub(crate) struct Audiences {
    config: Config,
    source: Arc<dyn Source>,
    known: RwLock<HashMap<String, Arc<Verifier>>>,
}

impl Audiences {
    /// With the rest of `config` for each of them.
    pub(crate) fn new(config: Config, source: Arc<dyn Source>) -> Self {
        Self { config, source, known: RwLock::default() }
    }

    /// The verifier of an audience of the catalog, or of the issuer.
    pub(crate) fn of(&self, audience: &str) -> Option<Arc<Verifier>> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(audience) {
            return Some(Arc::clone(known));
        }
        let snapshot = self.source.snapshot()?;
        let is_known = audience == self.config.issuer || snapshot.catalog.audience(Some(audience)).is_some();
        if !is_known {
            return None;
        }
        let made = Arc::new(Verifier::new(Config { audience: audience.to_owned(), ..self.config.clone() }, Arc::clone(&self.source)));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(known.entry(audience.to_owned()).or_insert(made)))
    }
}
