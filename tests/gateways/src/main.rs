//! Gateways that nobody here wrote, before one API: one table of cases through all of them, then requests that were bent at random.

#![expect(clippy::print_stdout, reason = "a program that reports to whoever runs it")]

mod cases;
mod http;
mod mutate;
mod process;
mod proxies;
mod upstream;
mod world;

use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cases::{Case, KEYS, TOKENS, Verdict};
use clap::Parser;
use http::header;
use proxies::{Asks, Gateway, Kind, Places};
use serde_json::Value;
use std::{fs, net::SocketAddr, path::PathBuf};
use upstream::{CASE, Upstream};
use world::World;

/// Gateways before one API
#[derive(Parser)]
struct Cli {
    /// The `keywright` binary
    #[arg(long)]
    binary: PathBuf,
    /// The folder of the gateways' configurations
    #[arg(long)]
    templates: PathBuf,
    /// Bent requests to each gateway
    #[arg(long, default_value_t = 250)]
    bent: usize,
    /// From what they are made
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut world = World::start(&cli.binary)?;
    let (upstream, api) = Upstream::start()?;
    let (mut sidecar, beside) = world.sidecar()?;
    // A verifier gives a token half a minute more than it says, for clocks that disagree.
    let expired = format!("GET /gateway/v1/check/invoices HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\n\r\n", world.credential("expired"));
    sidecar.until(|_| http::send(beside, expired.as_bytes()).ok().filter(|answer| answer.status == 401).map(drop))?;
    let (_tls, https) = proxies::https(world.folder.path(), world.address)?;
    let gateways = start(&cli, &world, (api, beside, https))?;
    table(&world, &upstream, &gateways)?;
    taken_back(&world, &upstream, &gateways)?;
    for gateway in &gateways {
        let passed = mutate::run(&world, &upstream, gateway, (cli.bent, cli.seed))?;
        println!("{:<24} {} bent requests, {passed} of them reached the API, each as it may", gateway.name, cli.bent);
        ensure!(cli.bent < 100 || passed > 0, "{}: none of the bent requests was good: they prove nothing", gateway.name);
    }
    let log = upstream.all();
    log.iter().try_for_each(|head| mutate::clean(head))?;
    println!("the API got {} requests, none of them with a key", log.len());
    limits(&mut world, &upstream, &gateways)
}

fn start(cli: &Cli, world: &World, (upstream, beside, https): (SocketAddr, SocketAddr, SocketAddr)) -> anyhow::Result<Vec<Gateway>> {
    let (_, pem) = http::call(world.address, "GET", "/.well-known/jwks.pem", "", "")?;
    fs::write(world.folder.path().join("jwks.pem"), pem)?;
    let templates = fs::canonicalize(&cli.templates)?;
    let issuer = world.issuer();
    let places = |check| Places {
        templates: &templates,
        folder: world.folder.path(),
        issuer: &issuer,
        upstream,
        check,
        https,
        client: (&world.client.0, &world.client.1),
    };
    let asking = [Kind::Nginx, Kind::Caddy, Kind::HaproxyLua];
    let mut gateways = Vec::new();
    for (asks, check) in [(Asks::Server, world.address), (Asks::Sidecar, beside)] {
        for kind in asking {
            gateways.push(Gateway::start(kind, asks, &places(check))?);
        }
    }
    for (kind, asks) in [(Kind::ApacheAsking, Asks::Introspection), (Kind::HaproxyOffline, Asks::Nobody), (Kind::ApacheOffline, Asks::Nobody)] {
        gateways.push(Gateway::start(kind, asks, &places(world.address))?);
    }
    Ok(gateways)
}

/// Every row at every gateway.
fn table(world: &World, upstream: &Upstream, gateways: &[Gateway]) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for (number, case) in TOKENS.iter().chain(KEYS).enumerate() {
        for gateway in gateways {
            let id = format!("{}-{number}", gateway.name);
            let found = verdict(world, upstream, (case, &id), gateway).with_context(|| format!("{}: {}", gateway.name, case.name))?;
            if found != case.expected(gateway) {
                faults.push(format!("{}: {} ({}): {found:?} instead of {:?}", gateway.name, case.name, case.request, case.expected(gateway)));
            }
        }
    }
    ensure!(faults.is_empty(), "{} verdicts are others than in the table:\n{}", faults.len(), faults.join("\n"));
    println!("{} cases at {} gateways: every verdict is that of the table", TOKENS.len() + KEYS.len(), gateways.len());
    Ok(())
}

fn verdict(world: &World, upstream: &Upstream, (case, id): (&Case, &str), gateway: &Gateway) -> anyhow::Result<Verdict> {
    let mut headers = case.headers.to_owned();
    for (name, credential) in &world.credentials {
        headers = headers.replace(&format!("{{{name}}}"), credential);
    }
    ensure!(!headers.contains('{'), "a credential is not there: {headers}");
    let more = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let body = if case.request.starts_with('P') { "Content-Length: 2\r\n" } else { "" };
    let end = if body.is_empty() { "" } else { "{}" };
    let request = format!("{} HTTP/1.1\r\nHost: api.example.com\r\n{CASE}: {id}\r\n{more}{body}\r\n{end}", case.request);
    let answer = http::send(gateway.address, request.as_bytes())?;
    let seen = upstream.seen(id);
    let Some(head) = seen.first() else {
        return Ok(match answer.status {
            401 => Verdict::Unauthenticated,
            400 | 403 | 404 | 405 | 414 => Verdict::Refused,
            429 | 503 => Verdict::Undecided,
            other => anyhow::bail!("{other}: {}", answer.head),
        });
    };
    ensure!(answer.status == 200 && seen.len() == 1, "it came to the API, and was answered {}", answer.status);
    arrived(world, head, case, gateway)?;
    Ok(Verdict::Passed)
}

