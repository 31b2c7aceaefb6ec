//! The middleware that looks at the `Authorization` header.

use crate::{Verified, Verifier, VerifyError, bearer_token, error::Malformation, insufficient, rejection};
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use keywright_protocol::Clock;
use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Looks at each request's `Authorization` header and leaves the outcome for the extractors
/// ([`Authenticated`](crate::Authenticated), [`Require`](crate::Require)). It refuses nobody by itself: a route without an
/// extractor is open.
#[derive(Debug, Clone)]
pub struct AuthLayer {
    verifier: Arc<Verifier>,
    clock: Clock,
}

impl AuthLayer {
    /// A layer that asks this verifier, with this clock's time.
    #[must_use]
    pub fn new(verifier: Arc<Verifier>, clock: Clock) -> Self {
        Self { verifier, clock }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, layer: self.clone() }
    }
}

/// What [`AuthLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct AuthService<S> {
    inner: S,
    layer: AuthLayer,
}

/// What the layer leaves in a request's extensions; for services that have no use for axum's extractors.
#[derive(Debug, Clone)]
pub struct Outcome {
    verified: Result<Arc<Verified>, VerifyError>,
    verifier: Arc<Verifier>,
}

impl Outcome {
    /// The holder of the request's good token.
    ///
    /// # Errors
    /// Why there is none.
    pub fn holder(&self) -> Result<&Arc<Verified>, VerifyError> {
        self.verified.as_ref().map_err(|error| *error)
    }

    /// The same; otherwise the answer to give.
    ///
    /// # Errors
    /// 401, or 503 when the token could not be judged.
    pub fn authenticated<B: From<Vec<u8>>>(&self) -> Result<&Arc<Verified>, Response<B>> {
        self.holder().map_err(|error| rejection(&error, self.verifier.config()))
    }

    /// The holder of the request's good token, if he has this permission; otherwise the answer to give.
    ///
    /// # Errors
    /// 401, 403 or 503.
    pub fn require<B: From<Vec<u8>>>(&self, permission: &str) -> Result<&Arc<Verified>, Response<B>> {
        let verified = self.authenticated()?;
        if verified.may(permission) { Ok(verified) } else { Err(insufficient(permission, verified.catalog())) }
    }
}

impl<S, B> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was found ready is the one to call; the clone takes its place.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let AuthLayer { verifier, clock } = self.layer.clone();
        Box::pin(async move {
            let verified = outcome(request.headers(), &verifier, &clock).await;
            request.extensions_mut().insert(Outcome { verified, verifier });
            inner.call(request).await
        })
    }
}

async fn outcome(headers: &HeaderMap, verifier: &Verifier, clock: &Clock) -> Result<Arc<Verified>, VerifyError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Malformation::SeveralHeaders.into());
    }
    let token = bearer_token(value.map(http::HeaderValue::as_bytes))?;
    verifier.verify_refreshing(token, clock.now()).await
}
