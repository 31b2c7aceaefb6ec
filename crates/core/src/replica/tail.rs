//! What a replica knows of the last changes, in case a failover loses them.

use crate::{
    Error,
    recovery::{Section, State, recent},
};
use keywright_db::Tx;
use keywright_protocol::{Position, Time};
use keywright_store::changes::Change;
use std::{collections::VecDeque, time::Duration};

/// What was changed longer ago is on every server that may be promoted, or its loss is a matter for people.
pub(super) const KEPT: Duration = Duration::from_secs(10 * 60);
/// What all that is kept weighs at most ([`weight`]): some ten megabytes.
const WEIGHT: usize = 200_000;
/// States that are not read by then are too many: a lease is to be renewed meanwhile, and somebody waits for an answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// What was taken away in the last minutes: nothing is missing in it between its two ends.
pub(super) struct Tail {
    now: Stretch,
    /// The last one of another history.
    before: Option<Stretch>,
    /// The history that was loaded first: of earlier ones this process has never known anything, and has never changed anything in them.
    first: i64,
}

struct Stretch {
    from: Position,
    to: Position,
    /// With the steady time at which each was read.
    sections: VecDeque<(Duration, Section)>,
    weight: usize,
    /// When this was last known to be all.
    seen: Duration,
}

impl Tail {
    pub(super) const fn new(position: Position, at: Duration) -> Self {
        Self { now: Stretch::new(position, at), before: None, first: position.history }
    }

    /// Goes on up to a position.
    pub(super) fn push(&mut self, to: Position, read: Recent, at: Duration) {
        match read {
            Recent::TooMuch => self.now = Stretch::new(to, at),
            Recent::Nothing => self.now.push(to, None, at),
            Recent::Section(section) => self.now.push(to, Some(section), at),
        }
    }

    /// Everything is loaded anew: what came between is not known. What was known of another history may be asked for still.
    pub(super) fn begin_anew(&mut self, position: Position, at: Duration) {
        let old = std::mem::replace(&mut self.now, Stretch::new(position, at));
        if old.to.history != position.history {
            self.before = Some(old);
        }
    }

    /// What was taken away behind a position in its history, `None` if nothing was changed there at all.
    pub(super) fn behind(&self, position: Position, now: Duration) -> Result<Option<Vec<Section>>, NotKnown> {
        let mut stretches = [Some(&self.now), self.before.as_ref()].into_iter().flatten();
        if position.history < self.first {
            return Ok(None);
        }
        let is_known = |stretch: &&Stretch| stretch.to.history == position.history && stretch.from <= position && now <= stretch.seen + KEPT;
        let stretch = stretches.find(is_known).ok_or(NotKnown)?;
        let sections = stretch.sections.iter().map(|(_, section)| section).filter(|section| position < section.to);
        Ok((position < stretch.to).then(|| sections.cloned().collect()))
    }
}

impl Recent {
    /// What is to be kept of lines that lead from one position to the next.
    pub(crate) async fn read(tx: &mut Tx, (from, to): (Position, Position), lines: &[Change], now: Time) -> Result<Self, Error> {
        if lines.is_empty() {
            return Ok(Self::Nothing);
        }
        // Whoever changed something waits for this. If it is late, nothing else is asked of the transaction.
        let Ok(read) = tokio::time::timeout(PATIENCE, recent(tx, (from, to), lines, now)).await else { return Ok(Self::TooMuch) };
        Ok(match read? {
            Some(section) if weight(&section) <= WEIGHT / 4 => Self::Section(section),
            Some(_) | None => Self::TooMuch,
        })
    }
}

/// How many ids, roles, versions and the like there are in a section, each of some dozen bytes.
fn weight(section: &Section) -> usize {
    let of = |state: &State| match state {
        State::Key(key) => key.roles.iter().map(|grant| grant.roles.len() + 1).sum::<usize>() + key.versions.len(),
        State::User(user) => user.memberships.iter().map(|membership| membership.roles.len() + 3).sum(),
        State::Organization(place) => place.keys.len() + place.roles.iter().flatten().map(|role| role.permissions.len() + 1).sum::<usize>(),
        State::Catalog { document } => {
            document.apis.values().map(|api| api.permissions.len() + 1).sum::<usize>()
                + document.roles.values().map(|role| role.permissions.len() + 1).sum::<usize>()
        }
        State::SigningKeys { kids } => kids.len(),
    };
    section.ended.len() + section.states.iter().map(|state| of(state) + 8).sum::<usize>()
}

