//! Answering a request: first the clock, then memory, then the database.

use super::{
    Asks, Cluster,
    state::{Broken, Life, Promise, Replica, Request, Site, State, Who},
};
use crate::{protocol::Mutant, words::Grant};

impl Cluster {
    /// Whether a lease runs, by the clock as it is now.
    fn has_lease(&self, replica: &Replica) -> bool {
        replica.life == Life::Up && replica.lease.is_some()
    }

    /// A request begins, and the clock is read. Without a lease it waits; that it began earlier then binds its answer by less.
    pub(super) fn answer_check_lease(&self, state: &mut State, who: Who) -> Option<()> {
        let (replica, promise) = (*state.replica(who), state.promise);
        if !self.has_lease(&replica) {
            return None;
        }
        match replica.request {
            Request::Idle if self.protocol.has(Mutant::CheckAfterRead) => return None,
            Request::Idle => state.replica_mut(who).request = Request::Checked(promise),
            Request::ReadUnchecked(promise, grant) => self.answer(state, who, promise, grant),
            Request::Checked(_) | Request::Fetching { .. } => return None,
        }
        Some(())
    }

    /// Reads memory, after the clock.
    pub(super) fn answer_from_memory(&self, state: &mut State, who: Who) -> Option<()> {
        let (replica, promise) = (*state.replica(who), state.promise);
        let grant = replica.memory?;
        match replica.request {
            Request::Checked(promise) => self.answer(state, who, promise, grant),
            Request::Idle if self.protocol.has(Mutant::CheckAfterRead) => {
                state.replica_mut(who).request = Request::ReadUnchecked(promise, grant);
            }
            Request::Idle | Request::Fetching { .. } | Request::ReadUnchecked(..) => return None,
        }
        Some(())
    }

    /// Memory has nothing: a database takes a snapshot, through any connection.
    pub(super) fn answer_miss(&self, state: &mut State, who: Who, site: Site) -> Option<()> {
        let (at, grant) = (state.database(site).position(), state.database(site).log.grant());
        let now = state.promise;
        let asks = self.asks(who);
        let replica = state.replica_mut(who);
        let promise = match replica.request {
            Request::Checked(promise) if asks == Asks::Everything && replica.memory.is_none() => promise,
            Request::Idle if self.protocol.has(Mutant::AnswerWithoutLease) && replica.lease.is_none() => now,
            Request::Idle | Request::Checked(_) | Request::Fetching { .. } | Request::ReadUnchecked(..) => return None,
        };
        replica.request = Request::Fetching { promise, at, grant };
        Some(())
    }

    /// The snapshot arrives and is judged, kept and answered in one step; or it is neither used nor kept.
    pub(super) fn answer_miss_arrives(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = state.replica_mut(who);
        let Request::Fetching { promise, at, grant } = replica.request else { return None };
        let is_late = at < replica.applied || at.history != replica.applied.history;
        if is_late && self.protocol.has(Mutant::LateCacheFill) {
            // Not answered, but it was judged when it was asked for, and is kept.
            replica.memory = Some(grant);
        }
        if replica.life != Life::Up || (is_late && !self.protocol.has(Mutant::OldConnectionTrusted)) {
            replica.request = Request::Idle;
            return Some(());
        }
        if !is_late {
            replica.memory = Some(grant);
        }
        self.answer(state, who, promise, grant);
        Some(())
    }

    /// A answers from memory in one step, and as though a lease ran at all times: more than the protocol allows.
    pub(super) fn revoker_answers(&self, state: &mut State) -> Option<()> {
        let grant = state.a.memory?;
        let promise = state.promise?;
        self.answer(state, Who::A, Some(promise), grant);
        Some(())
    }

    /// The answer. It breaks the contract if it says what an acknowledged mutation, which no later one undoes, has ended.
    fn answer(&self, state: &mut State, who: Who, promise: Promise, grant: Grant) {
        state.replica_mut(who).request = Request::Idle;
        if promise.is_some() && promise == state.promise && promise != Some(grant) {
            state.broken = match grant {
                Grant::Full => Broken::Accepted,
                Grant::Lesser => Broken::Refused,
            };
        }
    }
}
