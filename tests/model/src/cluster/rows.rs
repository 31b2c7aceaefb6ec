//! The rows of the replicas, as A sees them.

use super::{
    Cluster,
    state::{Site, State, Watch, Who},
};
use crate::{protocol::Mutant, words::Position};

impl Cluster {
    /// Every row counts, however old.
    pub(super) fn every_row_has_reached(&self, state: &State, site: Site, at: Position) -> bool {
        let database = state.database(site);
        [(database.b, state.watch_b), (database.c, state.watch_c)].into_iter().all(|(row, watch)| match row {
            None => true,
            Some(row) => row.applied >= Some(at) || self.is_skipped(watch),
        })
    }

    fn is_skipped(&self, watch: Watch) -> bool {
        let by_age = self.protocol.has(Mutant::OldRowsSkipped) && watch.stood >= self.lease;
        let by_health = self.protocol.has(Mutant::DeadRowSkipped) && watch.stood >= 1;
        !watch.moved && (by_age || by_health)
    }

    /// A looks at a row: if it has moved, its standing still is counted from here.
    pub(super) fn look_at_row(&self, state: &mut State, who: Who) -> Option<()> {
        state.primary().row(who)?;
        let watch = self.watch(state, who)?;
        if !watch.moved {
            return None;
        }
        *watch = Watch::default();
        Some(())
    }

    /// A deletes a row that stood still for W on its clock, if it still does.
    pub(super) fn delete_row(&self, state: &mut State, who: Who) -> Option<()> {
        state.primary().row(who)?;
        let after = if self.protocol.has(Mutant::RowDeletedByAge) { self.lease } else { self.wait };
        let is_unconditional = self.protocol.has(Mutant::RowDeletedUnconditionally);
        let watch = self.watch(state, who)?;
        if watch.stood < after || (watch.moved && !is_unconditional) {
            return None;
        }
        *watch = Watch::default();
        state.primary_mut().set_row(who, None);
        state.unreplicated = 0;
        Some(())
    }

    /// What A knows of a row, where it looks.
    pub(super) fn watch<'a>(&self, state: &'a mut State, who: Who) -> Option<&'a mut Watch> {
        if self.watches { state.watch_mut(who) } else { None }
    }
}
