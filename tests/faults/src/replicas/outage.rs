//! The drill `outage`: the database goes away in every way in which it can, and comes back.

use super::{
    cluster::{Cluster, REPLICAS},
    figures::{Bounds, Stall, between, margin, nanos, percentiles},
    history::Nanos,
    probes::{Observation, Probes, QUESTIONS, Question, Subjects},
    proxy::Link,
};
use anyhow::{Context as _, ensure};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// Answers from memory stop after this.
const LEASE: Duration = Duration::from_secs(2);
/// A lease is renewed every half second, which takes a moment: when the database goes away, at least so much of it is left.
const LEFT_OF_LEASE: Duration = Duration::from_secs(1);
/// Published: a refusal because of an outage takes no longer.
const REFUSED_WITHIN: Duration = Duration::from_millis(250);
/// Published: so long after the database is back, everything is well.
const WELL_AFTER: Duration = Duration::from_secs(2);
const PEACE: Duration = Duration::from_millis(700);
const AWAY: Duration = Duration::from_secs(4);
/// Of a slow database, each message takes so much longer.
const SLOW: Duration = Duration::from_secs(1);
/// Clients that wait all at once.
const CROWD: usize = 1_000;
/// The pools of a replica (16 to read identity and distribution each), its writers, what it keeps beside, and one to spare.
const CONNECTIONS_OF_ONE: usize = 40;
/// What a crowd may cost a replica in memory.
const CROWD_KIB: u64 = 128 * 1024;

/// How the database goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// It is shut down.
    Stopped,
    /// All its processes are suspended.
    Suspended,
    /// Connections are refused.
    Refused,
    /// Nothing comes through.
    Hole,
    /// Each message takes a second longer.
    Slow,
}

const OUTAGES: [Outage; 5] = [Outage::Stopped, Outage::Suspended, Outage::Refused, Outage::Hole, Outage::Slow];

/// When it went away and came back. Between the two of a pair it was on its way.
struct Times {
    going: Nanos,
    gone: Nanos,
    coming: Nanos,
    back: Nanos,
    /// How late this machine was meanwhile.
    stall: Duration,
}

/// Every outage, `count` times.
pub(crate) async fn run(binary: &Path, count: usize, bounds: Bounds) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(binary).await?;
    cluster.owner.patience = Duration::from_secs(35);
    cluster.owner.patience_of_changes = Duration::from_secs(35);
    let mut wrong = 0;
    for round in 0..count {
        for outage in OUTAGES {
            wrong += one(&mut cluster, (outage, round), bounds).await.with_context(|| format!("{outage:?}\n{}", cluster.logs()))?;
        }
    }
    crowd(&mut cluster, bounds).await?;
    ensure!(wrong == 0, "{wrong} answers were wrong");
    Ok(())
}

/// Answers how many answers were wrong.
async fn one(cluster: &mut Cluster, (outage, round): (Outage, usize), bounds: Bounds) -> anyhow::Result<usize> {
    let (owner, urls) = (cluster.owner.clone(), cluster.urls());
    let subjects = Arc::new(Subjects::make(&owner, &urls, &format!("{outage:?}-{round}")).await?);
    let (stall, connected) = (Stall::watch(), connections(cluster));
    let probes = Probes::start(&owner, &urls, &subjects);
    tokio::time::sleep(PEACE).await;
    probes.away();
    let going = owner.timeline.now();
    begin(cluster, outage).await?;
    let gone = owner.timeline.now();
    tokio::time::sleep(AWAY).await;
    let coming = owner.timeline.now();
    end(cluster, outage).await?;
    let back = owner.timeline.now();
    tokio::time::sleep(WELL_AFTER + Duration::from_secs(1)).await;
    let seen = probes.end().await?;
    let times = Times { going, gone, coming, back, stall: stall.take() };
    tell(outage, &seen, &times);
    println!("  the replicas tried {} connections to the database", connections(cluster) - connected);
    let told = |of: fn(&Observation, &Times) -> Option<&'static str>| -> Vec<String> {
        seen.iter().filter_map(|observation| Some(shown(observation, of(observation, &times)?, &times))).collect()
    };
    let (wrong, late) = (told(fault), told(lateness));
    for line in wrong.iter().take(20).chain(late.iter().take(20)) {
        println!("    {line}");
    }
    println!("    {} answers were wrong, {} late", wrong.len(), late.len());
    revoked_for_good(cluster, &subjects, &seen).await?;
    Ok(match bounds {
        Bounds::Asserted => wrong.len() + late.len(),
        Bounds::Told => wrong.len(),
    })
}

