//! The log of access: exchanges, refusals of known keys, gaps. Its events hang on links of the same chains as changes do, many
//! on one. They are written for every exchange, so that a row is not an event but a batch's events in one organization, as the text
//! that its link's hash is taken over.

use crate::{
    StoreError,
    log::{EventRow, Place, Window},
    statements,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keywright_db::{Row, Tx};
use keywright_protocol::{OrganizationId, RequestId, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use std::borrow::Cow;
use uuid::Uuid;

/// Length of a request's id as it is stored.
const REQUEST_LENGTH: usize = 22;

statements! {
    INSERT = "INSERT INTO log_access (id, root_id, sequence, organization_id, since, events) VALUES ($1, $2, $3, $4, $5, $6)";
    FIND = "SELECT id FROM log_access WHERE id = $1";
    LIST = "SELECT id, sequence, organization_id, since, events FROM log_access
        WHERE root_id = $1 AND $2 < sequence AND sequence <= $3 ORDER BY sequence";
    LIST_BACK_IN_TREE = "SELECT id, root_id, sequence, organization_id, since, events FROM log_access
        WHERE root_id = $1 AND $2 <= sequence AND sequence <= $3 AND since < $4 ORDER BY sequence DESC LIMIT $5";
    LIST_BACK_IN_ORGANIZATION = "SELECT id, root_id, sequence, organization_id, since, events FROM log_access
        WHERE organization_id = $1 AND $2 <= sequence AND sequence <= $3 AND since < $4 ORDER BY sequence DESC LIMIT $5";
    DELETE = "DELETE FROM log_access WHERE root_id = $1 AND $2 <= sequence AND sequence <= $3";
}

/// What events of one batch have in common that are alike but for their time and their request. What is said of them: [`EventRow`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `EventRow`")]
pub struct Kind<'a> {
    pub actor_kind: Cow<'a, str>,
    pub actor_id: Option<Uuid>,
    pub action: Cow<'a, str>,
    pub subject: Cow<'a, str>,
    pub outcome: Cow<'a, str>,
    pub reason: Cow<'a, str>,
    pub address: Cow<'a, str>,
    pub user_agent: Cow<'a, str>,
    pub revision: i64,
}

/// The members of a kind, in the order in which they stand in its array.
type Members<'a> = (Cow<'a, str>, Option<Uuid>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, i64);

impl Serialize for Kind<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, revision } = self;
        (actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, revision).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kind<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, revision) = Members::deserialize(deserializer)?;
        Ok(Self { actor_kind, actor_id, action, subject, outcome, reason, address, user_agent, revision })
    }
}

/// One event: which of its row's kinds it is, when it happened, in which request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The number of its kind, from 0.
    pub kind: usize,
    /// When.
    pub at: Time,
    /// The request.
    pub request_id: RequestId,
}

/// The text of a row. An event is its kind, the milliseconds since the row's time, and the request's id in Base64url.
#[derive(Serialize, Deserialize)]
struct Text<'a> {
    since: i64,
    kinds: Cow<'a, [Kind<'a>]>,
    events: Vec<(usize, i64, RequestText)>,
}

struct RequestText(RequestId);

impl Serialize for RequestText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; REQUEST_LENGTH];
        let length = URL_SAFE_NO_PAD.encode_slice(self.0.as_uuid().as_bytes(), &mut text).map_err(S::Error::custom)?;
        serializer.serialize_str(text.get(..length).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for RequestText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        Ok(Self(Uuid::from_slice(&bytes).map_err(D::Error::custom)?.into()))
    }
}

/// A batch's events in one organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessRow {
    /// The id of the first one. The others' count on from it: see [`nth`].
    pub id: Uuid,
    /// Where; nil for the installation as a whole.
    pub organization_id: OrganizationId,
    /// When the first one happened.
    pub since: Time,
    /// The events as JSON.
    pub events: String,
}

/// The id of the event that is `index` behind a row's first one: the counter of 12 bits is the lowest of what follows the time
/// (RFC 9562, sections 5.7 and 6.2).
#[must_use]
pub fn nth(first: Uuid, index: usize) -> Uuid {
    let index = u128::try_from(index).unwrap_or_default();
    Uuid::from_u128(first.as_u128().wrapping_add(index << 64))
}

