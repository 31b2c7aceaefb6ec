//! Roles that the Owners of a root organization make of permissions of the catalog. They are held there and in its sub-organizations, beside
//! roles of the catalog, and are worth what their permissions are, wherever somebody asks who may give what.

mod change;

pub use change::{NewRole, RoleUpdate};

use crate::{
    Context, Core, Error,
    authorize::Authority,
    error::Forbidden,
    log::{self, Action, Where},
    organizations::taken,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{
    Catalog, OperatorScope, OrganizationId, Time,
    catalog::{CUSTOM_PREFIX, OWNER, is_custom},
    claims::MAX_CUSTOM_PERMISSIONS_BYTES,
};
use keywright_store::{
    changes,
    changes::ChangeKind,
    custom_roles::{self, CustomRoleRow},
    holders::{self, HolderKind, HolderRow},
    organizations,
};
use std::sync::Arc;

/// What it takes to see them.
const VIEW: &str = "organization.member.view";
/// Most roles that a root has at a time.
pub const MAX_ROLES: i64 = 50;
const ROLE: Error = Error::Absent("this organization has no role of its own with that key; GET the list of its roles to see which there are");

/// A role of an organization's own, and how many hold it in the root and below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Itself.
    pub row: CustomRoleRow,
    /// By how many it is held.
    pub held: Held,
}

/// How many hold a role as one of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Live memberships.
    pub memberships: usize,
    /// Unrevoked API Keys, once for each organization.
    pub keys: usize,
    /// Pending invitations, once for each organization.
    pub invitations: usize,
}

impl Held {
    fn of(role: &str, holders: &[HolderRow]) -> Self {
        let mut held = Self::default();
        for holder in holders.iter().filter(|holder| holder.roles.iter().any(|known| known == role)) {
            match holder.kind {
                HolderKind::Membership => held.memberships += 1,
                HolderKind::Key => held.keys += 1,
                HolderKind::Invitation => held.invitations += 1,
            }
        }
        held
    }
}

