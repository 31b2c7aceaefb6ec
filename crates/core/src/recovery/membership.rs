//! What somebody may keep in the tree of one root, of what he had at a backup and what he had later. Roles add up, with conditions, and
//! own ones replace inherited ones.
//!
//! What is left must be no more than either, and the log that tells of the later roles may be forged. So it is never more than the earlier
//! ones were worth by the backup's own catalog, whatever the log says. And it is some of the later ones by name, which is no more than
//! all of them whatever a catalog makes of them; or else no more than they are worth by both catalogs, the backup's and the later one.
//! Roles that the backup's catalog does not have are worth nothing that could be compared, and are lost.

use crate::grant::effective_roles;
use keywright_protocol::{Catalog, MembershipId, OrganizationId, catalog::OWNER};
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

/// What roles are worth: by the catalog of the backup, and by the one that was in force later, if it is another one.
pub(super) struct Catalogs {
    pub(super) own: Catalog,
    pub(super) later: Option<Catalog>,
}

impl Catalogs {
    fn known(&self, roles: &[String]) -> Vec<String> {
        roles.iter().filter(|role| self.own.has_role(role)).cloned().collect()
    }
}

/// Nothing permits as much as Owner without being it.
fn is_worth_no_more(catalog: &Catalog, roles: &[String], others: &[String]) -> bool {
    let has_owner = |roles: &[String]| roles.iter().any(|role| role == OWNER);
    catalog.permissions(roles).is_within(&catalog.permissions(others)) && (!has_owner(roles) || has_owner(others))
}

/// What may be left where these roles were held earlier and later.
struct Bounds<'a> {
    catalogs: &'a Catalogs,
    earlier: &'a [String],
    later: &'a [String],
}

impl Bounds<'_> {
    fn allow(&self, roles: &[String]) -> bool {
        let Catalogs { own, later } = self.catalogs;
        let some_of_the_later = || roles.iter().all(|role| self.later.contains(role));
        let worth_no_more = || {
            is_worth_no_more(own, roles, self.later)
                && later.as_ref().is_none_or(|later| roles.iter().all(|role| later.has_role(role)) && is_worth_no_more(later, roles, self.later))
        };
        is_worth_no_more(own, roles, self.earlier) && (some_of_the_later() || worth_no_more())
    }

    fn common(&self) -> Vec<String> {
        self.earlier.iter().filter(|role| self.later.contains(role)).cloned().collect()
    }
}

/// The later roles if they are no more than the earlier ones, or the other way round, else what both have.
pub(super) fn less(catalogs: &Catalogs, earlier: &[String], later: &[String]) -> Vec<String> {
    let later = catalogs.known(later);
    let bounds = Bounds { catalogs, earlier, later: &later };
    let way = [later.as_slice(), earlier].into_iter().find(|roles| bounds.allow(roles)).map(<[String]>::to_vec);
    way.unwrap_or_else(|| bounds.common())
}

