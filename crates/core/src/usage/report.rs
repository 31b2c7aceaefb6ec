//! Usage as its organization reads it.

use super::{Contact, CountRow, LastRefusal, Period, SecretRow, UsesRow, retention};
use crate::{
    Context, Core, Error,
    keys::{KEY, api, personal},
};
use keywright_db::Tx;
use keywright_protocol::{KeyId, KeyKind, OperatorScope, OrganizationId, Time};
use keywright_store::{managed_keys, usage};
use std::{sync::Arc, time::Duration};

/// Most periods that one answer covers.
const MOST_PERIODS: i64 = 1_000;

/// Uses added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Total {
    /// Exchanges that gave a token.
    pub issued: i64,
    /// Exchanges that were refused.
    pub refused: i64,
    /// The first one that gave a token.
    pub first_used_at: Option<Time>,
    /// The last one that gave a token.
    pub last_use: Option<Contact>,
    /// The last one that was refused.
    pub last_refusal: Option<LastRefusal>,
}

/// What a secret version is at a moment, as far as it is not a matter of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretState {
    /// There is none that is newer.
    Current,
    /// It is taken beside a newer one.
    Overlapping,
    /// It is not taken any more.
    Ended,
}

impl SecretState {
    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::Overlapping => "Overlapping",
            Self::Ended => "Ended",
        }
    }
}

/// Whether somebody still uses a secret that has a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Whether it looks as if nobody did.
    pub is_drained: bool,
    /// For how long it was not used while a newer one was in use: since its own last use, or since the first use of a newer one if
    /// that came later. `None` as long as no newer one was ever used.
    pub unused_for: Option<Duration>,
}

/// Whether a secret is drained, as far as is known up to `as_of`. `newer_first` is the first use of any newer secret, `last` the
/// secret's own last use. Refused exchanges are none.
///
/// It is drained when a newer one has been used and
/// - it has not been used since, or
/// - both were used side by side, and it has not been for as long as a token lives: whoever still had it would have needed another
///   token meanwhile.
#[must_use]
pub fn drain(newer_first: Option<Time>, last: Option<Time>, as_of: Time, token_life: Duration) -> Drain {
    let Some(newer_first) = newer_first else { return Drain { is_drained: false, unused_for: None } };
    let since = last.map_or(newer_first, |last| last.max(newer_first));
    let unused_for = Duration::from_millis(u64::try_from(as_of.as_millis().saturating_sub(since.as_millis())).unwrap_or_default());
    let side_by_side = last.is_some_and(|last| newer_first <= last);
    Drain { is_drained: !side_by_side || token_life <= unused_for, unused_for: Some(unused_for) }
}

/// A secret version with its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// Its number and its times.
    pub secret: SecretRow,
    /// What it is now.
    pub state: SecretState,
    /// How it was used, by all ways together.
    pub total: Total,
    /// Whether somebody still uses it; `None` for the newest.
    pub drain: Option<Drain>,
}

/// The secret versions of an API Key, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Every exchange that was answered by then is counted. Later ones may be.
    pub as_of: Time,
    /// How long a token lives: for as long whoever has one need not come back.
    pub token_life: Duration,
    /// The versions.
    pub secrets: Vec<SecretUse>,
}

/// Which counts are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageQuery {
    /// From the period on that this is in; without it a day of hours, or 30 days.
    pub from: Option<Time>,
    /// Periods that begin before; without it the present one is the last.
    pub until: Option<Time>,
    /// Over what.
    pub by: Period,
}

/// How a key was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Every exchange that was answered by then is counted. Later ones may be.
    pub as_of: Time,
    /// Over what the counts are.
    pub by: Period,
    /// The beginning of the first period.
    pub from: Time,
    /// Where they end.
    pub until: Time,
    /// Counts of periods that begin earlier are deleted, or soon will be.
    pub kept_since: Time,
    /// The counts, oldest first, of periods in which anything happened.
    pub counts: Vec<CountRow>,
    /// The ways in that were ever used, by secret version.
    pub ways: Vec<UsesRow>,
}

impl Total {
    fn of<'a>(rows: impl Iterator<Item = &'a UsesRow>) -> Self {
        rows.fold(Self::default(), |total, row| {
            let later = |one: Option<Contact>, other: &Option<Contact>| one.into_iter().chain(other.clone()).max_by_key(|contact| contact.at);
            let last_refusal = total.last_refusal.into_iter().chain(row.last_refusal.clone()).max_by_key(|refusal| refusal.contact.at);
            Self {
                issued: total.issued.saturating_add(row.issued),
                refused: total.refused.saturating_add(row.refused),
                first_used_at: [total.first_used_at, row.first_used_at].into_iter().flatten().min(),
                last_use: later(total.last_use, &row.last_use),
                last_refusal,
            }
        })
    }
}

