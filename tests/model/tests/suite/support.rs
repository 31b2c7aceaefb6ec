//! How a model is explored, and what must come of it.

#![expect(clippy::print_stdout, reason = "with --nocapture a test tells what it has explored")]

use keywright_model::{Extent, protocol::Protocol};
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::{fmt::Debug, hash::Hash};

pub(crate) const WHOLE: Protocol = Protocol::WHOLE;

/// How much is explored: `TEST_EXTENT=full` for more.
pub(crate) fn extent() -> Extent {
    let is_full = std::env::vars().any(|(name, value)| name == "TEST_EXTENT" && value == "full");
    if is_full { Extent::Full } else { Extent::Short }
}

/// Explores everything: all that must hold holds, all that must be possible is. `floor` is a little less than the number of states, so that
/// a model that has lost half of its steps is no proof.
pub(crate) fn holds<M>(name: &str, model: M, floor: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let checker = model.checker().spawn_dfs().join();
    println!("{name}: {} states, {} steps, depth {}", checker.unique_state_count(), checker.state_count(), checker.max_depth());
    checker.assert_properties();
    assert!(checker.is_done(), "{name} was not explored to its end");
    assert!(checker.unique_state_count() >= floor, "{name} has {} states, {floor} and more were expected", checker.unique_state_count());
}

/// The same, but only at full extent.
pub(crate) fn holds_at_full_extent<M>(name: &str, model: M, floor: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    if extent() == Extent::Full {
        holds(name, model, floor);
    }
}

/// Explores until the property that must hold is broken.
pub(crate) fn reddens<M>(model: M, property: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    assert_ne!(model.property(property).expectation, Expectation::Sometimes, "{property} is no promise");
    let checker = model.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let trace = checker.assert_any_discovery(property);
    println!("{property}: {:?}", trace.into_actions());
}

/// Explores everything: what must hold holds, and what ought to be possible is not.
pub(crate) fn never_happens<M>(model: M, property: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    assert_eq!(model.property(property).expectation, Expectation::Sometimes, "{property} is a promise");
    let checker = model.checker().spawn_dfs().join();
    checker.assert_no_discovery(property);
}
