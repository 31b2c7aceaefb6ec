//! Failover with asynchronous replication.

use crate::support::{WHOLE, holds, holds_at_full_extent, reddens};
use keywright_model::{
    opening::{NOTHING_ACKNOWLEDGED_IS_LOST, NOTHING_REVOKED_IS_ACCEPTED, Opening},
    protocol::{Mutant, Protocol},
};

fn opening(mutants: &'static [Mutant]) -> Opening {
    Opening::new(Protocol::without(mutants))
}

#[test]
fn the_protocol_holds() {
    holds("opening", Opening::new(WHOLE), 150_000);
}

#[test]
fn the_protocol_holds_where_an_operator_gives_up_the_missing() {
    holds("giving_up", Opening::giving_up(WHOLE), 500_000);
    holds_at_full_extent("giving_up, W = 3", Opening { wait: 3, ..Opening::giving_up(WHOLE) }, 1_000_000);
}

/// Known, and told to whoever replicates asynchronously: what a replica did that the new primary has never heard of is lost with it.
#[test]
fn a_replica_that_joined_and_revoked_within_what_is_lost_is_left_over() {
    reddens(Opening::left_over(WHOLE), NOTHING_ACKNOWLEDGED_IS_LOST);
}

#[test]
fn what_was_lost_is_written_back() {
    reddens(opening(&[Mutant::NoWriteBack]), NOTHING_ACKNOWLEDGED_IS_LOST);
}

#[test]
fn a_new_history_opens_when_everybody_has_written_back() {
    reddens(opening(&[Mutant::WriteBackTooLate]), NOTHING_ACKNOWLEDGED_IS_LOST);
}

#[test]
fn the_old_primary_is_stopped_first() {
    reddens(opening(&[Mutant::OldPrimaryRuns]), NOTHING_REVOKED_IS_ACCEPTED);
}

#[test]
fn a_new_history_opens_when_old_leases_are_over() {
    reddens(opening(&[Mutant::OpensBeforeWait]), NOTHING_REVOKED_IS_ACCEPTED);
}

#[test]
fn a_shut_history_takes_no_mutation() {
    reddens(opening(&[Mutant::MutatesWhileShut]), NOTHING_REVOKED_IS_ACCEPTED);
}

#[test]
fn who_waits_when_the_history_changes_hears_503() {
    reddens(opening(&[Mutant::WaitsAcrossHistories]), NOTHING_REVOKED_IS_ACCEPTED);
}

#[test]
fn memory_ends_with_its_history() {
    reddens(opening(&[Mutant::MemoryOutlivesHistory]), NOTHING_REVOKED_IS_ACCEPTED);
}

#[test]
fn a_lease_ends_with_its_history() {
    reddens(opening(&[Mutant::LeaseOutlivesHistory]), NOTHING_REVOKED_IS_ACCEPTED);
}
