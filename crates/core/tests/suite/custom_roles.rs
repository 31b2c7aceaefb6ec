//! Roles that organizations make: who makes them, what they give and to whom, what ends when they shrink, and what never comes back.

use crate::{
    members::code,
    support::{World, claims, outcome, world},
};
use keywright_core::{
    Context, Error,
    custom_roles::{Held, NewRole, Role, RoleUpdate},
    keys::CreatedKey,
    members::RoleChange,
    operator::NewOperatorKey,
};
use keywright_core::{Credential, IssuedToken};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{Catalog, KeyId, OperatorScope, OrganizationId, admin::RolesIn};
use std::collections::BTreeSet;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_role_gives_what_it_names_in_its_tree_alone,
    without_a_scope_a_token_names_what_the_catalog_does_not_say,
    only_a_fresh_owner_of_the_root_makes_roles,
    a_role_that_shrinks_ends_what_it_gave_and_nothing_else,
    memory_forgets_a_role_that_changes,
    a_deleted_key_does_not_come_back,
    a_role_that_is_held_is_replaced_or_stays,
    a_token_has_room_for_what_one_holds,
    nobody_gives_a_role_beyond_himself,
    a_catalog_that_loses_a_permission_says_so_and_ends_what_had_it,
    an_explanation_and_a_refusal_know_them,
    what_is_no_role_is_refused,
    a_token_for_a_sub_organization_is_narrowed_by_name,
);

const READ: &str = "organization.member.view";

pub(crate) fn new(slug: &str, permissions: &[&str]) -> NewRole {
    NewRole { slug: Some(slug.to_owned()), name: slug.to_owned(), description: String::new(), permissions: list(permissions) }
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn permissions(ids: &[&str]) -> RoleUpdate {
    RoleUpdate { permissions: Some(list(ids)), ..RoleUpdate::default() }
}

/// What a token says it may at the issuer, by the catalog alone, as a verifier reads it.
fn said(catalog: &Catalog, token: &IssuedToken) -> BTreeSet<String> {
    let claims = claims(token);
    if let Some(scope) = claims["scope"].as_str() {
        return scope.split(' ').map(str::to_owned).collect();
    }
    let read = |name: &str| claims.get(name).map(|value| serde_json::from_value::<Vec<String>>(value.clone()).unwrap()).unwrap_or_default();
    let mut set = catalog.permissions(&read("roles"));
    set.union(&catalog.set_of(&read("permissions")));
    set.intersect(catalog.audience(catalog.default_audience()).unwrap());
    catalog.ids(&set).map(str::to_owned).collect()
}

impl World {
    async fn make(&self, slug: &str, ids: &[&str]) -> Role {
        self.core.create_custom_role(&self.host(), self.demo.acme.id, new(slug, ids)).await.unwrap().value
    }

    async fn give(&self, organization: OrganizationId, part: &str, roles: &[&str]) -> Result<(), Error> {
        let user = self.demo.users[part].id;
        self.core.change_roles(&self.host(), organization, user, RoleChange::Replace(list(roles))).await.map(|_| ())
    }

    async fn may(&self, part: &str, target: Option<OrganizationId>) -> BTreeSet<String> {
        said(&self.core.catalog().catalog, &self.exchange(part, target).await.unwrap())
    }

    async fn key(&self, ctx: &Context, name: &str, grants: &[(OrganizationId, &[&str])]) -> Result<CreatedKey, Error> {
        let grants: Vec<RolesIn> = grants.iter().map(|(organization_id, roles)| RolesIn { organization_id: *organization_id, roles: list(roles) }).collect();
        self.core.create_api_key(ctx, self.demo.acme.id, name, &grants, None).await
    }

    /// Permissions that an Owner has and no other role, and some that a Manager of builds has.
    fn of_owners(&self) -> Vec<String> {
        let catalog = self.core.catalog().catalog.clone();
        let others: Vec<&String> = catalog.document().roles.keys().filter(|role| *role != "owner").collect();
        let set = catalog.permissions(&["owner"]).without(&catalog.permissions(&others));
        catalog.ids(&set).map(str::to_owned).collect()
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// Reddens when a role counts in another root (`catalog_in` and `catalog_for` without the root), or not below its own.
async fn a_role_gives_what_it_names_in_its_tree_alone(db: Db) {
    let world = world(db).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let role = world.make("reader", &["organization.member.view", "build.profile.view"]).await;
    assert_eq!((role.row.role.key.as_str(), role.held), ("custom:reader", Held::default()));
    world.give(acme, "viewer", &["custom:reader"]).await.unwrap();
    let both = set(&["build.profile.view", "organization.member.view"]);
    let token = world.exchange("viewer", None).await.unwrap();
    assert_eq!((said(&world.core.catalog().catalog, &token), claims(&token)["roles"].clone()), (both.clone(), serde_json::json!([])));
    // Out of memory, and by inheritance.
    assert_eq!(world.may("viewer", None).await, both);
    assert_eq!(world.may("viewer", Some(mobile)).await, both);
    world.give(mobile, "submember", &["custom:reader"]).await.unwrap();
    assert_eq!(world.may("submember", None).await, both);
    // A key, in the root and below it.
    let key = world.key(&world.host(), "reading", &[(acme, &["custom:reader"]), (mobile, &["view-build"])]).await.unwrap();
    let credential = || Credential::ApiKey { name: "reading", secret: key.secret.reveal() };
    assert_eq!(said(&world.core.catalog().catalog, &world.core.exchange(&world.host(), credential(), None).await.unwrap()), both);
    assert_ne!(said(&world.core.catalog().catalog, &world.core.exchange(&world.host(), credential(), Some(mobile)).await.unwrap()), both);
    // Elsewhere there is no such role, and another one of the same name is another one.
    assert_eq!(world.give(globex, "globexowner", &["custom:reader", "owner"]).await.unwrap_err().code(), "invalid_request");
    world.core.create_custom_role(&world.host(), globex, new("reader", &["organization.activity.view"])).await.unwrap();
    world.give(globex, "manager", &["custom:reader"]).await.unwrap();
    assert_eq!(world.may("manager@globex", None).await, set(&["organization.activity.view"]));
    assert_eq!(world.may("viewer", None).await, both);
    let listed = world.core.list_custom_roles(&world.host(), mobile).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].row.role.key.as_str(), listed[0].held), ("custom:reader", Held { memberships: 2, keys: 1, invitations: 0 }));
}

