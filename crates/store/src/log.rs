//! The chains of both logs, and the log of changes for people: what happened, who did it, in one hash chain a root.

use crate::{StoreError, access_log, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{OrganizationId, RequestId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

statements! {
    FIND_HEAD = "SELECT sequence, hash FROM log_links WHERE root_id = $1 ORDER BY sequence DESC LIMIT 1";
    LIST_LINKS = "SELECT root_id, sequence, kind, at, previous, hash FROM log_links
        WHERE root_id = $1 AND $2 < sequence ORDER BY sequence LIMIT $3";
    FIND_LINK_BEFORE = "SELECT root_id, sequence, kind, at, previous, hash FROM log_links
        WHERE root_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT 1";
    FIND_FIRST_AT = "SELECT sequence FROM log_links WHERE root_id = $1 AND $2 <= at ORDER BY at, sequence LIMIT 1";
    LIST_ROOTS_WITH_ACCESSES_BEFORE = "SELECT DISTINCT root_id FROM log_access WHERE id < $1";
    LIST_ROOTS_WITH_CHANGES_BEFORE = "SELECT DISTINCT root_id FROM log_changes WHERE at < $1";
    LIST_OLD_ACCESSES = "SELECT sequence FROM log_links WHERE root_id = $1 AND at < $2 AND kind IN ('access', 'gap') ORDER BY at LIMIT $3";
    LIST_OLD_CHANGES = "SELECT sequence FROM log_changes WHERE root_id = $1 AND at < $2 ORDER BY at LIMIT $3";
    DELETE_LINKS = "DELETE FROM log_links WHERE root_id = $1 AND $2 <= sequence AND sequence <= $3";
    UPDATE_PRUNED = "UPDATE log_links SET kind = 'pruned', previous = $3 WHERE root_id = $1 AND sequence = $2";
    DELETE_CHANGES = "DELETE FROM log_changes WHERE root_id = $1 AND $2 <= sequence AND sequence <= $3";
    FIND_LAST_PRUNING = "SELECT subject, reason FROM log_changes WHERE root_id = $1 AND action = $2 ORDER BY sequence DESC LIMIT 1";
    INSERT_LINK = "INSERT INTO log_links (root_id, sequence, kind, at, previous, hash) VALUES ($1, $2, $3, $4, $5, $6)";
    INSERT_CHANGE = "INSERT INTO log_changes (id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    LIST_CHANGES = "SELECT id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision
        FROM log_changes WHERE root_id = $1 AND $2 < sequence AND sequence <= $3 ORDER BY sequence";
    LIST_CHANGES_AT = "SELECT id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision
        FROM log_changes WHERE revision = $1 ORDER BY root_id, sequence";
    LIST_BACK_IN_TREE = "SELECT id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision
        FROM log_changes WHERE root_id = $1 AND $2 <= sequence AND sequence <= $3 AND at < $4 ORDER BY sequence DESC LIMIT $5";
    LIST_BACK_IN_ORGANIZATION = "SELECT id, root_id, sequence, at, organization_id, actor_kind, actor_id, action, subject, outcome, reason,
            address, user_agent, request_id, revision
        FROM log_changes WHERE organization_id = $1 AND $2 <= sequence AND sequence <= $3 AND at < $4 ORDER BY sequence DESC LIMIT $5";
}

/// Whose events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Of a root and everything below it; of the installation as a whole, for the nil id.
    Tree(OrganizationId),
    /// Of one organization alone.
    Organization(OrganizationId),
}

/// Which part of a chain is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first link.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// Events happened before this.
    pub until: Time,
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of its last link.
    pub sequence: i64,
    /// That link's hash.
    pub hash: Vec<u8>,
}

/// What a link stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// One change, an event in `log_changes`.
    Change,
    /// A batch of accesses, events in `log_access`.
    Access,
    /// Accesses that are missing, told by events in `log_access`.
    Gap,
    /// Links that were removed when their time was over, itself the last of them: it has the hash that the last one had, and follows
    /// what the first one followed.
    Pruned,
    /// What this program does not know, and never writes.
    #[serde(other)]
    Unknown,
}

