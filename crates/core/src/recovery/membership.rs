//! What somebody may keep in the tree of one root, of what he had at a backup and what he had later. Roles add up, with conditions, and
//! own ones replace inherited ones; so what is less is found by what roles permit, organization by organization.

use crate::grant::effective_roles;
use keywright_protocol::{
    Catalog, MembershipId, OrganizationId,
    catalog::{OWNER, PermissionSet},
};
use std::collections::{BTreeMap, BTreeSet};

/// A live direct membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) id: MembershipId,
    /// Own roles; none for "as inherited".
    pub(super) roles: Vec<String>,
}

/// Somebody's memberships in one tree.
pub(super) type Seats = BTreeMap<OrganizationId, Seat>;

/// The own roles to be left in each organization; `None` for no membership.
pub(super) type Left = BTreeMap<OrganizationId, Option<Vec<String>>>;

/// What roles are worth. Nothing permits as much as Owner without being it.
#[derive(PartialEq, Eq)]
struct Worth {
    permissions: PermissionSet,
    owner: bool,
}

impl Worth {
    fn of(catalog: &Catalog, roles: &[String]) -> Self {
        Self { permissions: catalog.permissions(roles), owner: roles.iter().any(|role| role == OWNER) }
    }

    fn is_within(&self, other: &Self) -> bool {
        self.permissions.is_within(&other.permissions) && (!self.owner || other.owner)
    }
}

/// The better one of what is less: the later roles where they are within the earlier ones, else the earlier ones, else what both have.
/// `None` if nothing that can be written down is within both.
pub(super) fn less(catalog: &Catalog, earlier: &[String], later: &[String]) -> Option<Vec<String>> {
    let (had, has) = (Worth::of(catalog, earlier), Worth::of(catalog, later));
    let both = common(earlier, later);
    [later, earlier, &both]
        .into_iter()
        .find(|roles| {
            let worth = Worth::of(catalog, roles);
            worth.is_within(&had) && worth.is_within(&has)
        })
        .map(<[String]>::to_vec)
}

fn common(some: &[String], others: &[String]) -> Vec<String> {
    some.iter().filter(|role| others.contains(role)).cloned().collect()
}

/// What is left to somebody in a tree: nowhere more than he had at the backup, and nowhere more than later. `None` if no roles say
/// that: then nothing is left at all.
pub(super) fn left(catalog: &Catalog, root: OrganizationId, earlier: &Seats, later: &Seats) -> Option<Left> {
    let roles = |seats: &Seats, place: OrganizationId| seats.get(&place).map(|seat| seat.roles.clone());
    let (root_earlier, root_later) = (roles(earlier, root), roles(later, root));
    let root_left = match (&root_earlier, &root_later) {
        (Some(had), Some(has)) => Some(less(catalog, had, has)?),
        (None, _) | (_, None) => None,
    };
    let effective = |own: &Option<Vec<String>>, of_root: &Option<Vec<String>>| {
        Worth::of(catalog, effective_roles(own.as_deref().unwrap_or_default(), of_root.as_deref().unwrap_or_default()))
    };
    let mut all = Left::from([(root, root_left.clone())]);
    let places: BTreeSet<OrganizationId> = earlier.keys().chain(later.keys()).copied().filter(|place| *place != root).collect();
    for place in places {
        let (had, has) = (roles(earlier, place), roles(later, place));
        let (worth_before, worth_later) = (effective(&had, &root_earlier), effective(&has, &root_later));
        let in_effect = |own: &Option<Vec<String>>, of_root: &Option<Vec<String>>| {
            effective_roles(own.as_deref().unwrap_or_default(), of_root.as_deref().unwrap_or_default()).to_vec()
        };
        let both = common(&in_effect(&had, &root_earlier), &in_effect(&has, &root_later));
        let mut ways = vec![has, had];
        if !both.is_empty() {
            ways.push(Some(both));
        }
        let way = ways.into_iter().find(|own| {
            let worth = effective(own, &root_left);
            worth.is_within(&worth_before) && worth.is_within(&worth_later)
        });
        all.insert(place, way?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const OWN: &str = r#"
        [apis.shop.permissions]
        "a" = "A"
        "b" = "B"
        "c" = "C"
        [roles.a]
        name = "A"
        permissions = ["a"]
        [roles.ab]
        name = "A and B"
        permissions = ["a", "b"]
        [roles.b]
        name = "B"
        permissions = ["b"]
        [roles.c]
        name = "C"
        permissions = ["c"]
        [roles.all]
        name = "All"
        everything = true
    "#;

    const ROOT: u128 = 1;
    const SUB: u128 = 2;

    fn roles(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Own roles in the root and in a sub-organization; `None` for no membership.
    type In<'a> = (Option<&'a str>, Option<&'a str>);

    fn seats((root, sub): In<'_>) -> Seats {
        let seat =
            |place: u128, own: Option<&str>| own.map(|own| (Uuid::from_u128(place).into(), Seat { id: Uuid::from_u128(place).into(), roles: roles(own) }));
        seat(ROOT, root).into_iter().chain(seat(SUB, sub)).collect()
    }

    /// Reddens when own roles are taken for additions to inherited ones, when a membership that only came later is forgotten, and when
    /// Owner is no more than every permission.
    #[test]
    fn what_is_left_is_nowhere_more_than_either() {
        let catalog = Catalog::new(crate::catalog::assemble(None, Some(OWN)).unwrap()).unwrap();
        let cases: [(In<'_>, In<'_>, Option<In<'_>>); 11] = [
            ((Some("ab"), None), (Some("a"), None), Some((Some("a"), None))),
            ((Some("a"), None), (Some("ab"), None), Some((Some("a"), None))),
            ((Some("a b"), None), (Some("b c"), None), Some((Some("b"), None))),
            ((Some("a"), None), (Some("c"), None), Some((Some(""), None))),
            ((Some("a"), None), (None, None), Some((None, None))),
            // He was put into the sub-organization, with less than he inherits.
            ((Some("ab"), None), (Some("ab"), Some("b")), Some((Some("ab"), Some("b")))),
            // He was taken out of it, which gave him what he inherits; that was given since.
            ((Some("ab"), Some("b")), (Some("ab"), None), Some((Some("ab"), Some("b")))),
            ((Some("a"), Some("ab")), (Some("a"), None), Some((Some("a"), None))),
            // No roles say "nothing" where something is inherited.
            ((Some("ab"), Some("c")), (Some("ab"), Some("a")), None),
            ((Some("all"), None), (Some("owner"), None), Some((Some("all"), None))),
            ((Some("owner"), None), (Some("all"), Some("owner")), Some((Some("all"), Some("owner")))),
        ];
        for (earlier, later, expected) in cases {
            let left = left(&catalog, Uuid::from_u128(ROOT).into(), &seats(earlier), &seats(later));
            let found = left.map(|left| {
                let own = |place: u128| left.get(&Uuid::from_u128(place).into()).cloned().flatten();
                (own(ROOT), own(SUB))
            });
            assert_eq!(found, expected.map(|(root, sub)| (root.map(roles), sub.map(roles))), "{earlier:?} and later {later:?}");
        }
    }
}
