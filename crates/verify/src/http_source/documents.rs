//! Keys and catalog.

use super::{Inner, STALE_AFTER, invalid, pace::Turn};
use crate::{CatalogDocument, KeySet, RefreshError, Snapshot, document::signed_document};
use keywright_protocol::{
    Catalog, Position,
    claims::CATALOG_TYPE,
    jwk::{Jwk, JwkSet, Purpose},
    paths,
};
use serde::Deserialize;
use std::{collections::HashSet, sync::Arc};
use tokio::time::Instant;

/// What the current snapshot was made of.
#[derive(Default)]
pub(super) struct Documents {
    held: Option<Held>,
    /// Keys that must not be believed any more, whatever a key set says. It only grows.
    revoked: HashSet<String>,
    /// As of which changes to keys and catalog, as the feed names them, they were last fetched.
    marks: Option<(Position, Position)>,
}

struct Held {
    keys: JwkSet,
    catalog: Arc<Catalog>,
    position: Position,
    epoch: u64,
}

impl Inner {
    /// Fetches keys and catalog, unless that was done or has failed a moment ago.
    pub(super) async fn refresh_documents(&self) -> Result<(), RefreshError> {
        let mut state = self.documents.lock().await;
        let (pace, documents) = &mut *state;
        match pace.turn(Instant::now()) {
            Turn::Recent => return Ok(()),
            Turn::Pause => return Err(RefreshError::Unavailable("the last try failed, the next one follows soon".to_owned())),
            Turn::Fetch => {}
        }
        pace.begin(Instant::now());
        let fetched = self.fetch_documents(documents).await;
        let now = Instant::now();
        match fetched {
            Ok(()) => {
                pace.succeed(now);
                self.last_error.store(None);
                self.set_due(now + STALE_AFTER);
                Ok(())
            }
            Err(error) => {
                let retry_at = pace.fail(now);
                self.last_error.store(Some(Arc::new(error.clone())));
                self.set_due(retry_at);
                Err(error)
            }
        }
    }

    /// The issuer itself has said that keys and catalog are of these positions: if what is known is not of them, it is fetched at once.
    pub(super) async fn follow_documents(&self, marks: (Position, Position)) -> Result<(), RefreshError> {
        let mut state = self.documents.lock().await;
        let (pace, documents) = &mut *state;
        if documents.marks == Some(marks) {
            return Ok(());
        }
        self.fetch_documents(documents).await?;
        documents.marks = Some(marks);
        pace.succeed(Instant::now());
        self.set_due(Instant::now() + STALE_AFTER);
        Ok(())
    }

    /// Takes the trust from keys, at once.
    pub(super) async fn revoke_keys(&self, revoked: &[String]) -> Result<(), RefreshError> {
        if revoked.is_empty() {
            return Ok(());
        }
        let mut state = self.documents.lock().await;
        let documents = &mut state.1;
        let before = documents.revoked.len();
        documents.revoked.extend(revoked.iter().cloned());
        if documents.revoked.len() > before
            && let Some(held) = &mut documents.held
        {
            let keys = trusted(&held.keys, &documents.revoked)?;
            held.epoch = held.epoch.saturating_add(1);
            self.put(keys, &held.catalog, held.epoch);
        }
        Ok(())
    }

    /// One fetch of both documents. What is held changes only when both are good.
    async fn fetch_documents(&self, documents: &mut Documents) -> Result<(), RefreshError> {
        let Documents { held, revoked, .. } = documents;
        let jwks = read_key_set(&self.get(paths::JWKS).await?)?;
        let keys = trusted(&jwks, revoked)?;
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
        let epoch = held.as_ref().map_or(0, |held| held.epoch).saturating_add(1);
        let catalog = Arc::new(Catalog::new(document.catalog).map_err(|error| invalid(paths::CATALOG, &error))?);
        self.put(keys, &catalog, epoch);
        *held = Some(Held { keys: jwks, catalog, position, epoch });
        Ok(())
    }

    fn put(&self, keys: KeySet, catalog: &Arc<Catalog>, epoch: u64) {
        let status = Some(Arc::clone(&self.lists));
        self.current.store(Some(Arc::new(Snapshot { keys, catalog: Arc::clone(catalog), epoch, status })));
    }
}

/// The keys of a set without those that must not be believed.
fn trusted(jwks: &JwkSet, revoked: &HashSet<String>) -> Result<KeySet, RefreshError> {
    let keys = JwkSet { keys: jwks.keys.iter().filter(|key| !revoked.contains(&key.kid)).cloned().collect() };
    KeySet::from_jwks(&keys).map_err(|error| invalid(paths::JWKS, &error))
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
