//! Nobody gives what he lacks, over the whole of the preset: what core decides is what sets say, on a resolver of its own.
//!
//! Reddens when `grant::beyond` leaves out what was had before, looks at roles one by one or at their permissions without conditions.

use crate::{
    model::{
        operations::Dice,
        resolver::{OWNER, Resolver, Set},
    },
    support::{self, World, world},
};
use keywright_core::{
    Actor, Context, Error, PersonActor,
    catalog::{Preset, assemble},
    custom_roles::NewRole,
    grant,
    members::RoleChange,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{
    Catalog, OrganizationId, UserId,
    admin::RolesIn,
    catalog::{CustomRole, Role},
};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    what_is_decided_is_done,
);

const RANDOM: usize = 20_000;
const WHOLE_OPERATIONS: usize = 200;

/// The decision twice, and how often it was yes and no.
struct Lattice {
    catalog: Catalog,
    resolver: Resolver,
    allowed: usize,
    refused: usize,
}

impl Lattice {
    fn new() -> Self {
        let mut document = assemble(Some(Preset::Appcircle), None).unwrap();
        let catalog = Catalog::new(document.clone()).unwrap().with_custom_roles(&custom_roles());
        // To the reference a custom role is a role like any other.
        for CustomRole { key, permissions } in custom_roles() {
            document.roles.insert(key, Role { permissions, ..Role::default() });
        }
        Self { catalog, resolver: Resolver::new(document), allowed: 0, refused: 0 }
    }

    /// What sets say: everything that comes is the giver's already.
    fn within(&self, giver: &Set, before: &Set, after: &Set) -> bool {
        let [giver, before, after] = [giver, before, after].map(|roles| self.resolver.permissions(roles));
        after.iter().all(|permission| before.contains(permission) || giver.contains(permission))
    }

    fn check(&mut self, giver: &Set, before: &Set, after: &Set) {
        let own = self.catalog.permissions(&listed(giver));
        let decided = grant::beyond(&self.catalog, &own, &listed(before), &listed(after)).is_empty();
        assert_eq!(decided, self.within(giver, before, after), "{giver:?} gives {before:?} -> {after:?}");
        if decided {
            self.allowed += 1;
        } else {
            self.refused += 1;
        }
    }

    fn roles(&self) -> Vec<String> {
        self.catalog.document().roles.keys().cloned().chain(custom_roles().into_iter().map(|role| role.key)).collect()
    }
}

/// Within a role of the catalog, across modules, with something that only Owners have, and with something under a condition.
fn custom_roles() -> Vec<CustomRole> {
    let role = |slug: &str, ids: &[&str]| CustomRole { key: format!("custom:{slug}"), permissions: ids.iter().map(|id| (*id).to_owned()).collect() };
    vec![
        role("organization", &["organization.member.view", "organization.member.assign-role", "organization.api-key.manage"]),
        role("across-identity", &["build.profile.view", "organization.activity.view", "build.artifact.distribute"]),
        role("owners-build", &["build.profile.view", "build.runner.manage"]),
    ]
}

fn listed(roles: &Set) -> Vec<String> {
    roles.iter().cloned().collect()
}

/// All subsets of a few roles.
fn subsets(roles: &[String]) -> Vec<Set> {
    (0..1_usize << roles.len()).map(|bits| roles.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, role)| role.clone()).collect()).collect()
}

#[test]
fn within_a_module_every_giver_and_every_change() {
    let mut lattice = Lattice::new();
    let modules = lattice.catalog.document().modules.clone();
    for module in &modules {
        let document = lattice.catalog.document();
        let of_module = document.roles.iter().filter(|(_, role)| role.module.as_ref() == Some(&module.slug));
        let all = subsets(&of_module.map(|(key, _)| key.clone()).collect::<Vec<_>>());
        for giver in &all {
            for after in &all {
                for before in &all {
                    lattice.check(giver, before, after);
                }
            }
        }
    }
    assert_eq!(modules.len(), 13);
    assert!(lattice.allowed > 10_000 && lattice.refused > 2_000, "{} {}", lattice.allowed, lattice.refused);
}

#[test]
fn what_a_condition_joins_is_more_than_its_parts() {
    let mut lattice = Lattice::new();
    let conditions = lattice.catalog.document().conditions.clone();
    let mut joined = 0;
    for condition in &conditions {
        let carriers = lattice.catalog.roles_with(&condition.permission).map(str::to_owned).filter(|role| role != OWNER);
        let roles: Set = carriers.chain(condition.all_of.iter().flatten().cloned()).collect();
        for one in &roles {
            for other in &roles {
                let (one, other): (Set, Set) = ([one.clone()].into(), [other.clone()].into());
                let (both, none) = (&one | &other, Set::new());
                for giver in [&none, &one, &other, &both] {
                    for before in [&none, &one, &other] {
                        lattice.check(giver, before, &both);
                    }
                }
                // Whoever has the one role alone cannot bring it to the other where the two together open something.
                joined += usize::from(!lattice.within(&one, &other, &both) && lattice.within(&one, &none, &one) && lattice.within(&both, &other, &both));
            }
        }
    }
    assert!(joined > 0 && lattice.allowed > 100 && lattice.refused > 100, "{joined} {} {}", lattice.allowed, lattice.refused);
}

