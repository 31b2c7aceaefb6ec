//! Events are removed when their time is over. Of the links that they hung on, those that were neighbours become one stub, which
//! follows what the first one followed and has the last one's hash, so that the chain goes on; and the log tells of it.

use super::{
    Action, Where,
    chain::{FIRST, Pruned},
    change,
};
use crate::{Context, Core, Error, authorize::By, usage::Period};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time};
use keywright_store::log::{self, LinkKind};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use uuid::Uuid;

/// Links of each log that one transaction removes. Other writes wait for it.
const BATCH: i64 = 1_000;

/// How long events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// Changes.
    pub changes: Duration,
    /// Accesses.
    pub accesses: Duration,
}

impl Default for Keeping {
    fn default() -> Self {
        let days = |count: u64| Duration::from_secs(count * 24 * 60 * 60);
        Self { changes: days(730), accesses: days(90) }
    }
}

impl Core {
    /// Removes the events whose time is over, by whole days, so that each root is told of it once a day at most. Answers how many
    /// links that were.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Internal`]; what was removed before stays so.
    pub async fn prune_logs(self: &Arc<Self>, now: Time) -> Result<u64, Error> {
        let Keeping { changes, accesses } = self.settings.keeping;
        let [changes, accesses] = [changes, accesses].map(|keep| Period::Day.beginning(now.minus(keep)));
        let bounds = (changes, accesses);
        let roots = self.db.read(move |tx| Box::pin(async move { Ok::<_, Error>(log::list_roots_before(tx, bounds.0, least_id(bounds.1)).await?) })).await?;
        let mut removed = 0;
        for root in roots {
            loop {
                let old = self.db.read(move |tx| Box::pin(async move { Ok::<_, Error>(log::list_old_links(tx, root, bounds, BATCH).await?) })).await?;
                if old.is_empty() {
                    break;
                }
                removed += u64::try_from(old.len()).unwrap_or(u64::MAX);
                let ctx = Context::system(now)?;
                self.write(move |tx| Box::pin(async move { prune(tx, &ctx, root, bounds, &old).await })).await?;
            }
        }
        Ok(removed)
    }
}

/// No event of a batch from that time or later has a lesser id.
fn least_id(at: Time) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.as_millis()).unwrap_or_default(), &[0; 10]).into_uuid()
}

async fn prune(tx: &mut Tx, ctx: &Context, root: OrganizationId, bounds: (Time, Time), old: &BTreeSet<i64>) -> Result<(), Error> {
    // Before it is pruned itself.
    let told = log::find_last_pruning(tx, root, Action::LogPrune.as_str()).await?;
    let mut pruned =
        told.map_or(Some(Pruned::default()), |(subject, reason)| Pruned::read(&subject, &reason)).ok_or(Error::Internal("a pruning cannot be read"))?;
    for run in runs(old) {
        let (mut first, mut last) = run;
        let mut previous = FIRST.to_vec();
        if let Some(before) = log::find_link_before(tx, root, first).await? {
            previous = if before.kind == Some(LinkKind::Pruned) {
                first = before.sequence;
                before.previous
            } else {
                before.hash
            };
        }
        if let Some(behind) = log::list_links(tx, root, last, 1).await?.first()
            && behind.kind == Some(LinkKind::Pruned)
        {
            last = behind.sequence;
        }
        log::prune(tx, root, (first, last), &previous).await?;
    }
    pruned.up_to = pruned.up_to.max(old.last().copied().unwrap_or_default());
    pruned.links += i64::try_from(old.len()).map_err(|_| Error::Internal("too many links"))?;
    change(tx, ctx, &By::Host, Where::Root(root), Action::LogPrune, pruned.told(bounds)).await
}

/// Numbers that follow each other, as the first and the last of them.
fn runs(numbers: &BTreeSet<i64>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}
