//! Two transactions at once: one removes a member, with all keys he has; the other one creates a key for him.
//!
//! A replica follows the log meanwhile. Time and leases are left out.

use crate::protocol::{Mutant, Protocol};
use stateright::{Model, Property};

/// Always: whoever has seen n has seen all below.
pub const NOTHING_BELOW_IS_MISSED: &str = "nothing below what was seen is missed";
/// Always: no key of a removed member lives.
pub const NO_KEY_SURVIVES_ITS_HOLDER: &str = "no key survives its holder";
/// Sometimes: both commit.
pub const BOTH_COMMIT: &str = "both commit";
/// Sometimes: a key is created and ends with its holder's membership.
pub const A_KEY_ENDS_WITH_ITS_HOLDER: &str = "a key ends with its holder";

/// Two writers and a reader.
#[derive(Clone, Debug)]
pub struct Writers {
    /// Which rules are kept.
    pub protocol: Protocol,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Its number.
    pub n: Option<u8>,
    /// What it has read: whether the member is there, whether he has a key.
    pub read: Option<Facts>,
    /// When it has ended.
    pub end: Option<End>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Durable.
    Committed,
    /// There is no such member.
    Refused,
}

/// What is in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The membership.
    pub member: Life,
    /// The key.
    pub key: Life,
}

/// Of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// There is none.
    None,
    /// It lives.
    Alive,
    /// It has ended.
    Ended,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Committed facts.
    pub facts: Facts,
    /// The last number given.
    pub given: u8,
    /// Removes the member.
    pub remove: Transaction,
    /// Creates a key.
    pub create: Transaction,
    /// How far the replica has applied the log.
    pub applied: u8,
    /// Whether it has applied the removal.
    pub has_removal: bool,
    /// Whether it has applied the creation.
    pub has_creation: bool,
}

/// Which transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Removes the member.
    Remove,
    /// Creates a key.
    Create,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum Action {
    RaiseRevision(Who),
    Read(Who),
    Commit(Who),
    PollLog,
}

impl State {
    fn transaction(&mut self, who: Who) -> (&mut Transaction, &Transaction) {
        match who {
            Who::Remove => (&mut self.remove, &self.create),
            Who::Create => (&mut self.create, &self.remove),
        }
    }
}

impl Writers {
    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::RaiseRevision(who) => self.raise_revision(state, who),
            Action::Read(who) => self.read(state, who),
            Action::Commit(who) => commit(state, who),
            Action::PollLog => poll_log(state),
        }
    }

    /// The first statement: it takes the number, and the row's lock until the transaction ends.
    fn raise_revision(&self, state: &mut State, who: Who) -> Option<()> {
        let n = state.given + 1;
        let reads_first = self.protocol.has(Mutant::ReadsBeforeRaising);
        let (own, other) = state.transaction(who);
        let is_locked = other.n.is_some() && other.end.is_none() && !self.protocol.has(Mutant::SequenceInsteadOfRow);
        if own.n.is_some() || is_locked || (reads_first && own.read.is_none()) {
            return None;
        }
        own.n = Some(n);
        state.given = n;
        Some(())
    }

    /// Reads what is committed.
    fn read(&self, state: &mut State, who: Who) -> Option<()> {
        let facts = state.facts;
        let reads_first = self.protocol.has(Mutant::ReadsBeforeRaising);
        let (own, _) = state.transaction(who);
        if own.read.is_some() || (own.n.is_none() && !reads_first) {
            return None;
        }
        own.read = Some(facts);
        Some(())
    }
}

/// Writes what follows from what it read.
fn commit(state: &mut State, who: Who) -> Option<()> {
    let (own, _) = state.transaction(who);
    let (Some(_), Some(read), None) = (own.n, own.read, own.end) else { return None };
    own.end = Some(End::Committed);
    match who {
        Who::Remove => {
            state.facts.member = Life::Ended;
            if read.key == Life::Alive {
                state.facts.key = Life::Ended;
            }
        }
        Who::Create if read.member == Life::Alive => state.facts.key = Life::Alive,
        Who::Create => state.create.end = Some(End::Refused),
    }
    Some(())
}

/// The replica reads what is committed above what it has applied, in order.
fn poll_log(state: &mut State) -> Option<()> {
    let after = |transaction: Transaction| transaction.n.filter(|n| transaction.end == Some(End::Committed) && *n > state.applied);
    let (removal, creation) = (after(state.remove), after(state.create));
    let last = removal.max(creation)?;
    state.applied = last;
    state.has_removal |= removal.is_some();
    state.has_creation |= creation.is_some();
    Some(())
}

/// Whether a change lies below what the replica has seen.
fn is_below(state: &State, transaction: Transaction) -> bool {
    transaction.end == Some(End::Committed) && transaction.n.is_some_and(|n| n <= state.applied)
}

impl Model for Writers {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let (remove, create) = (Transaction::default(), Transaction::default());
        let facts = Facts { member: Life::Alive, key: Life::None };
        vec![State { facts, given: 0, remove, create, applied: 0, has_removal: false, has_creation: false }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        actions.push(Action::PollLog);
        for who in [Who::Remove, Who::Create] {
            actions.extend([Action::RaiseRevision(who), Action::Read(who), Action::Commit(who)]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action).map(|()| state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_BELOW_IS_MISSED, |_, state: &State| {
                (state.has_removal || !is_below(state, state.remove)) && (state.has_creation || !is_below(state, state.create))
            }),
            Property::always(NO_KEY_SURVIVES_ITS_HOLDER, |_, state: &State| state.facts.member != Life::Ended || state.facts.key != Life::Alive),
            Property::sometimes(BOTH_COMMIT, |_, state: &State| state.remove.end.is_some() && state.create.end == Some(End::Committed)),
            Property::sometimes(A_KEY_ENDS_WITH_ITS_HOLDER, |_, state: &State| state.facts.key == Life::Ended),
        ]
    }
}
