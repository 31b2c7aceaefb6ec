//! Exchanges on both engines: who gets what, and what stops it at once.

use crate::support::{self, claims, outcome, world};
use keywright_core::{Credential, Error, members::RoleChange};
use keywright_db::{Db, Writes, on_both_engines};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_key_becomes_a_token,
    who_reaches_what,
    whatever_alive_names_stops_the_exchange_at_once,
    a_planted_row_opens_nothing,
    rejoining_revives_no_key,
    the_last_owner_stays,
    the_secret_selects_the_key_and_the_name_is_checked,
    limits_and_expiries_are_kept,
    a_catalog_names_the_audience_of_its_tokens,
);

async fn a_key_becomes_a_token(db: Db) {
    let world = world(db).await;
    let first = world.exchange("owner", None).await.unwrap();
    let second = world.exchange("owner", None).await.unwrap();
    assert_ne!(first.access_token, second.access_token, "each token has its own jti");
    assert!(first.access_token.len() <= 2048, "{}", first.access_token.len());
    assert_eq!(first.expires_in, 3600);
    let claims = claims(&second);
    assert_eq!(claims["iss"], support::ISSUER);
    assert_eq!(claims["aud"], support::ISSUER);
    assert_eq!(claims["roles"], serde_json::json!(["owner"]));
    assert_eq!(claims["scope"], serde_json::Value::Null, "an Owner's permissions do not fit");
    assert_eq!(claims["currentOrganizationId"], world.demo.acme.id.to_string());
    assert_eq!(claims["email"], "owner@acme.example");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let sub = support::claims(&world.exchange("submember", None).await.unwrap());
    assert_eq!(
        sub["scope"],
        "distribution.profile.view distribution.auth.view distribution.report.app-version distribution.report.sharing"
            .split(' ')
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(" ")
    );
}

async fn who_reaches_what(db: Db) {
    let world = world(db).await;
    let (acme, mobile, globex) = (Some(world.demo.acme.id), Some(world.demo.mobile.id), Some(world.demo.globex.id));
    let unknown = Some(uuid::Uuid::from_u128(7).into());
    let out = "organization_out_of_reach";
    for (who, target, expected) in [
        ("owner", None, "accepted"),
        ("owner", acme, "accepted"),
        ("owner", mobile, "accepted"),
        ("owner", globex, out),
        ("owner", unknown, out),
        ("submember", None, "accepted"),
        ("submember", mobile, "accepted"),
        ("submember", acme, out),
        ("manager", globex, out),
        ("manager@globex", None, "accepted"),
        ("manager@globex", acme, out),
        ("globexowner", mobile, out),
    ] {
        // Twice: from the database and from memory.
        for _ in 0..2 {
            assert_eq!(outcome(&world.exchange(who, target).await), expected, "{who} {target:?}");
        }
    }
    for (label, target, expected) in
        [("acme-ci", None, "accepted"), ("acme-ci", mobile, "accepted"), ("acme-ci", globex, out), ("mobile-ci", None, "accepted"), ("mobile-ci", acme, out)]
    {
        assert_eq!(outcome(&world.exchange_api_key(label, target).await), expected, "{label} {target:?}");
    }
    // The same person, two keys, two grants.
    let (here, there) = (world.exchange("manager", None).await.unwrap(), world.exchange("manager@globex", None).await.unwrap());
    assert_eq!(claims(&here)["sub"], claims(&there)["sub"]);
    assert_ne!(claims(&here)["roles"], claims(&there)["roles"]);
}

