//! A gRPC service with tonic that checks tokens itself: the tower layer stands before the server, and an interceptor makes a status of what it
//! leaves in each request. The health service stands for one of your own.
//!
//! ```sh
//! keywright demo                                                      # says keys, and how they are exchanged for tokens
//! cargo run --example tonic -- http://127.0.0.1:8080 127.0.0.1:8081
//! printf '\0\0\0\0\0' | curl -v --http2-prior-knowledge http://127.0.0.1:8081/grpc.health.v1.Health/Check --data-binary @- \
//!     -H 'Content-Type: application/grpc' -H 'TE: trailers' -H "Authorization: Bearer $TOKEN"     # grpc-status: 0
//! ```
#![expect(clippy::print_stdout, reason = "says where it listens")]

use keywright_verify::{AuthLayer, Clock, Config, HttpSource, Outcome, Verifier, VerifyError};
use std::{env, error::Error, sync::Arc};
use tokio::net::TcpListener;
use tonic::{
    Request, Status,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::pb::health_server::HealthServer;

const PERMISSION: &str = "distribution.profile.view";

fn permitted(request: Request<()>) -> Result<Request<()>, Status> {
    let outcome = request.extensions().get::<Outcome>().ok_or_else(|| Status::internal("the layer is missing"))?;
    match outcome.holder() {
        Ok(holder) if holder.may(PERMISSION) => Ok(request),
        Ok(_) => Err(Status::permission_denied(format!("this needs the permission {PERMISSION}"))),
        Err(error @ (VerifyError::Unavailable | VerifyError::NeedsRefresh(_))) => Err(Status::unavailable(error.to_string())),
        Err(error) => Err(Status::unauthenticated(error.to_string())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [_, issuer, listen] = <[String; 3]>::try_from(env::args().collect::<Vec<_>>()).map_err(|_| "usage: tonic ISSUER ADDRESS")?;
    // The demo's tokens are for its own API. An API of one's own has an audience of its own.
    let audience = &issuer;
    let verifier = Verifier::new(Config::new(&issuer, audience), Arc::new(HttpSource::new(&issuer)?));
    let health = tonic_health::server::HealthService::from_health_reporter(tonic_health::server::health_reporter().0);
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Server::builder()
        .layer(AuthLayer::new(Arc::new(verifier), Clock::System))
        .add_service(HealthServer::with_interceptor(health, permitted))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
}