/// Reddens when what custom roles add is left out of the claims, when their keys stand among the roles, or when `scope` has `permissions` beside it.
async fn without_a_scope_a_token_names_what_the_catalog_does_not_say(db: Db) {
    let world = world(db).await;
    let (acme, catalog) = (world.demo.acme.id, world.core.catalog().catalog.clone());
    let beyond = world.of_owners().first().unwrap().clone();
    world.make("more", &[&beyond, "organization.member.view"]).await;
    let managing: Vec<String> = catalog.document().roles.keys().filter(|role| role.starts_with("manage-")).cloned().collect();
    let before = world.may("manager", None).await;
    assert!(claims(&world.exchange("manager", None).await.unwrap()).get("scope").is_none());
    let mut roles: Vec<&str> = managing.iter().map(String::as_str).collect();
    roles.push("custom:more");
    world.give(acme, "manager", &roles).await.unwrap();
    let token = world.exchange("manager", None).await.unwrap();
    let said_now = claims(&token);
    assert_eq!(said_now["permissions"], serde_json::json!([beyond]), "what the roles of the catalog give already is not said again");
    assert_eq!(said_now["roles"], serde_json::json!(managing));
    assert_eq!(said(&catalog, &token), &before | &set(&[&beyond]));
    assert!(token.access_token.len() <= 2048, "{}", token.access_token.len());
    // An Owner needs no other role, and where everything fits the scope says it alone.
    world.give(acme, "viewer", &["custom:more"]).await.unwrap();
    let token = claims(&world.exchange("viewer", None).await.unwrap());
    assert!(token.get("permissions").is_none() && token["scope"].as_str().unwrap().contains(beyond.as_str()), "{token}");
    world.give(acme, "owner", &["owner", "custom:more"]).await.unwrap();
    let token = claims(&world.exchange("owner", None).await.unwrap());
    assert!(token.get("permissions").is_none() && token["roles"] == serde_json::json!(["owner"]), "{token}");
}

