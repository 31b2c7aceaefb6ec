//! Times as people type them.

use keywright_protocol::Time;
use std::{str::FromStr, time::Duration};

/// A time, or how far it is from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// That time.
    At(Time),
    /// So long before or after now, as the option says.
    Away(Duration),
}

impl When {
    pub(super) fn before(self, now: Time) -> Time {
        match self {
            Self::At(time) => time,
            Self::Away(away) => now.minus(away),
        }
    }

    pub(super) fn after(self, now: Time) -> Time {
        match self {
            Self::At(time) => time,
            Self::Away(away) => now.plus(away),
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be a time such as 2026-12-31T23:59:59Z, or a number with s, m, h or d, such as 90d";
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        let unit = text.chars().last().ok_or(WRONG)?;
        let seconds: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(WRONG),
        };
        let count: u64 = text.strip_suffix(unit).and_then(|count| count.parse().ok()).ok_or(WRONG)?;
        count.checked_mul(seconds).map(|seconds| Self::Away(Duration::from_secs(seconds))).ok_or(WRONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let now = Time::from_seconds(1_000_000);
        assert_eq!("15m".parse::<When>().unwrap().before(now), Time::from_seconds(999_100));
        assert_eq!("90d".parse::<When>().unwrap().after(now), Time::from_seconds(1_000_000 + 90 * 86_400));
        assert_eq!("1970-01-01T00:00:07Z".parse(), Ok(When::At(Time::from_seconds(7))));
        for bad in ["", "d", "yesterday", "1y", "-3h", "1hh", "99999999999999999999s", "999999999999999999d"] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }
}
