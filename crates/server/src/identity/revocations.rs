//! Receipts: who has heard of a change.

use super::{
    call::{Caller, Named, answer},
    docs::Refusals,
};
use crate::{app::App, error::ApiError};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use keywright_core::Error;
use keywright_protocol::{ErrorBody, status::receipt::SignedReceipt};
use std::sync::Arc;

const JWT: &str = "application/jwt";

/// `GET /identity/v1/revocations/{revision}`.
#[utoipa::path(
    get,
    path = "/identity/v1/revocations/{revision}",
    tag = "Receipts",
    operation_id = "getReceipt",
    summary = "Who has heard of a change",
    description = "For the `Keywright-Revision` of a change that takes something away: which servers and which verifiers have applied it, after how many milliseconds; who is away, and until when he could still accept a token from before it. For whoever made the change, and whoever may read the activity of an organization that it was in. Addresses of verifiers are for members of the operator organization. With `Accept: application/jwt` the signed receipt alone.",
    params(("revision" = String, Path, description = "As `Keywright-Revision` said it.", example = "1.42")),
    responses(
        (status = 200, description = "The receipt.", body = SignedReceipt),
        (status = 404, description = "There is no such change, or it was in none of your organizations.", body = ErrorBody, example = json!({"error": "not_found",
            "error_description": "there is no change with that revision; ask with what Keywright-Revision said, for example 1.42",
            "message": "there is no change with that revision; ask with what Keywright-Revision said, for example 1.42"})),
        Refusals
    ),
    security(("token" = []))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, caller: Caller, Named(revision): Named<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    const NONE: Error = Error::Absent("there is no change with that revision; ask with what Keywright-Revision said, for example 1.42");
    let revision = revision.parse().map_err(|_| NONE)?;
    let receipt = app.core.receipt(&caller.ctx, revision).await?.receipt;
    let signed = app.core.sign_receipt(&receipt)?;
    if headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains(JWT)) {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static(JWT)), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        return Ok((headers, signed).into_response());
    }
    Ok(answer(StatusCode::OK, &SignedReceipt { receipt, signed }))
}
