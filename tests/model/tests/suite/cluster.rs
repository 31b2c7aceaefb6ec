//! Leases, acknowledgement, rows, joining, and failover with synchronous replication.

use crate::support::{WHOLE, holds, holds_at_full_extent, never_happens, reddens};
use keywright_model::{
    Extent,
    cluster::{Cluster, NEXT_NEED_NOT_WAIT, NOTHING_ACKNOWLEDGED_IS_LOST, NOTHING_GIVEN_BACK_IS_REFUSED, NOTHING_REVOKED_IS_ACCEPTED},
    protocol::{Mutant, Protocol},
    words::Log,
};

/// Breaks rules in a world, and looks for an acceptance.
fn accepts(world: fn(Protocol) -> Cluster, mutants: &'static [Mutant]) {
    reddens(world(Protocol::without(mutants)), NOTHING_REVOKED_IS_ACCEPTED);
}

mod the_protocol_holds {
    use super::*;

    #[test]
    fn for_two_replicas() {
        holds("pair", Cluster::pair(WHOLE), 9_000);
        holds("remembering", Cluster::remembering(WHOLE), 2_000);
    }

    #[test]
    fn with_repeats_and_changes_of_others() {
        holds("busy", Cluster::busy(WHOLE), 350_000);
    }

    #[test]
    fn with_notifications_that_are_lost_and_doubled() {
        holds("notified", Cluster::notified(WHOLE), 150_000);
    }

    #[test]
    fn where_something_is_given_back() {
        holds("giving_back", Cluster::giving_back(WHOLE), 170_000);
    }

    #[test]
    fn where_rows_are_deleted() {
        holds("rows", Cluster::rows(WHOLE), 330_000);
    }

    #[test]
    fn for_who_joins() {
        holds("joining", Cluster::joining(WHOLE), 270_000);
        holds("joining_over_failover", Cluster::joining_over_failover(WHOLE), 110_000);
    }

    #[test]
    fn for_a_successor_of_a_paused_replica() {
        holds("restarting", Cluster::restarting(WHOLE), 500_000);
    }

    #[test]
    fn where_an_unsure_change_is_lost() {
        holds("losing_an_unsure_change", Cluster::losing_an_unsure_change(WHOLE), 100_000);
        holds("noticing_a_failover", Cluster::noticing_a_failover(WHOLE), 100_000);
    }

    #[test]
    fn as_a_whole() {
        holds("whole", Cluster::whole(WHOLE, Extent::Short), 1_500_000);
    }
}

mod the_protocol_holds_in_larger_bounds {
    use super::*;

    #[test]
    fn with_finer_ticks() {
        holds_at_full_extent("fine_ticks", Cluster::fine_ticks(WHOLE), 5_000_000);
    }

    #[test]
    fn where_rows_are_deleted_and_the_standby_is_promoted() {
        holds_at_full_extent("rows_over_failover", Cluster::rows_over_failover(WHOLE), 6_000_000);
    }

    #[test]
    fn for_a_third_replica() {
        holds_at_full_extent("third", Cluster::third(WHOLE), 900_000);
        holds_at_full_extent("restarting_over_failover", Cluster::restarting_over_failover(WHOLE), 15_000_000);
    }

    #[test]
    fn as_a_whole() {
        holds_at_full_extent("whole, full", Cluster::whole(WHOLE, Extent::Full), 20_000_000);
    }
}

#[test]
fn the_log_has_room_for_every_change() {
    let worlds = [Cluster::busy, Cluster::giving_back, Cluster::rows, Cluster::losing_an_unsure_change, Cluster::restarting_over_failover];
    let worlds = worlds.map(|world| world(WHOLE)).into_iter().chain([Cluster::whole(WHOLE, Extent::Full)]);
    for world in worlds {
        let changes = 1 + world.attempts + world.others + u8::from(world.gives_back);
        assert!(usize::from(changes) <= Log::CAPACITY, "{world:?}");
    }
}

#[test]
fn a_mutation_waits_for_the_others() {
    accepts(Cluster::pair, &[Mutant::NoWait]);
}

#[test]
fn a_mutation_waits_for_its_own_replica() {
    accepts(Cluster::pair, &[Mutant::OwnMemoryForgotten]);
}

#[test]
fn a_lease_is_counted_from_the_noted_time() {
    accepts(Cluster::remembering, &[Mutant::LeaseCountedFromTheAnswer]);
}

#[test]
fn a_renewal_learns_the_position() {
    accepts(Cluster::pair, &[Mutant::RenewalLearnsNothing]);
}

#[test]
fn a_renewal_writes_before_it_reads() {
    accepts(Cluster::failing_over, &[Mutant::RenewedByARead]);
}

