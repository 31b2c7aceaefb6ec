//! The steps of an asynchronous failover.

use super::{Database, Lost, Mutation, New, Opening, Replica, Row, Sees, State, Who};
use crate::protocol::Mutant;

impl Opening {
    /// A tick of the clock that waits.
    pub(super) fn tick(&self, state: &mut State) -> Option<()> {
        for replica in [&mut state.a, &mut state.b, &mut state.c] {
            replica.lease = replica.lease.map(|age| age + 1).filter(|age| *age < self.wait);
        }
        if let New::Shut { age } = &mut state.stage {
            *age = self.wait.min(*age + 1);
        }
        if let Mutation::Waiting { age, .. } = &mut state.mutation {
            *age = self.wait.min(*age + 1);
        }
        Some(())
    }

    /// C joins at the old primary: its row first, then it loads.
    pub(super) fn join_old(&self, state: &mut State) -> Option<()> {
        if !state.old_runs || state.c.sees != Sees::Nothing {
            return None;
        }
        let revoked = state.old.revoked;
        state.c = Replica { sees: Sees::Old, applied: revoked, knows: false, memory: !revoked, lease: Some(0) };
        state.old.c = Some(state.c.row());
        state.c_was_first = !revoked;
        Some(())
    }

    /// What a replica's primary says, if it answers.
    fn database<'a>(&self, state: &'a mut State, who: Who) -> Option<&'a mut Database> {
        match state.replica(who).sees {
            Sees::Nothing => None,
            Sees::Old => state.old_runs.then_some(&mut state.old),
            Sees::New => Some(&mut state.new),
        }
    }

    /// Follows the log.
    pub(super) fn poll_log(&self, state: &mut State, who: Who) -> Option<()> {
        let revoked = self.database(state, who)?.revoked;
        let replica = state.replica_mut(who);
        if !revoked || replica.applied {
            return None;
        }
        (replica.applied, replica.knows, replica.memory) = (true, true, false);
        Some(())
    }

    /// Renews a lease: notes the clock, writes the row, reads the position. Not while the new history is shut.
    pub(super) fn renew_lease(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = *state.replica(who);
        if replica.sees == Sees::New && state.stage != New::Open {
            return None;
        }
        let database = self.database(state, who)?;
        let has_reached = replica.applied || !database.revoked;
        let own = database.row_mut(who);
        // Whose row is gone starts anew, which NoticeHistory and MarkRow do.
        (*own)?;
        *own = Some(replica.row());
        if has_reached {
            state.replica_mut(who).lease = Some(0);
        }
        Some(())
    }

    /// A miss, under a lease: one snapshot, not below what is applied.
    pub(super) fn answer_miss(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = *state.replica(who);
        let revoked = self.database(state, who)?.revoked;
        if replica.lease.is_none() || replica.memory || revoked || replica.applied {
            return None;
        }
        state.replica_mut(who).memory = true;
        Some(())
    }

    /// Memory answers, under a lease.
    pub(super) fn answer_from_memory(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = *state.replica(who);
        if replica.lease.is_none() || !replica.memory || !state.is_promised() {
            return None;
        }
        state.broken = true;
        Some(())
    }

    /// Revokes, at the primary of the history that the revoker follows. A new history that is shut takes no mutation.
    pub(super) fn revoke_commit(&self, state: &mut State) -> Option<()> {
        let at = state.replica(self.revoker).sees;
        if state.mutation != Mutation::Idle || (at == Sees::New && state.stage != New::Open && !self.protocol.has(Mutant::MutatesWhileShut)) {
            return None;
        }
        self.database(state, self.revoker)?.revoked = true;
        state.mutation = Mutation::Waiting { at, age: 0 };
        Some(())
    }

    /// Acknowledged once the revoker has applied it, and every row has reached it or W has passed.
    pub(super) fn acknowledge(&self, state: &mut State) -> Option<()> {
        let Mutation::Waiting { at, age } = state.mutation else { return None };
        let revoker = self.revoker;
        let has_reached = self.database(state, revoker).is_some_and(|database| database.rows().all(|row| row == Row::Reached));
        if !state.replica(revoker).applied || (age < self.wait && !has_reached) {
            return None;
        }
        state.mutation = Mutation::Acknowledged { at };
        Some(())
    }

    /// The old primary is stopped.
    pub(super) fn stop_old_primary(&self, state: &mut State) -> Option<()> {
        if self.protocol.has(Mutant::OldPrimaryRuns) {
            return None;
        }
        state.old_runs = false;
        Some(())
    }

    /// The standby is promoted, with a part of the log that ends somewhere.
    pub(super) fn promote(&self, state: &mut State, lost: Lost) -> Option<()> {
        let is_stopped = !state.old_runs || self.protocol.has(Mutant::OldPrimaryRuns);
        if state.stage != New::Standby || !is_stopped {
            return None;
        }
        let has_c = state.old.c.is_some();
        let is_a_prefix = match lost {
            Lost::Nothing => true,
            Lost::Revocation => state.old.revoked && (!has_c || state.c_was_first),
            Lost::RowOfC => has_c && (!state.old.revoked || !state.c_was_first),
            Lost::Both => state.old.revoked && has_c,
        };
        if !is_a_prefix {
            return None;
        }
        let has_row_of_c = has_c && matches!(lost, Lost::Nothing | Lost::Revocation);
        state.new = Database {
            revoked: state.old.revoked && matches!(lost, Lost::Nothing | Lost::RowOfC),
            a: Some(Row::Unmarked),
            b: Some(Row::Unmarked),
            c: has_row_of_c.then_some(Row::Unmarked),
        };
        state.was_lost = state.old.revoked && !state.new.revoked;
        state.stage = New::Shut { age: 0 };
        Some(())
    }

    /// A replica meets the new history: it empties its memory, its lease is over, and whoever waits for a mutation hears 503.
    pub(super) fn notice_history(&self, state: &mut State, who: Who) -> Option<()> {
        let revoked = state.new.revoked;
        if state.stage == New::Standby || state.replica(who).sees != Sees::Old {
            return None;
        }
        let replica = state.replica_mut(who);
        (replica.sees, replica.applied) = (Sees::New, revoked);
        if !self.protocol.has(Mutant::MemoryOutlivesHistory) {
            replica.memory = false;
        }
        if !self.protocol.has(Mutant::LeaseOutlivesHistory) {
            replica.lease = None;
        }
        if who == self.revoker && matches!(state.mutation, Mutation::Waiting { .. }) && !self.protocol.has(Mutant::WaitsAcrossHistories) {
            state.mutation = Mutation::Idle;
        }
        Some(())
    }

    /// It writes back the revocation, if it knows of it and the new history does not.
    pub(super) fn write_back(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = state.replica(who);
        if replica.sees != Sees::New || !replica.knows || self.protocol.has(Mutant::NoWriteBack) {
            return None;
        }
        state.new.revoked = true;
        Some(())
    }

    /// It marks its row, after writing back. Who has none inserts one: it starts anew.
    pub(super) fn mark_row(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = *state.replica(who);
        let owes = replica.knows && !state.new.revoked && !self.protocol.has(Mutant::NoWriteBack);
        let own = state.new.row_mut(who);
        if replica.sees != Sees::New || owes || !matches!(own, None | Some(Row::Unmarked)) {
            return None;
        }
        *own = Some(replica.row());
        Some(())
    }

    /// An operator, alarmed, gives up a replica that is missing.
    pub(super) fn give_up_missing(&self, state: &mut State, who: Who) -> Option<()> {
        let own = state.new.row_mut(who);
        if !self.gives_up || *own != Some(Row::Unmarked) {
            return None;
        }
        *own = None;
        state.gave_up = true;
        Some(())
    }

    /// The new history opens: all rows are marked, and W has passed.
    pub(super) fn open(&self, state: &mut State) -> Option<()> {
        let New::Shut { age } = state.stage else { return None };
        let all_marked = state.new.rows().all(|row| row != Row::Unmarked) || self.protocol.has(Mutant::WriteBackTooLate);
        let waited = age >= self.wait || self.protocol.has(Mutant::OpensBeforeWait);
        if !all_marked || !waited {
            return None;
        }
        state.stage = New::Open;
        Some(())
    }
}

impl Replica {
    /// What its row says.
    fn row(&self) -> Row {
        if self.applied { Row::Reached } else { Row::Behind }
    }
}
