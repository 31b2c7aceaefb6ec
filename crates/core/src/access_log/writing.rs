//! How gathered events get into the database, and how one knows of those that did not.
//!
//! A batch is a write like any other: it appends to chains that changes append to as well, and the lock on the revision is what keeps
//! the two apart. So it raises the revision, by one; but it has no line in the log of changes, nobody has to forget anything for it,
//! and this process's own memory does not follow it. Where nothing has happened, nothing is written.

use super::{AccessLog, Event, Gap, Lost, Waiting, lock};
use crate::{
    Core, Error, chance, log,
    usage::{ByHour, Gathered, Uses},
};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time};
use keywright_store::{
    access_log::{self, Access, AccessRow},
    log::LinkKind,
    settings,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};
use uuid::Uuid;

/// Events of one transaction. Other writes wait for it.
const BATCH: usize = 1_000;
/// Chains that one transaction appends to: each costs it more than a few events do.
const CHAINS: usize = 100;

/// Events that are written together, or not at all.
pub(super) struct Batch {
    at: Time,
    /// Makes the ids of this batch its own.
    random: [u8; 8],
    events: Vec<Event>,
    /// The use of keys that lost events told of.
    uses: ByHour,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    fn new(at: Time, events: Vec<Event>) -> Result<Self, Error> {
        Ok(Self { at, random: chance::bytes()?, events, uses: ByHour::new() })
    }

    /// How many of the events were waiting; a gap comes with the batch itself.
    fn taken(&self) -> usize {
        self.events.iter().filter(|event| !matches!(event, Event::Gap(_))).count()
    }

    /// What it says of the use of keys.
    fn usage(&self) -> Gathered {
        let mut gathered = Gathered::new(&self.uses);
        for (of, seen, refused) in self.events.iter().filter_map(Event::usage) {
            gathered.add(of, seen, refused);
        }
        gathered
    }

    /// The id of an event: in the order of the batch (RFC 9562, section 5.7, with a counter as in section 6.2, method 1).
    fn id(&self, index: usize) -> Uuid {
        let [high, low] = u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes();
        let [a, b, c, d, e, f, g, h] = self.random;
        let millis = u64::try_from(self.at.as_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &[high, low, a, b, c, d, e, f, g, h]).into_uuid()
    }

    /// Writes its events, unless an earlier attempt has, whose commit was unsure; then it answers `false`.
    async fn write(&self, tx: &mut Tx) -> Result<bool, Error> {
        if access_log::exists(tx, self.id(0)).await? {
            return Ok(false);
        }
        let revision = tx.position().n;
        let mut links: BTreeMap<(OrganizationId, LinkKind), BTreeMap<OrganizationId, Vec<&Event>>> = BTreeMap::new();
        for event in &self.events {
            links.entry(event.link()).or_default().entry(event.organization()).or_default().push(event);
        }
        let mut index = 0;
        for (link, organizations) in links {
            let mut rows = Vec::with_capacity(organizations.len());
            for (organization, events) in organizations {
                rows.push(row((self.id(index), organization), &events, revision)?);
                index += events.len();
            }
            log::append(tx, link, self.at, &rows).await?;
        }
        Ok(true)
    }
}

impl Waiting {
    /// What the next batch takes along of lost events: what they told of the use of keys, as much as fits in it, and the gap that they
    /// left. There is always a gap with such uses, so that the batch has an event by which a second attempt knows of the first one.
    fn take_lost(&mut self) -> (ByHour, Option<Lost>) {
        let uses: ByHour = std::iter::from_fn(|| self.uses.pop_first()).take(BATCH).collect();
        if self.uses.is_empty() {
            return (uses, self.lost.take());
        }
        let count = uses.values().map(Uses::count).sum();
        let part = self.lost.as_mut().map(|lost| {
            lost.count = lost.count.saturating_sub(count);
            Lost { count, ..*lost }
        });
        (uses, part)
    }
}

