//! What needs attention in an organization: keys that end soon, that nobody uses, that are refused, whose old secret or old endpoint is
//! still used, or whose maker has left.
//!
//! Each list is bounded and says how many there are altogether. What is known of the use of keys is derived (`usage.rs`): the log of
//! access is not read.

use crate::{Context, Core, Error, authorize::parse_by, keys::api::MANAGE};
use keywright_db::Tx;
use keywright_protocol::{OperatorScope, OrganizationId, Time, UserId};
use keywright_store::{
    attention::{self, Keys, Look},
    memberships,
    organizations::OrganizationRow,
    usage::Period,
    users,
};
pub use keywright_store::{
    attention::{Client, Noticed, NoticedKey, OldClient, OldSecret, RefusedKey},
    users::UserRow,
};
use std::{sync::Arc, time::Duration};

/// Most rows of each list.
pub const LISTED: i64 = 100;
/// Most clients of one key.
pub const CLIENTS_LISTED: i64 = 20;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys are listed that expire within this time.
pub const EXPIRING_WITHIN: Duration = DAY.saturating_mul(30);
/// It is critical within this one.
pub const CRITICAL_WITHIN: Duration = DAY.saturating_mul(7);
/// A key that was never used is listed from this age on.
pub const NEVER_USED_AFTER: Duration = DAY.saturating_mul(7);
/// One that was used, when it has not been for this time.
pub const UNUSED_AFTER: Duration = DAY.saturating_mul(90);
/// Refusals are counted over this time.
pub const REFUSED_WITHIN: Duration = DAY.saturating_mul(7);
/// So many are listed.
pub const REFUSED_OFTEN: i64 = 10;
/// Uses of old endpoints are counted over this time.
pub const OLD_ENDPOINTS_WITHIN: Duration = DAY.saturating_mul(30);

/// Whether a key ends within days or within weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Within seven days.
    Critical,
    /// Within thirty.
    Soon,
}

/// A key that still comes to endpoints with a successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtOldEndpoints {
    /// Which.
    pub key: NoticedKey,
    /// How often.
    pub uses: i64,
    /// When last.
    pub last_used_at: Time,
    /// By whom; the first of them.
    pub clients: Vec<OldClient>,
}

/// An API Key whose maker is no member any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Which.
    pub key: NoticedKey,
    /// Who made it.
    pub made_by: UserId,
    /// Who that is, unless he is deleted.
    pub maker: Option<UserRow>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// Every exchange that was answered by then is counted. Later ones may be.
    pub as_of: Time,
    /// Keys that expire soon.
    pub expiring: Noticed<(NoticedKey, Urgency)>,
    /// Keys that never gave a token.
    pub never_used: Noticed<NoticedKey>,
    /// Keys that have not for long, with when they last did.
    pub unused: Noticed<(NoticedKey, Time)>,
    /// Keys that are refused often.
    pub refused: Noticed<RefusedKey>,
    /// Old secrets that are used beside newer ones.
    pub old_secrets: Noticed<OldSecret>,
    /// Keys at old endpoints.
    pub old_endpoints: Noticed<AtOldEndpoints>,
    /// API Keys whose makers have left.
    pub orphans: Noticed<Orphan>,
}

impl Core {
    /// What needs attention in an organization: for its Owners all of it, for whoever manages its API Keys what is about these.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn attention(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Attention, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        // Before the snapshot: what was written by then is in it.
        let as_of = self.access_log.written_until();
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    let sees_all = authority.is_owner() || authority.by.has_scope(OperatorScope::Keys);
                    let keys = if sees_all { Keys::All } else { Keys::Api };
                    if !sees_all {
                        authority.require(MANAGE)?;
                    }
                    look(tx, &authority.place, Look { organization, keys, now: ctx.now, limit: LISTED }, as_of).await
                })
            })
            .await
    }
}

async fn look(tx: &mut Tx, place: &OrganizationRow, look: Look, as_of: Time) -> Result<Attention, Error> {
    let now = look.now;
    let urgency = |key: NoticedKey| {
        let urgency = if key.expires_at <= now.plus(CRITICAL_WITHIN) { Urgency::Critical } else { Urgency::Soon };
        (key, urgency)
    };
    let Noticed { rows, total } = attention::list_expiring(tx, look, now.plus(EXPIRING_WITHIN)).await?;
    let expiring = Noticed { rows: rows.into_iter().map(urgency).collect(), total };
    let refused_since = Period::Hour.beginning(now.minus(REFUSED_WITHIN));
    Ok(Attention {
        as_of,
        expiring,
        never_used: attention::list_never_used(tx, look, now.minus(NEVER_USED_AFTER)).await?,
        unused: attention::list_unused(tx, look, now.minus(UNUSED_AFTER)).await?,
        refused: attention::list_refused(tx, look, (refused_since, REFUSED_OFTEN)).await?,
        old_secrets: attention::list_old_secrets(tx, look).await?,
        old_endpoints: at_old_endpoints(tx, look).await?,
        orphans: orphans(tx, place, look).await?,
    })
}

async fn at_old_endpoints(tx: &mut Tx, look: Look) -> Result<Noticed<AtOldEndpoints>, Error> {
    let since = Period::Day.beginning(look.now.minus(OLD_ENDPOINTS_WITHIN));
    let Noticed { rows, total } = attention::list_at_old_endpoints(tx, look, since).await?;
    let mut with_clients = Vec::with_capacity(rows.len());
    for (key, uses, last_used_at) in rows {
        let clients = attention::list_clients(tx, key.id, since, CLIENTS_LISTED).await?;
        with_clients.push(AtOldEndpoints { key, uses, last_used_at, clients });
    }
    Ok(Noticed { rows: with_clients, total })
}

/// API Keys made by people who are members neither here nor, by whom it would be inherited, in the root.
async fn orphans(tx: &mut Tx, place: &OrganizationRow, look: Look) -> Result<Noticed<Orphan>, Error> {
    let mut found = Noticed { rows: Vec::new(), total: 0 };
    for maker in attention::list_makers(tx, look).await? {
        let Some(("user", id)) = parse_by(&maker) else { continue };
        let made_by = UserId::from(id);
        if memberships::find(tx, place.id, made_by).await?.is_some() || memberships::find(tx, place.root_id, made_by).await?.is_some() {
            continue;
        }
        let Noticed { rows, total } = attention::list_of_maker(tx, look, &maker).await?;
        found.total = found.total.saturating_add(total);
        let left = usize::try_from(LISTED).unwrap_or_default().saturating_sub(found.rows.len());
        let user = users::find(tx, made_by).await?;
        found.rows.extend(rows.into_iter().take(left).map(|key| Orphan { key, made_by, maker: user.clone() }));
    }
    Ok(found)
}
