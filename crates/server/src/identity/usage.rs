//! How keys are used: the secrets of an API Key one by one, and counts by hour and day.

use super::{
    call::{Caller, Named, Query, answer, key, told},
    docs::Refusals,
    usage_bodies::{SecretsBody, UsageBody},
};
use crate::{app::App, error::ApiError};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use keywright_core::usage::{Period, UsageQuery};
use keywright_protocol::KeyKind;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which counts are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the spec; what is read is in `asked`")]
pub(crate) struct Periods {
    /// `hour` (without it) or `day`.
    #[param(example = "hour")]
    by: Option<String>,
    /// From the hour or day on that this is in. Without it 24 hours, or 30 days.
    #[param(format = DateTime, example = "2026-11-24T00:00:00Z")]
    from: Option<String>,
    /// Hours or days that begin before. Without it the present one is the last.
    #[param(format = DateTime, example = "2026-11-25T00:00:00Z")]
    until: Option<String>,
}

/// Their routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v1/organizations/{id}/api-keys/{key}/secrets", get(secrets))
        .route("/identity/v1/organizations/{id}/api-keys/{key}/usage", get(of_api_key))
        .route("/identity/v1/organizations/{id}/personal-access-keys/{key}/usage", get(of_personal_access_key))
}

/// `GET /identity/v1/organizations/{id}/api-keys/{key}/secrets`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/api-keys/{key}/secrets",
    tag = "API Keys",
    operation_id = "listApiKeySecrets",
    summary = "The secrets of an API Key and who still uses them",
    description = "Each secret that the key has had, oldest first: its number and times, never the secret itself; how often and when it was exchanged, and from where.\n\n**May I end the overlap?** `drained` of an old secret is true when a newer one has been used and the old one has not been since; or, if both were used side by side, when the old one has not been used for `tokenLifeSeconds`: whoever still had it would have needed another token by then. It is false as long as no newer one was ever used. `unusedForSeconds` says for how long the old one has not been used while a newer one was: wait until that is longer than your slowest client sleeps. The secret is ended by rotating once more with `overlapSeconds` 0, or by itself at `endsAt`.\n\nOnly exchanges that gave a token are uses. What was refused is counted apart, also of a secret that has ended: whoever still sends it shows there.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11")
    ),
    security(("token" = [])),
    responses((status = 200, description = "The secrets, oldest first.", body = SecretsBody, example = json!({
        "asOf": "2026-11-24T16:00:01.000Z", "tokenLifeSeconds": 3600, "data": [
        {"version": 1, "state": "Overlapping", "createdAt": "2026-05-25T09:00:00.000Z", "endsAt": "2026-11-25T09:00:00.000Z", "endedAt": null,
        "firstUsedAt": "2026-05-25T09:14:00.000Z", "lastUsedAt": "2026-11-24T09:50:00.000Z", "lastUsedAddress": "203.0.113.7",
        "lastUsedUserAgent": "curl/8.14", "issued": 4380, "refused": 2, "lastRefusedAt": "2026-08-01T02:00:00.000Z",
        "lastRefusedAddress": "198.51.100.4", "lastRefusedUserAgent": "curl/8.14", "lastRefusedReason": "key_address_not_allowed",
        "drained": true, "unusedForSeconds": 21601},
        {"version": 2, "state": "Current", "createdAt": "2026-11-24T09:00:00.000Z", "endsAt": null, "endedAt": null,
        "firstUsedAt": "2026-11-24T10:00:00.000Z", "lastUsedAt": "2026-11-24T15:50:00.000Z", "lastUsedAddress": "203.0.113.7",
        "lastUsedUserAgent": "curl/8.14", "issued": 7, "refused": 0, "lastRefusedAt": null, "lastRefusedAddress": null,
        "lastRefusedUserAgent": null, "lastRefusedReason": null, "drained": null, "unusedForSeconds": null}]})), Refusals)
)]
pub(crate) async fn secrets(State(app): State<Arc<App>>, caller: Caller, Named((id, of)): Named<(String, String)>) -> Result<Response, ApiError> {
    let secrets = told(app.core.list_api_key_secrets(&caller.ctx, caller.named(&id)?, key(&of)).await)?;
    Ok(answer(StatusCode::OK, &SecretsBody::from(secrets)))
}

