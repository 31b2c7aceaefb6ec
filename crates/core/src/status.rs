//! Taking tokens back: the status lists, the feed of changes to them, and who has heard.
//!
//! An index is ended when its generation is, or when there is no generation of it although indices behind it were given: what a restore
//! has lost is never good. The log of changes says which indices a change ended; it is applied here before the change is acknowledged.

pub mod readers;
pub mod receipts;

use crate::{Core, Error};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::ZlibEncoder};
use keywright_protocol::{
    Position, Time,
    status::{
        ENTRIES, LIST_BYTES, LIST_LIFE_SECONDS, LIST_TTL_SECONDS, ListEntries, ListPayload, News, STATUS_LIST_TYPE, STATUS_NEWS_TYPE, StatusList, StatusLists,
        list_uri,
    },
};
use keywright_store::{
    catalogs,
    changes::{self, Change, ChangeKind},
    generations, signing_keys,
};
use std::{
    collections::{HashMap, VecDeque},
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use tokio::sync::watch;

/// Changes whose ended indices are remembered, so that whoever is behind them needs no whole list.
const REMEMBERED: usize = 10_000;
/// Indices in all of them together.
const REMEMBERED_INDICES: usize = 1 << 20;
/// Indices in one piece of news.
const MOST_TOLD: usize = 20_000;
/// A snapshot is read again when the log has gone past it; not for ever.
const READS: usize = 5;

/// What is known of signing keys and catalog besides themselves: all of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    keys_at: Position,
    catalog_at: Position,
    revoked_keys: Arc<[String]>,
}

impl Marks {
    /// As they stand in a snapshot.
    pub(crate) async fn read(tx: &mut keywright_db::Tx) -> Result<Self, Error> {
        Ok(Self {
            keys_at: changes::find_last_of_signing_keys(tx).await?,
            catalog_at: catalogs::find_position(tx).await?.unwrap_or(Position { history: 0, n: 0 }),
            revoked_keys: signing_keys::list_revoked(tx).await?.into(),
        })
    }
}

/// The status lists of this replica, and how far the log of changes has been applied to them.
pub(crate) struct Status {
    lists: Arc<StatusLists>,
    state: RwLock<State>,
    signed_lists: Mutex<HashMap<u64, Signed>>,
    signed_news: Mutex<Option<(Option<Position>, Signed)>>,
    /// Tells readers of the feed that there is something to be sent: a change, or the second that is over.
    moved: watch::Sender<u64>,
    readers: readers::Readers,
}

struct State {
    applied: Position,
    /// Whether what is at hand is all there is. Not while the log cannot be read.
    is_known: bool,
    /// Whether the database could be read at the last beat.
    is_heard: bool,
    /// Whether the server ends: streams do not end by themselves.
    is_over: bool,
    marks: Marks,
    /// Everything behind this position is in `recent`.
    since: Position,
    recent: VecDeque<Recent>,
    recent_indices: usize,
}

/// A change that took something back.
struct Recent {
    position: Position,
    ended: Vec<u64>,
    applied_at: Time,
}

/// What was signed, of which position and second.
#[derive(Clone)]
struct Signed {
    position: Position,
    second: i64,
    text: Arc<str>,
}

/// What the feed says next.
#[derive(Clone)]
pub struct NextNews {
    /// Everything up to here is in it.
    pub position: Position,
    /// Signed.
    pub text: Arc<str>,
}

impl Status {
    pub(crate) fn new(applied: Position, marks: Marks) -> Self {
        let lists = Arc::new(StatusLists::default());
        // What is at hand here is never old: it is emptied when the log cannot be read.
        lists.confirm(i64::MAX);
        let state = State { applied, is_known: true, is_heard: true, is_over: false, marks, since: applied, recent: VecDeque::new(), recent_indices: 0 };
        Self {
            lists,
            state: RwLock::new(state),
            signed_lists: Mutex::default(),
            signed_news: Mutex::default(),
            moved: watch::Sender::new(0),
            readers: readers::Readers::default(),
        }
    }

