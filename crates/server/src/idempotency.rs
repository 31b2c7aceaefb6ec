//! `Idempotency-Key`: a change that is asked for twice by mistake is made once, and answered twice.
//!
//! The request's body is read and digested before its handler; the handler runs to its end also when the client goes away, so that
//! its answer is there for the next attempt. What is kept of an answer has no secret in it.

use crate::{app::App, error::ApiError, json::read, tasks};
use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request::Parts,
};
use http_body_util::BodyExt as _;
use keywright_core::{
    Context,
    idempotency::{Asked, Once, Repeated},
};
use keywright_protocol::{OrganizationId, secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

const KEY: &str = "idempotency-key";

/// What a request asks to be done once, and, when its actor is known, what stands for it.
#[derive(Clone)]
pub(crate) struct Attempt {
    asked: Asked,
    names_organization: bool,
    once: Arc<Mutex<Option<Once>>>,
}

impl Attempt {
    /// By an actor who has been verified, and the organization that is his current one.
    pub(crate) fn by(&self, ctx: &Context, organization: OrganizationId) -> Option<Once> {
        let asked = self.asked.clone();
        let once = ctx.by_once(if self.names_organization { asked } else { asked.in_current(organization) });
        self.once.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&once);
        once
    }
}

/// What is kept of an answer.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    body: Value,
}

/// Around every route of the identity API.
pub(crate) async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut keys = request.headers().get_all(KEY).iter();
    let Some(key) = keys.next().cloned() else { return next.run(request).await };
    if keys.next().is_some() {
        return ApiError::BadRequest("send one Idempotency-Key".to_owned()).into_response();
    }
    if !request.headers().contains_key(AUTHORIZATION) {
        // Nobody's: its route answers that before it reads anything.
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // Here, where whoever sends slowly is timed out.
    let bytes = match read(body).await {
        Ok(bytes) => bytes,
        Err(error) => return error.into_response(),
    };
    // The handler goes on when whoever asked goes away.
    let carried_out = tasks::spawn(async move { carry_out(&app, &key, (parts, bytes), next).await.unwrap_or_else(IntoResponse::into_response) });
    carried_out.await.unwrap_or_else(|_| ApiError::Broken.into_response())
}

async fn carry_out(app: &Arc<App>, key: &HeaderValue, (mut parts, bytes): (Parts, Bytes), next: Next) -> Result<Response, ApiError> {
    let target = parts.uri.path_and_query().map_or(parts.uri.path(), |target| target.as_str());
    let asked = Asked::new(key.to_str().unwrap_or_default(), &[parts.method.as_str().as_bytes(), target.as_bytes(), &bytes])?;
    let attempt = Attempt { asked, names_organization: names_organization(parts.uri.path()), once: Arc::default() };
    parts.extensions.insert(attempt.clone());
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    let once = attempt.once.lock().unwrap_or_else(PoisonError::into_inner).take();
    match once {
        Some(once) if response.status().is_success() && response.headers().contains_key("Keywright-Revision") => keep(app, once, response).await,
        Some(_) | None => Ok(response),
    }
}

/// Whether a path says by its id which organization is meant. `current`, in whatever way it is written, and no organization at all
/// mean another one after the session has moved.
fn names_organization(path: &str) -> bool {
    let mut segments = path.split('/').skip_while(|segment| *segment != "organizations").skip(1);
    segments.next().is_some_and(|segment| segment.parse::<OrganizationId>().is_ok())
}

async fn keep(app: &Arc<App>, once: Once, response: Response) -> Result<Response, ApiError> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|_| ApiError::Broken)?.to_bytes();
    let kept = Kept { status: parts.status.as_u16(), body: without_secrets(serde_json::from_slice(&bytes).unwrap_or(Value::Null)) };
    let text = serde_json::to_string(&kept).map_err(|_| ApiError::Broken)?;
    // The change is made: an answer that cannot be kept is given all the same.
    if let Err(error) = app.core.keep_answer(once, text).await {
        tracing::warn!(code = error.code(), "the answer to a request with an Idempotency-Key could not be kept");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// A secret is shown once.
fn without_secrets(mut body: Value) -> Value {
    let Some(members) = body.as_object_mut() else { return body };
    let mut shown = false;
    for value in members.values_mut() {
        if value.as_str().is_some_and(|text| secret::recognize(text).is_some() || text.starts_with(secret::WEBHOOK_PREFIX)) {
            *value = Value::Null;
            shown = true;
        }
    }
    if shown {
        members.insert("secretShown".to_owned(), Value::Bool(true));
    }
    body
}

/// The answer of then, if it was kept.
pub(crate) fn replay(repeated: &Repeated) -> Option<Response> {
    let kept: Kept = serde_json::from_str(repeated.answer.as_deref()?).ok()?;
    let status = StatusCode::from_u16(kept.status).ok()?;
    let mut response = (status, kept.body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("Idempotency-Replayed", HeaderValue::from_static("true"));
    headers.insert("Keywright-Revision", HeaderValue::from_str(&repeated.position.to_string()).ok()?);
    Some(response)
}