/// How many connections the replicas have tried; those that were refused are not seen.
fn connections(cluster: &Cluster) -> u64 {
    cluster.proxies.iter().map(super::proxy::Proxy::connections).sum()
}

async fn begin(cluster: &mut Cluster, outage: Outage) -> anyhow::Result<()> {
    match outage {
        Outage::Stopped => cluster.postgres.stop().await?,
        Outage::Suspended => cluster.postgres.pause().await?,
        Outage::Refused => cluster.proxies.iter().for_each(|proxy| proxy.set(Link::Refused)),
        Outage::Hole => cluster.proxies.iter().for_each(|proxy| proxy.set(Link::Hole)),
        Outage::Slow => cluster.proxies.iter().for_each(|proxy| proxy.set(Link::Slow(SLOW))),
    }
    Ok(())
}

async fn end(cluster: &mut Cluster, outage: Outage) -> anyhow::Result<()> {
    match outage {
        Outage::Stopped => cluster.postgres.launch().await?,
        Outage::Suspended => cluster.postgres.resume().await?,
        Outage::Refused | Outage::Hole | Outage::Slow => cluster.proxies.iter().for_each(|proxy| proxy.set(Link::Open)),
    }
    Ok(())
}

/// What is wrong with an answer, if anything is.
fn fault(observation: &Observation, times: &Times) -> Option<&'static str> {
    let Observation { question, started, ended, .. } = *observation;
    let stall = nanos(margin(times.stall));
    let is_well = match observation.status {
        Some(200) => true,
        Some(503) => false,
        Some(401) => return Some("an outage was told as a refusal (401)"),
        Some(_) => return Some("neither 200 nor 503"),
        None => return Some("no answer"),
    };
    if observation.is_inactive {
        return Some("an outage was told as `active: false`");
    }
    if !is_well && question == Question::Keys {
        return Some("the public keys are not there");
    }
    if !is_well && !observation.has_retry_after {
        return Some("503 without Retry-After");
    }
    let without_lease = times.gone + nanos(LEASE) + stall;
    if is_well && question != Question::Keys && without_lease < started && ended < times.coming {
        return Some("an answer after the lease");
    }
    None
}

/// What is late with an answer that is none of those, if anything is.
fn lateness(observation: &Observation, times: &Times) -> Option<&'static str> {
    let Observation { question, started, ended, .. } = *observation;
    let stall = nanos(margin(times.stall));
    let is_well = observation.status == Some(200);
    let within_lease = times.going + nanos(LEFT_OF_LEASE);
    if !is_well && question == Question::Warm && ended + stall < within_lease {
        return Some("no answer from memory within the lease");
    }
    if !is_well && observation.is_exchange() && nanos(REFUSED_WITHIN) + stall < ended - started {
        return Some("503, but not within 250 ms");
    }
    if !is_well && times.back + nanos(WELL_AFTER) + stall < started {
        return Some("not well again 2 s after the database was back");
    }
    None
}

fn shown(observation: &Observation, what: &str, times: &Times) -> String {
    let Observation { question, replica, started, ended, status, body, .. } = observation;
    let relative = |moment: Nanos, zero: Nanos| if zero <= moment { between(zero, moment).as_secs_f64() } else { -between(moment, zero).as_secs_f64() };
    format!(
        "{what}: {question:?} at replica {replica}, {:.3} s after it was gone, {:.3} s after it was back, took {:?}: {status:?} {body}",
        relative(*started, times.gone),
        relative(*started, times.back),
        between(*started, *ended)
    )
}

/// What was acknowledged as revoked is so in the database, whatever happened; and every replica revokes again.
async fn revoked_for_good(cluster: &Cluster, subjects: &Subjects, seen: &[Observation]) -> anyhow::Result<()> {
    let rows = cluster.postgres.query("SELECT id FROM keys WHERE revoked_at IS NOT NULL").await?;
    let revoked: HashSet<&str> = rows.iter().map(String::as_str).collect();
    for (replica, (key, node)) in subjects.doomed.iter().zip(&cluster.nodes).enumerate() {
        let acknowledged = seen.iter().any(|o| o.question == Question::Revoke && o.replica == replica && o.status == Some(200));
        ensure!(!acknowledged || revoked.contains(key.id.as_str()), "an acknowledged revocation at replica {replica} is not in the database");
        cluster.owner.revoke(&node.url, key).await.done("a revocation after the outage")?;
    }
    Ok(())
}

