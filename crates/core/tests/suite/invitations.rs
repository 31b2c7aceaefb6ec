//! An invitation gives no more than its sender could give at the moment it is accepted.

use crate::{
    members::{code, roles},
    support::{World, world, world_with},
};
use keywright_core::{Actor, Context, RoleGiving, members::RoleChange};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{OrganizationId, UserId, admin::RolesIn};
use std::time::Duration;
use zeroize::Zeroizing;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    an_invitation_does_not_take_owner_from_the_root_s_owner,
    grants_to_one_organization_are_asked_about_together,
    a_key_does_not_invite_its_own_holder,
    what_the_sender_lost_his_invitations_do_not_give,
    whoever_was_put_out_stays_out,
    a_suspended_organization_takes_nobody_in,
    sending_again_is_giving,
);

fn brings(organization_id: OrganizationId, roles: &[&str]) -> RolesIn {
    RolesIn { organization_id, roles: roles.iter().map(|role| (*role).to_owned()).collect() }
}

impl World {
    /// The secret of the newest link.
    async fn link(&self) -> String {
        self.clock.advance(Duration::from_millis(1));
        self.core.list_outbox(&self.host()).await.unwrap().pop().unwrap().content.token().to_owned()
    }

    async fn accept(&self, link: &str, part: &str) -> &'static str {
        let password = Zeroizing::new(self.demo.users[part].password.to_string());
        code(self.core.accept_invitation(&self.anonymous(), link, None, password).await)
    }

    async fn accept_as_stranger(&self, link: &str) -> &'static str {
        let ctx = Context { actor: Actor::Anonymous, ..self.host() };
        code(self.core.accept_invitation(&ctx, link, Some("New"), Zeroizing::new("correct horse battery".to_owned())).await)
    }

    async fn own(&self, organization: OrganizationId, user: UserId) -> Option<Vec<String>> {
        self.core.get_member(&self.host(), organization, user).await.ok().and_then(|(_, member)| member.own)
    }
}

/// Reddens when the invited user's inherited roles are not looked at, on sending or on accepting.
async fn an_invitation_does_not_take_owner_from_the_root_s_owner(db: Db) {
    let world = world_with(db, |settings| settings.role_giving = RoleGiving::ManagersGiveAny).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let (submember, viewer) = (world.demo.users["submember"].id, world.demo.users["viewer"].id);
    world.core.change_roles(&world.host(), mobile, submember, roles(&["manage-organization"])).await.unwrap();
    let sub = world.person("submember", 0).await;
    let weaker = vec![brings(mobile, &["view-build"])];
    assert_eq!(code(world.core.invite(&sub, mobile, &world.demo.users["owner"].email, weaker.clone()).await), "insufficient_permission");
    // Whoever becomes Owner only after the invitation was sent keeps that too.
    world.core.invite(&sub, mobile, &world.demo.users["viewer"].email, weaker).await.unwrap();
    let link = world.link().await;
    world.core.change_roles(&world.host(), acme, viewer, roles(&["owner"])).await.unwrap();
    assert_eq!(world.accept(&link, "viewer").await, "conflict");
    assert_eq!(world.own(mobile, viewer).await, None);
    assert_eq!(world.core.me(&world.person("viewer", 0).await, mobile).await.unwrap().roles, ["owner"]);
}

/// Reddens when each grant of an invitation is asked about by itself: both roles together permit what neither does.
async fn grants_to_one_organization_are_asked_about_together(db: Db) {
    let own = r#"
[apis.reports]
audience = "https://reports.example.com"
permissions = { "reports.secret" = "See what is secret" }
[roles.ra]
name = "A"
permissions = ["reports.secret"]
[roles.rb]
name = "B"
permissions = ["organization.member.view"]
[[conditions]]
permission = "reports.secret"
all_of = [["rb"]]
"#;
    let world = world_with(db, |settings| settings.own_catalog = Some(own.to_owned())).await;
    let mobile = world.demo.mobile.id;
    let submember = world.demo.users["submember"].id;
    world.core.change_roles(&world.host(), mobile, submember, roles(&["manage-organization"])).await.unwrap();
    let sub = world.person("submember", 0).await;
    let invite = async |email: &str, grants| code(world.core.invite(&sub, mobile, email, grants).await);
    assert_eq!(invite("one@example.com", vec![brings(mobile, &["ra"])]).await, "done", "alone it permits nothing");
    assert_eq!(invite("two@example.com", vec![brings(mobile, &["ra", "rb"])]).await, "insufficient_permission");
    assert_eq!(invite("two@example.com", vec![brings(mobile, &["ra"]), brings(mobile, &["rb"])]).await, "insufficient_permission");
    // Nor one after the other: whoever got roles meanwhile keeps those.
    assert_eq!(invite(&world.demo.users["viewer"].email, vec![brings(mobile, &["ra"])]).await, "done");
    let (link, viewer) = (world.link().await, world.demo.users["viewer"].id);
    world.core.change_roles(&world.host(), mobile, viewer, roles(&["rb"])).await.unwrap();
    assert_eq!(world.accept(&link, "viewer").await, "done");
    assert_eq!(world.own(mobile, viewer).await, Some(vec!["rb".to_owned()]));
}

