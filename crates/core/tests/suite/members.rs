//! Who may give what, on both engines; people by their sessions' facts, keys by their tokens' facts.

use crate::support::{World, world};
use keywright_core::{Actor, Context, Error, KeyFile, PersonActor, RoleGiving, Settings, TokenActor, catalog::Preset, log, members::RoleChange};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyId, OrganizationId, admin::RolesIn};
use keywright_store::changes;
use std::{sync::Arc, time::Duration};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    only_a_fresh_owner_makes_an_owner,
    nobody_gives_what_he_lacks_unless_managers_may,
    a_key_acts_within_its_token_and_its_grant_alike,
    two_owners_who_remove_each_other_leave_one,
    an_invitation_is_accepted_once,
    every_change_is_in_the_log_and_an_altered_log_is_noticed,
    generations_end_only_when_something_is_lost,
);

impl World {
    /// A person who gave his password `ago` seconds before now.
    fn person(&self, part: &str, ago: u64) -> Context {
        let mut ctx = self.host();
        let confirmed_at = keywright_protocol::Time::from_millis(ctx.now.as_millis() - i64::try_from(ago).unwrap() * 1000);
        ctx.actor = Actor::Person(PersonActor { user_id: self.demo.users[part].id, session_id: uuid::Uuid::from_u128(1).into(), confirmed_at });
        ctx
    }

    /// The token of a key that carries everything.
    fn token(&self, key_id: KeyId, organization_id: OrganizationId) -> Context {
        let catalog = self.core.catalog();
        let everything = catalog.catalog.permissions(&["owner"]);
        let mut ctx = self.host();
        let permissions = catalog.catalog.ids(&everything).map(str::to_owned).collect();
        ctx.actor = Actor::Token(TokenActor { key_id, organization_id, permissions });
        ctx
    }

    async fn key_of(&self, part: &str, organization: OrganizationId) -> KeyId {
        self.core.create_personal_access_key(&self.host(), organization, self.demo.users[part].id, "acting", None).await.unwrap().id
    }
}

fn roles(roles: &[&str]) -> RoleChange {
    RoleChange::Replace(roles.iter().map(|role| (*role).to_owned()).collect())
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(error) => error.code(),
    }
}

/// Reddens when `require_owner` or its freshness is left out of `check_giving` or `remove_member`.
async fn only_a_fresh_owner_makes_an_owner(db: Db) {
    let world = world(db).await;
    let (acme, viewer, owner) = (world.demo.acme.id, world.demo.users["viewer"].id, world.demo.users["owner"].id);
    let give = async |ctx: &Context, user, change| code(world.core.change_roles(ctx, acme, user, change).await);
    assert_eq!(give(&world.person("manager", 0), viewer, roles(&["owner"])).await, "insufficient_permission");
    assert_eq!(give(&world.person("manager", 0), owner, roles(&["view-build"])).await, "insufficient_permission");
    assert_eq!(code(world.core.remove_member(&world.person("manager", 0), acme, owner).await), "insufficient_permission");
    assert_eq!(give(&world.person("owner", 300), viewer, roles(&["owner"])).await, "session_not_fresh");
    assert_eq!(give(&world.person("owner", 299), viewer, roles(&["owner"])).await, "done");
    // His own roles only freshly, and the last Owner not at all.
    assert_eq!(give(&world.person("owner", 300), owner, roles(&["view-build"])).await, "session_not_fresh");
    assert_eq!(give(&world.person("owner", 0), owner, roles(&["view-build"])).await, "done");
    assert_eq!(give(&world.person("viewer", 0), viewer, roles(&[])).await, "conflict");
    assert_eq!(code(world.core.remove_member(&world.person("viewer", 0), acme, viewer).await), "conflict");
    let key = world.key_of("viewer", acme).await;
    assert_eq!(give(&world.token(key, acme), owner, roles(&["owner"])).await, "insufficient_permission", "an Owner's key gives no Owner");
    assert_eq!(give(&world.token(key, acme), viewer, roles(&["owner", "view-build"])).await, "insufficient_permission");
}

