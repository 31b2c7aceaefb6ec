//! JSON bodies, in and out.

use crate::error::ApiError;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Limited};
use keywright_protocol::Position;
use serde::{Serialize, de::DeserializeOwned};

/// Longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// A body read to its end, within the limit; what it claims to be does not matter.
pub(crate) async fn read(body: Body) -> Result<bytes::Bytes, ApiError> {
    let collected = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            ApiError::TooLarge(MAX_BODY)
        } else {
            ApiError::BadRequest("the body broke off before its end; send it again".to_owned())
        }
    })?;
    Ok(collected.to_bytes())
}

/// A JSON body. `example` is shown to whoever sends something else.
pub(crate) async fn json<T: DeserializeOwned>(body: Body, example: &str) -> Result<T, ApiError> {
    parse(&read(body).await?, example)
}

/// The same of bytes that were read.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], example: &str) -> Result<T, ApiError> {
    // An array would be read as the members in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::BadRequest(format!("the body must be a JSON object such as {example}")));
    }
    // What serde says of a wrong member names it; it quotes no values of ours.
    serde_json::from_slice(bytes).map_err(|error| ApiError::BadRequest(format!("the body must be JSON such as {example} ({error})")))
}

/// A JSON body with a secret in it: what is said of a mistake names members and never quotes a value.
pub(crate) async fn secret_json<T: DeserializeOwned>(body: Body, example: &str) -> Result<T, ApiError> {
    serde_json::from_slice(&read(body).await?).map_err(|error| {
        let told = error.to_string();
        let told = if ["unknown field", "missing field", "duplicate field"].iter().any(|start| told.starts_with(start)) { told } else { String::new() };
        let detail = if told.is_empty() { told } else { format!(" ({told})") };
        ApiError::BadRequest(format!("the body must be JSON such as {example}{detail}"))
    })
}

/// A body as JSON.
pub(crate) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, headers, serde_json::to_vec(body).unwrap_or_default()).into_response()
}

/// The same after a change, with its position.
pub(crate) fn changed(position: Position, body: &impl Serialize) -> Response {
    with_revision(position, answer(StatusCode::OK, body))
}

/// The same after something was made that has a path of its own.
pub(crate) fn created(position: Position, body: &impl Serialize) -> Response {
    with_revision(position, answer(StatusCode::CREATED, body))
}

fn with_revision(position: Position, mut response: Response) -> Response {
    if let Ok(value) = HeaderValue::from_str(&position.to_string()) {
        response.headers_mut().insert("Keywright-Revision", value);
    }
    response
}
