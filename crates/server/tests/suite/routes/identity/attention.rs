//! What needs attention, as its organization reads it.

use keywright_protocol::admin::RolesIn;
use keywright_testkit::{Actor, TestServer};
use serde_json::{Value, json};
use std::time::Duration;

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Reddens when a fact is missing, or one is told that nobody asked for.
#[tokio::test]
async fn every_list_has_its_facts() {
    let server = TestServer::start().await;
    let acme = server.demo.acme.id;
    let grants = [RolesIn { organization_id: acme, roles: vec!["view-build".to_owned()] }];
    let soon = server.clock.now().plus(Duration::from_secs(3 * 24 * 60 * 60));
    let key = server.core.create_api_key(&server.host(), acme, "ends soon", &grants, Some(soon)).await.unwrap();
    let old = format!("pat={}", server.key("owner"));
    for path in ["/auth/v1/token", "/auth/v1/token", "/auth/v2/token", "/auth/v3/token"] {
        let request = server.request(reqwest::Method::POST, path).header("content-type", "application/x-www-form-urlencoded").header("user-agent", "old/1");
        assert_eq!(server.send(request.body(old.clone())).await.status, 200);
    }
    for _ in 0..10 {
        let form = format!("name=ends soon&secret={}&organizationId={}", key.secret.reveal(), server.demo.globex.id);
        assert_eq!(server.form("/auth/v1/api-key/token", &form).await.status, 403);
    }
    server.core.flush_access_log(server.clock.now()).await.unwrap();
    let answer = server.get(Actor::Owner, "/identity/v1/organizations/current/attention").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let found = answer.json();
    let lists = ["asOf", "expiring", "makerGone", "neverUsed", "oldEndpoints", "oldSecrets", "refused", "unused"];
    assert_eq!(members(&found), lists);
    let fact = json!({ "id": key.id, "kind": "apiKey", "name": "ends soon", "userId": null, "userEmail": null, "createdAt": server.clock.now(),
        "expiresAt": soon, "urgency": "critical" });
    assert_eq!(found["expiring"], json!({ "total": 1, "data": [fact] }));
    let refused = &found["refused"]["data"][0];
    assert_eq!((&refused["refused"], &refused["lastRefusedReason"]), (&json!(10), &json!("organization_out_of_reach")));
    assert_eq!(refused["lastRefusedAddress"], "127.0.0.1");
    let at_old = &found["oldEndpoints"]["data"][0];
    assert_eq!((&at_old["uses"], &at_old["userEmail"]), (&json!(3), &json!("owner@acme.example")));
    let client = |endpoint: &str, uses: i64| {
        json!({ "endpoint": endpoint, "field": "pat", "address": "127.0.0.1", "userAgent": "old/1", "uses": uses,
        "lastUsedAt": server.clock.now() })
    };
    assert_eq!(at_old["clients"], json!([client("/auth/v1/token", 2), client("/auth/v2/token", 1)]));
    assert!(!answer.text.contains(key.secret.reveal()) && !answer.text.contains(server.key("owner")));
    server.end().await;
}
