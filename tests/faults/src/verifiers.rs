//! Twenty verifiers: nineteen resource servers that use the library, and the sidecar.

use crate::{
    library::Hears,
    world::{Process, first_line},
};
use anyhow::Context as _;
use keywright_protocol::Clock;
use std::{path::Path, time::Duration};
use tokio::{process::Command, time::Instant};

/// How many.
pub(crate) const COUNT: usize = 20;
/// Those that hear nothing for so long refuse, but for two that accept until the tokens' end.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(10);

/// A verifier.
pub(crate) struct Verifier {
    pub(crate) name: String,
    pub(crate) hears: Hears,
    pub(crate) policy: Policy,
    url: String,
    kind: Kind,
    client: reqwest::Client,
    _process: Process,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Strict,
    Lenient,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Library,
    Sidecar,
}

/// What a verifier made of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Accepted,
    Refused,
    /// It could not be judged.
    Unjudged,
}

/// A verdict with the moment at which it was known here, which is never before it was made.
pub(crate) struct Known {
    pub(crate) verdict: Verdict,
    pub(crate) by: Instant,
    pub(crate) by_clock: keywright_protocol::Time,
}

impl Verifier {
    /// Asks about a token.
    pub(crate) async fn ask(&self, token: &str) -> anyhow::Result<Known> {
        let request = match self.kind {
            Kind::Library => self.client.get(&self.url).bearer_auth(token),
            Kind::Sidecar => self.client.post(format!("{}/verify", self.url)).json(&serde_json::json!({ "token": token, "permission": "build.view" })),
        };
        let response = request.send().await.with_context(|| self.name.clone())?;
        let (by, by_clock) = (Instant::now(), Clock::System.now());
        let verdict = match response.status().as_u16() {
            // The sidecar says 403 of a good token that lacks what was asked for.
            200 | 403 => Verdict::Accepted,
            401 => Verdict::Refused,
            503 => Verdict::Unjudged,
            other => anyhow::bail!("{} answered {other}", self.name),
        };
        // What is read to its end leaves a connection that can be used again.
        let _ = response.bytes().await;
        Ok(Known { verdict, by, by_clock })
    }
}

/// Starts them all.
pub(crate) async fn start(binary: &Path, issuer: &str) -> anyhow::Result<Vec<Verifier>> {
    let mut all = Vec::with_capacity(COUNT);
    for number in 0..COUNT {
        all.push(start_one(binary, issuer, number).await?);
    }
    Ok(all)
}

async fn start_one(binary: &Path, issuer: &str, number: usize) -> anyhow::Result<Verifier> {
    let kind = if number == 0 { Kind::Sidecar } else { Kind::Library };
    let hears = if number % 10 == 9 { Hears::Poll } else { Hears::Stream };
    let policy = if number % 10 == 8 { Policy::Lenient } else { Policy::Strict };
    let name = format!("verifier-{number}");
    let seconds = MAX_AGE.as_secs().to_string();
    let mut command = match kind {
        Kind::Sidecar => {
            let mut command = Command::new(binary);
            command.args(["verifier", "--issuer", issuer, "--listen", "127.0.0.1:0", "--name", &name, "--max-age-seconds", &seconds]);
            command
        }
        Kind::Library => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["library", "--issuer", issuer, "--name", &name, "--hears", if hears == Hears::Poll { "poll" } else { "stream" }]);
            if policy == Policy::Strict {
                command.args(["--max-age", &seconds]);
            }
            command
        }
    };
    let mut process = Process::start(&mut command)?;
    let line = first_line(&mut process, "listening on ").await?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?;
    Ok(Verifier { name, hears, policy, url: line, kind, client, _process: process })
}
