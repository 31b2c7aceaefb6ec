//! Renewing a lease, and joining, which is the first renewal of a new instance.

use super::{
    Asks, Cluster,
    state::{Life, Renewal, Replica, Row, Site, State, Who},
};
use crate::protocol::Mutant;

impl Cluster {
    /// The first step of a new instance: it has no row yet and has loaded nothing.
    pub(super) fn join(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = state.replica_mut(who);
        if replica.life != Life::Absent {
            return None;
        }
        replica.life = Life::Joining;
        replica.renewal = Renewal::Noted { age: 0 };
        Some(())
    }

    /// Notes the clock, before anything is sent.
    pub(super) fn renew_note_clock(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = state.replica_mut(who);
        if replica.life != Life::Up || replica.renewal != Renewal::Idle {
            return None;
        }
        replica.renewal = Renewal::Noted { age: 0 };
        Some(())
    }

    /// The database carries out the UPDATE (an INSERT for who joins), durably: only the primary can.
    pub(super) fn renew_write_row(&self, state: &mut State, who: Who, site: Site) -> Option<()> {
        let replica = *state.replica(who);
        let next = self.after_the_row(&replica, site)?;
        if site != state.live && !self.protocol.has(Mutant::RenewalTrustsWarning) {
            return None;
        }
        let owner = self.row_owner(who);
        if state.database(site).row(owner).is_none() && !self.may_insert(&replica) {
            *state.replica_mut(who) = self.absent();
            return Some(());
        }
        let applied = if replica.life == Life::Joining { None } else { Some(replica.applied) };
        state.database_mut(site).set_row(owner, Some(Row { applied }));
        if site == state.live {
            // What is durable now has brought everything before it to the standby.
            state.unreplicated = 0;
            if let Some(watch) = self.watch(state, owner) {
                watch.moved = true;
            }
        }
        state.replica_mut(who).renewal = next;
        self.give_up_late_renewal(state.replica_mut(who));
        self.renew_count_at_once(state, who);
        Some(())
    }

    /// A renewal goes on with reading the position, unless it deviates.
    fn after_the_row(&self, replica: &Replica, site: Site) -> Option<Renewal> {
        let learns_nothing = self.protocol.has(Mutant::RenewalLearnsNothing) && replica.life == Life::Up;
        match replica.renewal {
            Renewal::Noted { age } if learns_nothing => Some(Renewal::Read { age, at: replica.applied }),
            Renewal::Noted { age } => Some(Renewal::Written { age, site }),
            Renewal::ReadFirst { age, at } => Some(Renewal::Read { age, at }),
            Renewal::Idle | Renewal::Written { .. } | Renewal::Read { .. } => None,
        }
    }

    /// Only who joins inserts a row. Whose row is gone starts anew, without memory and with a new instance.
    fn may_insert(&self, replica: &Replica) -> bool {
        let has_loaded_early = self.protocol.has(Mutant::LoadBeforeRow) && matches!(replica.renewal, Renewal::ReadFirst { .. });
        replica.life == Life::Joining || has_loaded_early || self.protocol.has(Mutant::Upsert)
    }

    /// Reads the position, through the connection that wrote the row. Who joins loads here.
    pub(super) fn renew_read_position(&self, state: &mut State, who: Who, site: Site) -> Option<()> {
        if self.raises_history(state, who, site) {
            return Some(());
        }
        let (at, grant) = (state.database(site).position(), state.database(site).log.grant());
        let is_live = site == state.live;
        let asks = self.asks(who);
        let replica = state.replica_mut(who);
        replica.renewal = match replica.renewal {
            Renewal::Written { age, site: wrote } if wrote == site || self.protocol.has(Mutant::PositionFromAnotherConnection) => Renewal::Read { age, at },
            Renewal::Noted { age } if replica.life == Life::Up && self.protocol.has(Mutant::RenewedByARead) => Renewal::Read { age, at },
            Renewal::Noted { age } if is_live && self.reads_first(replica.life) => Renewal::ReadFirst { age, at },
            Renewal::Idle | Renewal::Noted { .. } | Renewal::ReadFirst { .. } | Renewal::Written { .. } | Renewal::Read { .. } => return None,
        };
        if replica.life == Life::Joining {
            (replica.life, replica.applied) = (Life::Up, at);
            replica.memory = (asks != Asks::Nothing).then_some(grant);
        }
        self.renew_count_at_once(state, who);
        Some(())
    }

    /// Only where nobody else raises it: this renewal finds another node than the one that the history began on. It does not count.
    fn raises_history(&self, state: &mut State, who: Who, site: Site) -> bool {
        let finds = self.raised_by_renewal && site == Site::Second && state.second.history == 0;
        let reads = state.replica(who).life == Life::Up && matches!(state.replica(who).renewal, Renewal::Written { site: wrote, .. } if wrote == site);
        if finds && reads {
            state.second.history = 1;
            state.replica_mut(who).renewal = Renewal::Idle;
        }
        finds && reads
    }

    fn reads_first(&self, life: Life) -> bool {
        let mutant = if life == Life::Joining { Mutant::LoadBeforeRow } else { Mutant::PositionBeforeRow };
        self.protocol.has(mutant)
    }

    /// The connection is lost, or took too long: the renewal is given up, wherever it is.
    pub(super) fn renew_give_up(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = state.replica_mut(who);
        if replica.life != Life::Up || replica.renewal == Renewal::Idle {
            return None;
        }
        replica.renewal = Renewal::Idle;
        Some(())
    }

    /// The lease counts, from the noted time, once what was read is applied.
    pub(super) fn renew_count(&self, state: &mut State, who: Who) -> Option<()> {
        let replica = state.replica_mut(who);
        let Renewal::Read { age, at } = replica.renewal else { return None };
        if replica.applied < at {
            return None;
        }
        let age = if self.protocol.has(Mutant::LeaseCountedFromTheAnswer) { 0 } else { age };
        replica.renewal = Renewal::Idle;
        if age < self.lease {
            replica.lease = Some(replica.lease.map_or(age, |running| running.min(age)));
        }
        Some(())
    }

    /// Counting follows at once: a replica that does so later serves less. Where the answer's time matters, it may come late.
    pub(super) fn renew_count_at_once(&self, state: &mut State, who: Who) {
        if !self.protocol.has(Mutant::LeaseCountedFromTheAnswer) {
            let _counted = self.renew_count(state, who);
        }
    }

    /// Whose row a process writes: its own; an instance is new at every start.
    fn row_owner(&self, who: Who) -> Who {
        if self.protocol.has(Mutant::SameInstanceAfterRestart) && who == Who::C { Who::B } else { who }
    }
}
