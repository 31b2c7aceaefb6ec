//! Failover with asynchronous replication: the new history opens shut.
//!
//! A, B, and C, which may join; each may revoke, as [`Opening::revoker`] says. Leases and requests are one step each, for
//! [`Cluster`](crate::cluster::Cluster) has them in detail; a lease lasts as long as the slowest clock lets it, W ticks of the clock
//! that waits. The log has one change, so a replica either has applied the revocation or has not.

mod steps;

use crate::protocol::Protocol;
use stateright::{Model, Property};

/// Always: no request that starts after a revocation's acknowledgement is answered with what was taken away.
pub const NOTHING_REVOKED_IS_ACCEPTED: &str = "nothing revoked is accepted";
/// Always: once the new history is open, it has what was acknowledged.
pub const NOTHING_ACKNOWLEDGED_IS_LOST: &str = "nothing acknowledged is lost";
/// Sometimes: what was lost is written back, and the new history opens.
pub const WRITTEN_BACK: &str = "what was lost is written back";
/// Sometimes: a lease is renewed in the new history.
pub const RENEWED: &str = "a lease is renewed in the new history";
/// Sometimes: a revocation is made and acknowledged in the new history.
pub const ACKNOWLEDGED_ANEW: &str = "a revocation is acknowledged in the new history";
/// Sometimes: it opens without a replica that an operator gave up.
pub const OPENED_WITHOUT_THE_MISSING: &str = "it opens without the missing";

/// What is explored.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Which rules are kept.
    pub protocol: Protocol,
    /// W in ticks, which is also how long the longest lease lasts.
    pub wait: u8,
    /// Who revokes.
    pub revoker: Who,
    /// Whether an operator may give up who is missing.
    pub gives_up: bool,
}

/// A replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// One. Ticks are counted by its clock.
    A,
    /// Another one.
    B,
    /// Joins the old primary late; the new one may not know its row.
    C,
}

/// Which history a replica follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sees {
    /// None: it has not joined.
    Nothing,
    /// The old primary's.
    Old,
    /// The new one's.
    New,
}

/// A replica's row on the old primary, or on the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// Its replica has not applied the revocation.
    Behind,
    /// It has.
    Reached,
    /// On the new primary: it was on the old one, and its replica has not been seen since.
    Unmarked,
}

/// A server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    /// Which history it follows.
    pub sees: Sees,
    /// Whether it has applied the revocation, in the history that it follows.
    pub applied: bool,
    /// Whether it knows that there was a revocation, whatever the new history says.
    pub knows: bool,
    /// Whether it remembers the key as it was.
    pub memory: bool,
    /// Ticks since its lease was noted.
    pub lease: Option<u8>,
}

/// A primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Database {
    /// Whether the log has the revocation.
    pub revoked: bool,
    /// A's row.
    pub a: Option<Row>,
    /// B's row.
    pub b: Option<Row>,
    /// C's row.
    pub c: Option<Row>,
}

/// The new primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum New {
    /// A standby that lags.
    Standby,
    /// Promoted, and shut.
    Shut {
        /// Ticks since.
        age: u8,
    },
    /// Open.
    Open,
}

/// The mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// None.
    Idle,
    /// Its commit returned.
    Waiting {
        /// From which history.
        at: Sees,
        /// Ticks since.
        age: u8,
    },
    /// Its client has an answer.
    Acknowledged {
        /// From which history.
        at: Sees,
    },
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The old primary.
    pub old: Database,
    /// Whether it answers.
    pub old_runs: bool,
    /// What the new primary has.
    pub new: Database,
    /// Whether it is promoted and open.
    pub stage: New,
    /// Whether C joined before the revocation, which is what the standby may have of both.
    pub c_was_first: bool,
    /// Whether the standby was promoted without the revocation.
    pub was_lost: bool,
    /// Whether an operator gave somebody up.
    pub gave_up: bool,
    /// A's process.
    pub a: Replica,
    /// B's process.
    pub b: Replica,
    /// C's process.
    pub c: Replica,
    /// The mutation.
    pub mutation: Mutation,
    /// Whether an acknowledged revocation was broken.
    pub broken: bool,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum Action {
    Tick,
    JoinOld,
    PollLog(Who),
    RenewLease(Who),
    AnswerMiss(Who),
    AnswerFromMemory(Who),
    RevokeCommit,
    Acknowledge,
    StopOldPrimary,
    Promote(Lost),
    NoticeHistory(Who),
    WriteBack(Who),
    MarkRow(Who),
    GiveUpMissing(Who),
    Open,
}

/// What the standby never got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing.
    Nothing,
    /// The revocation.
    Revocation,
    /// C's row.
    RowOfC,
    /// Both.
    Both,
}

