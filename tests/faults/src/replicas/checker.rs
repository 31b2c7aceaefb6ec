//! Whether a history keeps the contract. Pure: it is given what happened and says what must not have.
//!
//! What it holds against the replicas, each key for itself:
//! nothing is accepted that was asked for after a revocation was acknowledged; what was acknowledged is there in the end; nobody is refused
//! because of an outage. A revocation that was not acknowledged may have taken effect, and may still do so later.

use super::history::{Act, End, History, Nanos, Operation, Outcome, Reach, State};
use keywright_protocol::Position;
use std::fmt;

/// What must not have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// It was asked for after the revocation was acknowledged, and accepted.
    AcceptedAfterRevocation { accepted: Operation, revocation: Operation },
    /// A token with a role was accepted, or given, after it was acknowledged that the role is taken away.
    AcceptedAfterNarrowing { accepted: Operation, narrowing: Operation },
    /// A token lacks a role although it was acknowledged before that it is given back.
    RefusedAfterWidening { token: Operation, widening: Operation },
    /// Refused although nobody had begun to take anything back.
    RefusedWithoutCause { refused: Operation },
    /// An answer that is neither yes nor no nor 503.
    UnexpectedAnswer { operation: Operation },
    /// An acknowledged write is not there in the end.
    Lost { write: Operation, end: End },
    /// What nobody did is there in the end.
    OutOfNothing { key: usize, end: End },
    /// API and database tell of different ends.
    TwoEnds { key: usize, end: End },
    /// A change that began after another was acknowledged has no higher revision.
    RevisionsOutOfOrder { earlier: Operation, later: Operation },
    /// A change was acknowledged without its revision.
    NoRevision { write: Operation },
    /// The history itself cannot be: time runs backwards, or it names what is not in it.
    Impossible { operation: Operation },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptedAfterRevocation { accepted, revocation } => {
                write!(f, "accepted after its revocation was acknowledged: [{accepted}] after [{revocation}]")
            }
            Self::AcceptedAfterNarrowing { accepted, narrowing } => write!(f, "accepted with a role that was taken away: [{accepted}] after [{narrowing}]"),
            Self::RefusedAfterWidening { token, widening } => write!(f, "without a role that was given back: [{token}] after [{widening}]"),
            Self::RefusedWithoutCause { refused } => write!(f, "refused although nothing was taken back: [{refused}]"),
            Self::UnexpectedAnswer { operation } => write!(f, "neither yes nor no nor 503: [{operation}]"),
            Self::Lost { write, end } => write!(f, "acknowledged and lost: [{write}], in the end {end:?}"),
            Self::OutOfNothing { key, end } => write!(f, "nobody asked for the end of key {key}: {end:?}"),
            Self::TwoEnds { key, end } => write!(f, "API and database differ about key {key}: {end:?}"),
            Self::RevisionsOutOfOrder { earlier, later } => write!(f, "a later change has no higher revision: [{later}] after [{earlier}]"),
            Self::NoRevision { write } => write!(f, "acknowledged without a revision: [{write}]"),
            Self::Impossible { operation } => write!(f, "this cannot be in a history: [{operation}]"),
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Revocations that were acknowledged.
    pub(crate) revocations: usize,
    /// Acts of taking a role away that were acknowledged.
    pub(crate) narrowings: usize,
    /// Answers that accepted something.
    pub(crate) successes: usize,
    /// Of them, those of keys with an acknowledged revocation.
    pub(crate) successes_of_revoked: usize,
    /// Refusals that began after the acknowledgement: those which would have been caught.
    pub(crate) refusals_after: usize,
}

/// Everything that is wrong with it; nothing if it keeps the contract.
pub(crate) fn check(history: &History) -> (Checked, Vec<Violation>) {
    let mut found: Vec<Violation> = impossible(history);
    if !found.is_empty() {
        return (Checked::default(), found);
    }
    let mut checked = Checked::default();
    let mut keys: Vec<Vec<Operation>> = vec![Vec::new(); history.ends.len()];
    for operation in &history.operations {
        if let Some(key) = keys.get_mut(operation.key) {
            key.push(*operation);
        }
    }
    for (number, (operations, end)) in keys.iter().zip(&history.ends).enumerate() {
        let key = Key { number, operations, end: *end, all: &history.operations };
        key.count(&mut checked);
        found.extend(key.after_revocation());
        found.extend(key.exchanged_roles());
        found.extend(key.introspected_roles());
        found.extend(key.refusals());
        found.extend(key.ends());
    }
    found.extend(unexpected(&history.operations));
    found.extend(revisions(&history.operations));
    (checked, found)
}

