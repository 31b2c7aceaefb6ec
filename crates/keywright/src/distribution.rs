//! `keywright distribution`: the distribution API as a process of its own, which knows the server only by URL.

use anyhow::Context as _;
use clap::Args;
use keywright_distribution::{
    DEFAULT_MAX_FILE_BYTES, Distribution, FileSettings, brings_a_file,
    demo::{DemoOrganizations, seed},
};
use keywright_protocol::Clock;
use keywright_server::{
    Metrics, Mounted,
    app::resource_router,
    config::Config,
    data_dir::DataDir,
    documentation::Documentation,
    issuer, listen, logging,
    openapi::{Spec, SpecAt},
    outer::Outer,
    tasks,
};
use keywright_verify::{HttpOptions, HttpSource, Need, Source as _, Transport, Verifier};
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// What it takes.
#[derive(Args)]
pub(crate) struct DistributionArgs {
    /// URL of the server whose tokens are accepted
    #[arg(long)]
    issuer: String,
    /// Address and port to listen on
    #[arg(long)]
    listen: SocketAddr,
    /// Audience that tokens must be for; without it the issuer
    #[arg(long)]
    audience: Option<String>,
    /// URL under which clients reach this API, which upload URLs begin with; without it http:// and the address
    #[arg(long)]
    public_url: Option<String>,
    /// Folder of its own database
    #[arg(long, default_value = "./keywright-distribution-data")]
    data_dir: PathBuf,
    /// Folder of files; without it the folder "files" in the data folder
    #[arg(long)]
    files_dir: Option<PathBuf>,
    /// Longest file, in bytes
    #[arg(long, default_value_t = DEFAULT_MAX_FILE_BYTES, value_parser = clap::value_parser!(u64).range(1..=i64::MAX.unsigned_abs()))]
    max_file_bytes: u64,
    /// Origin whose pages may call this API besides the issuer's; repeat it for several
    #[arg(long = "allow-origin")]
    allow_origins: Vec<String>,
    /// Take keys from an issuer over plain HTTP, or listen without TLS on an address that others reach
    #[arg(long)]
    insecure_http: bool,
    /// Fill an empty database with the demo's profiles; the file that `keywright demo --credentials-file` wrote
    #[arg(long)]
    demo_credentials: Option<PathBuf>,
}

pub(crate) async fn run(args: DistributionArgs) -> anyhow::Result<()> {
    let issuer = args.issuer.trim_end_matches('/').to_owned();
    let config = Config { listen: args.listen, insecure_http: args.insecure_http, ..Config::default() };
    logging::start(&config.log);
    config.check_transport(config.listen.ip())?;
    let transport = if args.insecure_http { Transport::PlainHttp } else { Transport::Tls };
    let options = HttpOptions { transport, name: "distribution".to_owned(), ..HttpOptions::default() };
    let source = HttpSource::with(&issuer, options).with_context(|| format!("--issuer {issuer}"))?;
    let data_dir = DataDir::take(&args.data_dir)?;
    let (listener, address) = listen::bind(config.listen).await?;
    let files = FileSettings { folder: args.files_dir.unwrap_or_else(|| data_dir.distribution_files()), max_bytes: args.max_file_bytes };
    let distribution = Distribution::open(&data_dir.distribution_database(), &files, Clock::System).await?;
    if let Some(path) = &args.demo_credentials {
        fill(&distribution, path).await?;
    }
    let audience = args.audience.unwrap_or_else(|| issuer.clone());
    let verifier = Arc::new(Verifier::new(keywright_verify::Config::new(&issuer, audience), Arc::new(source.clone())));
    // The issuer may start later: until then requests are answered with 503, which the log tells of.
    drop(source.refresh(Need::Keys).await);
    let spec = Spec { name: "distribution".to_owned(), at: SpecAt::Here(Box::new(keywright_distribution::openapi())) };
    let base = public_url(args.public_url.as_deref(), address)?;
    let mounted = Mounted { router: distribution.router(Arc::clone(&verifier), &base), spec, brings_files: brings_a_file };
    let auth = Spec { name: "auth".to_owned(), at: SpecAt::Url(format!("{issuer}/openapi/auth.json")) };
    let metrics = Arc::new(Metrics::default());
    let (asked, known, of) = (distribution.clone(), source.clone(), issuer.clone());
    let cannot_judge = move || issuer::obstacle(&known, std::iter::once(verifier.config()), &of, Clock::System.now());
    let looked = cannot_judge.clone();
    let ready = move || {
        let (distribution, cannot_judge) = (asked.clone(), looked.clone());
        async move {
            match distribution.ping().await {
                Ok(()) => cannot_judge(),
                Err(_) => Some(keywright_core::Error::Unavailable.to_string()),
            }
        }
    };
    let mut origins = args.allow_origins;
    origins.push(issuer);
    let outer = Arc::new(Outer {
        lease: None,
        brings_files: vec![brings_a_file],
        router: resource_router(mounted, vec![auth], &metrics, ready),
        metrics,
        trusted_proxies: Vec::new(),
        cors_origins: origins,
        documentation: Documentation::api_page(&format!("http://{address}/openapi/index.html"), "distribution"),
    });
    let mut signals = tasks::EndSignals::take().context("signals cannot be taken over")?;
    let (stop, sign) = tasks::Stop::new();
    drop(tasks::spawn(tasks::watch_issuer(cannot_judge, source, sign.clone())));
    let serving = tasks::spawn(async move { listen::serve(listener, &config, outer, sign).await });
    println!("listening on http://{address}");
    signals.wait().await;
    stop.stop();
    serving.await.context("serving broke off")??;
    distribution.close().await;
    Ok(())
}

/// What upload URLs begin with: checked as a server's own is.
fn public_url(given: Option<&str>, address: SocketAddr) -> anyhow::Result<String> {
    let Some(url) = given else { return Ok(format!("http://{address}")) };
    Ok(Config { public_url: Some(url.to_owned()), ..Config::default() }.issuer(address)?)
}

/// The demo's profiles for the organizations of a credentials file. Profiles that are there already stay.
async fn fill(distribution: &Distribution, path: &std::path::Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let credentials: Value = serde_json::from_str(&text).with_context(|| format!("{} is no credentials file", path.display()))?;
    let id = |name: &str| {
        let id = credentials.get(name).and_then(|organization| organization.get("id")).and_then(Value::as_str);
        id.and_then(|id| id.parse().ok()).with_context(|| format!("{}: {name}.id is missing", path.display()))
    };
    let organizations = DemoOrganizations { root: id("rootOrganization")?, sub: id("subOrganization")?, other: id("otherOrganization")? };
    match seed(distribution, organizations, Clock::System.now()).await {
        Ok(()) | Err(keywright_distribution::Error::NameTaken(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
