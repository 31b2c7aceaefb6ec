//! The verifier as a process of its own, for APIs in any language: it decides about tokens with what it knows of the issuer, and keeps
//! nothing. No database, no secret.

use crate::{
    Metrics,
    error::{ApiError, render},
    gateway::{self, Table, beside::Beside},
    health, issuer,
    json::{answer, parse},
    outer::RequestInfo,
};
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use http::StatusCode;
use keywright_protocol::{AccessClaims, Clock, ErrorBody, paths};
use keywright_verify::{Config, HttpSource, Verified, Verifier, bearer_token, insufficient, rejection};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Where tokens are asked about.
pub const VERIFY: &str = "/verify";
const EXAMPLE: &str = r#"{"token": "eyJhbGciOiJFUzI1NiIs...", "permission": "reports.view"}"#;

/// What the process answers from.
pub struct Sidecar {
    /// By audience.
    verifiers: BTreeMap<String, Arc<Verifier>>,
    /// For gateways that ask here, if any do.
    gateway: Option<Beside>,
    source: HttpSource,
    issuer: String,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Sidecar {
    /// For these audiences, with the rest of `config` for each of them; gateways are answered by `table`.
    #[must_use]
    pub fn new(source: HttpSource, config: &Config, (audiences, table): (&[String], Option<Table>), clock: Clock, metrics: Arc<Metrics>) -> Arc<Self> {
        let verifier = |audience: &String| {
            let config = Config { audience: audience.clone(), ..config.clone() };
            (audience.clone(), Arc::new(Verifier::new(config, Arc::new(source.clone()))))
        };
        let verifiers = audiences.iter().map(verifier).collect();
        let gateway = table.map(|table| Beside::new(table, config.clone(), source.clone()));
        Arc::new(Self { verifiers, gateway, source, issuer: config.issuer.clone(), clock, metrics })
    }

    /// All routes.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        if self.gateway.is_some() {
            router = router.merge(gateway::router(&any(check)));
        }
        router
            .route(VERIFY, post(verify))
            .route(paths::HEALTH, get(health::alive))
            .route(paths::READY, get(ready))
            .route(paths::METRICS, get(async |State(sidecar): State<Arc<Self>>| health::metrics(&sidecar.metrics)))
            .fallback(async || ApiError::NoSuchPath)
            .method_not_allowed_fallback(async || ApiError::NoSuchMethod)
            .with_state(Arc::clone(self))
    }

    /// The verifier of an audience; without one of the only one.
    fn verifier(&self, audience: Option<&str>) -> Result<&Arc<Verifier>, ApiError> {
        let mut all = self.verifiers.values();
        let found = match audience {
            Some(audience) => self.verifiers.get(audience),
            None => all.next().filter(|_| self.verifiers.len() == 1),
        };
        let known = || self.verifiers.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| ApiError::BadRequest(format!("audience must be one that this verifier was started with: {}", known())))
    }
}

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The token, alone or as it stood in `Authorization`. Absent or empty: there was none.
    #[serde(default)]
    token: Option<String>,
    /// For which API. May be left out when there is only one.
    #[serde(default)]
    audience: Option<String>,
    /// What its holder must be permitted. Without it all that he is permitted is answered.
    #[serde(default)]
    permission: Option<String>,
}

/// The answer to a good token.
#[derive(Serialize)]
struct Good<'a> {
    claims: &'a AccessClaims<'static>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<&'a str>>,
}

/// `GET /readyz`.
async fn ready(State(sidecar): State<Arc<Sidecar>>) -> Response {
    let configs = sidecar.verifiers.values().map(|verifier| verifier.config());
    health::ready_unless(issuer::obstacle(&sidecar.source, configs, &sidecar.issuer, sidecar.clock.now()))
}

/// `POST /verify`: 200 with the claims; otherwise what the API should answer itself, status, headers and body.
async fn verify(State(sidecar): State<Arc<Sidecar>>, body: Bytes) -> Result<Response, ApiError> {
    let question: Question = parse(&body, EXAMPLE)?;
    let verifier = sidecar.verifier(question.audience.as_deref())?;
    let verified = match bearer_token(question.token.as_deref().map(str::as_bytes)) {
        Ok(token) => verifier.verify_refreshing(token, sidecar.clock.now()).await,
        Err(error) => Err(error),
    };
    Ok(match (verified, question.permission.as_deref()) {
        (Err(error), _) => with_body(rejection(&error, verifier.config())),
        (Ok(verified), Some(permission)) if !verified.may(permission) => with_body(insufficient(permission, verified.catalog())),
        (Ok(verified), permission) => good(&verified, permission),
    })
}

/// Any method on `/gateway/v1/check`: whether a request may go on, as the server would say, but for raw keys.
async fn check(State(sidecar): State<Arc<Sidecar>>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    let peer = parts.extensions.get::<RequestInfo>().and_then(|info| info.peer);
    let Some(gateway) = &sidecar.gateway else { return ApiError::NoSuchPath.into_response() };
    match gateway.check(&parts, peer, sidecar.clock.now()).await {
        Ok(allowed) => {
            sidecar.metrics.decided("allowed");
            allowed.into_response()
        }
        Err(refused) => {
            sidecar.metrics.decided(refused.word());
            refused.into_response()
        }
    }
}

fn good(verified: &Verified, permission: Option<&str>) -> Response {
    let permissions = permission.is_none().then(|| verified.permissions().collect());
    answer(StatusCode::OK, &Good { claims: &verified.claims, permissions })
}

/// The body stays as it is: it is for somebody else's clients.
fn with_body(mut response: http::Response<axum::body::Body>) -> Response {
    let body = response.extensions_mut().remove::<ErrorBody>();
    let status = response.status();
    match body {
        Some(body) => {
            let mut told = render(status, &body);
            told.extensions_mut().remove::<ErrorBody>();
            told.headers_mut().extend(std::mem::take(response.headers_mut()));
            told
        }
        None => response.into_response(),
    }
}
