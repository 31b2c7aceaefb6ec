//! What is done to the replicas while clients ask them, one after another.

use super::{
    cluster::{Cluster, REPLICAS, until_ready},
    figures::Dice,
    history::Nanos,
    proxy::Link,
    wire::Notifications,
};
use std::{collections::BTreeMap, time::Duration};

const READY: Duration = Duration::from_secs(30);
/// After each, all is well for so long.
const PEACE: Duration = Duration::from_millis(300);

/// What is done to one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It is killed, and started again after a while.
    Kill,
    /// It is suspended for longer than any lease.
    Pause,
    /// Its connections to the database are cut.
    Cut,
    /// It hears no notification.
    Silence,
    /// It does not reach the database for longer than any lease, and neither is told.
    Partition,
    /// The way to the database is long.
    Late,
}

/// In this order, over and over.
pub(crate) const FAULTS: [Fault; 6] = [Fault::Kill, Fault::Pause, Fault::Cut, Fault::Silence, Fault::Partition, Fault::Late];

/// Something that the drill must catch, to show that it would: it breaks the contract on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sabotage {
    /// The row of a replica that is cut off is deleted at once, so that nobody waits for its lease.
    Rows,
}

/// What was done.
#[derive(Default)]
pub(crate) struct Injected {
    pub(crate) faults: BTreeMap<Fault, usize>,
    /// From when to when.
    pub(crate) windows: BTreeMap<Fault, Vec<(Nanos, Nanos)>>,
    /// Notifications that were lost.
    pub(crate) dropped: u64,
    /// Connections to the database that the replicas made.
    pub(crate) connections: u64,
}

/// Does `each` of every kind.
pub(crate) async fn inject(cluster: &mut Cluster, each: usize, dice: &mut Dice, sabotage: Option<Sabotage>) -> anyhow::Result<Injected> {
    let mut injected = Injected::default();
    for _ in 0..each {
        for fault in FAULTS {
            let number = dice.below(REPLICAS);
            let from = cluster.owner.timeline.now();
            inject_one(cluster, fault, number, dice, sabotage).await?;
            injected.windows.entry(fault).or_default().push((from, cluster.owner.timeline.now()));
            *injected.faults.entry(fault).or_default() += 1;
            tokio::time::sleep(PEACE).await;
        }
    }
    injected.dropped = cluster.proxies.iter().map(super::proxy::Proxy::dropped).sum();
    injected.connections = cluster.proxies.iter().map(super::proxy::Proxy::connections).sum();
    Ok(injected)
}

async fn inject_one(cluster: &mut Cluster, fault: Fault, number: usize, dice: &mut Dice, sabotage: Option<Sabotage>) -> anyhow::Result<()> {
    let owner = cluster.owner.clone();
    let (node, proxy) = cluster.pair(number)?;
    let seconds = |from: f64, to: f64| (Duration::from_secs_f64(from), Duration::from_secs_f64(to));
    match fault {
        Fault::Kill => {
            node.kill().await?;
            let (least, most) = seconds(0.1, 1.5);
            tokio::time::sleep(dice.between(least, most)).await;
            node.start().await?;
            until_ready(&owner, node, READY).await?;
        }
        Fault::Pause => {
            node.pause().await?;
            let (least, most) = seconds(3.0, 5.0);
            tokio::time::sleep(dice.between(least, most)).await;
            node.resume().await?;
        }
        Fault::Cut => proxy.cut(),
        Fault::Silence => {
            proxy.notifications(Notifications::Dropped);
            let (least, most) = seconds(0.5, 1.5);
            tokio::time::sleep(dice.between(least, most)).await;
            proxy.notifications(Notifications::Delivered);
        }
        Fault::Partition => {
            proxy.set(Link::Hole);
            if sabotage == Some(Sabotage::Rows) {
                let address = node.url.trim_start_matches("http://").to_owned();
                cluster.postgres.query(&format!("DELETE FROM replicas WHERE address = '{address}'")).await?;
            }
            let (least, most) = seconds(2.5, 4.0);
            tokio::time::sleep(dice.between(least, most)).await;
            cluster.pair(number)?.1.set(Link::Open);
        }
        Fault::Late => {
            let (least, most) = seconds(0.02, 0.25);
            proxy.set(Link::Late(dice.between(least, most)));
            let (least, most) = seconds(1.0, 2.0);
            tokio::time::sleep(dice.between(least, most)).await;
            proxy.set(Link::Open);
        }
    }
    Ok(())
}
