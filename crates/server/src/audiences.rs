//! A verifier for each audience of the catalog in force, all of the same memory: for whoever takes tokens of any of them.

use keywright_core::Core;
use keywright_verify::{Config, Source, Time, Verified, Verifier, VerifyError, unverified_audience};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The verifiers.
pub struct Audiences {
    core: Arc<Core>,
    source: Arc<dyn Source>,
    /// Of the issuer itself, whose settings the others share.
    issuer: Arc<Verifier>,
    others: RwLock<HashMap<String, Arc<Verifier>>>,
}

impl Audiences {
    /// On a core and a source of its memory. The issuer's own verifier is given.
    #[must_use]
    pub fn new(core: Arc<Core>, source: Arc<dyn Source>, issuer: Arc<Verifier>) -> Self {
        Self { core, source, issuer, others: RwLock::default() }
    }

    /// The one of an audience, if the catalog in force has it; the issuer is one always.
    #[must_use]
    pub fn of(&self, audience: &str) -> Option<Arc<Verifier>> {
        if audience == self.core.issuer() {
            return Some(Arc::clone(&self.issuer));
        }
        self.core.catalog().catalog.audience(Some(audience))?;
        if let Some(known) = self.others.read().unwrap_or_else(PoisonError::into_inner).get(audience) {
            return Some(Arc::clone(known));
        }
        let config = Config { audience: audience.to_owned(), resource_metadata: None, ..self.issuer.config().clone() };
        let made = Arc::new(Verifier::new(config, Arc::clone(&self.source)));
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(others.entry(audience.to_owned()).or_insert(made)))
    }

    /// Judges a token of whatever audience it says that it has.
    ///
    /// # Errors
    /// As [`Verifier::verify_refreshing`].
    pub async fn verify(&self, token: &str, now: Time) -> Result<Arc<Verified>, VerifyError> {
        let verifier = unverified_audience(token).and_then(|audience| self.of(&audience)).unwrap_or_else(|| Arc::clone(&self.issuer));
        verifier.verify_refreshing(token, now).await
    }
}
