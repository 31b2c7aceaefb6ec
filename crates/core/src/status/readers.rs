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
/// Of those who have left, as many wait to be written down while the database cannot be written.
const MOST_LEFT: usize = 4_096;
/// What one verifier has confirmed and is not written yet; more is heard and not written.
const MOST_UNWRITTEN: usize = 1_000;
/// Whoever is there for a shorter time is not written down: anybody may come and say anything.
const WORTH_WRITING: Duration = Duration::from_secs(10);
/// How often it is written down that those who are there are there.
pub(super) const WRITTEN_EVERY: Duration = Duration::from_secs(15);
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
    /// Those who have left and are not written down yet.
    left: Mutex<Vec<Reader>>,
}

/// A verifier that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) row: VerifierRow,
    pub(super) applied: Option<Position>,
    came_at: Time,
    written_at: Time,
    /// What it has confirmed, and when, that is not in the database yet.
    pub(super) unwritten: Vec<(Position, Time)>,
}

impl Reader {
    fn is_worth_writing(&self, now: Time) -> bool {
        self.came_at.plus(WORTH_WRITING) <= now
    }
}

impl Readers {
    /// Who is there.
    pub(super) fn there(&self) -> Vec<Reader> {
        lock(&self.there).values().cloned().collect()
    }

    /// Who has left and is not in the database yet.
    pub(super) fn left(&self) -> Vec<Reader> {
        lock(&self.left).clone()
    }

    fn leave(&self, reader: Reader) {
        let mut left = lock(&self.left);
        if left.len() < MOST_LEFT {
            left.push(reader);
        }
    }

    /// What is to be written, with the names of the streams of those who are still there.
    fn take_unwritten(&self, now: Time) -> Vec<(Option<String>, Reader)> {
        let mut taken: Vec<_> = std::mem::take(&mut *lock(&self.left)).into_iter().map(|reader| (None, reader)).collect();
        for (stream, reader) in lock(&self.there).iter_mut().filter(|(_, reader)| reader.is_worth_writing(now)) {
            if !reader.unwritten.is_empty() || reader.written_at.plus(WRITTEN_EVERY) <= now {
                reader.written_at = now;
                taken.push((Some(stream.clone()), Reader { unwritten: std::mem::take(&mut reader.unwritten), ..reader.clone() }));
            }
        }
        taken
    }

    /// It could not be written.
    fn give_back(&self, taken: Vec<(Option<String>, Reader)>) {
        let mut there = lock(&self.there);
        for (stream, mut reader) in taken {
            match stream.and_then(|stream| there.get_mut(&stream)) {
                Some(present) => {
                    reader.unwritten.append(&mut present.unwritten);
                    (present.unwritten, present.written_at) = (reader.unwritten, Time::from_millis(0));
                }
                None => self.leave(reader),
            }
        }
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
        let row = VerifierRow { id: instance, name, version, address, max_age, seen_at: now, came_at: Some(now) };
        there.insert(stream.clone(), Reader { row, applied: None, came_at: now, written_at: Time::from_millis(0), unwritten: Vec::new() });
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
        let gone = lock(&self.status.readers.there).remove(stream);
        if let Some(reader) = gone.filter(|reader| reader.is_worth_writing(now)) {
            self.status.readers.leave(reader);
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
        let before = reader.applied;
        if before.is_none_or(|before| before < position) {
            reader.applied = Some(position);
            // What took nothing back needs no receipt.
            if before.is_none_or(|before| self.status.ended_between(before, position)) && reader.unwritten.len() < MOST_UNWRITTEN {
                reader.unwritten.push((position, now));
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
        let taken = self.status.readers.take_unwritten(self.clock.now());
        if taken.is_empty() {
            return Ok(());
        }
        let readers: Vec<Reader> = taken.iter().map(|(_, reader)| reader.clone()).collect();
        let written = self.db.write(move |tx| {
            Box::pin(async move {
                for Reader { row, unwritten, .. } in readers {
                    verifiers::upsert(tx, &row).await?;
                    for (position, at) in unwritten {
                        verifiers::confirm(tx, row.id, position, at).await?;
                    }
                }
                Ok::<_, Error>(())
            })
        });
        if let Err(error) = written.await {
            self.status.readers.give_back(taken);
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
