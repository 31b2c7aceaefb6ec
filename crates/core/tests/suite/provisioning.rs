//! Organizations and users as an operator's programs make them, their limits, and who suspends what; on both engines.

use crate::{
    operator::{code, events, roles},
    support::{World, world, world_with},
};
use futures_util::future::join_all;
use keywright_core::{
    Actor, Context, Credential, Error, TokenActor,
    provisioning::{NewRoot, Outcome, RootChange},
    tree_limits::TreeLimits,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyKind, OperatorScope, OrganizationId, UserId, admin::RolesIn};
use keywright_store::users::Password;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    many_organizations_get_a_key_each_without_a_person,
    putting_twice_is_once_and_two_at_once_make_one,
    an_external_id_is_one_organizations_for_ever,
    a_user_is_added_once,
    a_tree_stays_within_its_limits,
    the_settings_hold_where_nothing_else_is_set,
    suspending_is_for_whoever_stands_above,
);

fn named(name: &str) -> RootChange {
    RootChange { name: name.to_owned(), ..RootChange::default() }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

impl World {
    async fn user(&self, email: &str) -> UserId {
        self.core.create_user(&self.host(), email, "Somebody", Password::None).await.unwrap().id
    }
}

/// What an operator's own backend does for each customer. Reddens when any of it needs a person.
async fn many_organizations_get_a_key_each_without_a_person(db: Db) {
    let world = world(db).await;
    let ctx = world.operator_with(&[OperatorScope::Organizations, OperatorScope::Keys]).await;
    let make = |n: usize| {
        let (core, ctx) = (&world.core, &ctx);
        async move {
            let (root, outcome) = core.put_root(ctx, &format!("customer-{n}"), named(&format!("Customer {n}"))).await.unwrap().value;
            assert_eq!(outcome, Outcome::Made);
            let id = root.organization.id;
            let grants = [RolesIn { organization_id: id, roles: vec!["manage-build".into()] }];
            let key = core.create_api_key(ctx, id, "backend", &grants, None).await.unwrap();
            (id, key.secret.reveal().to_owned())
        }
    };
    let made = join_all((0..60).map(make)).await;
    let mut ids: Vec<OrganizationId> = made.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 60);
    for (id, secret) in &made {
        let token = world.core.exchange(&world.host(), Credential::ApiKey { name: "backend", secret }, None).await.unwrap();
        assert_eq!(crate::support::claims(&token)["organizationId"], json!(id));
    }
    assert_eq!(world.core.list_organizations(&ctx).await.unwrap().len(), 63);
}

