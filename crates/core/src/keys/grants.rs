//! What an API Key may do where, and who may have it do so.

use crate::{
    Context, Core, Error,
    authorize::Authority,
    custom_roles::require_room,
    error::Forbidden,
    grant::shrinks,
    members::{check_roles, reachable},
};
use keywright_db::Tx;
use keywright_protocol::{
    Catalog, OperatorScope, OrganizationId,
    admin::RolesIn,
    catalog::{OWNER, PermissionSet},
};
use keywright_store::{managed_keys::KeyRole, organizations};
use std::collections::{BTreeMap, BTreeSet};

/// Roles by organization, each of them once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants(BTreeMap<OrganizationId, BTreeSet<String>>);

/// What another grant means beside the one before.
pub(super) struct Difference {
    /// Whether it permits anything that the other did not.
    pub(super) gains: bool,
    /// Where the roles are others.
    pub(super) changed: Vec<OrganizationId>,
    /// Where tokens may say more than is permitted now.
    pub(super) lost: Vec<OrganizationId>,
}

impl Grants {
    pub(super) fn of(roles: &[RolesIn]) -> Self {
        let mut grants = Self::default();
        for grant in roles {
            grants.0.entry(grant.organization_id).or_default().extend(grant.roles.iter().cloned());
        }
        grants.0.retain(|_, roles| !roles.is_empty());
        grants
    }

    pub(super) fn stored<'a>(roles: impl IntoIterator<Item = &'a KeyRole>) -> Self {
        let mut grants = Self::default();
        for KeyRole { organization_id, role, .. } in roles {
            grants.0.entry(*organization_id).or_default().insert(role.clone());
        }
        grants
    }

    pub(super) fn shown(&self) -> Vec<RolesIn> {
        let each = self.0.iter().map(|(organization_id, roles)| RolesIn { organization_id: *organization_id, roles: roles.iter().cloned().collect() });
        each.collect()
    }

    pub(super) fn roles_in(&self, organization: OrganizationId) -> Vec<String> {
        self.0.get(&organization).map(|roles| roles.iter().cloned().collect()).unwrap_or_default()
    }

    fn permissions(&self, catalog: &Catalog, organization: OrganizationId) -> PermissionSet {
        catalog.permissions(&self.roles_in(organization))
    }

    fn has_owner(&self, organization: OrganizationId) -> bool {
        self.0.get(&organization).is_some_and(|roles| roles.contains(OWNER))
    }

    /// What changes from `before` to this. Becoming Owner is a gain, whatever the other roles permitted.
    pub(super) fn difference(&self, before: &Self, catalog: &Catalog) -> Difference {
        let all: BTreeSet<OrganizationId> = self.0.keys().chain(before.0.keys()).copied().collect();
        let mut difference = Difference { gains: false, changed: Vec::new(), lost: Vec::new() };
        for organization in all.into_iter().filter(|organization| self.0.get(organization) != before.0.get(organization)) {
            let (had, has) = (before.permissions(catalog, organization), self.permissions(catalog, organization));
            difference.changed.push(organization);
            difference.gains |= !has.is_within(&had) || (self.has_owner(organization) && !before.has_owner(organization));
            if shrinks(catalog, &before.roles_in(organization), &self.roles_in(organization)) {
                difference.lost.push(organization);
            }
        }
        difference
    }

    /// Each organization must be the key's own or hang under it, each role one of the catalog's or of the root's own. What was so before is not asked
    /// again: a sub-organization may have been deleted since.
    pub(super) async fn check(&self, tx: &mut Tx, home: &Authority, before: &Self) -> Result<(), Error> {
        for (organization, roles) in self.0.iter().filter(|(organization, roles)| before.0.get(organization) != Some(roles)) {
            if reachable(tx, &home.place, *organization).await?.is_none() {
                let reason = format!("{organization} is neither the key's organization nor a sub-organization of it");
                return Err(Error::Invalid { field: "grants", reason });
            }
            let roles: Vec<String> = roles.iter().cloned().collect();
            check_roles(&home.catalog, &roles)?;
            require_room(&home.catalog, &before.roles_in(*organization), &roles)?;
        }
        Ok(())
    }
}

impl Core {
    /// Whoever makes, widens, rotates or revives a key may do himself everything that it may, in each organization: he could come
    /// to hold its secret. Only an Owner there has a key that is Owner. An operator key for keys makes any.
    pub(super) async fn require_covered(&self, tx: &mut Tx, ctx: &Context, grants: &Grants) -> Result<(), Error> {
        for organization in grants.0.keys() {
            let there = match self.authority(tx, ctx, *organization).await {
                Ok(there) => there,
                // It has been deleted, for ever.
                Err(Error::NotFound(_)) if organizations::find(tx, *organization).await?.is_none() => continue,
                // Where it is suspended, a secret that got out can be replaced meanwhile by whoever could do so otherwise.
                Err(Error::NotFound(_)) => self.authority_when_resumed(tx, ctx, *organization).await?.ok_or_else(|| {
                    Forbidden::because(format!("this key may do something in {organization}, where you may not; ask an Owner of the root organization"))
                })?,
                Err(error) => return Err(error),
            };
            // An operator key has no roles of its own; it makes keys for the organization's.
            if there.by.has_scope(OperatorScope::Keys) {
                continue;
            }
            if grants.has_owner(*organization) && !there.is_owner() {
                let reason = format!("only an Owner of {} makes, widens, rotates or resumes a key that is Owner there", there.place.name);
                return Err(Forbidden { reason, permission: None, roles: vec![OWNER.to_owned()] }.into());
            }
            let beyond = there.lacks(&[], &grants.roles_in(*organization));
            if let Some(lacking) = there.catalog.ids(&beyond).next() {
                let reason = format!("a key may do no more than you may: in {} you have no {lacking}; ask one of its Owners", there.place.name);
                return Err(Forbidden { reason, permission: Some(lacking.to_owned()), roles: Vec::new() }.into());
            }
        }
        Ok(())
    }
}