async fn whatever_alive_names_stops_the_exchange_at_once(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let user = |part: &str| world.demo.users[part].id;
    // Everybody is in memory before anything happens.
    for who in ["owner", "manager", "viewer", "submember"] {
        assert_eq!(outcome(&world.exchange(who, None).await), "accepted");
        let _ = world.exchange(who, Some(mobile)).await;
    }
    assert_eq!(outcome(&world.exchange_api_key("acme-ci", None).await), "accepted");

    world.core.disable_user(&world.host(), user("viewer")).await.unwrap();
    assert_eq!(outcome(&world.exchange("viewer", None).await), "holder_disabled");
    world.core.enable_user(&world.host(), user("viewer")).await.unwrap();
    assert_eq!(outcome(&world.exchange("viewer", None).await), "accepted");

    world.core.change_roles(&world.host(), acme, user("viewer"), RoleChange::Replace(vec![])).await.unwrap();
    assert_eq!(outcome(&world.exchange("viewer", None).await), "nothing_granted");
    world.core.remove_member(&world.host(), acme, user("viewer")).await.unwrap();
    assert_eq!(outcome(&world.exchange("viewer", None).await), "membership_ended");

    let key = world.demo.api_keys["acme-ci"].id;
    world.core.revoke_key(&world.host(), key).await.unwrap();
    world.core.revoke_key(&world.host(), key).await.unwrap();
    assert_eq!(outcome(&world.exchange_api_key("acme-ci", None).await), "key_revoked");

    world.core.suspend_organization(&world.host(), mobile).await.unwrap();
    assert_eq!(outcome(&world.exchange("submember", None).await), "organization_disabled");
    assert_eq!(outcome(&world.exchange("owner", Some(mobile)).await), "organization_out_of_reach");
    world.core.resume_organization(&world.host(), mobile).await.unwrap();
    world.core.suspend_organization(&world.host(), acme).await.unwrap();
    for who in ["owner", "manager", "submember"] {
        assert_eq!(outcome(&world.exchange(who, None).await), "organization_disabled", "{who}");
    }
    assert_eq!(outcome(&world.exchange("globexowner", None).await), "accepted", "another root");
    world.core.resume_organization(&world.host(), acme).await.unwrap();
    assert_eq!(outcome(&world.exchange("owner", None).await), "accepted");

    // Expiry raises no revision; it is seen from memory all the same. A token never outlives its key.
    world.clock.advance(Duration::from_secs(182 * 24 * 60 * 60 - 60));
    assert_eq!(world.exchange("owner", None).await.unwrap().expires_in, 60);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(outcome(&world.exchange("owner", None).await), "key_expired");
}

async fn a_planted_row_opens_nothing(db: Db) {
    let world = world(db.clone()).await;
    // Somebody with the database alone gives himself another year, and moves a key to another organization.
    let (key, globex) = (world.demo.api_keys["mobile-ci"].id, world.demo.globex.id);
    db.write(move |tx| Box::pin(async move { tx.execute_one("UPDATE keys SET expires_at = expires_at + 1 WHERE id = $1", &[key.into()]).await }))
        .await
        .unwrap();
    assert_eq!(outcome(&world.exchange_api_key("mobile-ci", None).await), "invalid_key");
    let key = world.demo.api_keys["acme-ci"].id;
    db.write(move |tx| Box::pin(async move { tx.execute_one("UPDATE keys SET organization_id = $2 WHERE id = $1", &[key.into(), globex.into()]).await }))
        .await
        .unwrap();
    assert_eq!(outcome(&world.exchange_api_key("acme-ci", None).await), "invalid_key");
}

async fn rejoining_revives_no_key(db: Db) {
    let world = world(db).await;
    let (acme, user) = (world.demo.acme.id, world.demo.users["viewer"].id);
    world.core.remove_member(&world.host(), acme, user).await.unwrap();
    world.core.change_roles(&world.host(), acme, user, RoleChange::Replace(vec!["view-build".to_owned()])).await.unwrap();
    assert_eq!(outcome(&world.exchange("viewer", None).await), "membership_ended");
    let key = world.core.create_personal_access_key(&world.host(), acme, user, "new", None).await.unwrap();
    let exchanged = world.core.exchange(&world.host(), Credential::PersonalAccessKey(key.secret.reveal()), None).await.unwrap();
    assert_eq!(claims(&exchanged)["roles"], serde_json::json!(["view-build"]));
}

async fn the_last_owner_stays(db: Db) {
    let world = world(db).await;
    let (acme, owner) = (world.demo.acme.id, world.demo.users["owner"].id);
    let refused = world.core.remove_member(&world.host(), acme, owner).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict(_)));
    assert!(matches!(world.core.change_roles(&world.host(), acme, owner, RoleChange::Replace(vec![])).await, Err(Error::Conflict(_))));
    world.core.change_roles(&world.host(), acme, world.demo.users["manager"].id, RoleChange::Replace(vec!["owner".to_owned()])).await.unwrap();
    world.core.remove_member(&world.host(), acme, owner).await.unwrap();
}

