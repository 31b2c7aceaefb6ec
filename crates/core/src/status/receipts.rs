//! Receipts: who has heard of a change, and who could still act as if it had not happened.

use super::{
    concerns_verifiers,
    readers::{Reader, WRITTEN_EVERY},
};
use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
};
use keywright_db::Tx;
use keywright_protocol::{
    OrganizationId, Position, Time,
    status::RECEIPT_TYPE,
    status::receipt::{Receipt, ReceiptState, ReplicaLine, VerifierLine, Worst},
};
use keywright_store::{
    changes::{self, Change},
    log::{self, EventRow},
    replicas::{self, ReplicaRow},
    settings,
    verifiers::{self, VerifierRow},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use uuid::Uuid;

/// What whoever asks must be permitted in an organization that the change was in.
const VIEW: &str = "organization.activity.view";
/// Longer than this, a verifier that is away is none any more.
const AWAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Verifiers that are looked at; those who left first come first, so that no crowd of later ones hides them.
const MOST: i64 = 10_000;
/// Of these in a receipt, those who have not confirmed before the others.
const MOST_NAMED: usize = 1_000;
/// What verifiers add to a token's `exp`, at most.
const LEEWAY: Duration = Duration::from_secs(30);
const NONE: Error = Error::Absent("there is no change with that revision; ask with what Keywright-Revision said, for example 1.42");

/// A receipt, and what it is of.
#[derive(Debug)]
pub struct ReceiptOf {
    /// As it is now.
    pub receipt: Receipt,
    /// Whether a token was out that the change ended, or that a revoked key had signed; otherwise verifiers have nothing to hear.
    pub concerns_tokens: bool,
    /// What was done, in the words of the activity.
    pub action: String,
    /// To what, mostly by its id.
    pub subject: String,
    /// More about it, such as a key's name; empty if there is nothing more.
    pub reason: String,
}

/// What a change is made of, and its events; of what is no change, or touched nothing that anybody remembers, there is no receipt.
async fn what_happened(tx: &mut Tx, revision: Position) -> Result<(Vec<Change>, Vec<EventRow>), Error> {
    let change = changes::list_at(tx, revision).await?;
    let events = log::list_changes_at(tx, revision.n).await?;
    if change.is_empty() || events.is_empty() { Err(NONE) } else { Ok((change, events)) }
}

impl Core {
    /// The receipt of a change as it is now.
    ///
    /// # Errors
    /// [`Error::Absent`] for a revision of which whoever asks may not see the events, or that took part in nothing.
    pub async fn receipt(self: &Arc<Self>, ctx: &Context, revision: Position) -> Result<ReceiptOf, Error> {
        let (core, ctx, asked) = (Arc::clone(self), ctx.clone(), ctx.now);
        let read = self.db.read(move |tx| {
            Box::pin(async move {
                let (change, events) = what_happened(tx, revision).await?;
                let (sees_addresses, event) = core.may_see(tx, &ctx, &events).await?;
                let ended = change.iter().map(|change| change.bits.len()).sum();
                let is_told = change.iter().any(concerns_verifiers);
                let known = verifiers::list_seen_since(tx, event.at.minus(AWAY).min(asked), revision, MOST).await?;
                // The last one there tells of the whole, where several are told of one by one.
                let told = events.iter().rfind(|last| last.organization_id == event.organization_id).unwrap_or(event).clone();
                let others = replicas::list(tx).await?;
                Ok::<_, Error>((Found { at: event.at, ended, is_told, known, sees_addresses, others }, told))
            })
        });
        let (found, event) = read.await?;
        let is_told = found.is_told;
        Ok(ReceiptOf {
            receipt: self.fill(revision, found, asked),
            concerns_tokens: is_told,
            action: event.action,
            subject: event.subject,
            reason: event.reason,
        })
    }

    /// Whether there is a receipt of a change for whoever asks.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn has_receipt(self: &Arc<Self>, ctx: &Context, revision: Position) -> Result<bool, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let read = self.db.read(move |tx| {
            Box::pin(async move {
                let (_, events) = what_happened(tx, revision).await?;
                core.may_see(tx, &ctx, &events).await.map(|_| ())
            })
        });
        match read.await {
            Ok(()) => Ok(true),
            Err(Error::Absent(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A receipt as a JWS.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no key to sign with.
    pub fn sign_receipt(&self, receipt: &Receipt) -> Result<String, Error> {
        let payload = serde_json::to_vec(receipt).map_err(|_| Error::Internal("a receipt cannot be written"))?;
        self.keyring().status()?.sign_document(RECEIPT_TYPE, &payload)
    }

    /// The first of these events that somebody may see, or did himself; and whether he runs the installation, so that its addresses are his to see.
    async fn may_see<'e>(&self, tx: &mut Tx, ctx: &Context, events: &'e [EventRow]) -> Result<(bool, &'e EventRow), Error> {
        let operator = settings::find(tx, settings::OPERATOR_ORGANIZATION).await?.and_then(|id| id.parse::<OrganizationId>().ok());
        let runs_it = match operator {
            Some(operator) => match self.authority(tx, ctx, operator).await {
                Ok(authority) => authority.by == By::Host || authority.may(VIEW),
                Err(error) if error.is_outage() => return Err(error),
                Err(_) => false,
            },
            None => false,
        };
        if let (true, Some(first)) = (runs_it, events.first()) {
            return Ok((true, first));
        }
        for event in events {
            let did_it = |authority: &Authority| authority.by.for_log() == (event.actor_kind.as_str(), event.actor_id);
            // Whoever did it himself sees what came of it, as do those who will look at a suspended organization's log when it is resumed.
            let sees = match self.authority(tx, ctx, event.organization_id).await {
                Ok(authority) => authority.may(VIEW) || did_it(&authority),
                Err(error) if error.is_outage() => return Err(error),
                Err(_) => {
                    let later = self.authority_when_resumed(tx, ctx, event.organization_id).await?;
                    later.is_some_and(|later| later.may(VIEW)) || self.did_from_root(tx, ctx, event, did_it).await?
                }
            };
            if sees {
                return Ok((false, event));
            }
        }
        Err(NONE)
    }

    /// Whether something in an organization that is not there any more was done by whoever asks, who is at home in its root.
    async fn did_from_root(&self, tx: &mut Tx, ctx: &Context, event: &EventRow, did_it: impl Fn(&Authority) -> bool) -> Result<bool, Error> {
        match self.authority(tx, ctx, event.root_id).await {
            Ok(authority) => Ok(did_it(&authority)),
            Err(error) if error.is_outage() => Err(error),
            Err(_) => Ok(false),
        }
    }

    fn fill(&self, revision: Position, found: Found, now: Time) -> Receipt {
        let Found { at, ended, is_told, known, sees_addresses, mut others } = found;
        if !sees_addresses {
            others.iter_mut().for_each(|row| row.address.clear());
        }
        let there: HashMap<Uuid, Reader> = self.status.readers.there().into_iter().map(|reader| (reader.row.id, reader)).collect();
        let left = self.status.readers.left();
        let mut confirmed: HashMap<Uuid, Time> = HashMap::new();
        for reader in there.values().chain(&left) {
            let first = reader.unwritten.iter().filter(|(position, _)| *position >= revision).map(|(_, when)| *when).min();
            confirmed.extend(first.map(|first| (reader.row.id, first)));
        }
        let mut rows: HashMap<Uuid, (VerifierRow, Option<Time>)> = known.into_iter().map(|(row, when)| (row.id, (row, when))).collect();
        for reader in there.values().chain(&left) {
            rows.entry(reader.row.id).or_insert_with(|| (reader.row.clone(), None));
        }
        // Tokens from before the change expire by then, wherever they are shown.
        let last_expiry = self.tokens_end_by(at).plus(LEEWAY);
        let mut verifiers: Vec<VerifierLine> = rows
            .into_values()
            .filter(|_| is_told)
            .filter_map(|(row, written)| {
                let when = written.into_iter().chain(confirmed.get(&row.id).copied()).min();
                let reader = there.get(&row.id);
                let has_applied = when.is_some() || reader.is_some_and(|reader| reader.applied.is_some_and(|applied| applied >= revision));
                // Whoever left before the change and had nothing to do with it is of no interest once his tokens are over.
                if !has_applied && reader.is_none() && row.seen_at.plus(AWAY) < now {
                    return None;
                }
                let deaf = row.max_age.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default()));
                let seen_at = reader.map_or_else(|| row.seen_at.plus(WRITTEN_EVERY), |reader| reader.row.seen_at);
                let until = deaf.map_or(last_expiry, |deaf| seen_at.plus(deaf).min(last_expiry));
                // Whoever came later began with lists that had it.
                if has_applied && row.came_at.is_some_and(|came| at < came) {
                    return None;
                }
                // Whoever had gone deaf before the change could accept nothing by then: it is none of its business.
                if !has_applied && reader.is_none() && until <= at {
                    return None;
                }
                let state = match (has_applied, reader.is_some()) {
                    (true, _) => ReceiptState::Confirmed,
                    (false, true) => ReceiptState::Waiting,
                    (false, false) => ReceiptState::Away,
                };
                Some(VerifierLine {
                    name: row.name,
                    version: row.version,
                    address: sees_addresses.then_some(row.address),
                    state,
                    confirmed_at: when,
                    milliseconds: when.map(|when| millis_between(at, when)),
                    last_seen_at: reader.map_or(row.seen_at, |reader| reader.row.seen_at),
                    could_accept_until: (!has_applied).then_some(until),
                })
            })
            .collect();
        let order = |line: &VerifierLine| (line.state == ReceiptState::Confirmed, line.name.clone(), line.version.clone(), line.confirmed_at);
        verifiers.sort_by_cached_key(order);
        let replicas = self.replica_lines((revision, at), others);
        let worst = |state: ReceiptState| verifiers.iter().filter(move |line| line.state == state);
        let still = worst(ReceiptState::Waiting).chain(worst(ReceiptState::Away)).filter_map(|line| line.could_accept_until).max();
        let more_verifiers = verifiers.len().saturating_sub(MOST_NAMED);
        verifiers.truncate(MOST_NAMED);
        Receipt {
            more_verifiers,
            iss: self.issuer.clone(),
            revision: revision.to_string(),
            changed_at: at,
            as_of: now,
            ended_generations: ended,
            replicas,
            at_worst: Worst { known_verifiers: still, without_feed: last_expiry },
            verifiers,
        }
    }

    /// How far the servers are, the one that is asked first.
    fn replica_lines(&self, (revision, at): (Position, Time), others: Vec<ReplicaRow>) -> Vec<ReplicaLine> {
        let applied_at = self.status.applied_at(revision);
        let me = self.instance();
        let my_address = others.iter().find(|row| Some(row.instance) == me).map(|row| row.address.clone());
        let mine = ReplicaLine {
            state: ReceiptState::Confirmed,
            address: my_address.filter(|address| !address.is_empty()),
            confirmed_at: applied_at,
            milliseconds: applied_at.map(|when| millis_between(at, when)),
        };
        let other = |row: ReplicaRow| ReplicaLine {
            state: if revision <= row.applied { ReceiptState::Confirmed } else { ReceiptState::Waiting },
            address: Some(row.address).filter(|address| !address.is_empty()),
            // Its row says that it has, and not since when.
            confirmed_at: None,
            milliseconds: None,
        };
        std::iter::once(mine).chain(others.into_iter().filter(|row| Some(row.instance) != me).map(other)).collect()
    }
}

struct Found {
    at: Time,
    ended: usize,
    /// Whether verifiers have something to hear; of a change that ended no token they are not told.
    is_told: bool,
    known: Vec<(VerifierRow, Option<Time>)>,
    sees_addresses: bool,
    /// The rows of replicas, this one's among them.
    others: Vec<ReplicaRow>,
}

fn millis_between(from: Time, to: Time) -> i64 {
    to.as_millis().saturating_sub(from.as_millis()).max(0)
}