/// Reddens when freshness, the role Owner, the kind of the actor or the root is not asked for in `require_maker`.
async fn only_a_fresh_owner_of_the_root_makes_roles(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    world.make("kept", &[READ]).await;
    let key = world.key_of("owner", acme).await;
    let of = async |scopes: &[OperatorScope]| {
        let new = NewOperatorKey { name: "backend".to_owned(), scopes: scopes.to_vec(), expires_at: None, allowed_addresses: Vec::new() };
        let (_, secret) = world.core.create_operator_key(&world.host(), new).await.unwrap().value;
        let actor = world.core.find_operator(&world.anonymous(), secret.reveal(), Some("support")).await.unwrap();
        Context { actor: keywright_core::Actor::Operator(actor), ..world.host() }
    };
    // The demo's Acme is the operator organization, which operator keys do not see; so they are asked about Globex.
    let globex = world.demo.globex.id;
    world.core.create_custom_role(&world.host(), globex, new("kept", &[READ])).await.unwrap();
    let cases = [
        ("an Owner, fresh", world.person("owner", 0).await, acme, "done"),
        ("an Owner, not fresh", world.person("owner", 300).await, acme, "session_not_fresh"),
        ("a Manager", world.person("manager", 0).await, acme, "insufficient_permission"),
        ("an Owner's key", world.token(key, acme), acme, "insufficient_permission"),
        ("in a sub-organization", world.person("owner", 0).await, mobile, "conflict"),
        ("another root's Owner", world.person("globexowner", 0).await, acme, "not_found"),
        ("an operator key for members", of(&[OperatorScope::Members]).await, globex, "done"),
        ("an operator key for keys", of(&[OperatorScope::Keys]).await, globex, "insufficient_permission"),
    ];
    for (number, (who, ctx, place, expected)) in cases.into_iter().enumerate() {
        let made = code(world.core.create_custom_role(&ctx, place, new(&format!("made-{number}"), &[READ])).await);
        assert_eq!(made, expected, "{who} makes");
        let before = world.core.get_custom_role(&world.host(), place, "custom:kept").await.unwrap();
        let rename = RoleUpdate { name: Some(format!("by {who}")), ..RoleUpdate::default() };
        assert_eq!(code(world.core.update_custom_role(&ctx, place, "custom:kept", rename).await), expected, "{who} changes");
        if expected != "done" {
            assert_eq!(code(world.core.delete_custom_role(&ctx, place, "custom:kept", None).await), expected, "{who} deletes");
            assert_eq!(world.core.get_custom_role(&world.host(), place, "custom:kept").await.unwrap(), before, "{who}");
        }
    }
    // Where they are made is said.
    let refused = world.core.create_custom_role(&world.person("owner", 0).await, mobile, new("z", &[READ])).await.unwrap_err().to_string();
    assert!(refused.contains("Acme") && refused.contains(&acme.to_string()), "{refused}");
    // Whoever sees members sees them.
    for (who, expected) in [("viewer", "done"), ("submember", "insufficient_permission")] {
        let place = if who == "viewer" { acme } else { mobile };
        assert_eq!(code(world.core.list_custom_roles(&world.person(who, 0).await, place).await), expected, "{who}");
        assert_eq!(code(world.core.get_custom_role(&world.person(who, 0).await, place, "custom:kept").await), expected, "{who}");
    }
}

/// The open generation of a key in an organization.
async fn index(db: &Db, key: KeyId, organization: OrganizationId) -> Option<i64> {
    let statement = "SELECT status_index FROM generations WHERE key_id = $1 AND organization_id = $2 AND ended_at IS NULL";
    let row = db.read(move |tx| Box::pin(async move { tx.fetch_optional(statement, &[key.into(), organization.into()]).await })).await.unwrap();
    row.map(|row| row.get("status_index").unwrap())
}

async fn bits(db: &Db) -> BTreeSet<i64> {
    let statement = "SELECT bits FROM changes WHERE kind = 'organization' ORDER BY history DESC, n DESC LIMIT 1";
    let row = db.read(move |tx| Box::pin(async move { tx.fetch_one(statement, &[]).await })).await.unwrap();
    row.get::<String>("bits").unwrap().split_whitespace().map(|bit| bit.parse().unwrap()).collect()
}

fn key_of(token: &IssuedToken) -> KeyId {
    claims(token)["keyId"].as_str().unwrap().parse().unwrap()
}

