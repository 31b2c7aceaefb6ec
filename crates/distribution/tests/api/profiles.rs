//! Profiles through the router, on both engines.

use crate::common::{ACME, CHOOSER, EXTERNAL, MANAGER, ONLOOKER, ORGANIZER, OTHER, SETTER, START, VIEWER, World, organization};
use argon2::{Argon2, PasswordVerifier as _, password_hash::phc::PasswordHash};
use axum::{body::Body, http::Request};
use keywright_db::{Db, StoreError, Writes};
use keywright_distribution::MIGRATIONS;
use serde_json::{Value, json};
use std::time::Duration;

keywright_db::on_both_engines!(Writes::Plain, MIGRATIONS;
    a_list_is_a_bare_array_in_order_of_creation,
    pages_and_searches_take_a_part,
    one_profile_has_its_app_versions,
    making_a_profile_answers_it,
    names_are_unique_within_an_organization,
    another_organization_sees_nothing,
    a_viewer_may_not_make_profiles,
    each_change_needs_its_permission,
    what_stays_as_it_is_needs_no_permission,
    a_change_touches_nothing_else,
    passwords_are_kept_as_hashes,
    the_static_user_is_not_everybodys_to_see,
    wrong_members_are_refused,
    bodies_are_json_by_content,
    version_one_is_version_two,
    sharing_needs_to_see_the_groups,
    settings_are_read_and_changed_by_themselves,
    a_deleted_profile_is_gone,
    every_statement_is_one_for_this_engine,
    a_closed_database_is_a_503,
);

const PROFILES: &str = "/distribution/v2/profiles";
const NOBODYS: &str = "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55";

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn path(id: &str) -> String {
    format!("{PROFILES}/{id}")
}

async fn a_list_is_a_bare_array_in_order_of_creation(db: Db) {
    let world = World::new(db);
    assert_eq!(world.get(VIEWER, PROFILES).await.good(), json!([]));
    let mut ids = Vec::new();
    for name in ["zebra", "ant", "Mole"] {
        ids.push(world.profile(name).await);
        world.clock.advance(Duration::from_millis(1));
    }
    let answer = world.get(VIEWER, PROFILES).await;
    assert_eq!((answer.header("x-total-count"), answer.header("content-type")), ("3", "application/json"));
    let list = answer.good();
    assert_eq!(names(&list), ["zebra", "ant", "Mole"]);
    assert_eq!(
        list[0],
        json!({
            "id": ids[0], "name": "zebra", "pinned": false, "iOSVersion": null, "androidVersion": null,
            "createDate": START.to_string(), "updateDate": START.to_string(), "lastAppVersionSharedDate": null,
            "settings": { "authenticationType": 1, "autoSendEnabled": false }, "testingGroupIds": null
        })
    );
    let group = world.group("Friends").await;
    world.patch("owner", &ids[1], json!({ "testingGroupIds": [group] })).await.good();
    let groups: Vec<Value> = world.get(VIEWER, PROFILES).await.good().as_array().unwrap().iter().map(|item| item["testingGroupIds"].clone()).collect();
    assert_eq!(groups, [json!(null), json!([group]), json!(null)]);
    let second = world.get(VIEWER, &format!("{PROFILES}?Page=2&Size=1")).await.good();
    assert_eq!(second[0]["testingGroupIds"], json!([group]));
}

