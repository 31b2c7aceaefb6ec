//! Policies, leaving, deleting, revoking everything, and taking back what a key brought in.

use crate::{
    members::{code, roles},
    support::{World, outcome, world},
};
use keywright_core::{
    Context, Credential,
    brought_in::Kind,
    keys::rotation::Rotation,
    policy::{Allowed, Policy},
    revoke_all::Reach,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{OrganizationId, Time, admin::RolesIn};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    addresses_of_a_policy_hold_for_every_key_at_once,
    personal_keys_are_taken_or_not,
    a_policy_shortens_lives_and_a_sub_organization_only_tightens,
    members_by_keys_are_a_matter_of_policy,
    only_fresh_managers_of_policies_change_them,
    leaving_is_for_direct_members_and_not_for_the_last_owner,
    a_deleted_organization_is_dead_for_ever,
    everything_is_revoked_in_one_call_and_nothing_else,
    what_a_key_brought_in_is_taken_back_with_it,
    a_key_dies_also_where_what_it_brought_cannot_be_taken_back,
    a_policy_decides_nothing_where_its_organization_is_out_of_reach,
    what_those_made_who_came_in_by_a_key_is_told,
    what_came_in_by_dead_keys_is_told_too,
    what_was_made_elsewhere_is_not_told,
    whoever_sends_an_invitation_again_brings_it_in,
    a_sub_organization_signs_out_its_own_members_alone,
);

const OPEN: Policy = Policy { longest_key_life: None, allowed_addresses: Vec::new(), personal_keys: Allowed::Yes, members_by_keys: Allowed::Yes };

impl World {
    async fn set_policy(&self, organization: OrganizationId, policy: Policy) {
        self.core.set_policy(&self.host(), organization, policy).await.unwrap();
    }

    /// An exchange from an address.
    async fn exchanged_from(&self, address: &str, who: &str, target: Option<OrganizationId>) -> &'static str {
        let ctx = Context { client_ip: Some(address.parse().unwrap()), ..self.host() };
        outcome(&self.core.exchange(&ctx, Credential::PersonalAccessKey(&self.demo.personal_access_keys[who]), target).await)
    }

    async fn api_from(&self, address: &str, label: &str) -> &'static str {
        let ctx = Context { client_ip: Some(address.parse().unwrap()), ..self.host() };
        let key = &self.demo.api_keys[label];
        outcome(&self.core.exchange(&ctx, Credential::ApiKey { name: &key.name, secret: &key.secret }, None).await)
    }
}

/// Reddens when one of the three policies (key's organization, its root, the one asked for) is left out, or memory outlives a change.
async fn addresses_of_a_policy_hold_for_every_key_at_once(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let only = |network: &str| Policy { allowed_addresses: vec![network.to_owned()], ..OPEN };
    let all = async |address: &str| {
        [
            world.exchanged_from(address, "owner", None).await,
            world.exchanged_from(address, "owner", Some(mobile)).await,
            world.exchanged_from(address, "submember", None).await,
            world.api_from(address, "mobile-ci").await,
        ]
    };
    const NO: &str = "key_address_not_allowed";
    assert_eq!(all("192.0.2.1").await, ["accepted"; 4]);
    world.set_policy(acme, only("10.0.0.0/8")).await;
    assert_eq!((all("192.0.2.1").await, all("10.1.2.3").await), ([NO; 4], ["accepted"; 4]));
    world.set_policy(mobile, only("10.1.0.0/16")).await;
    assert_eq!(all("10.1.2.3").await, ["accepted"; 4]);
    assert_eq!(all("10.2.2.3").await, ["accepted", NO, NO, NO], "the sub-organization is stricter, for the root's keys too");
    world.set_policy(mobile, only("0.0.0.0/0")).await;
    assert_eq!(all("192.0.2.1").await, [NO; 4], "and cannot be laxer");
    assert_eq!(code(world.core.set_policy(&world.host(), acme, only("10.0.0.0/33")).await), "invalid_request");
    world.set_policy(acme, OPEN).await;
    assert_eq!(all("192.0.2.1").await, ["accepted"; 4]);
    assert_eq!(world.exchanged_from("192.0.2.1", "globexowner", None).await, "accepted", "never anybody else's business");
}