fn impossible(history: &History) -> Vec<Violation> {
    let wrong = |operation: &&Operation| {
        let names_no_token = match operation.act {
            Act::Introspect(token) => !history
                .operations
                .get(token)
                .is_some_and(|token| token.key == operation.key && token.act == Act::Exchange && token.is_accepted() && token.ended <= operation.started),
            Act::Issue | Act::Exchange | Act::Revoke | Act::Narrow | Act::Widen => false,
        };
        operation.ended < operation.started || history.ends.len() <= operation.key || names_no_token
    };
    history.operations.iter().filter(wrong).map(|operation| Violation::Impossible { operation: *operation }).collect()
}

fn unexpected(operations: &[Operation]) -> impl Iterator<Item = Violation> + '_ {
    let unexpected = |operation: &&Operation| match operation.outcome {
        Outcome::Other(_) => true,
        // Whoever writes may do so: to be refused is to be told an outage as something else.
        Outcome::Refused => operation.is_write(),
        Outcome::Accepted(_) | Outcome::Unavailable | Outcome::Unsure => false,
    };
    operations.iter().filter(unexpected).map(|operation| Violation::UnexpectedAnswer { operation: *operation })
}

/// Whoever has seen a revision has seen all below: a change that began later has a higher one.
fn revisions(operations: &[Operation]) -> Vec<Violation> {
    let acknowledged: Vec<&Operation> = operations.iter().filter(|operation| operation.is_write() && operation.is_accepted()).collect();
    let mut found: Vec<Violation> =
        acknowledged.iter().filter(|write| write.revision.is_none()).map(|write| Violation::NoRevision { write: **write }).collect();
    let mut with: Vec<(Position, &Operation)> = acknowledged.iter().filter_map(|write| Some((write.revision?, *write))).collect();
    with.sort_by_key(|(_, write)| write.started);
    let mut by_end = with.clone();
    by_end.sort_by_key(|(_, write)| write.ended);
    let mut ended = by_end.into_iter().peekable();
    let mut highest: Option<(Position, &Operation)> = None;
    for (revision, later) in with {
        while let Some((earlier, write)) = ended.next_if(|(_, write)| write.ended < later.started) {
            if highest.is_none_or(|(known, _)| known < earlier) {
                highest = Some((earlier, write));
            }
        }
        if let Some((_, earlier)) = highest.filter(|(known, _)| revision <= *known) {
            found.push(Violation::RevisionsOutOfOrder { earlier: *earlier, later: *later });
        }
    }
    found
}

/// One key and all that was asked about it.
struct Key<'a> {
    number: usize,
    operations: &'a [Operation],
    end: End,
    all: &'a [Operation],
}