impl LinkKind {
    const ALL: [Self; 4] = [Self::Change, Self::Access, Self::Gap, Self::Pruned];

    /// As it is stored, and hashed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Access => "access",
            Self::Gap => "gap",
            Self::Pruned => "pruned",
            Self::Unknown => "unknown",
        }
    }
}

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Whose chain.
    pub root_id: OrganizationId,
    /// Counted from 1.
    pub sequence: i64,
    /// What it stands for; `None` for a kind that this program does not know.
    pub kind: Option<LinkKind>,
    /// When it was written.
    pub at: Time,
    /// The hash of the link before it; zeros for the first.
    pub previous: Vec<u8>,
    /// Its own.
    pub hash: Vec<u8>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
    /// `host`, `user`, `key`, `operator-key`, or `nobody` for whoever was not known.
    pub actor_kind: String,
    /// Which one.
    pub actor_id: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// `done` for a change; `issued` or `refused` for an access; `lost` for accesses that are missing.
    pub outcome: String,
    /// More about it.
    pub reason: String,
    /// Where the request came from.
    pub address: String,
    /// What it called itself.
    pub user_agent: String,
    /// Which request it was.
    pub request_id: RequestId,
    /// The revision that a change made, or that an access was decided at.
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

    /// In the order of the columns.
    fn values(&self) -> [Value; 15] {
        [
            self.id.into(),
            self.root_id.into(),
            self.sequence.into(),
            self.at.into(),
            self.organization_id.into(),
            self.actor_kind.as_str().into(),
            self.actor_id.into(),
            self.action.as_str().into(),
            self.subject.as_str().into(),
            self.outcome.as_str().into(),
            self.reason.as_str().into(),
            self.address.as_str().into(),
            self.user_agent.as_str().into(),
            self.request_id.as_uuid().into(),
            self.revision.into(),
        ]
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

impl LinkRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let (root_id, sequence, at) = (row.get("root_id")?, row.get("sequence")?, row.get("at")?);
        Ok(Self { root_id, sequence, kind: LinkKind::read(row)?, at, previous: row.get("previous")?, hash: row.get("hash")? })
    }
}

impl LinkKind {
    fn read(row: &Row) -> Result<Option<Self>, StoreError> {
        let kind: String = row.get("kind")?;
        Ok(Self::ALL.into_iter().find(|known| known.as_str() == kind))
    }
}

/// The links of a root's chain behind one, in order, at most so many.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_links(tx: &mut Tx, root: OrganizationId, after: i64, limit: i64) -> Result<Vec<LinkRow>, StoreError> {
    tx.fetch_all(LIST_LINKS, &[root.into(), after.into(), limit.into()]).await?.iter().map(LinkRow::read).collect()
}

/// The link before one.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_link_before(tx: &mut Tx, root: OrganizationId, sequence: i64) -> Result<Option<LinkRow>, StoreError> {
    tx.fetch_optional(FIND_LINK_BEFORE, &[root.into(), sequence.into()]).await?.as_ref().map(LinkRow::read).transpose()
}

/// The number of the first link that was written at a time or later.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_first_at(tx: &mut Tx, root: OrganizationId, at: Time) -> Result<Option<i64>, StoreError> {
    tx.fetch_optional(FIND_FIRST_AT, &[root.into(), at.into()]).await?.map(|row| row.get("sequence")).transpose()
}

/// Appends a link; its events follow.
///
/// # Errors
/// `Conflict` if the chain has gone on meanwhile.
pub async fn insert_link(tx: &mut Tx, (root, sequence): (OrganizationId, i64), kind: LinkKind, at: Time, hashes: (&[u8], &[u8])) -> Result<(), StoreError> {
    let (previous, hash) = hashes;
    tx.execute_one(INSERT_LINK, &[root.into(), sequence.into(), kind.as_str().into(), at.into(), previous.into(), hash.into()]).await
}

