//! What is known of the use of keys: how often, by which secret and which way in, when last and from where.
//!
//! It is derived from the events of access when a batch of them is written, in the same transaction. An exchange does nothing for
//! it but say by which way it came in (`access_log.rs`).

mod networks;
mod old_ways;
mod report;
mod retention;
mod way;

pub use keywright_store::usage::{Contact, CountRow, LastRefusal, Period, SecretRow, UsesRow};
pub use report::{Drain, SecretState, SecretUse, Secrets, Total, Usage, UsageQuery, drain};
pub use way::{Spelling, Way};

use crate::{Core, Error};
use keywright_db::Tx;
use keywright_protocol::{KeyId, Time};
use keywright_store::usage;
use networks::Sightings;
use old_ways::OldWays;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// What uses are counted together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Of {
    /// The key.
    pub(crate) key: KeyId,
    /// Which of its secrets.
    pub(crate) version: i64,
    /// The way in.
    pub(crate) way: Way,
    /// The hour, by its beginning.
    pub(crate) hour: Time,
}

/// One exchange, issued or refused.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When.
    pub(crate) at: Time,
    /// From where.
    pub(crate) address: Option<IpAddr>,
    /// By which client.
    pub(crate) user_agent: Option<Arc<str>>,
}

/// Exchanges that are counted together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    issued: i64,
    refused: i64,
    first: Option<Time>,
    last: Option<Seen>,
    refusal: Option<(Seen, &'static str)>,
}

/// By what they are counted together by.
pub(crate) type ByHour = BTreeMap<Of, Uses>;

impl Uses {
    /// Counts one more; `refused` is the code, if it was.
    pub(crate) fn add(&mut self, seen: Seen, refused: Option<&'static str>) {
        self.merge(match refused {
            None => Self { issued: 1, first: Some(seen.at), last: Some(seen), ..Self::default() },
            Some(code) => Self { refused: 1, refusal: Some((seen, code)), ..Self::default() },
        });
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.issued.saturating_add(self.refused)).unwrap_or_default()
    }

    fn merge(&mut self, more: Self) {
        self.issued = self.issued.saturating_add(more.issued);
        self.refused = self.refused.saturating_add(more.refused);
        self.first = [self.first, more.first].into_iter().flatten().min();
        if more.last.as_ref().is_some_and(|later| self.last.as_ref().is_none_or(|last| last.at <= later.at)) {
            self.last = more.last;
        }
        if more.refusal.as_ref().is_some_and(|(later, _)| self.refusal.as_ref().is_none_or(|(last, _)| last.at <= later.at)) {
            self.refusal = more.refusal;
        }
    }

    /// As it is stored.
    fn row(self, (key_id, version, way): (KeyId, i64, Way)) -> UsesRow {
        UsesRow {
            key_id,
            version,
            way: way.as_str().to_owned(),
            issued: self.issued,
            refused: self.refused,
            first_used_at: self.first,
            last_use: self.last.as_ref().map(Seen::contact),
            last_refusal: self.refusal.map(|(seen, code)| LastRefusal { contact: seen.contact(), reason: code.to_owned() }),
        }
    }
}

impl Seen {
    fn contact(&self) -> Contact {
        let address = self.address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
        Contact { at: self.at, address, user_agent: self.user_agent.as_deref().unwrap_or_default().to_owned() }
    }
}

/// What a batch says of the use of keys.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    uses: ByHour,
    networks: Sightings,
    old_ways: OldWays,
}

impl Gathered {
    /// Begins with what was counted together already; of that, each last use is known alone.
    pub(crate) fn new(counted: &ByHour) -> Self {
        let mut gathered = Self { uses: counted.clone(), ..Self::default() };
        for (of, uses) in counted {
            if let Some(last) = &uses.last {
                gathered.networks.add(of.key, last);
            }
            gathered.old_ways.add_counted(*of, uses);
        }
        gathered
    }

    /// Counts one exchange more; `refused` is the code, if it was.
    pub(crate) fn add(&mut self, of: Of, seen: Seen, refused: Option<&'static str>) {
        if refused.is_none() {
            self.networks.add(of.key, &seen);
            self.old_ways.add(of, &seen);
        }
        self.uses.entry(of).or_default().add(seen, refused);
    }

    /// One row for each key, version and way.
    fn rows(&self) -> impl Iterator<Item = UsesRow> {
        let mut together: BTreeMap<(KeyId, i64, Way), Uses> = BTreeMap::new();
        for (Of { key, version, way, .. }, uses) in &self.uses {
            together.entry((*key, *version, *way)).or_default().merge(uses.clone());
        }
        together.into_iter().map(|(of, uses)| uses.row(of))
    }

    /// One row for each key, period and version.
    fn counts(&self) -> impl Iterator<Item = (KeyId, Period, CountRow)> {
        let mut together: BTreeMap<(KeyId, Period, Time, i64), (i64, i64)> = BTreeMap::new();
        for (Of { key, version, hour, .. }, uses) in &self.uses {
            for period in Period::ALL {
                let (issued, refused) = together.entry((*key, period, period.beginning(*hour), *version)).or_default();
                (*issued, *refused) = (issued.saturating_add(uses.issued), refused.saturating_add(uses.refused));
            }
        }
        together.into_iter().map(|((key, period, begins_at, version), (issued, refused))| (key, period, CountRow { begins_at, version, issued, refused }))
    }
}

impl Core {
    /// Adds what a batch says to what is known: one row of each kind for whatever is counted together, however many events there were.
    pub(crate) async fn add_usage(&self, tx: &mut Tx, gathered: &Gathered) -> Result<(), Error> {
        // First: whether a key was used before is asked there.
        for news in gathered.networks.note(tx).await? {
            self.tell_new_network(tx, news.key, news.address, &news.user_agent, news.at).await?;
            let (key_id, client) = (news.key, news.address);
            tx.on_commit(move || tracing::info!(%key_id, %client, "a key was used from a new network"));
        }
        gathered.old_ways.note(tx).await?;
        usage::add(tx, &gathered.rows().collect::<Vec<_>>()).await?;
        Ok(usage::add_counts(tx, &gathered.counts().collect::<Vec<_>>()).await?)
    }
}
