//! Webhooks: where organizations have their events sent. Address and secret are sealed.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{OrganizationId, Time, WebhookId};

statements! {
    INSERT = "INSERT INTO webhooks (id, organization_id, root_id, name, sealed, actions, tree_since, created_at, created_by, suspended_at, suspended_for,
            failing_since, deleted_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, '', NULL, NULL)";
    FIND = "SELECT id, organization_id, root_id, name, sealed, actions, tree_since, created_at, created_by, suspended_at, suspended_for, failing_since
        FROM webhooks WHERE id = $1 AND organization_id = $2 AND deleted_at IS NULL";
    LIST = "SELECT id, organization_id, root_id, name, sealed, actions, tree_since, created_at, created_by, suspended_at, suspended_for, failing_since
        FROM webhooks WHERE organization_id = $1 AND deleted_at IS NULL ORDER BY created_at, id";
    COUNT_OF_ROOT = "SELECT count(*) AS webhooks FROM webhooks WHERE root_id = $1 AND deleted_at IS NULL";
    LIST_HEARING = "SELECT id, actions FROM webhooks WHERE organization_id IN ($1, $2) AND deleted_at IS NULL AND suspended_at IS NULL
            AND (organization_id = $1 OR tree_since IS NOT NULL)
            AND EXISTS (SELECT 1 FROM organizations WHERE organizations.id = webhooks.organization_id AND organizations.deleted_at IS NULL
                AND organizations.suspended_at IS NULL)
            AND EXISTS (SELECT 1 FROM organizations WHERE organizations.id = webhooks.root_id AND organizations.deleted_at IS NULL
                AND organizations.suspended_at IS NULL)
        ORDER BY created_at, id";
    FIND_LIVING = "SELECT webhooks.id, organization_id, webhooks.root_id, webhooks.name, sealed, actions, tree_since, webhooks.created_at, created_by,
            webhooks.suspended_at, suspended_for, failing_since
        FROM webhooks JOIN organizations own ON own.id = webhooks.organization_id JOIN organizations root ON root.id = webhooks.root_id
        WHERE webhooks.id = $1 AND webhooks.deleted_at IS NULL AND webhooks.suspended_at IS NULL AND own.deleted_at IS NULL
            AND own.suspended_at IS NULL AND root.deleted_at IS NULL AND root.suspended_at IS NULL";
    UPDATE = "UPDATE webhooks SET name = $2, sealed = $3, actions = $4, tree_since = $5 WHERE id = $1 AND deleted_at IS NULL";
    SUSPEND = "UPDATE webhooks SET suspended_at = $2, suspended_for = $3 WHERE id = $1 AND deleted_at IS NULL AND suspended_at IS NULL";
    RESUME = "UPDATE webhooks SET suspended_at = NULL, suspended_for = '', failing_since = NULL
        WHERE id = $1 AND deleted_at IS NULL AND suspended_at IS NOT NULL";
    FAIL = "UPDATE webhooks SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL AND deleted_at IS NULL AND suspended_at IS NULL";
    SUCCEED = "UPDATE webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
    DELETE = "UPDATE webhooks SET deleted_at = $2, sealed = $3 WHERE id = $1 AND deleted_at IS NULL";
    DELETE_OF_TREE = "UPDATE webhooks SET deleted_at = $2, sealed = $3 WHERE (organization_id = $1 OR root_id = $1) AND deleted_at IS NULL";
    FIND_FORGOTTEN = "SELECT id FROM webhooks WHERE deleted_at < $1
        AND NOT EXISTS (SELECT 1 FROM webhook_deliveries WHERE webhook_deliveries.webhook_id = webhooks.id) LIMIT 1";
    PRUNE = "DELETE FROM webhooks WHERE deleted_at < $1
        AND NOT EXISTS (SELECT 1 FROM webhook_deliveries WHERE webhook_deliveries.webhook_id = webhooks.id)";
}

/// A webhook that is not deleted.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its id.
    pub id: WebhookId,
    /// Whose events it hears.
    pub organization_id: OrganizationId,
    /// That organization's root.
    pub root_id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// Address and secret, sealed.
    pub sealed: Vec<u8>,
    /// Names of the actions that it hears of, with a space between them; empty for all.
    pub actions: String,
    /// Since when it hears of sub-organizations too.
    pub tree_since: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// By whom: a kind and an id, or `host`.
    pub created_by: String,
    /// Since when it is suspended.
    pub suspended_at: Option<Time>,
    /// Why, if that was nobody's wish; empty otherwise.
    pub suspended_for: String,
    /// Since when every attempt has failed.
    pub failing_since: Option<Time>,
}