/// Reddens when nothing ends, when everybody's in the tree does, or when who keeps it by another role loses his tokens (`Step::end`).
async fn a_role_that_shrinks_ends_what_it_gave_and_nothing_else(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    world.make("two", &["build.profile.view", "organization.activity.view"]).await;
    world.give(acme, "viewer", &["custom:two"]).await.unwrap();
    world.give(acme, "manager", &["custom:two", "view-build"]).await.unwrap();
    let key = world.key(&world.host(), "two", &[(acme, &["view-build"]), (mobile, &["custom:two"])]).await.unwrap();
    let exchange_key =
        async |target| world.core.exchange(&world.host(), Credential::ApiKey { name: "two", secret: key.secret.reveal() }, target).await.unwrap();
    let mut tokens = Vec::new();
    for (who, target) in [("viewer", None), ("viewer", Some(mobile)), ("manager", None), ("owner", None)] {
        tokens.push((format!("{who} {target:?}"), target.unwrap_or(acme), world.exchange(who, target).await.unwrap()));
    }
    for target in [None, Some(mobile)] {
        tokens.push((format!("key {target:?}"), target.unwrap_or(acme), exchange_key(target).await));
    }
    let open = async |db: &Db| {
        let mut open = Vec::new();
        for (what, place, token) in &tokens {
            open.push((what.clone(), index(db, key_of(token), *place).await));
        }
        open
    };
    let before = open(&db).await;
    let host = world.host();
    // A name, and more, end nothing.
    let more = RoleUpdate { name: Some("Two".to_owned()), ..permissions(&["build.profile.view", "organization.activity.view", "organization.member.view"]) };
    world.core.update_custom_role(&host, acme, "custom:two", more).await.unwrap();
    assert_eq!((open(&db).await, bits(&db).await), (before.clone(), BTreeSet::new()));
    // The Manager keeps to see builds by `view-build`; the Owner has everything; the key has the role below alone.
    world.core.update_custom_role(&host, acme, "custom:two", permissions(&["organization.activity.view", "organization.member.view"])).await.unwrap();
    let ended: Vec<String> = before.iter().zip(open(&db).await).filter(|(was, is)| **was != *is).map(|(was, _)| was.0.clone()).collect();
    assert_eq!(ended, ["viewer None".to_owned(), format!("viewer {:?}", Some(mobile)), format!("key {:?}", Some(mobile))]);
    let expected: BTreeSet<i64> = before.iter().filter(|(what, _)| ended.contains(what)).filter_map(|(_, index)| *index).collect();
    assert_eq!(bits(&db).await, expected, "and everybody is told of it");
    assert_eq!(world.may("viewer", None).await, set(&["organization.activity.view", "organization.member.view"]));
}

/// Reddens when a change of a role writes no line of the log of changes, or one of another subject than the root.
async fn memory_forgets_a_role_that_changes(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    world.make("x", &["build.profile.view"]).await;
    world.give(acme, "viewer", &["custom:x"]).await.unwrap();
    world.give(mobile, "submember", &["custom:x"]).await.unwrap();
    for step in [&["build.profile.view", "organization.activity.view"][..], &["organization.activity.view"], &["build.profile.view"]] {
        for _ in 0..2 {
            world.may("viewer", None).await;
        }
        world.core.update_custom_role(&world.host(), acme, "custom:x", permissions(step)).await.unwrap();
        for (who, target) in [("viewer", None), ("viewer", Some(mobile)), ("submember", None)] {
            assert_eq!(world.may(who, target).await, set(step), "{who}");
        }
    }
}

/// Reddens when a deleted row is taken away instead of kept, or is found.
async fn a_deleted_key_does_not_come_back(db: Db) {
    let world = world(db).await;
    let (acme, host) = (world.demo.acme.id, world.host());
    world.make("gone", &[READ]).await;
    world.core.delete_custom_role(&host, acme, "custom:gone", None).await.unwrap();
    let refused = world.core.create_custom_role(&host, acme, new("gone", &[READ])).await.unwrap_err();
    assert!(matches!(&refused, Error::Conflict(reason) if reason.contains("send another slug")), "{refused}");
    assert_eq!(code(world.core.get_custom_role(&host, acme, "custom:gone").await), "not_found");
    assert_eq!(code(world.core.update_custom_role(&host, acme, "custom:gone", permissions(&[READ])).await), "not_found");
    assert_eq!(code(world.core.delete_custom_role(&host, acme, "custom:gone", None).await), "not_found");
    assert_eq!(world.give(acme, "viewer", &["custom:gone"]).await.unwrap_err().code(), "invalid_request");
    assert_eq!(world.core.list_custom_roles(&host, acme).await.unwrap(), []);
    // Another root is free to use it.
    world.core.create_custom_role(&host, world.demo.globex.id, new("gone", &[READ])).await.unwrap();
    // As many as there can be, and not one more; one that is deleted makes room.
    for number in 0..50 {
        world.make(&format!("r{number}"), &[READ]).await;
    }
    assert_eq!(code(world.core.create_custom_role(&host, acme, new("more", &[READ])).await), "conflict");
    world.core.delete_custom_role(&host, acme, "custom:r7", None).await.unwrap();
    world.make("more", &[READ]).await;
}