    fn state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the log of changes; from then on it is at `position`. No list is inserted meanwhile. `marks` are given when they are others.
    pub(crate) fn apply(&self, position: Position, changes: &[Change], marks: Option<Marks>, now: Time) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if position.history != state.applied.history {
            self.lists.clear();
            state.recent.clear();
            (state.since, state.recent_indices) = (position, 0);
        }
        for change in changes.iter().filter(|change| concerns_verifiers(change)) {
            let ended: Vec<u64> = change.bits.iter().filter_map(|bit| u64::try_from(*bit).ok()).collect();
            for index in &ended {
                self.lists.end(*index);
            }
            state.recent_indices += ended.len();
            state.recent.push_back(Recent { position: change.position, ended, applied_at: now });
        }
        while state.recent.len() > REMEMBERED || state.recent_indices > REMEMBERED_INDICES {
            let Some(oldest) = state.recent.pop_front() else { break };
            state.recent_indices -= oldest.ended.len();
            state.since = oldest.position;
        }
        if let Some(marks) = marks {
            state.marks = marks;
        }
        (state.applied, state.is_known) = (position, true);
        drop(state);
        self.ring();
    }

    /// Forgets everything and is at a position. No list is inserted meanwhile.
    pub(crate) fn begin_anew(&self, position: Position, marks: Marks) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.lists.clear();
        state.recent.clear();
        (state.since, state.recent_indices) = (position, 0);
        (state.applied, state.marks, state.is_known) = (position, marks, true);
        drop(state);
        self.ring();
    }

    /// Forgets everything: the log cannot be read. What is read from the database afterwards is no older.
    pub(crate) fn forget_all(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.is_known = false;
        self.lists.clear();
        drop(state);
        self.ring();
    }

    fn ring(&self) {
        self.moved.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Keeps a list that was read at a position, unless the log has gone past that meanwhile.
    fn insert(&self, number: u64, read_at: Position, list: &Arc<StatusList>) -> bool {
        let state = self.state();
        let is_current = read_at >= state.applied && read_at.history == state.applied.history;
        if is_current {
            self.lists.insert(number, Arc::clone(list));
        }
        is_current
    }

    /// What ended behind a position, and up to where; without a position for whoever begins, or has to begin anew.
    fn ended_after(&self, after: Option<Position>) -> Result<(Position, Option<Position>, Vec<u64>, Marks), Error> {
        let state = self.state();
        if !state.is_known || !state.is_heard || state.is_over {
            return Err(Error::Unavailable);
        }
        if after.is_some_and(|after| after > state.applied) {
            return Err(Error::Behind(state.applied));
        }
        let after = after.filter(|after| after.history == state.applied.history && *after >= state.since);
        let ended = after.map_or_else(Vec::new, |after| {
            let from = state.recent.partition_point(|change| change.position <= after);
            state.recent.range(from..).flat_map(|change| &change.ended).copied().collect()
        });
        // So many are told better by whole lists.
        let (after, ended) = if ended.len() > MOST_TOLD { (None, Vec::new()) } else { (after, ended) };
        Ok((state.applied, after, ended, state.marks.clone()))
    }

    /// Whether anything was taken back behind a position and up to another one; whoever is too far behind is told that it was.
    fn ended_between(&self, after: Position, to: Position) -> bool {
        let state = self.state();
        let place = state.recent.partition_point(|change| change.position <= after);
        after < state.since || state.recent.get(place).is_some_and(|change| change.position <= to)
    }

    /// When a change that took something back was applied here, as far as that is remembered.
    fn applied_at(&self, position: Position) -> Option<Time> {
        let state = self.state();
        let place = state.recent.partition_point(|change| change.position < position);
        state.recent.get(place).filter(|change| change.position == position).map(|change| change.applied_at)
    }
}

/// Whether verifiers have something to hear of a change: tokens ended, or the trust in a key.
pub(super) fn concerns_verifiers(change: &Change) -> bool {
    !change.bits.is_empty() || change.kind == ChangeKind::SigningKeys
}

impl Core {
    /// The status lists of this replica, for its own verifier.
    #[must_use]
    pub fn status_lists(&self) -> Arc<StatusLists> {
        Arc::clone(&self.status.lists)
    }

