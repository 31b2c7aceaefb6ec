//! What is known about the holder of a good token.

use keywright_protocol::{
    AccessClaims, Catalog, OrganizationId,
    catalog::{PermissionIndex, PermissionSet},
};
use std::sync::Arc;

/// An access token that was found good, and what it permits at this verifier's audience.
#[derive(Debug)]
pub struct Verified {
    /// What the token says.
    pub claims: AccessClaims<'static>,
    permissions: PermissionSet,
    catalog: Arc<Catalog>,
    epoch: u64,
    status_index: u64,
}

impl Verified {
    /// `catalog` and `epoch` are those of the snapshot the token was checked under, `status_index` what its claim `status` names.
    pub(crate) fn new(claims: AccessClaims<'static>, audience: Option<&str>, catalog: Arc<Catalog>, epoch: u64, status_index: u64) -> Self {
        let permissions = permitted(&claims, audience, &catalog);
        Self { claims, permissions, catalog, epoch, status_index }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of its entry among all of the issuer's status lists.
    #[must_use]
    pub fn status_index(&self) -> u64 {
        self.status_index
    }

    /// Whether the holder may do what the permission says, by its id. A permission that the catalog does not have for this
    /// audience is nobody's.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.catalog.index(permission).is_some_and(|index| self.has(index))
    }

    /// The same by the permission's number in [`Verified::catalog`].
    #[must_use]
    pub fn has(&self, index: PermissionIndex) -> bool {
        self.permissions.contains(index)
    }

    /// The ids of all permissions the holder has here, in alphabetical order.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.catalog.ids(&self.permissions)
    }

    /// The organization the token is for: the claim `currentOrganizationId`. (The one the key lives in is
    /// `claims.organization_id`.)
    #[must_use]
    #[expect(clippy::misnamed_getters, reason = "an API asks for whom a request acts, and that is this one")]
    pub fn organization_id(&self) -> OrganizationId {
        self.claims.current_organization_id
    }

    /// The catalog the permissions were resolved by.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

/// `scope`, when it stands there, is the whole truth; otherwise what the catalog makes of the roles, and the permissions that roles of the
/// organization's own add to that. What the catalog does not have is nobody's: a token may be older than it, or newer. Never more than this audience has.
fn permitted(claims: &AccessClaims<'_>, audience: Option<&str>, catalog: &Catalog) -> PermissionSet {
    let Some(bound) = catalog.audience(audience) else { return PermissionSet::default() };
    let mut set = match &claims.scope {
        Some(scope) => catalog.scope(scope),
        None => {
            let mut set = catalog.permissions(&claims.roles);
            set.union(&catalog.set_of(&claims.permissions));
            set
        }
    };
    set.intersect(bound);
    set
}
