//! Who may give what, on both engines; people by their sessions' facts, keys by their tokens' facts.

use crate::support::{World, world, world_with};
use keywright_core::{Actor, Context, Error, KeyFile, KeysBring, RoleGiving, Settings, TokenActor, catalog::Preset, members::RoleChange};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, admin::RolesIn};
use keywright_store::changes;
use std::{sync::Arc, time::Duration};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    only_a_fresh_owner_makes_an_owner,
    nobody_gives_what_he_lacks_unless_managers_may,
    a_key_acts_within_its_token_and_its_grant_alike,
    a_key_gives_within_its_grant_also_where_managers_give_any_role,
    two_owners_who_remove_each_other_leave_one,
    an_invitation_is_accepted_once,
    every_change_is_in_the_log_and_an_altered_log_is_noticed,
    generations_end_only_when_something_is_lost,
    own_roles_replace_inherited_ones_and_without_them_these_hold,
    an_inherited_owner_is_an_owner_too,
    no_organization_loses_its_last_owner,
    an_owner_without_roles_of_his_own_is_an_owner_when_he_is_removed,
    keys_bring_nothing_where_they_shall_not,
    a_sub_organization_takes_back_its_own_invitations_alone,
    an_account_without_a_password_gets_it_by_the_link,
    an_explanation_says_what_is_decided,
    whoever_is_put_out_keeps_what_he_is_offered_elsewhere,
);

impl World {
    /// The token of a key that carries everything.
    pub(crate) fn token(&self, key_id: KeyId, organization_id: OrganizationId) -> Context {
        let catalog = self.core.catalog();
        let everything = catalog.catalog.permissions(&["owner"]);
        let mut ctx = self.host();
        let permissions = catalog.catalog.ids(&everything).map(str::to_owned).collect();
        ctx.actor = Actor::Token(TokenActor {
            key_id,
            key_kind: KeyKind::PersonalAccessKey,
            key_version: None,
            organization_id,
            roles: vec!["owner".to_owned()],
            permissions,
        });
        ctx
    }

    pub(crate) async fn key_of(&self, part: &str, organization: OrganizationId) -> KeyId {
        self.core.create_personal_access_key(&self.host(), organization, self.demo.users[part].id, "acting", None).await.unwrap().id
    }
}

pub(crate) fn roles(roles: &[&str]) -> RoleChange {
    RoleChange::Replace(roles.iter().map(|role| (*role).to_owned()).collect())
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
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
    assert_eq!(give(&world.person("manager", 0).await, viewer, roles(&["owner"])).await, "insufficient_permission");
    assert_eq!(give(&world.person("manager", 0).await, owner, roles(&["view-build"])).await, "insufficient_permission");
    assert_eq!(code(world.core.remove_member(&world.person("manager", 0).await, acme, owner).await), "insufficient_permission");
    assert_eq!(give(&world.person("owner", 300).await, viewer, roles(&["owner"])).await, "session_not_fresh");
    assert_eq!(give(&world.person("owner", 299).await, viewer, roles(&["owner"])).await, "done");
    // His own roles only freshly, and the last Owner not at all.
    assert_eq!(give(&world.person("owner", 300).await, owner, roles(&["view-build"])).await, "session_not_fresh");
    assert_eq!(give(&world.person("owner", 0).await, owner, roles(&["view-build"])).await, "done");
    assert_eq!(give(&world.person("viewer", 0).await, viewer, roles(&[])).await, "conflict");
    assert_eq!(code(world.core.remove_member(&world.person("viewer", 0).await, acme, viewer).await), "conflict");
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
    let ctx = world.person("manager", 0).await;
    let refused = world.core.change_roles(&ctx, acme, viewer, roles(&["manage-build"])).await.unwrap_err();
    assert!(matches!(&refused, Error::Forbidden(forbidden) if forbidden.reason.contains("you cannot give what you do not have")), "{refused}");
    assert_eq!(code(world.core.change_roles(&ctx, acme, viewer, roles(&["view-organization"])).await), "done", "less than before");
    assert_eq!(code(world.core.change_roles(&ctx, mobile, submember, roles(&["view-distribution-profile", "manage-organization"])).await), "done");
    assert_eq!(code(world.core.change_roles(&ctx, mobile, submember, roles(&["manage-distribution-profile"])).await), "insufficient_permission");
    let brought = vec![RolesIn { organization_id: mobile, roles: vec!["manage-build".to_owned()] }];
    assert_eq!(code(world.core.invite(&ctx, acme, "x@example.com", brought).await), "insufficient_permission");
    assert_eq!(code(world.core.change_roles(&world.person("viewer", 0).await, acme, submember, roles(&[])).await), "insufficient_permission");

    // The same with the setting of the contract's API; Owner stays out of reach.
    let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let settings = Settings { preset: Some(Preset::Appcircle), role_giving: RoleGiving::ManagersGiveAny, ..Settings::new(crate::support::ISSUER) };
    let core = keywright_core::Core::start_on(test.db.clone(), KeyFile::generate().unwrap(), settings, world.clock.clone()).await.unwrap();
    let demo = keywright_core::demo::build(&core, &world.host()).await.unwrap();
    let world = World { core, demo, ..world };
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    world.core.change_roles(&world.host(), acme, world.demo.users["manager"].id, roles(&["manage-organization"])).await.unwrap();
    let ctx = world.person("manager", 0).await;
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
        let (by_one, by_other) = (world.person("owner", 0).await, world.person("manager", 0).await);
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
        world.core.list_outbox(&world.host()).await.unwrap().pop().unwrap().content.token().to_owned()
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
    let newest = world.core.list_outbox(&world.host()).await.unwrap().pop().unwrap().content.token().to_owned();
    world.core.accept_invitation(&late, &newest, None, password()).await.unwrap();
    let (_, member) = world.core.get_member(&world.host(), mobile, user).await.unwrap();
    assert_eq!(member.own, Some(vec!["view-build".to_owned()]));
}

