//! What an organization demands of its keys: how long they live, from where they are exchanged, whether people have any, whether
//! they bring in members. A root's policy holds in its sub-organizations too; theirs can only tighten it.
//!
//! Addresses and Personal Access Keys are decided at each exchange, with everything else about a credential
//! ([`crate::alive`], [`crate::keys::addresses::Addresses`]); the other two when a key is made or brings somebody in.

use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
    error::Forbidden,
    keys::addresses::AddressList,
    log::{self, Action, Where},
    start::KeysBring,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{OrganizationId, Time};
use keywright_store::{
    changes::{self, ChangeKind},
    generations,
    organizations::OrganizationRow,
    policies::{self, PolicyRow},
};
use std::{sync::Arc, time::Duration};

const MANAGE: &str = "organization.policy.manage";
/// No policy lets keys live shorter.
const SHORTEST_KEY_LIFE: Duration = Duration::from_secs(60 * 60);

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Allowed {
    const fn since(at: Option<Time>) -> Self {
        if at.is_some() { Self::No } else { Self::Yes }
    }

    /// Since when it is off: since before, or now.
    fn off_at(self, before: Option<Time>, now: Time) -> Option<Time> {
        match self {
            Self::Yes => None,
            Self::No => before.or(Some(now)),
        }
    }
}

/// An organization's demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long a new or rotated key lives at most; without one, as long as the installation allows.
    pub longest_key_life: Option<Duration>,
    /// Networks that keys are exchanged from; none for everywhere.
    pub allowed_addresses: Vec<String>,
    /// Whether Personal Access Keys are made, and open anything.
    pub personal_keys: Allowed,
    /// Whether tokens of keys invite and change roles.
    pub members_by_keys: Allowed,
}

impl Policy {
    fn stored(row: &PolicyRow) -> Result<Self, Error> {
        Ok(Self {
            longest_key_life: row.longest_key_life.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs),
            allowed_addresses: AddressList::load(&row.allowed_addresses)?.to_texts(),
            personal_keys: Allowed::since(row.personal_keys_off_at),
            members_by_keys: Allowed::since(row.members_by_keys_off_at),
        })
    }

    fn to_row(&self, before: &PolicyRow, now: Time) -> Result<PolicyRow, Error> {
        if self.longest_key_life.is_some_and(|life| life < SHORTEST_KEY_LIFE) {
            let reason = format!("must be {} at least, which is an hour; null is for no limit of one's own", SHORTEST_KEY_LIFE.as_secs());
            return Err(Error::Invalid { field: "longestKeyLifeSeconds", reason });
        }
        Ok(PolicyRow {
            longest_key_life: self.longest_key_life.map(|life| i64::try_from(life.as_secs()).unwrap_or(i64::MAX)),
            allowed_addresses: AddressList::parse(&self.allowed_addresses)?.to_stored(),
            personal_keys_off_at: self.personal_keys.off_at(before.personal_keys_off_at, now),
            members_by_keys_off_at: self.members_by_keys.off_at(before.members_by_keys_off_at, now),
        })
    }
}

/// An organization's own policy, and its root's, which holds besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Its own.
    pub own: Policy,
    /// The root's; `None` for a root itself.
    pub root: Option<Policy>,
    /// The longest life of a key that is made now: the shortest of both and the installation's ceiling.
    pub longest_key_life: Duration,
}