/// Reddens when a role is deleted under its holders, when somebody is forgotten by the replacement, and when Owner takes its place.
async fn a_role_that_is_held_is_replaced_or_stays(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile, globex, host) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id, world.host());
    world.make("old", &["build.profile.view", "organization.activity.view"]).await;
    world.make("new", &["organization.activity.view"]).await;
    world.core.create_custom_role(&host, globex, new("old", &["build.profile.view"])).await.unwrap();
    world.give(globex, "manager", &["custom:old"]).await.unwrap();
    world.give(acme, "viewer", &["custom:old", "custom:new"]).await.unwrap();
    world.give(mobile, "submember", &["custom:old"]).await.unwrap();
    let key = world.key(&host, "holding", &[(acme, &["custom:old"]), (mobile, &["custom:old"])]).await.unwrap();
    let invited = vec![RolesIn { organization_id: mobile, roles: list(&["custom:old"]) }];
    world.core.invite(&host, acme, "new@example.com", invited).await.unwrap();
    let refused = world.core.delete_custom_role(&host, acme, "custom:old", None).await.unwrap_err().to_string();
    assert!(refused.contains("2 memberships, 2 grants of API Keys and 1 pending invitations") && refused.contains("?replace="), "{refused}");
    for (bad, why) in
        [("owner", "nobody becomes Owner"), ("custom:old", "that is deleted"), ("nothing", "no role `nothing`"), ("custom:none", "no role `custom:none`")]
    {
        let refused = world.core.delete_custom_role(&host, acme, "custom:old", Some(bad)).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field: "replace", reason } if reason.contains(why)), "{bad}: {refused}");
    }
    let viewer = world.exchange("viewer", None).await.unwrap();
    let was = index(&db, key_of(&viewer), acme).await;
    world.core.delete_custom_role(&host, acme, "custom:old", Some("custom:new")).await.unwrap();
    assert_ne!(index(&db, key_of(&viewer), acme).await, was, "he has lost something");
    for (who, place) in [("viewer", acme), ("submember", mobile)] {
        let (_, member) = world.core.get_member(&host, place, world.demo.users[who].id).await.unwrap();
        assert_eq!(member.own, Some(list(&["custom:new"])), "{who}");
        assert_eq!(world.may(who, None).await, set(&["organization.activity.view"]));
    }
    let grants = world.core.get_api_key(&host, acme, key.id).await.unwrap().grants;
    assert!(grants.len() == 2 && grants.iter().all(|grant| grant.roles == ["custom:new"]), "{grants:?}");
    let pending = world.core.list_invitations(&host, acme).await.unwrap();
    assert_eq!(pending[0].grants[0].roles, ["custom:new"]);
    let held = world.core.get_custom_role(&host, acme, "custom:new").await.unwrap().held;
    assert_eq!(held, Held { memberships: 2, keys: 2, invitations: 1 });
    assert_eq!(world.may("manager@globex", None).await, set(&["build.profile.view"]), "another root's role of that name is another role");
    let told = world.core.activity(&host, Some(acme), keywright_core::activity::Filter::default(), None, 1).await.unwrap();
    assert_eq!((told.events[0].event.action.as_str(), told.events[0].event.subject.as_str()), ("Role Delete", "custom:old"));
    assert!(told.events[0].event.reason.ends_with("; custom:new in its place"), "{told:?}");
}

