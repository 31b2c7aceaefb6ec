//! The log of changes for people: what happened, who did it, in one hash chain a root.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{OrganizationId, RequestId, Time};
use uuid::Uuid;

statements! {
    FIND_HEAD = "SELECT sequence, hash FROM log_links WHERE root_id = $1 ORDER BY sequence DESC LIMIT 1";
    INSERT_LINK = "INSERT INTO log_links (root_id, sequence, kind, at, previous, hash) VALUES ($1, $2, $3, $4, $5, $6)";
    INSERT_CHANGE = "INSERT INTO log_changes (id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    LIST_CHANGES = "SELECT id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision
        FROM log_changes WHERE root_id = $1 ORDER BY sequence";
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of its last link.
    pub sequence: i64,
    /// That link's hash.
    pub hash: Vec<u8>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its id.
    pub id: Uuid,
    /// Whose chain it is in; nil for what concerns the installation as a whole.
    pub root_id: OrganizationId,
    /// Its link in that chain.
    pub sequence: i64,
    /// When.
    pub at: Time,
    /// Where; nil for the installation as a whole.
    pub organization_id: OrganizationId,
    /// `host`, `user`, `key` or `operator-key`.
    pub actor_kind: String,
    /// Which one.
    pub actor_id: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// `done`.
    pub outcome: String,
    /// More about it.
    pub reason: String,
    /// Where the request came from.
    pub address: String,
    /// What it called itself.
    pub user_agent: String,
    /// Which request it was.
    pub request_id: RequestId,
    /// The revision it made.
    pub revision: i64,
}

impl EventRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            root_id: row.get("root_id")?,
            sequence: row.get("sequence")?,
            at: row.get("at")?,
            organization_id: row.get("organization_id")?,
            actor_kind: row.get("actor_kind")?,
            actor_id: row.get("actor_id")?,
            action: row.get("action")?,
            subject: row.get("subject")?,
            outcome: row.get("outcome")?,
            reason: row.get("reason")?,
            address: row.get("address")?,
            user_agent: row.get("user_agent")?,
            request_id: row.get::<Uuid>("request_id")?.into(),
            revision: row.get("revision")?,
        })
    }
}

/// The end of a root's chain.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_head(tx: &mut Tx, root: OrganizationId) -> Result<Option<Head>, StoreError> {
    let row = tx.fetch_optional(FIND_HEAD, &[root.into()]).await?;
    row.map(|row| Ok(Head { sequence: row.get("sequence")?, hash: row.get("hash")? })).transpose()
}

/// Appends an event as a link of its own.
///
/// # Errors
/// `Conflict` if the chain has gone on meanwhile.
pub async fn insert_change(tx: &mut Tx, event: &EventRow, previous: &[u8], hash: &[u8]) -> Result<(), StoreError> {
    let link = [event.root_id.into(), event.sequence.into(), "change".into(), event.at.into(), previous.into(), hash.into()];
    tx.execute_one(INSERT_LINK, &link).await?;
    let values: [Value; 15] = [
        event.id.into(),
        event.root_id.into(),
        event.sequence.into(),
        event.at.into(),
        event.organization_id.into(),
        event.actor_kind.as_str().into(),
        event.actor_id.into(),
        event.action.as_str().into(),
        event.subject.as_str().into(),
        event.outcome.as_str().into(),
        event.reason.as_str().into(),
        event.address.as_str().into(),
        event.user_agent.as_str().into(),
        event.request_id.as_uuid().into(),
        event.revision.into(),
    ];
    tx.execute_one(INSERT_CHANGE, &values).await
}

/// A root's events, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_changes(tx: &mut Tx, root: OrganizationId) -> Result<Vec<EventRow>, StoreError> {
    tx.fetch_all(LIST_CHANGES, &[root.into()]).await?.iter().map(EventRow::read).collect()
}
