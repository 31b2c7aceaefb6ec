//! Keys and catalog.

use super::{
    Inner, STALE_AFTER, invalid,
    pace::{Pace, Rhythm, Turn},
};
use crate::{CatalogDocument, KeySet, RefreshError, Snapshot, document::signed_document};
use keywright_protocol::{
    Catalog, Position,
    claims::CATALOG_TYPE,
    jwk::{Jwk, JwkSet, Purpose},
    paths,
};
use serde::Deserialize;
use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};
use tokio::time::Instant;

/// What the current snapshot was made of.
pub(super) struct Documents {
    /// For whoever sends tokens with unknown key ids.
    pace: Pace,
    /// For what the issuer itself has said, or seems to have.
    urgent: Pace,
    held: Option<Held>,
    /// As of which changes to keys and catalog, as the feed names them, they were last fetched.
    marks: Option<(Position, Position)>,
}

struct Held {
    keys: JwkSet,
    catalog: Arc<Catalog>,
    position: Position,
}

impl Default for Documents {
    fn default() -> Self {
        Self { pace: Pace::new(Rhythm::DOCUMENTS), urgent: Pace::new(Rhythm::URGENT), held: None, marks: None }
    }
}

/// Keys that must not be believed any more, whatever a key set says; it only grows. Whoever makes a snapshot holds it, so that none is made
/// with what was revoked meanwhile.
#[derive(Default)]
pub(super) struct Revoked {
    kids: HashSet<String>,
    /// Snapshots that were made.
    epoch: u64,
}

impl Inner {
    /// Fetches keys and catalog, unless that was done or has failed a moment ago.
    pub(super) async fn refresh_documents(&self) -> Result<(), RefreshError> {
        let mut documents = self.documents.lock().await;
        match documents.pace.turn(Instant::now()) {
            Turn::Recent => return Ok(()),
            Turn::Pause => return Err(paused()),
            Turn::Fetch => {}
        }
        self.fetch_noted(&mut documents).await
    }

    /// The same for something that is signed with an unknown key and comes from where the issuer should be. It does not wait as long: else
    /// a new key of the issuer's would not be heard of.
    pub(super) async fn refresh_documents_at_once(&self) -> Result<(), RefreshError> {
        let mut documents = self.documents.lock().await;
        match documents.urgent.turn(Instant::now()) {
            Turn::Recent => return Ok(()),
            Turn::Pause => return Err(paused()),
            Turn::Fetch => {}
        }
        self.fetch_noted(&mut documents).await
    }

    /// The issuer itself has said that keys and catalog are of these positions: if what is known is not of them, it is fetched at once.
    pub(super) async fn follow_documents(&self, marks: (Position, Position)) -> Result<(), RefreshError> {
        // Whoever follows already will see it at the next news.
        let Ok(mut documents) = self.documents.try_lock() else { return Ok(()) };
        if documents.marks == Some(marks) || documents.urgent.turn(Instant::now()) == Turn::Pause {
            return Ok(());
        }
        self.fetch_noted(&mut documents).await?;
        documents.marks = Some(marks);
        Ok(())
    }

    async fn fetch_noted(&self, documents: &mut Documents) -> Result<(), RefreshError> {
        let begun = Instant::now();
        documents.pace.begin(begun);
        documents.urgent.begin(begun);
        let fetched = self.fetch_documents(&mut documents.held).await;
        let now = Instant::now();
        match fetched {
            Ok(()) => {
                documents.pace.succeed(now);
                documents.urgent.succeed(now);
                self.last_error.store(None);
                self.set_due(now + STALE_AFTER);
                Ok(())
            }
            Err(error) => {
                let retry_at = documents.pace.fail(now);
                documents.urgent.fail(now);
                self.last_error.store(Some(Arc::new(error.clone())));
                self.set_due(retry_at);
                Err(error)
            }
        }
    }

    /// Takes the trust from keys, at once, whatever is being fetched meanwhile.
    pub(super) fn revoke_keys(&self, kids: &[String]) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = revoked.kids.len();
        revoked.kids.extend(kids.iter().cloned());
        if revoked.kids.len() > before
            && let Some(current) = self.current.load_full()
        {
            revoked.epoch = revoked.epoch.saturating_add(1);
            let (catalog, status) = (Arc::clone(&current.catalog), current.status.clone());
            self.current.store(Some(Arc::new(Snapshot { keys: current.keys.without(&revoked.kids), catalog, epoch: revoked.epoch, status })));
        }
    }

    fn put(&self, keys: &KeySet, catalog: &Arc<Catalog>) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.epoch = revoked.epoch.saturating_add(1);
        let (catalog, status) = (Arc::clone(catalog), Some(Arc::clone(&self.lists)));
        self.current.store(Some(Arc::new(Snapshot { keys: keys.without(&revoked.kids), catalog, epoch: revoked.epoch, status })));
    }

    /// One fetch of both documents. What is held changes only when both are good.
    async fn fetch_documents(&self, held: &mut Option<Held>) -> Result<(), RefreshError> {
        let jwks = read_key_set(&self.get(paths::JWKS).await?)?;
        let keys = KeySet::from_jwks(&jwks).map_err(|error| invalid(paths::JWKS, &error))?;
        let text = String::from_utf8(self.get(paths::CATALOG).await?).map_err(|error| invalid(paths::CATALOG, &error))?;
        let document: CatalogDocument =
            signed_document(text.trim_ascii_end(), (CATALOG_TYPE, Purpose::Document), &keys).map_err(|error| invalid(paths::CATALOG, &error))?;
        if document.iss != self.issuer {
            return Err(RefreshError::Invalid("the catalog is of another issuer".to_owned()));
        }
        let position = document.position();
        if let Some(held) = held.as_ref().filter(|held| position < held.position) {
            return Err(RefreshError::Invalid(format!("the catalog is at {position}, but {} was seen already", held.position)));
        }
        if let Some(held) = held.as_mut().filter(|held| held.keys == jwks && *held.catalog.document() == document.catalog) {
            held.position = position;
            return Ok(());
        }
        let catalog = Arc::new(Catalog::new(document.catalog).map_err(|error| invalid(paths::CATALOG, &error))?);
        self.put(&keys, &catalog);
        *held = Some(Held { keys: jwks, catalog, position });
        Ok(())
    }
}

fn paused() -> RefreshError {
    RefreshError::Unavailable("the last try failed, the next one follows soon".to_owned())
}

/// A key set out of its JSON, in the order of key ids. An entry that has not the members of a key this crate knows is left out:
/// an issuer may publish keys of a kind that comes later.
fn read_key_set(body: &[u8]) -> Result<JwkSet, RefreshError> {
    #[derive(Deserialize)]
    struct Entries {
        keys: Vec<serde_json::Value>,
    }
    let entries: Entries = serde_json::from_slice(body).map_err(|error| invalid(paths::JWKS, &error))?;
    let mut keys: Vec<Jwk> = entries.keys.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect();
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    Ok(JwkSet { keys })
}
