//! From which networks keys are used, and when one comes from where it has not been.

use super::{Seen, retention::NETWORKS_KEPT};
use crate::Error;
use ipnet::IpNet;
use keywright_db::Tx;
use keywright_protocol::{KeyId, Time};
use keywright_store::usage::{self, NetworkRow};
use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    time::Duration,
};

/// What counts as one network: as much of an address as one site usually has.
const V4_PREFIX: u8 = 24;
const V6_PREFIX: u8 = 48;
/// The time of a network's last use is written anew when the written one is older than this, so that a key in constant use costs one
/// read a batch and no write.
const REWRITTEN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Networks that are kept of one key. Whoever comes from more has been told often enough, and must not fill the database.
const NETWORKS: i64 = 1_000;

/// A key was used from outside of all networks of the last 90 days, and not for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewNetwork {
    pub(super) key: KeyId,
    pub(super) address: IpAddr,
    pub(super) user_agent: String,
    pub(super) at: Time,
}

/// The first and the last use from a network in a batch.
#[derive(Debug)]
struct Sighting {
    first: Seen,
    last: Time,
}

/// The networks of a batch, each once a key.
#[derive(Debug, Default)]
pub(super) struct Sightings(BTreeMap<(KeyId, IpNet), Sighting>);

/// The network of an address. One of IPv4 that was mapped into IPv6 is one of IPv4.
fn network_of(address: IpAddr) -> Option<IpNet> {
    let address = address.to_canonical();
    let prefix = if address.is_ipv4() { V4_PREFIX } else { V6_PREFIX };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}

impl Sightings {
    /// Notes that a key was used. What came from nowhere that is known has no network.
    pub(super) fn add(&mut self, key: KeyId, seen: &Seen) {
        let Some(network) = seen.address.and_then(network_of) else { return };
        let sighting = self.0.entry((key, network)).or_insert_with(|| Sighting { first: seen.clone(), last: seen.at });
        sighting.last = sighting.last.max(seen.at);
        if seen.at < sighting.first.at {
            sighting.first = seen.clone();
        }
    }

    /// Writes the networks, and answers those that are new to a key that was used before. To be called before the uses of the same
    /// batch are written.
    pub(super) async fn note(&self, tx: &mut Tx) -> Result<Vec<NewNetwork>, Error> {
        let mut in_order: Vec<_> = self.0.iter().collect();
        in_order.sort_by_key(|((key, network), sighting)| (*key, sighting.first.at, *network));
        let (mut news, mut used) = (Vec::new(), HashSet::new());
        for ((key, network), Sighting { first, last }) in in_order {
            let network = network.to_string();
            let written = usage::find_network(tx, *key, &network).await?;
            if written.is_none() && usage::count_networks(tx, *key).await? >= NETWORKS {
                continue;
            }
            let is_known = written.is_some_and(|written| first.at <= written.plus(NETWORKS_KEPT));
            let is_news = !is_known && (used.contains(key) || usage::was_used(tx, *key).await?);
            used.insert(*key);
            if written.is_none_or(|written| written.plus(REWRITTEN_AFTER) <= *last) {
                usage::put_network(tx, *key, &NetworkRow { network, last_used_at: *last, news_at: is_news.then_some(first.at) }).await?;
            }
            if let Some(address) = first.address.filter(|_| is_news) {
                let user_agent = first.user_agent.as_deref().unwrap_or_default().to_owned();
                news.push(NewNetwork { key: *key, address: address.to_canonical(), user_agent, at: first.at });
            }
        }
        Ok(news)
    }
}
