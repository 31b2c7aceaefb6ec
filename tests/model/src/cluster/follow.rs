//! Following the log of changes, in order.

use super::{
    Cluster,
    state::{Life, Network, Site, State, Who},
};
use crate::{protocol::Mutant, words::Change};

impl Cluster {
    /// Asks for what follows the position that is applied, through any connection, and applies it.
    pub(super) fn poll_log(&self, state: &mut State, who: Who, site: Site) -> Option<()> {
        let database = *state.database(site);
        let replica = state.replica_mut(who);
        if replica.life != Life::Up || database.history < replica.applied.history {
            return None;
        }
        if database.history > replica.applied.history {
            replica.memory = None;
            replica.applied = database.position();
            self.renew_count_at_once(state, who);
            return Some(());
        }
        let change = database.log.after(replica.applied.n)?;
        self.apply(state, who, change);
        Some(())
    }

    /// Applies the next entry.
    fn apply(&self, state: &mut State, who: Who, change: Change) {
        let replica = state.replica_mut(who);
        replica.applied.n += 1;
        if change.grant().is_some() {
            replica.memory = None;
        }
        self.renew_count_at_once(state, who);
    }

    /// A notification arrives: B polls. It stays in the network, for it may come twice.
    pub(super) fn deliver_hint(&self, state: &mut State, site: Site) -> Option<()> {
        if state.network == Network::Silent {
            return None;
        }
        if self.protocol.has(Mutant::HintIsBelieved) {
            return self.believe_hint(state);
        }
        self.poll_log(state, Who::B, site)
    }

    /// B applies what the notification says, whatever came before it.
    fn believe_hint(&self, state: &mut State) -> Option<()> {
        let last = state.primary().position();
        let change = state.primary().log.after(last.n.checked_sub(1)?)?;
        let b = &mut state.b;
        if b.life != Life::Up || b.applied >= last {
            return None;
        }
        b.applied = last;
        if change.grant().is_some() {
            b.memory = None;
        }
        Some(())
    }

    /// The network loses the notification.
    pub(super) fn lose_hint(&self, state: &mut State) -> Option<()> {
        state.network = Network::Silent;
        Some(())
    }
}
