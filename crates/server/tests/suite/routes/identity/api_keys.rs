//! API Keys, as an organization manages them.

use super::{essence, revision};
use crate::support::{claims, fails, issued};
use keywright_core::authorize::FRESH;
use keywright_protocol::{KeyKind, OrganizationId, Time, secret};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/identity/v1/organizations/current/api-keys";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const UNKNOWN: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

fn view_build(organization: OrganizationId) -> Value {
    json!([{ "organizationId": organization, "roles": ["view-build"] }])
}

async fn exchange(server: &TestServer, name: &str, secret: &str) -> Answer {
    server.form("/auth/v1/api-key/token", &format!("name={name}&secret={secret}")).await
}

#[tokio::test]
async fn a_key_from_its_making_to_its_end() {
    let server = TestServer::start().await;
    // Later than the demo's, so that it comes after it.
    server.clock.advance(Duration::from_millis(1));
    let (acme, mobile, now) = (server.demo.acme.id, server.demo.mobile.id, server.clock.now());
    let session = server.session("owner").await;
    let send = async |method, path: &str, body: Option<&Value>| server.by(&session, method, &format!("{KEYS}{path}"), body).await;
    let new = json!({ "name": " nightly ", "grants": [{ "organizationId": mobile, "roles": ["view-codepush", "view-build", "view-build"] },
        { "organizationId": acme, "roles": ["owner"] }], "expiresAt": now.plus(DAY * 5), "notBefore": now, "allowedAddresses": ["::1", "127.0.0.0/8"],
        "description": " builds\nevery night ", "metadata": { "team": "mobile", "order": [1, null] }, "deleteProtection": true });
    let made = send(Method::POST, "", Some(&new)).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control").as_str()), (201, "no-store"), "{}", made.text);
    assert!(made.header("keywright-revision").starts_with("1."));
    let (id, secret) = (made.member("id"), made.member("secret"));
    assert_eq!(secret::inspect(&secret).unwrap().kind, KeyKind::ApiKey);
    let mut shown = made.json();
    shown.as_object_mut().unwrap().remove("secret");
    let mut grants = [json!({ "organizationId": acme, "roles": ["owner"] }), json!({ "organizationId": mobile, "roles": ["view-build", "view-codepush"] })];
    grants.sort_by_key(|grant| grant["organizationId"].as_str().unwrap().to_owned());
    let short: String = id.chars().take(8).collect();
    assert_eq!(
        shown,
        json!({ "id": id, "name": "nightly", "email": format!("nightly.{short}@keys.{}", "127.0.0.1"), "state": "Active", "expiryState": "critical",
            "grants": grants, "allowedAddresses": ["127.0.0.0/8", "::1/128"], "description": "builds\nevery night",
            "metadata": { "team": "mobile", "order": [1, null] }, "deleteProtection": true, "introspect": false, "createdAt": now,
            "createdBy": format!("user {}", server.demo.users["owner"].id), "notBefore": now, "expiresAt": now.plus(DAY * 5),
            "suspendedAt": null, "revokedAt": null, "lastUsedAt": null, "lastUsedAddress": null })
    );
    assert_eq!(claims(&issued(&exchange(&server, "nightly", &secret).await))["roles"], json!(["owner"]));
    server.core.flush_access_log(now).await.unwrap();
    (shown["lastUsedAt"], shown["lastUsedAddress"]) = (json!(now), json!("127.0.0.1"));

    assert_eq!(send(Method::GET, &format!("/{id}"), None).await.json(), shown);
    let list = send(Method::GET, "?page=2&perPage=1", None).await;
    assert_eq!(list.json(), json!({ "data": [shown], "page": 2, "perPage": 1, "total": 2 }));
    assert!(!list.text.contains("kw_api_"));

    let one = format!("/{id}");
    let protected = fails(&send(Method::DELETE, &one, None).await, 409, "conflict");
    assert!(protected.contains("deleteProtection"), "{protected}");
    let change = json!({ "name": "weekly", "grants": view_build(acme), "allowedAddresses": [], "description": "", "metadata": {}, "deleteProtection": false });
    let changed = send(Method::PATCH, &one, Some(&change)).await;
    revision(&changed);
    for (member, value) in change.as_object().unwrap() {
        assert_eq!(&changed.json()[member], value, "{member}");
    }
    assert_eq!(changed.json(), send(Method::GET, &one, None).await.json());
    assert_eq!(claims(&issued(&exchange(&server, "nightly", &secret).await))["roles"], json!(["view-build"]), "the earlier name goes on working");

    revision(&send(Method::POST, &format!("{one}/suspend"), None).await);
    fails(&exchange(&server, "weekly", &secret).await, 401, "key_suspended");
    let suspended = send(Method::GET, &one, None).await.json();
    assert_eq!((&suspended["state"], &suspended["suspendedAt"]), (&json!("Suspended"), &json!(now)));
    revision(&send(Method::POST, &format!("{one}/resume"), None).await);
    issued(&exchange(&server, "weekly", &secret).await);

    revision(&send(Method::DELETE, &one, None).await);
    revision(&send(Method::DELETE, &one, None).await);
    fails(&exchange(&server, "weekly", &secret).await, 401, "key_revoked");
    let gone = send(Method::GET, &one, None).await.json();
    assert_eq!((&gone["state"], &gone["revokedAt"]), (&json!("Revoked"), &json!(server.clock.now())));
    for (method, path, body) in [
        (Method::PATCH, one.clone(), Some(json!({ "name": "again" }))),
        (Method::POST, format!("{one}/suspend"), None),
        (Method::POST, format!("{one}/resume"), None),
        (Method::POST, format!("{one}/rotate"), None),
    ] {
        assert!(fails(&send(method, &path, body.as_ref()).await, 409, "conflict").contains("for ever"));
    }
    server.end().await;
}