/// Reddens when the room is not asked for where roles are given, or where a role is widened; and when it keeps anybody from holding less.
async fn a_token_has_room_for_what_one_holds(db: Db) {
    let world = world(db).await;
    let (acme, mobile, host) = (world.demo.acme.id, world.demo.mobile.id, world.host());
    let catalog = world.core.catalog().catalog.clone();
    let all: Vec<String> = catalog.ids(&catalog.permissions(&["owner"])).map(str::to_owned).collect();
    // As many as there is room for.
    let mut bytes = 0;
    let fits: Vec<&str> = all
        .iter()
        .take_while(|id| {
            bytes += id.len() + 3;
            bytes <= 512
        })
        .map(String::as_str)
        .collect();
    let too_many: Vec<&str> = all.iter().take(fits.len() + 1).map(String::as_str).collect();
    let refused = world.core.create_custom_role(&host, acme, new("huge", &too_many)).await.unwrap_err();
    assert!(matches!(&refused, Error::Invalid { field: "permissions", reason } if reason.contains("room for 512")), "{refused}");
    world.make("full", &fits).await;
    world.make("small", &[READ, all.last().unwrap()]).await;
    // Alone it is within the limit of a token also where there is no scope: a role that gives most of the rest has its own.
    world.give(acme, "viewer", &["custom:full"]).await.unwrap();
    let token = world.exchange("viewer", None).await.unwrap();
    assert!(token.access_token.len() <= 2048, "{}", token.access_token.len());
    let refused = world.give(acme, "viewer", &["custom:full", "custom:small"]).await.unwrap_err();
    assert!(matches!(&refused, Error::Conflict(reason) if reason.contains("custom:full, custom:small")), "{refused}");
    // The same for keys and invitations.
    assert_eq!(world.key(&host, "k", &[(mobile, &["custom:full", "custom:small"])]).await.map(|_| ()).unwrap_err().code(), "conflict");
    let both = vec![RolesIn { organization_id: mobile, roles: list(&["custom:full", "custom:small"]) }];
    assert_eq!(code(world.core.invite(&host, acme, "new@example.com", both).await), "conflict");
    // And for a role that is widened under whoever holds it, in the sub-organization too.
    world.make("third", &[READ]).await;
    let shown = |id: &&str| !fits.contains(id);
    let another = all.iter().map(String::as_str).find(shown).unwrap();
    world.core.update_custom_role(&host, acme, "custom:full", permissions(&fits[1..])).await.unwrap();
    world.give(mobile, "submember", &["custom:full", "custom:third"]).await.unwrap_or_else(|error| panic!("{error}"));
    let widened = world.core.update_custom_role(&host, acme, "custom:third", permissions(&[READ, another, all.last().unwrap()])).await.unwrap_err();
    assert!(matches!(&widened, Error::Conflict(reason) if reason.contains("Acme Mobile") && reason.contains("custom:third")), "{widened}");
    // Whoever holds less is never stopped.
    world.give(mobile, "submember", &["custom:full"]).await.unwrap();
    world.core.update_custom_role(&host, acme, "custom:third", permissions(&[READ, another, all.last().unwrap()])).await.unwrap();
}

/// Reddens when a custom role counts as nothing, or as everything, in `lacks`.
async fn nobody_gives_a_role_beyond_himself(db: Db) {
    let world = world(db).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    let beyond = world.of_owners().first().unwrap().clone();
    world.make("within", &["organization.member.view", "build.profile.view"]).await;
    world.make("beyond", &["organization.member.view", &beyond]).await;
    let manager = world.person("manager", 0).await;
    let give = async |roles: &[&str]| code(world.core.change_roles(&manager, acme, viewer, RoleChange::Replace(list(roles))).await);
    assert_eq!(give(&["custom:within"]).await, "done");
    assert_eq!(give(&["custom:within", "custom:beyond"]).await, "insufficient_permission");
    assert_eq!(world.key(&manager, "a", &[(acme, &["custom:within"])]).await.map(|_| ()), Ok(()));
    assert_eq!(world.key(&manager, "b", &[(acme, &["custom:beyond"])]).await.map(|_| ()).unwrap_err().code(), "insufficient_permission");
    // Who has it by a role of this kind gives it.
    let mut held: Vec<String> = world.core.catalog().catalog.document().roles.keys().filter(|role| role.starts_with("manage-")).cloned().collect();
    held.push("custom:beyond".to_owned());
    world.core.change_roles(&world.host(), acme, world.demo.users["manager"].id, RoleChange::Replace(held)).await.unwrap();
    assert_eq!(give(&["custom:within", "custom:beyond"]).await, "done");
    // Everything but the name is no Owner.
    let role = world.core.get_custom_role(&world.host(), acme, "custom:beyond").await.unwrap();
    assert_eq!(role.held.memberships, 2);
    assert_eq!(give(&["owner"]).await, "insufficient_permission");
}

