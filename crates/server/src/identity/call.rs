//! What every route of the identity API does with a request before its operation, and with what came of it.

use crate::{app::App, error::ApiError, outer::RequestInfo};
use axum::{
    body::Body,
    extract::{FromRequestParts, Path},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE, header::USER_AGENT, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use keywright_core::{Actor, Context, Error, TokenActor};
use keywright_protocol::{OrganizationId, Position, UserId};
use keywright_verify::Authenticated;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;
const MIN_REVISION: &str = "keywright-min-revision";

/// Whoever calls, by an access token that verifies.
pub(crate) struct Caller {
    /// For the operation.
    pub(crate) ctx: Context,
    /// The organization the token is for.
    pub(crate) organization: OrganizationId,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Authenticated(verified) = Authenticated::from_request_parts(parts, app).await?;
        let mut ctx = anonymous(parts, app).map_err(IntoResponse::into_response)?;
        let organization = verified.claims.current_organization_id;
        let permissions = verified.permissions().map(str::to_owned).collect();
        ctx.actor = Actor::Token(TokenActor { key_id: verified.claims.key_id, organization_id: organization, permissions });
        if let Some(wanted) = parts.headers.get(MIN_REVISION) {
            let wanted: Option<Position> = wanted.to_str().ok().and_then(|text| text.parse().ok());
            let sentence = "Keywright-Min-Revision must be a revision as Keywright-Revision answers it, for example 1.42";
            let wanted = wanted.ok_or_else(|| ApiError::BadRequest(sentence.to_owned()).into_response())?;
            app.core.wait_for(wanted).await.map_err(|error| ApiError::from(error).into_response())?;
        }
        Ok(Self { ctx, organization })
    }
}

impl Caller {
    /// The organization that a path names; `current` is the token's. What is no GUID is as unknown as any other.
    pub(crate) fn named(&self, text: &str) -> Result<OrganizationId, ApiError> {
        if text == "current" {
            return Ok(self.organization);
        }
        text.parse().map_err(|_| Error::NotFound("organization").into())
    }
}

/// Whoever calls a route that needs no token.
pub(crate) struct Stranger(pub(crate) Context);

impl FromRequestParts<Arc<App>> for Stranger {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        anonymous(parts, app).map(Self)
    }
}

fn anonymous(parts: &Parts, app: &Arc<App>) -> Result<Context, ApiError> {
    let info = parts.extensions.get::<RequestInfo>().ok_or(ApiError::Broken)?;
    let mut ctx = info.context(app.core.clock());
    ctx.user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(ctx)
}

/// What a path names. What cannot be decoded is as unknown as any other name.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names)).map_err(|_| Error::NotFound("organization").into())
    }
}

/// A user's id in a path.
pub(crate) fn user(text: &str) -> Result<UserId, ApiError> {
    text.parse().map_err(|_| Error::NotFound("member").into())
}

/// The parameters of a query.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()))
    }
}

impl Query {
    /// A parameter, in any case of letters; empty counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A number with a default, cut to a range.
    pub(crate) fn number(&self, name: &'static str, default: usize, range: std::ops::RangeInclusive<usize>) -> Result<usize, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let wrong = || ApiError::BadRequest(format!("{name} must be a number from {} to {}", range.start(), range.end()));
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
    }

    /// The one action that a route knows.
    pub(crate) fn require_action(&self, known: &[&str]) -> Result<&str, ApiError> {
        let sentence = || ApiError::BadRequest(format!("say what to do with the parameter action; here it is one of: {}", known.join(", ")));
        self.get("action").filter(|action| known.contains(action)).ok_or_else(sentence)
    }
}

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
    // An array in the order of the members would do for serde; it is not what anybody means.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::BadRequest(format!("the body must be a JSON object such as {example}")));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // What serde says of a wrong member names it; it quotes no values of ours.
        ApiError::BadRequest(format!("the body must be JSON such as {example} ({error})"))
    })
}

/// What came of an operation: a key that does not live any more is a token that is not good any more.
pub(crate) fn told<T>(result: Result<T, Error>) -> Result<T, ApiError> {
    result.map_err(|error| if matches!(error, Error::Refused(_)) { ApiError::DeadToken(error) } else { ApiError::Core(error) })
}

/// A body as JSON.
pub(crate) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, headers, serde_json::to_vec(body).unwrap_or_default()).into_response()
}

/// The same after a change, with its position.
pub(crate) fn changed(position: Position, body: &impl Serialize) -> Response {
    let mut response = answer(StatusCode::OK, body);
    if let Ok(value) = HeaderValue::from_str(&position.to_string()) {
        response.headers_mut().insert("Keywright-Revision", value);
    }
    response
}