async fn pages_and_searches_take_a_part(db: Db) {
    let world = World::new(db);
    for name in ["Alpha", "beta", "ALPHABET", "100%", "1000", "Übung"] {
        world.profile(name).await;
        world.clock.advance(Duration::from_millis(1));
    }
    for (query, expected, total) in [
        ("Page=2&Size=2", vec!["ALPHABET", "100%"], "6"),
        ("page=9&SIZE=2", vec![], "6"),
        ("Size=1", vec!["Alpha"], "6"),
        ("search=alpha", vec!["Alpha", "ALPHABET"], "2"),
        ("search=alpha&Page=2&Size=1", vec!["ALPHABET"], "2"),
        ("search=0%25", vec!["100%"], "1"),
        ("search=%C3%9CBU", vec!["Übung"], "1"),
        ("search=_", vec![], "0"),
        ("unknown=1&Page=&search=", vec!["Alpha", "beta", "ALPHABET", "100%", "1000", "Übung"], "6"),
    ] {
        let answer = world.get(VIEWER, &format!("{PROFILES}?{query}")).await;
        assert_eq!((names(&answer.good()), answer.header("x-total-count")), (expected, total), "{query}");
    }
    for query in ["Page=0", "Size=201", "Size=x", "Page=1&PAGE=2", "search=%00", "search=%FF%FE"] {
        let answer = world.get(VIEWER, &format!("{PROFILES}?{query}")).await;
        if query == "search=%FF%FE" {
            // Not UTF-8: read with replacement characters, which no name has.
            assert_eq!(answer.good(), json!([]));
        } else {
            answer.fails(400, "invalid_request");
        }
    }
}

async fn one_profile_has_its_app_versions(db: Db) {
    let world = World::new(db);
    let id = world.profile("zebra").await;
    let one = world.get(VIEWER, &path(&id)).await.good();
    let mut listed = world.get(VIEWER, PROFILES).await.good()[0].clone();
    listed["appVersions"] = json!([]);
    assert_eq!(one, listed);
    assert_eq!(world.get(VIEWER, &path(&id.to_uppercase())).await.good(), one);
}