impl Database {
    fn row_mut(&mut self, who: Who) -> &mut Option<Row> {
        match who {
            Who::A => &mut self.a,
            Who::B => &mut self.b,
            Who::C => &mut self.c,
        }
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        [self.a, self.b, self.c].into_iter().flatten()
    }
}

impl State {
    fn replica(&self, who: Who) -> &Replica {
        match who {
            Who::A => &self.a,
            Who::B => &self.b,
            Who::C => &self.c,
        }
    }

    fn replica_mut(&mut self, who: Who) -> &mut Replica {
        match who {
            Who::A => &mut self.a,
            Who::B => &mut self.b,
            Who::C => &mut self.c,
        }
    }

    /// What was acknowledged and must stay so. An operator who gives up the missing gives up what only they knew of the old history.
    fn is_promised(&self) -> bool {
        match self.mutation {
            Mutation::Acknowledged { at } => at == Sees::New || !self.gave_up,
            Mutation::Idle | Mutation::Waiting { .. } => false,
        }
    }
}

impl Opening {
    /// A revokes; nobody is given up.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, wait: 2, revoker: Who::A, gives_up: false }
    }

    /// An operator may give up who is missing, and with them what they alone knew.
    #[must_use]
    pub fn giving_up(protocol: Protocol) -> Self {
        Self { gives_up: true, ..Self::new(protocol) }
    }

    /// What the page leaves over: C may have joined and revoked within what is lost.
    #[must_use]
    pub fn left_over(protocol: Protocol) -> Self {
        Self { revoker: Who::C, ..Self::new(protocol) }
    }

    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => self.tick(state),
            Action::JoinOld => self.join_old(state),
            Action::PollLog(who) => self.poll_log(state, who),
            Action::RenewLease(who) => self.renew_lease(state, who),
            Action::AnswerMiss(who) => self.answer_miss(state, who),
            Action::AnswerFromMemory(who) => self.answer_from_memory(state, who),
            Action::RevokeCommit => self.revoke_commit(state),
            Action::Acknowledge => self.acknowledge(state),
            Action::StopOldPrimary => self.stop_old_primary(state),
            Action::Promote(lost) => self.promote(state, lost),
            Action::NoticeHistory(who) => self.notice_history(state, who),
            Action::WriteBack(who) => self.write_back(state, who),
            Action::MarkRow(who) => self.mark_row(state, who),
            Action::GiveUpMissing(who) => self.give_up_missing(state, who),
            Action::Open => self.open(state),
        }
    }
}

impl Model for Opening {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let up = Replica { sees: Sees::Old, applied: false, knows: false, memory: true, lease: None };
        vec![State {
            old: Database { revoked: false, a: Some(Row::Behind), b: Some(Row::Behind), c: None },
            old_runs: true,
            new: Database::default(),
            stage: New::Standby,
            c_was_first: false,
            was_lost: false,
            gave_up: false,
            a: up,
            b: up,
            c: Replica { sees: Sees::Nothing, memory: false, ..up },
            mutation: Mutation::Idle,
            broken: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken {
            return;
        }
        actions.extend([Action::Tick, Action::JoinOld, Action::RevokeCommit, Action::Acknowledge, Action::StopOldPrimary, Action::Open]);
        actions.extend([Lost::Nothing, Lost::Revocation, Lost::RowOfC, Lost::Both].map(Action::Promote));
        for who in [Who::A, Who::B, Who::C] {
            actions.extend([Action::PollLog(who), Action::RenewLease(who), Action::AnswerMiss(who), Action::AnswerFromMemory(who)]);
            actions.extend([Action::NoticeHistory(who), Action::WriteBack(who), Action::MarkRow(who), Action::GiveUpMissing(who)]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action)?;
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(NOTHING_REVOKED_IS_ACCEPTED, |_, state: &State| !state.broken),
            Property::always(NOTHING_ACKNOWLEDGED_IS_LOST, |_, state: &State| state.stage != New::Open || state.new.revoked || !state.is_promised()),
            Property::sometimes(WRITTEN_BACK, |_, state: &State| {
                state.was_lost && state.stage == New::Open && state.new.revoked && matches!(state.mutation, Mutation::Acknowledged { at: Sees::Old })
            }),
            Property::sometimes(RENEWED, |_, state: &State| state.b.sees == Sees::New && state.b.lease.is_some()),
            Property::sometimes(ACKNOWLEDGED_ANEW, |_, state: &State| matches!(state.mutation, Mutation::Acknowledged { at: Sees::New })),
        ];
        if self.gives_up {
            properties.push(Property::sometimes(OPENED_WITHOUT_THE_MISSING, |_, state: &State| state.gave_up && state.stage == New::Open));
        }
        properties
    }
}