async fn the_secret_selects_the_key_and_the_name_is_checked(db: Db) {
    let world = world(db).await;
    let key = &world.demo.api_keys["acme-ci"];
    let exchange = async |name: &str, secret: &str| outcome(&world.core.exchange(&world.host(), Credential::ApiKey { name, secret }, None).await);
    assert_eq!(exchange("acme-ci", &key.secret).await, "accepted");
    assert_eq!(exchange(&key.id.to_string(), &key.secret).await, "accepted");
    assert_eq!(exchange(&key.id.to_string().to_uppercase(), &key.secret).await, "accepted");
    for wrong in ["mobile-ci", "", "acme", "ACME-CI"] {
        assert_eq!(exchange(wrong, &key.secret).await, "key_name_mismatch", "{wrong}");
    }
    // Whoever lacks the secret learns nothing, whatever name he sends.
    let stranger = keywright_protocol::secret::compose("kw", keywright_protocol::KeyKind::ApiKey, &[1; 32]);
    assert_eq!(exchange("acme-ci", &stranger).await, "invalid_key");
    assert_eq!(exchange("acme-ci", &world.demo.personal_access_keys["owner"]).await, "malformed_key");
}

async fn limits_and_expiries_are_kept(db: Db) {
    let world = world(db).await;
    let (acme, owner) = (world.demo.acme.id, world.demo.users["owner"].id);
    let create = async |expires_at| world.core.create_personal_access_key(&world.host(), acme, owner, "key", expires_at).await;
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let now = world.clock.now();
    for refused in [now, keywright_protocol::Time::from_seconds(0), now.plus(year + Duration::from_millis(1))] {
        assert!(matches!(create(Some(refused)).await, Err(Error::Invalid { field: "expiresAt", .. })), "{refused}");
    }
    assert_eq!(create(Some(now.plus(year))).await.unwrap().expires_at, now.plus(year));
    // The demo made one and the line above another; 25 is the limit.
    for _ in 2..25 {
        create(None).await.unwrap();
    }
    assert!(matches!(create(None).await, Err(Error::Conflict(_))));
    let nobody = world.core.create_personal_access_key(&world.host(), world.demo.mobile.id, owner, "key", None).await;
    assert!(matches!(nobody, Err(Error::NotFound(_))), "an inherited member makes none");
}

async fn a_catalog_names_the_audience_of_its_tokens(db: Db) {
    use keywright_core::{Context, Core, KeyFile, Settings};
    use keywright_protocol::{Clock, admin::RolesIn};
    let own = r#"
        default_audience = "https://api.example.com"
        [apis.invoices]
        audience = "https://api.example.com"
        permissions = { "invoices.read" = "See invoices", "invoices.write" = "Create and change invoices" }
        [roles.accountant]
        name = "Accountant"
        permissions = ["invoices.read", "invoices.write"]
    "#;
    let settings = Settings { own_catalog: Some(own.to_owned()), ..Settings::new(support::ISSUER) };
    let core = Core::start_on(db, KeyFile::generate().unwrap(), settings, Clock::System).await.unwrap();
    let host = Context::system(Clock::System.now()).unwrap();
    let organization = core.create_root(&host, "Example").await.unwrap().id;
    let role = |role: &str| vec![RolesIn { organization_id: organization, roles: vec![role.to_owned()] }];
    let bookkeeping = core.create_api_key(&host, organization, "bookkeeping", &role("accountant"), None).await.unwrap();
    let exchanged = core.exchange(&host, Credential::ApiKey { name: "bookkeeping", secret: bookkeeping.secret.reveal() }, None).await.unwrap();
    assert_eq!(
        (claims(&exchanged)["aud"].as_str(), claims(&exchanged)["scope"].as_str()),
        (Some("https://api.example.com"), Some("invoices.read invoices.write"))
    );
    // A role of another audience gives nothing at this one.
    let watcher = core.create_api_key(&host, organization, "watcher", &role("view-organization"), None).await.unwrap();
    let refused = core.exchange(&host, Credential::ApiKey { name: "watcher", secret: watcher.secret.reveal() }, None).await;
    assert_eq!(outcome(&refused), "nothing_granted");
}
