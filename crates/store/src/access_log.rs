//! The log of access: exchanges, refusals of known keys, gaps. Its events hang on links of the same chains as changes do, many
//! on one. They are written for every exchange, so that a row is not an event but a batch's events in one organization, as the text
//! that its link's hash is taken over.

use crate::{StoreError, log::EventRow, statements};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, RequestId, Time};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO log_access (id, root_id, sequence, organization_id, events) VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT id FROM log_access WHERE id = $1";
    LIST = "SELECT id, sequence, organization_id, events FROM log_access WHERE root_id = $1";
}

/// An event as it is written; where it belongs stands in its row. What is said of them: [`EventRow`].
#[derive(Debug)]
#[expect(missing_docs, reason = "as in `EventRow`")]
pub struct Access<'a> {
    pub id: Uuid,
    pub at: Time,
    pub actor_kind: &'a str,
    pub actor_id: Option<Uuid>,
    pub action: &'a str,
    pub subject: &'a str,
    pub outcome: &'a str,
    pub reason: Cow<'a, str>,
    pub address: Cow<'a, str>,
    pub user_agent: &'a str,
    pub request_id: RequestId,
    pub revision: i64,
}

/// The members of an event, in the order in which they stand in its array.
type Members<'a> = (Uuid, i64, Cow<'a, str>, Option<Uuid>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, RequestId, i64);

impl Serialize for Access<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, at, actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, request_id, revision } = self;
        (id, at.as_millis(), actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, request_id, revision).serialize(serializer)
    }
}

/// A batch's events in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRow {
    /// The id of the first one.
    pub id: Uuid,
    /// Where; nil for the installation as a whole.
    pub organization_id: OrganizationId,
    /// A JSON array of arrays.
    pub events: String,
}

impl AccessRow {
    /// Events in the order of their ids, at least one.
    ///
    /// # Errors
    /// `Corrupt` if they cannot be written.
    pub fn new(organization_id: OrganizationId, events: &[Access<'_>]) -> Result<Self, StoreError> {
        let id = events.first().map(|event| event.id).ok_or(StoreError::Corrupt)?;
        let events = serde_json::to_string(events).map_err(|_| StoreError::Corrupt)?;
        Ok(Self { id, organization_id, events })
    }

    fn read(&self, (root_id, sequence): (OrganizationId, i64)) -> Result<Vec<EventRow>, StoreError> {
        let events: Vec<Members<'_>> = serde_json::from_str(&self.events).map_err(|_| StoreError::Corrupt)?;
        let event = |members: Members<'_>| {
            let (id, at, actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, request_id, revision) = members;
            EventRow {
                id,
                root_id,
                sequence,
                at: Time::from_millis(at),
                organization_id: self.organization_id,
                actor_kind: actor_kind.into_owned(),
                actor_id,
                action: action.into_owned(),
                subject: subject.into_owned(),
                outcome: outcome.into_owned(),
                reason: reason.into_owned(),
                address: address.into_owned(),
                user_agent: user_agent.into_owned(),
                request_id,
                revision,
            }
        };
        Ok(events.into_iter().map(event).collect())
    }
}

/// Adds the rows of a link that is there.
///
/// # Errors
/// `Conflict` if one of them is there already, or its link is not.
pub async fn insert(tx: &mut Tx, (root, sequence): (OrganizationId, i64), rows: &[AccessRow]) -> Result<(), StoreError> {
    for row in rows {
        tx.execute_one(INSERT, &[row.id.into(), root.into(), sequence.into(), row.organization_id.into(), row.events.as_str().into()]).await?;
    }
    Ok(())
}

/// Whether an event is there that is the first one of its row.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn exists(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    tx.fetch_optional(FIND, &[id.into()]).await.map(|row| row.is_some())
}

/// The rows of a root's chain, each with the number of its link, in order.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_rows(tx: &mut Tx, root: OrganizationId) -> Result<Vec<(i64, AccessRow)>, StoreError> {
    let mut rows = Vec::new();
    for row in tx.fetch_all(LIST, &[root.into()]).await? {
        let (id, organization_id, events) = (row.get("id")?, row.get("organization_id")?, row.get("events")?);
        rows.push((row.get("sequence")?, AccessRow { id, organization_id, events }));
    }
    rows.sort_unstable_by_key(|(sequence, row)| (*sequence, row.id));
    Ok(rows)
}

/// The events of a root's chain, in order.
///
/// # Errors
/// `Corrupt` if a row cannot be read, besides whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, root: OrganizationId) -> Result<Vec<EventRow>, StoreError> {
    let mut events = Vec::new();
    for (sequence, row) in list_rows(tx, root).await? {
        events.append(&mut row.read((root, sequence))?);
    }
    events.sort_unstable_by_key(|event| (event.sequence, event.id));
    Ok(events)
}
