//! Two verifiers beside the demo, so that a receipt has somebody to tell of. The console stops and starts them.

use anyhow::Context as _;
use keywright_protocol::Clock;
use keywright_server::{Metrics, config::Config, documentation::Documentation, listen, outer::Outer, sidecar::Sidecar, tasks};
use keywright_verify::{Feed, HttpOptions, HttpSource, Need, Source as _, StatusPolicy, Transport};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};

/// As receipts call them.
const NAMES: [&str; 2] = ["orders", "billing"];
/// How old what they know of the issuer may be.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Whether each of them is to run.
pub(super) fn switches() -> Vec<(&'static str, watch::Sender<bool>)> {
    NAMES.into_iter().map(|name| (name, watch::Sender::new(true))).collect()
}

/// Runs them for as long as the process does; answers where.
pub(super) async fn run(issuer: &str, switches: &[(&'static str, watch::Sender<bool>)]) -> anyhow::Result<Vec<(&'static str, SocketAddr)>> {
    let mut addresses = Vec::with_capacity(switches.len());
    for (name, runs) in switches {
        let (listener, address) = listen::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        addresses.push((*name, address));
        let (issuer, runs) = (issuer.to_owned(), runs.subscribe());
        let running = start(&issuer, name, listener).await?;
        drop(tasks::spawn(follow(issuer, (name, address), running, runs)));
    }
    Ok(addresses)
}

/// Stops and starts one as its switch says.
async fn follow(issuer: String, (name, address): (&'static str, SocketAddr), running: tasks::StopHandle, mut runs: watch::Receiver<bool>) {
    let mut running = Some(running);
    while runs.changed().await.is_ok() {
        let wanted = *runs.borrow_and_update();
        if !wanted {
            if let Some(running) = running.take() {
                running.stop();
            }
        } else if running.is_none() {
            let started = match listen::bind(address).await {
                Ok((listener, _)) => start(&issuer, name, listener).await,
                Err(error) => Err(error.into()),
            };
            match started {
                Ok(handle) => running = Some(handle),
                Err(error) => eprintln!("keywright: the verifier {name} cannot be started again: {error:#}"),
            }
        }
    }
}

async fn start(issuer: &str, name: &str, listener: TcpListener) -> anyhow::Result<tasks::StopHandle> {
    let options = HttpOptions {
        transport: Transport::Tls,
        feed: Feed::Stream,
        name: name.to_owned(),
        program: concat!("keywright/", env!("CARGO_PKG_VERSION")).to_owned(),
        replicas: Vec::new(),
    };
    let source = HttpSource::with(issuer, options).context("a verifier of the demo cannot be made")?;
    let verify = keywright_verify::Config { status: StatusPolicy::Strict { max_age: MAX_AGE }, ..keywright_verify::Config::new(issuer, issuer) };
    let metrics = Arc::new(Metrics::default());
    let sidecar = Sidecar::new(source.clone(), &verify, (&[issuer.to_owned()], None), Clock::System, Arc::clone(&metrics));
    let outer = Arc::new(Outer {
        lease: None,
        brings_files: Vec::new(),
        router: sidecar.router(),
        metrics,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        documentation: Documentation::Guide { issuer: issuer.to_owned() },
    });
    let (stop, sign) = tasks::Stop::new();
    drop(tasks::spawn(async move { listen::serve(listener, &Config::default(), outer, sign).await }));
    source.refresh(Need::Keys).await.context("a verifier of the demo does not reach it")?;
    Ok(stop)
}
