//! What is tried again until it succeeds or is given up: the pauses between attempts, and what is kept of a failure.

use std::time::Duration;

/// Between the first attempt and the second; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Between any two attempts, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Characters of a reason that are kept.
const KEPT_OF_FAILURE: usize = 300;

/// How long is waited after an attempt, by its number.
pub(crate) fn pause_after(attempt: i64) -> Duration {
    let doubled = u32::try_from(attempt.saturating_sub(1)).ok().and_then(|times| 2_u32.checked_pow(times));
    doubled.and_then(|factor| FIRST_PAUSE.checked_mul(factor)).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

/// A reason as it is kept: of one line, not too long, and without a secret, should the other side have quoted it.
pub(crate) fn kept(reason: &str, secret: &str) -> String {
    let reason = if secret.is_empty() { reason.to_owned() } else { reason.replace(secret, "...") };
    reason.chars().map(|character| if character.is_control() { ' ' } else { character }).take(KEPT_OF_FAILURE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let minutes: Vec<u64> = [1, 2, 3, 6, 7, 8, 40, i64::MAX].map(|attempt| pause_after(attempt).as_secs() / 60).into();
        assert_eq!(minutes, [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn a_reason_quotes_no_secret_and_stays_a_line() {
        assert_eq!(kept("554 5.7.1 no: \"token abc\"\r\nbye", "abc"), "554 5.7.1 no: \"token ...\"  bye");
        assert_eq!(kept(&"x".repeat(1_000), "").len(), KEPT_OF_FAILURE);
    }
}
