//! Lists, the stream, and what verifiers make of them.

use crate::support::{WHOLE, extent, holds, reddens};
use keywright_model::{
    Extent,
    feed::{Feed, NOTHING_IS_ACCEPTED_PAST_ITS_BOUND, NOTHING_REFUSED_IS_ACCEPTED_AGAIN},
    protocol::{Mutant, Protocol},
};

fn feed(mutants: &'static [Mutant]) -> Feed {
    Feed::new(Protocol::without(mutants))
}

fn failing_over(mutants: &'static [Mutant]) -> Feed {
    Feed::failing_over(Protocol::without(mutants), Extent::Short)
}

#[test]
fn the_protocol_holds() {
    holds("feed", Feed::new(WHOLE), 200_000);
}

#[test]
fn the_protocol_holds_over_a_failover() {
    let floor = if extent() == Extent::Full { 4_000_000 } else { 150_000 };
    holds("feed, failing_over", Feed::failing_over(WHOLE, extent()), floor);
}

#[test]
fn only_replicas_with_a_lease_serve_the_feed() {
    reddens(feed(&[Mutant::FeedWithoutLease]), NOTHING_IS_ACCEPTED_PAST_ITS_BOUND);
}

#[test]
fn age_is_counted_from_the_servers_time() {
    reddens(feed(&[Mutant::AgeByReceipt]), NOTHING_IS_ACCEPTED_PAST_ITS_BOUND);
}

#[test]
fn lists_carry_a_time_and_come_through_no_cache() {
    reddens(feed(&[Mutant::ListThroughCache]), NOTHING_IS_ACCEPTED_PAST_ITS_BOUND);
}

#[test]
fn a_stream_begins_where_the_list_ends() {
    reddens(feed(&[Mutant::StreamFromNow]), NOTHING_IS_ACCEPTED_PAST_ITS_BOUND);
}

#[test]
fn the_id_of_a_stream_is_a_position() {
    reddens(failing_over(&[Mutant::BareStreamId]), NOTHING_IS_ACCEPTED_PAST_ITS_BOUND);
}

#[test]
fn a_lower_position_is_refused() {
    reddens(feed(&[Mutant::LowerPositionTaken]), NOTHING_REFUSED_IS_ACCEPTED_AGAIN);
}

#[test]
fn no_bit_is_cleared() {
    reddens(failing_over(&[Mutant::BitsCleared]), NOTHING_REFUSED_IS_ACCEPTED_AGAIN);
}