/// What is left to somebody in a tree. `None` if no roles say that: then nothing is left at all.
pub(super) fn left(catalogs: &Catalogs, root: OrganizationId, earlier: &Seats, later: &Seats) -> Option<Left> {
    fn own(seats: &Seats, place: OrganizationId) -> Option<&[String]> {
        seats.get(&place).map(|seat| seat.roles.as_slice())
    }
    let in_effect = |own: Option<&[String]>, of_root: Option<&[String]>| effective_roles(own.unwrap_or_default(), of_root.unwrap_or_default()).to_vec();
    let (root_earlier, root_later) = (own(earlier, root), own(later, root));
    let root_left = root_earlier.zip(root_later).map(|(had, has)| less(catalogs, had, has));
    let mut all = Left::from([(root, root_left.clone())]);
    let places: BTreeSet<OrganizationId> = earlier.keys().chain(later.keys()).copied().filter(|place| *place != root).collect();
    for place in places {
        let (had, has) = (own(earlier, place), own(later, place));
        let (earlier, later) = (in_effect(had, root_earlier), catalogs.known(&in_effect(has, root_later)));
        let bounds = Bounds { catalogs, earlier: &earlier, later: &later };
        // A membership that only came later is of use where its roles replace inherited ones, and gives nothing else.
        let has = has.map(|roles| catalogs.known(roles)).filter(|roles| had.is_some() || !roles.is_empty());
        let common = Some(bounds.common()).filter(|roles| !roles.is_empty());
        let ways = [has, had.map(<[String]>::to_vec), common];
        let way = ways.into_iter().find(|own| bounds.allow(&in_effect(own.as_deref(), root_left.as_deref())));
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

    fn catalog(own: &str) -> Catalog {
        Catalog::new(crate::catalog::assemble(None, Some(own)).unwrap()).unwrap()
    }

    fn catalogs(later: Option<&str>) -> Catalogs {
        Catalogs { own: catalog(OWN), later: later.map(catalog) }
    }

    /// Reddens when own roles are taken for additions to inherited ones, when a membership that only came later is forgotten or gives
    /// something, when what the backup's catalog does not know counts for nothing, and when Owner is no more than every permission.
    #[test]
    fn what_is_left_is_nowhere_more_than_either() {
        let catalogs = catalogs(None);
        let cases: [(In<'_>, In<'_>, Option<In<'_>>); 15] = [
            ((Some("ab"), None), (Some("a"), None), Some((Some("a"), None))),
            ((Some("a"), None), (Some("ab"), None), Some((Some("a"), None))),
            ((Some("a b"), None), (Some("b c"), None), Some((Some("b"), None))),
            ((Some("a"), None), (Some("c"), None), Some((Some(""), None))),
            ((Some("a"), None), (None, None), Some((None, None))),
            // He was put into the sub-organization, with less than he inherits.
            ((Some("ab"), None), (Some("ab"), Some("b")), Some((Some("ab"), Some("b")))),
            // Without roles of his own he inherits the same as outside of it.
            ((Some("ab"), None), (Some("ab"), Some("")), Some((Some("ab"), None))),
            // He is not in the root, and was put into the sub-organization later.
            ((None, None), (None, Some("a")), Some((None, None))),
            // He was taken out of it, which gave him what he inherits; that was given since.
            ((Some("ab"), Some("b")), (Some("ab"), None), Some((Some("ab"), Some("b")))),
            ((Some("a"), Some("ab")), (Some("a"), None), Some((Some("a"), None))),
            // No roles say "nothing" where something is inherited.
            ((Some("ab"), Some("c")), (Some("ab"), Some("a")), None),
            ((Some("a"), None), (Some("a"), Some("unknown")), None),
            ((Some("ab"), None), (Some("unknown ab"), None), Some((Some("ab"), None))),
            ((Some("all"), None), (Some("owner"), None), Some((Some("all"), None))),
            ((Some("owner"), None), (Some("all"), Some("owner")), Some((Some("all"), Some("owner")))),
        ];
        for (earlier, later, expected) in cases {
            let left = left(&catalogs, Uuid::from_u128(ROOT).into(), &seats(earlier), &seats(later));
            let found = left.map(|left| {
                let own = |place: u128| left.get(&Uuid::from_u128(place).into()).cloned().flatten();
                (own(ROOT), own(SUB))
            });
            assert_eq!(found, expected.map(|(root, sub)| (root.map(roles), sub.map(roles))), "{earlier:?} and later {later:?}");
        }
    }

    /// Reddens when a name that is no role's is written, which would be read as two.
    #[test]
    fn what_is_no_role_is_never_written() {
        assert_eq!(less(&catalogs(None), &roles("a"), &["a owner".to_owned()]), Vec::<String>::new());
        assert_eq!(less(&catalogs(None), &roles("ab"), &["b owner".to_owned(), "a".to_owned()]), ["a"]);
    }

    /// Reddens when a later catalog, which may be forged, can give something; and when a role that it shrank or does not have is kept
    /// instead of the one that its holder was given.
    #[test]
    fn a_later_catalog_only_takes() {
        let worthless = OWN.replace(r#"["a"]"#, "[]").replace(r#"["a", "b"]"#, "[]").replace(r#"["b"]"#, "[]");
        assert_eq!(less(&catalogs(Some(&worthless)), &roles("a"), &roles("ab")), ["a"]);
        assert_eq!(less(&catalogs(Some(&worthless)), &roles("a"), &roles("all")), ["a"], "as the backup's catalog says too");
        assert_eq!(less(&catalogs(Some(&worthless)), &roles("b"), &roles("ab c")), ["b"]);
        let without_ab = OWN.replace("[roles.ab]", "[roles.other]");
        assert_eq!(less(&catalogs(Some(&without_ab)), &roles("ab"), &roles("a")), ["a"], "he was demoted before it was removed");
        let shrunk = OWN.replace(r#"["a", "b"]"#, r#"["b"]"#);
        assert_eq!(less(&catalogs(Some(&shrunk)), &roles("ab"), &roles("a")), ["a"], "the later one, which the backup's catalog has for less");
        assert_eq!(less(&catalogs(Some(&shrunk)), &roles("a"), &roles("ab")), Vec::<String>::new(), "what he had is more than his later role is by now");
    }
}
