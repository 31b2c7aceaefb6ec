//! Two replicas that change something at the same time, and wait for each other.
//!
//! Each commits, and is acknowledged when it has applied its own change and the other's row has reached it. W is left out: here nobody is
//! paused, so nobody needs it. Each has one connection; polling and writing the row need it for a moment.

use crate::protocol::{Mutant, Protocol};
use stateright::{Model, Property};

/// Always: as long as somebody waits, there is a step. Every step goes forward, so both are acknowledged in the end.
pub const NOBODY_WAITS_FOR_EVER: &str = "nobody waits for ever";
/// Sometimes: both are acknowledged.
pub const BOTH_ARE_ACKNOWLEDGED: &str = "both are acknowledged";

/// Two mutations at once.
#[derive(Clone, Debug)]
pub struct Waiters {
    /// Which rules are kept.
    pub protocol: Protocol,
}

/// One replica's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Waiter {
    /// Its change's number, once it is committed.
    pub change: Option<u8>,
    /// How far it has applied the log.
    pub applied: u8,
    /// What its row says.
    pub row: u8,
    /// Whether its client has an answer.
    pub acknowledged: bool,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The revision.
    pub n: u8,
    /// One replica.
    pub a: Waiter,
    /// The other one.
    pub b: Waiter,
}

/// One of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// One.
    A,
    /// The other one.
    B,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum Action {
    Commit(Who),
    PollLog(Who),
    WriteRow(Who),
    Acknowledge(Who),
}

impl State {
    fn waiter(&mut self, who: Who) -> (&mut Waiter, &Waiter) {
        match who {
            Who::A => (&mut self.a, &self.b),
            Who::B => (&mut self.b, &self.a),
        }
    }
}

impl Waiters {
    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Commit(who) => commit(state, who),
            Action::PollLog(who) => self.poll_log(state, who),
            Action::WriteRow(who) => self.write_row(state, who),
            Action::Acknowledge(who) => acknowledge(state, who),
        }
    }

    fn poll_log(&self, state: &mut State, who: Who) -> Option<()> {
        let n = state.n;
        let (waiter, _) = state.waiter(who);
        if waiter.applied == n || self.is_connection_taken(waiter) {
            return None;
        }
        waiter.applied += 1;
        Some(())
    }

    fn write_row(&self, state: &mut State, who: Who) -> Option<()> {
        let (waiter, _) = state.waiter(who);
        if waiter.row == waiter.applied || self.is_connection_taken(waiter) {
            return None;
        }
        waiter.row = waiter.applied;
        Some(())
    }

    fn is_connection_taken(&self, waiter: &Waiter) -> bool {
        self.protocol.has(Mutant::WaitsWithConnection) && waiter.change.is_some() && !waiter.acknowledged
    }
}

fn commit(state: &mut State, who: Who) -> Option<()> {
    let n = state.n + 1;
    let (waiter, _) = state.waiter(who);
    if waiter.change.is_some() {
        return None;
    }
    waiter.change = Some(n);
    state.n = n;
    Some(())
}

fn acknowledge(state: &mut State, who: Who) -> Option<()> {
    let (waiter, other) = state.waiter(who);
    let n = waiter.change?;
    if waiter.acknowledged || waiter.applied < n || other.row < n {
        return None;
    }
    waiter.acknowledged = true;
    Some(())
}

fn are_both_acknowledged(state: &State) -> bool {
    state.a.acknowledged && state.b.acknowledged
}

impl Model for Waiters {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        for who in [Who::A, Who::B] {
            actions.extend([Action::Commit(who), Action::PollLog(who), Action::WriteRow(who), Action::Acknowledge(who)]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action).map(|()| state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOBODY_WAITS_FOR_EVER, |waiters: &Self, state: &State| are_both_acknowledged(state) || !waiters.next_states(state).is_empty()),
            Property::sometimes(BOTH_ARE_ACKNOWLEDGED, |_, state: &State| are_both_acknowledged(state)),
        ]
    }
}