impl WebhookRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            organization_id: row.get("organization_id")?,
            root_id: row.get("root_id")?,
            name: row.get("name")?,
            sealed: row.get("sealed")?,
            actions: row.get("actions")?,
            tree_since: row.get("tree_since")?,
            created_at: row.get("created_at")?,
            created_by: row.get("created_by")?,
            suspended_at: row.get("suspended_at")?,
            suspended_for: row.get("suspended_for")?,
            failing_since: row.get("failing_since")?,
        })
    }
}

/// Adds one.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn insert(tx: &mut Tx, webhook: &WebhookRow) -> Result<(), StoreError> {
    let values = [
        webhook.id.into(),
        webhook.organization_id.into(),
        webhook.root_id.into(),
        webhook.name.as_str().into(),
        webhook.sealed.as_slice().into(),
        webhook.actions.as_str().into(),
        webhook.tree_since.into(),
        webhook.created_at.into(),
        webhook.created_by.as_str().into(),
    ];
    tx.execute_one(INSERT, &values).await
}

/// One of an organization's.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find(tx: &mut Tx, id: WebhookId, organization: OrganizationId) -> Result<Option<WebhookRow>, StoreError> {
    tx.fetch_optional(FIND, &[id.into(), organization.into()]).await?.as_ref().map(WebhookRow::read).transpose()
}

/// All of an organization's, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, organization: OrganizationId) -> Result<Vec<WebhookRow>, StoreError> {
    tx.fetch_all(LIST, &[organization.into()]).await?.iter().map(WebhookRow::read).collect()
}

/// How many a root and its sub-organizations have.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn count_of_root(tx: &mut Tx, root: OrganizationId) -> Result<i64, StoreError> {
    tx.fetch_one(COUNT_OF_ROOT, &[root.into()]).await?.get("webhooks")
}

/// Those that hear of what happens in an organization, with the actions that they hear of: its own, and its root's that hear of
/// sub-organizations too. None of what is suspended or deleted.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_hearing(tx: &mut Tx, organization: OrganizationId, root: OrganizationId) -> Result<Vec<(WebhookId, String)>, StoreError> {
    tx.fetch_all(LIST_HEARING, &[organization.into(), root.into()]).await?.iter().map(|row| Ok((row.get("id")?, row.get("actions")?))).collect()
}

/// One that is sent to: neither it nor its organization nor the root is suspended or deleted.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_living(tx: &mut Tx, id: WebhookId) -> Result<Option<WebhookRow>, StoreError> {
    tx.fetch_optional(FIND_LIVING, &[id.into()]).await?.as_ref().map(WebhookRow::read).transpose()
}

/// Gives one another name, address, secret, and other actions.
///
/// # Errors
/// `NotFound` if there is no such one.
pub async fn update(tx: &mut Tx, webhook: &WebhookRow) -> Result<(), StoreError> {
    let values =
        [webhook.id.into(), webhook.name.as_str().into(), webhook.sealed.as_slice().into(), webhook.actions.as_str().into(), webhook.tree_since.into()];
    tx.execute_one(UPDATE, &values).await
}

/// Suspends one; `false` if it was already.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn suspend(tx: &mut Tx, id: WebhookId, now: Time, reason: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(SUSPEND, &[id.into(), now.into(), reason.into()]).await? == 1)
}

/// Takes a suspension back; `false` if there was none.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn resume(tx: &mut Tx, id: WebhookId) -> Result<bool, StoreError> {
    Ok(tx.execute(RESUME, &[id.into()]).await? == 1)
}

/// Notes that attempts fail, unless that is noted.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn fail(tx: &mut Tx, id: WebhookId, now: Time) -> Result<(), StoreError> {
    tx.execute(FAIL, &[id.into(), now.into()]).await.map(|_| ())
}

/// Notes that an attempt did not fail.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn succeed(tx: &mut Tx, id: WebhookId) -> Result<(), StoreError> {
    tx.execute(SUCCEED, &[id.into()]).await.map(|_| ())
}

/// Deletes one for ever, and forgets its address and secret.
///
/// # Errors
/// `NotFound` if there is no such one.
pub async fn delete(tx: &mut Tx, id: WebhookId, now: Time) -> Result<(), StoreError> {
    const NOTHING: &[u8] = &[];
    tx.execute_one(DELETE, &[id.into(), now.into(), NOTHING.into()]).await
}

/// The same of all of an organization and, if it is a root, of what hangs under it.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete_of_tree(tx: &mut Tx, organization: OrganizationId, now: Time) -> Result<(), StoreError> {
    const NOTHING: &[u8] = &[];
    tx.execute(DELETE_OF_TREE, &[organization.into(), now.into(), NOTHING.into()]).await.map(|_| ())
}

/// Whether there are some that were deleted before a time and of which no delivery is left.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn has_forgotten(tx: &mut Tx, before: Time) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND_FORGOTTEN, &[before.into()]).await.map(|row| row.is_some())
}

/// Removes these.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn prune(tx: &mut Tx, before: Time) -> Result<u64, StoreError> {
    tx.execute(PRUNE, &[before.into()]).await
}