/// Reddens when `alive` leaves the policy out, when memory outlives it, or when it kills API Keys.
async fn personal_keys_are_taken_or_not(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let off = || Policy { personal_keys: Allowed::No, ..OPEN };
    let token = world.token(world.key_of("owner", acme).await, acme);
    assert_eq!(world.exchanged_from("192.0.2.1", "owner", None).await, "accepted");
    world.set_policy(mobile, off()).await;
    assert_eq!(
        (world.exchanged_from("192.0.2.1", "submember", None).await, world.exchanged_from("192.0.2.1", "owner", None).await),
        ("personal_keys_off", "accepted")
    );
    world.set_policy(mobile, OPEN).await;
    world.set_policy(acme, off()).await;
    for who in ["owner", "viewer", "submember"] {
        assert_eq!(world.exchanged_from("192.0.2.1", who, None).await, "personal_keys_off", "{who}");
    }
    assert_eq!(code(world.core.list_members(&token, acme).await), "personal_keys_off", "its tokens neither");
    assert_eq!((world.api_from("192.0.2.1", "acme-ci").await, world.api_from("192.0.2.1", "mobile-ci").await), ("accepted", "accepted"));
    let made = world.core.create_own_personal_access_key(&world.person("owner", 0).await, acme, "another", None).await;
    assert_eq!(code(made), "insufficient_permission");
    world.set_policy(acme, OPEN).await;
    assert_eq!(world.exchanged_from("192.0.2.1", "owner", None).await, "accepted", "a policy can be taken back");
}

/// Reddens when the root's life is not asked in a sub-organization, or a rotation is not asked at all.
async fn a_policy_shortens_lives_and_a_sub_organization_only_tightens(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let life = |days_: u64| Policy { longest_key_life: Some(days(days_)), ..OPEN };
    let in_days = |days_: u64| Some(world.clock.now().plus(days(days_)));
    world.set_policy(acme, life(30)).await;
    world.set_policy(mobile, life(90)).await;
    let make = async |name: &str, expires_at: Option<Time>| {
        let grants = vec![RolesIn { organization_id: mobile, roles: vec!["view-build".to_owned()] }];
        world.core.create_api_key(&world.host(), mobile, name, &grants, expires_at).await
    };
    assert_eq!(make("default", None).await.unwrap().expires_at, in_days(30).unwrap());
    assert_eq!(code(make("long", in_days(31)).await), "invalid_request");
    let key = make("short", in_days(30)).await.unwrap();
    world.set_policy(mobile, life(7)).await;
    let rotated = world.core.rotate_api_key(&world.host(), mobile, key.id, Rotation { overlap: Duration::ZERO, expires_at: None }).await.unwrap();
    assert_eq!(rotated.expires_at, in_days(7).unwrap(), "from the next rotation on");
    assert_eq!(
        code(world.core.set_policy(&world.host(), acme, Policy { longest_key_life: Some(Duration::from_secs(59 * 60)), ..OPEN }).await),
        "invalid_request"
    );
}

/// Reddens when the policy of the root or of the organization is not asked on one of the ways in.
async fn members_by_keys_are_a_matter_of_policy(db: Db) {
    let world = world(db).await;
    let (acme, mobile, viewer) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["viewer"].id);
    let key = world.token(world.key_of("manager", acme).await, acme);
    let off = || Policy { members_by_keys: Allowed::No, ..OPEN };
    let tried = async |place| {
        let given = world.core.change_roles(&key, place, viewer, roles(&["view-build"])).await;
        let invited = world.core.invite(&key, place, &format!("{place}@example.com"), Vec::new()).await;
        let _ = world.core.revoke_invitation(&world.host(), place, &format!("{place}@example.com")).await;
        (code(given), code(invited))
    };
    const NO: (&str, &str) = ("insufficient_permission", "insufficient_permission");
    world.set_policy(mobile, off()).await;
    assert_eq!((tried(mobile).await, tried(acme).await), (NO, ("done", "done")));
    world.set_policy(mobile, OPEN).await;
    assert_eq!(tried(mobile).await, ("done", "done"));
    world.set_policy(acme, off()).await;
    assert_eq!((tried(mobile).await, tried(acme).await), (NO, NO));
    let person = world.person("manager", 0).await;
    assert_eq!(code(world.core.change_roles(&person, acme, viewer, roles(&["view-codepush"])).await), "done", "people are not meant");
}

