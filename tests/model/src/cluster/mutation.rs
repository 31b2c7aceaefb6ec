//! The mutation at A, from the commit to the acknowledgement; and what others change.

use super::{
    Cluster,
    state::{By, Mutation, Network, Site, State, Who},
};
use crate::{
    protocol::Mutant,
    words::{Change, Position},
};

impl Cluster {
    /// The mutation is sent. A step of its own only where something is counted from it.
    pub(super) fn revoke_send(&self, state: &mut State) -> Option<()> {
        if !self.protocol.has(Mutant::WaitCountedFromSending) {
            return None;
        }
        self.begin(state)?;
        state.mutation = Mutation::Sent { age: 0 };
        Some(())
    }

    /// The transaction commits: durable on every node that may be promoted, and visible. It raises the revision.
    pub(super) fn revoke_commit(&self, state: &mut State) -> Option<()> {
        let age = self.begin(state)?;
        if state.primary().log.grant() == state.change.grant()? {
            return self.repeat(state, age);
        }
        let at = self.commit(state, state.change)?;
        state.mutation = Mutation::Landed { at, age };
        Some(())
    }

    /// What A must be about for its mutation to reach the database; how much of the wait has passed already.
    fn begin(&self, state: &mut State) -> Option<u8> {
        match state.mutation {
            Mutation::Idle => {}
            Mutation::Sent { age } => return Some(age),
            Mutation::Acknowledged { .. } if self.gives_back && state.change == Change::Revoke => state.change = Change::GiveBack,
            Mutation::Landed { .. } | Mutation::Waiting { .. } | Mutation::Acknowledged { .. } => return None,
        }
        state.promise = None;
        Some(0)
    }

    /// "Already revoked": it changes nothing of the key, but raises the revision, commits and waits like any other mutation. What it
    /// found may be on the first node alone; its own commit brings that to the standby.
    fn repeat(&self, state: &mut State, age: u8) -> Option<()> {
        if self.protocol.has(Mutant::RepeatCommitsNothing) {
            state.mutation = Mutation::Waiting { at: state.primary().position(), age: 0 };
            return Some(());
        }
        let at = self.commit(state, Change::Other)?;
        state.mutation = Mutation::Landed { at, age };
        if self.protocol.has(Mutant::RepeatAnswersAtOnce) {
            self.answer_client(state, at, By::Rows);
        }
        Some(())
    }

    /// Appends a change on the primary; the standby has it before it is visible.
    fn commit(&self, state: &mut State, change: Change) -> Option<Position> {
        let is_noticed = !self.raised_by_renewal || state.live == Site::First || state.second.history > 0;
        if !is_noticed && !self.protocol.has(Mutant::ChangesBeforeAnotherHistory) {
            return None;
        }
        state.primary_mut().log.append(change)?;
        state.unreplicated = 0;
        let at = state.primary().position();
        if self.hints {
            state.network = Network::Notifies;
        }
        Some(at)
    }

    /// The commit returns to A, whose wait begins.
    pub(super) fn commit_returns(&self, state: &mut State) -> Option<()> {
        let Mutation::Landed { at, age } = state.mutation else { return None };
        state.mutation = Mutation::Waiting { at, age };
        if self.protocol.has(Mutant::WideningAnswersAtOnce) && state.change == Change::GiveBack {
            self.answer_client(state, at, By::Rows);
        }
        Some(())
    }

    /// The commit is unsure, the connection is lost: 503, and the client may try again.
    pub(super) fn commit_unsure(&self, state: &mut State) -> Option<()> {
        let Mutation::Landed { .. } = state.mutation else { return None };
        state.attempts = state.attempts.checked_sub(1)?;
        state.mutation = Mutation::Idle;
        Some(())
    }

    /// The wait for the standby is cancelled: the change is on the first node alone, visible there, and PostgreSQL answers with a warning.
    pub(super) fn revoke_commit_warned(&self, state: &mut State) -> Option<()> {
        self.begin(state)?;
        if state.live == Site::Second || state.change != Change::Revoke || state.primary().log.grant() == state.change.grant()? {
            return None;
        }
        let at = self.commit_warned(state, state.change)?;
        if self.protocol.has(Mutant::WarningIsSuccess) {
            state.mutation = Mutation::Waiting { at, age: 0 };
        } else {
            state.attempts = state.attempts.checked_sub(1)?;
        }
        Some(())
    }

    fn commit_warned(&self, state: &mut State, change: Change) -> Option<Position> {
        state.warnings = state.warnings.checked_sub(1)?;
        state.first.log.append(change)?;
        if state.live == Site::First {
            state.unreplicated += 1;
        }
        Some(state.first.position())
    }

    /// Acknowledged once A has applied it, and either every row has reached it or W has passed. The rows are read in a snapshot that
    /// has the mutation.
    pub(super) fn acknowledge(&self, state: &mut State, site: Site) -> Option<()> {
        let Mutation::Waiting { at, age } = state.mutation else { return None };
        let own = state.a.applied >= at || self.protocol.has(Mutant::OwnMemoryForgotten);
        let is_snapshot_good = state.database(site).position() >= at || self.protocol.has(Mutant::RowsFromAnotherConnection);
        if !own || !is_snapshot_good {
            return None;
        }
        let by = if self.every_row_has_reached(state, site, at) || self.protocol.has(Mutant::NoWait) {
            By::Rows
        } else if age >= self.wait() {
            By::Time
        } else {
            return None;
        };
        self.answer_client(state, at, by);
        Some(())
    }

    fn answer_client(&self, state: &mut State, at: Position, by: By) {
        state.mutation = Mutation::Acknowledged { at, by };
        state.promise = state.change.grant();
    }

    /// B makes a change of its own, of something else.
    pub(super) fn other_commits(&self, state: &mut State) -> Option<()> {
        state.others = state.others.checked_sub(1)?;
        let at = self.commit(state, Change::Other)?;
        if self.protocol.has(Mutant::JumpsToItsOwn) && state.b.applied < at {
            state.replica_mut(Who::B).applied = at;
        }
        Some(())
    }

    /// Somebody else's commit returns with a warning: on the first node alone, and visible there.
    pub(super) fn other_commits_warned(&self, state: &mut State) -> Option<()> {
        state.others = state.others.checked_sub(1)?;
        self.commit_warned(state, Change::Other).map(drop)
    }

    /// How long A waits.
    fn wait(&self) -> u8 {
        if self.protocol.has(Mutant::WaitOfOneLease) { self.lease } else { self.wait }
    }
}
