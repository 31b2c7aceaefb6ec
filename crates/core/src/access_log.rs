//! The log of access: who exchanged what for a token, and who was refused. Events are gathered in memory, so that no exchange waits
//! for the database, and written in batches (`writing.rs`).

mod writing;

use crate::{
    Context, Error,
    log::Action,
    usage::{ByHour, Of, Period, Seen, Way},
};
use keywright_protocol::{OrganizationId, RequestId, Time};
use keywright_store::{access_log::Kind, keys::CredentialRow, log::LinkKind};
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};
use uuid::Uuid;
use writing::Batch;

/// Addresses that are counted by themselves in one minute; all further ones are counted together.
const ADDRESSES: usize = 1_000;
/// Counts that are kept of the use of keys where the events themselves find no room.
const USES: usize = 10_000;
const MINUTE_MILLIS: i64 = 60_000;
const NIL: Uuid = Uuid::nil();

/// What the log says of a credential that is known; shared by all of its events.
#[derive(Debug)]
pub struct Known {
    /// `key` or `user`.
    pub actor_kind: &'static str,
    /// Which one.
    pub actor_id: Uuid,
    /// The address of its holder, or the generated identity of an API Key.
    pub email: String,
    /// Whose chain its events are in.
    pub root_id: OrganizationId,
    /// Which of a key's secrets; `None` for a session.
    pub version: Option<i64>,
}

impl Known {
    /// What is said of a key.
    pub(crate) fn of_key(row: &CredentialRow) -> Arc<Self> {
        let email = row.holder.as_ref().map(|holder| &holder.email).or(row.key_email.as_ref()).cloned().unwrap_or_default();
        Arc::new(Self { actor_kind: "key", actor_id: row.key_id.as_uuid(), email, root_id: row.root_id, version: Some(row.version) })
    }
}

/// A known credential, where it was used, and at which revision that was decided.
pub(crate) struct Use {
    /// What.
    pub(crate) of: Arc<Known>,
    /// The organization that it was used for, if it reaches that; else its own.
    pub(crate) organization_id: OrganizationId,
    /// Of the snapshot that was decided by.
    pub(crate) revision: i64,
}

/// What waits to be written.
enum Event {
    /// An exchange, or the refusal of one.
    Exchange(Exchange),
    /// Refusals that matched no key, from one address in one minute.
    Unknown {
        /// When the minute began.
        minute: Time,
        /// From where; empty if that is not known.
        address: String,
        /// How many.
        count: u64,
    },
    /// Events that were not kept.
    Gap(Gap),
}

/// An exchange of a known credential. It is made on every one, so that it has nothing that would have to be copied.
struct Exchange {
    at: Time,
    by: Use,
    /// The code of the refusal.
    refused: Option<&'static str>,
    address: Option<IpAddr>,
    user_agent: Option<Arc<str>>,
    request_id: RequestId,
    way: Way,
}

/// Why events are missing.
enum Gap {
    /// More were waiting than there is room for.
    Full(Lost),
    /// A process ended without writing what it had.
    UncleanEnd { since: Time, until: Time },
}

#[derive(Clone, Copy)]
struct Lost {
    count: u64,
    first: Time,
    last: Time,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    lost: Option<Lost>,
    /// The use of keys that lost events told of, as far as there is room.
    uses: ByHour,
}

/// One minute's refusals that matched no key.
#[derive(Default)]
struct Minute {
    addresses: BTreeMap<Option<IpAddr>, u64>,
    others: u64,
}

/// The events of one process that are not written yet.
pub(crate) struct AccessLog {
    /// This process, among all that ever wrote to the database.
    process: Uuid,
    /// Whether its mark is in the database.
    is_open: AtomicBool,
    /// How many events may wait.
    capacity: usize,
    waiting: Mutex<Waiting>,
    unknown: Mutex<BTreeMap<i64, Minute>>,
    /// Up to when everything is in the database, in milliseconds since the epoch.
    written_until: AtomicI64,
    /// What is being written, until it is sure that it was. Whoever writes holds the lock.
    writing: tokio::sync::Mutex<Option<Arc<Batch>>>,
}