/// Reddens when freshness or the permission is not asked for.
async fn only_fresh_managers_of_policies_change_them(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let set = async |ctx: &Context| code(world.core.set_policy(ctx, acme, Policy { personal_keys: Allowed::No, ..OPEN }).await);
    assert_eq!(set(&world.token(world.key_of("owner", acme).await, acme)).await, "insufficient_permission");
    assert_eq!(set(&world.person("owner", 300).await).await, "session_not_fresh");
    assert_eq!(set(&world.person("viewer", 0).await).await, "insufficient_permission");
    assert_eq!(set(&world.person("globexowner", 0).await).await, "not_found");
    assert_eq!(set(&world.person("manager", 0).await).await, "done");
    assert_eq!(code(world.core.get_policy(&world.person("viewer", 0).await, acme).await), "done", "everybody may know it");
    assert_eq!(code(world.core.get_policy(&world.person("globexowner", 0).await, acme).await), "not_found");
}

/// Reddens when leaving does not ask about the last Owner, or lets an inherited member go alone.
async fn leaving_is_for_direct_members_and_not_for_the_last_owner(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let leave = async |part: &str, ago, place| code(world.core.leave_organization(&world.person(part, ago).await, place).await);
    assert_eq!(leave("owner", 0, acme).await, "conflict");
    assert_eq!(leave("viewer", 0, mobile).await, "insufficient_permission", "he is there through the root");
    assert_eq!(leave("viewer", 300, acme).await, "session_not_fresh");
    assert_eq!(leave("globexowner", 0, acme).await, "not_found");
    assert_eq!(code(world.core.leave_organization(&world.token(world.key_of("viewer", acme).await, acme), acme).await), "insufficient_permission");
    assert_eq!(world.exchanged_from("192.0.2.1", "viewer", None).await, "accepted");
    assert_eq!(leave("viewer", 0, acme).await, "done");
    assert_eq!(world.exchanged_from("192.0.2.1", "viewer", None).await, "membership_ended");
    assert_eq!(leave("viewer", 0, acme).await, "not_found");
}

/// Reddens when what hangs under it lives on, when another name confirms, or when a part of a deletion is left out.
async fn a_deleted_organization_is_dead_for_ever(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let delete = async |ctx: &Context, place, confirm: &str| code(world.core.delete_organization(ctx, place, confirm).await);
    assert_eq!(delete(&world.person("manager", 0).await, acme, "Acme").await, "insufficient_permission");
    assert_eq!(delete(&world.token(world.key_of("owner", acme).await, acme), acme, "Acme").await, "insufficient_permission");
    assert_eq!(delete(&world.person("owner", 300).await, acme, "Acme").await, "session_not_fresh");
    assert_eq!(delete(&world.person("owner", 0).await, acme, "acme").await, "invalid_request");
    assert_eq!(delete(&world.person("globexowner", 0).await, acme, "Acme").await, "not_found");
    for who in ["owner", "viewer", "submember"] {
        assert_eq!(world.exchanged_from("192.0.2.1", who, None).await, "accepted", "nothing has happened yet");
    }
    let owner = world.person("owner", 0).await;
    assert_eq!(delete(&owner, acme, "Acme").await, "done");
    for (who, target) in [("owner", None), ("viewer", None), ("submember", None), ("owner", Some(mobile))] {
        assert_eq!(world.exchanged_from("192.0.2.1", who, target).await, "key_revoked", "{who}");
    }
    assert_eq!((world.api_from("192.0.2.1", "acme-ci").await, world.api_from("192.0.2.1", "mobile-ci").await), ("key_revoked", "key_revoked"));
    assert_eq!(code(world.core.get_organization(&owner, acme).await), "not_found");
    assert_eq!(code(world.core.get_organization(&owner, mobile).await), "not_found");
    assert_eq!(code(world.core.resume_organization(&world.host(), acme).await), "not_found");
    assert_eq!(world.exchanged_from("192.0.2.1", "globexowner", None).await, "accepted");
    assert_eq!(world.exchanged_from("192.0.2.1", "manager@globex", None).await, "accepted", "his key of another root");
}

