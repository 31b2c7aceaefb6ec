//! The log of access: exchanges, refusals of known keys, gaps. Its events hang on links of the same chains as changes do, many
//! on one. They are written for every exchange, so that a row is not an event but a batch's events in one organization.

use crate::{StoreError, log::EventRow, statements};
use keywright_db::{Row, Tx};
use keywright_protocol::{OrganizationId, RequestId, Time};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO log_access (id, root_id, sequence, organization_id, events) VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT id FROM log_access WHERE id = $1";
    LIST = "SELECT root_id, sequence, organization_id, events FROM log_access WHERE root_id = $1";
}

/// What is stored of an event; the rest stands in its row. An array, in this order.
#[derive(Serialize, Deserialize)]
struct Stored<'a>(Uuid, i64, Cow<'a, str>, Option<Uuid>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, RequestId, i64);

impl<'a> Stored<'a> {
    fn of(event: &'a EventRow) -> Self {
        Self(
            event.id,
            event.at.as_millis(),
            (&event.actor_kind).into(),
            event.actor_id,
            (&event.action).into(),
            (&event.subject).into(),
            (&event.outcome).into(),
            (&event.reason).into(),
            (&event.address).into(),
            (&event.user_agent).into(),
            event.request_id,
            event.revision,
        )
    }

    fn into_event(self, root_id: OrganizationId, sequence: i64, organization_id: OrganizationId) -> EventRow {
        let Self(id, at, actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, request_id, revision) = self;
        EventRow {
            id,
            root_id,
            sequence,
            at: Time::from_millis(at),
            organization_id,
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
    }
}

/// Adds events to links that are there; their ids are in their order.
///
/// # Errors
/// `Conflict` if one of them is there already, or its link is not.
pub async fn insert(tx: &mut Tx, events: &[EventRow]) -> Result<(), StoreError> {
    let mut rows: BTreeMap<(OrganizationId, i64, OrganizationId), Vec<&EventRow>> = BTreeMap::new();
    for event in events {
        rows.entry((event.root_id, event.sequence, event.organization_id)).or_default().push(event);
    }
    for ((root, sequence, organization), events) in rows {
        let Some(first) = events.first() else { continue };
        let stored: Vec<Stored<'_>> = events.iter().map(|event| Stored::of(event)).collect();
        let text = serde_json::to_string(&stored).map_err(|_| StoreError::Corrupt)?;
        tx.execute_one(INSERT, &[first.id.into(), root.into(), sequence.into(), organization.into(), text.into()]).await?;
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

/// The events of a root's chain, in order.
///
/// # Errors
/// `Corrupt` if a row cannot be read, besides whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, root: OrganizationId) -> Result<Vec<EventRow>, StoreError> {
    let mut events = Vec::new();
    for row in tx.fetch_all(LIST, &[root.into()]).await? {
        events.append(&mut read(&row)?);
    }
    events.sort_unstable_by_key(|event| (event.sequence, event.id));
    Ok(events)
}

fn read(row: &Row) -> Result<Vec<EventRow>, StoreError> {
    let (root, sequence, organization) = (row.get("root_id")?, row.get("sequence")?, row.get("organization_id")?);
    let text: String = row.get("events")?;
    let stored: Vec<Stored<'_>> = serde_json::from_str(&text).map_err(|_| StoreError::Corrupt)?;
    Ok(stored.into_iter().map(|event| event.into_event(root, sequence, organization)).collect())
}
