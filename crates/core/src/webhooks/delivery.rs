//! What is to be delivered is handed out here, and what became of it is taken back. How it is delivered, nothing here knows.
//!
//! As with mail, an attempt is counted and the next one scheduled before it is made, so that nothing is lost with the process and
//! nothing is repeated without a pause. One slow receiver takes a bounded share of what is under way, and so does one root.

use super::{opened, told_of_suspension};
use crate::{
    Context, Core, Error,
    authorize::By,
    log::{self, Action, Where},
    retry::{kept, pause_after},
};
use keywright_db::Tx;
use keywright_protocol::{DeliveryId, OrganizationId, Time, WebhookId};
use keywright_store::{organizations, webhook_deliveries as deliveries, webhook_deliveries::DeliveryRow, webhooks};
use std::{collections::HashMap, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// How long after it was written something is tried again.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long every attempt fails before a webhook is suspended.
pub const FAILS_FOR: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How long after it was written is known what became of something.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Deliveries that are under way at once: in all, of one root with its sub-organizations, of one webhook.
pub const AT_ONCE: usize = 128;
const AT_ONCE_OF_ROOT: usize = 8;
const AT_ONCE_OF_WEBHOOK: usize = 4;
/// Rows that one write removes.
const PRUNED_AT_ONCE: i64 = 500;

const DEAD: &str = "not tried any more: the webhook, or its organization, was suspended or deleted";
const UNREADABLE: &str = "the webhook cannot be read: it was altered in the database, or sealed by another key file";

/// Something to be delivered now.
#[derive(Clone)]
pub struct DueDelivery {
    /// Its id, the same at each attempt.
    pub id: DeliveryId,
    /// To which webhook.
    pub webhook_id: WebhookId,
    /// Whose root that is in.
    pub root_id: OrganizationId,
    /// What it tells of: `Module|Event`.
    pub action: String,
    /// When it was written.
    pub created_at: Time,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// When there is another one, if this fails.
    pub next_attempt_at: Time,
    /// Where it goes.
    pub url: String,
    /// What it is signed with.
    pub secret: Zeroizing<String>,
    /// What is sent, to the byte.
    pub body: String,
}

/// How an attempt ended. The reasons are for whoever manages the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken, with this status.
    Delivered(u16),
    /// It was not, and why.
    Failed {
        /// The status, if there was an answer.
        status: Option<u16>,
        /// In words.
        reason: String,
    },
}

/// What became of something by an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was delivered.
    Delivered,
    /// It is tried again, at this time.
    Waits(Time),
    /// It was given up.
    GivenUp,
    /// So was its webhook.
    Suspended,
}

/// What is under way.
#[derive(Debug, Clone, Default)]
pub struct UnderWay {
    all: usize,
    roots: HashMap<OrganizationId, usize>,
    webhooks: HashMap<WebhookId, usize>,
}

impl UnderWay {
    /// One more.
    pub fn begin(&mut self, webhook: WebhookId, root: OrganizationId) {
        self.all += 1;
        *self.roots.entry(root).or_default() += 1;
        *self.webhooks.entry(webhook).or_default() += 1;
    }

    /// One less.
    pub fn end(&mut self, webhook: WebhookId, root: OrganizationId) {
        fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
            if let Some(count) = counts.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.remove(&key);
                }
            }
        }
        self.all = self.all.saturating_sub(1);
        less(&mut self.roots, root);
        less(&mut self.webhooks, webhook);
    }

    /// How many are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.all
    }

    /// How many more may be for a webhook.
    fn room(&self, webhook: WebhookId, root: OrganizationId) -> usize {
        let left = |most: usize, count: Option<&usize>| most.saturating_sub(count.copied().unwrap_or_default());
        AT_ONCE.saturating_sub(self.all).min(left(AT_ONCE_OF_ROOT, self.roots.get(&root))).min(left(AT_ONCE_OF_WEBHOOK, self.webhooks.get(&webhook)))
    }
}

impl Core {
    /// Waits until something was changed, of which webhooks may have to hear. May return without.
    pub async fn change_was_made(&self) {
        self.changed.notified().await;
    }

