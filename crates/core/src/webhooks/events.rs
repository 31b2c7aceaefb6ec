//! A change is handed to the webhooks that hear of it in its own transaction: no change without its deliveries, no delivery without
//! its change. What is written is what will be sent, to the byte. It says what the log says, but for where whoever did it was.

use super::actions::{self, PING, name_of};
use crate::{Error, chance, log::Action};
use keywright_db::Tx;
use keywright_protocol::{DeliveryId, OrganizationId, RequestId, Time, WebhookId};
use keywright_store::{
    log::EventRow,
    names, settings,
    webhook_deliveries::{self, NewDelivery},
    webhooks::{self, WebhookRow},
};
use serde::Serialize;
use uuid::Uuid;

/// What is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    delivery_id: DeliveryId,
    timestamp: Time,
    action: &'static str,
    message: &'a str,
    title: &'a str,
    item: &'a Item<'a>,
    links: &'a Links,
}

/// What it was done to.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    organization_id: Option<OrganizationId>,
    organization: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_organization_id: Option<OrganizationId>,
    subject: &'a str,
    details: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<ActorOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
}

/// Who did it.
#[derive(Serialize)]
struct ActorOf<'a> {
    kind: &'a str,
    id: Option<Uuid>,
    name: String,
}

/// Where there is more. Their base is the configured public URL, which is the database's since the first start.
#[derive(Serialize)]
struct Links {
    organization: String,
    activity: String,
}

impl Links {
    async fn of(tx: &mut Tx, organization: OrganizationId) -> Result<Self, Error> {
        let issuer = settings::find(tx, settings::ISSUER).await?.ok_or(Error::Internal("there is no issuer"))?;
        let organization = format!("{issuer}/identity/v1/organizations/{organization}");
        Ok(Self { activity: format!("{organization}/activity"), organization })
    }
}

/// Writes a change down for whoever hears of it.
pub(crate) async fn put(tx: &mut Tx, action: Action, event: &EventRow) -> Result<(), Error> {
    if event.organization_id.as_uuid().is_nil() {
        return Ok(());
    }
    let name = name_of(action);
    let hearing = webhooks::list_hearing(tx, event.organization_id, event.root_id).await?;
    let hearing: Vec<WebhookId> = hearing.into_iter().filter(|(_, heard)| actions::names(heard, name)).map(|(id, _)| id).collect();
    if hearing.is_empty() {
        return Ok(());
    }
    let links = Links::of(tx, event.organization_id).await?;
    let organization = names::of_organization(tx, event.organization_id).await?.unwrap_or_default();
    let item = Item {
        organization_id: Some(event.organization_id),
        organization: &organization,
        root_organization_id: Some(event.root_id),
        subject: &event.subject,
        details: &event.reason,
        actor: Some(ActorOf { kind: &event.actor_kind, id: event.actor_id, name: name_of_actor(tx, event).await? }),
        event_id: Some(event.id),
        sequence: Some(event.sequence),
        revision: Some(event.revision),
        request_id: Some(event.request_id),
    };
    let title = action.as_str();
    let message = if event.subject.is_empty() { format!("{title} in {organization}") } else { format!("{title} in {organization}: {}", event.subject) };
    for webhook_id in hearing {
        let id = chance::id()?;
        let body = Body { delivery_id: id, timestamp: event.at, action: name, message: &message, title, item: &item, links: &links };
        let new = NewDelivery { id, webhook_id, root_id: event.root_id, action: name, body: text(&body)?, created_at: event.at };
        webhook_deliveries::insert(tx, &new).await?;
    }
    Ok(())
}

/// Writes a trial of a webhook down.
pub(crate) async fn put_ping(tx: &mut Tx, webhook: &WebhookRow, now: Time) -> Result<DeliveryId, Error> {
    let id = chance::id()?;
    let links = Links::of(tx, webhook.organization_id).await?;
    let organization = names::of_organization(tx, webhook.organization_id).await?.unwrap_or_default();
    let item = Item { organization_id: Some(webhook.organization_id), organization: &organization, subject: &webhook.name, ..Item::default() };
    let message = format!("A trial of the webhook {} of {organization}", webhook.name);
    let body = Body { delivery_id: id, timestamp: now, action: PING, message: &message, title: "Webhook Ping", item: &item, links: &links };
    let new = NewDelivery { id, webhook_id: webhook.id, root_id: webhook.root_id, action: PING, body: text(&body)?, created_at: now };
    webhook_deliveries::insert(tx, &new).await?;
    Ok(id)
}

fn text(body: &Body<'_>) -> Result<String, Error> {
    serde_json::to_string(body).map_err(|_| Error::Internal("what a webhook is sent cannot be written"))
}

/// As the list of activity calls whoever did something; the operator's keys are his own affair.
async fn name_of_actor(tx: &mut Tx, event: &EventRow) -> Result<String, Error> {
    let Some(id) = event.actor_id else { return Ok(String::new()) };
    let called = match event.actor_kind.as_str() {
        "user" => names::of_user(tx, id).await?,
        "key" => names::of_key(tx, id).await?,
        _ => None,
    };
    Ok(called.unwrap_or_default().name)
}
