//! The server's own verifier reads the keys and the catalog in force, not a copy fetched over HTTP.

use keywright_core::Core;
use keywright_verify::{KeySet, Need, RefreshError, Refreshing, Snapshot, Source};
use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

/// What a snapshot was made of: the addresses of what was in force. They are held, so that none is used again meanwhile.
struct Made {
    keyring: Arc<keywright_core::keyring::Keyring>,
    catalog: Arc<keywright_core::catalog::CatalogInForce>,
    snapshot: Arc<Snapshot>,
}

/// A source on the memory of `core`.
pub struct CoreSource {
    core: Arc<Core>,
    made: RwLock<Option<Made>>,
    epoch: AtomicU64,
}

impl CoreSource {
    /// On this core.
    #[must_use]
    pub fn new(core: Arc<Core>) -> Self {
        Self { core, made: RwLock::new(None), epoch: AtomicU64::new(1) }
    }

    fn make(&self) -> Result<Arc<Snapshot>, RefreshError> {
        let (keyring, catalog) = (self.core.keyring(), self.core.catalog());
        let keys = KeySet::from_jwks(&keyring.jwks()).map_err(|error| RefreshError::Invalid(error.to_string()))?;
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed);
        let snapshot = Arc::new(Snapshot { keys, catalog: Arc::clone(&catalog.catalog), epoch, status: Some(self.core.status_lists()) });
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Some(Made { keyring, catalog, snapshot: Arc::clone(&snapshot) });
        Ok(snapshot)
    }
}

impl Source for CoreSource {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let (keyring, catalog) = (self.core.keyring(), self.core.catalog());
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref()
            && Arc::ptr_eq(&made.keyring, &keyring)
            && Arc::ptr_eq(&made.catalog, &catalog)
        {
            return Some(Arc::clone(&made.snapshot));
        }
        drop(made);
        self.make().ok()
    }

    fn refresh(&self, need: Need) -> Refreshing<'_> {
        Box::pin(async move {
            match need {
                // What is in force is always at hand; an unknown key id is simply unknown.
                Need::Keys => self.snapshot().map(|_| ()).ok_or_else(|| RefreshError::Invalid("there is no key set".to_owned())),
                Need::StatusList(number) => self.core.load_status_list(number).await.map_err(|error| RefreshError::Unavailable(error.to_string())),
                Need::Status => Ok(()),
            }
        })
    }
}
