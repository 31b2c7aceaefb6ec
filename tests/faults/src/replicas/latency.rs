//! The drill `latency`: how long an acknowledgement takes, and when a revoked key was accepted for the last time, at any of three replicas.

use super::{
    calls::{Caller, Key, Kind},
    cluster::{Cluster, until_ready},
    figures::{Bounds, Dice, Stall, between, margin, percentiles},
    history::Nanos,
    wire::Notifications,
};
use anyhow::{Context as _, bail, ensure};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// Programs at each replica that exchange the key that is revoked.
const EXCHANGERS: usize = 2;
/// Between two exchanges of such a one: together they are no load.
const PAUSE: Duration = Duration::from_millis(8);
/// Programs that make the load, all replicas together.
const LOADERS: usize = 12;
/// How long the load is raised to find out how much is possible.
const CALIBRATION: Duration = Duration::from_secs(2);
/// Of what is possible.
const SHARE: f64 = 0.7;
/// Published: no acknowledgement takes longer than every lease of before it, and the round after it.
const BOUND: Duration = Duration::from_millis(2_400 + 250);
/// Published: without any notification replicas hear of a change when they ask by themselves.
const BOUND_WITHOUT_NOTIFICATIONS: Duration = Duration::from_millis(750);

/// One stands still for as many of the revocations.
const STILL: usize = 25;
/// Published: whoever stood still for that long is not waited for any more, as soon as another one has looked, which is every half second.
const FORGOTTEN: Duration = Duration::from_millis(2_400 + 1_000);

/// What else goes on meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Idle,
    Load,
    NoNotifications,
}

/// One replica stands still: the first change waits until its lease is over, and when it is forgotten changes are as fast as ever. It goes on
/// and finds its lease over. Answers how many acknowledgements took longer than is published.
async fn stand_still(cluster: &mut Cluster, count: usize) -> anyhow::Result<usize> {
    let (stall, mut dice, mut late) = (Stall::watch(), Dice::new(count as u64), 0);
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for number in 0..count {
        let still = dice.below(cluster.nodes.len());
        let urls: Vec<String> = cluster.urls().into_iter().enumerate().filter(|(at, _)| *at != still).map(|(_, url)| url).collect();
        let at = dice.one_of(&urls).context("there are others")?.clone();
        let owner = cluster.owner.clone();
        let (one, two) =
            (owner.made(&at, Kind::Personal, &format!("first-{number}")).await?, owner.made(&at, Kind::Personal, &format!("later-{number}")).await?);
        let node = cluster.nodes.get(still).context("there is such a replica")?;
        owner.token(&node.url, &one).await?;
        let stopped = Instant::now();
        node.pause().await?;
        for (key, times, bound) in [(&one, &mut first, BOUND), (&two, &mut later, BOUND_WITHOUT_NOTIFICATIONS)] {
            stall.take();
            let revoked = owner.revoke(&at, key).await.done("a key could not be revoked")?;
            let (took, machine) = (between(revoked.started, revoked.ended), stall.take());
            if bound + margin(machine) < took {
                println!("    an acknowledgement took {took:?}; published: {bound:?} at most, and this machine was {machine:?} late meanwhile");
                late += 1;
            }
            times.push(took);
            tokio::time::sleep_until(stopped + FORGOTTEN).await;
        }
        node.resume().await?;
        let answer = owner.exchange(&node.url, &one).await;
        ensure!(answer.status != Some(200), "whoever stood still accepted what was revoked meanwhile");
        until_ready(&owner, node, Duration::from_secs(20)).await?;
    }
    println!("One of three stands still, {count} times; 0 acceptances by it when it goes on");
    println!("  acknowledgement of the first change: {}", percentiles(&mut first));
    println!("  of one after it is forgotten: {}", percentiles(&mut later));
    Ok(late)
}

/// What was seen of one revocation.
struct Seen {
    acknowledgement: Duration,
    /// From the request, which is before the commit, to the answer that accepted the key for the last time.
    last_accepted: Duration,
    accepted: usize,
}

