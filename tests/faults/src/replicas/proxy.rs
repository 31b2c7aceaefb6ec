//! The way between a replica and PostgreSQL, and everything that can be wrong with it.

use super::wire::{Filter, Notifications};
use anyhow::Context as _;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

/// How a way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// As it should be.
    Open,
    /// Nobody listens, and whoever was connected is cut off.
    Refused,
    /// Connections are made and stay, and nothing comes through until that ends.
    Hole,
    /// Everything comes later by so much, in both directions.
    Late(Duration),
    /// One piece after another takes so much, in both directions: what is said in many pieces takes many times as long.
    Slow(Duration),
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    link: Link,
    notifications: Notifications,
    /// Counts: connections of an earlier count are cut off.
    cuts: u64,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    dropped: AtomicU64,
}

/// A listening address that leads to another one. It ends with this.
pub(crate) struct Proxy {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    counts: Arc<Counts>,
    _task: JoinSet<()>,
}

impl Proxy {
    /// Listens on a port of its own.
    pub(crate) async fn start(upstream: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the proxy")?;
        let address = listener.local_addr()?;
        let (rules, seen) = watch::channel(Rules { link: Link::Open, notifications: Notifications::Delivered, cuts: 0 });
        let counts = Arc::new(Counts::default());
        let mut task = JoinSet::new();
        task.spawn(listen(listener, upstream, seen, Arc::clone(&counts)));
        Ok(Self { address, rules, counts, _task: task })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the way is like that.
    pub(crate) fn set(&self, link: Link) {
        self.rules.send_modify(|rules| rules.link = link);
    }

    /// From now on notifications go on, or are lost.
    pub(crate) fn notifications(&self, notifications: Notifications) {
        self.rules.send_modify(|rules| rules.notifications = notifications);
    }

    /// Cuts off whoever is connected now.
    pub(crate) fn cut(&self) {
        self.rules.send_modify(|rules| rules.cuts += 1);
    }

    /// How many notifications were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// How many connections were made through it.
    pub(crate) fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }
}

/// Waits until the rules are so; for ever, if nobody can change them any more.
async fn until(rules: &mut watch::Receiver<Rules>, is_so: impl FnMut(&Rules) -> bool) {
    if rules.wait_for(is_so).await.is_err() {
        std::future::pending().await
    }
}

async fn listen(listener: TcpListener, upstream: SocketAddr, mut rules: watch::Receiver<Rules>, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    let Ok(address) = listener.local_addr() else { return };
    let mut listening = Some(listener);
    loop {
        match &listening {
            None => {
                until(&mut rules, |rules| rules.link != Link::Refused).await;
                listening = TcpListener::bind(address).await.ok();
                if listening.is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Some(listener) => {
                tokio::select! {
                    () = until(&mut rules, |rules| rules.link == Link::Refused) => listening = None,
                    Ok((stream, _)) = listener.accept() => {
                        counts.connections.fetch_add(1, Ordering::Relaxed);
                        connections.spawn(carry(stream, upstream, rules.clone(), Arc::clone(&counts)));
                    }
                    Some(_) = connections.join_next(), if !connections.is_empty() => {}
                }
            }
        }
    }
}

async fn carry(client: TcpStream, upstream: SocketAddr, mut rules: watch::Receiver<Rules>, counts: Arc<Counts>) {
    let mine = rules.borrow().cuts;
    let mut way = rules.clone();
    let carried = async {
        until(&mut way, |rules| rules.link != Link::Hole).await;
        let Ok(server) = TcpStream::connect(upstream).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let asking = pump(from_client, to_server, way.clone(), None);
        let answering = pump(from_server, to_client, way.clone(), Some((Filter::default(), counts)));
        tokio::join!(asking, answering);
    };
    tokio::select! {
        () = until(&mut rules, |rules| rules.cuts != mine || rules.link == Link::Refused) => {}
        () = carried => {}
    }
}

/// One direction of a connection, to its end.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, rules: watch::Receiver<Rules>, mut filter: Option<(Filter, Arc<Counts>)>) {
    // What waits in here is what is under way.
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let seen = rules.clone();
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = from.read(&mut buffer).await
            && let Some(read) = buffer.get(..count).filter(|read| !read.is_empty())
        {
            let Rules { link, notifications, .. } = *seen.borrow();
            let due = if let Link::Late(by) = link { Instant::now() + by } else { Instant::now() };
            let mut piece = Vec::with_capacity(count);
            match &mut filter {
                Some((filter, counts)) => drop(counts.dropped.fetch_add(filter.pass(read, notifications, &mut piece), Ordering::Relaxed)),
                None => piece.extend_from_slice(read),
            }
            if sender.send((due, piece)).await.is_err() {
                break;
            }
        }
    };
    let writing = async move {
        let mut rules = rules;
        while let Some((due, piece)) = pieces.recv().await {
            // A sleep that is over already takes a millisecond, which is as long as all the rest of the way.
            if Instant::now() < due {
                tokio::time::sleep_until(due).await;
            }
            hold(&mut rules).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

/// Waits for as long as a piece has to wait now.
async fn hold(rules: &mut watch::Receiver<Rules>) {
    loop {
        until(rules, |rules| rules.link != Link::Hole).await;
        let link = rules.borrow().link;
        let Link::Slow(by) = link else { return };
        tokio::select! {
            () = tokio::time::sleep(by) => return,
            () = until(rules, |rules| rules.link != link) => {}
        }
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
