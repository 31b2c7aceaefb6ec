//! Who is told of a new key, of another secret, and of a use from elsewhere.

use crate::{
    members::roles,
    support::{World, world},
};
use keywright_core::{Context, Credential, keys::rotation::Rotation, notices::NOTICES_AN_HOUR, outbox::delivery::DueMail};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{
    KeyKind, OperatorScope, OrganizationId,
    admin::RolesIn,
    mail::{MailContent, NewSecret},
};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_new_key_is_told_to_whoever_has_to_know,
    where_nobody_has_to_know_nothing_is_written,
    one_person_gets_a_bounded_number_of_notices,
    a_use_from_elsewhere_is_told,
);

impl World {
    async fn new_api_key(&self, ctx: &Context, organization: OrganizationId, name: &str) -> keywright_core::keys::CreatedKey {
        let grants = [RolesIn { organization_id: organization, roles: vec!["view-build".to_owned()] }];
        self.core.create_api_key(ctx, organization, name, &grants, None).await.unwrap()
    }

    /// The recipients of mail that was written since the last time, in alphabetical order.
    async fn told(&self) -> Vec<String> {
        let mut recipients: Vec<String> = self.read_mail().await.into_iter().map(|mail| mail.recipient).collect();
        recipients.sort_unstable();
        recipients
    }
}

/// Reddens when a way to a new secret tells nobody, somebody else, or the secret.
async fn a_new_key_is_told_to_whoever_has_to_know(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let (manager, submember) = (world.demo.users["manager"].id, world.demo.users["submember"].id);
    world.read_mail().await;
    let host = world.host();
    // His own: also when he made it himself.
    let own = world.core.create_own_personal_access_key(&world.person("viewer", 0).await, acme, "laptop", None).await.unwrap();
    let [mail] = <[DueMail; 1]>::try_from(world.read_mail().await).unwrap();
    assert_eq!(mail.recipient, "viewer@acme.example");
    let MailContent::NewKey { key, made, made_by, expires_at, .. } = &mail.content else { panic!("{mail:?}") };
    assert_eq!((key.id, key.name.as_str(), key.organization.as_str(), key.kind), (own.id, "laptop", "Acme", KeyKind::PersonalAccessKey));
    assert_eq!((*made, *expires_at), (NewSecret::OfNewKey, own.expires_at));
    assert!(made_by.contains("viewer@acme.example"), "{made_by}");
    assert!(!serde_json::to_string(&mail.content).unwrap().contains(own.secret.reveal().get(7..20).unwrap()), "no secret");
    // By somebody else in his name.
    world.core.create_personal_access_key(&host, acme, manager, "ci", None).await.unwrap();
    assert_eq!(world.told().await, ["manager@acme.example"]);
    // An organization's: its Owners; those of the root where it has none of its own.
    let key = world.new_api_key(&host, acme, "deploy").await;
    assert_eq!(world.told().await, ["owner@acme.example"]);
    world.new_api_key(&host, mobile, "deploy").await;
    assert_eq!(world.told().await, ["owner@acme.example"]);
    world.core.change_roles(&host, mobile, submember, roles(&["owner"])).await.unwrap();
    world.new_api_key(&host, mobile, "deploy 2").await;
    assert_eq!(world.told().await, ["submember@acme.example"]);
    world.core.disable_user(&host, submember).await.unwrap();
    world.new_api_key(&host, mobile, "deploy 3").await;
    assert_eq!(world.told().await, ["owner@acme.example"], "whoever is disabled hears nothing");
    world.core.change_roles(&host, acme, manager, roles(&["owner"])).await.unwrap();
    world.new_api_key(&world.person("owner", 0).await, acme, "deploy 2").await;
    assert_eq!(world.told().await, ["manager@acme.example", "owner@acme.example"]);
    world.new_api_key(&host, globex, "deploy").await;
    assert_eq!(world.told().await, ["globexowner@globex.example"]);
    // Another secret of an old key, and a key that an operator's program makes.
    world.core.rotate_api_key(&host, acme, key.id, Rotation { overlap: Duration::ZERO, expires_at: None }).await.unwrap();
    let rotated = world.read_mail().await;
    assert_eq!(rotated.len(), 2);
    assert!(rotated.iter().all(|mail| matches!(mail.content, MailContent::NewKey { made: NewSecret::OfRotation, .. })));
    let operator = world.operator_with(&[OperatorScope::Keys]).await;
    world.new_api_key(&operator, globex, "by the operator").await;
    let [mail] = <[DueMail; 1]>::try_from(world.read_mail().await).unwrap();
    let MailContent::NewKey { made_by, .. } = &mail.content else { panic!("{mail:?}") };
    assert!(made_by.contains("operator") && made_by.contains("customer 7"), "{made_by}");
}

