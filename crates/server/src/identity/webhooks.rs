//! Webhooks: list, make, look at one, change, rotate, delete, try out; what was sent, and sending it again.

use super::{
    bodies::Done,
    call::{Caller, Named, Query, answer, changed, created, json, told},
    docs::{ChangeRefusals, Refusals},
    webhook_bodies::{DeliveryPage, NewWebhookItem, PingBody, WebhookBody, WebhookChangeBody, WebhookItem},
};
use crate::{app::App, error::ApiError};
use axum::{
    Router,
    body::Body,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{Request, StatusCode};
use keywright_core::webhooks::{CHANGING, MAKING};
use keywright_protocol::{DeliveryId, WebhookId};
use std::sync::Arc;

const NEW: &str = r#"{"name": "audit trail", "url": "https://hooks.example.com/keywright"}"#;
const CHANGE: &str = r#"{"actions": ["ApiKey|Create"]}"#;

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v1/organizations/{id}/webhooks", get(list).post(create))
        .route("/identity/v1/organizations/{id}/webhooks/{webhook}", get(get_one).patch(update).delete(delete))
        .route("/identity/v1/organizations/{id}/webhooks/{webhook}/rotate", post(rotate))
        .route("/identity/v1/organizations/{id}/webhooks/{webhook}/ping", post(ping))
        .route("/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries", get(deliveries))
        .route("/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries/{delivery}/redeliver", post(redeliver))
}

/// A webhook's id in a path. What is no GUID is as unknown as the nil one, which no webhook has.
fn webhook(text: &str) -> WebhookId {
    text.parse().unwrap_or(WebhookId::from(uuid::Uuid::nil()))
}

/// The same of a delivery.
fn delivery(text: &str) -> DeliveryId {
    text.parse().unwrap_or(DeliveryId::from(uuid::Uuid::nil()))
}

/// `GET /identity/v1/organizations/{id}/webhooks`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/webhooks",
    tag = "Webhooks",
    operation_id = "listWebhooks",
    summary = "Webhooks of an organization",
    description = "Oldest first, 20 at most with those of its root and the other sub-organizations. Needs the permissions `organization.profile.manage` and `organization.activity.view`, as every operation here. Nobody sees a secret again.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "All of them.", body = [WebhookItem], example = json!([{"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "name": "audit trail",
        "url": "https://hooks.example.com/keywright", "actions": ["ApiKey|Create", "ApiKey|Revoke"], "includeSubOrganizations": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "suspendedAt": null, "suspendedFor": null,
        "failingSince": null}])), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let webhooks = told(app.core.list_webhooks(&caller.ctx, caller.named(&id)?).await)?;
    Ok(answer(StatusCode::OK, &webhooks.into_iter().map(WebhookItem::from).collect::<Vec<_>>()))
}

/// `POST /identity/v1/organizations/{id}/webhooks`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/webhooks",
    tag = "Webhooks",
    operation_id = "createWebhook",
    summary = "Make a webhook",
    description = "From now on each change of the organization, as the log of changes has it, is sent to the URL: `POST`, JSON, signed with the secret that this answers. `ac_signature` is the lower-case hexadecimal HMAC-SHA256 of the body under the secret as it is written; `webhook-id`, `webhook-timestamp` and `webhook-signature` are those of Standard Webhooks, and let a receiver refuse a replay. What is not answered with 200 to 299 within ten seconds is sent again for a day, under the same `webhook-id`. The host must be public, or in a network that the operator allows; that is asked again before each attempt. With `includeSubOrganizations` it is for Owners of the root. Needs a person with a fresh session.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    request_body(content = WebhookBody, example = json!({"name": "audit trail", "url": "https://hooks.example.com/keywright", "actions": ["ApiKey|Create", "ApiKey|Revoke"]})),
    responses((status = 201, description = "The webhook with its secret, shown once.", body = NewWebhookItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"secret": "whsec_...", "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "name": "audit trail",
        "url": "https://hooks.example.com/keywright", "actions": ["ApiKey|Create", "ApiKey|Revoke"], "includeSubOrganizations": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "suspendedAt": null, "suspendedFor": null,
        "failingSince": null})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn create(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let new: WebhookBody = json(request.into_body(), NEW).await?;
    // Nobody else has this server look names up.
    told(app.core.require_webhook_maker(&caller.ctx, organization, MAKING).await)?;
    let url = app.outbound.check(&new.url).await?;
    let made = told(app.core.create_webhook(&caller.ctx, organization, new.read(url)).await)?;
    Ok(created(made.position, &NewWebhookItem::from(made.value)))
}