    /// Has a list at hand for this replica's own verifier. To be asked only for lists that signed tokens name: each stays in memory.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn load_status_list(&self, number: u64) -> Result<(), Error> {
        self.find_or_read_list(number, Keep::Always).await.map(|_| ())
    }

    /// A status list token (draft-ietf-oauth-status-list, section 5.1): signed now, with every change that was acknowledged.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a list that no token can name yet, [`Error::Unavailable`].
    pub async fn signed_status_list(&self, number: u64) -> Result<Arc<str>, Error> {
        self.require_lease()?;
        let now = self.clock.now();
        // First how far it has come, then the bits: these may have more in them, never less.
        let (position, _, _, marks) = self.status.ended_after(None)?;
        let (second, is_current) = (now.as_seconds(), |known: &&Signed| known.position == position && known.second == now.as_seconds());
        if let Some(known) = lock(&self.status.signed_lists).get(&number).filter(is_current) {
            return Ok(Arc::clone(&known.text));
        }
        let list = self.find_or_read_list(number, Keep::IfFilled).await?;
        let broken = |_| Error::Internal("a status list cannot be written");
        let mut compressed = ZlibEncoder::new(Vec::new(), Compression::default());
        compressed.write_all(&list.to_bytes()).map_err(broken)?;
        let sub = list_uri(&self.issuer, number);
        let payload = ListPayload {
            iss: self.issuer.clone(),
            sub,
            iat: second,
            exp: second.saturating_add(LIST_LIFE_SECONDS),
            ttl: LIST_TTL_SECONDS,
            status_list: ListEntries { bits: 1, lst: URL_SAFE_NO_PAD.encode(compressed.finish().map_err(broken)?) },
            position,
            time: now.as_millis(),
            revoked_keys: marks.revoked_keys.to_vec(),
        };
        let text = self.sign_status(STATUS_LIST_TYPE, &payload)?;
        let mut signed = lock(&self.status.signed_lists);
        // Old ones are of no use any more; most often there are few lists.
        signed.retain(|_, known| known.second == second);
        signed.insert(number, Signed { position, second, text: Arc::clone(&text) });
        Ok(text)
    }

    /// What was taken back behind a position, signed; without a position only how far this replica is. Whoever is too far behind, or of
    /// another history, is told to begin anew: `after` is not in it.
    ///
    /// # Errors
    /// [`Error::Behind`] for a position that this replica has not reached, [`Error::Unavailable`] while it cannot know.
    pub fn status_news(&self, after: Option<Position>) -> Result<NextNews, Error> {
        self.require_lease()?;
        let now = self.clock.now();
        let (position, after, ended, marks) = self.status.ended_after(after)?;
        let second = now.as_seconds();
        let mut last = lock(&self.status.signed_news);
        if let Some((of, known)) = &*last
            && *of == after
            && known.position == position
            && known.second == second
        {
            return Ok(NextNews { position, text: Arc::clone(&known.text) });
        }
        let Marks { keys_at, catalog_at, revoked_keys } = marks;
        let news = News { iss: self.issuer.clone(), position, after, time: now.as_millis(), ended, revoked_keys: revoked_keys.to_vec(), keys_at, catalog_at };
        let text = self.sign_status(STATUS_NEWS_TYPE, &news)?;
        *last = Some((after, Signed { position, second, text: Arc::clone(&text) }));
        Ok(NextNews { position, text })
    }

    /// Rings whenever there may be news: at every change, and every second.
    #[must_use]
    pub fn status_moves(&self) -> watch::Receiver<u64> {
        self.status.moved.subscribe()
    }

    /// Ends the feed: the server ends.
    pub fn end_status_streams(&self) {
        self.status.state.write().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.status.ring();
    }

    /// The heartbeat: sees whether the database can be read, and wakes the readers of the feed. To be called every second.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the feed is silent until it can be read again.
    pub async fn beat(&self) -> Result<(), Error> {
        let heard = if self.status.state().is_known {
            self.db.read(|tx| Box::pin(async move { changes::position(tx).await.map(drop).map_err(Error::from) })).await
        } else {
            // The log could not be read after a change; until it is, nobody can say what was taken back.
            self.follow(None).await
        };
        self.status.state.write().unwrap_or_else(PoisonError::into_inner).is_heard = heard.is_ok();
        self.status.ring();
        heard
    }

    /// What is told to verifiers, they take for all there is: only a replica that knows so much may say it.
    fn require_lease(&self) -> Result<(), Error> {
        if self.has_lease() { Ok(()) } else { Err(Error::Unavailable) }
    }

    fn sign_status<T: serde::Serialize>(&self, typ: &str, payload: &T) -> Result<Arc<str>, Error> {
        let payload = serde_json::to_vec(payload).map_err(|_| Error::Internal("a status cannot be written"))?;
        Ok(self.keyring().status()?.sign_document(typ, &payload)?.into())
    }

    async fn find_or_read_list(&self, number: u64, keep: Keep) -> Result<Arc<StatusList>, Error> {
        for _ in 0..READS {
            if let Some(known) = self.status.lists.get(number) {
                return Ok(known);
            }
            let list = self.read_list(number).await?;
            if keep == Keep::IfFilled && !list.is_filled {
                return Ok(list.entries);
            }
            if self.status.insert(number, list.read_at, &list.entries) {
                return Ok(list.entries);
            }
        }
        Err(Error::Unavailable)
    }

    async fn read_list(&self, number: u64) -> Result<ReadList, Error> {
        const NONE: Error = Error::NotFound("status list");
        let from = number.checked_mul(ENTRIES).and_then(|from| i64::try_from(from).ok()).ok_or(NONE)?;
        let to = from.checked_add(ENTRIES.cast_signed()).ok_or(NONE)?;
        let read = self.db.read(move |tx| {
            Box::pin(async move {
                let next = generations::next_index(tx).await?;
                // The next index may be the first of its list: whoever gets it asks for that list at once.
                let rows = if from <= next { generations::list_indices(tx, from, to).await? } else { return Err(NONE) };
                Ok((changes::position(tx).await?, next, rows))
            })
        });
        let (read_at, next, rows) = read.await?;
        // All that were given are ended, but those that are known to be open; all that were not given are good.
        let mut bytes = vec![0_u8; LIST_BYTES];
        let given = usize::try_from((next - from).min(ENTRIES.cast_signed())).unwrap_or_default();
        for (byte, entries) in bytes.iter_mut().zip((0..given).step_by(8)) {
            *byte = if given - entries >= 8 { u8::MAX } else { u8::MAX >> (8 - (given - entries)) };
        }
        for (index, _) in rows.iter().filter(|(_, is_ended)| !is_ended) {
            let entry = usize::try_from(index - from).unwrap_or_default();
            if let Some(byte) = bytes.get_mut(entry / 8) {
                *byte &= !(1 << (entry % 8));
            }
        }
        let entries = StatusList::from_bytes(&bytes).ok_or(Error::Internal("a status list has a wrong size"))?;
        Ok(ReadList { read_at, is_filled: !rows.is_empty(), entries: Arc::new(entries) })
    }
}