/// Reddens when a sub-organization that puts somebody out takes from him what an invitation brings him elsewhere.
async fn whoever_is_put_out_keeps_what_he_is_offered_elsewhere(db: Db) {
    let world = world(db).await;
    let (acme, mobile, host) = (world.demo.acme.id, world.demo.mobile.id, world.host());
    let sibling = world.core.create_sub_organization(&host, acme, "Sibling").await.unwrap().value.id;
    let user = world.core.create_user(&host, "between@example.com", "Between", keywright_store::users::Password::None).await.unwrap();
    let grants = [mobile, sibling].map(|organization_id| RolesIn { organization_id, roles: vec!["view-build".to_owned()] });
    world.core.invite(&host, acme, "between@example.com", grants.to_vec()).await.unwrap();
    let pending = async |place| world.core.list_invitations(&host, place).await.unwrap().len();
    for (out_of, left) in [(mobile, [0, 1]), (sibling, [0, 0])] {
        world.core.change_roles(&host, out_of, user.id, RoleChange::Replace(vec!["view-build".to_owned()])).await.unwrap();
        world.core.remove_member(&host, out_of, user.id).await.unwrap();
        assert_eq!([pending(mobile).await, pending(sibling).await], left);
    }
    assert_eq!(pending(acme).await, 0, "nothing is left of it");
}

/// Reddens when a mutation writes no event, and when the chain leaves a member of the event out.
async fn every_change_is_in_the_log_and_an_altered_log_is_noticed(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let whole = async || db.read(move |tx| Box::pin(async move { crate::support::is_whole(tx, acme).await })).await.unwrap();
    let events = async || db.read(move |tx| Box::pin(async move { keywright_store::log::list_changes(tx, acme, (0, i64::MAX)).await })).await.unwrap();
    let ctx = world.person("owner", 0).await;
    let before = events().await.len();
    assert!(before >= 10 && whole().await, "the demo's own changes are there: {before}");
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
        "UPDATE log_changes SET at = at - 1 WHERE root_id = $1 AND sequence = 2",
        "DELETE FROM log_changes WHERE root_id = $1 AND sequence = 5",
        "DELETE FROM log_changes WHERE root_id = $1 AND sequence = (SELECT max(sequence) FROM log_changes WHERE root_id = $1)",
        "UPDATE log_changes SET sequence = CASE sequence WHEN 3 THEN 4 ELSE 3 END WHERE root_id = $1 AND sequence IN (3, 4)",
    ] {
        // Looked at inside and taken back, so that each is noticed by itself.
        let noticed: Result<keywright_db::Committed<()>, Error> = db
            .write(move |tx| {
                Box::pin(async move {
                    assert!(tx.execute(tampering, &[acme.into()]).await? > 0, "{tampering}");
                    Err(if crate::support::is_whole(tx, acme).await? { Error::Unavailable } else { Error::HostOnly })
                })
            })
            .await;
        assert_eq!(noticed.unwrap_err(), Error::HostOnly, "{tampering}");
        assert!(whole().await, "taken back");
    }
}