/// `GET /identity/v1/organizations/{id}/webhooks/{webhook}`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/webhooks/{webhook}",
    tag = "Webhooks",
    operation_id = "getWebhook",
    summary = "One webhook",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("webhook" = String, Path, description = "The webhook's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "The webhook.", body = WebhookItem, example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "name": "audit trail",
        "url": "https://hooks.example.com/keywright", "actions": ["ApiKey|Create", "ApiKey|Revoke"], "includeSubOrganizations": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "suspendedAt": null, "suspendedFor": null,
        "failingSince": null})), Refusals)
)]
pub(crate) async fn get_one(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let found = told(app.core.get_webhook(&caller.ctx, caller.named(&id)?, webhook(&of)).await)?;
    Ok(answer(StatusCode::OK, &WebhookItem::from(found)))
}

/// `PATCH /identity/v1/organizations/{id}/webhooks/{webhook}`.
#[utoipa::path(
    patch,
    path = "/identity/v1/organizations/{id}/webhooks/{webhook}",
    tag = "Webhooks",
    operation_id = "updateWebhook",
    summary = "Change a webhook, suspend it or resume it",
    description = "What is left out stays; so does the secret. Suspending ends what waits. One to which nothing could be delivered for five days is suspended by itself. Needs a person with a fresh session.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("webhook" = String, Path, description = "The webhook's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    request_body(content = WebhookChangeBody, example = json!({"actions": ["ApiKey|Create", "ApiKey|Revoke"]})),
    responses((status = 200, description = "The webhook as it is now.", body = WebhookItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "name": "audit trail",
        "url": "https://hooks.example.com/keywright", "actions": ["ApiKey|Create", "ApiKey|Revoke"], "includeSubOrganizations": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "suspendedAt": null, "suspendedFor": null,
        "failingSince": null})), Refusals, ChangeRefusals)
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of)): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let change: WebhookChangeBody = json(request.into_body(), CHANGE).await?;
    let mut url = None;
    if let Some(text) = &change.url {
        told(app.core.require_webhook_maker(&caller.ctx, organization, CHANGING).await)?;
        url = Some(app.outbound.check(text).await?);
    }
    let updated = told(app.core.update_webhook(&caller.ctx, organization, webhook(&of), change.read(url)).await)?;
    Ok(changed(updated.position, &WebhookItem::from(updated.value)))
}

/// `DELETE /identity/v1/organizations/{id}/webhooks/{webhook}`.
#[utoipa::path(
    delete,
    path = "/identity/v1/organizations/{id}/webhooks/{webhook}",
    tag = "Webhooks",
    operation_id = "deleteWebhook",
    summary = "Delete a webhook for ever",
    description = "With its address and its secret; what waits ends. Needs a person with a fresh session.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("webhook" = String, Path, description = "The webhook's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It is deleted.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the webhook was deleted"})), Refusals, ChangeRefusals)
)]
pub(crate) async fn delete(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let deleted = told(app.core.delete_webhook(&caller.ctx, caller.named(&id)?, webhook(&of)).await)?;
    Ok(changed(deleted.position, &Done { message: "the webhook was deleted" }))
}

/// `POST /identity/v1/organizations/{id}/webhooks/{webhook}/rotate`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/webhooks/{webhook}/rotate",
    tag = "Webhooks",
    operation_id = "rotateWebhook",
    summary = "Give a webhook another secret",
    description = "It signs everything from now on, also what waits; what a receiver refuses until it has it is sent again for a day. Needs a person with a fresh session.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("webhook" = String, Path, description = "The webhook's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "The webhook with its new secret, shown once.", body = NewWebhookItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"secret": "whsec_...", "id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "name": "audit trail",
        "url": "https://hooks.example.com/keywright", "actions": ["ApiKey|Create", "ApiKey|Revoke"], "includeSubOrganizations": false,
        "createdAt": "2026-11-24T09:00:00.000Z", "createdBy": "user 220db5b0-66ba-4bda-8105-e8db034bb058", "suspendedAt": null, "suspendedFor": null,
        "failingSince": null})), Refusals, ChangeRefusals)
)]
pub(crate) async fn rotate(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let rotated = told(app.core.rotate_webhook(&caller.ctx, caller.named(&id)?, webhook(&of)).await)?;
    Ok(changed(rotated.position, &NewWebhookItem::from(rotated.value)))
}