/// Reddens when the set comparison in `check_giving` is left out, or looks at the gain without what is inherited.
async fn nobody_gives_what_he_lacks_unless_managers_may(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let (manager, viewer, submember) = (world.demo.users["manager"].id, world.demo.users["viewer"].id, world.demo.users["submember"].id);
    // A manager of the organization alone.
    world.core.change_roles(&world.host(), acme, manager, roles(&["manage-organization"])).await.unwrap();
    let ctx = world.person("manager", 0);
    let refused = world.core.change_roles(&ctx, acme, viewer, roles(&["manage-build"])).await.unwrap_err();
    assert!(matches!(&refused, Error::Forbidden(forbidden) if forbidden.reason.contains("you cannot give what you do not have")), "{refused}");
    assert_eq!(code(world.core.change_roles(&ctx, acme, viewer, roles(&["view-organization"])).await), "done", "less than before");
    assert_eq!(code(world.core.change_roles(&ctx, mobile, submember, roles(&["view-distribution-profile", "manage-organization"])).await), "done");
    assert_eq!(code(world.core.change_roles(&ctx, mobile, submember, roles(&["manage-distribution-profile"])).await), "insufficient_permission");
    let brought = vec![RolesIn { organization_id: mobile, roles: vec!["manage-build".to_owned()] }];
    assert_eq!(code(world.core.invite(&ctx, acme, "x@example.com", brought).await), "insufficient_permission");
    assert_eq!(code(world.core.change_roles(&world.person("viewer", 0), acme, submember, roles(&[])).await), "insufficient_permission");

    // The same with the setting of the contract's API; Owner stays out of reach.
    let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let settings = Settings { preset: Some(Preset::Appcircle), role_giving: RoleGiving::ManagersGiveAny, ..Settings::new(crate::support::ISSUER) };
    let core = keywright_core::Core::start_on(test.db.clone(), KeyFile::generate().unwrap(), settings, world.clock.clone()).await.unwrap();
    let demo = keywright_core::demo::build(&core, &world.host()).await.unwrap();
    let world = World { core, clock: world.clock, demo };
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    world.core.change_roles(&world.host(), acme, world.demo.users["manager"].id, roles(&["manage-organization"])).await.unwrap();
    let ctx = world.person("manager", 0);
    assert_eq!(code(world.core.change_roles(&ctx, acme, viewer, roles(&["manage-build"])).await), "done");
    assert_eq!(code(world.core.change_roles(&ctx, acme, viewer, roles(&["owner"])).await), "insufficient_permission");
}

/// Reddens when `authority` takes the token's word, or the live grant's, without the other; or lets a token out of its tree.
async fn a_key_acts_within_its_token_and_its_grant_alike(db: Db) {
    let world = world(db).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let viewer = world.demo.users["viewer"].id;
    let key = world.key_of("manager", acme).await;
    let full = world.token(key, acme);
    assert_eq!(code(world.core.list_members(&full, mobile).await), "done", "a root's token reaches down");
    assert_eq!(code(world.core.list_members(&full, globex).await), "not_found");
    assert_eq!(code(world.core.list_members(&world.token(key, mobile), acme).await), "not_found", "a sub-organization's does not reach up");
    let mut narrow = full.clone();
    if let Actor::Token(token) = &mut narrow.actor {
        token.permissions = vec!["organization.member.view".to_owned()];
    }
    assert_eq!(code(world.core.list_members(&narrow, acme).await), "done");
    assert_eq!(code(world.core.change_roles(&narrow, acme, viewer, roles(&[])).await), "insufficient_permission");
    // What the token says is worth nothing once the roles are gone.
    world.core.change_roles(&world.host(), acme, world.demo.users["manager"].id, roles(&["view-build"])).await.unwrap();
    assert_eq!(code(world.core.list_members(&full, acme).await), "insufficient_permission");
    world.core.revoke_key(&world.host(), key).await.unwrap();
    assert_eq!(code(world.core.list_members(&full, acme).await), "key_revoked");
}

/// Reddens when the last Owner is counted outside of the change's own transaction.
async fn two_owners_who_remove_each_other_leave_one(db: Db) {
    let world = Arc::new(world(db).await);
    let (acme, one, other) = (world.demo.acme.id, world.demo.users["owner"].id, world.demo.users["manager"].id);
    for _ in 0..20 {
        for user in [one, other] {
            world.core.change_roles(&world.host(), acme, user, roles(&["owner"])).await.unwrap();
        }
        let (by_one, by_other) = (world.person("owner", 0), world.person("manager", 0));
        let (first, second) = tokio::join!(world.core.remove_member(&by_one, acme, other), world.core.remove_member(&by_other, acme, one));
        assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|done| **done).count(), 1, "{first:?} {second:?}");
        let members = world.core.list_members(&world.host(), acme).await.unwrap();
        let owners = members.iter().filter(|member| member.own.as_ref().is_some_and(|roles| roles.contains(&"owner".to_owned())));
        assert_eq!(owners.count(), 1);
    }
}

