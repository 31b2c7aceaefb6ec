//! Whether tokens were taken back: the words of status lists (draft-ietf-oauth-status-list) and of the feed of changes to them.
//!
//! A token names one entry of one list. An entry is a bit: 0 as long as the token is good, 1 once it was taken back; it never goes back to 0.

pub mod receipt;

use crate::{Position, paths};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// The `typ` header of a status list token (draft-ietf-oauth-status-list, section 5.1).
pub const STATUS_LIST_TYPE: &str = "statuslist+jwt";
/// The `typ` header of what the feed says.
pub const STATUS_NEWS_TYPE: &str = "keywright-status+jwt";
/// The `typ` header of a receipt for a change.
pub const RECEIPT_TYPE: &str = "keywright-receipt+jwt";
/// Entries of one list.
pub const ENTRIES: u64 = 1 << 20;
/// Bytes of one list, before compression.
pub const LIST_BYTES: usize = (ENTRIES / 8) as usize;
/// Seconds after which a list should be fetched anew, by whoever does not follow the feed.
pub const LIST_TTL_SECONDS: i64 = 5;
/// Seconds after which a list must not be used any more.
pub const LIST_LIFE_SECONDS: i64 = 60;

/// The claim `status` of a token (draft-ietf-oauth-status-list, section 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusClaim<'a> {
    /// Where its status stands.
    #[serde(deserialize_with = "crate::form::object")]
    pub status_list: StatusReference<'a>,
}

/// One entry of one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusReference<'a> {
    /// Which entry of the list.
    pub idx: u64,
    /// Where the list is.
    pub uri: Cow<'a, str>,
}

impl StatusClaim<'static> {
    /// The claim for a status index of this issuer.
    #[must_use]
    pub fn new(issuer: &str, index: u64) -> Self {
        Self { status_list: StatusReference { idx: index % ENTRIES, uri: Cow::Owned(list_uri(issuer, index / ENTRIES)) } }
    }
}

impl StatusClaim<'_> {
    /// The status index that it names, if it names one of this issuer in its one spelling.
    #[must_use]
    pub fn index(&self, issuer: &str) -> Option<u64> {
        let StatusReference { idx, uri } = &self.status_list;
        let number = uri.strip_prefix(issuer.trim_end_matches('/'))?.strip_prefix(paths::STATUS_LISTS)?.strip_prefix('/')?;
        let list: u64 = number.parse().ok().filter(|list: &u64| list.to_string() == number)?;
        if *idx < ENTRIES { list.checked_mul(ENTRIES)?.checked_add(*idx) } else { None }
    }
}

/// Where a list is: the `uri` of references to it, and its `sub`.
#[must_use]
pub fn list_uri(issuer: &str, list: u64) -> String {
    format!("{}{}/{list}", issuer.trim_end_matches('/'), paths::STATUS_LISTS)
}

/// The payload of a status list token (draft-ietf-oauth-status-list, section 5.1). `position` and the members behind it are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPayload {
    /// The issuer's public URL.
    pub iss: String,
    /// The list's own URL.
    pub sub: String,
    /// Signed at this second.
    pub iat: i64,
    /// Not to be used from this second on.
    pub exp: i64,
    /// How many seconds to wait before fetching it anew.
    pub ttl: i64,
    /// The entries.
    pub status_list: ListEntries,
    /// Every change up to here is in it.
    pub position: Position,
    /// The issuer's time when that was so, in milliseconds since 1970.
    pub time: i64,
    /// Key ids of signing keys that must not be believed any more, whatever a key set says.
    pub revoked_keys: Vec<String>,
}

/// The entries of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntries {
    /// Bits of an entry; 1.
    pub bits: u8,
    /// The entries, first entry in the lowest bit of the first byte: DEFLATE in the ZLIB format, then base64url.
    pub lst: String,
}

/// What the feed says: which entries were set to 1 since a position. Signed like a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// The issuer's public URL.
    pub iss: String,
    /// Every change up to here is in it, for whoever knew everything up to `after`.
    pub position: Position,
    /// The position that it starts from. Absent: whoever reads it begins here, and fetches what lists he needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Position>,
    /// The issuer's time when that was so, in milliseconds since 1970.
    pub time: i64,
    /// Status indices that were taken back in between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<u64>,
    /// Key ids of signing keys that must not be believed any more, whatever a key set says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked_keys: Vec<String>,
    /// The last change to the set of signing keys.
    pub keys_at: Position,
    /// The last change to the catalog.
    pub catalog_at: Position,
}