/// What was read of the log of changes.
#[derive(Debug)]
pub(crate) enum Recent {
    /// Nothing was taken away.
    Nothing,
    /// This was.
    Section(Section),
    /// More was touched than a replica keeps.
    TooMuch,
}

/// Part of it was never seen, or is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotKnown;

impl Stretch {
    const fn new(position: Position, at: Duration) -> Self {
        Self { from: position, to: position, sections: VecDeque::new(), weight: 0, seen: at }
    }

    fn push(&mut self, to: Position, section: Option<Section>, at: Duration) {
        (self.to, self.seen) = (to, at);
        if let Some(section) = section {
            self.weight += weight(&section);
            self.sections.push_back((at, section));
        }
        while let Some((read_at, section)) = self.sections.front()
            && (self.weight > WEIGHT || *read_at + KEPT < at)
        {
            self.from = section.to;
            self.weight = self.weight.saturating_sub(weight(section));
            self.sections.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(history: i64, n: i64) -> Position {
        Position { history, n }
    }

    fn section(from: i64, to: i64, states: usize) -> Recent {
        let states = (0..states).map(|_| State::SigningKeys { kids: Vec::new() }).collect();
        Recent::Section(Section { issuer: String::new(), from: at(1, from), to: at(1, to), at: Time::from_millis(0), ended: Vec::new(), states })
    }

    fn known(tail: &Tail, position: Position) -> Result<Option<Vec<i64>>, NotKnown> {
        tail.behind(position, Duration::from_secs(1) + KEPT).map(|lost| lost.map(|sections| sections.iter().map(|section| section.to.n).collect()))
    }

    /// Reddens when a gap is not one: a reload, a change that was too much, or what was forgotten.
    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        let second = Duration::from_secs(1);
        let mut tail = Tail::new(at(1, 5), second);
        assert_eq!((known(&tail, at(1, 4)), known(&tail, at(1, 5))), (Err(NotKnown), Ok(None)));
        tail.push(at(1, 6), section(5, 6, 1), second);
        tail.push(at(1, 8), Recent::Nothing, second);
        tail.push(at(1, 9), section(8, 9, 1), second);
        assert_eq!(known(&tail, at(1, 5)), Ok(Some(vec![6, 9])));
        assert_eq!(known(&tail, at(1, 6)), Ok(Some(vec![9])));
        assert_eq!(known(&tail, at(1, 9)), Ok(None));
        assert_eq!(known(&tail, at(2, 9)), Err(NotKnown));
        // Old ones are forgotten, and then nothing is said of before.
        tail.push(at(1, 10), Recent::Nothing, second + KEPT);
        assert_eq!(known(&tail, at(1, 5)), Ok(Some(vec![6, 9])), "not yet");
        tail.push(at(1, 11), Recent::Nothing, second + KEPT + Duration::from_nanos(1));
        assert_eq!((known(&tail, at(1, 8)), known(&tail, at(1, 9))), (Err(NotKnown), Ok(Some(vec![]))));
        tail.push(at(1, 12), Recent::TooMuch, second);
        assert_eq!((known(&tail, at(1, 11)), known(&tail, at(1, 12))), (Err(NotKnown), Ok(None)));
        tail.push(at(1, 13), section(12, 13, WEIGHT / 8), second);
        tail.push(at(1, 14), section(13, 14, 1), second);
        assert_eq!((known(&tail, at(1, 12)), known(&tail, at(1, 13))), (Err(NotKnown), Ok(Some(vec![14]))));
        // Another history: the one before is known still; a reload in the same one is a gap.
        tail.begin_anew(at(2, 14), second);
        assert_eq!((known(&tail, at(1, 13)), known(&tail, at(2, 14))), (Ok(Some(vec![14])), Ok(None)));
        tail.begin_anew(at(2, 20), second);
        assert_eq!((known(&tail, at(2, 14)), known(&tail, at(1, 13))), (Err(NotKnown), Ok(Some(vec![14]))));
        // Whoever was away for long knows nothing of what happened meanwhile.
        assert!(tail.behind(at(2, 20), second + KEPT).is_ok());
        assert!(tail.behind(at(2, 20), second + KEPT + Duration::from_nanos(1)).is_err());
    }
}