/// `POST /identity/v1/organizations/{id}/webhooks/{webhook}/ping`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/webhooks/{webhook}/ping",
    tag = "Webhooks",
    operation_id = "pingWebhook",
    summary = "Try a webhook out",
    description = "Sends it something with the action `Webhook|Ping`, whatever it hears of. One at a time: 409 while another one waits.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("webhook" = String, Path, description = "The webhook's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It will be delivered.", body = PingBody,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "a trial is on its way", "deliveryId": "3d0ab0f1-52a5-4bd4-a3b8-0ad4bd7d4c5e"})), Refusals, ChangeRefusals)
)]
pub(crate) async fn ping(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let sent = told(app.core.ping_webhook(&caller.ctx, caller.named(&id)?, webhook(&of)).await)?;
    Ok(changed(sent.position, &PingBody { message: "a trial is on its way", delivery_id: sent.value }))
}

/// `GET /identity/v1/organizations/{id}/webhooks/{webhook}/deliveries`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries",
    tag = "Webhooks",
    operation_id = "listDeliveries",
    summary = "What was sent to a webhook",
    description = "Within 30 days, and what waits, latest first, with the body as it was sent.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("webhook" = String, Path, description = "The webhook's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many at most; 50 by default.", example = 50),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of an earlier page of the same list.")
    ),
    security(("token" = [])),
    responses((status = 200, description = "A page.", body = DeliveryPage, example = json!({"deliveries": [{
        "id": "3d0ab0f1-52a5-4bd4-a3b8-0ad4bd7d4c5e", "action": "ApiKey|Create", "state": "waiting", "createdAt": "2026-11-24T09:00:00.000Z",
        "attempts": 2, "attemptedAt": "2026-11-24T09:01:00.000Z", "nextAttemptAt": "2026-11-24T09:03:00.000Z", "status": 503,
        "reason": "the answer was 503; only 200 to 299 say that it was taken",
        "body": "{\"deliveryId\":\"3d0ab0f1-52a5-4bd4-a3b8-0ad4bd7d4c5e\",\"timestamp\":\"2026-11-24T09:00:00.000Z\",\"action\":\"ApiKey|Create\"}"}],
        "nextCursor": null})), Refusals)
)]
pub(crate) async fn deliveries(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of)): Named<(String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    query.require_known(&["limit", "cursor"])?;
    let place = (caller.named(&id)?, webhook(&of));
    let limit = query.number("limit", 50, 1..=200)?;
    let page = told(app.core.list_deliveries(&caller.ctx, place, query.get("cursor"), limit).await)?;
    Ok(answer(StatusCode::OK, &DeliveryPage::from(page)))
}

/// `POST /identity/v1/organizations/{id}/webhooks/{webhook}/deliveries/{delivery}/redeliver`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries/{delivery}/redeliver",
    tag = "Webhooks",
    operation_id = "redeliver",
    summary = "Send something again",
    description = "As it was, under the same `webhook-id`, whether it was delivered or not. Later than a day after it was written it is tried once.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("webhook" = String, Path, description = "The webhook's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11"),
        ("delivery" = String, Path, description = "The delivery's id.", example = "3d0ab0f1-52a5-4bd4-a3b8-0ad4bd7d4c5e")
    ),
    security(("token" = [])),
    responses((status = 200, description = "It will be delivered.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "it is on its way"})), Refusals, ChangeRefusals)
)]
pub(crate) async fn redeliver(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of, sent)): Named<(String, String, String)>,
) -> Result<Response, ApiError> {
    let place = (caller.named(&id)?, webhook(&of));
    let sent = told(app.core.redeliver(&caller.ctx, place, delivery(&sent)).await)?;
    Ok(changed(sent.position, &Done { message: "it is on its way" }))
}
