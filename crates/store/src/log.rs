//! The chains of both logs, and the log of changes for people: what happened, who did it, in one hash chain a root.

use crate::{StoreError, statements};
use keywright_db::{Row, Tx, Value};
use keywright_protocol::{OrganizationId, RequestId, Time};
use uuid::Uuid;

statements! {
    FIND_HEAD = "SELECT sequence, hash FROM log_links WHERE root_id = $1 ORDER BY sequence DESC LIMIT 1";
    LIST_LINKS = "SELECT root_id, sequence, kind, at, previous, hash FROM log_links WHERE root_id = $1 ORDER BY sequence";
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

/// What a link stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// One change, an event in `log_changes`.
    Change,
    /// A batch of accesses, events in `log_access`.
    Access,
    /// Accesses that are missing, told by events in `log_access`.
    Gap,
}

impl LinkKind {
    const ALL: [Self; 3] = [Self::Change, Self::Access, Self::Gap];

    /// As it is stored, and hashed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Access => "access",
            Self::Gap => "gap",
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

/// The links of a root's chain, in order.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_links(tx: &mut Tx, root: OrganizationId) -> Result<Vec<LinkRow>, StoreError> {
    let rows = tx.fetch_all(LIST_LINKS, &[root.into()]).await?;
    rows.iter()
        .map(|row| {
            let kind: String = row.get("kind")?;
            let kind = LinkKind::ALL.into_iter().find(|known| known.as_str() == kind);
            let (root_id, sequence, at) = (row.get("root_id")?, row.get("sequence")?, row.get("at")?);
            Ok(LinkRow { root_id, sequence, kind, at, previous: row.get("previous")?, hash: row.get("hash")? })
        })
        .collect()
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

/// A root's events, oldest first.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_changes(tx: &mut Tx, root: OrganizationId) -> Result<Vec<EventRow>, StoreError> {
    tx.fetch_all(LIST_CHANGES, &[root.into()]).await?.iter().map(EventRow::read).collect()
}