/// Which lists stay in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Whatever it is.
    Always,
    /// Only one that generations are in: anybody may ask for any number.
    IfFilled,
}

struct ReadList {
    read_at: Position,
    is_filled: bool,
    entries: Arc<StatusList>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_protocol::status::Entry;
    use keywright_store::changes::ChangeKind;
    use uuid::Uuid;

    const NOW: Time = Time::from_seconds(1);

    const fn at(n: i64) -> Position {
        Position { history: 1, n }
    }

    fn marks() -> Marks {
        Marks { keys_at: at(1), catalog_at: at(1), revoked_keys: Arc::new([]) }
    }

    fn change(n: i64, bits: &[i64]) -> Change {
        Change { position: at(n), kind: ChangeKind::Key, subject: Uuid::nil(), bits: bits.to_vec() }
    }

    fn good() -> Arc<StatusList> {
        Arc::new(StatusList::all_good())
    }

    /// Reddens when the judgement in `insert` is left out: the late fill of consistency's traps.
    #[test]
    fn a_list_that_was_read_before_a_change_is_not_kept_after_it() {
        let status = Status::new(at(5), marks());
        status.apply(at(6), &[change(6, &[7])], None, NOW);
        assert!(!status.insert(0, at(5), &good()));
        assert_eq!(status.lists.entry(7), Entry::Unknown);
        assert!(!status.insert(0, Position { history: 2, n: 9 }, &good()), "of another history");
        assert!(status.insert(0, at(6), &good()));
        status.apply(at(7), &[change(7, &[8])], None, NOW);
        assert_eq!((status.lists.entry(8), status.lists.entry(9)), (Entry::Ended, Entry::Good));
    }

    #[test]
    fn who_is_too_far_behind_begins_anew() {
        let status = Status::new(at(0), marks());
        let changes: Vec<Change> = (1..).take(REMEMBERED + 1).map(|n| change(n, &[n])).collect();
        status.apply(at(10_001), &changes, None, NOW);
        let ended = |after| status.ended_after(Some(at(after))).map(|(_, after, ended, _)| (after, ended.len()));
        assert_eq!(ended(0), Ok((None, 0)), "its first change is forgotten");
        assert_eq!(ended(1), Ok((Some(at(1)), 10_000)));
        assert_eq!(ended(10_001), Ok((Some(at(10_001)), 0)));
        // More than one piece of news can hold.
        let many: Vec<i64> = (0..20_001).collect();
        status.apply(at(10_002), &[change(10_002, &many)], None, NOW);
        assert_eq!(ended(10_001), Ok((None, 0)));
        assert_eq!(ended(10_002), Ok((Some(at(10_002)), 0)));
    }

    #[test]
    fn another_history_drops_everything() {
        let status = Status::new(at(5), marks());
        status.insert(0, at(5), &good());
        let later = Position { history: 2, n: 6 };
        status.apply(later, &[], None, NOW);
        assert_eq!(status.lists.entry(1), Entry::Unknown);
        assert_eq!(status.ended_after(Some(at(5))).map(|(position, after, ..)| (position, after)), Ok((later, None)));
    }

    #[test]
    fn what_cannot_be_known_is_not_said() {
        let status = Status::new(at(5), marks());
        status.insert(0, at(5), &good());
        status.forget_all();
        assert_eq!((status.ended_after(None).err(), status.lists.entry(1)), (Some(Error::Unavailable), Entry::Unknown));
        status.apply(at(5), &[], None, NOW);
        assert!(status.ended_after(None).is_ok());
    }
}
