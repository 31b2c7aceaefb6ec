//! The routes of the server.

use crate::{
    CoreSource, Metrics,
    audiences::{Audiences, Verifiers},
    auth,
    config::{self, ConfigError, LegacyEndpoints},
    console,
    error::ApiError,
    gateway, guide, health, idempotency, identity,
    long_request::BringsFiles,
    oauth,
    openapi::{self, Spec, SpecAt},
    status,
    webhooks::Outbound,
    well_known,
};
use axum::{
    Router,
    extract::State,
    routing::{any, get, post},
};
use keywright_core::Core;
use keywright_protocol::paths;
use keywright_verify::{Config, Source, Verifier};
use std::sync::{Arc, OnceLock};

/// What handlers share.
pub struct App {
    /// The service itself.
    pub core: Arc<Core>,
    /// Decides about tokens, here and in what is mounted.
    pub verifier: Arc<Verifier>,
    /// Decides about tokens of any audience.
    pub audiences: Audiences,
    /// Checks for gateways.
    pub gateway: gateway::Desk,
    /// Counted here.
    pub metrics: Arc<Metrics>,
    /// Whether v1 and v2 of the exchange answer.
    pub legacy_endpoints: LegacyEndpoints,
    /// Whether `/metrics` answers.
    pub expose_metrics: bool,
    /// Where webhooks may lead.
    pub outbound: Arc<Outbound>,
    /// What the console offers in the demo alone.
    demo: OnceLock<console::Demo>,
}

/// A resource API that lives in this process, with its spec.
pub struct Mounted {
    /// Its routes, protected by the verifier it was given.
    pub router: Router,
    /// Its spec.
    pub spec: Spec,
    /// Which of its requests bring files, and may take long.
    pub brings_files: BringsFiles,
}

impl App {
    /// On a core, with a verifier on the core's own memory. Its leeway for `exp` is 0.
    ///
    /// # Errors
    /// [`ConfigError`] if the gateways' route table cannot be used.
    pub fn new(core: Arc<Core>, settings: &config::Config, outbound: Arc<Outbound>) -> Result<Arc<Self>, ConfigError> {
        let source: Arc<dyn Source> = Arc::new(CoreSource::new(Arc::clone(&core)));
        let config = Config {
            leeway_seconds: 0,
            resource_metadata: Some(format!("{}{}", core.issuer(), paths::RESOURCE_METADATA)),
            ..Config::new(core.issuer(), core.issuer())
        };
        let audiences = Audiences::new(Arc::clone(&core), Verifiers::new(config, source));
        let verifier = audiences.issuer();
        let gateway = gateway::Desk::new(&settings.gateway, &settings.trusted_proxies, &core.catalog().catalog)?;
        let (legacy_endpoints, expose_metrics) = (settings.legacy_endpoints, settings.metrics.enabled);
        Ok(Arc::new(Self {
            core,
            verifier,
            audiences,
            gateway,
            metrics: Arc::new(Metrics::default()),
            legacy_endpoints,
            expose_metrics,
            outbound,
            demo: OnceLock::new(),
        }))
    }

    /// Lets the console offer what the demo has, to whoever stands at this machine.
    pub fn offer_demo(&self, demo: console::Demo) {
        // Once is enough.
        let _ = self.demo.set(demo);
    }

    fn tell_metrics(&self) -> Result<axum::response::Response, ApiError> {
        self.metrics.stands(&self.core);
        health::metrics(&self.metrics)
    }

    pub(crate) fn demo(&self) -> Option<&console::Demo> {
        self.demo.get()
    }

    /// All routes. `more` are specs that the API page lists besides.
    pub fn router(self: &Arc<Self>, mounted: Vec<Mounted>, more: Vec<Spec>) -> Router {
        let here = |name: &str, document| Spec { name: name.to_owned(), at: SpecAt::Here(Box::new(document)) };
        let mut specs =
            vec![here("oauth", openapi::oauth()), here("auth", openapi::auth()), here("identity", openapi::identity()), here("gateway", openapi::gateway())];
        let mut resources = Router::new();
        for resource in mounted {
            resources = resources.merge(resource.router);
            specs.push(resource.spec);
        }
        specs.extend(more);
        let mut router = Router::new()
            .route(paths::TOKEN_V3, post(auth::token::v3))
            .route(paths::TOKEN_V2, post(auth::token::v2))
            .route(paths::TOKEN_V1, post(auth::token::v1))
            .route(paths::API_KEY_TOKEN, post(auth::token::api_key))
            .route(paths::USERINFO, get(auth::userinfo::userinfo))
            .route(paths::OAUTH_USERINFO, get(auth::userinfo::oauth_userinfo).post(auth::userinfo::oauth_userinfo_by_post))
            .merge(oauth::router())
            .merge(auth::router(self))
            .merge(identity::router(self).layer(axum::middleware::from_fn_with_state(Arc::clone(self), idempotency::layer)))
            .route(paths::JWKS, get(well_known::jwks))
            .route(paths::JWKS_PEM, get(well_known::pem))
            .route(paths::CATALOG, get(well_known::catalog))
            .merge(status::router())
            .merge(console::router())
            .merge(gateway::router(&any(gateway::check)))
            .route(paths::ROLES, get(well_known::roles))
            .route(paths::HEALTH, get(health::alive))
            .route(paths::READY, get(async |State(app): State<Arc<Self>>| health::ready(app.core.ready().await)));
        if self.expose_metrics {
            router = router.route(paths::METRICS, get(async |State(app): State<Arc<Self>>| app.tell_metrics()));
        }
        #[cfg(feature = "envoy")]
        {
            resources = resources.merge(gateway::envoy::router(self));
        }
        let router = router.merge(openapi::router(&specs)).merge(guide::router(self.core.issuer())).with_state(Arc::clone(self));
        finish(router.merge(resources)).fallback(console::nothing)
    }
}

/// The routes of a resource API that runs by itself: its own, its API page, health and metrics. `ready` says in a sentence why it cannot
/// work, if so.
pub fn resource_router<R, F>(mounted: Mounted, more: Vec<Spec>, metrics: &Arc<Metrics>, ready: R) -> Router
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<String>> + Send,
{
    let mut specs = vec![mounted.spec];
    specs.extend(more);
    let metrics = Arc::clone(metrics);
    let router = Router::new()
        .route(paths::HEALTH, get(health::alive))
        .route(paths::READY, get(async move || health::ready_unless(ready().await)))
        .route(paths::METRICS, get(async move || health::metrics(&metrics)));
    finish(router.merge(openapi::router(&specs)).merge(mounted.router))
}

/// Errors of routing in the shape of all others.
fn finish(router: Router) -> Router {
    router.fallback(async || ApiError::NoSuchPath).method_not_allowed_fallback(async || ApiError::NoSuchMethod)
}
