//! What must hold always, and what must be possible.

use super::{
    Asks, Cluster,
    state::{Broken, By, Life, Mutation, Request, Site, State},
};
use crate::words::{Change, Grant};
use stateright::Property;

/// Always: no request that starts after a revocation's acknowledgement is answered with what was taken away.
pub const NOTHING_REVOKED_IS_ACCEPTED: &str = "nothing revoked is accepted";
/// Always: no request that starts after the acknowledgement that it was given back is refused it.
pub const NOTHING_GIVEN_BACK_IS_REFUSED: &str = "nothing given back is refused";
/// Always: what was acknowledged is on the primary.
pub const NOTHING_ACKNOWLEDGED_IS_LOST: &str = "nothing acknowledged is lost";
/// Sometimes: a revocation is acknowledged, as every row has reached it.
pub const ACKNOWLEDGED_BY_ROWS: &str = "a revocation is acknowledged by rows";
/// Sometimes: a revocation is acknowledged, though a replica's row does not move.
pub const ACKNOWLEDGED_DESPITE_A_DEAD_REPLICA: &str = "a revocation is acknowledged despite a dead replica";
/// Sometimes: the next mutation after that need not wait for the dead replica.
pub const NEXT_NEED_NOT_WAIT: &str = "the next mutation need not wait for the dead replica";
/// Sometimes: an exchange is answered from memory.
pub const EXCHANGED: &str = "an exchange succeeds";
/// Sometimes: a replica that joined answers.
pub const JOINED: &str = "who has joined answers";
/// Sometimes: a lease is renewed after a failover.
pub const RENEWED_AFTER_FAILOVER: &str = "a lease is renewed after a failover";
/// Sometimes: a revocation is acknowledged after a failover.
pub const ACKNOWLEDGED_AFTER_FAILOVER: &str = "a revocation is acknowledged after a failover";
/// Sometimes: what was given back is answered.
pub const GIVEN_BACK: &str = "what was given back is acknowledged";

pub(super) fn all(cluster: &Cluster) -> Vec<Property<Cluster>> {
    let mut properties = vec![
        Property::always(NOTHING_REVOKED_IS_ACCEPTED, |_, state: &State| state.broken != Broken::Accepted),
        Property::always(NOTHING_GIVEN_BACK_IS_REFUSED, |_, state: &State| state.broken != Broken::Refused),
        Property::always(NOTHING_ACKNOWLEDGED_IS_LOST, |_, state: &State| state.promise.is_none_or(|grant| state.primary().log.grant() == grant)),
        Property::sometimes(ACKNOWLEDGED_BY_ROWS, |_, state: &State| acknowledged(state) == Some(By::Rows)),
        Property::sometimes(ACKNOWLEDGED_DESPITE_A_DEAD_REPLICA, |_, state: &State| acknowledged(state) == Some(By::Time)),
    ];
    if cluster.asks_b != Asks::Nothing && cluster.b != Life::Never {
        properties.push(Property::sometimes(EXCHANGED, |_, state: &State| is_exchanging(state)));
    }
    if cluster.b == Life::Absent || cluster.c == Life::Absent {
        properties.push(Property::sometimes(JOINED, |cluster: &Cluster, state: &State| {
            let joiner = if cluster.c == Life::Absent { state.c } else { state.b };
            joiner.lease.is_some()
        }));
    }
    if cluster.fails_over {
        // W after a commit on the promoted node, no lease of before the failover runs any more.
        properties.push(Property::sometimes(RENEWED_AFTER_FAILOVER, |_, state: &State| {
            let waited = matches!(state.mutation, Mutation::Acknowledged { at, by: By::Time } if at.history == 1);
            waited && state.b.lease.is_some()
        }));
        properties.push(Property::sometimes(ACKNOWLEDGED_AFTER_FAILOVER, |_, state: &State| {
            matches!(state.mutation, Mutation::Acknowledged { at, .. } if at.history == 1) && state.live == Site::Second
        }));
    }
    if cluster.gives_back {
        properties.push(Property::sometimes(GIVEN_BACK, |_, state: &State| state.promise == Some(Grant::Full)));
    }
    if cluster.gives_back && cluster.watches {
        properties.push(Property::sometimes(NEXT_NEED_NOT_WAIT, |_, state: &State| {
            let is_behind = matches!(state.mutation, Mutation::Acknowledged { at, by: By::Rows } if state.b.applied < at && state.b.life == Life::Up);
            state.change == Change::GiveBack && is_behind
        }));
    }
    properties
}

fn acknowledged(state: &State) -> Option<By> {
    match state.mutation {
        Mutation::Acknowledged { by, .. } => Some(by),
        Mutation::Idle | Mutation::Sent { .. } | Mutation::Landed { .. } | Mutation::Waiting { .. } => None,
    }
}

fn is_exchanging(state: &State) -> bool {
    matches!(state.b.request, Request::Checked(None)) && state.b.memory == Some(Grant::Full)
}
