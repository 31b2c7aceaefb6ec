//! What the service is measured against, and the load that measures it.
//!
//! - `limit`: bare hyper that does an exchange's cryptography and nothing else: no database, no liveness, no limits, no log.
//! - `load`: a bounded number of requests over kept-alive connections.
//! - `check`: the cost of one verification, in process.
//! - `log`: what the logs cost on disk and to read, in process.

#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

mod check;
mod issue;
mod limit;
mod load;
mod log;

use clap::{Parser, Subcommand};
use keywright_protocol::jwk::Algorithm;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Limit programs and load of Keywright's benchmarks")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves POST /auth/v3/token on a free port of 127.0.0.1 until it is ended; prints `listening on ..` and `key ..`.
    Limit {
        /// ES256, EdDSA or RS256.
        #[arg(long, value_parser = algorithm)]
        algorithm: Algorithm,
        /// An access token; the issued ones say the same, for another second.
        #[arg(long)]
        like: String,
    },
    /// Sends requests and prints what came of them as JSON. Any answer but 200 fails the run.
    Load {
        /// `http://ADDRESS:PORT/PATH`.
        #[arg(long)]
        url: String,
        /// Kept-alive connections, each with one request at a time.
        #[arg(long, default_value_t = 16)]
        connections: u64,
        /// Requests in all.
        #[arg(long)]
        requests: u64,
        /// A form to POST; without one the request is a GET.
        #[arg(long)]
        body: Option<String>,
        /// The value of the Authorization header.
        #[arg(long)]
        authorization: Option<String>,
    },
    /// Verifies tokens in process and prints nanoseconds as JSON.
    Check {
        /// Verifications of one token that was seen before; a hundredth of it of new ones.
        #[arg(long, default_value_t = 1_000_000)]
        count: u32,
    },
    /// Fills the logs of a new database with exchanges, the time stepped, and prints what they take, what a page costs, and what is
    /// left when they are pruned.
    Log {
        /// A folder that is empty or not there.
        #[arg(long)]
        folder: std::path::PathBuf,
        /// How long.
        #[arg(long, default_value_t = 20_000)]
        seconds: u32,
        /// Exchanges a second.
        #[arg(long, default_value_t = 500)]
        per_second: u32,
    },
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| "must be ES256, EdDSA or RS256".to_owned())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Limit { algorithm, like } => limit::run(algorithm, &like),
        Command::Load { url, connections, requests, body, authorization } => {
            let request = load::Request::new(&url, body.as_deref(), authorization.as_deref())?;
            load::run(&request, connections, requests)
        }
        Command::Check { count } => check::run(count),
        Command::Log { folder, seconds, per_second } => log::run(&folder, seconds, per_second),
    }
}

/// Reads the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "measuring is what this program is for; the one place where it looks at a clock")]
fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
