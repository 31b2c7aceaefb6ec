//! Bodies of the activity of an organization.

use crate::{
    ids::{OrganizationId, RequestId},
    time::Time,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActorItem {
    /// `user`, `key`, `operator-key`, `host`, or `nobody` for whoever was not known.
    pub kind: String,
    /// Which one.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub id: Option<Uuid>,
    /// The name of the person or the key; empty for the operator and his keys.
    pub name: String,
    /// The e-mail address of the person or of the key's holder, or the generated identity of an API Key.
    pub email: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", schema(as = ActivityEvent))]
pub struct EventItem {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: Uuid,
    /// The number of its link in the chain of the root.
    pub sequence: i64,
    /// When it happened.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub at: Time,
    /// Where.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub organization_id: OrganizationId,
    /// That organization's name.
    pub organization: String,
    /// Who did it.
    pub actor: ActorItem,
    /// What was done.
    pub action: String,
    /// To what: an address, a key's name.
    pub subject: String,
    /// `done` for a change; `issued` or `refused` for an exchange; `lost` for events that are missing.
    pub outcome: String,
    /// More about it: roles, the code of a refusal.
    pub reason: String,
    /// Where the request came from.
    pub address: String,
    /// What it called itself.
    pub user_agent: String,
    /// Which request it was.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub request_id: RequestId,
    /// The revision that it made, or was decided at.
    pub revision: i64,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", schema(as = Activity))]
pub struct ActivityPage {
    /// Latest first.
    pub events: Vec<EventItem>,
    /// To be sent as `cursor` for what comes behind; `null` at the end.
    pub next_cursor: Option<String>,
}