/// Reddens when the organizations that a program makes by the thousand, without a person in them, write mail.
async fn where_nobody_has_to_know_nothing_is_written(db: Db) {
    let world = world(db).await;
    world.read_mail().await;
    let root = world.core.create_root(&world.host(), "Nobody's").await.unwrap();
    let operator = world.operator_with(&[OperatorScope::Keys]).await;
    world.new_api_key(&operator, root.id, "deploy").await;
    assert!(world.read_mail().await.is_empty());
}

/// Reddens when a program that makes a thousand keys writes a thousand pieces of mail, or nobody is told that there are more.
async fn one_person_gets_a_bounded_number_of_notices(db: Db) {
    let world = world(db).await;
    world.read_mail().await;
    // What the demo made was within another hour.
    world.clock.advance(Duration::from_secs(60 * 60));
    let globex = world.demo.globex.id;
    let operator = world.operator_with(&[OperatorScope::Keys]).await;
    for number in 0..NOTICES_AN_HOUR + 5 {
        world.new_api_key(&operator, globex, &format!("key {number}")).await;
    }
    let mail = world.read_mail().await;
    let last: Vec<bool> = mail.iter().map(|mail| matches!(mail.content, MailContent::NewKey { last_for_now: true, .. })).collect();
    assert_eq!((last.len() as i64, last.iter().filter(|last| **last).count()), (NOTICES_AN_HOUR, 1));
    // Another person, and another kind, are not concerned.
    world.new_api_key(&world.host(), world.demo.acme.id, "deploy").await;
    assert_eq!(world.told().await, ["owner@acme.example"]);
    world.core.request_reset(&world.anonymous(), "globexowner@globex.example").unwrap().await.unwrap();
    assert_eq!(world.told().await, ["globexowner@globex.example"]);
    world.clock.advance(Duration::from_secs(60 * 60));
    let operator = Context { now: world.clock.now(), ..operator };
    world.new_api_key(&operator, globex, "an hour later").await;
    assert_eq!(world.told().await, ["globexowner@globex.example"]);
}

/// Reddens when nobody is told, a second time, or of a first use, or more of the client's name is kept than is good.
async fn a_use_from_elsewhere_is_told(db: Db) {
    let world = world(db.clone()).await;
    world.read_mail().await;
    let agent: std::sync::Arc<str> = format!("curl/8\r\n{}", "x".repeat(1_000)).into();
    let now = world.clock.now();
    // A first use is no news, a second one from there is none either.
    for address in ["192.0.2.1", "192.0.2.200", "::ffff:203.0.113.7", "203.0.113.8"] {
        let from = Context { client_ip: Some(address.parse().unwrap()), user_agent: Some(agent.clone()), ..world.anonymous() };
        let key = Credential::ApiKey { name: "mobile-ci", secret: &world.demo.api_keys["mobile-ci"].secret };
        world.core.exchange(&from, key, None).await.unwrap();
        world.core.flush_access_log(now).await.unwrap();
    }
    let [mail] = <[DueMail; 1]>::try_from(world.read_mail().await).unwrap();
    assert_eq!(mail.recipient, "owner@acme.example");
    let MailContent::NewNetwork { key, address, user_agent, at, last_for_now } = mail.content else { panic!("{mail:?}") };
    assert_eq!((key.name.as_str(), address.as_str(), at, last_for_now), ("mobile-ci", "203.0.113.7", now, false));
    assert!(user_agent.starts_with("curl/8xxx") && user_agent.len() == 200, "{user_agent}");
}
