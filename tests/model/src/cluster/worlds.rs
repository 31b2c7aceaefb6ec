//! What is explored, from small to large. Each bounds what happens how often; time, renewals, polls and requests are never bounded.

use super::{Asks, Cluster, state::Life};
use crate::{Extent, protocol::Protocol};

impl Cluster {
    /// A and B, one revocation, and nothing that goes wrong but pauses, slow clocks and 503.
    #[must_use]
    pub fn pair(protocol: Protocol) -> Self {
        Self {
            protocol,
            lease: 2,
            wait: 3,
            b: Life::Up,
            c: Life::Never,
            asks_b: Asks::Everything,
            asks_c: Asks::Nothing,
            hints: false,
            watches: false,
            fails_over: false,
            gives_back: false,
            attempts: 0,
            others: 0,
            warnings: 0,
            raised_by_renewal: false,
        }
    }

    /// As `pair`, but B has the key in memory and asks no database for it.
    #[must_use]
    pub fn remembering(protocol: Protocol) -> Self {
        Self { asks_b: Asks::Memory, ..Self::pair(protocol) }
    }

    /// With a second attempt of A's client, and a change of something else that B makes.
    #[must_use]
    pub fn busy(protocol: Protocol) -> Self {
        Self { attempts: 1, others: 1, ..Self::pair(protocol) }
    }

    /// With notifications, which are lost and doubled, and a change of something else before or after the revocation.
    #[must_use]
    pub fn notified(protocol: Protocol) -> Self {
        Self { hints: true, others: 1, ..Self::pair(protocol) }
    }

    /// What is taken away is given back.
    #[must_use]
    pub fn giving_back(protocol: Protocol) -> Self {
        Self { gives_back: true, attempts: 1, ..Self::pair(protocol) }
    }

    /// A looks at B's row and deletes it when it stands still; B starts anew. A second mutation follows.
    #[must_use]
    pub fn rows(protocol: Protocol) -> Self {
        Self { watches: true, gives_back: true, ..Self::pair(protocol) }
    }

    /// B joins, as often as its row is deleted.
    #[must_use]
    pub fn joining(protocol: Protocol) -> Self {
        Self { b: Life::Absent, ..Self::rows(protocol) }
    }

    /// C starts where B, its predecessor, is paused.
    #[must_use]
    pub fn restarting(protocol: Protocol) -> Self {
        Self { c: Life::Absent, asks_b: Asks::Memory, ..Self::pair(protocol) }
    }

    /// The same, and it is C that answers.
    #[must_use]
    pub fn third(protocol: Protocol) -> Self {
        Self { asks_b: Asks::Nothing, asks_c: Asks::Everything, ..Self::restarting(protocol) }
    }

    /// C starts where B is paused, and the standby is promoted.
    #[must_use]
    pub fn restarting_over_failover(protocol: Protocol) -> Self {
        Self { fails_over: true, ..Self::restarting(protocol) }
    }

    /// The standby is promoted.
    #[must_use]
    pub fn failing_over(protocol: Protocol) -> Self {
        Self { fails_over: true, attempts: 1, ..Self::pair(protocol) }
    }

    /// B joins before, during or after the failover.
    #[must_use]
    pub fn joining_over_failover(protocol: Protocol) -> Self {
        Self { b: Life::Absent, attempts: 0, ..Self::failing_over(protocol) }
    }

    /// A commit's wait for the standby is cancelled before it, and the number that this commit had is used again.
    #[must_use]
    pub fn losing_an_unsure_change(protocol: Protocol) -> Self {
        Self { asks_b: Asks::Memory, warnings: 1, others: 1, attempts: 0, ..Self::failing_over(protocol) }
    }

    /// The same where a replica has to notice that the node is another one.
    #[must_use]
    pub fn noticing_a_failover(protocol: Protocol) -> Self {
        Self { raised_by_renewal: true, ..Self::losing_an_unsure_change(protocol) }
    }

    /// Rows are deleted, and the standby is promoted.
    #[must_use]
    pub fn rows_over_failover(protocol: Protocol) -> Self {
        Self { watches: true, ..Self::failing_over(protocol) }
    }

    /// L and W as they are, in ticks of 0.4 s: 5 and 6.
    #[must_use]
    pub fn fine_ticks(protocol: Protocol) -> Self {
        Self { lease: 5, wait: 6, ..Self::failing_over(protocol) }
    }

    /// Everything of two replicas and one revoker: notifications lost and doubled, a client that tries again, a commit whose wait for the
    /// standby is cancelled, failover, leases, clocks, pauses. At full extent another change, too.
    #[must_use]
    pub fn whole(protocol: Protocol, extent: Extent) -> Self {
        let short = Self { hints: true, warnings: 1, ..Self::failing_over(protocol) };
        match extent {
            Extent::Short => short,
            Extent::Full => Self { others: 1, ..short },
        }
    }
}