/// Reddens when the reach of a call is wider or narrower than it says.
async fn everything_is_revoked_in_one_call_and_nothing_else(db: Db) {
    let world = world(db).await;
    let (acme, manager) = (world.demo.acme.id, world.demo.users["manager"].id);
    let revoke = async |ctx: &Context, reach| world.core.revoke_all(ctx, acme, reach).await;
    let everything = Reach { user: None, since: None };
    assert_eq!(code(revoke(&world.person("manager", 0).await, everything).await), "insufficient_permission");
    assert_eq!(code(revoke(&world.person("owner", 300).await, everything).await), "session_not_fresh");
    let stranger = Reach { user: Some(world.demo.users["globexowner"].id), since: None };
    assert_eq!(code(revoke(&world.person("owner", 0).await, stranger).await), "not_found");
    // What was made since a time.
    world.clock.advance(Duration::from_secs(60));
    let since = Reach { user: None, since: Some(world.clock.now()) };
    let newer = world.core.create_personal_access_key(&world.host(), acme, manager, "newer", None).await.unwrap();
    let revoked = revoke(&world.person("owner", 0).await, since).await.unwrap().value;
    assert_eq!(revoked.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [newer.id]);
    assert_eq!(world.exchanged_from("192.0.2.1", "manager", None).await, "accepted");
    // Of one member: his keys in this tree, and his sessions.
    let (owner, session) = (world.person("owner", 0).await, world.person("manager", 0).await);
    let of_one = revoke(&owner, Reach { user: Some(manager), since: None }).await.unwrap().value;
    assert!(of_one.sessions >= 1, "{of_one:?}");
    assert_eq!(code(world.core.current_session(&session).await), "session_ended");
    assert_eq!(
        (world.exchanged_from("192.0.2.1", "manager", None).await, world.exchanged_from("192.0.2.1", "viewer", None).await),
        ("key_revoked", "accepted")
    );
    assert_eq!(world.exchanged_from("192.0.2.1", "manager@globex", None).await, "accepted", "another root's key");
    // Of everybody; whoever asks goes on.
    let (viewer, stranger) = (world.person("viewer", 0).await, world.person("globexowner", 0).await);
    revoke(&owner, everything).await.unwrap();
    for who in ["owner", "viewer", "submember"] {
        assert_eq!(world.exchanged_from("192.0.2.1", who, None).await, "key_revoked", "{who}");
    }
    assert_eq!((world.api_from("192.0.2.1", "acme-ci").await, world.api_from("192.0.2.1", "mobile-ci").await), ("key_revoked", "key_revoked"));
    assert_eq!(code(world.core.current_session(&viewer).await), "session_ended");
    assert_eq!((code(world.core.current_session(&owner).await), code(world.core.current_session(&stranger).await)), ("done", "done"));
    assert_eq!(world.exchanged_from("192.0.2.1", "globexowner", None).await, "accepted");
}