#[test]
fn a_wait_is_counted_from_the_commits_return() {
    accepts(Cluster::pair, &[Mutant::WaitCountedFromSending]);
}

#[test]
fn a_wait_is_longer_than_a_lease() {
    accepts(Cluster::pair, &[Mutant::WaitOfOneLease]);
}

#[test]
fn every_row_counts_however_old() {
    accepts(Cluster::rows, &[Mutant::OldRowsSkipped]);
}

#[test]
fn the_row_of_a_dead_replica_counts() {
    accepts(Cluster::rows, &[Mutant::DeadRowSkipped]);
}

#[test]
fn rows_of_dead_replicas_go() {
    never_happens(Cluster::rows(Protocol::without(&[Mutant::DeadRowsKept])), NEXT_NEED_NOT_WAIT);
}

#[test]
fn a_row_is_deleted_only_when_its_lease_is_over() {
    accepts(Cluster::rows, &[Mutant::RowDeletedByAge]);
}

#[test]
fn a_row_that_has_moved_is_not_deleted() {
    accepts(Cluster::rows, &[Mutant::RowDeletedUnconditionally]);
}

/// Either of the two rules keeps the promise by itself, so no test of a server can redden by one of them alone.
#[test]
fn a_renewal_updates_and_reads_afterwards() {
    holds("rows, upsert", Cluster::rows(Protocol::without(&[Mutant::Upsert])), 300_000);
    holds_at_full_extent("rows, position first", Cluster::rows(Protocol::without(&[Mutant::PositionBeforeRow])), 500_000);
    accepts(Cluster::rows, &[Mutant::Upsert, Mutant::PositionBeforeRow]);
}

#[test]
fn an_instance_is_new_at_every_start() {
    accepts(Cluster::restarting, &[Mutant::SameInstanceAfterRestart]);
}

#[test]
fn a_row_is_written_before_anything_is_loaded() {
    accepts(Cluster::joining, &[Mutant::LoadBeforeRow]);
}

#[test]
fn nothing_is_answered_without_a_lease() {
    accepts(Cluster::failing_over, &[Mutant::AnswerWithoutLease]);
}

#[test]
fn a_snapshot_below_what_is_applied_is_not_used() {
    accepts(Cluster::failing_over, &[Mutant::OldConnectionTrusted]);
}

#[test]
fn a_snapshot_is_judged_where_it_is_kept() {
    accepts(Cluster::pair, &[Mutant::LateCacheFill]);
}

#[test]
fn the_clock_is_read_before_memory() {
    accepts(Cluster::remembering, &[Mutant::CheckAfterRead]);
}

#[test]
fn the_clock_is_read_for_each_answer() {
    accepts(Cluster::pair, &[Mutant::LeaseAsFlag]);
}

#[test]
fn the_log_is_followed_in_order() {
    accepts(Cluster::busy, &[Mutant::JumpsToItsOwn]);
    accepts(Cluster::notified, &[Mutant::HintIsBelieved]);
}

#[test]
fn a_repeat_waits_too() {
    accepts(Cluster::busy, &[Mutant::RepeatAnswersAtOnce]);
}

#[test]
fn a_repeat_commits_too() {
    let world = Cluster::whole(Protocol::without(&[Mutant::RepeatCommitsNothing]), Extent::Short);
    reddens(world, NOTHING_ACKNOWLEDGED_IS_LOST);
}

#[test]
fn what_gives_back_waits_too() {
    reddens(Cluster::giving_back(Protocol::without(&[Mutant::WideningAnswersAtOnce])), NOTHING_GIVEN_BACK_IS_REFUSED);
}

#[test]
fn positions_have_a_history() {
    accepts(Cluster::losing_an_unsure_change, &[Mutant::PositionsWithoutHistory]);
}

#[test]
fn a_promoted_node_takes_no_change_before_another_history_has_begun() {
    accepts(Cluster::noticing_a_failover, &[Mutant::ChangesBeforeAnotherHistory]);
}

#[test]
fn the_position_is_read_where_the_row_was_written() {
    accepts(Cluster::failing_over, &[Mutant::PositionFromAnotherConnection]);
}

#[test]
fn rows_are_read_in_a_snapshot_that_has_the_mutation() {
    accepts(Cluster::joining_over_failover, &[Mutant::RowsFromAnotherConnection]);
}

#[test]
fn a_warned_commit_is_no_success() {
    let world = Cluster::whole(Protocol::without(&[Mutant::WarningIsSuccess]), Extent::Short);
    reddens(world, NOTHING_ACKNOWLEDGED_IS_LOST);
}

#[test]
fn a_warned_renewal_is_none() {
    accepts(Cluster::failing_over, &[Mutant::RenewalTrustsWarning]);
}
