//! Scopes of an operator key, and what they permit in an organization.

use crate::Error;
use keywright_protocol::{Catalog, OperatorScope, catalog::PermissionSet};
use std::collections::BTreeSet;

/// What an operator key was granted; never nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(BTreeSet<OperatorScope>);

impl Scopes {
    /// What somebody wants to grant.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is nothing.
    pub fn of(scopes: &[OperatorScope]) -> Result<Self, Error> {
        if scopes.is_empty() {
            let all = OperatorScope::ALL.map(OperatorScope::as_str).join(", ");
            return Err(Error::Invalid { field: "scopes", reason: format!("choose at least one of: {all}") });
        }
        Ok(Self(scopes.iter().copied().collect()))
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// [`Error::Internal`] if that cannot be read.
    pub(crate) fn load(stored: &str) -> Result<Self, Error> {
        let scopes = stored.split(' ').map(str::parse).collect::<Result<_, _>>();
        Ok(Self(scopes.map_err(|_| Error::Internal("an operator key's scopes cannot be read"))?))
    }

    /// As it is stored.
    pub(crate) fn to_stored(&self) -> String {
        self.0.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Whether it has one.
    #[must_use]
    pub fn has(&self, scope: OperatorScope) -> bool {
        self.0.contains(&scope)
    }

    /// All of them, in their order.
    #[must_use]
    pub fn to_vec(&self) -> Vec<OperatorScope> {
        self.0.iter().copied().collect()
    }

    /// What it may do in an organization.
    pub(crate) fn permissions(&self, catalog: &Catalog) -> PermissionSet {
        let ids: Vec<&str> = self.0.iter().flat_map(|scope| permitted(*scope)).copied().collect();
        catalog.scope(&ids.join(" "))
    }
}

/// The scope that carries a permission.
pub(crate) fn carrier(permission: &str) -> Option<OperatorScope> {
    OperatorScope::ALL.into_iter().find(|scope| permitted(*scope).contains(&permission))
}

/// Users are not a matter of an organization. The policy and the activity log of an organization are its own.
const fn permitted(scope: OperatorScope) -> &'static [&'static str] {
    match scope {
        OperatorScope::Organizations => &["organization.profile.manage", "organization.sub-organization.manage"],
        OperatorScope::Users => &[],
        OperatorScope::Members => &["organization.member.view", "organization.member.manage", "organization.member.assign-role", "organization.member.export"],
        OperatorScope::Keys => &["organization.api-key.view", "organization.api-key.manage"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_protocol::catalog::OWNER;

    #[test]
    fn scopes_are_stored_in_one_form_and_permit_what_the_catalog_has() {
        let scopes = Scopes::of(&[OperatorScope::Keys, OperatorScope::Organizations, OperatorScope::Keys]).unwrap();
        assert_eq!(scopes.to_stored(), "organizations keys");
        assert_eq!(Scopes::load("organizations keys").unwrap(), scopes);
        assert!(Scopes::of(&[]).is_err());
        for unreadable in ["", "keys ", "keys everything", "owner"] {
            assert!(Scopes::load(unreadable).is_err(), "{unreadable:?}");
        }
        let catalog = crate::catalog::assemble(None, None).unwrap();
        let catalog = Catalog::new(catalog).unwrap();
        for permission in OperatorScope::ALL.into_iter().flat_map(permitted) {
            assert!(catalog.index(permission).is_some(), "{permission}");
        }
        let owner = catalog.permissions(&[OWNER]);
        let all = Scopes::of(&OperatorScope::ALL).unwrap().permissions(&catalog);
        let left: Vec<_> = catalog.ids(&owner).filter(|id| !catalog.index(id).is_some_and(|index| all.contains(index))).collect();
        assert_eq!(left, ["organization.activity.view", "organization.policy.manage"], "what stays the organizations' own");
    }
}
