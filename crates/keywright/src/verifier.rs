//! `keywright verifier`: decides about tokens beside an API or a gateway, in a process that has no database and no secret.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use keywright_protocol::Clock;
use keywright_server::{Metrics, config::Config, documentation::Documentation, gateway::Gateway, listen, logging, outer::Outer, sidecar::Sidecar, tasks};
use keywright_verify::{Feed, HttpOptions, HttpSource, Need, Source as _, StatusPolicy, Transport};
use std::{net::SocketAddr, path::PathBuf, process::ExitCode, str::FromStr, sync::Arc, time::Duration};

/// What it takes.
#[derive(Args)]
pub(crate) struct VerifierArgs {
    /// URL of the server whose tokens are accepted
    #[arg(long)]
    issuer: String,
    /// Where to listen: unix:PATH, or an address with a port
    #[arg(long)]
    listen: Listen,
    /// Audience that tokens must be for; repeat it for several. Without it the issuer itself
    #[arg(long = "audience")]
    audiences: Vec<String>,
    /// What the issuer's receipts call it
    #[arg(long, default_value = "verifier")]
    name: String,
    /// Where a server of the issuer is, if that is not its URL; repeat it for several
    #[arg(long = "replica")]
    replicas: Vec<String>,
    /// Ask what was taken back every five seconds, instead of following a stream
    #[arg(long)]
    poll: bool,
    /// What to do with tokens when the issuer has not been heard for --max-age-seconds
    #[arg(long, value_enum, default_value_t = WhenStale::Refuse)]
    when_stale: WhenStale,
    /// How old the knowledge of what was taken back may be
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    max_age_seconds: u64,
    /// TOML file with the [gateway] of the server's configuration: gateways are answered at /gateway/v1/check, but for raw keys
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Take keys from an issuer over plain HTTP, or listen on an address that others reach
    #[arg(long)]
    insecure_http: bool,
}

/// What to do with tokens when the issuer is not heard any more.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenStale {
    /// Answer 503: nothing that was taken back is accepted
    Refuse,
    /// Accept them until they expire
    Accept,
}

/// Where to listen.
#[derive(Clone)]
enum Listen {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("unix: must be followed by a path".to_owned()),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| "must be unix:PATH, or an address with a port such as 127.0.0.1:8181".to_owned()),
        }
    }
}

/// Runs until the process is asked to end.
pub(crate) fn run_to_end(args: VerifierArgs) -> ExitCode {
    // It waits for most of its life: one worker a core would be memory for nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("the runtime cannot be started");
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keywright: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: VerifierArgs) -> anyhow::Result<()> {
    let issuer = args.issuer.trim_end_matches('/').to_owned();
    let config = Config { insecure_http: args.insecure_http, ..Config::default() };
    logging::start(&config.log);
    let options = HttpOptions {
        transport: if args.insecure_http { Transport::PlainHttp } else { Transport::Tls },
        feed: if args.poll { Feed::Poll } else { Feed::Stream },
        name: args.name,
        program: concat!("keywright/", env!("CARGO_PKG_VERSION")).to_owned(),
        replicas: args.replicas,
    };
    let source =
        HttpSource::with(&issuer, options).with_context(|| format!("--issuer {issuer} (--insecure-http takes keys over plain HTTP from elsewhere)"))?;
    let status = match args.when_stale {
        WhenStale::Refuse => StatusPolicy::Strict { max_age: Duration::from_secs(args.max_age_seconds) },
        WhenStale::Accept => StatusPolicy::Lenient,
    };
    let audiences = if args.audiences.is_empty() { vec![issuer.clone()] } else { args.audiences };
    let verify = keywright_verify::Config { status, ..keywright_verify::Config::new(&issuer, &issuer) };
    let metrics = Arc::new(Metrics::default());
    let table = args.gateway.as_deref().map(|path| Gateway::of_file(path).and_then(|gateway| gateway.table())).transpose()?;
    let sidecar = Sidecar::new(source.clone(), &verify, (&audiences, table), Clock::System, Arc::clone(&metrics));
    let outer = Arc::new(Outer {
        lease: None,
        brings_files: Vec::new(),
        router: sidecar.router(),
        metrics,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        documentation: Documentation::Guide { issuer: issuer.clone() },
    });
    let mut signals = tasks::EndSignals::take().context("signals cannot be taken over")?;
    let (stop, sign) = tasks::Stop::new();
    let serving = match args.listen {
        Listen::Unix(path) => {
            let listener = listen::bind_unix(&path)?;
            println!("listening on unix:{}", path.display());
            tasks::spawn(async move {
                listen::serve_unix(listener, &path, outer, sign).await;
                Ok(())
            })
        }
        Listen::Tcp(address) => {
            config.check_transport(address.ip())?;
            let (listener, address) = listen::bind(address).await?;
            println!("listening on http://{address}");
            tasks::spawn(async move { listen::serve(listener, &config, outer, sign).await })
        }
    };
    // The issuer may start later: then the first questions are answered with 503, and ask it by themselves.
    if let Err(error) = source.refresh(Need::Keys).await {
        eprintln!("keywright: {error}; until it answers, tokens cannot be judged");
    }
    signals.wait().await;
    stop.stop();
    match serving.await {
        Ok(ended) => Ok(ended?),
        Err(_) => bail!("serving broke off"),
    }
}