/// `GET /identity/v1/organizations/{id}/api-keys/{key}/usage`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/api-keys/{key}/usage",
    tag = "API Keys",
    operation_id = "getApiKeyUsage",
    summary = "How an API Key is used",
    description = "Counts by hour or by day (UTC), for hours of the last 90 days and days of the last 2 years; and the ways in by which it ever came, by endpoint and spelling of the field. 1,000 hours or days at most in one answer. Where nothing happened there is no row.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11"),
        Periods
    ),
    security(("token" = [])),
    responses((status = 200, description = "Counts, oldest first, and ways in.", body = UsageBody, example = json!({
        "asOf": "2026-11-24T16:00:01.000Z", "by": "hour", "from": "2026-11-24T00:00:00.000Z", "until": "2026-11-25T00:00:00.000Z",
        "keptSince": "2026-08-26T17:00:00.000Z", "data": [
        {"beginsAt": "2026-11-24T09:00:00.000Z", "version": 1, "issued": 1, "refused": 0},
        {"beginsAt": "2026-11-24T10:00:00.000Z", "version": 2, "issued": 1, "refused": 0}], "ways": [
        {"version": 1, "endpoint": "/auth/v1/api-key/token", "field": "secret", "firstUsedAt": "2026-05-25T09:14:00.000Z",
        "lastUsedAt": "2026-11-24T09:50:00.000Z", "lastUsedAddress": "203.0.113.7", "lastUsedUserAgent": "curl/8.14", "issued": 4380, "refused": 0,
        "lastRefusedAt": null, "lastRefusedAddress": null, "lastRefusedUserAgent": null, "lastRefusedReason": null}]})), Refusals)
)]
pub(crate) async fn of_api_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of)): Named<(String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    let usage = app.core.key_usage(&caller.ctx, caller.named(&id)?, (key(&of), KeyKind::ApiKey), asked(&query)?).await;
    Ok(answer(StatusCode::OK, &UsageBody::from(told(usage)?)))
}

/// `GET /identity/v1/organizations/{id}/personal-access-keys/{key}/usage`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/personal-access-keys/{key}/usage",
    tag = "Personal Access Keys",
    operation_id = "getPersonalAccessKeyUsage",
    summary = "How a Personal Access Key is used",
    description = "One's own, or as an Owner a member's. Counts by hour or by day (UTC), for hours of the last 90 days and days of the last 2 years; and the ways in by which it ever came, by endpoint and spelling of the field: which clients still use an old one. 1,000 hours or days at most in one answer. Where nothing happened there is no row.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("key" = String, Path, description = "The key's id.", example = "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11"),
        Periods
    ),
    security(("token" = [])),
    responses((status = 200, description = "Counts, oldest first, and ways in.", body = UsageBody, example = json!({
        "asOf": "2026-11-24T16:00:01.000Z", "by": "day", "from": "2026-11-01T00:00:00.000Z", "until": "2026-12-01T00:00:00.000Z",
        "keptSince": "2024-11-25T00:00:00.000Z", "data": [{"beginsAt": "2026-11-24T00:00:00.000Z", "version": 1, "issued": 3, "refused": 1}], "ways": [
        {"version": 1, "endpoint": "/auth/v1/token", "field": "pat", "firstUsedAt": "2026-11-24T09:14:00.000Z",
        "lastUsedAt": "2026-11-24T15:50:00.000Z", "lastUsedAddress": "203.0.113.7", "lastUsedUserAgent": "appcircle-cli", "issued": 3, "refused": 1,
        "lastRefusedAt": "2026-11-24T09:13:00.000Z", "lastRefusedAddress": "203.0.113.7", "lastRefusedUserAgent": "appcircle-cli",
        "lastRefusedReason": "organization_out_of_reach"}]})), Refusals)
)]
pub(crate) async fn of_personal_access_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, of)): Named<(String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    let usage = app.core.key_usage(&caller.ctx, caller.named(&id)?, (key(&of), KeyKind::PersonalAccessKey), asked(&query)?).await;
    Ok(answer(StatusCode::OK, &UsageBody::from(told(usage)?)))
}

/// Which counts a query asks for.
fn asked(query: &Query) -> Result<UsageQuery, ApiError> {
    query.require_known(&["by", "from", "until"])?;
    let by = match query.get("by") {
        None | Some("hour") => Period::Hour,
        Some("day") => Period::Day,
        Some(_) => return Err(ApiError::BadRequest("by must be hour or day".to_owned())),
    };
    Ok(UsageQuery { from: query.time("from")?, until: query.time("until")?, by })
}
