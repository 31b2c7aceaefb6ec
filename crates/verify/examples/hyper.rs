//! An API with plain hyper that checks tokens itself: the tower layer stands before the service and leaves an [`Outcome`] in each request.
//!
//! ```sh
//! keywright demo                                                      # says keys, and how they are exchanged for tokens
//! cargo run --example hyper -- http://127.0.0.1:8080 127.0.0.1:8081
//! curl -i http://127.0.0.1:8081/ -H "Authorization: Bearer $TOKEN"
//! ```
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "says where it listens, and has a task for each connection")]

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use keywright_verify::{AuthLayer, Clock, Config, HttpSource, Outcome, Verifier};
use std::{convert::Infallible, env, error::Error, sync::Arc};
use tokio::net::TcpListener;
use tower::{Layer as _, service_fn};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(outcome) = request.extensions().get::<Outcome>() else {
        let mut response = Response::new(Full::from("the layer is missing\n"));
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(response);
    };
    // Otherwise 401, 403 or 503, with challenge and body.
    let answer = outcome.require("distribution.profile.view").map(|holder| Response::new(Full::from(format!("hello {}\n", holder.claims.email))));
    Ok(answer.unwrap_or_else(|refusal| refusal))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [_, issuer, listen] = <[String; 3]>::try_from(env::args().collect::<Vec<_>>()).map_err(|_| "usage: hyper ISSUER ADDRESS")?;
    // The demo's tokens are for its own API. An API of one's own has an audience of its own.
    let audience = &issuer;
    let verifier = Verifier::new(Config::new(&issuer, audience), Arc::new(HttpSource::new(&issuer)?));
    let service = AuthLayer::new(Arc::new(verifier), Clock::System).layer(service_fn(hello));
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        // A connection that breaks off is its client's affair.
        tokio::spawn(async move { auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.map_err(drop) });
    }
}
