//! Who calls: the one reader of `Authorization` on the routes that people and keys alike may use.
//!
//! It is read in this order: a session's secret; on the identity API an operator key; another raw key, which is refused with where
//! to exchange it; else an access token.

use crate::{
    app::App,
    error::{ApiError, render},
    idempotency::Attempt,
    outer::RequestInfo,
};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, USER_AGENT, WWW_AUTHENTICATE},
    request::Parts,
};
use keywright_core::{Actor, Context, Error, HeldToken, PersonActor, TokenActor};
use keywright_protocol::{ErrorBody, KeyKind, OrganizationId, Position, secret};
use keywright_verify::{Malformation, Verified, VerifyError, bearer_token, rejection};
use std::sync::Arc;

const MIN_REVISION: &str = "keywright-min-revision";
/// Where operator keys are taken.
const IDENTITY: &str = "/identity/";
const ON_BEHALF_OF: &str = "onBehalfOf";

/// Whoever calls, by a session that lives or an access token that verifies.
pub(crate) struct Caller {
    /// For the operation.
    pub(crate) ctx: Context,
    /// The organization that the session is in, or the token for. An operator key, and a session in none, has the nil one, which
    /// nobody has.
    pub(crate) organization: OrganizationId,
}

/// What a route takes in `Authorization`.
#[derive(Clone, Copy)]
enum Takes {
    /// A session or an access token.
    Either,
    /// A session alone.
    Session,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        Self::identify(parts, app, Takes::Either).await
    }
}

impl Caller {
    async fn identify(parts: &Parts, app: &Arc<App>, takes: Takes) -> Result<Self, Response> {
        let mut ctx = anonymous(parts, app).map_err(IntoResponse::into_response)?;
        let refused = |error: VerifyError| refusal(&error, app, takes);
        let presented = authorization(&parts.headers).map_err(refused)?;
        let nowhere = OrganizationId::from(uuid::Uuid::nil());
        let organization = match secret::recognize(presented) {
            Some(KeyKind::Session) => {
                let session = app.core.find_session(ctx.now, presented).await.map_err(|error| ApiError::from(error).into_response())?;
                ctx.actor = Actor::Person(PersonActor { user_id: session.user_id, session_id: session.id, confirmed_at: session.confirmed_at });
                session.organization_id.unwrap_or(nowhere)
            }
            Some(KeyKind::OperatorKey) if parts.uri.path().starts_with(IDENTITY) => {
                let on_behalf_of = on_behalf_of(parts).map_err(IntoResponse::into_response)?;
                let operator = app.core.find_operator(&ctx, presented, on_behalf_of.as_deref()).await;
                ctx.actor = Actor::Operator(operator.map_err(|error| ApiError::from(error).into_response())?);
                nowhere
            }
            Some(KeyKind::PersonalAccessKey | KeyKind::ApiKey | KeyKind::OperatorKey) | None => {
                let verified = app.verifier.verify_refreshing(presented, ctx.now).await.map_err(refused)?;
                ctx.actor = Actor::Token(token_actor(&verified));
                verified.organization_id()
            }
        };
        ctx.once = parts.extensions.get::<Attempt>().and_then(|attempt| attempt.by(&ctx, organization));
        if let Some(wanted) = parts.headers.get(MIN_REVISION) {
            let wanted: Option<Position> = wanted.to_str().ok().and_then(|text| text.parse().ok());
            let sentence = "Keywright-Min-Revision must be a revision as Keywright-Revision answers it, for example 1.42";
            let wanted = wanted.ok_or_else(|| ApiError::BadRequest(sentence.to_owned()).into_response())?;
            app.core.wait_for(wanted).await.map_err(|error| ApiError::from(error).into_response())?;
        }
        Ok(Self { ctx, organization })
    }

    /// The organization that is meant where none is named.
    pub(crate) fn current(&self) -> Result<OrganizationId, ApiError> {
        if !self.organization.as_uuid().is_nil() {
            return Ok(self.organization);
        }
        let sentence = if matches!(self.ctx.actor, Actor::Operator(_)) {
            "an operator key is in no organization: name one by its id, in the path or as organizationId in the query"
        } else {
            "this session is in no organization: choose one by PATCH at /auth/v1/sessions/current, or name one by its id"
        };
        Err(ApiError::BadRequest(sentence.to_owned()))
    }