/// Appends an event as a link of its own.
///
/// # Errors
/// `Conflict` if the chain has gone on meanwhile.
pub async fn insert_change(tx: &mut Tx, event: &EventRow, previous: &[u8], hash: &[u8]) -> Result<(), StoreError> {
    insert_link(tx, (event.root_id, event.sequence), LinkKind::Change, event.at, (previous, hash)).await?;
    tx.execute_one(INSERT_CHANGE, &event.values()).await
}

/// A root's changes behind one link and up to another one, in order.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_changes(tx: &mut Tx, root: OrganizationId, (after, last): (i64, i64)) -> Result<Vec<EventRow>, StoreError> {
    tx.fetch_all(LIST_CHANGES, &[root.into(), after.into(), last.into()]).await?.iter().map(EventRow::read).collect()
}

/// The events of one change, in every chain.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_changes_at(tx: &mut Tx, revision: i64) -> Result<Vec<EventRow>, StoreError> {
    tx.fetch_all(LIST_CHANGES_AT, &[revision.into()]).await?.iter().map(EventRow::read).collect()
}

/// Changes in a tree, or in one organization, from a link backwards, at most so many.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_back(tx: &mut Tx, place: Place, window: &Window, limit: i64) -> Result<Vec<EventRow>, StoreError> {
    let (sql, id) = match place {
        Place::Tree(root) => (LIST_BACK_IN_TREE, root),
        Place::Organization(organization) => (LIST_BACK_IN_ORGANIZATION, organization),
    };
    let values = [id.into(), window.first.into(), window.last.into(), window.until.into(), limit.into()];
    tx.fetch_all(sql, &values).await?.iter().map(EventRow::read).collect()
}

/// Roots that have changes from before `changes`, or accesses from before `accesses`, the least id of that time.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_roots_before(tx: &mut Tx, changes: Time, accesses: Uuid) -> Result<BTreeSet<OrganizationId>, StoreError> {
    let mut rows = tx.fetch_all(LIST_ROOTS_WITH_ACCESSES_BEFORE, &[accesses.into()]).await?;
    rows.append(&mut tx.fetch_all(LIST_ROOTS_WITH_CHANGES_BEFORE, &[changes.into()]).await?);
    rows.iter().map(|row| row.get("root_id")).collect()
}

/// Links of a root's chain whose accesses, or whose change, are from before a time, in order; of each kind at most so many.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_old_links(tx: &mut Tx, root: OrganizationId, (changes, accesses): (Time, Time), limit: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut rows = tx.fetch_all(LIST_OLD_ACCESSES, &[root.into(), accesses.into(), limit.into()]).await?;
    rows.append(&mut tx.fetch_all(LIST_OLD_CHANGES, &[root.into(), changes.into(), limit.into()]).await?);
    rows.iter().map(|row| row.get("sequence")).collect()
}

/// Removes links with their events, from one to another, but leaves the last one as a stub that follows `previous`.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn prune(tx: &mut Tx, root: OrganizationId, (first, last): (i64, i64), previous: &[u8]) -> Result<(), StoreError> {
    access_log::delete(tx, root, (first, last)).await?;
    tx.execute(DELETE_CHANGES, &[root.into(), first.into(), last.into()]).await?;
    tx.execute(DELETE_LINKS, &[root.into(), first.into(), (last - 1).into()]).await?;
    tx.execute_one(UPDATE_PRUNED, &[root.into(), last.into(), previous.into()]).await
}

/// Subject and reason of a root's last event of that action.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn find_last_pruning(tx: &mut Tx, root: OrganizationId, action: &str) -> Result<Option<(String, String)>, StoreError> {
    let row = tx.fetch_optional(FIND_LAST_PRUNING, &[root.into(), action.into()]).await?;
    row.map(|row| Ok((row.get("subject")?, row.get("reason")?))).transpose()
}
