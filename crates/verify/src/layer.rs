//! The middleware that looks at the `Authorization` header.

use crate::{Verified, Verifier, VerifyError, bearer_token, error::Malformation};
use http::{HeaderMap, Request, header::AUTHORIZATION};
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

/// What the layer leaves in a request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) verified: Result<Arc<Verified>, VerifyError>,
    pub(crate) verifier: Arc<Verifier>,
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
