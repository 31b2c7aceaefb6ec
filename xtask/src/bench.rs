//! The service against the limit programs: in turn, on cores of their own, several rounds, medians.

use crate::{
    clients::start_demo,
    process::{self, Folder, Server, Signal, output, run as run_program},
    steps::Stopwatch,
};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const START_LIMIT: Duration = Duration::from_secs(60);
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";
const CONNECTIONS: &str = "16";
/// What the demonstration signs with unless it is told otherwise.
const ALGORITHM: &str = "ES256";

/// One round's figures.
#[derive(Default)]
struct Round {
    /// Processor time of one exchange, in microseconds: the limit program's, the service's.
    limit: f64,
    exchange: f64,
    /// Processor time of a request for profiles under a token seen before, in microseconds.
    profiles: f64,
    /// From the start of the process to the first answer, in milliseconds: with a new data folder, with one that is there.
    first_start: f64,
    start: f64,
    /// Resident memory after the first answer, in MiB.
    idle: f64,
    /// Nanoseconds of one verification.
    seen_before: f64,
    first_sight: f64,
    signature: f64,
    /// Medians of the load's view of an exchange, in microseconds, and the bytes of an answer.
    latency: f64,
    limit_bytes: f64,
    exchange_bytes: f64,
}

struct Programs {
    keywright: PathBuf,
    bench: PathBuf,
    requests: u64,
}

/// Measures and writes docs/BENCHMARKS.md.
pub(crate) fn run(root: &Path, rounds: usize, requests: u64) -> anyhow::Result<()> {
    ensure!(rounds > 0 && requests >= 1000, "there must be a round, and a thousand requests in it");
    ensure!(process::works("taskset", &["-c", LOAD_CORE, "true"]), "taskset (Debian: util-linux) and a second core are needed");
    let packages = ["build", "--profile", "dist", "--package", "keywright", "--package", "keywright-bench"];
    run_program(Command::new("cargo").current_dir(root).args(packages))?;
    let built = root.join("target/dist");
    let programs = Programs { keywright: built.join("keywright"), bench: built.join("keywright-bench"), requests };
    let folder = Folder::create(&root.join("target/tools"), "bench")?;
    let (mut demo, credentials) = start_demo(&mut pinned(&programs.keywright), folder.path())?;
    let credentials: Value = serde_json::from_str(&fs::read_to_string(credentials)?)?;
    let token = exchange(&credentials)?;

    let mut all = Vec::new();
    for number in 0..rounds {
        println!("round {} of {rounds}", number + 1);
        all.push(round(&programs, folder.path(), (&demo, &credentials), &token)?);
    }
    demo.end()?;
    let text = document(&all, token.len(), requests);
    print!("\n{text}");
    fs::create_dir_all(root.join("docs"))?;
    fs::write(root.join("docs/BENCHMARKS.md"), text)?;
    Ok(())
}

fn round(programs: &Programs, folder: &Path, (demo, credentials): (&Server, &Value), token: &str) -> anyhow::Result<Round> {
    let mut round = Round::default();
    let log = folder.join("limit.log");
    let mut limit =
        Server::start("the limit program", pinned(&programs.bench).args(["limit", "--algorithm", ALGORITHM, "--like", token]), &log, Signal::Terminate)?;
    let address = limit.await_address(START_LIMIT)?;
    let log = fs::read_to_string(log)?;
    let key = log.lines().find_map(|line| line.strip_prefix("key ")).context("the limit program told no key")?;
    let (cost, counts) = cost(programs, limit.pid(), &[&format!("{address}/auth/v3/token"), "--body", &format!("personalAccessKey={key}")])?;
    (round.limit, round.limit_bytes) = (cost, number(&counts, "bytesPerAnswer")?);
    limit.end()?;

    let (auth, api) = (text(credentials, "/authUrl")?, text(credentials, "/apiUrl")?);
    let body = format!("personalAccessKey={}", text(credentials, "/personalAccessKeys/owner")?);
    let (cost, counts) = self::cost(programs, demo.pid(), &[&format!("{auth}/auth/v3/token"), "--body", &body])?;
    (round.exchange, round.exchange_bytes, round.latency) = (cost, number(&counts, "bytesPerAnswer")?, number(&counts, "p50Micros")?);
    let authorization = format!("Bearer {token}");
    (round.profiles, _) = self::cost(programs, demo.pid(), &[&format!("{api}/distribution/v2/profiles"), "--authorization", &authorization])?;

    let data = Folder::create(folder, "data")?;
    (round.first_start, _) = start(programs, data.path())?;
    (round.start, round.idle) = start(programs, data.path())?;

    let check: Value = serde_json::from_str(&output(pinned(&programs.bench).arg("check"))?)?;
    round.seen_before = number(&check, "seenBefore")?;
    round.first_sight = number(&check, "firstSight")?;
    round.signature = number(&check, "signatureAlone")?;
    Ok(round)
}