/// The row of a batch's events in one organization.
fn row((id, organization): (Uuid, OrganizationId), events: &[&Event], revision: i64) -> Result<AccessRow, Error> {
    let (mut kinds, mut known) = (Vec::new(), HashMap::new());
    let mut accesses = Vec::with_capacity(events.len());
    for event in events {
        let mut add = || {
            kinds.push(event.kind(revision));
            kinds.len() - 1
        };
        let kind = match event.likeness() {
            Some(likeness) => *known.entry(likeness).or_insert_with(add),
            None => add(),
        };
        accesses.push(Access { kind, at: event.at(), request_id: event.request_id() });
    }
    Ok(AccessRow::new(id, organization, &kinds, &accesses)?)
}

impl AccessLog {
    /// The oldest events that wait, with the number of those that could not.
    fn next_batch(&self, at: Time) -> Result<Option<Batch>, Error> {
        let mut batch = Batch::new(at, Vec::new())?;
        let mut waiting = lock(&self.waiting);
        let mut chains = HashSet::new();
        let fits = |event: &&Event| {
            chains.insert(event.link().0);
            chains.len() <= CHAINS
        };
        let count = waiting.events.iter().take(BATCH).take_while(fits).count();
        batch.events.extend(waiting.events.drain(..count));
        let (uses, lost) = waiting.take_lost();
        drop(waiting);
        batch.uses = uses;
        if let Some(lost) = lost {
            tracing::warn!(count = lost.count, "events of access were not kept: too many waited to be written");
            batch.events.push(Event::Gap(Gap::Full(lost)));
        }
        Ok((!batch.events.is_empty()).then_some(batch))
    }
}

impl Core {
    /// Writes the events of access that wait: of what was counted by the minute, the minutes that are over. If it fails, or the caller
    /// goes away, they go on waiting, and none is written twice.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`].
    pub async fn flush_access_log(self: &Arc<Self>, now: Time) -> Result<(), Error> {
        if !self.access_log.is_open.load(Ordering::SeqCst) {
            // It was started on a database that was shut.
            self.open_access_log(now).await?;
        }
        if self.has_one_gone() {
            self.tell_of_unclean_ends(now).await.inspect_err(|_| self.one_has_gone())?;
        }
        self.access_log.gather(Some(now));
        self.write_access_events(now).await
    }

    /// How many events of access wait to be written.
    #[must_use]
    pub fn access_events_waiting(&self) -> usize {
        self.access_log.len()
    }

