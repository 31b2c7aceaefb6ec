//! Whether the process runs, and whether it can work.

use crate::{
    Metrics,
    error::{ApiError, render},
};
use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use keywright_protocol::ErrorBody;

const READY: &str = r#"{"status":"ready"}"#;

fn json(text: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// `GET /healthz`: the process runs.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Operation",
    operation_id = "health",
    summary = "Whether the process runs",
    responses((status = 200, description = "It does.", body = serde_json::Value, example = json!({"status": "ok"})))
)]
pub(crate) async fn alive() -> Response {
    json(r#"{"status":"ok"}"#)
}

/// `GET /readyz`: it can do its work.
pub(crate) fn ready(result: Result<(), keywright_core::Error>) -> Result<Response, ApiError> {
    result?;
    Ok(json(READY))
}

/// The same for a process that says by itself why it cannot.
pub(crate) fn ready_unless(obstacle: Option<String>) -> Response {
    let Some(sentence) = obstacle else { return json(READY) };
    let mut response = render(StatusCode::SERVICE_UNAVAILABLE, &ErrorBody::new("temporarily_unavailable", sentence));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Operation",
    operation_id = "ready",
    summary = "Whether the server can do its work",
    responses(
        (status = 200, description = "It can.", body = serde_json::Value, example = json!({"status": "ready"})),
        (status = 503, description = "The database does not answer.", body = ErrorBody, example = json!({"error": "temporarily_unavailable",
            "error_description": "the database does not answer at the moment; try again in a second",
            "message": "the database does not answer at the moment; try again in a second"}))
    )
)]
#[expect(dead_code, reason = "documents `ready`, which several routers call with what they know")]
pub(crate) fn ready_docs() {}

/// `GET /metrics`: all metrics.
pub(crate) fn metrics(metrics: &Metrics) -> Result<Response, ApiError> {
    let text = metrics.text().ok_or(ApiError::Broken)?;
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}

#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Operation",
    operation_id = "metrics",
    summary = "Metrics",
    description = "Counters without organizations, keys or addresses. Answers 404 when `metrics.enabled` is off.",
    responses(
        (status = 200, description = "OpenMetrics text.", body = String, content_type = "application/openmetrics-text",
            example = "keywright_exchanges_total{endpoint=\"personal-access-key\",outcome=\"issued\"} 3\n"),
        (status = 404, description = "Switched off here.", body = ErrorBody, example = json!({"error": "not_found",
            "error_description": "there is nothing at this path; see the API documentation for what there is",
            "message": "there is nothing at this path; see the API documentation for what there is"}))
    )
)]
#[expect(dead_code, reason = "documents `metrics`, which several routers call with their own")]
pub(crate) fn metrics_docs() {}