/// Microseconds of processor time of one request, after a warm-up, and what the load counted.
fn cost(programs: &Programs, pid: u32, target: &[&str]) -> anyhow::Result<(f64, Value)> {
    load(programs, programs.requests / 20, target)?;
    let before = processor_ticks(pid)?;
    let counts = load(programs, programs.requests, target)?;
    let ticks = processor_ticks(pid)? - before;
    let per_second: f64 = output(Command::new("getconf").arg("CLK_TCK"))?.trim().parse()?;
    Ok((ticks / per_second * 1e6 / number(&counts, "requests")?, counts))
}

fn load(programs: &Programs, requests: u64, target: &[&str]) -> anyhow::Result<Value> {
    let mut command = Command::new("taskset");
    command.args(["-c", LOAD_CORE]).arg(&programs.bench);
    command.args(["load", "--connections", CONNECTIONS, "--requests", &requests.to_string(), "--url"]).args(target);
    Ok(serde_json::from_str(&output(&mut command)?)?)
}

/// Milliseconds from the start of `keywright serve` to its first answer, and the MiB that it holds then.
fn start(programs: &Programs, data: &Path) -> anyhow::Result<(f64, f64)> {
    let mut command = pinned(&programs.keywright);
    // The port differs from start to start, the issuer must not.
    let issuer = ["--public-url", "http://127.0.0.1"];
    command.current_dir(data).args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(issuer);
    let watch = Stopwatch::start();
    let mut server = Server::start("keywright serve", &mut command, &data.join("log"), Signal::Terminate)?;
    let address = server.await_address(START_LIMIT)?;
    server.await_answer(START_LIMIT, || Ok(is_healthy(&address).then_some(())))?;
    let millis = watch.elapsed().as_secs_f64() * 1e3;
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.split_whitespace().next());
    let mib = kib.context("/proc tells no VmRSS")?.parse::<f64>()? / 1024.0;
    server.end()?;
    Ok((millis, mib))
}

fn is_healthy(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let host = address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// The owner's token, by curl.
fn exchange(credentials: &Value) -> anyhow::Result<String> {
    let url = format!("{}/auth/v3/token", text(credentials, "/authUrl")?);
    let form = format!("personalAccessKey={}", text(credentials, "/personalAccessKeys/owner")?);
    let answer: Value =
        serde_json::from_str(&output(Command::new("curl").args(["--silent", "--show-error", "--fail", "--max-time", "20", "-d", &form, &url]))?)?;
    Ok(text(&answer, "/access_token")?.to_owned())
}

fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]).arg(program);
    command
}

/// User and system time of a process, in clock ticks.
fn processor_ticks(pid: u32) -> anyhow::Result<f64> {
    ticks_in(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

fn ticks_in(stat: &str) -> anyhow::Result<f64> {
    // The program's name, in parentheses, may hold anything; what follows is numbers. Fields 14 and 15 of proc(5).
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat has no name in it")?;
    let fields: Vec<f64> = rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    ensure!(fields.len() == 2, "/proc/PID/stat is too short");
    Ok(fields.iter().sum())
}

fn text<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("there is no {pointer}"))
}

