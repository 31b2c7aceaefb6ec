//! Testing groups and testers through the router, on both engines.

use crate::common::{ACME, GROUPER, MANAGER, ONLOOKER, OTHER, START, VIEWER, World};
use axum::body::Body;
use keywright_db::{Db, Writes};
use keywright_distribution::MIGRATIONS;
use serde_json::{Value, json};
use std::time::Duration;

keywright_db::on_both_engines!(Writes::Plain, MIGRATIONS;
    groups_are_made_listed_renamed_and_deleted,
    testers_come_and_go,
    addresses_are_checked,
    each_act_needs_its_permission,
    another_organization_sees_nothing,
);

const GROUPS: &str = "/distribution/v2/testing-groups";

async fn groups_are_made_listed_renamed_and_deleted(db: Db) {
    let world = World::new(db);
    assert_eq!(world.get(ONLOOKER, GROUPS).await.good(), json!([]));
    let made = world.call(GROUPER, "POST", GROUPS, r#"{"name": " Friends ", "more": 1}"#).await.good();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made, json!({ "id": id, "name": "Friends", "createDate": START.to_string(), "updateDate": START.to_string(), "testers": [] }));
    world.clock.advance(Duration::from_secs(1));
    world.call(GROUPER, "POST", GROUPS, r#"{"name": "Friends"}"#).await.fails(409, "testing_group_name_taken");
    world.call(GROUPER, "POST", GROUPS, r#"{"name": "a\u0000b"}"#).await.fails(400, "invalid_request");
    let other = world.call(GROUPER, "POST", &GROUPS.replace("v2", "v1"), r#"{"name": "Strangers"}"#).await.good()["id"].clone();
    let answer = world.get(ONLOOKER, GROUPS).await;
    let names = |list: Value| list.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((answer.header("x-total-count"), names(answer.good())), ("2", vec!["Friends".to_owned(), "Strangers".to_owned()]));
    assert_eq!(names(world.get(ONLOOKER, &format!("{GROUPS}?page=2&SIZE=1")).await.good()), ["Strangers"]);
    let one = format!("{GROUPS}/{id}");
    world.call(GROUPER, "PATCH", &one, r#"{"name": "Strangers"}"#).await.fails(409, "testing_group_name_taken");
    let renamed = world.call(GROUPER, "PATCH", &one, r#"{"name": "Family"}"#).await.good();
    assert_eq!((renamed["name"].as_str(), &renamed["updateDate"]), (Some("Family"), &json!(world.clock.now().to_string())));
    assert_eq!(world.get(GROUPER, &one).await.good(), renamed);
    assert_eq!(world.call(GROUPER, "DELETE", &one, "").await.good(), json!({ "id": id }));
    for method in ["GET", "DELETE"] {
        world.call(GROUPER, method, &one, "").await.fails(404, "testing_group_not_found");
    }
    assert_eq!(world.get(ONLOOKER, GROUPS).await.good()[0]["id"], other);
}

async fn testers_come_and_go(db: Db) {
    let world = World::new(db);
    let (one, other) = (world.group("one").await, world.group("other").await);
    let path = format!("{GROUPS}/{one}/testers");
    let added = world.call(GROUPER, "POST", &path, r#" ["z@b.c", "X+y@B.c", "z@b.c"]"#).await.good();
    assert_eq!(added["testers"], json!(["x+y@b.c", "z@b.c"]));
    world.call(GROUPER, "POST", &format!("{GROUPS}/{other}/testers"), r#"["z@b.c"]"#).await.good();
    assert_eq!(world.call(GROUPER, "DELETE", &path, r#"["Z@b.c", "nobody@b.c"]"#).await.good()["testers"], json!(["x+y@b.c"]));
    assert_eq!(world.get(GROUPER, &format!("{GROUPS}/{other}")).await.good()["testers"], json!(["z@b.c"]));
    assert!(world.get(ONLOOKER, &format!("{GROUPS}/{one}")).await.good().get("testers").is_none());
    // Nobody is removed by mistake.
    for body in ["", "[]", "{}", r#"{"email": "x+y@b.c"}"#, "null"] {
        world.call(GROUPER, "DELETE", &path, body).await.fails(400, "invalid_request");
    }
    assert_eq!(world.get(GROUPER, &format!("{GROUPS}/{one}")).await.good()["testers"], json!(["x+y@b.c"]));
    for round in 0..4 {
        let many: Vec<String> = (0..300).map(|at| format!("tester-{round}-{at}@b.c")).collect();
        let answer = world.call(GROUPER, "POST", &path, json!(many).to_string()).await;
        if round < 3 {
            answer.good();
        } else {
            answer.fails(400, "invalid_request");
        }
    }
    assert_eq!(world.get(GROUPER, &format!("{GROUPS}/{one}")).await.good()["testers"].as_array().unwrap().len(), 901);
}

async fn addresses_are_checked(db: Db) {
    let world = World::new(db);
    let path = format!("{GROUPS}/{}/testers", world.group("one").await);
    for bad in ["", "qa", "a@b@c", "a b@c.d", "<script>@b.c", "a\0@b.c", "a@b.c\r\nBcc: d@e.f", "ü@b.c", "'; DROP TABLE testers; --", "${7*7}@b.c\u{202e}"] {
        for method in ["POST", "DELETE"] {
            world.call(GROUPER, method, &path, json!(["good@b.c", bad]).to_string()).await.fails(400, "invalid_request");
        }
    }
    for body in [r#"[1]"#, r#"[["a@b.c"]]"#, r#"["a@b.c"] x"#, r#""a@b.c""#] {
        world.call(GROUPER, "POST", &path, body).await.fails(400, "invalid_request");
    }
    world.call(GROUPER, "POST", &path, format!("[\"{}\"]", "x".repeat(17_000))).await.fails(413, "request_too_large");
    assert_eq!(world.get(GROUPER, path.strip_suffix("/testers").unwrap()).await.good()["testers"], json!([]), "one bad address and none is added");
}

async fn each_act_needs_its_permission(db: Db) {
    let world = World::new(db);
    let one = format!("{GROUPS}/{}", world.group("one").await);
    let testers = format!("{one}/testers");
    for (method, path, permission) in [
        ("GET", GROUPS, "distribution-group.group.view"),
        ("GET", &one, "distribution-group.group.view"),
        ("POST", GROUPS, "distribution-group.group.manage"),
        ("PATCH", &one, "distribution-group.group.manage"),
        ("DELETE", &one, "distribution-group.group.manage"),
        ("POST", &testers, "distribution-group.tester.manage"),
        ("DELETE", &testers, "distribution-group.tester.manage"),
    ] {
        for role in [MANAGER, VIEWER, if method == "GET" { "nothing" } else { ONLOOKER }] {
            let answer = world.call(role, method, path, "{").await;
            answer.fails(403, "insufficient_permission");
            assert_eq!(answer.json()["requiredPermission"], permission, "{method} {path} {role}");
        }
        let anonymous = axum::http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        world.send(anonymous).await.fails(401, "unauthorized");
    }
}

async fn another_organization_sees_nothing(db: Db) {
    let world = World::new(db);
    let id = world.group("theirs").await;
    world.call(GROUPER, "POST", &format!("{GROUPS}/{id}/testers"), r#"["a@b.c"]"#).await.good();
    let before = world.get(GROUPER, &format!("{GROUPS}/{id}")).await.good();
    assert_eq!(world.call_in(OTHER, "owner", "GET", GROUPS, "").await.good(), json!([]));
    for (method, tail, body) in [
        ("GET", "", ""),
        ("PATCH", "", r#"{"name": "mine"}"#),
        ("DELETE", "", ""),
        ("POST", "/testers", r#"["x@y.z"]"#),
        ("DELETE", "/testers", r#"["a@b.c"]"#),
    ] {
        let unknown = world.call_in(OTHER, "owner", method, &format!("{GROUPS}/00000000-0000-4000-8000-000000000000{tail}"), body).await;
        unknown.fails(404, "testing_group_not_found");
        for id in [id.as_str(), "x", "%FF"] {
            assert_eq!(world.call_in(OTHER, "owner", method, &format!("{GROUPS}/{id}{tail}"), body).await, unknown, "{method} {id}");
        }
    }
    world.call_in(OTHER, "owner", "POST", GROUPS, r#"{"name": "theirs"}"#).await.good();
    assert_eq!(world.call_in(ACME, GROUPER, "GET", &format!("{GROUPS}/{id}"), "").await.good(), before);
}