/// Reddens when `set_roles` ends generations without comparing, or compares own roles without inherited ones.
async fn generations_end_only_when_something_is_lost(db: Db) {
    let world = world(db.clone()).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    let use_both = async || {
        world.exchange("viewer", None).await.unwrap();
        world.exchange("viewer", Some(world.demo.mobile.id)).await.unwrap();
    };
    use_both().await;
    let bits = async || {
        let lines = db.read(|tx| Box::pin(async move { tx.fetch_all("SELECT bits FROM changes ORDER BY history, n, ordinal", &[]).await })).await.unwrap();
        lines.last().unwrap().get::<String>("bits").unwrap()
    };
    let set = async |roles: RoleChange| world.core.change_roles(&world.host(), acme, viewer, roles).await.unwrap();
    set(RoleChange::Add(vec!["manage-build".to_owned()])).await;
    assert_eq!(bits().await, "", "more than before");
    set(RoleChange::Remove(vec!["view-build".to_owned()])).await;
    assert_eq!(bits().await.split(' ').count(), 2, "manage-build has all of view-build, but tokens name that");
    use_both().await;
    set(RoleChange::Remove(vec!["manage-build".to_owned()])).await;
    assert_eq!(bits().await.split(' ').count(), 2, "his own and the inheriting one");
    let position = db.read(|tx| Box::pin(async move { changes::position(tx).await })).await.unwrap();
    assert!(position.n > 0);
}

/// Reddens when roles of two levels are added up, or when a change that gives nothing makes an inherited member a direct one.
async fn own_roles_replace_inherited_ones_and_without_them_these_hold(db: Db) {
    let world = world(db).await;
    let (mobile, viewer) = (world.demo.mobile.id, world.demo.users["viewer"].id);
    let ctx = world.person("owner", 0).await;
    let effective = async || world.core.me(&world.person("viewer", 0).await, mobile).await.unwrap().roles;
    let inherited = effective().await;
    assert!(inherited.len() > 5, "all of the root's: {inherited:?}");
    let unchanged = world.core.change_roles(&ctx, mobile, viewer, roles(&[])).await.unwrap().value;
    assert_eq!((unchanged.own, unchanged.inherited.as_ref()), (None, Some(&inherited)));
    world.core.change_roles(&ctx, mobile, viewer, roles(&["view-build"])).await.unwrap();
    assert_eq!(effective().await, ["view-build"]);
    world.core.change_roles(&ctx, mobile, viewer, roles(&[])).await.unwrap();
    assert_eq!(effective().await, inherited);
    assert_eq!(world.core.get_member(&ctx, mobile, viewer).await.unwrap().1.own, Some(Vec::new()), "a direct member still");
}

/// Reddens when `check_change` looks at own roles alone: they would take Owner away from the root's Owner, or bring it back.
async fn an_inherited_owner_is_an_owner_too(db: Db) {
    let world = world_with(db, |settings| settings.role_giving = RoleGiving::ManagersGiveAny).await;
    let (mobile, owner) = (world.demo.mobile.id, world.demo.users["owner"].id);
    let manager = world.person("manager", 0).await;
    let less = async |ctx: &Context| code(world.core.change_roles(ctx, mobile, owner, roles(&["view-build"])).await);
    assert_eq!(less(&manager).await, "insufficient_permission");
    assert_eq!(less(&world.token(world.key_of("manager", world.demo.acme.id).await, mobile)).await, "insufficient_permission");
    assert_eq!(less(&world.person("owner", 300).await).await, "session_not_fresh");
    assert_eq!(less(&world.person("owner", 0).await).await, "conflict", "the sub-organization would have no Owner");
    let submember = world.demo.users["submember"].id;
    assert_eq!(code(world.core.change_roles(&world.person("owner", 0).await, mobile, submember, roles(&["owner"])).await), "done");
    assert_eq!(less(&world.person("owner", 0).await).await, "done", "he may step back himself");
    assert_eq!(code(world.core.change_roles(&manager, mobile, owner, roles(&[])).await), "insufficient_permission", "that would make him Owner again");
    assert_eq!(code(world.core.remove_member(&manager, mobile, owner).await), "insufficient_permission");
    assert_eq!(code(world.core.change_roles(&manager, mobile, owner, roles(&["view-codepush"])).await), "done", "he is no Owner there now");
}

