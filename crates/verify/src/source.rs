//! Where a verifier gets from what it needs to know of the issuer.

use crate::{Config, keys::KeySet};
use keywright_protocol::{Catalog, status::StatusLists};
use std::{pin::Pin, sync::Arc};

/// What a verifier knows at one moment. Never changed; a newer one takes its place. Only the status lists in it go on by themselves.
#[derive(Debug)]
pub struct Snapshot {
    /// The issuer's public keys.
    pub keys: KeySet,
    /// What roles permit.
    pub catalog: Arc<Catalog>,
    /// Another number whenever keys or catalog are other ones. A token that was seen under another epoch is checked anew.
    pub epoch: u64,
    /// Which tokens were taken back. `None`: this source does not know, which [`StatusPolicy::Ignore`](crate::StatusPolicy::Ignore)
    /// alone puts up with.
    pub status: Option<Arc<StatusLists>>,
}

/// What is missing in a snapshot for a token to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anything at all, or the signing key that a token names.
    Keys,
    /// The status list of this number.
    StatusList(u64),
    /// Status lists that are not too old.
    Status,
}

/// Why a source could not bring its knowledge up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The issuer did not answer, or its data must not be used at the moment. For the operator's log, not for the wire.
    #[error("the issuer is not to be had: {0}")]
    Unavailable(String),
    /// The issuer answered something that must not be used. For the operator's log, not for the wire.
    #[error("what the issuer answered was refused: {0}")]
    Invalid(String),
}

/// What [`Source::refresh`] answers.
pub type Refreshing<'a> = Pin<Box<dyn Future<Output = Result<(), RefreshError>> + Send + 'a>>;

/// Where snapshots come from: over HTTP ([`HttpSource`](crate::HttpSource)), or from the memory of the issuing server itself.
pub trait Source: Send + Sync + 'static {
    /// What is known now, without waiting. `None`: nothing that may be used.
    fn snapshot(&self) -> Option<Arc<Snapshot>>;

    /// Brings it up to date in what is needed. A verifier calls this whenever somebody sends a token with an unknown key id, so it is up
    /// to the source to do at most as much as it can bear; `Ok` without doing anything means "what is there is recent enough".
    fn refresh(&self, need: Need) -> Refreshing<'_>;

    /// A verifier that insists on `config` asks this source from now on.
    fn serves(&self, config: &Config) {
        let _ = config;
    }
}