/// Revokes `count` keys in each setting.
pub(crate) async fn run(binary: &Path, count: usize, bounds: Bounds) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(binary).await?;
    cluster.owner.patience_of_changes = Duration::from_secs(30);
    let most = calibrate(&cluster).await?;
    println!("{most:.0} exchanges a second are possible; the load is {:.0} %", SHARE * 100.0);
    let mut late = 0;
    for setting in [Setting::Idle, Setting::Load, Setting::NoNotifications] {
        late += measure(&cluster, setting, count, most).await.with_context(|| format!("{setting:?}\n{}", cluster.logs()))?;
    }
    late += stand_still(&mut cluster, (count / STILL).max(1)).await.with_context(|| format!("one stands still\n{}", cluster.logs()))?;
    ensure!(late == 0 || bounds == Bounds::Told, "{late} acknowledgements took longer than is published");
    Ok(())
}

/// Answers how many acknowledgements took longer than is published.
async fn measure(cluster: &Cluster, setting: Setting, count: usize, most: f64) -> anyhow::Result<usize> {
    let load = if setting == Setting::Load { Some(Load::start(cluster, Some(most * SHARE)).await?) } else { None };
    if setting == Setting::NoNotifications {
        cluster.proxies.iter().for_each(|proxy| proxy.notifications(Notifications::Dropped));
    }
    let (stall, urls, mut dice) = (Stall::watch(), cluster.urls(), Dice::new(count as u64));
    let (mut acknowledgements, mut last, mut accepted, mut worst_stall, mut beyond) = (Vec::new(), Vec::new(), 0, Duration::ZERO, 0);
    for number in 0..count {
        stall.take();
        let at = dice.one_of(&urls).context("there are replicas")?;
        let seen = revoke_one(&cluster.owner, &urls, at, &format!("{setting:?}-{number}")).await?;
        let late = stall.take();
        let bound = if setting == Setting::NoNotifications { BOUND_WITHOUT_NOTIFICATIONS } else { BOUND };
        if bound + margin(late) < seen.acknowledgement {
            println!("    an acknowledgement took {:?}; published: {bound:?} at most, and this machine was {late:?} late meanwhile", seen.acknowledgement);
            beyond += 1;
        }
        acknowledgements.push(seen.acknowledgement);
        last.push(seen.last_accepted);
        accepted += seen.accepted;
        worst_stall = worst_stall.max(late);
    }
    let (rate, unavailable) = match load {
        Some(load) => load.end().await?,
        None => (0.0, 0),
    };
    cluster.proxies.iter().for_each(|proxy| proxy.notifications(Notifications::Delivered));
    println!(
        "{setting:?}: {count} revocations, {accepted} acceptances of their keys before, 0 that began after the acknowledgement; load {rate:.0} a second, {unavailable} times 503"
    );
    println!("  acknowledgement: {}", percentiles(&mut acknowledgements));
    println!("  request to last acceptance anywhere: {}", percentiles(&mut last));
    println!("  this machine was at most {:.1} ms late", worst_stall.as_secs_f64() * 1000.0);
    Ok(beyond)
}

/// What one of the exchangers saw.
struct Last {
    started: Nanos,
    ended: Nanos,
    count: usize,
}