/// Reddens when `keep_an_owner` looks at the organization alone and not below it, at own roles alone, at Owners whose own roles there
/// are others, or at disabled ones; or when accepting an invitation does not ask it.
async fn no_organization_loses_its_last_owner(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let user = |part: &str| world.demo.users[part].id;
    let set = async |organization, part: &str, held: &[&str]| code(world.core.change_roles(&world.host(), organization, user(part), roles(held)).await);
    let remove = async |organization, part: &str| code(world.core.remove_member(&world.host(), organization, user(part)).await);
    // Below, the root's only Owner is the only one.
    assert_eq!(set(mobile, "owner", &["view-build"]).await, "conflict");
    let brought = vec![RolesIn { organization_id: mobile, roles: vec!["view-build".to_owned()] }];
    world.core.invite(&world.host(), mobile, "owner@acme.example", brought).await.unwrap();
    let token = world.core.list_outbox(&world.host()).await.unwrap().pop().unwrap().content.token().to_owned();
    let accepted = world.core.accept_invitation(&world.anonymous(), &token, None, world.demo.users["owner"].password.clone()).await;
    assert_eq!(code(accepted), "conflict");
    // Another Owner of the root who has other roles below is none there, nor is one who is disabled.
    assert_eq!((set(acme, "viewer", &["owner"]).await, set(mobile, "viewer", &["view-build"]).await), ("done", "done"));
    assert_eq!(
        (remove(acme, "owner").await, set(acme, "owner", &["view-build"]).await, set(mobile, "owner", &["view-build"]).await),
        ("conflict", "conflict", "conflict")
    );
    assert_eq!(set(mobile, "submember", &["owner"]).await, "done");
    world.core.disable_user(&world.host(), user("submember")).await.unwrap();
    assert_eq!(set(acme, "owner", &["view-build"]).await, "conflict");
    world.core.enable_user(&world.host(), user("submember")).await.unwrap();
    assert_eq!(set(acme, "owner", &["view-build"]).await, "done");
    // Now its own Owner is the last one below, and the other one is the root's last.
    assert_eq!((remove(mobile, "submember").await, set(mobile, "submember", &[]).await), ("conflict", "conflict"));
    assert_eq!((remove(acme, "viewer").await, remove(mobile, "viewer").await), ("conflict", "done"));
    assert_eq!(remove(mobile, "submember").await, "done", "the root's Owner is one here again");
}

/// Reddens when a removal that changes no roles of one's own is not asked about: it ends a membership and its keys all the same.
async fn an_owner_without_roles_of_his_own_is_an_owner_when_he_is_removed(db: Db) {
    let world = world(db).await;
    let (acme, mobile, owner) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["owner"].id);
    world.core.change_roles(&world.host(), mobile, owner, roles(&[])).await.unwrap();
    let remove = async |ctx: &Context| code(world.core.remove_member(ctx, mobile, owner).await);
    assert_eq!(remove(&world.person("manager", 0).await).await, "insufficient_permission");
    assert_eq!(remove(&world.token(world.key_of("manager", acme).await, acme)).await, "insufficient_permission");
    assert_eq!(remove(&world.token(world.key_of("owner", acme).await, acme)).await, "insufficient_permission", "a key, its own holder");
    assert_eq!(remove(&world.person("owner", 300).await).await, "session_not_fresh");
    assert_eq!(remove(&world.person("owner", 0).await).await, "done");
}

