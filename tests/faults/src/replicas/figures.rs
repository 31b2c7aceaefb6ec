//! One clock, percentiles for people to read, and how late the machine itself was.

use super::history::Nanos;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// The one steady clock of a drill.
#[derive(Clone, Copy)]
pub(crate) struct Timeline(Instant);

impl Timeline {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Nanos {
        nanos(self.0.elapsed())
    }
}

pub(crate) fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

/// What is between two moments of the timeline; nothing if they stand the other way round.
pub(crate) fn between(from: Nanos, to: Nanos) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}

/// p50, p99 and the largest, in milliseconds. They are printed and never asserted.
pub(crate) fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |hundredths: usize| {
        let index = times.len().saturating_sub(1) * hundredths / 100;
        times.get(index).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    format!("p50 {:.1}, p99 {:.1}, max {:.1} ms of {}", at(50), at(99), at(100), times.len())
}

/// How late this machine wakes up who wants to be woken: what a bound of time has to be given besides, on a machine that others use.
pub(crate) struct Stall {
    worst: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

const TICK: Duration = Duration::from_millis(2);

impl Stall {
    pub(crate) fn watch() -> Self {
        let worst = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&worst);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let before = Instant::now();
                tokio::time::sleep(TICK).await;
                seen.fetch_max(nanos(before.elapsed().saturating_sub(TICK)), Ordering::Relaxed);
            }
        });
        Self { worst, _task: task }
    }

    /// The worst since this was asked the last time.
    pub(crate) fn take(&self) -> Duration {
        Duration::from_nanos(self.worst.swap(0, Ordering::Relaxed))
    }
}

/// What becomes of a time that is over its bound. Acceptances have no such choice: none may come too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Bounds {
    /// The drill fails. For a machine that does nothing else.
    Asserted,
    /// It is told, for whoever reads it.
    Told,
}

/// From a question to its answer so many tasks have to be woken, each of them as late as the worst: the client's and the server's socket,
/// the server's timer or the database's answer by way of the proxy, and the client again.
const WAKES: u32 = 4;

/// What a published bound is given besides, for how late the machine was. On a quiet one that is some milliseconds.
pub(crate) fn margin(stall: Duration) -> Duration {
    stall * WAKES
}

/// Chance that can be had again by its seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below another one (xorshift64*); 0 below 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or_default();
        drawn.checked_rem(bound).unwrap_or_default()
    }

    /// A time between two.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = usize::try_from(most.saturating_sub(least).as_micros()).unwrap_or(usize::MAX);
        least + Duration::from_micros(u64::try_from(self.below(span)).unwrap_or_default())
    }

    /// One of them.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_none_and_of_many() {
        assert_eq!(percentiles(&mut []), "p50 0.0, p99 0.0, max 0.0 ms of 0");
        let mut many: Vec<Duration> = (1..=101).rev().map(Duration::from_millis).collect();
        assert_eq!(percentiles(&mut many), "p50 51.0, p99 100.0, max 101.0 ms of 101");
    }

    #[test]
    fn chance_stays_below_its_bound_and_comes_everywhere() {
        let mut dice = Dice::new(7);
        let drawn: std::collections::BTreeSet<usize> = (0..1_000).map(|_| dice.below(6)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.one_of::<u8>(&[]), None);
    }
}
