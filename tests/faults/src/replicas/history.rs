//! What was asked of the replicas and what they answered, with times of one steady clock; and what stood there in the end.

use keywright_protocol::Position;
use std::fmt;

/// Nanoseconds since the drill began, by its own clock.
pub(crate) type Nanos = u64;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Act {
    /// A key was made. It may do much.
    Issue,
    /// A key for a token.
    Exchange,
    /// Whether the token of an earlier exchange is good; its number in the history.
    Introspect(usize),
    /// The key is deleted, which may be repeated.
    Revoke,
    /// A role is taken away from the key.
    Narrow,
    /// The role is given back.
    Widen,
}

/// How much a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// With the role that is taken away and given back.
    Wide,
    /// Without it.
    Narrow,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// 2xx, and of an introspection `active: true`. Of an exchange, what the token may do.
    Accepted(Reach),
    /// 401, and of an introspection `active: false`.
    Refused,
    /// 503.
    Unavailable,
    /// No answer came: the connection was cut, or it took too long.
    Unsure,
    /// Another status, which nobody may get who asks for what he may.
    Other(u16),
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Which key.
    pub(crate) key: usize,
    /// What.
    pub(crate) act: Act,
    /// Whom.
    pub(crate) replica: usize,
    /// Before it was sent.
    pub(crate) started: Nanos,
    /// After it was answered, or given up.
    pub(crate) ended: Nanos,
    /// The answer.
    pub(crate) outcome: Outcome,
    /// As in `Keywright-Revision`.
    pub(crate) revision: Option<Position>,
}

impl Operation {
    /// Whether it changes something.
    pub(crate) const fn is_write(&self) -> bool {
        match self.act {
            Act::Issue | Act::Revoke | Act::Narrow | Act::Widen => true,
            Act::Exchange | Act::Introspect(_) => false,
        }
    }

    /// Whether it was answered that it is done.
    pub(crate) const fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted(_))
    }

    /// The last moment at which it may have taken effect: what was not answered may do so for ever after.
    pub(crate) const fn effective_by(&self) -> Nanos {
        match self.outcome {
            Outcome::Accepted(_) | Outcome::Refused | Outcome::Other(_) => self.ended,
            Outcome::Unavailable | Outcome::Unsure => Nanos::MAX,
        }
    }

    /// Whether it may have taken effect at all.
    pub(crate) const fn may_be_done(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted(_) | Outcome::Unavailable | Outcome::Unsure)
    }

    /// Whether its effect may have come after that of another one.
    pub(crate) fn may_follow(&self, other: &Self) -> bool {
        match (self.revision, other.revision) {
            (Some(mine), Some(others)) => others < mine,
            (None, _) | (_, None) => other.started < self.effective_by(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, act, replica, started, ended, outcome, revision } = self;
        let milliseconds = |nanos: &Nanos| std::time::Duration::from_nanos(*nanos).as_secs_f64() * 1000.0;
        write!(f, "{act:?} of key {key} at replica {replica}, {:.3} to {:.3} ms: {outcome:?}", milliseconds(started), milliseconds(ended))?;
        revision.map_or(Ok(()), |revision| write!(f, ", revision {revision}"))
    }
}

/// What is to be seen of a key when all is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is not there.
    Absent,
    /// It may be exchanged.
    Active(Reach),
    /// It is revoked.
    Revoked,
}

/// The end of a key, as told by the API and as it stands in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) api: State,
    pub(crate) database: State,
}

/// All of it. A key's number is its place in `ends`.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) operations: Vec<Operation>,
    pub(crate) ends: Vec<End>,
}