#[tokio::test]
async fn a_rotated_key_has_both_secrets_for_the_overlap() {
    let server = TestServer::start().await;
    let now = server.clock.now();
    let session = server.session("owner").await;
    let made = server.by(&session, Method::POST, KEYS, Some(&json!({ "name": "nightly", "grants": view_build(server.demo.acme.id) }))).await;
    let (id, secret) = (made.member("id"), made.member("secret"));
    let one = format!("{KEYS}/{id}");
    let send = async |method, path: &str, body: Option<&Value>| server.by(&session, method, path, body).await;
    let rotated = send(Method::POST, &format!("{one}/rotate"), Some(&json!({ "overlapSeconds": 60, "expiresAt": now.plus(DAY * 100) }))).await;
    revision(&rotated);
    let second = rotated.member("secret");
    assert_eq!(
        rotated.json(),
        json!({ "id": id, "secret": second, "version": 2, "expiresAt": now.plus(DAY * 100), "oldSecretEndsAt": now.plus(Duration::from_secs(60)) })
    );
    issued(&exchange(&server, "nightly", &secret).await);
    server.clock.advance(Duration::from_secs(60));
    fails(&exchange(&server, "nightly", &secret).await, 401, "key_secret_replaced");
    issued(&exchange(&server, "nightly", &second).await);
    let third = send(Method::POST, &format!("{one}/rotate"), Some(&json!({ "overlapSeconds": 0 }))).await.json();
    assert_eq!((&third["version"], &third["oldSecretEndsAt"], &third["expiresAt"]), (&json!(3), &Value::Null, &json!(now.plus(DAY * 100))));
    let fourth = send(Method::POST, &format!("{one}/rotate"), None).await.json();
    assert_eq!(fourth["oldSecretEndsAt"], json!(server.clock.now().plus(DAY)), "without a body a day");
    server.end().await;
}