/// Prints what was answered, by what was asked.
fn tell(outage: Outage, seen: &[Observation], times: &Times) {
    println!(
        "{outage:?}: gone within {:?}, for {:?}, back within {:?}; this machine was at most {:?} late",
        between(times.going, times.gone),
        between(times.gone, times.coming),
        between(times.coming, times.back),
        times.stall
    );
    for question in QUESTIONS {
        let of: Vec<&Observation> = seen.iter().filter(|observation| observation.question == question).collect();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for observation in &of {
            *counts.entry(observation.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string())).or_default() += 1;
        }
        let mut refused: Vec<Duration> = of.iter().filter(|o| o.status == Some(503)).map(|o| between(o.started, o.ended)).collect();
        let last =
            of.iter().filter(|o| o.status == Some(200) && times.going < o.started && o.ended < times.coming).map(|o| between(times.gone, o.started)).max();
        let first = of.iter().filter(|o| o.status == Some(503)).map(|o| o.ended).max();
        let well = first.map_or(Duration::ZERO, |last| between(times.back, last));
        let counted: Vec<String> = counts.iter().map(|(status, count)| format!("{status} {count}")).collect();
        let last = last.map_or_else(|| "-".to_owned(), |last| format!("{:.2} s", last.as_secs_f64()));
        println!(
            "  {question:?}: {}; 503: {}; last 200 asked for {last} into it; last 503 {:.2} s after it",
            counted.join(", "),
            percentiles(&mut refused),
            well.as_secs_f64()
        );
    }
}

/// A thousand clients wait at once while nothing comes through to the database.
async fn crowd(cluster: &mut Cluster, bounds: Bounds) -> anyhow::Result<()> {
    let (owner, urls) = (cluster.owner.clone(), cluster.urls());
    let subjects = Arc::new(Subjects::make(&owner, &urls, "crowd").await?);
    let (connections, memory) = (database_connections(cluster).await?, resident(cluster)?);
    begin(cluster, Outage::Hole).await?;
    tokio::time::sleep(LEASE + Duration::from_millis(200)).await;
    let mut clients = JoinSet::new();
    for url in urls.iter().cycle().take(CROWD) {
        // A connection of its own.
        let alone = super::calls::Caller { client: reqwest::Client::builder().no_proxy().build()?, ..owner.clone() };
        let (url, subjects) = (url.clone(), Arc::clone(&subjects));
        clients.spawn(async move { alone.exchange(&url, &subjects.warm).await });
    }
    let mut refused = Vec::new();
    while let Some(answer) = clients.join_next().await {
        let answer = answer?;
        ensure!(answer.status == Some(503) && answer.retry_after.is_some(), "one of {CROWD} clients was answered {:?}: {}", answer.status, answer.body);
        refused.push(between(answer.started, answer.ended));
    }
    let (during, memory_during) = (database_connections(cluster).await?, resident(cluster)?);
    end(cluster, Outage::Hole).await?;
    let back = Instant::now();
    let limit = match bounds {
        Bounds::Asserted => WELL_AFTER + Duration::from_secs(1),
        Bounds::Told => Duration::from_secs(60),
    };
    cluster.until_ready(limit).await?;
    tokio::time::sleep(WELL_AFTER.saturating_sub(back.elapsed())).await;
    let mut after = 0;
    for url in urls.iter().cycle().take(60) {
        let answer = owner.exchange(url, &subjects.warm).await;
        if bounds == Bounds::Asserted {
            answer.done("an exchange after the outage")?;
        }
        after = after.max(database_connections(cluster).await?);
    }
    println!("{CROWD} clients at once without a lease: 503 {}", percentiles(&mut refused));
    println!(
        "  connections to the database: {connections} before, {during} during, {after} after; memory of the replicas: {memory:?} KiB before, {memory_during:?} during"
    );
    let most = REPLICAS * CONNECTIONS_OF_ONE;
    ensure!(during.max(after) <= most, "{} connections to the database, more than {most}", during.max(after));
    for (before, during) in memory.iter().zip(&memory_during) {
        ensure!(*during <= before + CROWD_KIB, "a replica grew from {before} to {during} KiB");
    }
    Ok(())
}

async fn database_connections(cluster: &Cluster) -> anyhow::Result<usize> {
    let rows = cluster.postgres.query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keywright'").await?;
    Ok(rows.concat().parse()?)
}

fn resident(cluster: &Cluster) -> anyhow::Result<Vec<u64>> {
    cluster.nodes.iter().map(super::cluster::Node::resident).collect()
}
