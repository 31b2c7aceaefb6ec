//! For processes that know their issuer by its URL alone: whether they have heard enough of it to decide about tokens.

use keywright_verify::{Config, HttpSource, Source as _, StatusPolicy, Time};

/// Why tokens cannot be judged at a moment, in a sentence that says what to do; `None` if they can. `verifiers` are what all that ask the
/// source insist on.
pub fn obstacle<'v>(source: &HttpSource, mut verifiers: impl Iterator<Item = &'v Config>, issuer: &str, now: Time) -> Option<String> {
    if source.snapshot().is_none() {
        return Some(format!("the keys of the issuer {issuer} cannot be fetched; see whether this process reaches that URL"));
    }
    let as_of = Time::from_millis(source.status().as_of());
    let is_stale = |config: &Config| match config.status {
        StatusPolicy::Strict { max_age } => as_of.plus(max_age) < now,
        StatusPolicy::Lenient | StatusPolicy::Ignore => false,
    };
    let stale = || format!("nothing has been heard of the issuer {issuer} for too long; see whether this process reaches that URL");
    verifiers.any(is_stale).then(stale)
}