#[tokio::test]
async fn each_state_has_its_name() {
    let server = TestServer::start().await;
    let session = server.session("owner").await;
    let later = server.clock.now().plus(DAY);
    let new = json!({ "name": "later", "grants": view_build(server.demo.acme.id), "notBefore": later, "expiresAt": later.plus(DAY) });
    let made = server.by(&session, Method::POST, KEYS, Some(&new)).await;
    assert_eq!(made.member("state"), "Pending");
    fails(&exchange(&server, "later", &made.member("secret")).await, 401, "key_not_yet_valid");
    let state = async || server.get(Actor::Viewer, &format!("{KEYS}/{}", made.member("id"))).await.member("state");
    server.clock.advance(DAY);
    assert_eq!(state().await, "Active");
    issued(&exchange(&server, "later", &made.member("secret")).await);
    server.clock.advance(DAY);
    assert_eq!(state().await, "Expired");
    // An expired key needs another end to live on; its old secret does not come back.
    let session = server.session("owner").await;
    let rotate = format!("{KEYS}/{}/rotate", made.member("id"));
    let sentence = fails(&server.by(&session, Method::POST, &rotate, Some(&json!({}))).await, 400, "invalid_request");
    assert!(sentence.starts_with("expiresAt: this key expired on"), "{sentence}");
    let until = json!({ "expiresAt": server.clock.now().plus(DAY), "overlapSeconds": 3600 });
    let rotated = server.by(&session, Method::POST, &rotate, Some(&until)).await;
    assert_eq!((rotated.status.as_u16(), &rotated.json()["oldSecretEndsAt"]), (200, &Value::Null), "{}", rotated.text);
    assert_eq!(state().await, "Active");
    issued(&exchange(&server, "later", &rotated.member("secret")).await);
    fails(&exchange(&server, "later", &made.member("secret")).await, 401, "key_secret_replaced");
    server.end().await;
}

/// Reddens when a key makes, widens, rotates or revives a key, or a person does with a password of long ago; or is not told what to do.
#[tokio::test]
async fn keys_do_not_breed() {
    let server = TestServer::start().await;
    let acme = server.demo.acme.id;
    let session = server.session("owner").await;
    let token = server.by(&session, Method::POST, "/auth/v1/sessions/current/token", None).await.member("access_token");
    let new = json!({ "name": "bred", "grants": view_build(acme), "allowedAddresses": ["192.0.2.0/24"] });
    let key = server.by(&session, Method::POST, KEYS, Some(&new)).await.member("id");
    let breeding = [
        (Method::POST, KEYS.to_owned(), json!({ "name": "again", "grants": view_build(acme) })),
        (Method::PATCH, format!("{KEYS}/{key}"), json!({ "grants": [{ "organizationId": acme, "roles": ["owner"] }] })),
        (Method::PATCH, format!("{KEYS}/{key}"), json!({ "allowedAddresses": [] })),
        (Method::POST, format!("{KEYS}/{key}/rotate"), json!({})),
        (Method::POST, format!("{KEYS}/{key}/resume"), json!({})),
    ];
    for (method, path, body) in &breeding {
        for actor in [Actor::Owner, Actor::ApiKey] {
            let sentence = fails(&server.call(actor, method.clone(), path, Some(body)).await, 403, "insufficient_permission");
            assert!(sentence.contains("needs a person") && sentence.contains("/auth/v1/sessions"), "{method} {path}: {sentence}");
        }
        let sentence = fails(&server.by(&token, method.clone(), path, Some(body)).await, 403, "insufficient_permission");
        assert!(sentence.contains("sessionToken"), "{method} {path}: {sentence}");
    }
    server.clock.advance(FRESH);
    for (method, path, body) in &breeding {
        let sentence = fails(&server.by(&session, method.clone(), path, Some(body)).await, 403, "session_not_fresh");
        assert!(sentence.contains("/auth/v1/sessions/current/confirm"), "{method} {path}: {sentence}");
    }
    // What widens nothing a person does at any time.
    let narrower = json!({ "allowedAddresses": ["192.0.2.0/25"], "description": "less" });
    revision(&server.by(&session, Method::PATCH, &format!("{KEYS}/{key}"), Some(&narrower)).await);
    let fresh = server.session("owner").await;
    for (method, path, body) in &breeding {
        let answer = server.by(&fresh, method.clone(), path, Some(body)).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
    }
    // An Owner's token lists, suspends and revokes.
    revision(&server.call(Actor::Owner, Method::POST, &format!("{KEYS}/{key}/suspend"), None).await);
    revision(&server.call(Actor::Owner, Method::DELETE, &format!("{KEYS}/{key}"), None).await);
    server.end().await;
}

