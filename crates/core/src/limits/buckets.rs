//! Token buckets: the arithmetic is governor's (GCRA), the table is bounded.
//!
//! A bucket is named by a 128-bit number. One that is full is the same as one that is not there, so a table holds only those
//! that something was taken from lately. At the cap those go that were used least, and begin full again: whoever commands more
//! addresses than a table has room for is not slowed by a limit on each of them anyway, and nobody is locked out for his sake.

use governor::{
    Quota, RateLimiter,
    clock::Clock as GovernorClock,
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};
use keywright_protocol::Clock;
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};
use std::{
    hash::RandomState,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// How many, in which time, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back in a period; with 0 there is no limit.
    pub tokens: u32,
    /// The period.
    pub period: Duration,
    /// Tokens of a full bucket; with 0 there is no limit.
    pub burst: u32,
}

impl Rate {
    /// No limit.
    pub const OFF: Self = Self::per(Duration::from_secs(1), 0, 0);

    /// So many in a period, and so many at once.
    #[must_use]
    pub const fn per(period: Duration, tokens: u32, burst: u32) -> Self {
        Self { tokens, period, burst }
    }

    /// At most `count` in any hour: half of them at once, the others spread over the hour. 0 is no limit, 1 is taken for 2.
    #[must_use]
    pub const fn in_any_hour(count: u32) -> Self {
        let burst = count.div_ceil(2);
        let spread = if count == 1 { 1 } else { count - burst };
        Self::per(Duration::from_secs(60 * 60), spread, burst)
    }

    fn quota(&self) -> Option<Quota> {
        let interval = self.period.checked_div(self.tokens)?;
        Some(Quota::with_period(interval)?.allow_burst(NonZeroU32::new(self.burst)?))
    }
}

/// The state of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// Tokens of a full one.
    pub(super) burst: u32,
    /// Seconds in which an empty one becomes full, rounded up.
    pub(super) window: u64,
    /// Tokens that are left.
    pub(super) left: u32,
    /// Seconds until there is one again, rounded up; 0 while there is one.
    pub(super) wait: u64,
}

/// Buckets of one kind.
pub(super) struct Buckets {
    /// None: there is no limit.
    limiter: Option<Limiter>,
    quota: Option<Quota>,
    /// Seconds in which an empty bucket becomes full.
    window: u64,
    /// The time in which a token comes back.
    interval: Nanos,
    table: Table,
    /// How many replicas share the limit: each token costs as many here, so that all of them together give what one would.
    sharers: AtomicU32,
}

type Limiter = RateLimiter<Ask, Table, Steady, StateInformationMiddleware>;

impl Buckets {
    /// Full ones, with room for so many that are not.
    pub(super) fn new(rate: Rate, capacity: usize, clock: Clock) -> Self {
        let quota = rate.quota();
        let weight = u64::try_from(capacity).unwrap_or(u64::MAX);
        let table = Table(Arc::new(Cache::with(capacity, weight, UnitWeighter, RandomState::new(), DefaultLifecycle::default())));
        Self {
            window: quota.map(|quota| seconds_up(quota.burst_size_replenished_in())).unwrap_or_default(),
            interval: quota.map(|quota| quota.replenish_interval().into()).unwrap_or_default(),
            quota,
            limiter: quota.map(|quota| RateLimiter::new(quota, table.clone(), Steady(clock))),
            table,
            sharers: AtomicU32::new(1),
        }
    }

    /// From now on this limit is shared by so many.
    pub(super) fn share(&self, sharers: u32) {
        self.sharers.store(sharers.max(1), Ordering::Relaxed);
    }

    /// What a token costs: never more than a full bucket holds, so that there is always one.
    fn price(&self, quota: &Quota) -> NonZeroU32 {
        NonZeroU32::new(self.sharers.load(Ordering::Relaxed)).map_or(NonZeroU32::MIN, |sharers| sharers.min(quota.burst_size()))
    }