impl Key<'_> {
    fn acts(&self, act: Act) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(move |operation| operation.act == act)
    }

    fn acknowledged(&self, act: Act) -> impl Iterator<Item = &Operation> {
        self.acts(act).filter(|operation| operation.is_accepted())
    }

    /// Exchanges and introspections.
    fn uses(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| !operation.is_write())
    }

    /// The revocation that was acknowledged first.
    fn revocation(&self) -> Option<&Operation> {
        self.acknowledged(Act::Revoke).min_by_key(|revocation| revocation.ended)
    }

    /// The exchange that a token is of.
    fn exchange_of(&self, operation: &Operation) -> Option<&Operation> {
        match operation.act {
            Act::Introspect(token) => self.all.get(token),
            Act::Issue | Act::Exchange | Act::Revoke | Act::Narrow | Act::Widen => None,
        }
    }

    fn count(&self, checked: &mut Checked) {
        let revocation = self.revocation();
        checked.revocations += self.acknowledged(Act::Revoke).count();
        checked.narrowings += self.acknowledged(Act::Narrow).count();
        let successes = self.uses().filter(|operation| operation.is_accepted()).count();
        checked.successes += successes;
        if let Some(revocation) = revocation {
            checked.successes_of_revoked += successes;
            checked.refusals_after += self.uses().filter(|operation| operation.outcome == Outcome::Refused && revocation.ended < operation.started).count();
        }
    }

    fn after_revocation(&self) -> Vec<Violation> {
        let Some(revocation) = self.revocation() else { return Vec::new() };
        let late = self.uses().filter(|operation| operation.is_accepted() && revocation.ended < operation.started);
        late.map(|accepted| Violation::AcceptedAfterRevocation { accepted: *accepted, revocation: *revocation }).collect()
    }

    /// An act of the other kind that may have undone `act` before `by`.
    fn is_undone(&self, act: &Operation, by: Nanos) -> bool {
        let undoing = if act.act == Act::Narrow { Act::Widen } else { Act::Narrow };
        self.acts(undoing).any(|other| other.may_be_done() && other.started < by && other.may_follow(act))
    }

    /// An exchange that began after an acknowledged change of roles gives what they are then.
    fn exchanged_roles(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for token in self.acknowledged(Act::Exchange) {
            let changes = if token.outcome == Outcome::Accepted(Reach::Wide) { Act::Narrow } else { Act::Widen };
            let ignored = self.acknowledged(changes).find(|change| change.ended < token.started && !self.is_undone(change, token.ended));
            found.extend(ignored.map(|change| match changes {
                Act::Narrow => Violation::AcceptedAfterNarrowing { accepted: *token, narrowing: *change },
                Act::Issue | Act::Exchange | Act::Introspect(_) | Act::Revoke | Act::Widen => {
                    Violation::RefusedAfterWidening { token: *token, widening: *change }
                }
            }));
        }
        found
    }

    /// A token with the role, of before the role was taken away, is good no more, also when the role is given back later.
    fn introspected_roles(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for accepted in self.uses().filter(|operation| operation.is_accepted()) {
            let Some(token) = self.exchange_of(accepted).filter(|token| token.outcome == Outcome::Accepted(Reach::Wide)) else { continue };
            let is_older =
                |narrowing: &&Operation| narrowing.ended < accepted.started && (token.ended < narrowing.started || !self.is_undone(narrowing, token.ended));
            found.extend(
                self.acknowledged(Act::Narrow).find(is_older).map(|narrowing| Violation::AcceptedAfterNarrowing { accepted: *accepted, narrowing: *narrowing }),
            );
        }
        found
    }

    /// Whoever was refused had something taken back before his answer came.
    fn refusals(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for refused in self.uses().filter(|operation| operation.outcome == Outcome::Refused) {
            let revoked = self.acts(Act::Revoke).any(|revocation| revocation.may_be_done() && revocation.started < refused.ended);
            let narrowed = self.exchange_of(refused).is_some_and(|token| {
                // What was done before the token was asked for is in the token.
                self.acts(Act::Narrow).any(|narrowing| narrowing.may_be_done() && narrowing.started < refused.ended && token.started < narrowing.effective_by())
            });
            if !revoked && !narrowed {
                found.push(Violation::RefusedWithoutCause { refused: *refused });
            }
        }
        found
    }

    fn ends(&self) -> Vec<Violation> {
        let end = self.end;
        let mut found = Vec::new();
        if end.api != end.database {
            found.push(Violation::TwoEnds { key: self.number, end });
        }
        let is = |state: State| end.api == state || end.database == state;
        if let Some(issue) = self.acknowledged(Act::Issue).next().filter(|_| is(State::Absent)) {
            found.push(Violation::Lost { write: *issue, end });
        }
        let is_active = is(State::Active(Reach::Wide)) || is(State::Active(Reach::Narrow));
        if let Some(revocation) = self.revocation().filter(|_| is_active) {
            found.push(Violation::Lost { write: *revocation, end });
        }
        if is(State::Revoked) && !self.acts(Act::Revoke).any(Operation::may_be_done) {
            found.push(Violation::OutOfNothing { key: self.number, end });
        }
        found.extend(self.lost_roles(State::Active(Reach::Wide), Act::Narrow));
        found.extend(self.lost_roles(State::Active(Reach::Narrow), Act::Widen));
        if is(State::Active(Reach::Narrow)) && !self.acts(Act::Narrow).any(Operation::may_be_done) {
            found.push(Violation::OutOfNothing { key: self.number, end });
        }
        found
    }

    /// A change of roles that was acknowledged, that nothing may have undone, and instead of which the other stands there.
    fn lost_roles(&self, other: State, change: Act) -> Option<Violation> {
        let end = Some(self.end).filter(|end| end.api == other || end.database == other)?;
        let lost = self.acknowledged(change).find(|change| !self.is_undone(change, Nanos::MAX))?;
        Some(Violation::Lost { write: *lost, end })
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