    /// Writes all events of access and takes the mark away which says that there may be more. To be called when nothing is exchanged
    /// any more.
    ///
    /// # Errors
    /// As [`Core::flush_access_log`]; then the next start tells of a gap.
    pub async fn close_access_log(self: &Arc<Self>, now: Time) -> Result<(), Error> {
        self.access_log.gather(None);
        self.write_access_events(now).await?;
        if self.access_log.is_open.load(Ordering::SeqCst) {
            let mark = settings::open_log(self.access_log.process);
            self.db.write(move |tx| Box::pin(async move { settings::delete(tx, &mark).await.map_err(Error::from) })).await?;
            self.access_log.is_open.store(false, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Leaves the mark which says that events are kept in memory. Where another process has left one and is gone, its last events
    /// may be missing, and the log tells so.
    pub(crate) async fn open_access_log(&self, now: Time) -> Result<(), Error> {
        self.tell_of_unclean_ends(now).await?;
        let mark = settings::open_log(self.access_log.process);
        self.db.write(move |tx| Box::pin(async move { settings::insert(tx, &mark, &now.to_string()).await.map_err(Error::from) })).await?;
        self.access_log.written_until.store(now.as_millis(), Ordering::SeqCst);
        self.access_log.is_open.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Tells in the log of processes that are gone and have left their marks.
    pub(crate) async fn tell_of_unclean_ends(&self, now: Time) -> Result<(), Error> {
        let told = self.db.write(move |tx| {
            Box::pin(async move {
                // Whoever has no row is gone. A process that has its database alone finds none at all.
                let there: Vec<String> = Self::processes(tx).await?.into_iter().map(settings::open_log).collect();
                let mut left = settings::list_open_logs(tx).await?;
                left.retain(|(name, _)| !there.contains(name));
                if let Some(since) = left.iter().map(|(_, written)| written.parse().unwrap_or(now)).min() {
                    Batch::new(now, vec![Event::Gap(Gap::UncleanEnd { since, until: now })])?.write(tx).await?;
                }
                for (name, _) in &left {
                    settings::delete(tx, name).await?;
                }
                Ok::<_, Error>(left.len())
            })
        });
        if told.await?.value > 0 {
            tracing::warn!("a process did not end in good order: its last events of access may be missing");
        }
        Ok(())
    }

    async fn write_access_events(self: &Arc<Self>, now: Time) -> Result<(), Error> {
        let mut writing = self.access_log.writing.lock().await;
        // What comes in meanwhile is for the next time.
        let mut left = lock(&self.access_log.waiting).events.len() + writing.as_ref().map_or(0, |batch| batch.taken());
        loop {
            if writing.is_none() {
                *writing = self.access_log.next_batch(now)?.map(Arc::new);
            }
            let Some(batch) = writing.as_ref().map(Arc::clone) else {
                break;
            };
            left = left.saturating_sub(batch.taken());
            let (core, mark) = (Arc::clone(self), settings::open_log(self.access_log.process));
            let write = self.db.write(move |tx| {
                Box::pin(async move {
                    if batch.write(tx).await? {
                        core.add_usage(tx, &batch.usage()).await?;
                    }
                    // Up to here nothing is missing.
                    settings::update(tx, &mark, &batch.at.to_string()).await?;
                    Ok::<_, Error>(())
                })
            });
            write.await?;
            *writing = None;
            if left == 0 && lock(&self.access_log.waiting).uses.is_empty() {
                break;
            }
        }
        self.access_log.written_until.fetch_max(now.as_millis(), Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Context,
        access_log::{Known, USES, Use},
    };
    use std::time::Duration;

    fn key(number: u128) -> Use {
        let of = Known { actor_kind: "key", actor_id: Uuid::from_u128(number), email: String::new(), root_id: NIL.into(), version: Some(1) };
        Use { of: Arc::new(of), organization_id: NIL.into(), revision: 1 }
    }

    const NIL: Uuid = Uuid::nil();

    /// Reddens when a batch has no bound in chains, or the bound loses or reorders events.
    #[test]
    fn a_batch_has_a_bound_in_chains_too() {
        let log = AccessLog::new(1_000, Uuid::nil());
        let ctx = Context::system(Time::from_seconds(1)).unwrap();
        for number in 0..500 {
            let root_id = Uuid::from_u128(number % 250).into();
            let of = Arc::new(Known { actor_kind: "key", actor_id: Uuid::nil(), email: number.to_string(), root_id, version: None });
            log.exchanged(&ctx, Some(Use { of, organization_id: root_id, revision: 1 }), None);
        }
        let (mut sizes, mut told) = (Vec::new(), Vec::new());
        while let Some(batch) = log.next_batch(ctx.now).unwrap() {
            sizes.push(batch.len());
            told.extend(batch.events.iter().map(|event| event.kind(0).subject.into_owned()));
        }
        assert_eq!(sizes, [100; 5]);
        assert_eq!(told, (0..500).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    /// Reddens when what is kept of lost events has no bound, or what is kept is not counted on; and when a batch takes along more than
    /// fits in it, or takes it without a gap.
    #[test]
    fn lost_uses_have_a_bound_and_come_with_a_gap() {
        let log = AccessLog::new(0, Uuid::nil());
        let beyond = 50;
        for round in 0..2 {
            for number in 0..USES + beyond {
                let ctx = Context::system(Time::from_seconds(1).plus(Duration::from_millis(round))).unwrap();
                log.exchanged(&ctx, Some(key(number as u128)), None);
            }
        }
        let (mut uses, mut lost) = (0, 0);
        while let Some(batch) = log.next_batch(Time::from_seconds(2)).unwrap() {
            assert!(batch.uses.len() <= BATCH && batch.uses.values().all(|uses| uses.count() == 2));
            let [Event::Gap(Gap::Full(gap))] = batch.events.as_slice() else { panic!("a gap with each") };
            uses += batch.uses.len();
            lost += gap.count;
        }
        assert_eq!((uses, lost), (USES, 2 * (USES + beyond) as u64));
    }
}
