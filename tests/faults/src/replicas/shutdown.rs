//! The drill `shutdown`: replicas behind HAProxy are asked to end, one after another, and started again, and no client sees a failure.

use super::{
    calls::{Caller, Key, Kind},
    cluster::{Cluster, REPLICAS, until_ready},
    figures::{between, percentiles},
};
use crate::world::Process;
use anyhow::{Context as _, ensure};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, process::Command, task::JoinSet, time::Instant};

/// The example that we give away.
const CONFIGURATION: &str = include_str!("../../../../deploy/haproxy/keywright.cfg");
const PROGRAM: &str = "/usr/sbin/haproxy";
/// In the example.
const LISTEN: &str = "127.0.0.1:8080";
const SERVERS: [&str; REPLICAS] = ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"];
/// Programs that ask all the time.
const CLIENTS: usize = 12;
const PAUSE: Duration = Duration::from_millis(4);
/// Within this HAProxy takes a replica in again: two checks of a quarter second.
const TAKEN_IN: Duration = Duration::from_millis(800);
const LIMIT: Duration = Duration::from_secs(30);

/// What clients have seen.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    is_over: AtomicBool,
    failures: Mutex<Vec<String>>,
    changes: Mutex<Vec<Duration>>,
}

/// Ends replicas `count` times.
pub(crate) async fn run(binary: &Path, count: usize) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(binary).await?;
    let folder = tempfile::tempdir()?;
    let front = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let _haproxy = haproxy(folder.path(), front, &cluster.urls()).await?;
    let url = format!("http://{front}");
    let owner = Caller { patience: LIMIT, ..cluster.owner.clone() };
    let key = owner.made(&url, Kind::Personal, "shutdown").await?;
    tokio::time::sleep(TAKEN_IN).await;
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(ask_on(owner.clone(), url.clone(), key.clone(), number, Arc::clone(&seen)));
    }
    tokio::time::sleep(TAKEN_IN).await;
    let mut ends = Vec::new();
    for number in 0..count {
        let (node, _) = cluster.pair(number % REPLICAS)?;
        let asked = Instant::now();
        let status = node.terminate().await?;
        ends.push(asked.elapsed());
        ensure!(status.success(), "a replica that was asked to end did not end well: {status}\n{}", node.end_of_log());
        node.start().await?;
        until_ready(&owner, node, LIMIT).await?;
        tokio::time::sleep(TAKEN_IN).await;
    }
    seen.is_over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let failures = std::mem::take(&mut *seen.failures.lock().unwrap_or_else(PoisonError::into_inner));
    let mut changes = std::mem::take(&mut *seen.changes.lock().unwrap_or_else(PoisonError::into_inner));
    println!("{count} replicas were asked to end, under load: {} requests through HAProxy, {} failed", seen.requests.load(Ordering::Relaxed), failures.len());
    println!("  from the signal to the end of the process: {}", percentiles(&mut ends));
    println!("  changes: {}", percentiles(&mut changes));
    for failure in failures.iter().take(20) {
        println!("    {failure}");
    }
    ensure!(failures.is_empty(), "{} requests failed\n{}", failures.len(), cluster.logs());
    Ok(())
}

/// HAProxy with our example, but for the addresses.
async fn haproxy(folder: &Path, front: SocketAddr, urls: &[String]) -> anyhow::Result<Process> {
    let path = folder.join("haproxy.cfg");
    fs::write(&path, configuration(&front.to_string(), urls)?)?;
    let mut command = Command::new(PROGRAM);
    command.arg("-db").arg("-f").arg(&path).stderr(fs::File::create(folder.join("haproxy.log"))?);
    let mut process = Process::start(&mut command).context("HAProxy cannot be started; on Debian: apt-get install haproxy")?;
    let started = Instant::now();
    while TcpStream::connect(front).await.is_err() {
        let log = || fs::read_to_string(folder.join("haproxy.log")).unwrap_or_default();
        ensure!(started.elapsed() < LIMIT && process.ended(Duration::from_millis(5)).await.is_err(), "HAProxy does not start: {}", log());
    }
    Ok(process)
}

/// The example with other addresses; each replica's stands there twice, in the backend of those that are ready and in that of those that run.
fn configuration(front: &str, urls: &[String]) -> anyhow::Result<String> {
    let servers = SERVERS.into_iter().zip(urls.iter().map(|url| url.trim_start_matches("http://")));
    let replaced = std::iter::once((LISTEN, front, 1)).chain(servers.map(|(from, to)| (from, to, 2)));
    replaced.into_iter().try_fold(CONFIGURATION.to_owned(), |text, (from, to, times)| {
        ensure!(text.matches(from).count() == times, "{from} must stand {times} times in deploy/haproxy/keywright.cfg");
        Ok(text.replace(from, to))
    })
}

/// One client: exchanges, asks about the token, reads, and now and then makes a key and revokes it.
async fn ask_on(owner: Caller, url: String, key: Key, number: usize, seen: Arc<Seen>) -> anyhow::Result<()> {
    let note = |what: &str, is_good: bool, answer: &super::calls::Answer| {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        if !is_good {
            let failure = format!("{what}: {:?} after {:?}: {}", answer.status, between(answer.started, answer.ended), answer.body);
            seen.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
        }
    };
    for turn in 0_usize.. {
        if seen.is_over.load(Ordering::Relaxed) {
            break;
        }
        let exchanged = owner.exchange(&url, &key).await;
        note("an exchange", exchanged.status == Some(200), &exchanged);
        if let Some(token) = exchanged.text("access_token") {
            let answer = owner.introspect(&url, &token, None).await;
            note("an introspection", answer.status == Some(200) && answer.body.get("active") == Some(&true.into()), &answer);
        }
        let answer = owner.look(&url, "").await;
        note("the identity API", answer.status == Some(200), &answer);
        if turn % 16 == number {
            let (answer, made) = owner.make_once(&url, Kind::Personal, &format!("shutdown-{number}-{turn}")).await;
            note("making a key", made.is_some(), &answer);
            if let Some(made) = made {
                let answer = owner.revoke(&url, &made).await;
                note("a revocation", answer.status == Some(200), &answer);
                seen.changes.lock().unwrap_or_else(PoisonError::into_inner).push(between(answer.started, answer.ended));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_takes_other_addresses() {
        let urls = ["http://127.0.0.1:1001".to_owned(), "http://127.0.0.1:1002".to_owned(), "http://127.0.0.1:1003".to_owned()];
        let text = configuration("127.0.0.1:1000", &urls).unwrap();
        for line in ["bind 127.0.0.1:1000", "server one   127.0.0.1:1001", "server two   127.0.0.1:1002", "server three 127.0.0.1:1003"] {
            assert!(text.contains(line), "{line}");
        }
    }
}
