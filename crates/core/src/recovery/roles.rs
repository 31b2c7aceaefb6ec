//! Custom roles of a backup, and what became of them later. What is left of one is what both have: a role that only came later is not made, and
//! one that was deleted since stays deleted.

use super::{OrganizationState, RoleState, State, Subject, membership::Catalogs};
use crate::Error;
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time, catalog::CustomRole};
use keywright_store::{custom_roles, generations};
use std::collections::BTreeMap;

/// The custom roles of each root: those of the backup, and the later ones of the roots that the log tells of.
#[derive(Default)]
pub(super) struct CustomRoles {
    earlier: BTreeMap<OrganizationId, Vec<CustomRole>>,
    later: BTreeMap<OrganizationId, Vec<CustomRole>>,
}

impl CustomRoles {
    /// Before anything of the backup is narrowed.
    pub(super) async fn read(tx: &mut Tx, latest: &BTreeMap<Subject, State>) -> Result<Self, Error> {
        let mut all = Self::default();
        for row in custom_roles::list_all(tx).await? {
            all.earlier.entry(row.root_id).or_default().push(row.role);
        }
        for state in latest.values() {
            if let State::Organization(OrganizationState { id, roles: Some(roles), .. }) = state {
                let read = |RoleState { key, permissions }: &RoleState| CustomRole { key: key.clone(), permissions: permissions.clone() };
                all.later.insert(*id, roles.iter().map(read).collect());
            }
        }
        Ok(all)
    }

    /// What roles are worth in the tree of a root.
    pub(super) fn in_tree(&self, catalogs: &Catalogs, root: OrganizationId) -> Catalogs {
        let earlier = self.earlier.get(&root).map(Vec::as_slice).unwrap_or_default();
        let own = catalogs.own.with_custom_roles(earlier);
        let later = match (self.later.get(&root), &catalogs.later) {
            (None, None) => None,
            (Some(roles), None) => Some(catalogs.own.with_custom_roles(roles)),
            (Some(roles), Some(later)) => Some(later.with_custom_roles(roles)),
            (None, Some(later)) => Some(later.with_custom_roles(earlier)),
        };
        Catalogs { own, later }
    }

    /// Takes from the roles of a root what they had no more later. Answers whether that was anything.
    pub(super) async fn narrow(&self, tx: &mut Tx, root: OrganizationId, now: Time) -> Result<bool, Error> {
        let (Some(earlier), Some(later)) = (self.earlier.get(&root), self.later.get(&root)) else { return Ok(false) };
        let mut narrowed = false;
        for role in earlier {
            let Some(known) = later.iter().find(|known| known.key == role.key) else {
                custom_roles::delete(tx, root, &role.key, now).await?;
                narrowed = true;
                continue;
            };
            let Some(mut row) = custom_roles::find(tx, root, &role.key).await? else { continue };
            row.role.permissions.retain(|permission| known.permissions.contains(permission));
            if row.role != *role {
                custom_roles::update(tx, &row).await?;
                narrowed = true;
            }
        }
        if narrowed {
            generations::end_of_organization(tx, root, now).await?;
        }
        Ok(narrowed)
    }
}