/// Reddens when a custom role is worth nothing, or everything, and when what is under a condition comes with it without that.
#[test]
fn a_custom_role_is_what_its_permissions_are() {
    let mut lattice = Lattice::new();
    assert!(custom_roles().iter().flat_map(|role| &role.permissions).all(|id| lattice.catalog.index(id).is_some()));
    let of_catalog = ["manage-organization", "view-build", "manage-build"].map(str::to_owned);
    let all = subsets(&of_catalog.into_iter().chain(custom_roles().into_iter().map(|role| role.key)).collect::<Vec<_>>());
    for giver in &all {
        for after in &all {
            for before in &all {
                lattice.check(giver, before, after);
            }
        }
    }
    assert!(lattice.allowed > 50_000 && lattice.refused > 50_000, "{} {}", lattice.allowed, lattice.refused);
}

#[test]
fn random_givers_and_changes() {
    let mut lattice = Lattice::new();
    let (roles, mut dice) = (lattice.roles(), Dice(3));
    let draw = |dice: &mut Dice| -> Set { (0..dice.below(9)).map(|_| dice.one_of(&roles)).collect() };
    let pool: Vec<Set> = (0..600).map(|_| draw(&mut dice)).collect();
    for _ in 0..RANDOM {
        let (giver, before, other) = (dice.one_of(&pool), dice.one_of(&pool), dice.one_of(&pool));
        // Now other roles altogether, now a little more than the giver has, now less.
        let after = match dice.below(4) {
            0 => other,
            1 => &before | &giver,
            2 => &giver | &[dice.one_of(&roles)].into(),
            _ => &giver & &other,
        };
        lattice.check(&giver, &before, &after);
    }
    assert!(lattice.allowed > 2_000 && lattice.refused > 2_000, "{} {}", lattice.allowed, lattice.refused);
}

impl World {
    async fn set(&self, organization: OrganizationId, user: UserId, roles: &Set) {
        self.core.change_roles(&self.host(), organization, user, RoleChange::Replace(listed(roles))).await.unwrap();
    }
}

fn allowed<T>(result: &Result<T, Error>) -> bool {
    match result {
        Ok(_) => true,
        Err(Error::Forbidden(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// The same through the operations: roles changed and keys made by people, in a root and below it. Reddens also when one of the two
/// operations does not ask.
async fn what_is_decided_is_done(db: Db) {
    let (world, lattice, mut dice) = (world(db.clone()).await, Lattice::new(), Dice(5));
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let (giver, target) = (world.demo.users["manager"].id, world.demo.users["viewer"].id);
    let session_id = support::open_session(&db, giver, world.clock.now()).await;
    let ctx = Context { actor: Actor::Person(PersonActor { user_id: giver, session_id, confirmed_at: world.clock.now() }), ..world.host() };
    for CustomRole { key, permissions } in custom_roles() {
        let slug = key.strip_prefix("custom:").map(str::to_owned);
        let new = NewRole { slug, name: key.clone(), description: String::new(), permissions };
        world.core.create_custom_role(&world.host(), acme, new).await.unwrap();
    }
    let roles: Vec<String> = lattice.roles();
    let pool: Set = roles.iter().filter(|role| role.ends_with("organization") || role.ends_with("build") || role.ends_with("identity")).cloned().collect();
    let pool = [&listed(&pool)[..], &[OWNER.to_owned()]].concat();
    let draw = |dice: &mut Dice| -> Set { (0..dice.below(4)).map(|_| dice.one_of(&pool)).collect() };
    let mut yes = 0;
    for round in 0..WHOLE_OPERATIONS {
        let mut his = draw(&mut dice);
        his.insert("view-organization".to_owned());
        if !dice.once_in(10) {
            his.insert("manage-organization".to_owned());
        }
        let (root, own, after) = (draw(&mut dice), draw(&mut dice), draw(&mut dice));
        let place = dice.one_of(&[acme, mobile]);
        let inherited = if place == acme { Set::new() } else { root.clone() };
        world.set(acme, giver, &his).await;
        world.set(acme, target, &root).await;
        world.set(place, target, &own).await;

        let (had, has) = (if own.is_empty() { &inherited } else { &own }, if after.is_empty() { &inherited } else { &after });
        let is_owner = his.contains(OWNER);
        let may = |permission: &str| lattice.resolver.permissions(&his).contains(permission);
        let touches_owner = own != after && (had.contains(OWNER) || has.contains(OWNER));
        let expected = may("organization.member.assign-role") && lattice.within(&his, had, has) && (is_owner || !touches_owner);
        let changed = world.core.change_roles(&ctx, place, target, RoleChange::Replace(listed(&after))).await;
        assert_eq!(allowed(&changed), expected, "{his:?} gives {had:?} -> {has:?}");

        let key = vec![RolesIn { organization_id: place, roles: listed(&after) }];
        let expected_key = may("organization.api-key.manage") && lattice.within(&his, &Set::new(), &after) && (is_owner || !after.contains(OWNER));
        let made = world.core.create_api_key(&ctx, acme, &format!("key {round}"), &key, None).await;
        assert_eq!(allowed(&made), expected_key, "{his:?} makes a key of {after:?}");
        yes += usize::from(expected) + usize::from(expected_key);
    }
    assert!((WHOLE_OPERATIONS / 4..WHOLE_OPERATIONS * 7 / 4).contains(&yes), "{yes}");
}
