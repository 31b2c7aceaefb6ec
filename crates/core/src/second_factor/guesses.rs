//! How often a wrong code may be given for one account, over all addresses, servers and restarts: a token bucket that stands in the
//! database. Whoever pays here knows the password already, so that it locks nobody out whose password only he knows
//! (`docs/decisions/0024-second-factor.md` has the arithmetic).

use crate::limits::{Allowance, Policy};
use keywright_protocol::Time;
use std::time::Duration;

/// Wrong codes at once.
pub const AT_ONCE: u32 = 10;
/// In this time one of them comes back.
pub const ONE_COMES_BACK_IN: Duration = Duration::from_secs(6 * 60 * 60);
const ALL_COME_BACK_IN: Duration = Duration::from_secs(60 * 60 * 60);

/// What a wrong code costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// When all guesses will have come back afterwards.
    pub(super) back_at: Time,
    /// How many are left then.
    pub(super) left: Left,
}

/// Whether another wrong code could be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Some,
    None,
}

/// What the next wrong code costs; a limit if there is none left. `back_at` is when all will have come back.
pub(super) fn cost(back_at: Time, now: Time) -> Result<Cost, Allowance> {
    let full_at = now.plus(ALL_COME_BACK_IN);
    let next = back_at.max(now).plus(ONE_COMES_BACK_IN);
    if next > full_at {
        let wait = next.as_millis().saturating_sub(full_at.as_millis());
        let wait = u64::try_from(wait).unwrap_or_default().div_ceil(1000);
        return Err(Allowance { policy: Policy::SecondFactor, quota: AT_ONCE, window: ALL_COME_BACK_IN.as_secs(), left: 0, wait });
    }
    let left = if next.plus(ONE_COMES_BACK_IN) > full_at { Left::None } else { Left::Some };
    Ok(Cost { back_at: next, left })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reddens when more than ten are taken at once, or one comes back sooner.
    #[test]
    fn ten_at_once_and_one_in_six_hours() {
        let mut now = Time::from_seconds(1_800_000_000);
        let mut back_at = Time::from_seconds(0);
        for number in 1..=10 {
            let cost = cost(back_at, now).unwrap();
            assert_eq!(cost.left, if number == 10 { Left::None } else { Left::Some }, "{number}");
            back_at = cost.back_at;
        }
        assert_eq!(cost(back_at, now).unwrap_err().wait, 6 * 60 * 60);
        now = now.plus(ONE_COMES_BACK_IN.saturating_sub(Duration::from_millis(1)));
        assert_eq!(cost(back_at, now).unwrap_err().wait, 1);
        now = now.plus(Duration::from_millis(1));
        back_at = cost(back_at, now).unwrap().back_at;
        assert!(cost(back_at, now).is_err(), "one");
        now = now.plus(Duration::from_secs(365 * 24 * 60 * 60));
        let taken = (0..20).filter(|_| {
            cost(back_at, now).is_ok_and(|cost| {
                back_at = cost.back_at;
                true
            })
        });
        assert_eq!(taken.count(), 10, "no more are saved up");
        assert_eq!(u64::from(AT_ONCE) * ONE_COMES_BACK_IN.as_secs(), ALL_COME_BACK_IN.as_secs());
    }
}