    /// Takes a token. `Ok(None)`: there is no limit.
    pub(super) fn take(&self, bucket: u128) -> Result<Option<Level>, Level> {
        self.ask(bucket, Mode::Take)
    }

    /// Whether there is a token, which stays where it is.
    pub(super) fn look(&self, bucket: u128) -> Result<Option<Level>, Level> {
        let level = self.ask(bucket, Mode::Look)?;
        // governor counts as if it had been taken.
        Ok(level.map(|level| Level { left: level.left + 1, ..level }))
    }

    fn ask(&self, bucket: u128, mode: Mode) -> Result<Option<Level>, Level> {
        let (Some(limiter), Some(quota)) = (&self.limiter, self.quota) else { return Ok(None) };
        let price = self.price(&quota);
        let level = |left: u32, wait| Level { burst: (quota.burst_size().get() / price).max(1), window: self.window, left: left / price, wait };
        match limiter.check_key_n(&Ask { bucket, mode }, price) {
            Ok(Ok(state)) => Ok(Some(level(state.remaining_burst_capacity(), 0))),
            Ok(Err(not_until)) => Err(level(0, seconds_up(not_until.wait_time_from(limiter.clock().now())).max(1))),
            // The price is no more than a full bucket.
            Err(_insufficient) => Err(level(0, self.window)),
        }
    }

    /// Puts a token back that was taken.
    pub(super) fn give_back(&self, bucket: u128) {
        let Some(quota) = &self.quota else { return };
        let price = u64::from(self.price(quota).get());
        let paid = Nanos::from(self.interval.as_u64().saturating_mul(price));
        // A bucket that was forgotten meanwhile is full.
        self.table.0.entry(&bucket, None, |_, full_at| {
            *full_at = full_at.saturating_sub(paid);
            EntryAction::Retain(())
        });
    }

    /// Forgets buckets that are full.
    pub(super) fn forget_full(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.table.0.len()
    }
}

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The server's clock as governor wants it: distances, since buckets must not stand still when the system's clock is set back.
struct Steady(Clock);

impl GovernorClock for Steady {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.steady()
    }
}

/// A bucket, and what is wanted of it. governor knows nothing but taking; so the table is told to forget what it must not keep.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Ask {
    bucket: u128,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Mode {
    Take,
    Look,
}

/// When each bucket that is not full will be. The hashes of its keys cannot be foreseen: there are addresses among them.
#[derive(Clone)]
struct Table(Arc<Cache<u128, Nanos, UnitWeighter, RandomState>>);

impl StateStore for Table {
    type Key = Ask;

    fn measure_and_replace<T, F, E>(&self, ask: &Ask, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        match ask.mode {
            Mode::Look => decide(self.0.get(&ask.bucket)).map(|(told, _)| told),
            Mode::Take => {
                let entry = self.0.entry(&ask.bucket, None, |_, full_at| {
                    let decided = decide(Some(*full_at)).map(|(told, next)| {
                        *full_at = next;
                        told
                    });
                    EntryAction::Retain(decided)
                });
                match entry {
                    EntryResult::Retained(decided) => decided,
                    EntryResult::Vacant(guard) => decide(None).map(|(told, next)| {
                        // It cannot be refused, unless the table was emptied this moment.
                        let _ = guard.insert(next);
                        told
                    }),
                    EntryResult::Removed(..) | EntryResult::Replaced(..) | EntryResult::Timeout => decide(None).map(|(told, _)| told),
                }
            }
        }
    }
}

impl ShrinkableKeyedStateStore<Ask> for Table {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain(|_, full_at| *full_at > drop_below);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_protocol::Time;

    fn buckets(rate: Rate, capacity: usize) -> (Buckets, Clock) {
        let clock = Clock::stepped(Time::from_seconds(1_000));
        (Buckets::new(rate, capacity, clock.clone()), clock)
    }

    const RATE: Rate = Rate::per(Duration::from_secs(60), 20, 3);