async fn revoke_one(owner: &Caller, urls: &[String], at: &str, name: &str) -> anyhow::Result<Seen> {
    let key = owner.made(at, Kind::Personal, name).await?;
    let running = Arc::new(AtomicUsize::new(0));
    let mut exchangers = JoinSet::new();
    for url in urls.iter().flat_map(|url| std::iter::repeat_n(url, EXCHANGERS)) {
        exchangers.spawn(exchange_until_refused(owner.clone(), url.clone(), key.clone(), Arc::clone(&running)));
    }
    let started = Instant::now();
    while running.load(Ordering::Relaxed) < urls.len() * EXCHANGERS {
        ensure!(started.elapsed() < Duration::from_secs(20), "a good key is not accepted everywhere");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let revoked = owner.revoke(at, &key).await.done("a key could not be revoked")?;
    let mut seen = Seen { acknowledgement: between(revoked.started, revoked.ended), last_accepted: Duration::ZERO, accepted: 0 };
    while let Some(last) = exchangers.join_next().await {
        let last = last??;
        ensure!(
            last.started <= revoked.ended,
            "a key was accepted that was asked for {:?} after its revocation was acknowledged",
            between(revoked.ended, last.started)
        );
        seen.last_accepted = seen.last_accepted.max(between(revoked.started, last.ended));
        seen.accepted += last.count;
    }
    Ok(seen)
}

async fn exchange_until_refused(owner: Caller, url: String, key: Key, running: Arc<AtomicUsize>) -> anyhow::Result<Last> {
    let mut last: Option<Last> = None;
    loop {
        let answer = owner.exchange(&url, &key).await;
        match (answer.status, &mut last) {
            (Some(200), Some(last)) => (last.started, last.ended, last.count) = (answer.started, answer.ended, last.count + 1),
            (Some(200), None) => {
                last = Some(Last { started: answer.started, ended: answer.ended, count: 1 });
                running.fetch_add(1, Ordering::Relaxed);
            }
            (Some(401), _) => return last.context("a good key was refused"),
            (Some(503), _) => {}
            (status, _) => bail!("an exchange was answered {status:?}: {}", answer.body),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Programs that exchange keys, as fast as they can or as often as they are told.
struct Load {
    tasks: JoinSet<anyhow::Result<()>>,
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    unavailable: Arc<AtomicU64>,
    started: Instant,
}

impl Load {
    async fn start(cluster: &Cluster, rate: Option<f64>) -> anyhow::Result<Self> {
        let (is_over, done, unavailable, mut tasks) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), JoinSet::new());
        let period = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(LOADERS as f64 / rate.max(1.0)));
        let urls = cluster.urls();
        let key = cluster.owner.made(urls.first().context("there are replicas")?, Kind::Personal, "load").await?;
        for (number, url) in urls.iter().cycle().take(LOADERS).enumerate() {
            let (owner, url, key) = (cluster.owner.clone(), url.clone(), key.clone());
            let (is_over, done, unavailable) = (Arc::clone(&is_over), Arc::clone(&done), Arc::clone(&unavailable));
            tasks.spawn(async move {
                let share = u32::try_from(number)?;
                let mut next = Instant::now() + period.saturating_mul(share) / u32::try_from(LOADERS)?;
                while !is_over.load(Ordering::Relaxed) {
                    tokio::time::sleep_until(next).await;
                    let answer = owner.exchange(&url, &key).await;
                    match answer.status {
                        Some(200) => done.fetch_add(1, Ordering::Relaxed),
                        // A machine that has no time left may come too late to renew a lease.
                        Some(503) => unavailable.fetch_add(1, Ordering::Relaxed),
                        status => bail!("an exchange under load was answered {status:?}: {}", answer.body),
                    };
                    // Whoever is late does not catch up: that would be another load.
                    next = (next + period).max(Instant::now());
                }
                Ok(())
            });
        }
        Ok(Self { tasks, is_over, done, unavailable, started: Instant::now() })
    }

    /// How many there were in a second, and how many were answered 503.
    async fn end(mut self) -> anyhow::Result<(f64, u64)> {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task??;
        }
        let rate = self.done.load(Ordering::Relaxed) as f64 / self.started.elapsed().as_secs_f64();
        Ok((rate, self.unavailable.load(Ordering::Relaxed)))
    }
}

async fn calibrate(cluster: &Cluster) -> anyhow::Result<f64> {
    let load = Load::start(cluster, None).await?;
    tokio::time::sleep(CALIBRATION).await;
    Ok(load.end().await?.0)
}