/// Reddens when something that came in by a key is not noted, or is left when the key is deleted with what it brought.
async fn what_a_key_brought_in_is_taken_back_with_it(db: Db) {
    let world = world(db).await;
    let (acme, mobile, viewer) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["viewer"].id);
    let grants = vec![
        RolesIn { organization_id: acme, roles: vec!["manage-organization".to_owned(), "manage-build".to_owned()] },
        RolesIn { organization_id: mobile, roles: vec!["manage-organization".to_owned(), "view-build".to_owned()] },
    ];
    let id = world.core.create_api_key(&world.host(), acme, "provision", &grants, None).await.unwrap().id;
    let key = world.token(id, acme);
    let with = |role: &str| vec![RolesIn { organization_id: acme, roles: vec![role.to_owned()] }];
    world.core.invite(&key, acme, "pending@example.com", with("view-organization")).await.unwrap();
    world.core.invite(&key, acme, "new@example.com", with("view-organization")).await.unwrap();
    let link = world.core.list_outbox(&world.host()).await.unwrap().into_iter().find(|mail| mail.recipient == "new@example.com").unwrap();
    let password = zeroize::Zeroizing::new("correct horse battery".to_owned());
    let new = world.core.accept_invitation(&world.anonymous(), link.content.token(), Some("New"), password).await.unwrap().value;
    world.core.change_roles(&key, acme, viewer, keywright_core::members::RoleChange::Add(vec!["manage-build".to_owned()])).await.unwrap();
    world.core.change_roles(&key, mobile, viewer, roles(&["view-build"])).await.unwrap();
    world.core.create_sub_organization(&key, acme, "Made by a key").await.unwrap();
    let listed = world.core.list_brought_in(&world.host(), acme, id).await.unwrap();
    let count = |kind| listed.iter().filter(|row| row.kind == kind).count();
    assert_eq!((count(Kind::Invitation), count(Kind::Member), count(Kind::Role), count(Kind::Organization)), (2, 2, 3, 1), "{listed:?}");
    // Not by keys, not by a stale session, not by whoever may not.
    let undo = async |ctx: &Context| world.core.revoke_api_key_and_undo(ctx, acme, id).await;
    assert_eq!(code(undo(&world.token(world.key_of("owner", acme).await, acme)).await), "insufficient_permission");
    assert_eq!(code(undo(&world.person("owner", 300).await).await), "session_not_fresh");
    let before = world.core.get_member(&world.host(), acme, viewer).await.unwrap().1.own.unwrap();
    let undone = undo(&world.person("owner", 0).await).await.unwrap().value;
    assert_eq!(undone.kept.iter().map(|row| row.kind).collect::<Vec<_>>(), [Kind::Organization]);
    let pending = world.core.list_invitations(&world.host(), acme).await.unwrap();
    assert!(pending.is_empty(), "{pending:?}");
    assert_eq!(code(world.core.get_member(&world.host(), acme, new).await), "not_found");
    assert_eq!(world.core.get_member(&world.host(), mobile, viewer).await.unwrap().1.own, None);
    let after = world.core.get_member(&world.host(), acme, viewer).await.unwrap().1.own.unwrap();
    assert_eq!(after, before.into_iter().filter(|role| role != "manage-build").collect::<Vec<_>>(), "what he had before the key, he keeps");
    assert!(world.core.list_brought_in(&world.host(), acme, id).await.unwrap().iter().all(|row| !row.stands || row.kind == Kind::Organization));
    assert_eq!(code(world.core.list_members(&key, acme).await), "key_revoked");
}

/// Reddens when one refusal on the way takes the revocation back with it.
async fn a_key_dies_also_where_what_it_brought_cannot_be_taken_back(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let grants = [RolesIn { organization_id: acme, roles: vec!["manage-organization".to_owned()] }];
    let id = world.core.create_api_key(&world.host(), acme, "provision", &grants, None).await.unwrap().id;
    let key = world.token(id, acme);
    let made = world.core.create_sub_organization(&key, acme, "Made by a key").await.unwrap().value.id;
    world.core.invite(&key, acme, "pending@example.com", Vec::new()).await.unwrap();
    world.core.suspend_organization(&world.host(), made).await.unwrap();
    let undone = world.core.revoke_api_key_and_undo(&world.person("owner", 0).await, acme, id).await.unwrap().value;
    assert_eq!((undone.taken_back.len(), undone.kept.len()), (1, 1), "{undone:?}");
    assert_eq!(code(world.core.list_members(&key, acme).await), "key_revoked");
}

