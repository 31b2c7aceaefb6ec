//! Tokens and their status index: what an exchange reads together, and what a revocation ends.
//!
//! Leases and verifiers are assumed here, for the other models prove them: a revocation is acknowledged when the replica has applied it, and
//! verifiers know the status bits by then.

use crate::{
    protocol::{Mutant, Protocol},
    words::Grant,
};
use stateright::{Model, Property};

/// Always: a token that says what was taken away, with acknowledgement, carries a dead index.
pub const WHAT_WAS_TAKEN_AWAY_IS_DEAD: &str = "what was taken away is dead";
/// Sometimes: a token is handed out only after its revocation was acknowledged, and is dead.
pub const LATE_TOKENS_ARE_DEAD: &str = "late tokens are dead";
/// Sometimes: a token of the new generation lives.
pub const THE_NEXT_GENERATION_LIVES: &str = "the next generation lives";

/// One key, one replica that exchanges it, one revocation.
#[derive(Clone, Debug)]
pub struct Generations {
    /// Which rules are kept.
    pub protocol: Protocol,
}

/// Facts that make a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it says.
    pub grant: Grant,
    /// Where its status bit is.
    pub index: u8,
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// None.
    Idle,
    /// Only where two reads make an entry: the first of them.
    GrantRead(Grant),
    /// A snapshot from before or after the revocation is on its way.
    Fetching {
        /// What it says.
        entry: Entry,
        /// Whether it is of before the revocation.
        at: u8,
    },
    /// The token is made and not handed out.
    Signed(Entry),
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the key may do.
    pub grant: Grant,
    /// The open generation.
    pub open: Option<u8>,
    /// How many generations there were.
    pub given: u8,
    /// Status bits.
    pub ended: [bool; 3],
    /// The revision.
    pub n: u8,
    /// How far the replica has applied the log.
    pub applied: u8,
    /// What it remembers.
    pub memory: Option<Entry>,
    /// The request under way.
    pub request: Request,
    /// The last token that was handed out.
    pub token: Option<Entry>,
    /// Whether the revocation is acknowledged.
    pub acknowledged: bool,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum Action {
    OpenGeneration,
    ReadEntry,
    ReadGrant,
    ReadIndex,
    EntryArrives,
    AnswerFromMemory,
    HandOut,
    RevokeCommit,
    Apply,
    Acknowledge,
}

impl State {
    fn is_ended(&self, index: u8) -> bool {
        self.ended.get(usize::from(index)).is_some_and(|ended| *ended)
    }

    fn bit(&mut self, index: u8) -> Option<&mut bool> {
        self.ended.get_mut(usize::from(index))
    }
}

impl Generations {
    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::OpenGeneration => self.open_generation(state),
            Action::ReadEntry => read_entry(state),
            Action::ReadGrant => self.read_grant(state),
            Action::ReadIndex => read_index(state),
            Action::EntryArrives => entry_arrives(state),
            Action::AnswerFromMemory => answer_from_memory(state),
            Action::HandOut => hand_out(state),
            Action::RevokeCommit => revoke_commit(state),
            Action::Apply => apply(state),
            Action::Acknowledge => acknowledge(state),
        }
    }

    /// The first exchange that finds none open opens one; its index was never used.
    fn open_generation(&self, state: &mut State) -> Option<()> {
        if state.open.is_some() {
            return None;
        }
        let index = if self.protocol.has(Mutant::IndexReused) { 0 } else { state.given };
        *state.bit(index)? = false;
        state.given += 1;
        state.open = Some(index);
        Some(())
    }

    /// Only where two reads make an entry.
    fn read_grant(&self, state: &mut State) -> Option<()> {
        if !self.protocol.has(Mutant::IndexApartFromGrant) || state.request != Request::Idle || state.memory.is_some() {
            return None;
        }
        state.request = Request::GrantRead(state.grant);
        Some(())
    }
}

/// One snapshot: what the key may do, and its open generation.
fn read_entry(state: &mut State) -> Option<()> {
    if state.request != Request::Idle || state.memory.is_some() {
        return None;
    }
    state.request = Request::Fetching { entry: Entry { grant: state.grant, index: state.open? }, at: state.n };
    Some(())
}

fn read_index(state: &mut State) -> Option<()> {
    let Request::GrantRead(grant) = state.request else { return None };
    state.request = Request::Fetching { entry: Entry { grant, index: state.open? }, at: state.n };
    Some(())
}

/// Neither used nor kept below what is applied.
fn entry_arrives(state: &mut State) -> Option<()> {
    let Request::Fetching { entry, at } = state.request else { return None };
    state.request = Request::Idle;
    if at >= state.applied {
        state.memory = Some(entry);
        state.request = Request::Signed(entry);
    }
    Some(())
}

fn answer_from_memory(state: &mut State) -> Option<()> {
    if state.request != Request::Idle {
        return None;
    }
    state.request = Request::Signed(state.memory?);
    Some(())
}

/// The token reaches its holder, whenever that is.
fn hand_out(state: &mut State) -> Option<()> {
    let Request::Signed(entry) = state.request else { return None };
    state.token = Some(entry);
    state.request = Request::Idle;
    Some(())
}

/// Takes something away, and ends the generation in the same transaction.
fn revoke_commit(state: &mut State) -> Option<()> {
    if state.n > 0 {
        return None;
    }
    state.n = 1;
    state.grant = Grant::Lesser;
    if let Some(index) = state.open.take() {
        *state.bit(index)? = true;
    }
    Some(())
}

fn apply(state: &mut State) -> Option<()> {
    if state.applied == state.n {
        return None;
    }
    state.applied = state.n;
    state.memory = None;
    Some(())
}

fn acknowledge(state: &mut State) -> Option<()> {
    if state.n == 0 || state.applied < state.n || state.acknowledged {
        return None;
    }
    state.acknowledged = true;
    Some(())
}

impl Model for Generations {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            grant: Grant::Full,
            open: None,
            given: 0,
            ended: [false; 3],
            n: 0,
            applied: 0,
            memory: None,
            request: Request::Idle,
            token: None,
            acknowledged: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        actions.extend([Action::OpenGeneration, Action::ReadEntry, Action::ReadGrant, Action::ReadIndex, Action::EntryArrives]);
        actions.extend([Action::AnswerFromMemory, Action::HandOut, Action::RevokeCommit, Action::Apply, Action::Acknowledge]);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action).map(|()| state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WHAT_WAS_TAKEN_AWAY_IS_DEAD, |_, state: &State| says_too_much(state).is_none_or(|token| state.is_ended(token.index))),
            Property::sometimes(LATE_TOKENS_ARE_DEAD, |_, state: &State| {
                let is_late = state.acknowledged && matches!(state.request, Request::Signed(entry) if entry.grant == Grant::Full);
                is_late && state.token.is_none()
            }),
            Property::sometimes(THE_NEXT_GENERATION_LIVES, |_, state: &State| {
                state.acknowledged && state.token.is_some_and(|token| token.grant == Grant::Lesser && !state.is_ended(token.index))
            }),
        ]
    }
}

/// A token that says more than what was acknowledged.
fn says_too_much(state: &State) -> Option<Entry> {
    state.token.filter(|token| state.acknowledged && token.grant == Grant::Full)
}