/// Reddens when a catalog is compared without the custom roles: then nothing is said, and a token lives on with what is gone.
async fn a_catalog_that_loses_a_permission_says_so_and_ends_what_had_it(db: Db) {
    let world = world(db.clone()).await;
    let (acme, host) = (world.demo.acme.id, world.host());
    world.make("two", &["build.profile.view", "organization.activity.view"]).await;
    world.make("unheld", &["build.profile.view"]).await;
    world.give(acme, "viewer", &["custom:two"]).await.unwrap();
    let whole = world.core.catalog().catalog.document().clone();
    let mut without = whole.clone();
    for api in without.apis.values_mut() {
        api.permissions.remove("build.profile.view");
    }
    for role in without.roles.values_mut() {
        role.permissions.retain(|id| id != "build.profile.view");
    }
    without.conditions.retain(|condition| condition.permission != "build.profile.view");
    let token = world.exchange("viewer", None).await.unwrap();
    let was = index(&db, key_of(&token), acme).await;
    let diff = world.core.diff_catalog(&host, without.clone()).await.unwrap();
    let said: Vec<(&str, &[String])> = diff.custom_roles.iter().map(|role| (role.role.as_str(), role.loses.as_slice())).collect();
    let gone = list(&["build.profile.view"]);
    assert_eq!(said, [("custom:two", gone.as_slice()), ("custom:unheld", gone.as_slice())]);
    assert_eq!(diff.custom_roles[0].organization_name, "Acme");
    let held = diff.held.iter().find(|held| held.role == "custom:two").unwrap();
    assert_eq!((&held.loses, held.holders[0].memberships), (&gone, 1));
    world.core.apply_catalog(&host, without, Vec::new()).await.unwrap();
    assert_ne!(index(&db, key_of(&token), acme).await, was);
    assert_eq!(world.may("viewer", None).await, set(&["organization.activity.view"]));
    assert_eq!(world.core.get_custom_role(&host, acme, "custom:two").await.unwrap().row.role.permissions.len(), 2, "the role stays as it was made");
    let refused = world.core.update_custom_role(&host, acme, "custom:two", permissions(&["build.profile.view"])).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid { field: "permissions", .. }), "{refused}");
    // One that the catalog has again is effective again.
    let back = world.core.diff_catalog(&host, whole).await.unwrap();
    assert_eq!(back.custom_roles[0].gains, gone);
}

/// Reddens when the catalog of an authority is without the custom roles.
async fn an_explanation_and_a_refusal_know_them(db: Db) {
    let world = world(db).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    world.make("exporter", &["organization.member.export"]).await;
    world.give(acme, "viewer", &["view-organization"]).await.unwrap();
    let ctx = world.person("viewer", 0).await;
    let refused = world.core.export_members(&ctx, acme).await.unwrap_err();
    assert!(matches!(&refused, Error::Forbidden(forbidden) if forbidden.roles.contains(&"custom:exporter".to_owned())), "{refused}");
    let told = world.core.explain(&ctx, acme, "organization.member.export").await.unwrap();
    assert!(!told.allowed && told.reason.contains("custom:exporter"), "{told:?}");
    world.give(acme, "viewer", &["custom:exporter"]).await.unwrap();
    let told = world.core.explain(&ctx, acme, "organization.member.export").await.unwrap();
    assert!(told.allowed && told.chain.iter().any(|step| step.text.ends_with("is carried by custom:exporter")), "{told:?}");
    let me = world.core.me(&ctx, acme).await.unwrap();
    assert_eq!((me.roles, me.permissions), (list(&["custom:exporter"]), list(&["organization.member.export"])));
    let exported = world.core.export_members(&ctx, acme).await.unwrap();
    assert!(exported.iter().any(|member| member.user.id == viewer && member.effective_roles() == ["custom:exporter"]));
}

