//! Whether the process runs, and whether it can work.

use crate::{Metrics, error::ApiError};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header::CONTENT_TYPE};

fn json(text: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// The process runs.
pub(crate) async fn alive() -> Response {
    json(r#"{"status":"ok"}"#)
}

/// It can do its work.
pub(crate) fn ready(result: Result<(), keywright_core::Error>) -> Result<Response, ApiError> {
    result?;
    Ok(json(r#"{"status":"ready"}"#))
}

/// All metrics.
pub(crate) fn metrics(metrics: &Metrics) -> Result<Response, ApiError> {
    let text = metrics.text().ok_or(ApiError::Broken)?;
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}
