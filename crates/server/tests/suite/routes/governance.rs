//! What people with a session do to an organization: policy, deleting, leaving, revoking everything, taking the list away.

use crate::support::fails;
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

const ORGANIZATIONS: &str = "/identity/v1/organizations";

struct People {
    server: TestServer,
    owner: String,
    acme: String,
    mobile: String,
}

impl People {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let owner = server.session("owner").await;
        let (acme, mobile) = (format!("{ORGANIZATIONS}/{}", server.demo.acme.id), format!("{ORGANIZATIONS}/{}", server.demo.mobile.id));
        Self { server, owner, acme, mobile }
    }

    async fn owner(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.server.by(&self.owner, method, path, body).await
    }
}

#[tokio::test]
async fn a_policy_is_read_set_and_refused_in_words() {
    let people = People::start().await;
    let policy = format!("{}/policy", people.acme);
    let body = json!({ "longestKeyLifeSeconds": 86_400, "allowedAddresses": ["203.0.113.0/24"], "personalKeys": true, "membersByKeys": false });
    let set = people.owner(Method::PUT, &policy, Some(&body)).await;
    assert_eq!(set.status, 200, "{}", set.text);
    assert!(!set.header("keywright-revision").is_empty());
    assert_eq!(people.owner(Method::GET, &policy, None).await.json(), json!({ "own": body, "root": null }));
    let below = people.owner(Method::GET, &format!("{}/policy", people.mobile), None).await.json();
    assert_eq!((&below["own"]["longestKeyLifeSeconds"], &below["root"]), (&Value::Null, &body));
    // The test's own address is not on the list.
    let refused = people.server.form("/auth/v3/token", &format!("personalAccessKey={}", people.server.key("owner"))).await;
    fails(&refused, 401, "key_address_not_allowed");
    for (member, value, part) in [
        ("allowedAddresses", json!(["203.0.113.0/33"]), "203.0.113.0/33"),
        ("allowedAddresses", json!("203.0.113.0/24"), "allowedAddresses"),
        ("longestKeyLifeSeconds", json!(60), "3600"),
        ("longestKeyLifeSeconds", json!(-1), "-1"),
        ("personalKeys", json!("no"), "boolean"),
        ("allowedAdresses", json!([]), "allowedAdresses"),
    ] {
        let mut wrong = body.clone();
        wrong[member] = value;
        let sentence = fails(&people.owner(Method::PUT, &policy, Some(&wrong)).await, 400, "invalid_request");
        assert!(sentence.contains(part), "{member}: {sentence}");
    }
    assert_eq!(people.owner(Method::GET, &policy, None).await.json()["own"], body, "nothing of it was kept");
    people.server.end().await;
}

#[tokio::test]
async fn deleting_needs_the_action_the_name_and_freshness() {
    let people = People::start().await;
    let delete = async |query: &str| people.owner(Method::DELETE, &format!("{}{query}", people.mobile), None).await;
    fails(&delete("").await, 400, "invalid_request");
    fails(&delete("?action=destroy").await, 400, "invalid_request");
    fails(&delete("?action=delete").await, 400, "invalid_request");
    let sentence = fails(&delete("?action=delete&confirm=Acme").await, 400, "invalid_request");
    assert!(sentence.contains("Acme Mobile"), "{sentence}");
    fails(
        &people.server.call(Actor::Owner, Method::DELETE, &format!("{}?action=delete&confirm=Acme%20Mobile", people.mobile), None).await,
        403,
        "insufficient_permission",
    );
    assert_eq!(people.owner(Method::GET, &people.mobile, None).await.status, 200, "it stands");
    assert_eq!(delete("?action=delete&confirm=Acme%20Mobile").await.status, 200);
    fails(&people.owner(Method::GET, &people.mobile, None).await, 404, "not_found");
    fails(&people.server.form("/auth/v3/token", &format!("personalAccessKey={}", people.server.key("submember"))).await, 401, "key_revoked");
    // Its name is free again, and nothing of the old one comes back with it.
    let again = people.owner(Method::POST, &format!("{}/sub-organizations", people.acme), Some(&json!({ "name": "Acme Mobile" }))).await;
    assert_eq!(again.status, 200, "{}", again.text);
    fails(&people.server.form("/auth/v3/token", &format!("personalAccessKey={}", people.server.key("submember"))).await, 401, "key_revoked");
    people.server.clock.advance(std::time::Duration::from_secs(300));
    let id = again.member("id");
    let sentence =
        fails(&people.owner(Method::DELETE, &format!("{ORGANIZATIONS}/{id}?action=delete&confirm=Acme%20Mobile"), None).await, 403, "session_not_fresh");
    assert!(sentence.contains("confirm"), "{sentence}");
    people.server.end().await;
}