    /// Hands out what is to be delivered now, as far as there is room besides what is under way, each with its attempt counted. What
    /// waits for a webhook that is not sent to any more is given up. Where nothing is to be handed out, nothing is written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn take_due_deliveries(self: &Arc<Self>, now: Time, under_way: &UnderWay) -> Result<Vec<DueDelivery>, Error> {
        let mut under_way = under_way.clone();
        let due = self.db.read(move |tx| {
            Box::pin(async move {
                if deliveries::is_due(tx, now).await? { Ok(deliveries::list_webhooks_with_due(tx, now).await?) } else { Ok::<_, Error>(Vec::new()) }
            })
        });
        let mut due = due.await?;
        due.retain(|(webhook, root)| under_way.room(*webhook, *root) > 0);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let core = Arc::clone(self);
        let taken = self.db.write(move |tx| {
            Box::pin(async move {
                let mut taken = Vec::new();
                for (webhook, root) in due {
                    let room = under_way.room(webhook, root);
                    if room == 0 {
                        continue;
                    }
                    for due in core.take_due_of(tx, webhook, root, (now, room)).await? {
                        under_way.begin(webhook, root);
                        taken.push(due);
                    }
                }
                Ok::<_, Error>(taken)
            })
        });
        Ok(taken.await?.value)
    }

    async fn take_due_of(&self, tx: &mut Tx, id: WebhookId, root_id: OrganizationId, (now, most): (Time, usize)) -> Result<Vec<DueDelivery>, Error> {
        let Some(webhook) = webhooks::find_living(tx, id).await? else {
            deliveries::end_of_webhook(tx, id, now, DEAD).await?;
            return Ok(Vec::new());
        };
        let Ok(sealed) = opened(&self.key_file, &webhook) else {
            deliveries::end_of_webhook(tx, id, now, UNREADABLE).await?;
            return Ok(Vec::new());
        };
        let mut taken = Vec::new();
        for row in deliveries::list_due(tx, id, now, i64::try_from(most).unwrap_or(i64::MAX)).await? {
            let DeliveryRow { id, action, body, created_at, attempts, .. } = row;
            let attempt = attempts.saturating_add(1);
            let next_attempt_at = now.plus(pause_after(attempt));
            deliveries::take(tx, id, attempt, (now, next_attempt_at)).await?;
            let (url, secret) = (sealed.url.clone(), sealed.secret.clone());
            taken.push(DueDelivery { id, webhook_id: webhook.id, root_id, action, created_at, attempt, next_attempt_at, url, secret, body });
        }
        Ok(taken)
    }

    /// Takes back how an attempt ended. After a day nothing is tried again; if no attempt has succeeded for five days then, the webhook
    /// is suspended, and the log of changes tells of it.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; then it is as if the attempt had not been made, but for its being counted.
    pub async fn settle_delivery(self: &Arc<Self>, due: &DueDelivery, attempt: Attempt, now: Time) -> Result<Fate, Error> {
        let (id, webhook, waits_until) = (due.id, due.webhook_id, due.next_attempt_at);
        let goes_on = due.next_attempt_at <= due.created_at.plus(TRIED_FOR);
        let secret = due.secret.clone();
        let settled = self.db.write(move |tx| {
            Box::pin(async move {
                let (status, reason) = match attempt {
                    Attempt::Delivered(status) => {
                        deliveries::deliver(tx, id, now, i64::from(status)).await?;
                        webhooks::succeed(tx, webhook).await?;
                        return Ok(Fate::Delivered);
                    }
                    Attempt::Failed { status, reason } => (status.map(i64::from), kept(&reason, &secret)),
                };
                webhooks::fail(tx, webhook, now).await?;
                if goes_on {
                    deliveries::defer(tx, id, (status, &reason)).await?;
                    return Ok(Fate::Waits(waits_until));
                }
                deliveries::fail(tx, id, now, (status, &reason)).await?;
                let hopeless = suspend_if_hopeless(tx, webhook, now).await?;
                Ok::<_, Error>(if hopeless { Fate::Suspended } else { Fate::GivenUp })
            })
        });
        let fate = settled.await?.value;
        if fate == Fate::Suspended {
            // The log of changes has gone on, and others may hear of it.
            self.changed.notify_one();
        }
        Ok(fate)
    }

    /// Removes what was written 30 days ago and does not wait, and of deleted webhooks what is left then. Answers how much that was.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prune_webhooks(&self, now: Time) -> Result<u64, Error> {
        let before = now.minus(KEPT_FOR);
        let mut removed = 0;
        loop {
            let old = self.db.read(move |tx| Box::pin(async move { Ok::<_, Error>(deliveries::has_old(tx, before).await?) }));
            if !old.await? {
                break;
            }
            let pruned = self.db.write(move |tx| Box::pin(async move { Ok::<_, Error>(deliveries::prune(tx, before, PRUNED_AT_ONCE).await?) }));
            removed += pruned.await?.value;
        }
        let forgotten = self.db.read(move |tx| Box::pin(async move { Ok::<_, Error>(webhooks::has_forgotten(tx, before).await?) }));
        if forgotten.await? {
            removed += self.db.write(move |tx| Box::pin(async move { Ok::<_, Error>(webhooks::prune(tx, before).await?) })).await?.value;
        }
        Ok(removed)
    }
}

async fn suspend_if_hopeless(tx: &mut Tx, id: WebhookId, now: Time) -> Result<bool, Error> {
    let Some(webhook) = webhooks::find_living(tx, id).await? else { return Ok(false) };
    if webhook.failing_since.is_none_or(|since| now < since.plus(FAILS_FOR)) {
        return Ok(false);
    }
    const REASON: &str = "nothing could be delivered for five days";
    webhooks::suspend(tx, id, now, REASON).await?;
    deliveries::end_of_webhook(tx, id, now, DEAD).await?;
    if let Some(place) = organizations::find(tx, webhook.organization_id).await? {
        let told = (id.to_string(), told_of_suspension(&webhook.name, REASON));
        log::change(tx, &Context::system(now)?, &By::Host, Where::In(&place), Action::WebhookUpdate, told).await?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reddens when one receiver, or one root, may take all the room there is.
    #[test]
    fn one_receiver_and_one_root_leave_room_for_others() {
        let id = |n: u128| uuid::Uuid::from_u128(n);
        let (root, other) = (OrganizationId::from(id(1)), OrganizationId::from(id(2)));
        let mut under_way = UnderWay::default();
        let webhook = |n: u128| WebhookId::from(id(100 + n));
        let fill = |under_way: &mut UnderWay, n: u128, root| {
            let room = under_way.room(webhook(n), root);
            (0..room).for_each(|_| under_way.begin(webhook(n), root));
            room
        };
        assert_eq!([fill(&mut under_way, 1, root), fill(&mut under_way, 1, root), fill(&mut under_way, 2, root), fill(&mut under_way, 3, root)], [4, 0, 4, 0]);
        assert_eq!(fill(&mut under_way, 4, other), 4);
        under_way.end(webhook(1), root);
        assert_eq!((under_way.room(webhook(1), root), under_way.room(webhook(3), root)), (1, 1));
        let filled: usize = (10..100).map(|n| fill(&mut under_way, n, OrganizationId::from(id(1_000 + n)))).sum();
        assert_eq!((under_way.count(), filled), (AT_ONCE, AT_ONCE - 11));
    }
}