/// Reddens when an accomplice's own key, or whom he invited, is left without a word.
async fn what_those_made_who_came_in_by_a_key_is_told(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let with = |role: &str| vec![RolesIn { organization_id: acme, roles: vec![role.to_owned()] }];
    let id = world.core.create_api_key(&world.host(), acme, "leaky", &with("manage-organization"), None).await.unwrap().id;
    world.core.create_api_key(&world.person("owner", 0).await, acme, "not his", &with("view-organization"), None).await.unwrap();
    let (viewer, leaky) = (world.demo.users["viewer"].id, world.token(id, acme));
    let joined = keywright_core::members::RoleChange::Add(vec!["manage-organization".to_owned()]);
    world.core.change_roles(&leaky, acme, viewer, joined).await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    let evil = world.person("viewer", 0).await;
    world.core.create_api_key(&evil, acme, "his own", &with("manage-organization"), None).await.unwrap();
    world.core.invite(&evil, acme, "by-session@example.com", with("manage-organization")).await.unwrap();
    let key = world.core.create_own_personal_access_key(&evil, acme, "laptop", None).await.unwrap().id;
    world.core.invite(&world.token(key, acme), acme, "by-key@example.com", Vec::new()).await.unwrap();
    let in_turn = |rows: &[keywright_core::brought_in::BroughtInRow]| {
        let mut names: Vec<String> = rows.iter().filter(|row| matches!(row.kind, Kind::ApiKey | Kind::Invitation)).map(|row| row.name.clone()).collect();
        names.sort();
        names
    };
    let expected = ["by-key@example.com", "by-session@example.com", "his own"];
    assert_eq!(in_turn(&world.core.list_brought_in(&world.host(), acme, id).await.unwrap()), expected);
    let undone = world.core.revoke_api_key_and_undo(&world.person("owner", 0).await, acme, id).await.unwrap().value;
    assert_eq!(in_turn(&undone.kept), expected, "{undone:?}");
    assert_eq!(undone.taken_back.iter().map(|row| row.role.as_str()).collect::<Vec<_>>(), ["manage-organization"]);
}

/// Reddens when a dead key hides what came in by it in turn, or when whoever came in by a key washes an invitation by sending it again.
async fn what_came_in_by_dead_keys_is_told_too(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let with = |role: &str| vec![RolesIn { organization_id: acme, roles: vec![role.to_owned()] }];
    let id = world.core.create_api_key(&world.host(), acme, "leaky", &with("manage-organization"), None).await.unwrap().id;
    let (viewer, leaky) = (world.demo.users["viewer"].id, world.token(id, acme));
    world.core.invite(&leaky, acme, "washed@example.com", Vec::new()).await.unwrap();
    let joined = keywright_core::members::RoleChange::Add(vec!["manage-organization".to_owned()]);
    world.core.change_roles(&leaky, acme, viewer, joined).await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    let evil = world.person("viewer", 0).await;
    world.core.re_invite(&evil, acme, "washed@example.com").await.unwrap();
    let personal = world.core.create_own_personal_access_key(&evil, acme, "laptop", None).await.unwrap().id;
    let api = world.core.create_api_key(&evil, acme, "his own", &with("manage-organization"), None).await.unwrap().id;
    for (key, email) in [(personal, "by-personal@example.com"), (api, "by-api@example.com")] {
        world.core.invite(&world.token(key, acme), acme, email, Vec::new()).await.unwrap();
    }
    world.core.revoke_personal_access_key(&evil, acme, personal).await.unwrap();
    world.core.revoke_api_key(&evil, acme, api).await.unwrap();
    let told = world.core.list_brought_in(&world.host(), acme, id).await.unwrap();
    for email in ["by-personal@example.com", "by-api@example.com", "washed@example.com"] {
        assert_eq!(told.iter().filter(|row| row.name == email && row.stands).count(), 1, "{email}: {told:?}");
    }
    assert!(!told.iter().any(|row| row.name == "his own"), "a revoked key does not stand");
    let undone = world.core.revoke_api_key_and_undo(&world.person("owner", 0).await, acme, id).await.unwrap().value;
    assert!(undone.taken_back.iter().any(|row| row.name == "washed@example.com"), "{undone:?}");
}

/// Reddens when a sub-organization is told what its members made in the root or beside it.
async fn what_was_made_elsewhere_is_not_told(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let with = |place, role: &str| vec![RolesIn { organization_id: place, roles: vec![role.to_owned()] }];
    let id = world.core.create_api_key(&world.host(), mobile, "leaky", &with(mobile, "manage-organization"), None).await.unwrap().id;
    let joined = keywright_core::members::RoleChange::Add(vec!["view-build".to_owned()]);
    world.core.change_roles(&world.token(id, mobile), mobile, world.demo.users["manager"].id, joined).await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    let manager = world.person("manager", 0).await;
    world.core.create_api_key(&manager, acme, "secret plan", &with(acme, "view-build"), None).await.unwrap();
    world.core.invite(&manager, acme, "cfo@example.com", with(acme, "view-build")).await.unwrap();
    let told = world.core.list_brought_in(&world.host(), mobile, id).await.unwrap();
    assert_eq!(told.iter().map(|row| row.kind).collect::<Vec<_>>(), [Kind::Member, Kind::Role], "{told:?}");
}

