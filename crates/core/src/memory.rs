//! What a replica remembers of credentials, so that an exchange need not ask the database.
//!
//! Memory is emptied by the log of changes alone, and by nothing else. Three rules keep it from serving what is gone
//! (`docs/decisions/0003-memory.md`): facts of one entry are of one snapshot; no verdict is kept, `alive` is computed on each
//! use; a snapshot that on arrival is below what has been applied is neither used nor kept, and that judgement and the
//! insertion are one step.

use crate::{access_log::Known, grant::Grant, keys::addresses::Addresses, secret::KeyDigest};
use keywright_protocol::{Catalog, KeyId, OrganizationId, Position};
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
    /// Where it is taken from.
    pub addresses: Addresses,
    /// The organization that was asked for.
    pub asked: OrganizationId,
    /// What its roles are resolved by.
    pub catalog: Arc<Catalog>,
    /// What its tokens point at; `None` as long as nobody has asked for one.
    pub status_index: Option<i64>,
    /// Tokens as they are when nobody asks for anything else; `None` for a credential that gets none of these there.
    pub plain: Option<Plain>,
    /// What the log says of it.
    pub known: Arc<Known>,
}

/// Tokens of the default audience with all that the credential may do there.
pub struct Plain {
    /// What that is.
    pub grant: Grant,
    /// The claims that don't change from one to the next: JSON members, without the braces.
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

    /// Forgets everything and is at a position. Nothing is inserted meanwhile, and nothing of before afterwards.
    pub fn begin_anew(&self, position: Position) {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        self.entries.clear();
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

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_protocol::{KeyKind, Time, catalog::Document};
    use keywright_store::keys::{Holder, Target};

    const fn at(n: i64) -> Position {
        Position { history: 1, n }
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    /// An entry of key `key` of user 3 in organization 1, for organization `asked`, read at a position.
    fn entry(key: u128, asked: u128, position: Position) -> Arc<Entry> {
        let holder = Holder { user_id: id(3).into(), email: String::new(), name: String::new(), dead_at: None, membership_ended_at: None };
        let (own_roles, root_roles, key_roles) = (Vec::new(), Vec::new(), Vec::new());
        let target = Target { id: id(asked).into(), root_id: id(1).into(), dead_at: None, status_index: Some(0), own_roles, root_roles, key_roles };
        let credential = CredentialRow {
            position,
            key_id: id(key).into(),
            kind: KeyKind::PersonalAccessKey,
            organization_id: id(1).into(),
            root_id: id(1).into(),
            name: String::new(),
            names: Vec::new(),
            key_email: None,
            not_before: Time::from_seconds(0),
            expires_at: Time::from_seconds(0),
            suspended_at: None,
            revoked_at: None,
            allowed_addresses: String::new(),
            version: 1,
            digest: Vec::new(),
            tag: Vec::new(),
            version_ends_at: None,
            version_ended_at: None,
            organization_dead_at: None,
            root_dead_at: None,
            personal_keys_off_at: None,
            policy_addresses: Default::default(),
            introspects: false,
            holder: Some(holder),
            target: Some(target),
        };
        let known = Known::of_key(&credential);
        let catalog = Arc::new(Catalog::new(Document::default()).unwrap());
        Arc::new(Entry { credential, addresses: Addresses::default(), asked: id(asked).into(), catalog, status_index: None, plain: None, known })
    }

    fn digest(n: u8) -> KeyDigest {
        let pepper = crate::secret::Pepper::new(&[n; 32]);
        let text = keywright_protocol::secret::compose("kw", KeyKind::ApiKey, &[n; 32]);
        pepper.digest(keywright_protocol::secret::inspect(&text).unwrap())
    }

    fn change(n: i64, kind: ChangeKind, subject: u128) -> Change {
        Change { position: at(n), kind, subject: id(subject), bits: Vec::new() }
    }

    #[test]
    fn what_is_kept_is_found_for_the_organization_it_was_asked_for() {
        let cache = GrantCache::new(10, at(5));
        cache.insert(digest(1), entry(4, 1, at(5))).unwrap();
        cache.insert(digest(1), entry(4, 2, at(6))).unwrap();
        assert!(cache.find(digest(1), None).is_some_and(|entry| entry.asked == id(1).into()));
        assert!(cache.find(digest(1), Some(id(2).into())).is_some_and(|entry| entry.asked == id(2).into()));
        assert!(cache.find(digest(1), Some(id(7).into())).is_none());
        assert!(cache.find(digest(2), None).is_none());
    }

    /// Reddens when the judgement in `insert` is left out: the late fill of consistency's traps.
    #[test]
    fn a_read_from_before_a_change_is_not_kept_after_it() {
        let cache = GrantCache::new(10, at(5));
        let late = entry(4, 1, at(5));
        cache.apply(at(6), &[change(6, ChangeKind::Key, 4)]);
        assert_eq!(cache.insert(digest(1), Arc::clone(&late)), Err(Stale));
        assert_eq!(cache.judge(late.credential.position), Err(Stale));
        assert!(cache.find(digest(1), None).is_none());
        cache.insert(digest(1), entry(4, 1, at(6))).unwrap();
    }

    #[test]
    fn another_history_is_not_kept_however_high_its_number() {
        let cache = GrantCache::new(10, Position { history: 2, n: 1 });
        assert_eq!(cache.insert(digest(1), entry(4, 1, at(900))), Err(Stale));
        assert_eq!(cache.insert(digest(1), entry(4, 1, Position { history: 3, n: 1 })), Err(Stale));
    }

    #[test]
    fn each_kind_of_change_forgets_what_it_is_about_and_nothing_else() {
        // The key, its organization, its root, its holder, the organization asked for, and everything.
        for (kind, subject) in [
            (ChangeKind::Key, 4),
            (ChangeKind::Organization, 1),
            (ChangeKind::Organization, 2),
            (ChangeKind::User, 3),
            (ChangeKind::Catalog, 0),
            (ChangeKind::SigningKeys, 0),
        ] {
            let cache = GrantCache::new(10, at(1));
            cache.insert(digest(1), entry(4, 2, at(1))).unwrap();
            cache.apply(at(2), &[change(2, ChangeKind::Key, 5), change(2, ChangeKind::Organization, 8), change(2, ChangeKind::User, 9)]);
            assert!(cache.find(digest(1), Some(id(2).into())).is_some());
            cache.apply(at(3), &[change(3, kind, subject)]);
            assert!(cache.find(digest(1), Some(id(2).into())).is_none(), "{kind:?} {subject}");
            assert_eq!(cache.applied(), at(3));
        }
    }

    #[test]
    fn a_key_cannot_fill_memory_by_asking_for_many_organizations() {
        let cache = GrantCache::new(10, at(1));
        for asked in 0..100 {
            cache.insert(digest(1), entry(4, asked, at(1))).unwrap();
        }
        let kept = (0..100).filter(|asked| cache.find(digest(1), Some(id(*asked).into())).is_some()).count();
        assert_eq!(kept, TARGETS_PER_KEY);
    }
}
