//! Personal Access Keys, as their holders and the Owners manage them.

use super::{essence, revision};
use crate::support::{GUID_SENTENCE, fails};
use keywright_core::authorize::FRESH;
use keywright_protocol::{KeyKind, Time, secret};
use keywright_testkit::{Actor, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/identity/v1/organizations/current/personal-access-keys";
const MOMENT: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const UNKNOWN: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

#[tokio::test]
async fn a_key_from_its_making_to_its_end() {
    let server = TestServer::start().await;
    // Later than the demo's, so that it comes after it.
    server.clock.advance(MOMENT);
    let session = server.session("viewer").await;
    let expires_at = server.clock.now().plus(DAY * 20);
    let made = server.by(&session, Method::POST, KEYS, Some(&json!({ "name": " laptop ", "expiresAt": expires_at }))).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control").as_str()), (201, "no-store"), "{}", made.text);
    assert!(made.header("keywright-revision").starts_with("1."), "{:?}", made.headers);
    let key = made.member("key");
    assert_eq!(secret::inspect(&key).unwrap().kind, KeyKind::PersonalAccessKey);
    let mut shown = made.json();
    shown.as_object_mut().unwrap().remove("key");
    let id = made.member("id");
    assert_eq!(
        shown,
        json!({ "id": id, "name": "laptop", "userId": server.demo.users["viewer"].id, "email": "viewer@acme.example", "state": "Active",
            "expiryState": "warning", "createdAt": server.clock.now(), "expiresAt": expires_at, "revokedAt": null,
            "lastUsedAt": null, "lastUsedAddress": null })
    );
    let exchange = async || server.form("/auth/v3/token", &format!("personalAccessKey={key}")).await;
    assert_eq!(exchange().await.status, 200);
    server.core.flush_access_log(server.clock.now()).await.unwrap();
    (shown["lastUsedAt"], shown["lastUsedAddress"]) = (json!(server.clock.now()), json!("127.0.0.1"));

    let list = server.by(&session, Method::GET, KEYS, None).await;
    assert_eq!(list.json(), json!({ "data": [list.json()["data"][0], shown], "page": 1, "perPage": 200, "total": 2 }));
    assert!(!list.text.contains("kw_pak_"), "nobody sees a secret again: {}", list.text);
    let second = server.by(&session, Method::GET, &format!("{KEYS}?page=2&perPage=1"), None).await.json();
    assert_eq!(second, json!({ "data": [shown], "page": 2, "perPage": 1, "total": 2 }));

    let one = format!("{KEYS}/{id}");
    let renamed = server.by(&session, Method::PATCH, &one, Some(&json!({ "name": "old laptop" }))).await;
    revision(&renamed);
    assert_eq!((renamed.member("id"), renamed.member("name"), renamed.member("state")), (id, "old laptop".to_owned(), "Active".to_owned()));
    let revoked = server.by(&session, Method::DELETE, &one, None).await;
    assert_eq!((revoked.json(), revision(&revoked) > revision(&renamed)), (json!({ "message": "the key was revoked" }), true));
    fails(&exchange().await, 401, "key_revoked");
    revision(&server.by(&session, Method::DELETE, &one, None).await);
    let gone = server.by(&session, Method::GET, KEYS, None).await.json()["data"][1].clone();
    assert_eq!((&gone["state"], &gone["revokedAt"]), (&json!("Revoked"), &json!(server.clock.now())));
    fails(&server.by(&session, Method::PATCH, &one, Some(&json!({ "name": "again" }))).await, 409, "conflict");
    server.end().await;
}

#[tokio::test]
async fn what_is_left_of_a_keys_life_is_said_at_thirty_and_seven_days() {
    let server = TestServer::start().await;
    let (acme, viewer) = (server.demo.acme.id, server.demo.users["viewer"].id);
    // Each at a moment of its own, so that they come in this order.
    let then = server.clock.now().plus(MOMENT * 5);
    for (left, expected) in [(DAY * 30 + MOMENT, "ok"), (DAY * 30, "warning"), (DAY * 7 + MOMENT, "warning"), (DAY * 7, "critical"), (MOMENT, "critical")] {
        server.clock.advance(MOMENT);
        let at = then.plus(left);
        server.core.create_personal_access_key(&server.host(), acme, viewer, expected, Some(at)).await.unwrap();
    }
    let keys = server.get(Actor::Viewer, KEYS).await.json();
    let said: Vec<&str> = keys["data"].as_array().unwrap().iter().map(|key| key["expiryState"].as_str().unwrap()).collect();
    assert_eq!(said, ["ok", "ok", "warning", "warning", "critical", "critical"], "the demo's first");
    server.clock.advance(MOMENT);
    let keys = server.get(Actor::Viewer, KEYS).await.json();
    assert_eq!((&keys["data"][5]["state"], &keys["data"][5]["expiryState"]), (&json!("Expired"), &json!("critical")));
    assert_eq!(keys["data"][1]["expiryState"], "warning", "a moment later");
    server.end().await;
}

#[tokio::test]
async fn owners_see_and_revoke_everybodys_keys_and_the_others_their_own() {
    let server = TestServer::start().await;
    let emails = async |actor, place: &str| {
        let list = server.get(actor, &format!("/identity/v1/organizations/{place}/personal-access-keys")).await.json();
        let data = list["data"].as_array().unwrap().clone();
        assert_eq!(list["total"], json!(data.len()));
        data.iter().map(|key| key["email"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    let mobile = server.demo.mobile.id.to_string();
    let set = |emails: &[&str]| emails.iter().map(|email| (*email).to_owned()).collect();
    assert_eq!(emails(Actor::Owner, "current").await, set(&["manager@acme.example", "owner@acme.example", "viewer@acme.example"]));
    assert_eq!(emails(Actor::Manager, "current").await, set(&["manager@acme.example"]), "a manager is no Owner");
    assert_eq!(emails(Actor::Owner, &mobile).await, set(&["submember@acme.example"]));
    assert_eq!(emails(Actor::Viewer, &mobile).await, set(&[]));
    assert_eq!(emails(Actor::ApiKey, "current").await, set(&[]), "an API Key is nobody");

    let list = server.get(Actor::Owner, KEYS).await.json();
    let of = |email: &str| list["data"].as_array().unwrap().iter().find(|key| key["email"] == email).unwrap()["id"].as_str().unwrap().to_owned();
    // The manager belongs to another root too, where his session may as well be.
    let keys = format!("/identity/v1/organizations/{}/personal-access-keys", server.demo.acme.id);
    let manager = server.session("manager").await;
    let owners = format!("{keys}/{}", of("owner@acme.example"));
    fails(&server.by(&manager, Method::DELETE, &owners, None).await, 404, "not_found");
    fails(&server.by(&manager, Method::PATCH, &owners, Some(&json!({ "name": "mine" }))).await, 404, "not_found");
    let owner = server.session("owner").await;
    let managers = format!("{keys}/{}", of("manager@acme.example"));
    fails(&server.by(&owner, Method::PATCH, &managers, Some(&json!({ "name": "his" }))).await, 403, "insufficient_permission");
    revision(&server.by(&owner, Method::DELETE, &managers, None).await);
    let dead = server.form("/auth/v3/token", &format!("personalAccessKey={}", server.key("manager"))).await;
    fails(&dead, 401, "key_revoked");
    server.end().await;
}

/// Reddens when a key makes a key, or a person does with a password of long ago; or is not told what to do.
#[tokio::test]
async fn whoever_makes_one_is_a_person_who_has_just_signed_in() {
    let server = TestServer::start().await;
    let body = json!({ "name": "bred" });
    for actor in [Actor::Owner, Actor::Manager, Actor::ApiKey] {
        let sentence = fails(&server.call(actor, Method::POST, KEYS, Some(&body)).await, 403, "insufficient_permission");
        assert!(sentence.contains("a person with a fresh session") && sentence.contains("/auth/v1/sessions"), "{sentence}");
    }
    let session = server.session("viewer").await;
    let token = server.by(&session, Method::POST, "/auth/v1/sessions/current/token", None).await.member("access_token");
    let sentence = fails(&server.by(&token, Method::POST, KEYS, Some(&body)).await, 403, "insufficient_permission");
    assert!(sentence.contains("sessionToken"), "{sentence}");
    server.clock.advance(FRESH);
    let sentence = fails(&server.by(&session, Method::POST, KEYS, Some(&body)).await, 403, "session_not_fresh");
    assert!(sentence.contains("/auth/v1/sessions/current/confirm"), "{sentence}");
    let password = json!({ "password": server.demo.users["viewer"].password.as_str() });
    let confirmed = server.by(&session, Method::POST, "/auth/v1/sessions/current/confirm", Some(&password)).await.member("sessionToken");
    assert_eq!(server.by(&confirmed, Method::POST, KEYS, Some(&body)).await.status, 201, "as the sentence says");

    let below = format!("/identity/v1/organizations/{}/personal-access-keys", server.demo.mobile.id);
    let sentence = fails(&server.by(&confirmed, Method::POST, &below, Some(&body)).await, 403, "insufficient_permission");
    assert!(sentence.contains(&format!("subOrganization={}", server.demo.mobile.id)), "{sentence}");
    server.end().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let server = TestServer::start().await;
    let session = server.session("viewer").await;
    let now = server.clock.now();
    let post = async |body: &Value| server.by(&session, Method::POST, KEYS, Some(body)).await;
    for (body, named) in [
        (json!({}), "missing field `name`"),
        (json!({ "name": "" }), "name: must have 1 to 128 characters, this has 0"),
        (json!({ "name": "  " }), "name: must have 1 to 128 characters, this has 0"),
        (json!({ "name": "x".repeat(129) }), "name: must have 1 to 128 characters, this has 129"),
        (json!({ "name": "a\u{7}b" }), "name: must not contain control characters"),
        (json!({ "name": "a\nb" }), "name: must not contain control characters"),
        (json!({ "name": 7 }), "expected a string"),
        (json!({ "name": "x", "userId": server.demo.users["owner"].id }), "unknown field `userId`"),
        (json!({ "name": "x", "grants": [] }), "unknown field `grants`"),
        (json!({ "name": "x", "expiresAt": "tomorrow" }), "RFC 3339"),
        (json!({ "name": "x", "expiresAt": 1_900_000_000 }), "expected a"),
        (json!({ "name": "x", "expiresAt": now }), "expiresAt: must be in the future"),
        (json!({ "name": "x", "expiresAt": Time::from_seconds(1) }), "expiresAt: must be in the future"),
        (json!({ "name": "x", "expiresAt": now.plus(DAY * 365 + MOMENT) }), "expiresAt: must not be later than 2028-"),
        (json!(["x"]), "must be a JSON object"),
    ] {
        let sentence = fails(&post(&body).await, 400, "invalid_request");
        assert!(sentence.contains(named), "{body}: {sentence}");
    }
    assert_eq!(post(&json!({ "name": "x".repeat(128), "expiresAt": now.plus(DAY * 365) })).await.status, 201);
    assert_eq!(post(&json!({ "name": "x", "expiresAt": null })).await.status, 201, "the default life");
    let id = post(&json!({ "name": "y" })).await.member("id");
    for (body, named) in [
        (json!({}), "missing field `name`"),
        (json!({ "name": null }), "expected a string"),
        (json!({ "name": "x".repeat(129) }), "name: "),
        (json!({ "name": "z", "expiresAt": now.plus(DAY) }), "unknown field `expiresAt`"),
    ] {
        let sentence = fails(&server.by(&session, Method::PATCH, &format!("{KEYS}/{id}"), Some(&body)).await, 400, "invalid_request");
        assert!(sentence.contains(named), "{body}: {sentence}");
    }
    for query in ["perPage=201", "perPage=0", "page=0", "page=x"] {
        fails(&server.by(&session, Method::GET, &format!("{KEYS}?{query}"), None).await, 400, "invalid_request");
    }
    // 25 are the most; the three and the demo's are among them.
    for number in 4..25 {
        assert_eq!(post(&json!({ "name": format!("{number}") })).await.status, 201);
    }
    assert!(fails(&post(&json!({ "name": "one more" })).await, 409, "conflict").contains("25 Personal Access Keys"));
    server.end().await;
}

/// Reddens when a key is found without its organization, or another answer comes for one that is another's.
#[tokio::test]
async fn another_organizations_key_and_an_unknown_one_are_the_same_to_the_byte() {
    let server = TestServer::start().await;
    let owner = server.session("owner").await;
    let id_of = async |actor| server.get(actor, KEYS).await.json()["data"][0]["id"].as_str().unwrap().to_owned();
    let (foreign, sibling) = (id_of(Actor::OtherOwner).await, id_of(Actor::Submember).await);
    let api_key = server.demo.api_keys["acme-ci"].id.to_string();
    let body = json!({ "name": "mine" });
    for (method, body) in [(Method::PATCH, Some(&body)), (Method::DELETE, None)] {
        let ask = async |place: &str, id: &str| {
            let path = format!("/identity/v1/organizations/{place}/personal-access-keys/{id}");
            server.by(&owner, method.clone(), &path, body).await
        };
        let unknown = ask("current", UNKNOWN).await;
        assert!(fails(&unknown, 404, "not_found").contains("key"));
        for id in [&foreign, &sibling, &api_key, "nonsense"] {
            assert_eq!(essence(&ask("current", id).await), essence(&unknown), "{method} {id}");
        }
        let nowhere = ask(UNKNOWN, &foreign).await;
        assert_eq!(essence(&ask(&server.demo.globex.id.to_string(), &foreign).await), essence(&nowhere), "{method}");
        assert!(!nowhere.text.contains(GUID_SENTENCE));
    }
    assert_eq!(server.form("/auth/v3/token", &format!("personalAccessKey={}", server.key("globexowner"))).await.status, 200);
    server.end().await;
}
