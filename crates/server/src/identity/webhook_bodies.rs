//! Bodies of webhooks. They are our own: what they do not know is refused by name.

use super::key_bodies::present;
use keywright_core::webhooks::{Deliveries, DeliveryRow, NewWebhook, Reach, State, Webhook, WebhookChange};
use keywright_protocol::{DeliveryId, OrganizationId, Time, WebhookId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A webhook. Its secret is nowhere.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
pub(crate) struct WebhookItem {
    /// Its id.
    id: WebhookId,
    /// Whose changes it hears of.
    organization_id: OrganizationId,
    /// What people call it.
    name: String,
    /// Where it sends; null if it was altered in the database, so that nothing is sent.
    url: Option<String>,
    /// What it hears of; empty for everything.
    actions: Vec<&'static str>,
    /// Whether it hears of sub-organizations too.
    include_sub_organizations: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// By whom: `user` and his id, or `host`.
    created_by: String,
    /// Since when it is suspended; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    suspended_at: Option<Time>,
    /// Why, if nobody did it; null otherwise.
    suspended_for: Option<String>,
    /// Since when every attempt has failed; null if the last one did not.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Time>,
}

impl From<Webhook> for WebhookItem {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            organization_id: webhook.organization_id,
            name: webhook.name,
            url: webhook.url,
            actions: webhook.actions.names().to_vec(),
            include_sub_organizations: webhook.reach == Reach::Tree,
            created_at: webhook.created_at,
            created_by: webhook.created_by,
            suspended_at: webhook.suspended_at,
            suspended_for: Some(webhook.suspended_for).filter(|reason| !reason.is_empty()),
            failing_since: webhook.failing_since,
        }
    }
}

/// A webhook with a secret that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub(crate) struct NewWebhookItem {
    /// What deliveries are signed with. It is shown once.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// What a list says of it.
    #[serde(flatten)]
    item: WebhookItem,
}

impl From<(Webhook, Zeroizing<String>)> for NewWebhookItem {
    fn from((webhook, secret): (Webhook, Zeroizing<String>)) -> Self {
        Self { secret, item: webhook.into() }
    }
}

/// A webhook to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct WebhookBody {
    /// What it is for: 1 to 128 characters.
    name: String,
    /// Where it sends: `https`, a public host, without user and fragment, 2,000 characters at most.
    pub(crate) url: String,
    /// What it hears of, such as `ApiKey|Create`; empty or left out for everything.
    #[serde(default)]
    actions: Vec<String>,
    /// Whether it hears of sub-organizations too; of a root alone, and for its Owners.
    #[serde(default)]
    include_sub_organizations: bool,
}

impl WebhookBody {
    /// With the URL in its normal form.
    pub(crate) fn read(self, url: String) -> NewWebhook {
        let reach = if self.include_sub_organizations { Reach::Tree } else { Reach::Organization };
        NewWebhook { name: self.name, url, actions: self.actions, reach }
    }
}

/// What changes about a webhook; what is left out stays. `null` is refused, since it might mean either.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WebhookChange)]
pub(crate) struct WebhookChangeBody {
    /// Another name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// Another address.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    pub(crate) url: Option<String>,
    /// These actions and no others; empty for everything.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<String>, required = false)]
    actions: Option<Vec<String>>,
    /// Whether it hears of sub-organizations too.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    include_sub_organizations: Option<bool>,
    /// `true` suspends it, which ends what waits; `false` resumes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    suspended: Option<bool>,
}

impl WebhookChangeBody {
    /// With the URL in its normal form.
    pub(crate) fn read(self, url: Option<String>) -> WebhookChange {
        let state = self.suspended.map(|suspended| if suspended { State::Suspended } else { State::Active });
        let reach = self.include_sub_organizations.map(|included| if included { Reach::Tree } else { Reach::Organization });
        WebhookChange { name: self.name, url, actions: self.actions, reach, state }
    }
}

/// Something that was sent, or is to be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookDelivery)]
pub(crate) struct DeliveryItem {
    /// Its id: `webhook-id` and `deliveryId`.
    id: DeliveryId,
    /// What it tells of.
    action: String,
    /// `waiting`, `delivered` or `failed`.
    state: &'static str,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// How often it was tried.
    attempts: i64,
    /// When it was last tried.
    #[schema(value_type = Option<String>, format = DateTime)]
    attempted_at: Option<Time>,
    /// When it is tried again; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Time>,
    /// The status of the last answer; null if there was none.
    status: Option<i64>,
    /// Why it is not delivered; null if it is, or was not tried.
    reason: Option<String>,
    /// What is sent, to the byte.
    body: String,
}

impl From<DeliveryRow> for DeliveryItem {
    fn from(row: DeliveryRow) -> Self {
        let state = match (row.delivered_at, row.failed_at) {
            (Some(_), _) => "delivered",
            (None, Some(_)) => "failed",
            (None, None) => "waiting",
        };
        Self {
            id: row.id,
            action: row.action,
            state,
            created_at: row.created_at,
            attempts: row.attempts,
            attempted_at: row.attempted_at,
            next_attempt_at: (state == "waiting").then_some(row.next_attempt_at),
            status: row.status,
            reason: Some(row.failure).filter(|reason| !reason.is_empty()),
            body: row.body,
        }
    }
}

/// A page.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookDeliveries)]
pub(crate) struct DeliveryPage {
    /// Latest first.
    deliveries: Vec<DeliveryItem>,
    /// To be sent as `cursor` for what comes behind; `null` at the end.
    next_cursor: Option<String>,
}

impl From<Deliveries> for DeliveryPage {
    fn from(page: Deliveries) -> Self {
        Self { deliveries: page.rows.into_iter().map(DeliveryItem::from).collect(), next_cursor: page.next }
    }
}

/// What will be delivered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookPing)]
pub(crate) struct PingBody {
    /// What happens now.
    pub(crate) message: &'static str,
    /// The delivery's id.
    pub(crate) delivery_id: DeliveryId,
}
