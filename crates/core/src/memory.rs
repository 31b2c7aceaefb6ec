//! What a replica remembers of credentials, so that an exchange need not ask the database.
//!
//! Memory is emptied by the log of changes alone, and by nothing else. Three rules keep it from serving what is gone
//! (`docs/decisions/0003-memory.md`): facts of one entry are of one snapshot; no verdict is kept, `alive` is computed on each
//! use; a snapshot that on arrival is below what has been applied is neither used nor kept, and that judgement and the
//! insertion are one step.

use crate::{grant::Grant, secret::KeyDigest};
use keywright_protocol::{KeyId, OrganizationId, Position};
use keywright_store::{
    changes::{Change, ChangeKind},
    keys::CredentialRow,
};
use quick_cache::sync::Cache;
use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};
use uuid::Uuid;

/// Organizations remembered per key; an attacker with a key cannot fill memory by asking for many.
const TARGETS_PER_KEY: usize = 16;

/// One credential for one organization: everything of one snapshot.
pub struct Entry {
    /// The row that decides whether it lives.
    pub credential: CredentialRow,
    /// The organization that was asked for.
    pub asked: OrganizationId,
    /// What it may do there.
    pub grant: Grant,
    /// What its tokens point at.
    pub status_index: i64,
    /// The claims of its tokens that don't change from one to the next: JSON members, without the braces.
    pub claims: String,
}

/// Which secret version an entry is of.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Cell {
    digest: KeyDigest,
    asked: OrganizationId,
}

type Entries = Arc<Vec<(Cell, Arc<Entry>)>>;

/// The memory of exchanges. Bounded; least useful entries go first.
pub struct GrantCache {
    applied: RwLock<Position>,
    /// A digest belongs to one key for ever, so this is never wrong, only forgotten.
    keys: Cache<KeyDigest, (KeyId, OrganizationId)>,
    entries: Cache<KeyId, Entries>,
}

impl GrantCache {
    /// Empty, at a position.
    #[must_use]
    pub fn new(capacity: usize, applied: Position) -> Self {
        Self { applied: RwLock::new(applied), keys: Cache::new(capacity), entries: Cache::new(capacity) }
    }

    /// How far the log of changes has been applied.
    #[must_use]
    pub fn applied(&self) -> Position {
        *self.applied.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of a secret for an organization (`None`: the key's own).
    #[must_use]
    pub fn find(&self, digest: KeyDigest, target: Option<OrganizationId>) -> Option<Arc<Entry>> {
        let (key, home) = self.keys.get(&digest)?;
        let cell = Cell { digest, asked: target.unwrap_or(home) };
        let entries = self.entries.get(&key)?;
        entries.iter().find(|(known, _)| *known == cell).map(|(_, entry)| Arc::clone(entry))
    }

    /// Keeps what a snapshot said, unless the log has gone past that snapshot meanwhile.
    ///
    /// # Errors
    /// [`Stale`]: read again.
    pub fn insert(&self, digest: KeyDigest, entry: Arc<Entry>) -> Result<(), Stale> {
        let applied = self.applied.read().unwrap_or_else(PoisonError::into_inner);
        let row = &entry.credential;
        if row.position < *applied || row.position.history != applied.history {
            return Err(Stale);
        }
        let cell = Cell { digest, asked: entry.asked };
        let mut entries = self.entries.get(&row.key_id).map(|known| (*known).clone()).unwrap_or_default();
        entries.retain(|(known, _)| *known != cell);
        if entries.len() >= TARGETS_PER_KEY {
            entries.remove(0);
        }
        let (key, home) = (row.key_id, row.organization_id);
        entries.push((cell, entry));
        self.entries.insert(key, Arc::new(entries));
        self.keys.insert(digest, (key, home));
        drop(applied);
        Ok(())
    }

    /// Whether a snapshot may be used at all: it must not be below what has been applied.
    ///
    /// # Errors
    /// [`Stale`]: read again.
    pub fn judge(&self, snapshot: Position) -> Result<(), Stale> {
        let applied = self.applied();
        if snapshot < applied || snapshot.history != applied.history { Err(Stale) } else { Ok(()) }
    }

    /// Forgets what these changes are about; from then on it is at `position`. Nothing is inserted meanwhile.
    pub fn apply(&self, position: Position, changes: &[Change]) {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        let (mut organizations, mut users) = (HashSet::new(), HashSet::new());
        for change in changes {
            match change.kind {
                ChangeKind::Key => {
                    self.entries.remove(&KeyId::from(change.subject));
                }
                ChangeKind::Organization => {
                    organizations.insert(change.subject);
                }
                ChangeKind::User => {
                    users.insert(change.subject);
                }
                ChangeKind::Catalog | ChangeKind::SigningKeys => self.entries.clear(),
            }
        }
        if !(organizations.is_empty() && users.is_empty()) {
            self.entries.retain(|_, entries| !entries.iter().any(|(_, entry)| concerns(entry, &organizations, &users)));
        }
        *applied = position;
    }

    /// Forgets everything. For when the log cannot be read: what is read from the database afterwards is no older.
    pub fn forget_all(&self) {
        self.entries.clear();
    }
}

fn concerns(entry: &Entry, organizations: &HashSet<Uuid>, users: &HashSet<Uuid>) -> bool {
    let row = &entry.credential;
    let target = row.target.iter().flat_map(|target| [target.id, target.root_id]);
    [row.organization_id, row.root_id].into_iter().chain(target).any(|id| organizations.contains(&id.as_uuid()))
        || row.holder.as_ref().is_some_and(|holder| users.contains(&holder.user_id.as_uuid()))
}

/// A snapshot that the log has gone past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;