async fn what_is_no_role_is_refused(db: Db) {
    let world = world(db).await;
    let (acme, host) = (world.demo.acme.id, world.host());
    let with = |slug: Option<&str>, name: &str, description: &str, ids: &[&str]| NewRole {
        slug: slug.map(str::to_owned),
        name: name.to_owned(),
        description: description.to_owned(),
        permissions: list(ids),
    };
    let long = "x".repeat(257);
    let bad = [
        ("slug", with(Some(""), "A", "", &[READ])),
        ("slug", with(Some("a b"), "A", "", &[READ])),
        ("slug", with(Some("A"), "A", "", &[READ])),
        ("slug", with(Some("custom:a"), "A", "", &[READ])),
        ("slug", with(Some(&"a".repeat(41)), "A", "", &[READ])),
        ("slug", with(None, "\u{416}\u{416}", "", &[READ])),
        ("name", with(Some("a"), " ", "", &[READ])),
        ("name", with(Some("a"), "\u{202e}A", "", &[READ])),
        // Whoever reads a list of members takes these for what they are called.
        ("name", with(Some("a"), "Owner", "", &[READ])),
        ("name", with(Some("a"), " oWNER", "", &[READ])),
        ("name", with(Some("a"), "manager", "", &[READ])),
        ("description", with(Some("a"), "A", &long, &[READ])),
        ("description", with(Some("a"), "A", "a\nb", &[READ])),
        ("permissions", with(Some("a"), "A", "", &[])),
        ("permissions", with(Some("a"), "A", "", &["no.such.permission"])),
        ("permissions", with(Some("a"), "A", "", &[READ, "owner"])),
    ];
    for (field, new) in bad {
        let refused = world.core.create_custom_role(&host, acme, new.clone()).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field: found, .. } if *found == field), "{new:?}: {refused}");
    }
    let made = world.core.create_custom_role(&host, acme, with(None, " Release & Ship, 2nd ", " For it ", &[READ, READ])).await.unwrap().value.row;
    assert_eq!((made.role.key.as_str(), made.name.as_str(), made.description.as_str()), ("custom:release-ship-2nd", "Release & Ship, 2nd", "For it"));
    assert_eq!(made.role.permissions, [READ]);
    let namesake = world.core.create_custom_role(&host, acme, with(Some("other"), "RELEASE & ship, 2nd", "", &[READ])).await.unwrap_err();
    assert!(matches!(namesake, Error::Conflict(_)), "{namesake}");
    world.core.create_custom_role(&host, acme, with(Some("other"), "Another", "", &[READ])).await.unwrap();
    for (name, conflicts) in [("Release & Ship, 2nd", true), ("Owner", false)] {
        let update = RoleUpdate { name: Some(name.to_owned()), ..RoleUpdate::default() };
        let refused = world.core.update_custom_role(&host, acme, "custom:other", update).await.unwrap_err();
        assert_eq!(matches!(refused, Error::Conflict(_)), conflicts, "{refused}");
    }
    let same = RoleUpdate { name: Some("Another".to_owned()), ..RoleUpdate::default() };
    world.core.update_custom_role(&host, acme, "custom:other", same).await.unwrap();
}

/// Reddens when the key of a custom role is looked for among a token's roles: then what has no room in a scope cannot be narrowed to a sub-organization.
async fn a_token_for_a_sub_organization_is_narrowed_by_name(db: Db) {
    use keywright_core::{Actor, HeldToken, TokenActor, Wanted};
    let world = world(db).await;
    let (acme, mobile, catalog) = (world.demo.acme.id, world.demo.mobile.id, world.core.catalog().catalog.clone());
    let beyond = world.of_owners().first().unwrap().clone();
    world.make("more", &[&beyond]).await;
    let mut roles: Vec<&str> = catalog.document().roles.keys().filter(|role| role.starts_with("manage-")).map(String::as_str).collect();
    roles.push("custom:more");
    world.give(acme, "manager", &roles).await.unwrap();
    let token = world.exchange("manager", None).await.unwrap();
    let from = claims(&token);
    let actor = TokenActor {
        key_id: key_of(&token),
        key_kind: keywright_protocol::KeyKind::PersonalAccessKey,
        key_version: Some(1),
        organization_id: acme,
        roles: serde_json::from_value(from["roles"].clone()).unwrap(),
        permissions: said(&catalog, &token).into_iter().collect(),
    };
    let held = HeldToken {
        audience: from["aud"].as_str().unwrap().to_owned(),
        expires_at: from["exp"].as_i64().unwrap(),
        status_index: from["status"]["status_list"]["idx"].as_u64().unwrap(),
        actor: actor.clone(),
    };
    let ctx = Context { actor: Actor::Token(actor), ..world.host() };
    let narrowed = world.core.narrow(&ctx, &held, Wanted { organization_id: Some(mobile), ..Wanted::default() }).await;
    let narrowed = narrowed.unwrap_or_else(|error| panic!("{error}")).token;
    assert_eq!(said(&catalog, &narrowed), said(&catalog, &token));
    assert_eq!(claims(&narrowed)["permissions"], serde_json::json!([beyond]));
    assert_eq!(outcome(&Ok(narrowed)), "accepted");
}