#[tokio::test]
async fn members_leave_and_the_last_owner_does_not() {
    let people = People::start().await;
    let viewer = people.server.session("viewer").await;
    let leave = format!("{}?action=leave", people.acme);
    let sentence = fails(&people.owner(Method::DELETE, &leave, None).await, 409, "conflict");
    assert!(sentence.contains("last Owner"), "{sentence}");
    assert_eq!(people.server.by(&viewer, Method::DELETE, &leave, None).await.status, 200);
    fails(&people.server.by(&viewer, Method::GET, &people.acme, None).await, 404, "not_found");
    people.server.end().await;
}

#[tokio::test]
async fn everything_is_revoked_in_one_call() {
    let people = People::start().await;
    let viewer = people.server.session("viewer").await;
    let revoke = format!("{}/revoke-all", people.acme);
    for wrong in [json!({ "userId": "nobody" }), json!({ "since": "yesterday" }), json!({ "all": true })] {
        fails(&people.owner(Method::POST, &revoke, Some(&wrong)).await, 400, "invalid_request");
    }
    let revoked = people.owner(Method::POST, &revoke, Some(&json!({}))).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert!(revoked.json()["keys"].as_array().unwrap().len() >= 6, "{}", revoked.text);
    for who in ["owner", "manager", "viewer", "submember"] {
        fails(&people.server.form("/auth/v3/token", &format!("personalAccessKey={}", people.server.key(who))).await, 401, "key_revoked");
    }
    fails(&people.server.by(&viewer, Method::GET, "/auth/v1/sessions/current", None).await, 401, "session_ended");
    assert_eq!(people.owner(Method::GET, "/auth/v1/sessions/current", None).await.status, 200);
    people.server.end().await;
}

#[tokio::test]
async fn an_organization_gets_another_name_and_keeps_its_id() {
    let people = People::start().await;
    let rename = async |body: Value| people.owner(Method::PATCH, &people.mobile, Some(&body)).await;
    let renamed = rename(json!({ "name": " Acme Apps " })).await;
    assert_eq!((renamed.status.as_u16(), renamed.member("name").as_str()), (200, "Acme Apps"), "{}", renamed.text);
    assert_eq!(people.owner(Method::GET, &people.mobile, None).await.member("name"), "Acme Apps");
    for wrong in [json!({ "name": "" }), json!({ "name": "x".repeat(129) }), json!({ "name": "a\u{202e}b" }), json!({ "id": "x", "name": "y" }), json!({})] {
        fails(&rename(wrong).await, 400, "invalid_request");
    }
    people.owner(Method::POST, &format!("{}/sub-organizations", people.acme), Some(&json!({ "name": "Acme Labs" }))).await;
    fails(&rename(json!({ "name": "Acme Labs" })).await, 409, "conflict");
    people.server.end().await;
}

#[tokio::test]
async fn the_list_of_members_is_taken_away_as_a_table() {
    let people = People::start().await;
    let table = people.owner(Method::GET, &format!("{}/users/export", people.mobile), None).await;
    assert_eq!(table.status, 200, "{}", table.text);
    assert!(table.header("content-type").starts_with("text/csv"));
    assert!(table.header("content-disposition").contains("attachment"));
    let lines: Vec<&str> = table.text.split("\r\n").collect();
    assert_eq!(lines[0], "email,name,membership,roles");
    assert!(lines.contains(&"submember@acme.example,submember,direct,view-distribution-profile"), "{lines:?}");
    assert!(lines.contains(&"owner@acme.example,owner,inherited,owner"), "{lines:?}");
    people.server.end().await;
}