/// Members that neither a new key nor a change takes, each with what is said of it.
fn bad_members(acme: OrganizationId, globex: OrganizationId, now: Time) -> Vec<(&'static str, Value, &'static str)> {
    let long = vec!["192.0.2.1"; 65];
    vec![
        ("name", json!(""), "name: must have 1 to 128 characters, this has 0"),
        ("name", json!("x".repeat(129)), "name: must have 1 to 128 characters, this has 129"),
        ("name", json!("a\u{0}b"), "name: must not contain control characters"),
        ("grants", json!([{ "organizationId": acme, "roles": ["view-moon"] }]), "there is no role `view-moon`"),
        ("grants", view_build(globex), "grants: "),
        ("grants", json!([{ "organizationId": acme, "roles": [], "owner": true }]), "unknown field `owner`"),
        ("grants", json!([{ "organizationId": "acme", "roles": [] }]), "grants[0].organizationId: must be a GUID"),
        ("grants", json!({ "view-build": true }), "expected a sequence"),
        ("notBefore", json!(now.plus(DAY * 400)), "notBefore: must be before the key expires"),
        ("allowedAddresses", json!(["192.0.2.0/24", "10.0.0.0/33"]), "allowedAddresses: `10.0.0.0/33` is no network"),
        ("allowedAddresses", json!(["10.0.0.1/8"]), "allowedAddresses: `10.0.0.1/8` has bits beyond its prefix; write 10.0.0.0/8"),
        ("allowedAddresses", json!(["example.com"]), "allowedAddresses: `example.com`"),
        ("allowedAddresses", json!(long), "allowedAddresses: has 65 networks"),
        ("description", json!("x".repeat(1_001)), "description: "),
        ("description", json!("a\u{7}"), "description: "),
        ("metadata", json!({ "x": "y".repeat(4_096) }), "metadata: must have 4096 bytes at most"),
        ("metadata", json!([]), "expected a map"),
        ("deleteProtection", json!("yes"), "expected a boolean"),
        ("secret", json!("kw_api_mine"), "unknown field `secret`"),
        ("revokedAt", Value::Null, "unknown field `revokedAt`"),
    ]
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let server = TestServer::start().await;
    let (acme, now) = (server.demo.acme.id, server.clock.now());
    let session = server.session("owner").await;
    let with = |member: &str, value: Value| {
        let mut body = json!({ "name": "bad", "grants": view_build(acme) });
        body[member] = value;
        body
    };
    let cases = bad_members(acme, server.demo.globex.id, now);
    for (member, value, named) in &cases {
        let sentence = fails(&server.by(&session, Method::POST, KEYS, Some(&with(member, value.clone()))).await, 400, "invalid_request");
        assert!(sentence.contains(named), "{member} {value}: {sentence}");
    }
    for (body, named) in [
        (with("expiresAt", json!(now)), "expiresAt: must be in the future"),
        (with("expiresAt", json!(Time::from_seconds(1))), "expiresAt: must be in the future"),
        (with("expiresAt", json!(now.plus(DAY * 365 + Duration::from_millis(1)))), "expiresAt: must not be later than 2028-"),
        (with("expiresAt", json!("soon")), "RFC 3339"),
        (json!({ "name": "bad" }), "missing field `grants`"),
        (json!({ "grants": [] }), "missing field `name`"),
    ] {
        let sentence = fails(&server.by(&session, Method::POST, KEYS, Some(&body)).await, 400, "invalid_request");
        assert!(sentence.contains(named), "{body}: {sentence}");
    }
    let key = server.by(&session, Method::POST, KEYS, Some(&json!({ "name": "good", "grants": view_build(acme) }))).await.member("id");
    let (one, before) = (format!("{KEYS}/{key}"), server.get(Actor::Owner, &format!("{KEYS}/{key}")).await.json());
    for (member, value, named) in &cases {
        let sentence = fails(&server.by(&session, Method::PATCH, &one, Some(&json!({ (*member): value }))).await, 400, "invalid_request");
        assert!(sentence.contains(named), "{member} {value}: {sentence}");
    }
    for member in ["name", "grants", "notBefore", "allowedAddresses", "description", "metadata", "deleteProtection", "introspect"] {
        let sentence = fails(&server.by(&session, Method::PATCH, &one, Some(&json!({ member: null }))).await, 400, "invalid_request");
        assert!(sentence.contains("null"), "{member}: {sentence}");
    }
    let sentence = fails(&server.by(&session, Method::PATCH, &one, Some(&json!({ "expiresAt": now.plus(DAY) }))).await, 400, "invalid_request");
    assert!(sentence.contains("unknown field `expiresAt`"), "{sentence}");
    for (body, named) in [
        (json!({ "overlapSeconds": 30 * 24 * 3600 + 1 }), "overlapSeconds: must be 2592000 at most"),
        (json!({ "overlapSeconds": -1 }), "expected u64"),
        (json!({ "overlapSeconds": "1h" }), "expected u64"),
        (json!({ "overlap": 1 }), "unknown field `overlap`"),
        (json!({ "expiresAt": now }), "expiresAt: must be in the future"),
        (json!({ "expiresAt": now.plus(DAY * 366) }), "expiresAt: must not be later than"),
        (json!([]), "must be a JSON object"),
    ] {
        let sentence = fails(&server.by(&session, Method::POST, &format!("{one}/rotate"), Some(&body)).await, 400, "invalid_request");
        assert!(sentence.contains(named), "{body}: {sentence}");
    }
    assert_eq!(server.get(Actor::Owner, &one).await.json(), before, "nothing came of any of these");
    fails(&server.by(&session, Method::POST, KEYS, Some(&with("name", json!("good")))).await, 409, "conflict");
    fails(&server.by(&session, Method::PATCH, &one, Some(&json!({ "name": "acme-ci" }))).await, 409, "conflict");
    for query in ["perPage=201", "perPage=0", "page=0", "page=x"] {
        fails(&server.by(&session, Method::GET, &format!("{KEYS}?{query}"), None).await, 400, "invalid_request");
    }
    server.end().await;
}

