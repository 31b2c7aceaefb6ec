//! Checks for gateways: whether a request that reached one may go on to what stands behind it.
//!
//! [`headers`] reads the request that is asked about, [`table`] says which permission it needs, [`decide`] whether its credential has that.

pub(crate) mod answer;
pub(crate) mod beside;
pub(crate) mod decide;
pub(crate) mod docs;
#[cfg(feature = "envoy")]
pub(crate) mod envoy;
pub(crate) mod headers;
mod identity;
mod keys;
pub(crate) mod path;
pub(crate) mod table;

pub use table::{Gateway, GatewayRoute, Table};

use crate::{app::App, config::ConfigError, error::ApiError, outer, outer::RequestInfo};
use answer::{Allowed, Refused};
use axum::{
    Router,
    extract::{Request, State},
    http::request::Parts,
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use decide::{By, Judge};
use http::HeaderValue;
use identity::Identities;
use ipnet::IpNet;
use keywright_core::{Error, usage::Way};
use keywright_protocol::{Catalog, claims::IdentityClaims, paths::GATEWAY_CHECK};
use keywright_verify::Verifier;
use std::sync::Arc;

/// What the server's checks need: the table, and what was signed a moment ago.
pub struct Desk {
    table: Table,
    /// Whose word counts about where a request comes from.
    forwarders: Vec<IpNet>,
    identities: Identities,
}

impl Desk {
    /// For this configuration.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing that is wrong with it.
    pub fn new(gateway: &Gateway, trusted_proxies: &[IpNet], catalog: &Catalog) -> Result<Self, ConfigError> {
        let table = gateway.table()?;
        table.warn_of_unknown_permissions(catalog);
        let forwarders = [table.peers(), trusted_proxies].concat();
        Ok(Self { table, forwarders, identities: Identities::default() })
    }
}

/// Whether gateways ask at a path.
pub(crate) fn is_check(path: &str) -> bool {
    path.strip_prefix(GATEWAY_CHECK).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The routes, by any method: the bare path, and everything below it.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(check: &MethodRouter<S>) -> Router<S> {
    let paths = [GATEWAY_CHECK.to_owned(), format!("{GATEWAY_CHECK}/"), format!("{GATEWAY_CHECK}/{{*path}}")];
    paths.iter().fold(Router::new(), |router, path| router.route(path, check.clone()))
}

pub(crate) async fn check(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    app.answer_to_gateway(&parts).await
}

impl App {
    /// Decides, and counts it.
    pub(crate) async fn answer_to_gateway(&self, parts: &Parts) -> Response {
        match self.check_request(parts).await {
            Ok(allowed) => {
                self.metrics.decided("allowed");
                allowed.into_response()
            }
            Err(refused) => {
                self.metrics.decided(refused.word());
                refused.into_response()
            }
        }
    }

    async fn check_request(&self, parts: &Parts) -> Result<Allowed, Refused> {
        let info = parts.extensions.get::<RequestInfo>().ok_or_else(Refused::undecided)?;
        let mut ctx = info.context(self.core.clock());
        let (found, by) = decide::decide(self, &self.gateway.table, parts, info.peer, ctx.now).await?;
        match by {
            By::Token(verified) => {
                let who = decide::holder(&verified, found.upstream());
                let (of, not_after) = (verified.claims.jti.clone().into_owned(), verified.claims.exp);
                self.allow(who, of, (ctx.now, not_after))
            }
            By::Key(secret) => {
                // The gateway's own address must not pass for its client's.
                ctx.client_ip = if parts.headers.contains_key(outer::FORWARDED_FOR) {
                    let forwarded = outer::client_ip(info.peer, &parts.headers, &self.gateway.forwarders);
                    forwarded.map_err(|_| Refused::forbidden("forwarded_headers", outer::UNREADABLE_HOP))?
                } else {
                    None
                };
                (ctx.user_agent, ctx.way) = (crate::caller::user_agent(&parts.headers), Way::GatewayCheck);
                let judged = keys::judge(self, &ctx, secret, &found).await?;
                self.allow(judged.who, judged.of, (ctx.now, judged.not_after))
            }
        }
    }

    fn allow(&self, who: IdentityClaims, of: String, times: (keywright_protocol::Time, i64)) -> Result<Allowed, Refused> {
        let token = self.gateway.identities.token(&self.core, &who, of, times);
        let token: HeaderValue = token.map_err(refused_by_core)?;
        Ok(Allowed { who, token: Some(token) })
    }
}

/// What an operation's error is for a gateway.
fn refused_by_core(error: Error) -> Refused {
    Refused::of(&mut ApiError::from(error).into_response())
}

impl Judge for App {
    fn issuer(&self) -> &str {
        self.core.issuer()
    }

    async fn catalog(&self) -> Option<Arc<Catalog>> {
        Some(Arc::clone(&self.core.catalog().catalog))
    }

    fn verifier(&self, audience: &str) -> Option<Arc<Verifier>> {
        self.audiences.of(audience)
    }
}
