//! Failover with synchronous replication.

use super::{
    Cluster,
    state::{Database, Mutation, Site, State},
};
use crate::protocol::Mutant;

impl Cluster {
    /// The standby is promoted and raises the history. The first node is cut off; old connections still read it.
    pub(super) fn fail_over(&self, state: &mut State) -> Option<()> {
        if !self.fails_over || state.live == Site::Second {
            return None;
        }
        let n = state.first.log.n() - state.unreplicated;
        state.second = Database { history: u8::from(self.raises_at_once()), log: state.first.log.up_to(n), ..state.first };
        state.live = Site::Second;
        state.unreplicated = 0;
        Some(())
    }

    fn raises_at_once(&self) -> bool {
        !self.protocol.has(Mutant::PositionsWithoutHistory) && !self.raised_by_renewal
    }

    /// Forgets what nothing can read any more, so that equal futures are one state.
    pub(super) fn forget(&self, state: &mut State) {
        let waits_for_first = match state.mutation {
            Mutation::Landed { at, .. } | Mutation::Waiting { at, .. } => at.history == 0,
            Mutation::Idle | Mutation::Sent { .. } | Mutation::Acknowledged { .. } => false,
        };
        let tells_apart = self.raises_at_once() && !self.protocol.has(Mutant::RowsFromAnotherConnection);
        if state.live == Site::Second && !waits_for_first && tells_apart {
            (state.first.b, state.first.c) = (None, None);
        }
    }
}