/// The first event of a stream: by which name it is told what its reader has applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOpened {
    /// Known to this reader alone.
    pub stream: String,
}

/// How far a reader of the stream has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The stream's name, from its first event.
    #[cfg_attr(feature = "openapi", schema(example = "q83vEjRWeJCrze8SNFZ4kA"))]
    pub stream: String,
    /// Everything up to here is applied.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1.42"))]
    pub position: String,
}

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It is 0: not taken back.
    Good,
    /// It is 1: taken back, for ever.
    Ended,
    /// Its list is not at hand.
    Unknown,
}

/// The entries of one list. Entries go from good to ended and never back.
pub struct StatusList {
    words: Box<[AtomicU64]>,
}

impl StatusList {
    /// Whose bits are these: [`LIST_BYTES`] of them, else `None`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        (bytes.len() == LIST_BYTES && rest.is_empty()).then(|| Self { words: chunks.iter().map(|chunk| AtomicU64::new(u64::from_le_bytes(*chunk))).collect() })
    }

    /// All entries are good.
    #[must_use]
    pub fn all_good() -> Self {
        Self { words: (0..LIST_BYTES / 8).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The bits.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.load(Ordering::Acquire).to_le_bytes()).collect()
    }

    /// Ends an entry, by its number within the list.
    pub fn end(&self, entry: u64) {
        if let Some((word, bit)) = self.place(entry) {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// Whether an entry has ended. One that is not in the list has.
    #[must_use]
    pub fn is_ended(&self, entry: u64) -> bool {
        self.place(entry).is_none_or(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    fn place(&self, entry: u64) -> Option<(&AtomicU64, u64)> {
        let word = usize::try_from(entry / 64).ok().and_then(|word| self.words.get(word))?;
        Some((word, 1 << (entry % 64)))
    }
}

/// The lists that are at hand, and as of when they hold.
pub struct StatusLists {
    lists: RwLock<HashMap<u64, Known>>,
    as_of: AtomicI64,
}

/// A list with how much of it is known.
struct Known {
    list: Arc<StatusList>,
    extent: Extent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Every entry.
    All,
    /// Those that have ended, since that is for ever; what is good may not be so any more.
    Ended,
}

impl Default for StatusLists {
    fn default() -> Self {
        Self { lists: RwLock::default(), as_of: AtomicI64::new(i64::MIN) }
    }
}

impl std::fmt::Debug for StatusLists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusLists").field("as_of", &self.as_of).finish_non_exhaustive()
    }
}

impl StatusLists {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<u64, Known>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u64, Known>> {
        self.lists.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a status index.
    #[must_use]
    pub fn entry(&self, index: u64) -> Entry {
        match self.read().get(&(index / ENTRIES)) {
            None => Entry::Unknown,
            Some(known) if known.list.is_ended(index % ENTRIES) => Entry::Ended,
            Some(known) if known.extent == Extent::All => Entry::Good,
            Some(_) => Entry::Unknown,
        }
    }

    /// Ends an index, if its list is at hand.
    pub fn end(&self, index: u64) {
        if let Some(known) = self.read().get(&(index / ENTRIES)) {
            known.list.end(index % ENTRIES);
        }
    }

    /// A list, if it is at hand and whole.
    #[must_use]
    pub fn get(&self, list: u64) -> Option<Arc<StatusList>> {
        self.read().get(&list).filter(|known| known.extent == Extent::All).map(|known| Arc::clone(&known.list))
    }

    /// Keeps a list. If it is at hand and whole already, what has ended in either has ended.
    pub fn insert(&self, number: u64, list: Arc<StatusList>) {
        let mut lists = self.write();
        if let Some(known) = lists.get(&number).filter(|known| known.extent == Extent::All) {
            for (new, old) in list.words.iter().zip(&known.list.words) {
                new.fetch_or(old.load(Ordering::Acquire), Ordering::AcqRel);
            }
        }
        lists.insert(number, Known { list, extent: Extent::All });
    }

    /// What follows is of another beginning: of what is at hand, only what has ended is known any more, and nothing is as of any time.
    pub fn restart(&self) {
        self.as_of.store(i64::MIN, Ordering::Release);
        self.write().values_mut().for_each(|known| known.extent = Extent::Ended);
    }

    /// Forgets all lists.
    pub fn clear(&self) {
        self.write().clear();
    }

    /// How many are at hand and whole.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().values().filter(|known| known.extent == Extent::All).count()
    }

    /// Whether none is at hand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The issuer's time at which all that is at hand was so, in milliseconds since 1970; `i64::MIN` as long as nothing is known.
    #[must_use]
    pub fn as_of(&self) -> i64 {
        self.as_of.load(Ordering::Acquire)
    }

    /// All that is at hand is so at this time of the issuer's. It goes forward only.
    pub fn confirm(&self, time: i64) {
        self.as_of.fetch_max(time, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://auth.example.com";

    #[test]
    fn a_claim_names_one_index_in_one_spelling() {
        for index in [0, 1, ENTRIES - 1, ENTRIES, 7 * ENTRIES + 5, 1_796_000_000 * 1024] {
            assert_eq!(StatusClaim::new(ISSUER, index).index(ISSUER), Some(index));
        }
        let claim = |idx, uri: &str| StatusClaim { status_list: StatusReference { idx, uri: Cow::Owned(uri.to_owned()) } };
        assert_eq!(claim(3, "https://auth.example.com/status/v1/lists/2").index(ISSUER), Some(2 * ENTRIES + 3));
        for (idx, uri) in [
            (ENTRIES, "https://auth.example.com/status/v1/lists/2"),
            (3, "https://auth.example.com/status/v1/lists/02"),
            (3, "https://auth.example.com/status/v1/lists/+2"),
            (3, "https://auth.example.com/status/v1/lists/2/"),
            (3, "https://auth.example.com/status/v1/lists/"),
            (3, "https://auth.example.com/status/v1/lists2"),
            (3, "https://auth.example.com/status/v1/lists/18446744073709551615"),
            (3, "https://auth.example.com.evil.example/status/v1/lists/2"),
            (3, "https://evil.example/status/v1/lists/2"),
        ] {
            assert_eq!(claim(idx, uri).index(ISSUER), None, "{idx} {uri}");
        }
    }

    #[test]
    fn bits_lie_as_the_draft_says() {
        // Section 4.1: the entries of a byte begin at its lowest bit.
        let list = StatusList::all_good();
        for entry in [0, 3, 4, 5, 7, 8, 9, 13, 15] {
            list.end(entry);
        }
        assert_eq!(list.to_bytes().get(..2), Some([0xb9, 0xa3].as_slice()));
        assert_eq!(StatusList::from_bytes(&list.to_bytes()).unwrap().to_bytes(), list.to_bytes());
        assert!(StatusList::from_bytes(&[0; LIST_BYTES - 1]).is_none() && StatusList::from_bytes(&[0; LIST_BYTES + 8]).is_none());
    }

    #[test]
    fn what_has_ended_stays_ended() {
        let lists = StatusLists::default();
        assert_eq!(lists.entry(5), Entry::Unknown);
        lists.insert(0, Arc::new(StatusList::all_good()));
        lists.end(5);
        lists.end(ENTRIES + 5);
        lists.insert(0, Arc::new(StatusList::all_good()));
        assert_eq!((lists.entry(5), lists.entry(6), lists.entry(ENTRIES + 5)), (Entry::Ended, Entry::Good, Entry::Unknown));
        lists.restart();
        assert_eq!((lists.entry(5), lists.entry(6), lists.get(0).is_none(), lists.is_empty()), (Entry::Ended, Entry::Unknown, true, true));
        lists.insert(0, Arc::new(StatusList::all_good()));
        assert_eq!((lists.entry(5), lists.entry(6)), (Entry::Good, Entry::Good), "a whole list of another beginning says it anew");
        lists.confirm(10);
        lists.confirm(9);
        assert_eq!(lists.as_of(), 10);
    }
}