#[tokio::test]
async fn a_key_may_no_more_than_its_maker() {
    let server = TestServer::start().await;
    let (acme, mobile, manager) = (server.demo.acme.id, server.demo.mobile.id, server.demo.users["manager"].id);
    let roles = keywright_core::members::RoleChange::Replace(vec!["manage-organization".to_owned()]);
    server.core.change_roles(&server.host(), acme, manager, roles).await.unwrap();
    // He belongs to another root too, where his session may as well be.
    let keys = format!("/identity/v1/organizations/{acme}/api-keys");
    let session = server.session("manager").await;
    for grants in [view_build(acme), view_build(mobile), json!([{ "organizationId": acme, "roles": ["owner"] }])] {
        let sentence =
            fails(&server.by(&session, Method::POST, &keys, Some(&json!({ "name": "more", "grants": grants }))).await, 403, "insufficient_permission");
        assert!(sentence.contains("a key may do no more than you may") || sentence.contains("only an Owner of Acme"), "{sentence}");
    }
    let within = json!({ "name": "less", "grants": [{ "organizationId": mobile, "roles": ["view-organization"] }] });
    let made = server.by(&session, Method::POST, &keys, Some(&within)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let one = format!("{keys}/{}", made.member("id"));
    fails(&server.by(&session, Method::PATCH, &one, Some(&json!({ "grants": view_build(mobile) }))).await, 403, "insufficient_permission");
    let rotate = format!("{keys}/{}/rotate", server.demo.api_keys["acme-ci"].id);
    fails(&server.by(&session, Method::POST, &rotate, None).await, 403, "insufficient_permission");
    // Who may not manage keys is told which roles would do.
    let viewer = server.session("viewer").await;
    let refused = server.by(&viewer, Method::POST, &keys, Some(&within)).await;
    fails(&refused, 403, "insufficient_permission");
    assert_eq!(refused.json()["rolesWithPermission"], json!(["manage-organization", "owner"]));
    server.end().await;
}

/// Reddens when a key is found without its organization, or another answer comes for one that is another's.
#[tokio::test]
async fn another_organizations_key_and_an_unknown_one_are_the_same_to_the_byte() {
    let server = TestServer::start().await;
    let (acme, mobile, globex) = (server.demo.acme.id, server.demo.mobile.id, server.demo.globex.id);
    let host = server.host();
    let made = async |place: OrganizationId, name: &str| {
        let grants = [keywright_protocol::admin::RolesIn { organization_id: place, roles: vec!["view-build".to_owned()] }];
        server.core.create_api_key(&host, place, name, &grants, None).await.unwrap().id.to_string()
    };
    let sister = server.core.create_sub_organization(&host, acme, "Acme Sister").await.unwrap().value.id;
    let (foreign, below, beside) = (made(globex, "foreign").await, made(mobile, "below").await, made(sister, "beside").await);
    let personal = server.get(Actor::Owner, "/identity/v1/organizations/current/personal-access-keys").await.json()["data"][0]["id"].clone();
    let owner = server.session("owner").await;
    let (patch, rotate) = (json!({ "name": "mine" }), json!({ "overlapSeconds": 0 }));
    for (method, rest, body) in [
        (Method::GET, "", None),
        (Method::PATCH, "", Some(&patch)),
        (Method::DELETE, "", None),
        (Method::POST, "/suspend", None),
        (Method::POST, "/resume", None),
        (Method::POST, "/rotate", Some(&rotate)),
    ] {
        let ask = async |place: &str, id: &str| {
            let path = format!("/identity/v1/organizations/{place}/api-keys/{id}{rest}");
            server.by(&owner, method.clone(), &path, body).await
        };
        // The Owner may do all of this in the sub-organizations too, by their own paths alone.
        for (place, elsewhere) in [(acme, [&foreign, &below, &beside]), (mobile, [&foreign, &beside, &server.demo.api_keys["acme-ci"].id.to_string()])] {
            let unknown = ask(&place.to_string(), UNKNOWN).await;
            assert!(fails(&unknown, 404, "not_found").contains("key"));
            for id in elsewhere.into_iter().map(String::as_str).chain([personal.as_str().unwrap(), "nonsense"]) {
                assert_eq!(essence(&ask(&place.to_string(), id).await), essence(&unknown), "{method} {rest} {id}");
            }
        }
        let nowhere = ask(UNKNOWN, &foreign).await;
        fails(&nowhere, 404, "not_found");
        for id in [foreign.as_str(), UNKNOWN, "nonsense"] {
            assert_eq!(essence(&ask(&globex.to_string(), id).await), essence(&nowhere), "{method} {rest} {id}");
        }
    }
    for place in [globex, mobile, sister] {
        let keys = server.core.list_api_keys(&host, place, keywright_core::Part::ALL).await.unwrap();
        for key in keys.rows.iter().filter(|key| key.record.name != "mobile-ci") {
            assert_eq!((key.record.revoked_at, key.record.suspended_at), (None, None), "{}", key.record.name);
            assert_ne!(key.record.name, "mine");
        }
    }
    server.end().await;
}
