//! What is sent to webhooks, and what became of it. It waits as long as it was neither delivered nor given up.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{DeliveryId, OrganizationId, Time, WebhookId};

statements! {
    INSERT = "INSERT INTO webhook_deliveries (id, webhook_id, root_id, action, body, created_at, revision, attempts, next_attempt_at, attempted_at,
            delivered_at, failed_at, status, failure)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $6, NULL, NULL, NULL, NULL, '')";
    FIND = "SELECT id, action, body, created_at, revision, attempts, next_attempt_at, attempted_at, delivered_at, failed_at, status, failure
        FROM webhook_deliveries WHERE id = $1 AND webhook_id = $2";
    LIST_BACK = "SELECT id, action, body, created_at, revision, attempts, next_attempt_at, attempted_at, delivered_at, failed_at, status, failure
        FROM webhook_deliveries WHERE webhook_id = $1 AND (revision < $2 OR (revision = $2 AND id < $3)) ORDER BY revision DESC, id DESC LIMIT $4";
    FIND_DUE = "SELECT id FROM webhook_deliveries WHERE delivered_at IS NULL AND failed_at IS NULL AND next_attempt_at <= $1 LIMIT 1";
    LIST_WEBHOOKS_WITH_DUE = "SELECT webhook_id, root_id, min(next_attempt_at) AS since FROM webhook_deliveries
        WHERE delivered_at IS NULL AND failed_at IS NULL AND next_attempt_at <= $1 GROUP BY webhook_id, root_id ORDER BY since, webhook_id";
    LIST_DUE = "SELECT id, action, body, created_at, revision, attempts, next_attempt_at, attempted_at, delivered_at, failed_at, status, failure
        FROM webhook_deliveries WHERE webhook_id = $1 AND delivered_at IS NULL AND failed_at IS NULL AND next_attempt_at <= $2
        ORDER BY next_attempt_at, revision, id LIMIT $3";
    FIND_WAITING_OF = "SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND action = $2 AND delivered_at IS NULL AND failed_at IS NULL LIMIT 1";
    TAKE = "UPDATE webhook_deliveries SET attempts = $2, attempted_at = $3, next_attempt_at = $4
        WHERE id = $1 AND delivered_at IS NULL AND failed_at IS NULL";
    DELIVER = "UPDATE webhook_deliveries SET delivered_at = $2, failed_at = NULL, status = $3, failure = '' WHERE id = $1";
    DEFER = "UPDATE webhook_deliveries SET status = $2, failure = $3 WHERE id = $1 AND delivered_at IS NULL AND failed_at IS NULL";
    FAIL = "UPDATE webhook_deliveries SET failed_at = $2, status = $3, failure = $4 WHERE id = $1 AND delivered_at IS NULL AND failed_at IS NULL";
    END_OF_WEBHOOK = "UPDATE webhook_deliveries SET failed_at = $2, failure = $3 WHERE webhook_id = $1 AND delivered_at IS NULL AND failed_at IS NULL";
    REPEAT = "UPDATE webhook_deliveries SET delivered_at = NULL, failed_at = NULL, next_attempt_at = $2 WHERE id = $1";
    FIND_OLD = "SELECT id FROM webhook_deliveries WHERE created_at < $1 AND (delivered_at IS NOT NULL OR failed_at IS NOT NULL) LIMIT 1";
    PRUNE = "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries
        WHERE created_at < $1 AND (delivered_at IS NOT NULL OR failed_at IS NOT NULL) ORDER BY created_at LIMIT $2)";
}

/// Something to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// To which webhook.
    pub webhook_id: WebhookId,
    /// The root of the webhook's organization.
    pub root_id: OrganizationId,
    /// What it tells of: `Module|Event`.
    pub action: &'static str,
    /// What is sent, JSON.
    pub body: String,
    /// Now; it is due at once.
    pub created_at: Time,
}

/// One delivery, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// What it tells of: `Module|Event`.
    pub action: String,
    /// What is sent, JSON.
    pub body: String,
    /// When it was written.
    pub created_at: Time,
    /// The revision that wrote it.
    pub revision: i64,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again, if it waits.
    pub next_attempt_at: Time,
    /// When it was last tried.
    pub attempted_at: Option<Time>,
    /// When it was delivered.
    pub delivered_at: Option<Time>,
    /// When it was given up.
    pub failed_at: Option<Time>,
    /// The status of the last answer; `None` if there was none.
    pub status: Option<i64>,
    /// Why the last attempt failed; empty if it did not.
    pub failure: String,
}

