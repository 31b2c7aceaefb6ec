//! Replicas, their leases, the mutation that waits for them, and failover with synchronous replication.

mod answer;
mod clock;
mod failover;
mod follow;
mod lease;
mod mutation;
mod properties;
mod rows;
pub mod state;
mod worlds;

pub use clock::Slow;
pub use properties::*;

use crate::{
    protocol::{Mutant, Protocol},
    words::{Change, Grant, Position},
};
use state::{Broken, Database, Life, Mutation, Network, Renewal, Replica, Request, Row, Site, State, Watch, Who};
use stateright::{Model, Property};

/// What is explored: the protocol, who takes part, and the bounds.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Which rules are kept.
    pub protocol: Protocol,
    /// L in ticks.
    pub lease: u8,
    /// W in ticks. A clock misses at most one of any W ticks.
    pub wait: u8,
    /// B in the beginning: `Up`, `Absent` (it may join) or `Never`.
    pub b: Life,
    /// C in the beginning.
    pub c: Life,
    /// Which requests come to B.
    pub asks_b: Asks,
    /// Which requests come to C.
    pub asks_c: Asks,
    /// Whether B is told of commits.
    pub hints: bool,
    /// Whether A looks at the rows and deletes some.
    pub watches: bool,
    /// Whether the standby may be promoted.
    pub fails_over: bool,
    /// Whether A gives back what it took, after the acknowledgement.
    pub gives_back: bool,
    /// How often A's client may try again after 503.
    pub attempts: u8,
    /// How many other changes are made at most.
    pub others: u8,
    /// How many commits return with a warning at most.
    pub warnings: u8,
    /// Whether the history is raised not by the promotion itself but by the first replica that renews a lease on the promoted node, which takes
    /// no changes before.
    pub raised_by_renewal: bool,
}

/// Which requests come to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// None.
    Nothing,
    /// Those that memory answers; it has the key from the beginning.
    Memory,
    /// Those too that memory cannot answer; in the beginning it is empty.
    Everything,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum Action {
    Tick(Slow),
    ClearFlag(Who),
    Join(Who),
    RenewNoteClock(Who),
    RenewWriteRow(Who, Site),
    RenewReadPosition(Who, Site),
    RenewCount(Who),
    RenewGiveUp(Who),
    PollLog(Who, Site),
    DeliverHint(Site),
    LoseHint,
    AnswerCheckLease(Who),
    AnswerFromMemory(Who),
    AnswerMiss(Who, Site),
    AnswerMissArrives(Who),
    RevokerAnswers,
    RevokeSend,
    RevokeCommit,
    RevokeCommitWarned,
    CommitReturns,
    CommitUnsure,
    Acknowledge(Site),
    OtherCommits,
    OtherCommitsWarned,
    LookAtRow(Who),
    DeleteRow(Who),
    FailOver,
}

impl Cluster {
    /// A process that has not started.
    fn absent(&self) -> Replica {
        Replica {
            life: Life::Absent,
            applied: Position::default(),
            memory: None,
            lease: None,
            renewal: Renewal::Idle,
            request: Request::Idle,
            steady: self.wait - 1,
        }
    }

    fn replica(&self, life: Life, asks: Asks) -> Replica {
        let memory = (life == Life::Up && asks == Asks::Memory).then_some(Grant::Full);
        Replica { life, memory, ..self.absent() }
    }