impl Secrets {
    fn new(secrets: &[SecretRow], uses: &[UsesRow], (as_of, now): (Time, Time), token_life: Duration) -> Self {
        let first = |of: &dyn Fn(i64) -> bool| uses.iter().filter(|row| of(row.version)).filter_map(|row| row.first_used_at).min();
        let newest = secrets.iter().map(|secret| secret.version).max();
        let use_of = |secret: &SecretRow| {
            let total = Total::of(uses.iter().filter(|row| row.version == secret.version));
            let is_newest = newest == Some(secret.version);
            let is_taken = secret.ended_at.is_none() && secret.ends_at.is_none_or(|at| now < at);
            let last = total.last_use.as_ref().map(|contact| contact.at);
            let state = match (is_taken, is_newest) {
                (true, true) => SecretState::Current,
                (true, false) => SecretState::Overlapping,
                (false, _) => SecretState::Ended,
            };
            let drain = (!is_newest).then(|| drain(first(&|version| version > secret.version), last, as_of, token_life));
            SecretUse { secret: *secret, state, total, drain }
        };
        Self { as_of, token_life, secrets: secrets.iter().map(use_of).collect() }
    }
}

impl UsageQuery {
    /// From the beginning of a period, until a time.
    fn range(self, now: Time) -> Result<(Time, Time), Error> {
        let later = |at: Time, by: i64| Time::from_millis(at.as_millis().saturating_add(by));
        let until = self.until.unwrap_or(later(self.by.beginning(now), self.by.millis()));
        let usual = match self.by {
            Period::Hour => 24,
            Period::Day => 30,
        };
        let from = self.from.unwrap_or(later(until, -self.by.millis().saturating_mul(usual)));
        if until <= from {
            return Err(Error::Invalid { field: "from", reason: format!("must be before until, which is {until}") });
        }
        let from = self.by.beginning(from);
        let asked = until.as_millis().saturating_sub(from.as_millis()).saturating_add(self.by.millis() - 1) / self.by.millis();
        if asked > MOST_PERIODS {
            let (word, hint) = match self.by {
                Period::Hour => ("hours", "a shorter time, or by=day"),
                Period::Day => ("days", "a shorter time"),
            };
            return Err(Error::Invalid {
                field: "from",
                reason: format!("{asked} {word} lie between it and until, and {MOST_PERIODS} are the most; ask for {hint}"),
            });
        }
        Ok((from, until))
    }
}

impl Core {
    /// The secret versions of an API Key with their use, for whoever may see the key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn list_api_key_secrets(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<Secrets, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        // Before the snapshot: what was written by then is in it.
        let as_of = self.access_log.written_until();
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.require_usage(tx, &ctx, organization, (id, KeyKind::ApiKey)).await?;
                    let (secrets, uses) = (usage::list_secrets(tx, id).await?, usage::list(tx, id).await?);
                    Ok(Secrets::new(&secrets, &uses, (as_of, ctx.now), core.settings.token_life))
                })
            })
            .await
    }

    /// How a key of an organization was used, for whoever may see the key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`] for a time that ends before it begins or is too long.
    pub async fn key_usage(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        (id, kind): (KeyId, KeyKind),
        query: UsageQuery,
    ) -> Result<Usage, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let as_of = self.access_log.written_until();
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    core.require_usage(tx, &ctx, organization, (id, kind)).await?;
                    let (from, until) = query.range(ctx.now)?;
                    let counts = usage::list_counts(tx, id, query.by, (from, until)).await?;
                    let oldest = ctx.now.minus(retention::kept(query.by));
                    let kept_since = query.by.beginning(Time::from_millis(oldest.as_millis().saturating_add(query.by.millis() - 1)));
                    Ok(Usage { as_of, by: query.by, from, until, kept_since, counts, ways: usage::list(tx, id).await? })
                })
            })
            .await
    }

    /// Asks whether somebody sees a key, as the list of its kind does.
    async fn require_usage(&self, tx: &mut Tx, ctx: &Context, organization: OrganizationId, (id, kind): (KeyId, KeyKind)) -> Result<(), Error> {
        let authority = self.authority(tx, ctx, organization).await?;
        if kind == KeyKind::ApiKey {
            authority.require(api::VIEW)?;
        } else {
            authority.by.require_scope(OperatorScope::Keys)?;
        }
        let key = managed_keys::find(tx, id, organization).await?.filter(|key| key.kind == kind).ok_or(KEY)?;
        if kind != KeyKind::ApiKey && !personal::sees(&authority, &key) {
            return Err(KEY);
        }
        Ok(())
    }
}
