//! Time. A tick is one of A's clock; the others' clocks may miss some.

use super::{
    Cluster,
    state::{Life, Mutation, Renewal, Replica, State, Who},
};
use crate::protocol::Mutant;

/// Whose clock misses a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slow {
    /// Nobody's.
    Nobody,
    /// B's.
    B,
    /// C's.
    C,
    /// B's and C's.
    Both,
}

impl Slow {
    fn pace(self, who: Who) -> Pace {
        match (self, who) {
            (Self::B | Self::Both, Who::B) | (Self::C | Self::Both, Who::C) => Pace::Misses,
            (Self::Nobody | Self::B | Self::C | Self::Both, Who::A | Who::B | Who::C) => Pace::Keeps,
        }
    }
}

/// Whether a clock goes on with a tick.
enum Pace {
    /// It does.
    Keeps,
    /// It does not.
    Misses,
}

impl Cluster {
    /// A tick passes.
    pub(super) fn tick(&self, state: &mut State, slow: Slow) -> Option<()> {
        self.tick_replica(state, Who::B, slow.pace(Who::B))?;
        self.tick_replica(state, Who::C, slow.pace(Who::C))?;
        match &mut state.mutation {
            Mutation::Sent { age } | Mutation::Waiting { age, .. } => *age = self.wait.min(*age + 1),
            Mutation::Landed { age, .. } if self.protocol.has(Mutant::WaitCountedFromSending) => *age = self.wait.min(*age + 1),
            Mutation::Idle | Mutation::Landed { .. } | Mutation::Acknowledged { .. } => {}
        }
        for watch in [&mut state.watch_b, &mut state.watch_c] {
            watch.stood = self.wait.min(watch.stood + u8::from(self.watches));
        }
        Some(())
    }

    /// A clock misses at most one of any W ticks: W of A's are at least L of everybody's.
    fn tick_replica(&self, state: &mut State, who: Who, pace: Pace) -> Option<()> {
        let rarely = self.wait - 1;
        let replica = state.replica_mut(who);
        match pace {
            Pace::Misses if replica.life == Life::Never || replica.steady < rarely => return None,
            Pace::Misses if replica.lease.is_none() && replica.renewal == Renewal::Idle => return None,
            Pace::Misses => replica.steady = 0,
            Pace::Keeps => {
                replica.steady = rarely.min(replica.steady + 1);
                self.age_lease(state, who);
                self.age_renewal(state, who);
            }
        }
        let replica = state.replica_mut(who);
        if replica.lease.is_none() && replica.renewal == Renewal::Idle {
            // What nobody measures by needs no memory of its pace.
            replica.steady = rarely;
        }
        Some(())
    }

    fn age_lease(&self, state: &mut State, who: Who) {
        let replica = state.replica_mut(who);
        replica.lease = replica.lease.map(|age| self.lease.min(age + 1));
        if !self.protocol.has(Mutant::LeaseAsFlag) {
            replica.lease = replica.lease.filter(|age| *age < self.lease);
        }
    }

    fn age_renewal(&self, state: &mut State, who: Who) {
        let replica = state.replica_mut(who);
        match &mut replica.renewal {
            Renewal::Idle => {}
            Renewal::Noted { age } | Renewal::ReadFirst { age, .. } | Renewal::Written { age, .. } | Renewal::Read { age, .. } => {
                *age = self.lease.min(*age + 1)
            }
        }
        self.give_up_late_renewal(replica);
    }

    /// A lease that would be over when it counts is given up, unless its replica has yet to load.
    pub(super) fn give_up_late_renewal(&self, replica: &mut Replica) {
        if let Renewal::Written { age, .. } | Renewal::Read { age, .. } = replica.renewal
            && age >= self.lease
            && replica.life == Life::Up
            && !self.protocol.has(Mutant::LeaseCountedFromTheAnswer)
        {
            replica.renewal = Renewal::Idle;
        }
    }

    /// Only where the lease is a flag: the timer that takes it down runs when it gets to.
    pub(super) fn clear_flag(&self, state: &mut State, who: Who) -> Option<()> {
        let lease = &mut state.replica_mut(who).lease;
        if *lease != Some(self.lease) {
            return None;
        }
        *lease = None;
        Some(())
    }
}