impl AccessLog {
    /// An empty one that keeps `capacity` events.
    pub(crate) fn new(capacity: usize, process: Uuid) -> Self {
        Self {
            process,
            is_open: AtomicBool::new(false),
            capacity,
            waiting: Mutex::default(),
            unknown: Mutex::default(),
            written_until: AtomicI64::new(0),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Notes an exchange and its outcome. `by` is what was presented, if it is known.
    pub(crate) fn exchanged(&self, ctx: &Context, by: Option<Use>, error: Option<&Error>) {
        // Then nothing was decided about the credential.
        if error.is_some_and(Error::is_outage) {
            return;
        }
        if let Some(error) = error {
            let (code, request_id) = (error.code(), ctx.request_id);
            let key_id = by.as_ref().map(|by| tracing::field::display(by.of.actor_id));
            let client = ctx.client_ip.map(tracing::field::display);
            tracing::info!(code, key_id, client, %request_id, "an exchange was refused");
        }
        match by {
            Some(by) => self.push(Event::Exchange(Exchange {
                at: ctx.now,
                by,
                refused: error.map(Error::code),
                address: ctx.client_ip,
                user_agent: ctx.user_agent_shared(),
                request_id: ctx.request_id,
                way: ctx.way,
            })),
            None => self.count(ctx),
        }
    }

    /// Events that wait, also those that are being written.
    fn len(&self) -> usize {
        lock(&self.waiting).events.len() + self.writing.try_lock().ok().and_then(|batch| batch.as_ref().map(|batch| batch.len())).unwrap_or(0)
    }

    fn push(&self, event: Event) {
        let mut waiting = lock(&self.waiting);
        if waiting.events.len() < self.capacity {
            waiting.events.push_back(event);
            return;
        }
        waiting.lose(&event);
    }

    /// Everything that was noted before this is in the database.
    pub(crate) fn written_until(&self) -> Time {
        Time::from_millis(self.written_until.load(Ordering::SeqCst))
    }

    /// Counts a refusal that matched no key.
    fn count(&self, ctx: &Context) {
        let mut unknown = lock(&self.unknown);
        let minute = unknown.entry(minute_of(ctx.now)).or_default();
        let address = ctx.client_ip.map(|address| address.to_canonical());
        let is_full = minute.addresses.len() >= ADDRESSES;
        match minute.addresses.get_mut(&address) {
            Some(count) => *count += 1,
            None if is_full => minute.others += 1,
            None => drop(minute.addresses.insert(address, 1)),
        }
    }

    /// Turns what was counted into events: the minutes that were over by a time, or all.
    fn gather(&self, until: Option<Time>) {
        let ended = {
            let mut unknown = lock(&self.unknown);
            let going_on = until.map(|until| unknown.split_off(&minute_of(until))).unwrap_or_default();
            std::mem::replace(&mut *unknown, going_on)
        };
        for (minute, counted) in ended {
            let others = (counted.others > 0).then(|| ("others".to_owned(), counted.others));
            let counts = counted.addresses.into_iter().map(|(address, count)| (address.map(|address| address.to_string()).unwrap_or_default(), count));
            for (address, count) in counts.chain(others) {
                self.push(Event::Unknown { minute: Time::from_millis(minute * MINUTE_MILLIS), address, count });
            }
        }
    }
}

impl Waiting {
    /// Counts an event that finds no room, and what it told of the use of a key.
    fn lose(&mut self, event: &Event) {
        let at = event.at();
        let lost = self.lost.get_or_insert(Lost { count: 0, first: at, last: at });
        *lost = Lost { count: lost.count.saturating_add(1), first: lost.first.min(at), last: lost.last.max(at) };
        let Some((of, seen, refused)) = event.usage() else { return };
        if self.uses.len() < USES || self.uses.contains_key(&of) {
            self.uses.entry(of).or_default().add(seen, refused);
        }
    }
}

impl Event {
    /// What it tells of the use of a key, with the code of a refusal; nothing if it is not about one.
    fn usage(&self) -> Option<(Of, Seen, Option<&'static str>)> {
        let Self::Exchange(exchange) = self else { return None };
        let known = &exchange.by.of;
        let of = Of { key: known.actor_id.into(), version: known.version?, way: exchange.way, hour: Period::Hour.beginning(exchange.at) };
        Some((of, Seen { at: exchange.at, address: exchange.address, user_agent: exchange.user_agent.clone() }, exchange.refused))
    }

    fn at(&self) -> Time {
        match self {
            Self::Exchange(exchange) => exchange.at,
            Self::Unknown { minute, .. } => *minute,
            Self::Gap(Gap::Full(lost)) => lost.last,
            Self::Gap(Gap::UncleanEnd { until, .. }) => *until,
        }
    }

    /// Whose chain it is in, and on which kind of link.
    fn link(&self) -> (OrganizationId, LinkKind) {
        match self {
            Self::Exchange(exchange) => (exchange.by.of.root_id, LinkKind::Access),
            Self::Unknown { .. } => (NIL.into(), LinkKind::Access),
            Self::Gap(_) => (NIL.into(), LinkKind::Gap),
        }
    }

    /// Where it happened.
    fn organization(&self) -> OrganizationId {
        match self {
            Self::Exchange(exchange) => exchange.by.organization_id,
            Self::Unknown { .. } | Self::Gap(_) => NIL.into(),
        }
    }

    /// In which request; nil for none.
    fn request_id(&self) -> RequestId {
        match self {
            Self::Exchange(exchange) => exchange.request_id,
            Self::Unknown { .. } | Self::Gap(_) => NIL.into(),
        }
    }

    /// What it is found to be of one kind by with another one; `None` for what is like no other.
    fn likeness(&self) -> Option<Likeness<'_>> {
        match self {
            Self::Exchange(Exchange { by, refused, address, user_agent, way, .. }) => Some(Likeness {
                of: Arc::as_ptr(&by.of).addr(),
                revision: by.revision,
                refused: *refused,
                address: *address,
                user_agent: user_agent.as_deref(),
                is_check: way.is_check(),
            }),
            Self::Unknown { .. } | Self::Gap(_) => None,
        }
    }

    /// What is stored of it beside time and request. `revision` is for what was decided at none.
    fn kind(&self, revision: i64) -> Kind<'_> {
        let bare = Kind {
            actor_kind: "host".into(),
            actor_id: None,
            action: Action::TokenExchange.as_str().into(),
            subject: "".into(),
            outcome: "refused".into(),
            reason: "".into(),
            address: "".into(),
            user_agent: "".into(),
            revision,
        };
        match self {
            Self::Exchange(exchange) => exchange.kind(),
            Self::Unknown { address, count, .. } => {
                Kind { actor_kind: "nobody".into(), subject: "unknown keys".into(), reason: count.to_string().into(), address: address.into(), ..bare }
            }
            Self::Gap(gap) => {
                let (subject, reason) = gap.words();
                Kind { action: Action::LogGap.as_str().into(), subject: subject.into(), outcome: "lost".into(), reason: reason.into(), ..bare }
            }
        }
    }
}