/// Reddens when an invitation compares its recipient with nobody instead of the user with that address.
async fn a_key_does_not_invite_its_own_holder(db: Db) {
    let world = world_with(db, |settings| settings.role_giving = RoleGiving::ManagersGiveAny).await;
    let (acme, mobile, manager) = (world.demo.acme.id, world.demo.mobile.id, &world.demo.users["manager"]);
    let key = world.token(world.key_of("manager", acme).await, acme);
    assert_eq!(code(world.core.invite(&key, mobile, &manager.email, vec![brings(mobile, &["manage-build"])]).await), "insufficient_permission");
    assert_eq!(code(world.core.invite(&key, mobile, "other@example.com", vec![brings(mobile, &["manage-build"])]).await), "done");
}

/// Reddens when an acceptance does not ask what its sender may do by then.
async fn what_the_sender_lost_his_invitations_do_not_give(db: Db) {
    let world = world(db).await;
    let (acme, manager) = (world.demo.acme.id, world.demo.users["manager"].id);
    let grants = || vec![brings(acme, &["manage-organization"])];
    // By a key, which is revoked.
    let id = world.key_of("manager", acme).await;
    world.core.invite(&world.token(id, acme), acme, "a@example.com", grants()).await.unwrap();
    let by_key = world.link().await;
    world.core.revoke_key(&world.host(), id).await.unwrap();
    assert_eq!(world.accept_as_stranger(&by_key).await, "conflict");
    // By a person, who is demoted, then gets it back, then is removed.
    world.core.invite(&world.person("manager", 0).await, acme, "b@example.com", grants()).await.unwrap();
    let by_person = world.link().await;
    world.core.change_roles(&world.host(), acme, manager, roles(&["view-organization"])).await.unwrap();
    assert_eq!(world.accept_as_stranger(&by_person).await, "conflict");
    world.core.remove_member(&world.host(), acme, manager).await.unwrap();
    assert_eq!(world.accept_as_stranger(&by_person).await, "conflict");
    let users = world.core.list_users(&world.host()).await.unwrap();
    assert!(
        users.iter().all(|user| !user.email.ends_with("@example.com") || world.demo.users.values().any(|known| known.id == user.id)),
        "no account was made"
    );
    // Sent again by somebody who may, it works.
    world.core.re_invite(&world.person("owner", 0).await, acme, "b@example.com").await.unwrap();
    assert_eq!(world.accept_as_stranger(&by_person).await, "not_found", "the old link");
    let again = world.link().await;
    assert_eq!(world.accept_as_stranger(&again).await, "done");
}

/// Reddens when a removal leaves the invitations of whoever is removed.
async fn whoever_was_put_out_stays_out(db: Db) {
    let world = world(db).await;
    let (acme, mobile, viewer) = (world.demo.acme.id, world.demo.mobile.id, &world.demo.users["viewer"]);
    world.core.invite(&world.person("owner", 0).await, mobile, &viewer.email, vec![brings(mobile, &["manage-organization"])]).await.unwrap();
    let link = world.link().await;
    world.core.remove_member(&world.host(), acme, viewer.id).await.unwrap();
    assert_eq!(world.accept(&link, "viewer").await, "not_found");
    assert_eq!(world.own(mobile, viewer.id).await, None);
}

/// Reddens when an acceptance does not ask whether the organization and its root are suspended.
async fn a_suspended_organization_takes_nobody_in(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    world.core.invite(&world.host(), mobile, "new@example.com", vec![brings(mobile, &["view-build"])]).await.unwrap();
    let link = world.link().await;
    for place in [mobile, acme] {
        world.core.suspend_organization(&world.host(), place).await.unwrap();
        assert_eq!(world.accept_as_stranger(&link).await, "conflict");
        world.core.resume_organization(&world.host(), place).await.unwrap();
    }
    assert_eq!(world.accept_as_stranger(&link).await, "done");
}

/// Reddens when sending again asks for less than sending.
async fn sending_again_is_giving(db: Db) {
    let world = world(db).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    world.core.invite(&world.person("owner", 0).await, acme, "new@example.com", vec![brings(acme, &["manage-codepush"])]).await.unwrap();
    world.core.change_roles(&world.host(), acme, viewer, RoleChange::Replace(vec!["manage-organization".to_owned()])).await.unwrap();
    assert_eq!(code(world.core.re_invite(&world.person("viewer", 0).await, acme, "new@example.com").await), "insufficient_permission");
    assert_eq!(code(world.core.re_invite(&world.person("manager", 0).await, acme, "new@example.com").await), "done");
}
