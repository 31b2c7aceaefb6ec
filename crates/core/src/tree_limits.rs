//! What a root and its sub-organizations may have together: by the installation's settings, or as it was set for that root.

use crate::{
    Context, Core, Error,
    log::{self, Action, Where},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{OperatorScope, OrganizationId, UserId};
pub use keywright_store::root_organizations::TreeLimits;
use keywright_store::{
    keys,
    organizations::OrganizationRow,
    root_organizations::{self, RootRow},
};
use std::sync::Arc;

/// What it takes to see limits and use.
const VIEW: &str = "organization.profile.manage";
const ROOT: Error = Error::NotFound("organization");

/// One limit with what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// As it was set for this root; `None` if the installation's setting holds.
    pub own: Option<i64>,
    /// What holds; `None` for no limit.
    pub limit: Option<i64>,
    /// How many there are.
    pub used: i64,
}

/// The allowances of a root's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowances {
    /// Unrevoked API Keys.
    pub api_keys: Allowance,
    /// People who are direct members anywhere in the tree.
    pub members: Allowance,
    /// Sub-organizations.
    pub sub_organizations: Allowance,
}

impl Core {
    /// The limits of a root's tree, and its use. For whoever manages the root, and for operator keys for organizations.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] for a sub-organization.
    pub async fn tree_limits(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<Allowances, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, id).await?;
                    authority.require(VIEW)?;
                    refuse_sub_organizations(&authority.place)?;
                    let root = root_organizations::find(tx, id).await?.ok_or(ROOT)?;
                    core.allowances(tx, &root).await
                })
            })
            .await
    }

    /// Sets the limits of a root's tree. What there is beyond a new limit stays; nothing is added.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] and [`Error::NotFresh`] for everybody but operator keys for organizations and
    /// fresh Owners of the operator organization; [`Error::Invalid`] for a sub-organization.
    pub async fn set_limits(self: &Arc<Self>, ctx: &Context, id: OrganizationId, limits: TreeLimits) -> Result<Committed<Allowances>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let (by, place) = core.over_root(tx, &ctx, id, "setting limits").await?;
                by.require_scope(OperatorScope::Organizations)?;
                refuse_sub_organizations(&place)?;
                let before = root_organizations::find(tx, id).await?.ok_or(ROOT)?;
                let after = RootRow { limits, ..before.clone() };
                if before != after {
                    root_organizations::update(tx, &after).await?;
                    let told = (place.name.clone(), format!("limits from [{}] to [{}]", in_words(before.limits), in_words(limits)));
                    log::change(tx, &ctx, &by, Where::In(&place), Action::OrganizationUpdate, told).await?;
                }
                core.allowances(tx, &after).await
            })
        })
        .await
    }

    async fn allowances(&self, tx: &mut Tx, root: &RootRow) -> Result<Allowances, Error> {
        let (id, own) = (root.organization.id, root.limits);
        let limits = self.in_force(own);
        Ok(Allowances {
            api_keys: Allowance { own: own.api_keys, limit: limits.api_keys, used: keys::count_api_of_root(tx, id).await? },
            members: Allowance { own: own.members, limit: limits.members, used: root_organizations::count_members(tx, id).await? },
            sub_organizations: Allowance {
                own: own.sub_organizations,
                limit: limits.sub_organizations,
                used: root_organizations::count_sub_organizations(tx, id).await?,
            },
        })
    }

    /// What holds: a root's own limit, else the installation's.
    fn in_force(&self, own: TreeLimits) -> TreeLimits {
        TreeLimits {
            api_keys: own.api_keys.or(Some(self.settings.api_keys_per_root)),
            members: own.members.or(self.settings.members_per_root),
            sub_organizations: own.sub_organizations.or(self.settings.sub_organizations_per_root),
        }
    }

    async fn limits_of(&self, tx: &mut Tx, root: OrganizationId) -> Result<TreeLimits, Error> {
        let own = root_organizations::find(tx, root).await?.map(|root| root.limits).unwrap_or_default();
        Ok(self.in_force(own))
    }

    /// Before an API Key is made.
    ///
    /// # Errors
    /// [`Error::Conflict`] at the limit.
    pub(crate) async fn require_room_for_key(&self, tx: &mut Tx, root: OrganizationId) -> Result<(), Error> {
        match self.limits_of(tx, root).await?.api_keys {
            Some(limit) if keys::count_api_of_root(tx, root).await? >= limit => {
                Err(Error::Conflict(format!("a root and its sub-organizations have {limit} API Keys at most; revoke one first")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Before a sub-organization is made.
    ///
    /// # Errors
    /// [`Error::Conflict`] at the limit.
    pub(crate) async fn require_room_for_sub_organization(&self, tx: &mut Tx, root: OrganizationId) -> Result<(), Error> {
        match self.limits_of(tx, root).await?.sub_organizations {
            Some(limit) if root_organizations::count_sub_organizations(tx, root).await? >= limit => {
                Err(Error::Conflict(format!("this root has {limit} sub-organizations at most; ask the operator of this installation for more")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Before somebody becomes a direct member. Who is one anywhere in the tree is counted already.
    ///
    /// # Errors
    /// [`Error::Conflict`] at the limit.
    pub(crate) async fn require_room_for_member(&self, tx: &mut Tx, root: OrganizationId, user: UserId) -> Result<(), Error> {
        let Some(limit) = self.limits_of(tx, root).await?.members else { return Ok(()) };
        if root_organizations::count_members(tx, root).await? < limit || root_organizations::is_member_of_tree(tx, root, user).await? {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "a root and its sub-organizations have {limit} members at most; remove one first, or ask the operator of this installation"
        )))
    }
}

fn refuse_sub_organizations(place: &OrganizationRow) -> Result<(), Error> {
    if place.is_root() {
        return Ok(());
    }
    let reason = format!("limits are those of a whole tree, and this is a sub-organization; ask about its root {}", place.root_id);
    Err(Error::Invalid { field: "id", reason })
}

/// What the log says of limits.
pub(crate) fn in_words(limits: TreeLimits) -> String {
    let one = |what: &str, limit: Option<i64>| format!("{what} {}", limit.map_or_else(|| "as set here".to_owned(), |limit| limit.to_string()));
    [one("API Keys", limits.api_keys), one("members", limits.members), one("sub-organizations", limits.sub_organizations)].join(", ")
}