fn number(value: &Value, name: &str) -> anyhow::Result<f64> {
    value.get(name).and_then(Value::as_f64).with_context(|| format!("there is no {name}"))
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn document(rounds: &[Round], token_bytes: usize, requests: u64) -> String {
    let median = |figure: fn(&Round) -> f64| median(rounds, figure);
    // Ratios within a round, since rounds differ more than what is measured in one.
    let ratio = self::median(rounds, |round| round.exchange / round.limit);
    let sight = self::median(rounds, |round| round.first_sight / round.signature);
    let rows = [
        ("CPU of an exchange, bare hyper with the same cryptography", format!("{:.1} us", median(|round| round.limit))),
        ("CPU of an exchange, Keywright", format!("{:.1} us", median(|round| round.exchange))),
        ("**ratio of the two**", format!("**{ratio:.2}**")),
        ("bytes of their answers, bare hyper / Keywright", format!("{:.0} / {:.0}", median(|round| round.limit_bytes), median(|round| round.exchange_bytes))),
        ("median latency of an exchange, Keywright", format!("{:.0} us", median(|round| round.latency))),
        ("CPU of `GET /distribution/v2/profiles`, three rows from the database, token seen before", format!("{:.1} us", median(|round| round.profiles))),
        ("`Verifier::verify`, token seen before", format!("{:.0} ns", median(|round| round.seen_before))),
        ("`Verifier::verify`, first sight", format!("{:.1} us", median(|round| round.first_sight) / 1e3)),
        ("the bare signature check of the same tokens", format!("{:.1} us", median(|round| round.signature) / 1e3)),
        ("**ratio of the two**", format!("**{sight:.2}**")),
        ("an owner's token", format!("{token_bytes} bytes")),
        ("resident memory, idle", format!("{:.1} MiB", median(|round| round.idle))),
        ("start to first answer, data folder there / new", format!("{:.0} / {:.0} ms", median(|round| round.start), median(|round| round.first_start))),
    ];
    let rows: String = rows.iter().map(|(what, figure)| format!("| {what} | {figure} |\n")).collect();
    format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench --rounds {count} --requests {requests}`; do not edit.\n\n\
         Profile `dist` (fat LTO), {ALGORITHM}. The server has one core and the load another, {CONNECTIONS} kept-alive connections, {requests} requests a\n\
         program and round after a warm-up, everything measured in turn, medians of {count} rounds; a ratio is the median of the rounds' ratios.\n\
         CPU is user and system time of the server's process, divided by the requests. Keywright runs as `keywright demo` does, with everything on.\n\
         Requests per second, and even CPU per request, move with what else the machine does: compare ratios, and only figures of one run.\n\n\
         | what | median |\n|---|---|\n{rows}",
        count = rounds.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_the_fourteenth_and_fifteenth_field() {
        let stat = "42 (odd) name) S 1 42 42 0 -1 4194304 100 0 0 0 37 5 0 0 20 0 3 0 100 1000 200";
        assert_eq!(ticks_in(stat).unwrap(), 42.0);
        assert!(ticks_in("42 (x) S 1").is_err());
    }

    #[test]
    fn the_table_shows_medians_and_ratios_of_rounds() {
        let round = |limit, exchange| Round { limit, exchange, ..Round::default() };
        let text = document(&[round(10.0, 11.0), round(20.0, 30.0), round(40.0, 44.0)], 777, 1000);
        assert!(text.contains("| CPU of an exchange, Keywright | 30.0 us |\n"), "{text}");
        assert!(text.contains("**1.10**") && text.contains("777 bytes") && text.contains("--rounds 3 --requests 1000"), "{text}");
    }
}
