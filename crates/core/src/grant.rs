//! The effective grant: what a credential may do in the organization asked for, at this moment.

use crate::Error;
use keywright_protocol::{
    Catalog, KeyKind, OrganizationId,
    catalog::{OWNER, PermissionSet},
};
use keywright_store::keys::{CredentialRow, Target};

/// What a token may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The organization the token is for.
    pub organization_id: OrganizationId,
    /// The audience that was asked for; `None` is the issuer itself.
    pub audience: Option<String>,
    /// Role keys that there are, of the catalog and custom ones, sorted. An Owner needs no other. None where the permissions are fewer than the roles': then
    /// these are the whole truth.
    pub roles: Vec<String>,
    /// What they permit at that audience.
    pub permissions: PermissionSet,
}

/// The one reader of roles. A key reaches its own organization; a root's key reaches the root's sub-organizations too; nothing
/// reaches across roots.
///
/// # Errors
/// [`Error::OutOfReach`] and [`Error::NothingGranted`].
pub fn effective(credential: &CredentialRow, catalog: &Catalog) -> Result<Grant, Error> {
    effective_for(credential, catalog, catalog.default_audience())
}

/// The same for an audience of one's choice; `None` is the issuer itself.
///
/// # Errors
/// [`Error::OutOfReach`] and [`Error::NothingGranted`].
pub fn effective_for(credential: &CredentialRow, catalog: &Catalog, audience: Option<&str>) -> Result<Grant, Error> {
    let target = credential.target.as_ref().filter(|target| target.dead_at.is_none() && reaches(credential, target)).ok_or(Error::OutOfReach)?;
    let held = match credential.kind {
        KeyKind::PersonalAccessKey => effective_roles(&target.own_roles, &target.root_roles),
        KeyKind::ApiKey => target.key_roles.as_slice(),
        KeyKind::OperatorKey | KeyKind::Session => return Err(Error::OutOfReach),
    };
    granted(target.id, held, catalog, audience)
}

/// What roles that are held in an organization make a grant of.
///
/// # Errors
/// [`Error::NothingGranted`] if they permit nothing at that audience.
pub(crate) fn granted(organization_id: OrganizationId, held: &[String], catalog: &Catalog, audience: Option<&str>) -> Result<Grant, Error> {
    let mut roles: Vec<String> = held.iter().filter(|role| catalog.has_role(role)).cloned().collect();
    if roles.iter().any(|role| role == OWNER) {
        roles = vec![OWNER.to_owned()];
    }
    let mut permissions = catalog.permissions(&roles);
    match catalog.audience(audience) {
        Some(of_audience) => permissions.intersect(of_audience),
        None => return Err(Error::NothingGranted),
    }
    if permissions.is_empty() {
        return Err(Error::NothingGranted);
    }
    Ok(Grant { organization_id, audience: audience.map(str::to_owned), roles, permissions })
}

/// Own roles replace inherited ones; without any, the inherited ones hold.
#[must_use]
pub fn effective_roles<'a>(own: &'a [String], inherited: &'a [String]) -> &'a [String] {
    if own.is_empty() { inherited } else { own }
}

/// What the step from some roles to others would give that a giver does not have himself; he may give it if that is nothing. With
/// conditions several roles are more than each by itself, so that only the whole before and the whole after tell.
#[must_use]
pub fn beyond(catalog: &Catalog, giver: &PermissionSet, before: &[String], after: &[String]) -> PermissionSet {
    catalog.permissions(after).without(&catalog.permissions(before)).without(giver)
}

/// Whether tokens that were made of some roles may say more than others permit. A token without `scope` says its roles, and a catalog to come
/// may make more of one that is not held any more; an Owner has everything in any catalog.
#[must_use]
pub(crate) fn shrinks(catalog: &Catalog, before: &[String], after: &[String]) -> bool {
    let is_dropped = |role: &String| catalog.has_role(role) && !after.contains(role);
    let is_owner = after.iter().any(|role| role == OWNER);
    !catalog.permissions(before).is_within(&catalog.permissions(after)) || (!is_owner && before.iter().any(is_dropped))
}

/// Whether an organization is within a credential's reach.
pub(crate) fn reaches(credential: &CredentialRow, target: &Target) -> bool {
    target.id == credential.organization_id || (credential.organization_id == credential.root_id && target.root_id == credential.root_id)
}
