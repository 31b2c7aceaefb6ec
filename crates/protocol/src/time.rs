//! Points in time, to the millisecond, and the one place where a clock is read.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

/// Milliseconds since 1970-01-01T00:00:00Z. On the wire an RFC 3339 text in UTC with three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch, as in a JWT's NumericDate.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: a JWT's NumericDate (RFC 7519, section 2).
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `duration`; the end of time where that would overflow.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Earlier by `duration`; the beginning of time where that would overflow.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time as in RFC 3339, for example 2026-12-31T23:59:59Z")]
pub struct NotATime;

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<jiff::Timestamp>().map(|at| Self(at.as_millisecond())).map_err(|_| NotATime)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Where "now" comes from. Two ways, hence an enum and no trait: the system's clock, and one that tests step.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's real-time clock.
    #[default]
    System,
    /// Stands still until it is moved. Milliseconds since the epoch.
    Stepped(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn stepped(now: Time) -> Self {
        Self::Stepped(Arc::new(AtomicI64::new(now.as_millis())))
    }

    /// The time at this moment.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Self::System => system_now(),
            Self::Stepped(at) => Time(at.load(Ordering::SeqCst)),
        }
    }

    /// Time since a moment that stays the same while the process runs. For distances alone: it never goes back, also when
    /// somebody sets the system's clock.
    #[must_use]
    pub fn steady(&self) -> Duration {
        match self {
            Self::System => system_steady(),
            Self::Stepped(at) => Duration::from_millis(u64::try_from(at.load(Ordering::SeqCst)).unwrap_or_default()),
        }
    }

    /// Moves a stepped clock; the system's clock is nobody's to move, there it does nothing.
    pub fn advance(&self, by: Duration) {
        if let Self::Stepped(at) = self {
            at.fetch_add(millis(by), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the clock")]
fn system_now() -> Time {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "the one home of the clock")]
fn system_steady() -> Duration {
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    let beginning = *BEGINNING;
    Instant::now().saturating_duration_since(beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_to_the_millisecond() {
        let time = Time::from_millis(1_700_000_000_120);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.120Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(time.as_seconds(), 1_700_000_000);
        assert_eq!("yesterday".parse::<Time>(), Err(NotATime));
    }

    #[test]
    fn a_stepped_clock_moves_only_when_moved() {
        let clock = Clock::stepped(Time::from_seconds(10));
        assert_eq!(clock.now(), Time::from_seconds(10));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Time::from_seconds(15));
        assert_eq!(clock.steady(), Duration::from_secs(15));
        assert!(Clock::System.steady() <= Clock::System.steady());
    }
}