impl AccessRow {
    /// Events of these kinds, at least one.
    ///
    /// # Errors
    /// `Corrupt` if they cannot be written.
    pub fn new(id: Uuid, organization_id: OrganizationId, kinds: &[Kind<'_>], events: &[Access]) -> Result<Self, StoreError> {
        let since = events.iter().map(|event| event.at).min().ok_or(StoreError::Corrupt)?;
        let base = since.as_millis();
        let events = events.iter().map(|event| (event.kind, event.at.as_millis().saturating_sub(base), RequestText(event.request_id))).collect();
        let text = Text { since: base, kinds: Cow::Borrowed(kinds), events };
        let events = serde_json::to_string(&text).map_err(|_| StoreError::Corrupt)?;
        Ok(Self { id, organization_id, since, events })
    }

    /// Its events, in the order of their ids.
    ///
    /// # Errors
    /// `Corrupt` if that is not what it is.
    pub fn read(&self, (root_id, sequence): (OrganizationId, i64)) -> Result<Vec<EventRow>, StoreError> {
        let text: Text<'static> = serde_json::from_str(&self.events).map_err(|_| StoreError::Corrupt)?;
        let event = |(index, (kind, after, request)): (usize, (usize, i64, RequestText))| {
            let kind = text.kinds.get(kind).ok_or(StoreError::Corrupt)?;
            Ok(EventRow {
                id: nth(self.id, index),
                root_id,
                sequence,
                at: Time::from_millis(text.since.saturating_add(after)),
                organization_id: self.organization_id,
                actor_kind: kind.actor_kind.to_string(),
                actor_id: kind.actor_id,
                action: kind.action.to_string(),
                subject: kind.subject.to_string(),
                outcome: kind.outcome.to_string(),
                reason: kind.reason.to_string(),
                address: kind.address.to_string(),
                user_agent: kind.user_agent.to_string(),
                request_id: request.0,
                revision: kind.revision,
            })
        };
        text.events.into_iter().enumerate().map(event).collect()
    }

    /// Whether the time beside the events is the one in them.
    #[must_use]
    pub fn has_its_time(&self) -> bool {
        serde_json::from_str::<Text<'static>>(&self.events)
            .is_ok_and(|text| text.since == self.since.as_millis() && text.events.iter().all(|(_, after, _)| *after >= 0))
    }

    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.get("id")?, organization_id: row.get("organization_id")?, since: row.get("since")?, events: row.get("events")? })
    }
}

/// Adds the rows of a link that is there.
///
/// # Errors
/// `Conflict` if one of them is there already, or its link is not.
pub async fn insert(tx: &mut Tx, (root, sequence): (OrganizationId, i64), rows: &[AccessRow]) -> Result<(), StoreError> {
    for row in rows {
        let values = [row.id.into(), root.into(), sequence.into(), row.organization_id.into(), row.since.into(), row.events.as_str().into()];
        tx.execute_one(INSERT, &values).await?;
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

/// The rows of a root's chain behind one link and up to another one, each with the number of its link, in order.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_rows(tx: &mut Tx, root: OrganizationId, (after, last): (i64, i64)) -> Result<Vec<(i64, AccessRow)>, StoreError> {
    let rows = tx.fetch_all(LIST, &[root.into(), after.into(), last.into()]).await?;
    let mut rows = rows.iter().map(|row| Ok((row.get("sequence")?, AccessRow::of(row)?))).collect::<Result<Vec<_>, StoreError>>()?;
    rows.sort_unstable_by_key(|(sequence, row)| (*sequence, row.id));
    Ok(rows)
}

/// Rows of a tree, or of one organization, from a link backwards: those that have events before a time, at most so many. Each with
/// the chain and the link that it hangs on.
///
/// # Errors
/// Whatever keeps the database from answering.
pub async fn list_back(tx: &mut Tx, place: Place, window: &Window, limit: i64) -> Result<Vec<((OrganizationId, i64), AccessRow)>, StoreError> {
    let (sql, id) = match place {
        Place::Tree(root) => (LIST_BACK_IN_TREE, root),
        Place::Organization(organization) => (LIST_BACK_IN_ORGANIZATION, organization),
    };
    let values = [id.into(), window.first.into(), window.last.into(), window.until.into(), limit.into()];
    let rows = tx.fetch_all(sql, &values).await?;
    rows.iter().map(|row| Ok(((row.get("root_id")?, row.get("sequence")?), AccessRow::of(row)?))).collect()
}

/// Removes the rows of links, from one to another.
///
/// # Errors
/// Whatever keeps the database from writing.
pub async fn delete(tx: &mut Tx, root: OrganizationId, (first, last): (i64, i64)) -> Result<(), StoreError> {
    tx.execute(DELETE, &[root.into(), first.into(), last.into()]).await.map(drop)
}

/// The events of a root's chain, in order.
///
/// # Errors
/// `Corrupt` if a row cannot be read, besides whatever keeps the database from answering.
pub async fn list(tx: &mut Tx, root: OrganizationId) -> Result<Vec<EventRow>, StoreError> {
    let mut events = Vec::new();
    for (sequence, row) in list_rows(tx, root, (0, i64::MAX)).await? {
        events.append(&mut row.read((root, sequence))?);
    }
    events.sort_unstable_by_key(|event| (event.sequence, event.at, event.id));
    Ok(events)
}