    fn asks(&self, who: Who) -> Asks {
        match who {
            Who::A => Asks::Memory,
            Who::B => self.asks_b,
            Who::C => self.asks_c,
        }
    }

    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick(slow) => self.tick(state, slow),
            Action::ClearFlag(who) => self.clear_flag(state, who),
            Action::Join(who) => self.join(state, who),
            Action::RenewNoteClock(who) => self.renew_note_clock(state, who),
            Action::RenewWriteRow(who, site) => self.renew_write_row(state, who, site),
            Action::RenewReadPosition(who, site) => self.renew_read_position(state, who, site),
            Action::RenewCount(who) => self.renew_count(state, who),
            Action::RenewGiveUp(who) => self.renew_give_up(state, who),
            Action::PollLog(who, site) => self.poll_log(state, who, site),
            Action::DeliverHint(site) => self.deliver_hint(state, site),
            Action::LoseHint => self.lose_hint(state),
            Action::AnswerCheckLease(who) => self.answer_check_lease(state, who),
            Action::AnswerFromMemory(who) => self.answer_from_memory(state, who),
            Action::AnswerMiss(who, site) => self.answer_miss(state, who, site),
            Action::AnswerMissArrives(who) => self.answer_miss_arrives(state, who),
            Action::RevokerAnswers => self.revoker_answers(state),
            Action::RevokeSend => self.revoke_send(state),
            Action::RevokeCommit => self.revoke_commit(state),
            Action::RevokeCommitWarned => self.revoke_commit_warned(state),
            Action::CommitReturns => self.commit_returns(state),
            Action::CommitUnsure => self.commit_unsure(state),
            Action::Acknowledge(site) => self.acknowledge(state, site),
            Action::OtherCommits => self.other_commits(state),
            Action::OtherCommitsWarned => self.other_commits_warned(state),
            Action::LookAtRow(who) => self.look_at_row(state, who),
            Action::DeleteRow(who) => self.delete_row(state, who),
            Action::FailOver => self.fail_over(state),
        }
    }

    fn actions_of_replica(&self, who: Who, sites: &[Site], actions: &mut Vec<Action>) {
        actions.extend([Action::Join(who), Action::RenewNoteClock(who), Action::RenewGiveUp(who)]);
        if self.protocol.has(Mutant::LeaseCountedFromTheAnswer) {
            actions.push(Action::RenewCount(who));
        }
        for site in sites {
            actions.extend([Action::RenewWriteRow(who, *site), Action::RenewReadPosition(who, *site), Action::PollLog(who, *site)]);
        }
        if self.protocol.has(Mutant::LeaseAsFlag) {
            actions.push(Action::ClearFlag(who));
        }
        if self.watches {
            actions.push(Action::LookAtRow(who));
            if !self.protocol.has(Mutant::DeadRowsKept) {
                actions.push(Action::DeleteRow(who));
            }
        }
    }

    fn actions_of_requests(&self, who: Who, sites: &[Site], actions: &mut Vec<Action>) {
        actions.extend([Action::AnswerCheckLease(who), Action::AnswerFromMemory(who), Action::AnswerMissArrives(who)]);
        actions.extend(sites.iter().map(|site| Action::AnswerMiss(who, *site)));
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let row = |life| (life == Life::Up).then_some(Row { applied: Some(Position::default()) });
        vec![State {
            first: Database { b: row(self.b), c: row(self.c), ..Database::default() },
            second: Database::default(),
            live: Site::First,
            unreplicated: 0,
            a: self.replica(Life::Up, Asks::Memory),
            b: self.replica(self.b, self.asks_b),
            c: self.replica(self.c, self.asks_c),
            mutation: Mutation::Idle,
            change: Change::Revoke,
            promise: None,
            attempts: self.attempts,
            others: self.others,
            warnings: self.warnings,
            network: Network::Silent,
            watch_b: Watch::default(),
            watch_c: Watch::default(),
            broken: Broken::Nothing,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken != Broken::Nothing {
            return;
        }
        let sites: &[Site] = if state.live == Site::First { &[Site::First] } else { &[Site::First, Site::Second] };
        actions.extend([Action::Tick(Slow::Nobody), Action::Tick(Slow::B)]);
        if self.c != Life::Never {
            actions.extend([Action::Tick(Slow::C), Action::Tick(Slow::Both)]);
        }
        actions.extend([Action::RevokeSend, Action::RevokeCommit, Action::CommitReturns, Action::CommitUnsure, Action::RevokerAnswers]);
        actions.extend([Action::RevokeCommitWarned, Action::OtherCommits, Action::OtherCommitsWarned, Action::FailOver, Action::LoseHint]);
        for site in sites {
            actions.extend([Action::Acknowledge(*site), Action::PollLog(Who::A, *site), Action::DeliverHint(*site)]);
        }
        for (who, life, asks) in [(Who::B, self.b, self.asks_b), (Who::C, self.c, self.asks_c)] {
            if life != Life::Never {
                self.actions_of_replica(who, sites, actions);
            }
            if asks != Asks::Nothing {
                self.actions_of_requests(who, sites, actions);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action)?;
        self.forget(&mut state);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }
}