/// Reddens when an invitation that an Owner has sent again still counts as a key's, or does not count as each key's that sent it.
async fn whoever_sends_an_invitation_again_brings_it_in(db: Db) {
    let world = world(db).await;
    let (acme, grants) = (world.demo.acme.id, vec![RolesIn { organization_id: world.demo.acme.id, roles: vec!["manage-organization".to_owned()] }]);
    let mut keys = Vec::new();
    for name in ["first", "second"] {
        keys.push(world.core.create_api_key(&world.host(), acme, name, &grants, None).await.unwrap().id);
    }
    world.core.invite(&world.token(keys[0], acme), acme, "p@example.com", Vec::new()).await.unwrap();
    let count = async || {
        let mut counts = Vec::new();
        for key in &keys {
            counts.push(world.core.list_brought_in(&world.host(), acme, *key).await.unwrap().len());
        }
        counts
    };
    assert_eq!(count().await, [1, 0]);
    world.core.re_invite(&world.token(keys[1], acme), acme, "p@example.com").await.unwrap();
    assert_eq!(count().await, [1, 1]);
    world.core.re_invite(&world.person("owner", 0).await, acme, "p@example.com").await.unwrap();
    assert_eq!(count().await, [0, 0]);
}

/// Reddens when the policy of an organization that a key does not reach decides: then its answer tells of it.
async fn a_policy_decides_nothing_where_its_organization_is_out_of_reach(db: Db) {
    let world = world(db).await;
    let (acme, globex) = (world.demo.acme.id, world.demo.globex.id);
    world.set_policy(globex, Policy { personal_keys: Allowed::No, allowed_addresses: vec!["203.0.113.0/24".to_owned()], ..OPEN }).await;
    assert_eq!(world.exchanged_from("192.0.2.1", "owner", Some(globex)).await, "organization_out_of_reach");
    let token = world.token(world.key_of("owner", acme).await, acme);
    assert_eq!(code(world.core.list_members(&token, globex).await), "not_found");
    // Neither does a sibling's.
    let sibling = world.core.create_sub_organization(&world.host(), acme, "Sibling").await.unwrap().value.id;
    let below = world.token(world.key_of("submember", world.demo.mobile.id).await, world.demo.mobile.id);
    for policy in [OPEN, Policy { personal_keys: Allowed::No, allowed_addresses: vec!["203.0.113.0/24".to_owned()], ..OPEN }] {
        world.set_policy(sibling, policy).await;
        assert_eq!(world.exchanged_from("192.0.2.1", "submember", Some(sibling)).await, "organization_out_of_reach");
        assert_eq!(code(world.core.list_members(&below, sibling).await), "not_found");
    }
}

/// Reddens when whoever is made a member below is signed out from there, wherever else he works.
async fn a_sub_organization_signs_out_its_own_members_alone(db: Db) {
    let world = world(db).await;
    let (mobile, viewer, submember) = (world.demo.mobile.id, world.demo.users["viewer"].id, world.demo.users["submember"].id);
    for user in [viewer, submember] {
        world.core.change_roles(&world.host(), mobile, user, roles(&["owner"])).await.unwrap();
    }
    let (above, below) = (world.person("viewer", 0).await, world.person("submember", 0).await);
    for reach in [Reach { user: Some(viewer), since: None }, Reach { user: None, since: None }] {
        world.core.revoke_all(&below, mobile, reach).await.unwrap();
        assert_eq!((code(world.core.current_session(&above).await), code(world.core.current_session(&below).await)), ("done", "done"));
    }
    world.core.revoke_all(&above, mobile, Reach { user: Some(submember), since: None }).await.unwrap();
    assert_eq!(code(world.core.current_session(&below).await), "session_ended");
}
