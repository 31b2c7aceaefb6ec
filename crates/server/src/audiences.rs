//! A verifier for each audience, all of one source: for whoever takes tokens of any of them.

use keywright_core::Core;
use keywright_verify::{Config, Source, Time, Verified, Verifier, VerifyError, unverified_audience};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Verifiers by audience, each made when it is asked for.
pub(crate) struct Verifiers {
    config: Config,
    source: Arc<dyn Source>,
    made: RwLock<HashMap<String, Arc<Verifier>>>,
}

impl Verifiers {
    /// On a source, with the rest of `config` for each audience.
    pub(crate) fn new(config: Config, source: Arc<dyn Source>) -> Self {
        Self { config, source, made: RwLock::default() }
    }

    /// What they insist on, but for the audience.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The one of an audience. Whoever asks sees to it that it is one of few.
    pub(crate) fn of(&self, audience: &str) -> Arc<Verifier> {
        if let Some(known) = self.made.read().unwrap_or_else(PoisonError::into_inner).get(audience) {
            return Arc::clone(known);
        }
        // What describes the issuer as a resource describes no other API.
        let resource_metadata = self.config.resource_metadata.clone().filter(|_| audience == self.config.issuer);
        let config = Config { audience: audience.to_owned(), resource_metadata, ..self.config.clone() };
        let made = Arc::new(Verifier::new(config, Arc::clone(&self.source)));
        Arc::clone(self.made.write().unwrap_or_else(PoisonError::into_inner).entry(audience.to_owned()).or_insert(made))
    }
}

/// The verifiers of the catalog in force.
pub struct Audiences {
    core: Arc<Core>,
    verifiers: Verifiers,
}

impl Audiences {
    /// On a core and a source of its memory.
    pub(crate) fn new(core: Arc<Core>, verifiers: Verifiers) -> Self {
        Self { core, verifiers }
    }

    /// The one of the issuer itself.
    pub(crate) fn issuer(&self) -> Arc<Verifier> {
        self.verifiers.of(self.core.issuer())
    }

    /// The one of an audience, if the catalog in force has it; the issuer is one always.
    pub(crate) fn of(&self, audience: &str) -> Option<Arc<Verifier>> {
        let is_known = audience == self.core.issuer() || self.core.catalog().catalog.audience(Some(audience)).is_some();
        is_known.then(|| self.verifiers.of(audience))
    }

    /// Judges a token of whatever audience it says that it has.
    ///
    /// # Errors
    /// As [`Verifier::verify_refreshing`].
    pub(crate) async fn verify(&self, token: &str, now: Time) -> Result<Arc<Verified>, VerifyError> {
        let verifier = unverified_audience(token).and_then(|audience| self.of(&audience)).unwrap_or_else(|| self.issuer());
        verifier.verify_refreshing(token, now).await
    }
}