/// Reddens when `invitations::accept` does not ask whether it is still pending.
async fn an_invitation_is_accepted_once(db: Db) {
    let world = world(db).await;
    let mobile = world.demo.mobile.id;
    let brought = vec![RolesIn { organization_id: mobile, roles: vec!["view-build".to_owned()] }];
    let invite = async || {
        // Each mail at its own time, so that the newest is the last.
        world.clock.advance(Duration::from_millis(1));
        world.core.invite(&world.host(), mobile, "new@example.com", brought.clone()).await.unwrap();
        world.core.list_outbox(&world.host()).await.unwrap().pop().unwrap().content["token"].as_str().unwrap().to_owned()
    };
    let token = invite().await;
    let password = || zeroize::Zeroizing::new("correct horse battery".to_owned());
    let anonymous = Context { actor: Actor::Anonymous, ..world.host() };
    let accept = || world.core.accept_invitation(&anonymous, &token, Some("New"), password());
    let (first, second) = tokio::join!(accept(), accept());
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|done| **done).count(), 1, "{first:?} {second:?}");
    assert_eq!(code(accept().await), "not_found");
    // Somebody with an account is asked for its password, and gets roles beside those he has.
    let user = world.core.list_users(&world.host()).await.unwrap().into_iter().find(|user| user.email == "new@example.com").unwrap().id;
    world.core.remove_member(&world.host(), mobile, user).await.unwrap();
    let token = invite().await;
    let wrong = world.core.accept_invitation(&anonymous, &token, None, zeroize::Zeroizing::new("wrong horse battery".to_owned())).await;
    assert_eq!(code(wrong), "invalid_credentials");
    // A link works for seven days.
    world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    let late = Context { actor: Actor::Anonymous, ..world.host() };
    assert_eq!(code(world.core.accept_invitation(&late, &token, None, password()).await), "not_found");
    world.core.re_invite(&world.host(), mobile, "new@example.com").await.unwrap();
    let newest = world.core.list_outbox(&world.host()).await.unwrap().pop().unwrap().content["token"].as_str().unwrap().to_owned();
    world.core.accept_invitation(&late, &newest, None, password()).await.unwrap();
    let (_, member) = world.core.get_member(&world.host(), mobile, user).await.unwrap();
    assert_eq!(member.own, Some(vec!["view-build".to_owned()]));
}

/// Reddens when a mutation writes no event, and when the chain leaves a member of the event out.
async fn every_change_is_in_the_log_and_an_altered_log_is_noticed(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let whole = async || db.read(move |tx| Box::pin(async move { log::is_whole(tx, acme).await })).await.unwrap();
    let events = async || db.read(move |tx| Box::pin(async move { keywright_store::log::list_changes(tx, acme).await })).await.unwrap();
    let before = events().await.len();
    assert!(before >= 10 && whole().await, "the demo's own changes are there: {before}");
    let ctx = world.person("owner", 0);
    world.core.change_roles(&ctx, acme, world.demo.users["viewer"].id, roles(&["view-build"])).await.unwrap();
    world.core.invite(&ctx, acme, "log@example.com", Vec::new()).await.unwrap();
    world.core.revoke_invitation(&ctx, acme, "log@example.com").await.unwrap();
    world.core.remove_member(&ctx, acme, world.demo.users["viewer"].id).await.unwrap();
    let new: Vec<_> = events().await.split_off(before);
    let actions: Vec<&str> = new.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["Member Role Update", "Invite Create", "Invite Delete", "Member Remove"]);
    assert!(new.iter().all(|event| event.actor_id == Some(world.demo.users["owner"].id.as_uuid()) && event.actor_kind == "user"));
    assert!(whole().await);
    for tampering in [
        "UPDATE log_changes SET subject = 'somebody else' WHERE root_id = $1 AND sequence = 3",
        "UPDATE log_changes SET actor_kind = 'key' WHERE root_id = $1 AND sequence = 4",
        "DELETE FROM log_changes WHERE root_id = $1 AND sequence = 5",
    ] {
        db.write(move |tx| Box::pin(async move { tx.execute_one(tampering, &[acme.into()]).await })).await.unwrap();
        assert!(!whole().await, "{tampering}");
    }
}

/// Reddens when `set_roles` ends generations without comparing, or compares own roles without inherited ones.
async fn generations_end_only_when_something_is_lost(db: Db) {
    let world = world(db.clone()).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    world.exchange("viewer", None).await.unwrap();
    world.exchange("viewer", Some(world.demo.mobile.id)).await.unwrap();
    let bits = async || {
        let lines = db.read(|tx| Box::pin(async move { tx.fetch_all("SELECT bits FROM changes ORDER BY history, n, ordinal", &[]).await })).await.unwrap();
        lines.last().unwrap().get::<String>("bits").unwrap()
    };
    let set = async |roles: RoleChange| world.core.change_roles(&world.host(), acme, viewer, roles).await.unwrap();
    set(RoleChange::Add(vec!["manage-build".to_owned()])).await;
    assert_eq!(bits().await, "", "more than before");
    set(RoleChange::Remove(vec!["view-build".to_owned()])).await;
    assert_eq!(bits().await, "", "manage-build has all of view-build");
    set(RoleChange::Remove(vec!["manage-build".to_owned()])).await;
    assert_eq!(bits().await.split(' ').count(), 2, "his own and the inheriting one");
    let position = db.read(|tx| Box::pin(async move { changes::position(tx).await })).await.unwrap();
    assert!(position.n > 0);
}
