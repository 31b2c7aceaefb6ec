//! An API with axum that checks tokens itself.
//!
//! ```sh
//! keywright demo                                                      # says keys, and how they are exchanged for tokens
//! cargo run --example axum -- http://127.0.0.1:8080 127.0.0.1:8081
//! curl -i http://127.0.0.1:8081/ -H "Authorization: Bearer $TOKEN"
//! ```
#![expect(clippy::print_stdout, reason = "says where it listens")]

use axum::{Router, routing::get};
use keywright_verify::{AuthLayer, Authenticated, Clock, Config, HttpSource, Require, Verifier, permission};
use std::{env, error::Error, sync::Arc};
use tokio::net::TcpListener;

permission!(ProfilesView = "distribution.profile.view");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [_, issuer, listen] = <[String; 3]>::try_from(env::args().collect::<Vec<_>>()).map_err(|_| "usage: axum ISSUER ADDRESS")?;
    // The demo's tokens are for its own API. An API of one's own has an audience of its own.
    let audience = &issuer;
    let verifier = Verifier::new(Config::new(&issuer, audience), Arc::new(HttpSource::new(&issuer)?));
    let app = Router::new()
        .route("/", get(async |Require(holder, _): Require<ProfilesView>| format!("hello {}\n", holder.claims.email)))
        .route("/me", get(async |Authenticated(holder): Authenticated| format!("{}\n", holder.claims.email)))
        .route("/open", get(async || "hello everybody\n"))
        .layer(AuthLayer::new(Arc::new(verifier), Clock::System));
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
