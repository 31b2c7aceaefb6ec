//! How often an issuer is asked, whoever sends what.

use std::time::Duration;
use tokio::time::Instant;

/// How long to wait between fetches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// After a success nothing is fetched for this long, whoever wants it.
    recent: Duration,
    /// The pause after the first failure; each further one doubles it.
    first_pause: Duration,
    /// The longest pause.
    longest_pause: Duration,
}

impl Rhythm {
    /// Of keys and catalog: anybody may send unknown key ids.
    pub(super) const DOCUMENTS: Self = Self { recent: Duration::from_secs(30), first_pause: Duration::from_secs(1), longest_pause: Duration::from_secs(30) };
    /// Of keys and catalog when the issuer itself says, or seems to say, that they are other ones.
    pub(super) const URGENT: Self = Self { recent: Duration::from_secs(1), first_pause: Duration::from_secs(1), longest_pause: Duration::from_secs(8) };
    /// Of lists and news: only tokens that the issuer signed ask for them.
    pub(super) const STATUS: Self = Self { recent: Duration::from_millis(250), first_pause: Duration::from_millis(250), longest_pause: Duration::from_secs(2) };
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Fetch.
    Fetch,
    /// Nothing: what is known is recent.
    Recent,
    /// Nothing: the last try failed a moment ago.
    Pause,
}

/// What is remembered of the tries so far.
#[derive(Debug)]
pub(super) struct Pace {
    rhythm: Rhythm,
    succeeded_at: Option<Instant>,
    /// Tries since the last success.
    failures: u32,
    retry_at: Option<Instant>,
}

impl Pace {
    pub(super) const fn new(rhythm: Rhythm) -> Self {
        Self { rhythm, succeeded_at: None, failures: 0, retry_at: None }
    }

    pub(super) fn turn(&self, now: Instant) -> Turn {
        if self.retry_at.is_some_and(|at| now < at) {
            Turn::Pause
        } else if self.failures == 0 && self.succeeded_at.is_some_and(|at| now < at + self.rhythm.recent) {
            Turn::Recent
        } else {
            Turn::Fetch
        }
    }

    /// A try counts as failed until it has succeeded, so that one whose caller went away counts too.
    pub(super) fn begin(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.fail(now);
    }

    pub(super) fn succeed(&mut self, now: Instant) {
        *self = Self { succeeded_at: Some(now), ..Self::new(self.rhythm) };
    }

    /// The try that was begun has failed. Answers when the next one may follow.
    pub(super) fn fail(&mut self, now: Instant) -> Instant {
        let doublings = self.failures.saturating_sub(1).min(5);
        let retry_at = now + (self.rhythm.first_pause * 2_u32.pow(doublings)).min(self.rhythm.longest_pause);
        self.retry_at = Some(retry_at);
        retry_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECENT: Duration = Rhythm::DOCUMENTS.recent;
    const FIRST_PAUSE: Duration = Rhythm::DOCUMENTS.first_pause;
    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn after_a_success_nothing_is_fetched_for_half_a_minute() {
        let start = Instant::now();
        let mut pace = Pace::new(Rhythm::DOCUMENTS);
        assert_eq!(pace.turn(start), Turn::Fetch);
        pace.begin(start);
        pace.succeed(start);
        assert_eq!(pace.turn(start + RECENT - MOMENT), Turn::Recent);
        assert_eq!(pace.turn(start + RECENT), Turn::Fetch);
    }

    #[test]
    fn pauses_after_failures_grow_from_one_second_to_thirty() {
        let mut now = Instant::now();
        let mut pace = Pace::new(Rhythm::DOCUMENTS);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            pace.begin(now);
            let retry_at = pace.fail(now);
            assert_eq!(retry_at, now + Duration::from_secs(seconds));
            assert_eq!(pace.turn(retry_at - MOMENT), Turn::Pause);
            assert_eq!(pace.turn(retry_at), Turn::Fetch);
            now = retry_at;
        }
        pace.begin(now);
        pace.succeed(now);
        now += RECENT;
        pace.begin(now);
        assert_eq!(pace.fail(now), now + FIRST_PAUSE);
    }

    #[test]
    fn a_try_that_nobody_finished_pauses_too() {
        let now = Instant::now();
        let mut pace = Pace::new(Rhythm::DOCUMENTS);
        pace.begin(now);
        assert_eq!(pace.turn(now), Turn::Pause);
    }
}