    /// The organization that a path names; `current` is the caller's. What is no GUID is as unknown as any other.
    pub(crate) fn named(&self, text: &str) -> Result<OrganizationId, ApiError> {
        if text == "current" {
            return self.current();
        }
        text.parse().map_err(|_| Error::NotFound("organization").into())
    }
}

/// A person with a session; the holder of an access token is told to sign in.
pub(crate) struct Person(pub(crate) Context);

impl FromRequestParts<Arc<App>> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Caller { ctx, .. } = Caller::identify(parts, app, Takes::Session).await?;
        match ctx.authorize_person() {
            Ok(_) => Ok(Self(ctx)),
            Err(error) => Err(ApiError::from(error).into_response()),
        }
    }
}

/// The answer to whoever is not let in, with how to get what the route takes.
fn refusal(error: &VerifyError, app: &App, takes: Takes) -> Response {
    const SIGN_IN: &str = "sign in with POST /auth/v1/sessions and send the sessionToken that it answers";
    let response = rejection(error, app.verifier.config());
    let unjudged = response.status() != StatusCode::UNAUTHORIZED;
    let Some(body) = response.extensions().get::<ErrorBody>() else { return response };
    let sentence = match (takes, error) {
        (Takes::Either, VerifyError::Missing) => format!("{}; or {SIGN_IN}", body.message),
        (Takes::Session, VerifyError::Missing) => format!("this needs a session in the Authorization header: {SIGN_IN}"),
        (Takes::Session, VerifyError::Malformed(Malformation::SeveralHeaders)) | (Takes::Either, _) => return response,
        (Takes::Session, _) if unjudged => return response,
        // What is wrong with it stays; how to make it good would not help here.
        (Takes::Session, _) => format!("{}; this needs a session: {SIGN_IN}", body.message.split(';').next().unwrap_or_default()),
    };
    let body = ErrorBody::new(body.error.clone(), sentence);
    let mut told = render(response.status(), &body);
    if let Some(challenge) = response.headers().get(WWW_AUTHENTICATE) {
        told.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
    }
    told
}

/// Whoever calls a route that needs no token.
pub(crate) struct Stranger(pub(crate) Context);

impl FromRequestParts<Arc<App>> for Stranger {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        anonymous(parts, app).map(Self)
    }
}

/// What a good token says of its holder.
pub(crate) fn token_actor(verified: &Verified) -> TokenActor {
    TokenActor {
        key_id: verified.claims.key_id,
        key_kind: verified.claims.key_kind,
        key_version: verified.claims.key_version,
        organization_id: verified.organization_id(),
        roles: verified.claims.roles.iter().map(|role| role.clone().into_owned()).collect(),
        permissions: verified.permissions().map(str::to_owned).collect(),
    }
}

/// The same of the token itself.
pub(crate) fn held_token(verified: &Verified) -> HeldToken {
    HeldToken {
        actor: token_actor(verified),
        audience: verified.claims.aud.to_string(),
        expires_at: verified.claims.exp,
        status_index: verified.status_index(),
    }
}

pub(crate) fn anonymous(parts: &Parts, app: &Arc<App>) -> Result<Context, ApiError> {
    let info = parts.extensions.get::<RequestInfo>().ok_or(ApiError::Broken)?;
    let mut ctx = info.context(app.core.clock());
    ctx.user_agent = user_agent(&parts.headers);
    Ok(ctx)
}

/// For whom an operator key acts; empty counts as absent.
fn on_behalf_of(parts: &Parts) -> Result<Option<String>, ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    let mut said = form_urlencoded::parse(query.as_bytes()).filter(|(name, value)| name.eq_ignore_ascii_case(ON_BEHALF_OF) && !value.is_empty());
    let whom = said.next().map(|(_, value)| value.into_owned());
    match said.next() {
        Some(_) => Err(ApiError::BadRequest(format!("{ON_BEHALF_OF} stands in the query more than once; send it once"))),
        None => Ok(whom),
    }
}

/// What a client calls itself.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<Arc<str>> {
    headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(Arc::from)
}

/// What stands in the one `Authorization` header.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<&str, VerifyError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Malformation::SeveralHeaders.into());
    }
    bearer_token(value.map(HeaderValue::as_bytes))
}