/// See [`Event::likeness`].
#[derive(PartialEq, Eq, Hash)]
struct Likeness<'a> {
    of: usize,
    revision: i64,
    refused: Option<&'static str>,
    address: Option<IpAddr>,
    user_agent: Option<&'a str>,
    is_check: bool,
}

impl Exchange {
    fn kind(&self) -> Kind<'_> {
        let Known { actor_kind, actor_id, email, .. } = &*self.by.of;
        let (action, done) = if self.way.is_check() { (Action::KeyCheck, "accepted") } else { (Action::TokenExchange, "issued") };
        Kind {
            actor_kind: (*actor_kind).into(),
            actor_id: Some(*actor_id),
            action: action.as_str().into(),
            subject: email.into(),
            outcome: self.refused.map_or(done, |_| "refused").into(),
            reason: self.refused.unwrap_or_default().into(),
            address: self.address.map(|address| address.to_string()).unwrap_or_default().into(),
            user_agent: self.user_agent.as_deref().unwrap_or_default().into(),
            revision: self.by.revision,
        }
    }
}

impl Gap {
    /// Subject and reason.
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Full(Lost { count, first, last }) => ("too many events waited", format!("{count} events from {first} to {last}")),
            Self::UncleanEnd { since, until } => ("unclean end", format!("events from {since} to {until}, as far as they were not written")),
        }
    }
}

fn minute_of(at: Time) -> i64 {
    at.as_millis().div_euclid(MINUTE_MILLIS)
}

/// What is behind these locks is whole after each statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
