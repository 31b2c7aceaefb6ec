//! What needs attention in an organization.

use super::{
    attention_bodies::AttentionBody,
    call::{Caller, Named, answer, told},
    docs::Refusals,
};
use crate::{app::App, error::ApiError};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use std::sync::Arc;

/// Its route.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/identity/v1/organizations/{id}/attention", get(attention))
}

/// `GET /identity/v1/organizations/{id}/attention`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/attention",
    tag = "Organizations",
    operation_id = "getAttention",
    summary = "What needs attention",
    description = "For Owners, and for whoever manages API Keys as far as these go. Each list has its first hundred, and how many there are. Only keys that live are listed: not those that are revoked, suspended or expired, nor those of people who have left. Sub-organizations are asked about one by one.\n\n`oldSecrets` are used beside a newer secret and stop working at `endsAt`; `oldEndpoints` says who still exchanges keys at `/auth/v1/token` and `/auth/v2/token`. Exchanges that were refused are not counted there.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "The lists.", body = AttentionBody, example = json!({
        "asOf": "2026-11-24T16:00:01.000Z",
        "expiring": {"total": 1, "data": [{"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "kind": "apiKey", "name": "nightly", "userId": null, "userEmail": null,
            "createdAt": "2026-05-25T09:00:00.000Z", "expiresAt": "2026-11-28T09:00:00.000Z", "urgency": "critical"}]},
        "neverUsed": {"total": 0, "data": []},
        "unused": {"total": 0, "data": []},
        "refused": {"total": 0, "data": []},
        "oldSecrets": {"total": 0, "data": []},
        "oldEndpoints": {"total": 1, "data": [{"id": "5c0e3c5f-9a53-4b52-8f0b-0d6f5f8d8a10", "kind": "personalAccessKey", "name": "laptop",
            "userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "userEmail": "owner@acme.example",
            "createdAt": "2026-05-25T09:00:00.000Z", "expiresAt": "2027-05-25T09:00:00.000Z", "uses": 12, "lastUsedAt": "2026-11-24T15:50:00.000Z",
            "clients": [{"endpoint": "/auth/v1/token", "field": "pat", "address": "203.0.113.7", "userAgent": "appcircle-cli", "uses": 12, "lastUsedAt": "2026-11-24T15:50:00.000Z"}]}]},
        "makerGone": {"total": 0, "data": []}})), Refusals)
)]
pub(crate) async fn attention(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let found = told(app.core.attention(&caller.ctx, caller.named(&id)?).await)?;
    Ok(answer(StatusCode::OK, &AttentionBody::from(found)))
}