/// Reddens when `keys_bring` is not asked on one of the ways in, or is asked of people.
async fn keys_bring_nothing_where_they_shall_not(db: Db) {
    let world = world_with(db, |settings| settings.keys_bring = KeysBring::Nobody).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    let key = world.token(world.key_of("manager", acme).await, acme);
    let person = world.person("manager", 0).await;
    let give = async |ctx: &Context| code(world.core.change_roles(ctx, acme, viewer, RoleChange::Add(vec!["view-build".to_owned()])).await);
    let take = async |ctx: &Context| code(world.core.change_roles(ctx, acme, viewer, RoleChange::Clear).await);
    let invite = async |ctx: &Context| code(world.core.invite(ctx, acme, "k@example.com", Vec::new()).await);
    let again = async |ctx: &Context| code(world.core.re_invite(ctx, acme, "k@example.com").await);
    assert_eq!((give(&key).await, take(&key).await, invite(&key).await), ("insufficient_permission", "insufficient_permission", "insufficient_permission"));
    assert_eq!((give(&person).await, take(&person).await, invite(&person).await), ("done", "done", "done"));
    assert_eq!((again(&key).await, again(&person).await), ("insufficient_permission", "done"));
    assert_eq!(code(world.core.list_members(&key, acme).await), "done", "looking is not bringing");
}

/// Reddens when a sub-organization sees what an invitation brings elsewhere, or sends it again or takes it back.
async fn a_sub_organization_takes_back_its_own_invitations_alone(db: Db) {
    let world = world(db).await;
    let (acme, mobile, submember) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["submember"].id);
    world.core.change_roles(&world.host(), mobile, submember, roles(&["manage-organization"])).await.unwrap();
    let (root, sub) = (world.person("owner", 0).await, world.person("submember", 0).await);
    let brings = |organization_id| RolesIn { organization_id, roles: vec!["view-organization".to_owned()] };
    for (email, grants) in [("both@example.com", vec![brings(acme), brings(mobile)]), ("root@example.com", vec![brings(acme)])] {
        world.core.invite(&root, acme, email, grants).await.unwrap();
    }
    world.core.invite(&sub, mobile, "sub@example.com", vec![brings(mobile)]).await.unwrap();
    assert_eq!(code(world.core.invite(&sub, mobile, "up@example.com", vec![brings(acme)]).await), "invalid_request", "nobody invites upwards");
    let seen = world.core.list_invitations(&sub, mobile).await.unwrap();
    let emails: Vec<&str> = seen.iter().map(|invitation| invitation.row.email.as_str()).collect();
    assert_eq!(emails.iter().collect::<std::collections::BTreeSet<_>>(), ["both@example.com", "sub@example.com"].iter().collect());
    assert!(seen.iter().flat_map(|invitation| &invitation.grants).all(|grant| grant.organization_id == mobile), "{seen:?}");
    assert_eq!(world.core.list_invitations(&root, acme).await.unwrap().len(), 3);
    for (email, expected) in [("both@example.com", "insufficient_permission"), ("root@example.com", "not_found"), ("sub@example.com", "done")] {
        assert_eq!(code(world.core.re_invite(&sub, mobile, email).await), expected, "{email}");
        assert_eq!(code(world.core.revoke_invitation(&sub, mobile, email).await), expected, "{email}");
    }
    assert_eq!(code(world.core.revoke_invitation(&root, acme, "both@example.com").await), "done");
}

/// Reddens when such an account is asked for a password that it does not have, or when the link sets one over an old one.
async fn an_account_without_a_password_gets_it_by_the_link(db: Db) {
    let world = world(db).await;
    let (acme, email) = (world.demo.acme.id, "bare@example.com");
    let user = world.core.create_user(&world.host(), email, "Bare", keywright_store::users::Password::None).await.unwrap().id;
    let anonymous = Context { actor: Actor::Anonymous, ..world.host() };
    let invite = async |organization| {
        world.clock.advance(Duration::from_millis(1));
        world.core.invite(&world.host(), organization, email, Vec::new()).await.unwrap();
        world.core.list_outbox(&world.host()).await.unwrap().pop().unwrap().content.token().to_owned()
    };
    let accept = async |token: &str, password: &str| {
        let accepted = world.core.accept_invitation(&anonymous, token, None, zeroize::Zeroizing::new(password.to_owned())).await;
        accepted.map(|accepted| accepted.value)
    };
    let first = invite(acme).await;
    assert!(!world.core.look_up_invitation(&anonymous, &first).await.unwrap().has_account);
    assert_eq!(code(accept(&first, "short").await), "invalid_request");
    assert_eq!(accept(&first, "correct horse battery").await.unwrap(), user);
    let second = invite(world.demo.globex.id).await;
    assert!(world.core.look_up_invitation(&anonymous, &second).await.unwrap().has_account);
    assert_eq!(code(accept(&second, "another horse battery").await), "invalid_credentials");
    assert_eq!(accept(&second, "correct horse battery").await.unwrap(), user);
}