impl DeliveryRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            action: row.get("action")?,
            body: row.get("body")?,
            created_at: row.get("created_at")?,
            revision: row.get("revision")?,
            attempts: row.get("attempts")?,
            next_attempt_at: row.get("next_attempt_at")?,
            attempted_at: row.get("attempted_at")?,
            delivered_at: row.get("delivered_at")?,
            failed_at: row.get("failed_at")?,
            status: row.get("status")?,
            failure: row.get("failure")?,
        })
    }
}

/// Adds one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, new: &NewDelivery) -> Result<(), StoreError> {
    let values =
        [new.id.into(), new.webhook_id.into(), new.root_id.into(), new.action.into(), new.body.as_str().into(), new.created_at.into(), tx.position().n.into()];
    tx.execute_one(INSERT, &values).await
}

/// One of a webhook's.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: DeliveryId, webhook: WebhookId) -> Result<Option<DeliveryRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into(), webhook.into()]).await?.as_ref().map(DeliveryRow::read).transpose()
}

/// A webhook's from the end backwards, behind a revision and id, at most so many.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_back(tx: &mut Tx, webhook: WebhookId, (revision, id): (i64, DeliveryId), limit: i64) -> Result<Vec<DeliveryRow>, StoreError> {
    tx.fetch_all(LIST_BACK, &[webhook.into(), revision.into(), id.into(), limit.into()]).await?.iter().map(DeliveryRow::read).collect()
}

/// Whether anything is to be sent now.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn is_due(tx: &mut Tx, now: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_DUE, &[now.into()]).await.map(|row| row.is_some())
}

/// Webhooks with something to be sent now, each with its root; what has waited longest comes first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_webhooks_with_due(tx: &mut Tx, now: Time) -> Result<Vec<(WebhookId, OrganizationId)>, StoreError> {
    tx.fetch_all(LIST_WEBHOOKS_WITH_DUE, &[now.into()]).await?.iter().map(|row| Ok((row.get("webhook_id")?, row.get("root_id")?))).collect()
}

/// What is to be sent to a webhook now, as much as `most`; what has waited longest comes first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_due(tx: &mut Tx, webhook: WebhookId, now: Time, most: i64) -> Result<Vec<DeliveryRow>, StoreError> {
    tx.fetch_all(LIST_DUE, &[webhook.into(), now.into(), most.into()]).await?.iter().map(DeliveryRow::read).collect()
}

/// Whether something of an action waits for a webhook.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn is_waiting(tx: &mut Tx, webhook: WebhookId, action: &str) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_WAITING_OF, &[webhook.into(), action.into()]).await.map(|row| row.is_some())
}

/// Counts an attempt before it is made, and says when the next one would be.
///
/// # Errors
/// `NotFound` if it does not wait.
pub async fn take(tx: &mut Tx, id: DeliveryId, attempts: i64, (now, next_attempt_at): (Time, Time)) -> Result<(), StoreError> {
    tx.execute_one(TAKE, &[id.into(), attempts.into(), now.into(), next_attempt_at.into()]).await
}

/// Notes that one was delivered.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn deliver(tx: &mut Tx, id: DeliveryId, now: Time, status: i64) -> Result<(), StoreError> {
    tx.execute(DELIVER, &[id.into(), now.into(), status.into()]).await.map(|_| ())
}

/// Notes why an attempt failed that is followed by others.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn defer(tx: &mut Tx, id: DeliveryId, (status, failure): (Option<i64>, &str)) -> Result<(), StoreError> {
    tx.execute(DEFER, &[id.into(), status.into(), failure.into()]).await.map(|_| ())
}

/// Gives one up.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn fail(tx: &mut Tx, id: DeliveryId, now: Time, (status, failure): (Option<i64>, &str)) -> Result<(), StoreError> {
    tx.execute(FAIL, &[id.into(), now.into(), status.into(), failure.into()]).await.map(|_| ())
}

/// Gives everything up that waits for a webhook; what was said of earlier attempts gives way to the reason.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn end_of_webhook(tx: &mut Tx, webhook: WebhookId, now: Time, reason: &str) -> Result<u64, StoreError> {
    tx.execute(END_OF_WEBHOOK, &[webhook.into(), now.into(), reason.into()]).await
}

/// Has one wait again, and be due at once.
///
/// # Errors
/// `NotFound` if there is no such one.
pub async fn repeat(tx: &mut Tx, id: DeliveryId, now: Time) -> Result<(), StoreError> {
    tx.execute_one(REPEAT, &[id.into(), now.into()]).await
}

/// Whether there are some of before a time that do not wait.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn has_old(tx: &mut Tx, before: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_OLD, &[before.into()]).await.map(|row| row.is_some())
}

/// Removes these, as many as `most`; answers how many.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn prune(tx: &mut Tx, before: Time, most: i64) -> Result<u64, StoreError> {
    tx.execute(PRUNE, &[before.into(), most.into()]).await
}