    /// Reddens when looking takes, when a token does not come back in time, or when more come back than there is room for.
    #[test]
    fn a_bucket_empties_and_fills() {
        let (buckets, clock) = buckets(RATE, 10);
        let level = |left, wait| Level { burst: 3, window: 9, left, wait };
        assert_eq!(buckets.look(1), Ok(Some(level(3, 0))));
        assert_eq!(buckets.len(), 0, "looking leaves nothing behind");
        for left in [2, 1, 0] {
            assert_eq!(buckets.take(1), Ok(Some(level(left, 0))));
        }
        assert_eq!((buckets.take(1), buckets.look(1)), (Err(level(0, 3)), Err(level(0, 3))));
        assert_eq!(buckets.take(2), Ok(Some(level(2, 0))), "another one");
        clock.advance(Duration::from_millis(1_999));
        assert_eq!(buckets.take(1), Err(level(0, 2)), "rounded up");
        clock.advance(Duration::from_millis(1_001));
        assert_eq!(buckets.look(1), Ok(Some(level(1, 0))));
        assert_eq!((buckets.take(1), buckets.take(1)), (Ok(Some(level(0, 0))), Err(level(0, 3))));
        clock.advance(Duration::from_secs(60 * 60));
        assert_eq!(buckets.look(1), Ok(Some(level(3, 0))), "never more than full");
    }

    #[test]
    fn a_token_that_is_given_back_can_be_taken_again() {
        let (buckets, _) = buckets(RATE, 10);
        for _ in 0..50 {
            buckets.take(1).unwrap();
            buckets.give_back(1);
        }
        assert_eq!(buckets.look(1).unwrap().unwrap().left, 3);
        buckets.give_back(1);
        buckets.give_back(2);
        assert_eq!([1, 2].map(|bucket| buckets.look(bucket).unwrap().unwrap().left), [3, 3], "never more than full");
    }

    /// Reddens when the table has no cap, when the cap refuses newcomers, or when a bucket in use goes before those of a flood.
    #[test]
    fn a_flood_of_buckets_fills_no_memory_and_locks_nobody_out() {
        let (buckets, clock) = buckets(RATE, 1_024);
        for flood in 0..100_000 {
            assert!(buckets.take(1_000_000 + flood).is_ok());
            if flood % 100 == 0 {
                let _ = buckets.take(1);
            }
        }
        assert!((512..=1_024).contains(&buckets.len()), "{}", buckets.len());
        assert!(buckets.take(1).is_err(), "one that is in use stays");
        clock.advance(Duration::from_secs(60));
        buckets.forget_full();
        assert_eq!(buckets.len(), 0);
    }

    /// Reddens when what is still being counted is forgotten.
    #[test]
    fn only_full_buckets_are_forgotten() {
        let (buckets, clock) = buckets(RATE, 10);
        assert!((0..3).all(|_| buckets.take(1).is_ok()));
        clock.advance(Duration::from_secs(5));
        buckets.forget_full();
        assert_eq!(buckets.look(1).unwrap().unwrap().left, 1);
    }

    #[test]
    fn at_most_so_many_in_any_hour() {
        for count in [2, 3, 30, 99, 100] {
            let (buckets, clock) = buckets(Rate::in_any_hour(count), 10);
            let mut taken = 0;
            for _ in 0..=36_000 {
                taken += u32::from(buckets.take(1).is_ok());
                clock.advance(Duration::from_millis(100));
            }
            assert_eq!(taken, count);
        }
        assert_eq!((Rate::in_any_hour(0).quota(), Rate::OFF.quota()), (None, None));
        assert!(Rate::in_any_hour(1).quota().is_some(), "1 does not switch it off");
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let (buckets, _) = buckets(Rate::OFF, 10);
        assert!((0..1_000).all(|_| buckets.take(1) == Ok(None) && buckets.look(1) == Ok(None)));
        buckets.give_back(1);
        buckets.forget_full();
        assert_eq!(buckets.len(), 0);
    }
}
