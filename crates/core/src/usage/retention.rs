//! How long usage is kept, and the end of what is older.

use super::Period;
use crate::{Core, Error, attention::OLD_ENDPOINTS_WITHIN};
use keywright_protocol::Time;
use keywright_store::{StoreError, attention, usage};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long networks are kept; one that was not used for as long is new again.
pub(super) const NETWORKS_KEPT: Duration = DAY.saturating_mul(90);
/// Rows of one transaction. Other writes wait for it.
const ROWS: i64 = 1_000;

/// For how long counts are kept.
pub(super) const fn kept(period: Period) -> Duration {
    match period {
        Period::Hour => DAY.saturating_mul(90),
        Period::Day => DAY.saturating_mul(2 * 365),
    }
}

/// What there is too much of.
#[derive(Clone, Copy)]
enum Old {
    Counts(Period, Time),
    Networks(Time),
    Clients(Time),
}

impl Core {
    /// Deletes counts and networks that are older than they are kept; answers how many rows. What is deleted is not more than a
    /// thousand rows at a time, and where there is nothing to delete, nothing is written.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`]; what was deleted so far stays deleted.
    pub async fn prune_usage(&self, now: Time) -> Result<u64, Error> {
        let counts = Period::ALL.map(|period| Old::Counts(period, now.minus(kept(period))));
        let mut deleted = 0;
        for old in counts.into_iter().chain([Old::Networks(now.minus(NETWORKS_KEPT)), Old::Clients(Period::Day.beginning(now.minus(OLD_ENDPOINTS_WITHIN)))]) {
            while self.has(old).await? {
                deleted += self.delete(old).await?;
            }
        }
        Ok(deleted)
    }

    async fn has(&self, old: Old) -> Result<bool, Error> {
        let found = self.db.read(move |tx| {
            Box::pin(async move {
                match old {
                    Old::Counts(period, before) => usage::has_counts_before(tx, period, before).await,
                    Old::Networks(before) => usage::has_networks_before(tx, before).await,
                    Old::Clients(before) => attention::has_old_uses_before(tx, before).await,
                }
            })
        });
        Ok(found.await?)
    }

    async fn delete(&self, old: Old) -> Result<u64, Error> {
        let deleted = self.db.write(move |tx| {
            Box::pin(async move {
                match old {
                    Old::Counts(period, before) => usage::delete_counts_before(tx, period, before, ROWS).await,
                    Old::Networks(before) => usage::delete_networks_before(tx, before, ROWS).await,
                    Old::Clients(before) => attention::delete_old_uses_before(tx, before, ROWS).await,
                }
            })
        });
        Ok(deleted.await.map_err(|error: StoreError| Error::from(error))?.value)
    }
}