/// Reddens when the second one makes another, when nothing changed and it is written all the same, or when what is left out is lost.
async fn putting_twice_is_once_and_two_at_once_make_one(db: Db) {
    let world = world(db.clone()).await;
    let ctx = world.operator_with(&[OperatorScope::Organizations]).await;
    let metadata = Some(object(json!({ "plan": "gold" })));
    let limits = TreeLimits { api_keys: Some(5), members: None, sub_organizations: Some(0) };
    let change = || RootChange { name: "Customer".into(), metadata: metadata.clone(), limits: Some(limits) };
    let both = join_all((0..8).map(|_| world.core.put_root(&ctx, "c-1", change()))).await;
    let both: Vec<_> = both.into_iter().map(|put| put.unwrap().value).collect();
    assert_eq!(both.iter().filter(|(_, outcome)| *outcome == Outcome::Made).count(), 1);
    assert!(both.iter().all(|(root, _)| *root == both[0].0));
    let id = both[0].0.organization.id;
    let found = world.core.find_root(&ctx, "c-1").await.unwrap();
    assert_eq!((found.organization.id, found.metadata.as_str(), found.limits), (id, r#"{"plan":"gold"}"#, limits));
    assert_eq!(events(&db, Some(id)).await.len(), 1, "what changes nothing tells nothing");

    let renamed = world.core.put_root(&ctx, "c-1", named("Customer and Sons")).await.unwrap().value;
    assert_eq!((renamed.0.organization.name.as_str(), renamed.1), ("Customer and Sons", Outcome::Found));
    assert_eq!((renamed.0.metadata, renamed.0.limits), (found.metadata, found.limits), "what is left out stays");
    let emptied = RootChange { metadata: Some(Map::new()), limits: Some(TreeLimits::default()), ..named("Customer and Sons") };
    let emptied = world.core.put_root(&ctx, "c-1", emptied).await.unwrap().value.0;
    assert_eq!((emptied.metadata.as_str(), emptied.limits), ("{}", TreeLimits::default()));
    assert_eq!(world.core.find_root(&ctx, "c-1").await.unwrap(), emptied, "as it is stored");
    let told: Vec<_> = events(&db, Some(id)).await.into_iter().map(|event| (event.action, event.reason)).collect();
    assert_eq!(told[0].1, r#"on behalf of "customer 7": externalId c-1"#);
    assert_eq!(told[1], ("Organization Update".to_owned(), r#"on behalf of "customer 7": name from [Customer] to [Customer and Sons]"#.to_owned()));
    assert!(told[2].1.contains("metadata; limits from [API Keys 5, members as set here, sub-organizations 0]"), "{told:?}");
    assert!(!told[2].1.contains("gold"), "metadata is only named");
    let large = RootChange { metadata: Some(object(json!({ "x": "y".repeat(5_000) }))), ..named("Customer") };
    assert_eq!(code(world.core.put_root(&ctx, "c-1", large).await), "invalid_request");
    assert_eq!(code(world.core.put_root(&ctx, "c-1", named(" ")).await), "invalid_request");
    assert_eq!(code(world.core.find_root(&ctx, "c-2").await), "not_found");
    // Nobody else puts anything, a person with every role included.
    for ctx in [world.person("owner", 0).await, world.anonymous()] {
        assert_ne!(code(world.core.put_root(&ctx, "c-1", named("Mine")).await), "done");
        assert_ne!(code(world.core.find_root(&ctx, "c-1").await), "done");
        assert_ne!(code(world.core.ensure_user(&ctx, "x@acme.example", "X").await), "done");
    }
}

async fn an_external_id_is_one_organizations_for_ever(db: Db) {
    let world = world(db).await;
    let ctx = world.operator_with(&[OperatorScope::Organizations]).await;
    let make = async |external_id: Option<&str>| {
        let new = NewRoot { name: "Customer".into(), external_id: external_id.map(str::to_owned), ..NewRoot::default() };
        code(world.core.make_root(&ctx, new).await)
    };
    assert_eq!(make(Some("c-1")).await, "done");
    assert_eq!(make(Some("c-1")).await, "conflict");
    assert_eq!(make(Some("C-1")).await, "done", "letters are told apart");
    assert_eq!((make(None).await, make(None).await), ("done", "done"), "names of roots may be alike");
    let (longest, longer) = ("x".repeat(128), "x".repeat(129));
    for (text, expected) in [
        (longest.as_str(), "done"),
        ("a/b?c=%20#d", "done"),
        (longer.as_str(), "invalid_request"),
        ("", "invalid_request"),
        ("a b", "invalid_request"),
        ("a\tb", "invalid_request"),
        ("kunde-ü", "invalid_request"),
        ("a\u{200b}b", "invalid_request"),
        (".", "invalid_request"),
        ("..", "invalid_request"),
    ] {
        assert_eq!(make(Some(text)).await, expected, "{text:?}");
        let put = code(world.core.put_root(&ctx, text, named("Customer")).await);
        assert_eq!(put, expected, "{text:?}");
    }
}

async fn a_user_is_added_once(db: Db) {
    let world = world(db.clone()).await;
    let ctx = world.operator_with(&[OperatorScope::Users]).await;
    let both = join_all((0..4).map(|_| world.core.ensure_user(&ctx, " New@Customer.example ", "New"))).await;
    let both: Vec<_> = both.into_iter().map(|added| added.unwrap().value).collect();
    assert_eq!(both.iter().filter(|(_, outcome)| *outcome == Outcome::Made).count(), 1);
    assert!(both.iter().all(|(user, _)| user.id == both[0].0.id && user.email == "new@customer.example"));
    let (owner, outcome) = world.core.ensure_user(&ctx, "owner@acme.example", "Another Name").await.unwrap().value;
    assert_eq!((owner.id, owner.name.as_str(), outcome), (world.demo.users["owner"].id, "owner", Outcome::Found));
    assert_eq!(events(&db, None).await.iter().filter(|event| event.subject == "new@customer.example").count(), 1);
    assert_eq!(code(world.core.ensure_user(&ctx, "nobody", "N").await), "invalid_request");
    assert_eq!(code(world.core.disable_user(&ctx, UserId::from(uuid::Uuid::nil())).await), "not_found");
    // Twice is once, in the log too.
    for _ in 0..2 {
        world.core.disable_user(&ctx, owner.id).await.unwrap();
    }
    let exchanged = world.exchange("owner", None).await;
    assert_eq!(code(exchanged), "holder_disabled");
    for _ in 0..2 {
        world.core.enable_user(&ctx, owner.id).await.unwrap();
    }
    assert_eq!(code(world.exchange("owner", None).await), "done");
    let told: Vec<_> = events(&db, None).await.into_iter().filter(|event| event.subject == owner.email).map(|event| event.action).collect();
    assert_eq!(told.iter().filter(|action| *action == "User Disable" || *action == "User Enable").count(), 2, "{told:?}");
}

/// Reddens when a limit is not asked where something is made, when it counts one organization and not the tree, or the same person
/// twice.
async fn a_tree_stays_within_its_limits(db: Db) {
    let world = world(db).await;
    let (core, host) = (&world.core, world.host());
    let ctx = world.operator_with(&OperatorScope::ALL).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let before = core.tree_limits(&ctx, acme).await.unwrap();
    assert_eq!((before.api_keys.own, before.api_keys.limit, before.api_keys.used), (None, Some(1_000), 2));
    assert_eq!((before.members.limit, before.members.used, before.sub_organizations.limit, before.sub_organizations.used), (None, 4, None, 1));
    let limits = TreeLimits { api_keys: Some(3), members: Some(5), sub_organizations: Some(2) };
    let set = core.set_limits(&ctx, acme, limits).await.unwrap().value;
    assert_eq!(set, core.tree_limits(&world.person("owner", 999).await, acme).await.unwrap(), "its Owner sees the same");

    // Keys: the tree's, whoever makes them, the host included.
    assert_eq!(code(core.create_api_key(&ctx, mobile, "third", &[], None).await), "done");
    for (who, place) in [(&ctx, acme), (&ctx, mobile), (&host, acme), (&world.person("owner", 0).await, acme)] {
        assert_eq!(code(core.create_api_key(who, place, "fourth", &[], None).await), "conflict");
    }
    assert_eq!(code(core.create_api_key(&ctx, world.demo.globex.id, "fourth", &[], None).await), "done", "another tree is not concerned");
    core.revoke_api_key(&ctx, acme, world.demo.api_keys["acme-ci"].id).await.unwrap();
    assert_eq!(code(core.create_api_key(&ctx, acme, "fourth", &[], None).await), "done", "revoked ones are not counted");

    // Sub-organizations.
    assert_eq!(code(core.create_sub_organization(&world.person("owner", 0).await, acme, "Labs").await), "done");
    for who in [&ctx, &host, &world.person("owner", 0).await] {
        assert_eq!(code(core.create_sub_organization(who, acme, "More").await), "conflict");
    }

    // Members: people, wherever in the tree.
    let (fifth, sixth) = (world.user("fifth@acme.example").await, world.user("sixth@acme.example").await);
    core.invite(&host, acme, "seventh@acme.example", Vec::new()).await.unwrap();
    let link = core.list_outbox(&host).await.unwrap().pop().unwrap().content.token().to_owned();
    assert_eq!(code(core.change_roles(&ctx, mobile, fifth, roles(&[])).await), "done");
    assert_eq!(code(core.change_roles(&ctx, acme, fifth, roles(&[])).await), "done", "counted already");
    assert_eq!(code(core.change_roles(&world.person("owner", 0).await, mobile, world.demo.users["viewer"].id, roles(&["view-build"])).await), "done");
    for who in [&ctx, &host] {
        assert_eq!(code(core.change_roles(who, acme, sixth, roles(&[])).await), "conflict");
    }
    let accept = async || code(core.accept_invitation(&world.anonymous(), &link, Some("Seventh"), Zeroizing::new("a password of one's own".into())).await);
    assert_eq!(accept().await, "conflict");
    core.remove_member(&ctx, mobile, fifth).await.unwrap();
    assert_eq!(accept().await, "conflict", "still a member of the root");
    core.remove_member(&ctx, acme, fifth).await.unwrap();
    assert_eq!(accept().await, "done", "the link still works when there is room");
    assert_eq!(core.tree_limits(&ctx, acme).await.unwrap().members.used, 5);

    // Below what there is nothing goes, nothing comes, and what is there is changed all the same.
    core.set_limits(&ctx, acme, TreeLimits { members: Some(0), ..limits }).await.unwrap();
    assert_eq!(code(core.change_roles(&ctx, acme, world.demo.users["viewer"].id, roles(&["view-build"])).await), "done");
    assert_eq!(code(world.exchange("owner", None).await), "done");

    // Who may.
    assert_eq!(code(core.tree_limits(&ctx, mobile).await), "invalid_request");
    assert_eq!(code(core.set_limits(&ctx, mobile, limits).await), "invalid_request");
    assert_eq!(code(core.set_limits(&world.person("owner", 0).await, acme, TreeLimits::default()).await), "insufficient_permission");
    assert_eq!(code(core.set_limits(&world.person("globexowner", 0).await, acme, TreeLimits::default()).await), "not_found");
    assert_eq!(code(core.tree_limits(&world.person("globexowner", 0).await, acme).await), "not_found");
    assert_eq!(code(core.tree_limits(&world.person("viewer", 0).await, acme).await), "insufficient_permission");
}

/// Reddens when a root's own limit does not come first, or the setting is not asked.
async fn the_settings_hold_where_nothing_else_is_set(db: Db) {
    let world = world_with(db, |settings| {
        (settings.api_keys_per_root, settings.members_per_root, settings.sub_organizations_per_root) = (2, Some(4), Some(1));
    })
    .await;
    let (core, host, acme) = (&world.core, world.host(), world.demo.acme.id);
    let ctx = world.operator_with(&OperatorScope::ALL).await;
    let user = world.user("fifth@acme.example").await;
    let all = async || {
        [
            code(core.create_api_key(&host, acme, "third", &[], None).await),
            code(core.change_roles(&host, acme, user, roles(&[])).await),
            code(core.create_sub_organization(&host, acme, "Labs").await),
        ]
    };
    assert_eq!(all().await, ["conflict"; 3]);
    core.set_limits(&ctx, acme, TreeLimits { api_keys: Some(3), members: Some(5), sub_organizations: Some(2) }).await.unwrap();
    assert_eq!(all().await, ["done"; 3]);
    let back = core.set_limits(&ctx, acme, TreeLimits::default()).await.unwrap().value;
    assert_eq!((back.members.own, back.members.limit, back.members.used), (None, Some(4), 5));
}

/// Reddens when a root is suspended by its own people, when a key takes a suspension back, or when the operator organization can be
/// locked out over HTTP.
async fn suspending_is_for_whoever_stands_above(db: Db) {
    let world = world(db.clone()).await;
    let operator = world.bootstrap().await;
    let (core, host, acme, mobile) = (&world.core, world.host(), world.demo.acme.id, world.demo.mobile.id);
    let chief = world.holder(&operator.session).await.unwrap();
    let suspend = async |ctx: &Context, id| code(core.suspend_organization(ctx, id).await);
    let resume = async |ctx: &Context, id| code(core.resume_organization(ctx, id).await);
    let grants = [RolesIn { organization_id: acme, roles: vec!["manage-organization".into()] }];
    let key_id = core.create_api_key(&host, acme, "managing", &grants, None).await.unwrap().id;
    let permissions = vec!["organization.sub-organization.manage".to_owned()];
    let by_key = Context {
        actor: Actor::Token(TokenActor {
            key_id,
            key_kind: KeyKind::ApiKey,
            key_version: None,
            organization_id: acme,
            roles: vec!["owner".to_owned()],
            permissions,
        }),
        ..host.clone()
    };

    // Roots.
    for who in [world.person("owner", 0).await, world.person("viewer", 0).await, by_key.clone()] {
        assert_eq!((suspend(&who, acme).await, resume(&who, acme).await), ("insufficient_permission", "insufficient_permission"));
    }
    for who in [world.person("globexowner", 0).await, world.person("submember", 0).await] {
        assert_eq!((suspend(&who, acme).await, resume(&who, acme).await), ("not_found", "not_found"));
    }
    assert_eq!(suspend(&chief, acme).await, "done");
    assert_eq!(code(world.exchange("owner", None).await), "organization_disabled");
    assert_eq!(code(world.exchange("submember", None).await), "organization_disabled", "what hangs under it too");
    assert_eq!(resume(&chief, acme).await, "done");
    assert_eq!(code(world.exchange("owner", None).await), "done");
    let nobody = OrganizationId::from(uuid::Uuid::nil());
    assert_eq!(core.suspend_organization(&chief, nobody).await.unwrap_err(), Error::NotFound("organization"));
    assert_eq!((suspend(&chief, operator.organization).await, suspend(&host, operator.organization).await), ("conflict", "done"));
    assert_eq!(suspend(&chief, acme).await, "not_found", "without it nobody is its Owner");
    assert_eq!(resume(&host, operator.organization).await, "done");
    world.clock.advance(std::time::Duration::from_secs(300));
    let stale = Context { now: world.clock.now(), ..chief };
    assert_eq!((suspend(&stale, acme).await, suspend(&stale, nobody).await), ("session_not_fresh", "session_not_fresh"));

    // Sub-organizations.
    core.change_roles(&host, acme, world.demo.users["manager"].id, roles(&["manage-organization"])).await.unwrap();
    assert_eq!(suspend(&world.person("submember", 0).await, mobile).await, "insufficient_permission");
    assert_eq!(suspend(&world.person("viewer", 0).await, mobile).await, "insufficient_permission");
    assert_eq!(suspend(&world.person("globexowner", 0).await, mobile).await, "not_found");
    assert_eq!(suspend(&world.person("manager", 999).await, mobile).await, "done");
    assert_eq!(suspend(&world.person("manager", 999).await, mobile).await, "done");
    assert_eq!(resume(&world.person("manager", 999).await, mobile).await, "session_not_fresh", "keys live again by it");
    assert_eq!((suspend(&by_key, mobile).await, resume(&by_key, mobile).await), ("done", "insufficient_permission"));
    assert_eq!(code(world.exchange("submember", None).await), "organization_disabled");
    assert_eq!(resume(&world.person("manager", 0).await, mobile).await, "done");
    assert_eq!(code(world.exchange("submember", None).await), "done");
    let told: Vec<_> = events(&db, Some(acme)).await.into_iter().filter(|event| event.organization_id == mobile).map(|event| event.action).collect();
    assert_eq!(told.iter().filter(|action| *action == "Organization Suspend").count(), 1, "once is told once: {told:?}");
}
