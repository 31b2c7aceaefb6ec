//! Who still exchanges keys at endpoints that have a successor.

use super::{Of, Period, Seen, Uses};
use crate::{Error, attention::OldClient};
use keywright_db::Tx;
use keywright_protocol::{KeyId, Time};
use keywright_store::attention;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// Clients of one key that are named on one day. Whoever comes as more is told of together, and must not fill the database.
const CLIENTS_A_DAY: i64 = 20;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct By {
    key: KeyId,
    day: Time,
    way: &'static str,
    address: Option<IpAddr>,
    user_agent: Option<Arc<str>>,
}

/// The exchanges of a batch that gave a token at such an endpoint: how many, and the last one.
#[derive(Debug, Default)]
pub(super) struct OldWays(BTreeMap<By, (i64, Time)>);

impl OldWays {
    /// Notes one.
    pub(super) fn add(&mut self, of: Of, seen: &Seen) {
        self.add_many(of, seen, 1);
    }

    /// Notes those that were counted together already; of them the last client alone is known.
    pub(super) fn add_counted(&mut self, of: Of, uses: &Uses) {
        if let Some(last) = &uses.last {
            self.add_many(of, last, uses.issued);
        }
    }

    fn add_many(&mut self, of: Of, seen: &Seen, count: i64) {
        if !of.way.is_old() {
            return;
        }
        let by = By {
            key: of.key,
            day: Period::Day.beginning(of.hour),
            way: of.way.as_str(),
            address: seen.address.map(|address| address.to_canonical()),
            user_agent: seen.user_agent.clone(),
        };
        let (uses, last) = self.0.entry(by).or_insert((0, seen.at));
        *uses = uses.saturating_add(count);
        *last = seen.at.max(*last);
    }

    /// Adds them to what is there.
    pub(super) async fn note(&self, tx: &mut Tx) -> Result<(), Error> {
        for (By { key, day, way, address, user_agent }, (uses, last_used_at)) in &self.0 {
            let client = OldClient {
                way: (*way).to_owned(),
                address: address.map(|address| address.to_string()).unwrap_or_default(),
                user_agent: user_agent.as_deref().unwrap_or_default().to_owned(),
                uses: *uses,
                last_used_at: *last_used_at,
            };
            attention::add_old_uses(tx, *key, *day, &client, CLIENTS_A_DAY).await?;
        }
        Ok(())
    }
}
