//! A resource server as a stranger would write it: one route, protected by the library.

use anyhow::Context as _;
use axum::{Router, routing::get};
use clap::{Args, ValueEnum};
use keywright_verify::{AuthLayer, Authenticated, Clock, Config, Feed, HttpOptions, HttpSource, StatusPolicy, Verifier};
use std::{sync::Arc, time::Duration};

/// What it takes.
#[derive(Args)]
pub(crate) struct LibraryArgs {
    /// Whose tokens
    #[arg(long)]
    issuer: String,
    /// What receipts call it
    #[arg(long)]
    name: String,
    /// How it hears of what was taken back
    #[arg(long, value_enum)]
    hears: Hears,
    /// After how many seconds without news it refuses; without it, it accepts until the tokens' end
    #[arg(long)]
    max_age: Option<u64>,
}

/// How a verifier hears of what was taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Hears {
    /// By a stream.
    Stream,
    /// Every five seconds.
    Poll,
}

pub(crate) async fn run(args: LibraryArgs) -> anyhow::Result<()> {
    let feed = match args.hears {
        Hears::Stream => Feed::Stream,
        Hears::Poll => Feed::Poll,
    };
    let source = HttpSource::with(&args.issuer, HttpOptions { feed, name: args.name, ..HttpOptions::default() })?;
    let status = args.max_age.map_or(StatusPolicy::Lenient, |seconds| StatusPolicy::Strict { max_age: Duration::from_secs(seconds) });
    let config = Config { status, ..Config::new(&args.issuer, &args.issuer) };
    let verifier = Arc::new(Verifier::new(config, Arc::new(source)));
    let app = Router::new().route("/", get(|_: Authenticated| async { "" })).layer(AuthLayer::new(verifier, Clock::System));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("no port")?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