/// What came to the API: the request to the letter, and who it is, said by the gateway alone.
fn arrived(world: &World, head: &str, case: &Case, gateway: &Gateway) -> anyhow::Result<()> {
    mutate::clean(head)?;
    ensure!(head.starts_with(&format!("{} HTTP/1.", case.request)), "another request came to the API: {head}");
    let subjects: Vec<&str> = header(head, "x-keywright-subject").collect();
    ensure!(subjects.len() == 1, "the API must be told once who it is: {head}");
    if gateway.asks != Asks::Server {
        return Ok(());
    }
    let tokens: Vec<&str> = header(head, "x-identity-jwt").collect();
    let [token] = tokens.as_slice() else { anyhow::bail!("one identity token was expected: {head}") };
    let identity = payload(token)?;
    ensure!(identity.get("sub").and_then(Value::as_str) == subjects.first().copied(), "header and identity token name two: {head}");
    ensure!(identity.get("aud").and_then(Value::as_str) == Some("https://invoices.example.com"), "the identity token is for another: {identity}");
    let presented = case.holder().map(|name| world.credential(name)).filter(|credential| credential.matches('.').count() == 2);
    if let Some(presented) = presented {
        ensure!(payload(presented)?.get("sub") == identity.get("sub"), "another one was said to the API: {identity}");
    }
    Ok(())
}

fn payload(token: &str) -> anyhow::Result<Value> {
    let payload = token.split('.').nth(1).context("a token has three parts")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

/// What a gateway knows well is refused when it is taken back: at once by those that ask the server, soon by those that ask the sidecar.
fn taken_back(world: &World, upstream: &Upstream, gateways: &[Gateway]) -> anyhow::Result<()> {
    let (token, key) = (format!("Authorization: Bearer {}", world.credential("leaver")), format!("Authorization: Bearer {}", world.credential("leaver-key")));
    let ask = |gateway: &Gateway, path: &str, credential: &str| -> anyhow::Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{CASE}: leaver\r\n{credential}\r\n\r\n");
        Ok(http::send(gateway.address, request.as_bytes())?.status)
    };
    let asking: Vec<&Gateway> = gateways.iter().filter(|gateway| gateway.asks != Asks::Nobody).collect();
    for gateway in &asking {
        for _ in 0..3 {
            let status = ask(gateway, "/invoices", &token)?;
            ensure!(status == 200, "{}: {status} while the key lives", gateway.name);
            let status = ask(gateway, "/keys/a", &key)?;
            ensure!(gateway.asks == Asks::Sidecar || status == 200, "{}: {status} while the key lives", gateway.name);
        }
    }
    world.take_back()?;
    let before = upstream.seen("leaver").len();
    for gateway in asking.iter().filter(|gateway| gateway.asks != Asks::Sidecar) {
        for (path, credential) in [("/invoices", &token), ("/keys/a", &key)] {
            let status = ask(gateway, path, credential)?;
            ensure!(status == 401, "{}: {status} to what was taken back", gateway.name);
        }
    }
    ensure!(upstream.seen("leaver").len() == before, "what was taken back came to the API");
    for gateway in asking.iter().filter(|gateway| gateway.asks == Asks::Sidecar) {
        // Each try takes a millisecond or more.
        let refused = (0..2_000).find(|_| matches!(ask(gateway, "/invoices", &token), Ok(401)));
        ensure!(refused.is_some(), "{}: what was taken back goes on", gateway.name);
    }
    println!("what was taken back is refused at once, and by those beside the sidecar when it has heard of it");
    Ok(())
}

/// What is no decision: too often, and a server that is away.
fn limits(world: &mut World, upstream: &Upstream, gateways: &[Gateway]) -> anyhow::Result<()> {
    let key = format!("GET /keys/a HTTP/1.1\r\nHost: a\r\n{CASE}: undecided\r\nX-API-Key: {}\r\n\r\n", world.credential("revoked-key"));
    let good = format!("GET /invoices HTTP/1.1\r\nHost: a\r\n{CASE}: undecided\r\nAuthorization: Bearer {}\r\n\r\n", world.credential("reader"));
    let asking = || gateways.iter().filter(|gateway| gateway.asks == Asks::Server);
    world.serve(&[("KEYWRIGHT_LIMITS__REFUSED_KEYS_PER_MINUTE", "1"), ("KEYWRIGHT_LIMITS__REFUSED_KEYS_BURST", "1")])?;
    http::send(gateways.first().context("a gateway")?.address, key.as_bytes())?;
    for gateway in asking() {
        let answer = http::send(gateway.address, key.as_bytes())?;
        ensure!(answer.status == 429 && !answer.header("retry-after").is_empty(), "{}: 429 was expected: {}", gateway.name, answer.head);
    }
    world.stop();
    for gateway in asking() {
        let answer = http::send(gateway.address, good.as_bytes())?;
        ensure!(matches!(answer.status, 502 | 503), "{}: 503 was expected: {}", gateway.name, answer.head);
    }
    ensure!(upstream.seen("undecided").is_empty(), "what was not decided about came to the API");
    println!("too often is 429, and a server that is away lets nothing through");
    Ok(())
}
