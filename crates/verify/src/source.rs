//! Where a verifier gets the issuer's keys and catalog from.

use crate::keys::KeySet;
use keywright_protocol::Catalog;
use std::{pin::Pin, sync::Arc};

/// What a verifier knows at one moment. Never changed; a newer one takes its place.
#[derive(Debug)]
pub struct Snapshot {
    /// The issuer's public keys.
    pub keys: KeySet,
    /// What roles permit.
    pub catalog: Arc<Catalog>,
    /// Another number whenever keys or catalog are other ones. A token that was seen under another epoch is checked anew.
    pub epoch: u64,
}

/// Why a source could not bring its knowledge up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The issuer did not answer, or its data must not be used at the moment. For the operator's log, not for the wire.
    #[error("the issuer's keys and catalog are not to be had: {0}")]
    Unavailable(String),
    /// The issuer answered something that must not be used. For the operator's log, not for the wire.
    #[error("the issuer's keys or catalog were refused: {0}")]
    Invalid(String),
}

/// What [`Source::refresh`] answers.
pub type Refreshing<'a> = Pin<Box<dyn Future<Output = Result<(), RefreshError>> + Send + 'a>>;

/// Where snapshots come from: over HTTP ([`HttpSource`](crate::HttpSource)), or from the memory of the issuing server itself.
pub trait Source: Send + Sync + 'static {
    /// What is known now, without waiting. `None`: nothing that may be used.
    fn snapshot(&self) -> Option<Arc<Snapshot>>;

    /// Brings it up to date. A verifier calls this whenever somebody sends a token with an unknown key id, so it is up to the
    /// source to do at most as much as it can bear; `Ok` without doing anything means "what is there is recent enough".
    fn refresh(&self) -> Refreshing<'_>;
}
