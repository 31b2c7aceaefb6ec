//! Who follows the feed, and how far each of them says that he is.

use super::lock;
use crate::{Core, Error, chance};
use keywright_protocol::{Position, Time};
use keywright_store::verifiers::{self, VerifierRow};
use std::{collections::HashMap, sync::Mutex, time::Duration};
use uuid::Uuid;

/// Streams at the same time; each is a connection.
const MOST: usize = 4_096;
/// Of these from one address.
const MOST_OF_ADDRESS: usize = 1_024;
/// Confirmations that wait to be written: of a second, or longer while the database cannot be. More are heard and not written.
const MOST_WAITING: usize = 2_000;
/// Whoever is there for a shorter time, and confirms nothing, was never there.
const WORTH_NOTING: Duration = Duration::from_secs(10);
/// How often it is noted that those who are there are there.
pub(super) const NOTED_EVERY: Duration = Duration::from_secs(15);
/// How long it is known who was there, and what he confirmed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a verifier says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Made by it at its start.
    pub instance: Uuid,
    /// Its name.
    pub name: String,
    /// Its program and version.
    pub version: String,
    /// After how many milliseconds without news it refuses; `None`: it accepts until the tokens' end.
    pub max_age: Option<i64>,
}

#[derive(Default)]
pub(super) struct Readers {
    /// By the streams' names, which only their readers know.
    there: Mutex<HashMap<String, Reader>>,
    waiting: Mutex<Waiting>,
}

struct Reader {
    row: VerifierRow,
    applied: Option<Position>,
    came_at: Time,
    noted_at: Time,
}

impl Reader {
    fn is_worth_noting(&self, now: Time) -> bool {
        self.applied.is_some() || self.came_at.plus(WORTH_NOTING) <= now
    }
}

#[derive(Default)]
struct Waiting {
    /// Those who have left, as they were.
    left: Vec<VerifierRow>,
    confirmed: Vec<(VerifierRow, Position, Time)>,
}

/// A verifier that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    pub(super) row: VerifierRow,
    pub(super) applied: Option<Position>,
}

impl Readers {
    pub(super) fn there(&self) -> Vec<There> {
        lock(&self.there).values().map(|reader| There { row: reader.row.clone(), applied: reader.applied }).collect()
    }

    /// What was confirmed and is not written yet.
    pub(super) fn waiting(&self) -> Vec<(Uuid, Position, Time)> {
        lock(&self.waiting).confirmed.iter().map(|(row, position, at)| (row.id, *position, *at)).collect()
    }
}

impl Core {
    /// A verifier begins to follow the feed. Answers its stream's name, which it says when it reports.
    ///
    /// # Errors
    /// [`Error::Crowded`] when there are too many.
    pub fn open_status_stream(&self, who: Introduction, address: String) -> Result<String, Error> {
        let (stream, now) = (chance::text()?, self.clock.now());
        let mut there = lock(&self.status.readers.there);
        let of_address = there.values().filter(|reader| reader.row.address == address).count();
        if there.len() >= MOST || of_address >= MOST_OF_ADDRESS {
            return Err(Error::Crowded);
        }
        let Introduction { instance, name, version, max_age } = who;
        let row = VerifierRow { id: instance, name, version, address, max_age, seen_at: now };
        there.insert(stream.clone(), Reader { row, applied: None, came_at: now, noted_at: Time::from_millis(0) });
        Ok(stream)
    }

    /// News were sent on a stream.
    pub fn sent_status_news(&self, stream: &str) {
        let now = self.clock.now();
        if let Some(reader) = lock(&self.status.readers.there).get_mut(stream) {
            reader.row.seen_at = now;
        }
    }

    /// A stream has ended.
    pub fn close_status_stream(&self, stream: &str) {
        let now = self.clock.now();
        if let Some(reader) = lock(&self.status.readers.there).remove(stream).filter(|reader| reader.is_worth_noting(now)) {
            let mut waiting = lock(&self.status.readers.waiting);
            if waiting.left.len() < MOST_WAITING {
                waiting.left.push(reader.row);
            }
        }
    }

    /// Whoever reads a stream has applied everything up to a position.
    ///
    /// # Errors
    /// [`Error::Absent`] for a stream that is not there, [`Error::Invalid`] for a position that was never sent.
    pub fn confirm_status(&self, stream: &str, position: Position) -> Result<(), Error> {
        let now = self.clock.now();
        let reached = self.status.state().applied;
        let mut there = lock(&self.status.readers.there);
        let reader = there.get_mut(stream).ok_or(Error::Absent("there is no such stream any more; open another one and report its name"))?;
        if position > reached || position.history != reached.history {
            return Err(Error::Invalid { field: "position", reason: format!("must be one that was sent; this server has come to {reached}") });
        }
        if reader.applied.is_none_or(|applied| applied < position) {
            reader.applied = Some(position);
            let mut waiting = lock(&self.status.readers.waiting);
            if waiting.confirmed.len() < MOST_WAITING {
                waiting.confirmed.push((reader.row.clone(), position, now));
            }
        }
        Ok(())
    }

    /// How many verifiers follow the feed here.
    #[must_use]
    pub fn count_status_streams(&self) -> usize {
        lock(&self.status.readers.there).len()
    }

    /// Writes down who is there and what was confirmed. To be called every second; most often there is nothing to do.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it is tried again the next time.
    pub async fn flush_status_readers(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let mut rows: Vec<VerifierRow> = Vec::new();
        for reader in lock(&self.status.readers.there).values_mut() {
            if reader.noted_at.plus(NOTED_EVERY) <= now && reader.is_worth_noting(now) {
                reader.noted_at = now;
                rows.push(reader.row.clone());
            }
        }
        let Waiting { left, confirmed } = std::mem::take(&mut *lock(&self.status.readers.waiting));
        if rows.is_empty() && left.is_empty() && confirmed.is_empty() {
            return Ok(());
        }
        rows.extend(left.iter().cloned());
        let (kept_left, kept) = (left, confirmed.clone());
        let written = self.db.write(move |tx| {
            Box::pin(async move {
                for row in rows {
                    verifiers::upsert(tx, &row).await?;
                }
                for (row, position, at) in confirmed {
                    verifiers::upsert(tx, &row).await?;
                    verifiers::confirm(tx, row.id, position, at).await?;
                }
                Ok::<_, Error>(())
            })
        });
        if let Err(error) = written.await {
            let mut waiting = lock(&self.status.readers.waiting);
            waiting.left.extend(kept_left);
            waiting.confirmed.extend(kept);
            return Err(error);
        }
        Ok(())
    }

    /// Forgets verifiers and confirmations of more than thirty days ago; answers how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prune_status_readers(&self, now: Time) -> Result<u64, Error> {
        let before = now.minus(KEPT);
        Ok(self.db.write(move |tx| Box::pin(async move { verifiers::delete_before(tx, before).await.map_err(Error::from) })).await?.value)
    }
}