async fn making_a_profile_answers_it(db: Db) {
    let world = World::new(db);
    let made = world.call(MANAGER, "POST", PROFILES, r#"{"name": "  Night build \u00fc ", "organizationId": "x", "pinned": true}"#).await.good();
    assert_eq!((made["name"].as_str(), made["pinned"].as_bool()), (Some("Night build ü"), Some(false)));
    assert_eq!(world.get(VIEWER, &path(made["id"].as_str().unwrap())).await.good(), made);
    assert_eq!(world.call_in(OTHER, VIEWER, "GET", PROFILES, Body::empty()).await.good(), json!([]));
}

async fn names_are_unique_within_an_organization(db: Db) {
    let world = World::new(db);
    let id = world.profile("one").await;
    world.profile("two").await;
    world.call(MANAGER, "POST", PROFILES, r#"{"name": "one"}"#).await.fails(409, "profile_name_taken");
    world.call(MANAGER, "POST", PROFILES, r#"{"name": " one "}"#).await.fails(409, "profile_name_taken");
    world.patch(MANAGER, &id, json!({ "name": "two" })).await.fails(409, "profile_name_taken");
    world.call_in(OTHER, MANAGER, "POST", PROFILES, r#"{"name": "one"}"#).await.good();
    world.call(MANAGER, "POST", PROFILES, r#"{"name": "One"}"#).await.good();
    world.patch(MANAGER, &id, json!({ "name": "one" })).await.good();
    assert_eq!(names(&world.get(VIEWER, PROFILES).await.good()).len(), 3);
}

async fn another_organization_sees_nothing(db: Db) {
    let world = World::new(db);
    let id = world.profile("theirs").await;
    let before = world.get(VIEWER, &path(&id)).await.good();
    let stranger = world.call_in(OTHER, "owner", "GET", PROFILES, Body::empty()).await;
    assert_eq!((stranger.header("x-total-count"), stranger.good()), ("0", json!([])));
    let searched = world.call_in(OTHER, "owner", "GET", &format!("{PROFILES}?search=theirs"), Body::empty()).await;
    assert_eq!(searched.header("x-total-count"), "0");
    let unknown = "00000000-0000-4000-8000-000000000000";
    let expected = world.call_in(OTHER, "owner", "GET", &path(unknown), Body::empty()).await;
    expected.fails(404, "profile_not_found");
    for id in [id.as_str(), unknown, "no-guid", "%FF", "0000", &id.replace('-', "")] {
        for (method, body) in
            [("GET", ""), ("PATCH", "{}"), ("PATCH", r#"{"name": "mine", "pinned": true, "settings": {"authenticationType": 5, "password": "x"}}"#)]
        {
            let answer = world.call_in(OTHER, "owner", method, &path(id), body).await;
            assert_eq!(answer, expected, "{method} {id}");
        }
    }
    assert_eq!(world.get(VIEWER, &path(&id)).await.good(), before);
}

async fn a_viewer_may_not_make_profiles(db: Db) {
    let world = World::new(db);
    let answer = world.call(VIEWER, "POST", PROFILES, r#"{"name": "one"}"#).await;
    answer.fails(403, "insufficient_permission");
    let body = answer.json();
    assert_eq!(body["requiredPermission"], "distribution.profile.manage");
    assert_eq!(body["rolesWithPermission"], json!([MANAGER, ORGANIZER, "owner"]));
    assert!(answer.header("www-authenticate").contains(r#"scope="distribution.profile.manage""#));
    // Whether the body is any good is not told to who may not send one.
    world.call(VIEWER, "POST", PROFILES, "{").await.fails(403, "insufficient_permission");
    world.get("nothing", PROFILES).await.fails(403, "insufficient_permission");
    let id = world.profile("one").await;
    for method in ["GET", "PATCH"] {
        let answer = world.call("nothing", method, &path(&id), "{}").await;
        assert_eq!(answer.json()["requiredPermission"], "distribution.profile.view");
    }
    assert_eq!(names(&world.get(VIEWER, PROFILES).await.good()), ["one"]);
}

async fn each_change_needs_its_permission(db: Db) {
    let world = World::new(db);
    let manage = "distribution.profile.manage";
    let settings = "distribution.profile.settings";
    let select = "distribution.auth.select";
    let group = world.group("Friends").await;
    let cases = [
        (json!({ "name": "new" }), manage, ORGANIZER.to_owned()),
        (json!({ "pinned": true }), manage, ORGANIZER.to_owned()),
        (json!({ "testingGroupIds": [group] }), settings, format!("{SETTER} {ONLOOKER}")),
        (json!({ "settings": { "username": "qa" } }), settings, SETTER.to_owned()),
        (json!({ "settings": { "password": "secret" } }), settings, SETTER.to_owned()),
        (json!({ "settings": { "password": "" } }), settings, SETTER.to_owned()),
        (json!({ "settings": { "autoSendEnabled": true } }), settings, SETTER.to_owned()),
        (json!({ "settings": { "authenticationType": 3 } }), select, CHOOSER.to_owned()),
    ];
    for (at, (body, permission, holder)) in cases.into_iter().enumerate() {
        let id = world.profile(&format!("profile {at}")).await;
        let before = world.get(VIEWER, &path(&id)).await.good();
        for role in [VIEWER, EXTERNAL, ORGANIZER, SETTER, CHOOSER].into_iter().filter(|role| !holder.starts_with(*role)) {
            let answer = world.patch(role, &id, body.clone()).await;
            answer.fails(403, "insufficient_permission");
            assert_eq!(answer.json()["requiredPermission"], permission, "{role}: {body}");
        }
        assert_eq!(world.get(VIEWER, &path(&id)).await.good(), before, "a refused change changes nothing");
        world.patch(&holder, &id, body).await.good();
    }
    // A manager has all but the choice of the type, and a change that needs both is refused as a whole.
    let id = world.profile("whole").await;
    let both = json!({ "pinned": true, "settings": { "authenticationType": 2 } });
    assert_eq!(world.patch(MANAGER, &id, both.clone()).await.json()["requiredPermission"], select);
    assert_eq!(world.get(VIEWER, &path(&id)).await.good()["pinned"], false);
    assert_eq!(world.patch("owner", &id, both).await.good()["pinned"], true);
}

async fn what_stays_as_it_is_needs_no_permission(db: Db) {
    let world = World::new(db);
    let id = world.profile("same").await;
    let group = world.group("Friends").await;
    let full = json!({ "name": "same", "pinned": true, "testingGroupIds": [group],
        "settings": { "authenticationType": 3, "username": "qa", "autoSendEnabled": true } });
    let changed = world.patch("owner", &id, full.clone()).await.good();
    world.clock.advance(Duration::from_secs(5));
    for body in [full, json!({}), json!({ "name": null, "settings": null }), changed.clone(), json!({ "testingGroupIds": [group, group] })] {
        assert_eq!(world.patch(VIEWER, &id, body.clone()).await.good(), changed, "{body}");
    }
}

async fn a_change_touches_nothing_else(db: Db) {
    let world = World::new(db);
    let id = world.profile("first").await;
    let other = world.profile("second").await;
    let (group, group_2) = (world.group("Friends").await, world.group("Strangers").await);
    let untouched = world.get(VIEWER, &path(&other)).await.good();
    let mut expected = world.get(VIEWER, &path(&id)).await.good();
    for (body, pointer, value) in [
        (json!({ "name": " renamed " }), "/name", json!("renamed")),
        (json!({ "pinned": true }), "/pinned", json!(true)),
        (json!({ "testingGroupIds": [group_2, group, group_2] }), "/testingGroupIds", json!([group_2, group])),
        (json!({ "settings": { "authenticationType": 4 } }), "/settings/authenticationType", json!(4)),
        (json!({ "settings": { "autoSendEnabled": true } }), "/settings/autoSendEnabled", json!(true)),
        (json!({ "testingGroupIds": [group] }), "/testingGroupIds", json!([group])),
        (json!({ "testingGroupIds": null }), "/testingGroupIds", json!(null)),
        (json!({ "testingGroupIds": [group] }), "/testingGroupIds", json!([group])),
        (json!({ "testingGroupIds": [] }), "/testingGroupIds", json!(null)),
    ] {
        world.clock.advance(Duration::from_secs(1));
        *expected.pointer_mut(pointer).unwrap() = value;
        expected["updateDate"] = json!(world.clock.now().to_string());
        assert_eq!(world.patch("owner", &id, body.clone()).await.good(), expected, "{body}");
        assert_eq!(world.get(VIEWER, &path(&id)).await.good(), expected, "{body}");
    }
    assert_eq!(world.get(VIEWER, &path(&other)).await.good(), untouched);
    assert_eq!(world.get(VIEWER, &format!("{PROFILES}?search=RENAMED")).await.header("x-total-count"), "1");
}

async fn stored_hash(db: &Db) -> Option<String> {
    db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT password_hash FROM profiles", &[]).await?.get("password_hash") }))
        .await
        .map_err(|error: StoreError| error.to_string())
        .unwrap()
}

async fn passwords_are_kept_as_hashes(db: Db) {
    let world = World::new(db.clone());
    let id = world.profile("static").await;
    let password = "a Very secret w\u{f6}rd";
    let body = json!({ "settings": { "authenticationType": 3, "username": "qa", "password": password } });
    let answer = world.patch("owner", &id, body.clone()).await;
    assert_eq!(answer.good()["settings"], json!({ "authenticationType": 3, "username": "qa", "autoSendEnabled": false }));
    let first = stored_hash(&db).await.unwrap();
    assert!(first.starts_with("$argon2id$v=19$"));
    let parsed = PasswordHash::new(&first).unwrap();
    assert!(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
    assert!(Argon2::default().verify_password(b"another", &parsed).is_err());
    for answer in [answer, world.get("owner", PROFILES).await, world.get("owner", &path(&id)).await] {
        let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
        assert!(!text.contains("secret") && !text.contains("argon2") && !text.contains("password"), "{text}");
    }
    world.patch("owner", &id, json!({ "pinned": true })).await.good();
    assert_eq!(stored_hash(&db).await.as_ref(), Some(&first), "another change leaves it");
    world.patch("owner", &id, body).await.good();
    assert_ne!(stored_hash(&db).await, Some(first), "each hash has a salt of its own");
    world.patch("owner", &id, json!({ "settings": { "username": "", "password": "" } })).await.good();
    assert_eq!(stored_hash(&db).await, None);
    assert_eq!(world.get("owner", &path(&id)).await.good()["settings"], json!({ "authenticationType": 3, "autoSendEnabled": false }));
}

async fn the_static_user_is_not_everybodys_to_see(db: Db) {
    let world = World::new(db);
    let id = world.profile("static").await;
    world.patch("owner", &id, json!({ "settings": { "authenticationType": 3, "username": "qa" } })).await.good();
    for (role, username) in [(VIEWER, json!("qa")), (EXTERNAL, json!(null)), (ORGANIZER, json!(null))] {
        let one = world.get(role, &path(&id)).await.good();
        let listed = world.get(role, PROFILES).await.good()[0].clone();
        let patched = world.patch(role, &id, json!({})).await.good();
        for settings in [&one["settings"], &listed["settings"], &patched["settings"]] {
            assert_eq!((&settings["username"], &settings["authenticationType"]), (&username, &json!(3)), "{role}");
        }
    }
    // Guessing tells nothing either.
    for guess in ["qa", "qb", ""] {
        world.patch(EXTERNAL, &id, json!({ "settings": { "username": guess } })).await.fails(403, "insufficient_permission");
    }
    world.patch(VIEWER, &id, json!({ "settings": { "username": "qa" } })).await.good();
}

async fn wrong_members_are_refused(db: Db) {
    let world = World::new(db);
    let id = world.profile("steady").await;
    let before = world.get(VIEWER, &path(&id)).await.good();
    let long = "x".repeat(129);
    let names = [json!(""), json!("   "), json!(long), json!("a\u{0}b"), json!("a\nb"), json!("a\u{7f}"), json!(1), json!(["a"]), json!({})];
    for name in names {
        world.call(MANAGER, "POST", PROFILES, json!({ "name": name }).to_string()).await.fails(400, "invalid_request");
        world.patch("owner", &id, json!({ "name": name })).await.fails(400, "invalid_request");
    }
    for body in [json!({}), json!({ "name": null }), json!({ "Name": "x" })] {
        world.call(MANAGER, "POST", PROFILES, body.to_string()).await.fails(400, "invalid_request");
    }
    let many: Vec<String> = (0..101).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
    for body in [
        json!({ "pinned": "true" }),
        json!({ "testingGroupIds": ["x"] }),
        json!({ "testingGroupIds": [1] }),
        json!({ "testingGroupIds": NOBODYS }),
        json!({ "testingGroupIds": [NOBODYS] }),
        json!({ "testingGroupIds": [NOBODYS.replace('-', "")] }),
        json!({ "testingGroupIds": many }),
        json!({ "settings": [] }),
        json!({ "settings": [3, "qa", "password", true] }),
        json!({ "settings": { "authenticationType": 0 } }),
        json!({ "settings": { "authenticationType": 6 } }),
        json!({ "settings": { "authenticationType": -1 } }),
        json!({ "settings": { "authenticationType": 2.5 } }),
        json!({ "settings": { "authenticationType": "3" } }),
        json!({ "settings": { "authenticationType": 18_446_744_073_709_551_615_u64 } }),
        json!({ "settings": { "username": long } }),
        json!({ "settings": { "username": "a\u{0}" } }),
        json!({ "settings": { "password": "x".repeat(1025) } }),
        json!({ "settings": { "password": 1 } }),
        json!({ "settings": { "autoSendEnabled": 1 } }),
    ] {
        world.patch("owner", &id, body.clone()).await.fails(400, "invalid_request");
    }
    assert_eq!(world.get(VIEWER, PROFILES).await.header("x-total-count"), "1");
    assert_eq!(world.get(VIEWER, &path(&id)).await.good(), before);
    for name in ["x".repeat(128), "ü".repeat(128)] {
        world.patch("owner", &id, json!({ "name": name })).await.good();
    }
}

async fn bodies_are_json_by_content(db: Db) {
    let world = World::new(db);
    for (at, kind) in ["json", "text/plain", "application/json-patch+json; charset=latin1", ""].into_iter().enumerate() {
        let request = Request::post(PROFILES)
            .header("authorization", world.token(ACME, MANAGER))
            .header("content-type", kind)
            .header("accept", "application/json-patch+json")
            .body(Body::from(format!("\r\n {{\"name\": \"kind {at}\"}} ")));
        world.send(request.unwrap()).await.good();
    }
    let request = Request::get(PROFILES).header("authorization", world.token(ACME, VIEWER)).header("content-type", "application/json");
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.good().as_array().unwrap().len(), 4);
    for body in [
        "",
        " ",
        "{",
        "null",
        "\"x\"",
        "[\"x\"]",
        "{\"name\": \"x\"",
        "{\"name\": \"x\"} {}",
        "{'name': 'x'}",
        "name=x",
        r#"{"name": "x", "name": "y"}"#,
        r#"{"name": "\ud800"}"#,
    ] {
        world.call(MANAGER, "POST", PROFILES, body).await.fails(400, "invalid_request");
    }
    world.call(MANAGER, "POST", PROFILES, vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']).await.fails(400, "invalid_request");
    // Read past without recursion, however deep; in a member that is read it has the wrong type at once.
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    world.call(MANAGER, "POST", PROFILES, format!(r#"{{"name": "deep", "more": {deep}}}"#)).await.good();
    world.call(MANAGER, "POST", PROFILES, format!(r#"{{"name": {deep}}}"#)).await.fails(400, "invalid_request");
    let padded = |bytes: usize| format!("{:<bytes$}", r#"{"name": "padded"}"#);
    world.call(MANAGER, "POST", PROFILES, padded(16 * 1024 + 1)).await.fails(413, "request_too_large");
    world.call(MANAGER, "POST", PROFILES, padded(16 * 1024)).await.good();
}

async fn version_one_is_version_two(db: Db) {
    let world = World::new(db);
    let made = world.call(MANAGER, "POST", "/distribution/v1/profiles", r#"{"name": "newp"}"#).await.good();
    let id = made["id"].as_str().unwrap();
    let one = format!("/distribution/v1/profiles/{id}");
    assert_eq!(world.get(VIEWER, "/distribution/v1/profiles").await, world.get(VIEWER, PROFILES).await);
    assert_eq!(world.get(VIEWER, &one).await, world.get(VIEWER, &path(id)).await);
    let group = world.group("Friends").await;
    let patched = world.call("owner", "PATCH", &one, json!({ "testingGroupIds": [group] }).to_string()).await.good();
    assert_eq!((patched["id"].as_str(), &patched["testingGroupIds"]), (Some(id), &json!([group])));
}

async fn a_closed_database_is_a_503(db: Db) {
    let world = World::new(db);
    let id = world.profile("one").await;
    world.distribution.ping().await.unwrap();
    world.distribution.close().await;
    assert!(world.distribution.ping().await.is_err());
    for (method, path, body) in [("GET", PROFILES, ""), ("POST", PROFILES, r#"{"name": "x"}"#), ("GET", &path(&id), ""), ("PATCH", &path(&id), "{}")] {
        let answer = world.call("owner", method, path, body).await;
        answer.fails(503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(world.distribution.insert_profile(organization(ACME), "x", START).await.is_err());
}

async fn sharing_needs_to_see_the_groups(db: Db) {
    let world = World::new(db);
    let id = world.profile("shared").await;
    let (one, two) = (world.group("one").await, world.group("two").await);
    let view = "distribution-group.group.view";
    let sees = format!("{SETTER} {ONLOOKER}");
    let first = json!({ "testingGroupIds": [one] });
    let refused = world.patch(SETTER, &id, first.clone()).await;
    refused.fails(403, "insufficient_permission");
    assert_eq!(refused.json()["requiredPermission"], view);
    world.patch(&sees, &id, first).await.good();
    // What is there already may be sent along, and put in another order, by whoever does not see it.
    world.patch("owner", &id, json!({ "testingGroupIds": [one, two] })).await.good();
    world.patch(SETTER, &id, json!({ "testingGroupIds": [two, one], "settings": { "autoSendEnabled": true } })).await.good();
    for body in [json!({ "testingGroupIds": [two] }), json!({ "testingGroupIds": [] }), json!({ "testingGroupIds": null })] {
        assert_eq!(world.patch(SETTER, &id, body).await.json()["requiredPermission"], view);
    }
    // Another organization's group is one that nobody has.
    let theirs = world.call_in(OTHER, "owner", "POST", "/distribution/v2/testing-groups", r#"{"name": "theirs"}"#).await.good()["id"].clone();
    let foreign = world.patch(&sees, &id, json!({ "testingGroupIds": [two, theirs] })).await;
    foreign.fails(400, "invalid_request");
    assert_eq!(foreign, world.patch(&sees, &id, json!({ "testingGroupIds": [two, NOBODYS] })).await);
    assert_eq!(world.get(VIEWER, &path(&id)).await.good()["testingGroupIds"], json!([two, one]));
    // A group that goes is shared with no longer.
    world.call("owner", "DELETE", &format!("/distribution/v2/testing-groups/{two}"), "").await.good();
    assert_eq!(world.get(VIEWER, &path(&id)).await.good()["testingGroupIds"], json!([one]));
}

async fn settings_are_read_and_changed_by_themselves(db: Db) {
    let world = World::new(db);
    let id = world.profile("set").await;
    let group = world.group("one").await;
    let settings = format!("{}/settings", path(&id));
    assert_eq!(world.get(VIEWER, &settings).await.good(), json!({ "authenticationType": 1, "autoSendEnabled": false, "testingGroupIds": null }));
    let sent = json!({ "testingGroupIds": [group], "autoSendEnabled": true, "username": "qa", "authenticationType": 3, "more": 1 });
    let expected = json!({ "authenticationType": 3, "username": "qa", "autoSendEnabled": true, "testingGroupIds": [group] });
    assert_eq!(world.call("owner", "PATCH", &settings, sent.to_string()).await.good(), expected);
    assert_eq!(world.get("owner", &settings.replace("/v2/", "/v1/")).await.good(), expected);
    assert_eq!(world.get(EXTERNAL, &settings).await.good()["username"], json!(null));
    for (role, body, permission) in [
        (VIEWER, r#"{"autoSendEnabled": false}"#, "distribution.profile.settings"),
        (SETTER, r#"{"authenticationType": 2}"#, "distribution.auth.select"),
        (SETTER, r#"{"testingGroupIds": []}"#, "distribution-group.group.view"),
        ("nothing", "{}", "distribution.profile.view"),
    ] {
        assert_eq!(world.call(role, "PATCH", &settings, body).await.json()["requiredPermission"], permission, "{body}");
    }
    world.call(SETTER, "PATCH", &settings, r#"{"autoSendEnabled": 1}"#).await.fails(400, "invalid_request");
    for method in ["GET", "PATCH"] {
        world.call_in(OTHER, "owner", method, &settings, r#"{"autoSendEnabled": false}"#).await.fails(404, "profile_not_found");
    }
    assert_eq!(world.get("owner", &settings).await.good(), expected);
}

async fn a_deleted_profile_is_gone(db: Db) {
    let world = World::new(db);
    let (id, other) = (world.profile("one").await, world.profile("two").await);
    for role in [VIEWER, EXTERNAL, SETTER] {
        assert_eq!(world.call(role, "DELETE", &path(&id), "").await.json()["requiredPermission"], "distribution.profile.manage");
    }
    world.call_in(OTHER, "owner", "DELETE", &path(&id), "").await.fails(404, "profile_not_found");
    assert_eq!(world.call(MANAGER, "DELETE", &path(&id), "").await.good(), json!({ "id": id }));
    world.call(MANAGER, "DELETE", &path(&id), "").await.fails(404, "profile_not_found");
    world.get(VIEWER, &path(&id)).await.fails(404, "profile_not_found");
    assert_eq!(world.get(VIEWER, PROFILES).await.good()[0]["id"], json!(other));
    world.call(MANAGER, "POST", PROFILES, r#"{"name": "one"}"#).await.good();
}

async fn every_statement_is_one_for_this_engine(db: Db) {
    for sql in keywright_distribution::all_statements() {
        let prepared = db.read(move |tx| Box::pin(async move { tx.prepare(sql).await })).await;
        assert!(prepared.is_ok(), "{sql}: {prepared:?}");
    }
}