impl Core {
    /// The policy of an organization, for everybody who has business there.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get_policy(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Policies, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let place = core.authority(tx, &ctx, organization).await?.place;
                    let own = Policy::stored(&policies::get(tx, place.id).await?)?;
                    let root = if place.is_root() { None } else { Some(Policy::stored(&policies::get(tx, place.root_id).await?)?) };
                    let longest_key_life = core.longest_key_life(tx, &place).await?;
                    Ok(Policies { own, root, longest_key_life })
                })
            })
            .await
    }

    /// Replaces the policy of an organization. What it takes away from keys that are out, it takes at once: their generations end.
    /// A shorter life is for keys made or rotated from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] also for keys, [`Error::NotFresh`], [`Error::Invalid`].
    pub async fn set_policy(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, policy: Policy) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(MANAGE)?;
                authority.require_fresh_person(ctx.now, "changing the policy")?;
                let before = policies::get(tx, organization).await?;
                let after = policy.to_row(&before, ctx.now)?;
                if before == after {
                    return Ok(());
                }
                policies::update(tx, organization, &after).await?;
                let bits = end_what_shrinks(tx, organization, (&before, &after), ctx.now).await?;
                changes::insert(tx, ChangeKind::Organization, organization.as_uuid(), &bits).await?;
                let told = (authority.place.name.clone(), told_of(&before, &after));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::PolicyUpdate, told).await
            })
        })
        .await
    }

    /// The longest life of a key that is made in an organization now.
    pub(crate) async fn longest_key_life(&self, tx: &mut Tx, place: &OrganizationRow) -> Result<Duration, Error> {
        let mut longest = self.settings.key_life_ceiling;
        for id in [place.root_id, place.id] {
            if let Some(life) = Policy::stored(&policies::get(tx, id).await?)?.longest_key_life {
                longest = longest.min(life);
            }
        }
        Ok(longest)
    }
}

/// Personal Access Keys are made where they are taken.
pub(crate) async fn require_personal_keys(tx: &mut Tx, place: &OrganizationRow) -> Result<(), Error> {
    for id in [place.root_id, place.id] {
        if policies::get(tx, id).await?.personal_keys_off_at.is_some() {
            return Err(Forbidden::because("the policy of this organization, or of its root, takes no Personal Access Keys; make an API Key").into());
        }
    }
    Ok(())
}

/// Tokens of keys bring members in where the installation, the organization and its root let them.
pub(crate) async fn require_bringing(tx: &mut Tx, authority: &Authority, setting: KeysBring) -> Result<(), Error> {
    if !matches!(authority.by, By::Key { .. }) {
        return Ok(());
    }
    let refused = || Err(Forbidden::because("here keys neither invite nor change roles; sign in, or ask an Owner").into());
    if setting == KeysBring::Nobody {
        return refused();
    }
    for id in [authority.place.root_id, authority.place.id] {
        if policies::get(tx, id).await?.members_by_keys_off_at.is_some() {
            return refused();
        }
    }
    Ok(())
}

async fn end_what_shrinks(tx: &mut Tx, organization: OrganizationId, (before, after): (&PolicyRow, &PolicyRow), now: Time) -> Result<Vec<i64>, Error> {
    let (old, new) = (AddressList::load(&before.allowed_addresses)?, AddressList::load(&after.allowed_addresses)?);
    if !old.is_within(&new) {
        return Ok(generations::end_of_organization(tx, organization, now).await?);
    }
    if before.personal_keys_off_at.is_none() && after.personal_keys_off_at.is_some() {
        return Ok(generations::end_of_personal_keys(tx, organization, now).await?);
    }
    Ok(Vec::new())
}

fn told_of(before: &PolicyRow, after: &PolicyRow) -> String {
    let mut parts = Vec::new();
    let mut tell = |what: &str, from: String, to: String| {
        if from != to {
            parts.push(format!("{what} from [{from}] to [{to}]"));
        }
    };
    let life = |row: &PolicyRow| row.longest_key_life.map(|seconds| format!("{seconds} s")).unwrap_or_default();
    let allowed = |at: Option<Time>| if at.is_some() { "no".to_owned() } else { "yes".to_owned() };
    tell("longest key life", life(before), life(after));
    tell("addresses", before.allowed_addresses.clone(), after.allowed_addresses.clone());
    tell("personal keys", allowed(before.personal_keys_off_at), allowed(after.personal_keys_off_at));
    tell("members by keys", allowed(before.members_by_keys_off_at), allowed(after.members_by_keys_off_at));
    parts.join("; ")
}