/// Reddens when the chain leaves out a fact that `authority` or the catalog decides by: over every permission, for people and keys, on
/// both levels, the answer, the chain and the list of permissions say the same.
async fn an_explanation_says_what_is_decided(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let partial = ["manage-signing-identity", "operate-build", "external-operate-distribution-profile"];
    world.core.change_roles(&world.host(), mobile, world.demo.users["submember"].id, roles(&partial)).await.unwrap();
    let mut narrow = world.token(world.key_of("manager", acme).await, acme);
    if let Actor::Token(token) = &mut narrow.actor {
        token.permissions = vec!["organization.member.view".to_owned(), "build.profile.view".to_owned()];
    }
    let callers = [
        (world.host(), acme),
        (world.person("owner", 0).await, acme),
        (world.person("viewer", 0).await, mobile),
        (world.person("submember", 0).await, mobile),
        (world.token(world.demo.api_keys["acme-ci"].id, acme), mobile),
        (world.token(world.key_of("submember", mobile).await, mobile), mobile),
        (narrow, acme),
    ];
    let catalog = world.core.catalog().catalog.clone();
    let everything = catalog.permissions(&["owner"]);
    let (mut yes, mut conditions) = (0, 0);
    for (at, (ctx, organization)) in callers.iter().enumerate() {
        let listed = world.core.me(ctx, *organization).await.map(|me| me.permissions);
        for permission in catalog.ids(&everything) {
            let told = world.core.explain(ctx, *organization, permission).await.unwrap();
            assert_eq!(told.allowed, told.chain.iter().all(|step| step.holds), "{at} {permission} {told:?}");
            if let Ok(listed) = &listed {
                assert_eq!(told.allowed, listed.iter().any(|known| known == permission), "{at} {permission}");
            }
            yes += usize::from(told.allowed);
            conditions += told.chain.iter().filter(|step| step.rule == keywright_core::explain::Rule::Condition && !step.holds).count();
        }
    }
    assert!(yes > 300 && conditions > 0, "{yes} {conditions}");
    assert_eq!(code(world.core.explain(&world.person("viewer", 0).await, acme, "moon.walk").await), "invalid_request");
    assert_eq!(code(world.core.explain(&world.person("viewer", 0).await, world.demo.globex.id, "moon.walk").await), "not_found");
}

/// Reddens when the setting for managers reaches their keys.
async fn a_key_gives_within_its_grant_also_where_managers_give_any_role(db: Db) {
    let world = world_with(db, |settings| settings.role_giving = RoleGiving::ManagersGiveAny).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    let grants = [RolesIn { organization_id: acme, roles: vec!["manage-organization".to_owned()] }];
    let key = world.core.create_api_key(&world.host(), acme, "org", &grants, None).await.unwrap().id;
    let key = world.token(key, acme);
    let beyond = || vec![RolesIn { organization_id: acme, roles: vec!["manage-signing-identity".to_owned()] }];
    assert_eq!(code(world.core.change_roles(&key, acme, viewer, roles(&["manage-signing-identity"])).await), "insufficient_permission");
    assert_eq!(code(world.core.invite(&key, acme, "new@example.com", beyond()).await), "insufficient_permission");
    assert_eq!(code(world.core.invite(&key, acme, "new@example.com", grants.to_vec()).await), "done");
    let person = world.person("manager", 0).await;
    assert_eq!(code(world.core.change_roles(&person, acme, viewer, roles(&["manage-signing-identity"])).await), "done");
}