impl Core {
    /// The roles of an organization's own, by key; those of a sub-organization are its root's. How many hold one is counted in the
    /// whole tree, whoever asks.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn list_custom_roles(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<Role>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(VIEW)?;
                    let rows = custom_roles::list(tx, authority.place.root_id).await?;
                    let holders = if rows.is_empty() { Vec::new() } else { holders::list_in(tx, authority.place.root_id).await? };
                    Ok(rows.into_iter().map(|row| Role { held: Held::of(&row.role.key, &holders), row }).collect())
                })
            })
            .await
    }

    /// Keys and names of the custom roles that can be held in an organization, for everybody who has business there.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn custom_role_names(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<(String, String)>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    let rows = custom_roles::list(tx, authority.place.root_id).await?;
                    Ok(rows.into_iter().map(|row| (row.role.key, row.name)).collect())
                })
            })
            .await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Absent`].
    pub async fn get_custom_role(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, key: &str) -> Result<Role, Error> {
        let (core, ctx, key) = (Arc::clone(self), ctx.clone(), key.to_owned());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(VIEW)?;
                    let row = custom_roles::find(tx, authority.place.root_id, &key).await?.ok_or(ROLE)?;
                    let holders = holders::list_in(tx, authority.place.root_id).await?;
                    Ok(Role { held: Held::of(&row.role.key, &holders), row })
                })
            })
            .await
    }

    /// Makes a role.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] for everybody but Owners and operator keys for members; [`Error::NotFresh`];
    /// [`Error::Invalid`] for what cannot be used; [`Error::Conflict`] in a sub-organization, for a key that is or was in use, and for more
    /// roles than a root may have.
    pub async fn create_custom_role(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, new: NewRole) -> Result<Committed<Role>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                require_maker(tx, &authority, ctx.now).await?;
                let row = new.checked(&authority, ctx.now)?;
                if custom_roles::count(tx, row.root_id).await? >= MAX_ROLES {
                    let reason = format!("{} has {MAX_ROLES} roles of its own, which is as many as there can be; delete one first", authority.place.name);
                    return Err(Error::Conflict(reason));
                }
                change::refuse_namesakes(tx, &row).await?;
                custom_roles::insert(tx, &row).await.map_err(|error| taken(error, &change::taken(&row.role.key)))?;
                changes::insert(tx, ChangeKind::Organization, row.root_id.as_uuid(), &[]).await?;
                let told = (row.role.key.clone(), format!("{}: {}", row.name, row.role.permissions.join(" ")));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::RoleCreate, told).await?;
                Ok(Role { row, held: Held::default() })
            })
        })
        .await
    }

    /// Changes a role. Whoever loses something by it, at whatever API, gets new tokens to ask for: the old ones end at once.
    ///
    /// # Errors
    /// As [`Core::create_custom_role`]; [`Error::Absent`]; [`Error::Conflict`] if somebody who holds it would hold too much.
    pub async fn update_custom_role(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        key: &str,
        update: RoleUpdate,
    ) -> Result<Committed<Role>, Error> {
        let (core, ctx, key) = (Arc::clone(self), ctx.clone(), key.to_owned());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                require_maker(tx, &authority, ctx.now).await?;
                let before = custom_roles::find(tx, authority.place.id, &key).await?.ok_or(ROLE)?;
                let after = update.apply(&before, &authority.catalog)?;
                if after.name != before.name {
                    change::refuse_namesakes(tx, &after).await?;
                }
                let holders = holders::list_in(tx, after.root_id).await?;
                let role = Role { held: Held::of(&key, &holders), row: after };
                if role.row == before {
                    return Ok(role);
                }
                let bits = change::put(tx, (&authority.catalog, &holders), &role.row, ctx.now).await?;
                changes::insert(tx, ChangeKind::Organization, before.root_id.as_uuid(), &bits).await?;
                let told = (key, change::told_of(&before, &role.row));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::RoleUpdate, told).await?;
                Ok(role)
            })
        })
        .await
    }

    /// Deletes a role for ever. Where it is held another one takes its place, of the catalog or of the same root; without one it is
    /// refused. Nobody becomes Owner by that.
    ///
    /// # Errors
    /// As [`Core::update_custom_role`]; [`Error::Conflict`] if it is held and nothing takes its place; [`Error::Invalid`] for what cannot
    /// take it.
    pub async fn delete_custom_role(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        key: &str,
        replace: Option<&str>,
    ) -> Result<Committed<()>, Error> {
        let (core, ctx, key, replace) = (Arc::clone(self), ctx.clone(), key.to_owned(), replace.map(str::to_owned));
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                require_maker(tx, &authority, ctx.now).await?;
                let row = custom_roles::find(tx, authority.place.id, &key).await?.ok_or(ROLE)?;
                let bits = change::delete(tx, &authority.catalog, &row, replace.as_deref(), ctx.now).await?;
                changes::insert(tx, ChangeKind::Organization, row.root_id.as_uuid(), &bits).await?;
                let successor = replace.map(|new| format!("; {new} in its place")).unwrap_or_default();
                let told = (key, format!("{}: {}{successor}", row.name, row.role.permissions.join(" ")));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::RoleDelete, told).await
            })
        })
        .await
    }
}

/// Only an Owner of the root, freshly confirmed, makes and changes roles; or an operator key for members, which gives any. Never a key.
async fn require_maker(tx: &mut Tx, authority: &Authority, now: Time) -> Result<(), Error> {
    let place = &authority.place;
    authority.require_fresh_or_scope(now, "making, changing and deleting roles", OperatorScope::Members)?;
    if !authority.is_owner() && !authority.by.has_scope(OperatorScope::Members) {
        let reason = format!("only an Owner of {} makes, changes and deletes its roles", place.name);
        return Err(Forbidden { reason, permission: None, roles: vec![OWNER.to_owned()] }.into());
    }
    if !place.is_root() {
        let root = organizations::find(tx, place.root_id).await?.map(|root| root.name).unwrap_or_default();
        return Err(Error::Conflict(format!("a sub-organization has the roles of its root; make, change and delete them in {root} ({})", place.root_id)));
    }
    Ok(())
}

/// How much the custom ones of these roles take of a token at most, in bytes: that of the API for which it is most.
fn bytes_of(catalog: &Catalog, roles: &[String]) -> usize {
    if !roles.iter().any(|role| is_custom(role)) {
        return 0;
    }
    let named = catalog.named_by_custom_roles(roles);
    let audiences = catalog.document().apis.values().map(|api| api.audience.as_deref());
    let of_audience = |audience| {
        let mut set = named.clone();
        set.intersect(catalog.audience(audience)?);
        // Each with its quotes and a comma.
        Some(catalog.ids(&set).map(|id| id.len() + 3).sum())
    };
    audiences.filter_map(of_audience).max().unwrap_or_default()
}

/// Whether somebody may come to hold these roles instead of those: a token must have room for what custom ones give. Whoever comes to hold less
/// is never stopped.
///
/// # Errors
/// [`Error::Conflict`].
pub(crate) fn require_room(catalog: &Catalog, before: &[String], after: &[String]) -> Result<(), Error> {
    let bytes = bytes_of(catalog, after);
    if bytes <= MAX_CUSTOM_PERMISSIONS_BYTES || bytes <= bytes_of(catalog, before) {
        return Ok(());
    }
    Err(Error::Conflict(format!("the roles {} together: {}", custom_of(after).join(", "), too_much(bytes))))
}

fn too_much(bytes: usize) -> String {
    format!(
        "their permissions for one API take {bytes} bytes of a token, and there is room for {MAX_CUSTOM_PERMISSIONS_BYTES}; leave a role out, take permissions out of one, or give roles of the catalog instead"
    )
}

fn custom_of(roles: &[String]) -> Vec<&str> {
    roles.iter().map(String::as_str).filter(|role| is_custom(role)).collect()
}

/// The key of a role whose slug this is.
fn key_of(slug: &str) -> String {
    format!("{CUSTOM_PREFIX}{slug}")
}
