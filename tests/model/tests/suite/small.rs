//! The small models: two mutations that wait for each other, two transactions, tokens and their generations.

use crate::support::{WHOLE, holds, reddens};
use keywright_model::{
    generations::{Generations, WHAT_WAS_TAKEN_AWAY_IS_DEAD},
    protocol::{Mutant, Protocol},
    waiters::{NOBODY_WAITS_FOR_EVER, Waiters},
    writers::{NO_KEY_SURVIVES_ITS_HOLDER, NOTHING_BELOW_IS_MISSED, Writers},
};

#[test]
fn the_protocol_holds() {
    holds("waiters", Waiters { protocol: WHOLE }, 100);
    holds("writers", Writers { protocol: WHOLE }, 20);
    holds("generations", Generations { protocol: WHOLE }, 80);
}

#[test]
fn who_waits_keeps_no_connection() {
    reddens(Waiters { protocol: Protocol::without(&[Mutant::WaitsWithConnection]) }, NOBODY_WAITS_FOR_EVER);
}

#[test]
fn numbers_are_given_in_the_order_of_commits() {
    reddens(Writers { protocol: Protocol::without(&[Mutant::SequenceInsteadOfRow]) }, NOTHING_BELOW_IS_MISSED);
}

#[test]
fn a_transaction_raises_the_revision_before_it_reads() {
    reddens(Writers { protocol: Protocol::without(&[Mutant::ReadsBeforeRaising]) }, NO_KEY_SURVIVES_ITS_HOLDER);
}

#[test]
fn grant_and_index_are_of_one_snapshot() {
    reddens(Generations { protocol: Protocol::without(&[Mutant::IndexApartFromGrant]) }, WHAT_WAS_TAKEN_AWAY_IS_DEAD);
}

#[test]
fn an_index_is_never_used_again() {
    reddens(Generations { protocol: Protocol::without(&[Mutant::IndexReused]) }, WHAT_WAS_TAKEN_AWAY_IS_DEAD);
}
