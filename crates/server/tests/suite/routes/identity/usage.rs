//! The use of keys over HTTP: every way in, the secrets of a rotated key, and what cannot be asked.

use crate::support::fails;
use keywright_testkit::{Actor, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/identity/v1/organizations/current/api-keys";
const PERSONAL: &str = "/identity/v1/organizations/current/personal-access-keys";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// `(endpoint, field, issued, refused)` of each way in.
fn ways(usage: &Value) -> Vec<(String, String, i64, i64)> {
    let text = |way: &Value, name: &str| way[name].as_str().unwrap().to_owned();
    let row = |way: &Value| (text(way, "endpoint"), text(way, "field"), way["issued"].as_i64().unwrap(), way["refused"].as_i64().unwrap());
    usage["ways"].as_array().unwrap().iter().map(row).collect()
}

async fn write(server: &TestServer) {
    server.core.flush_access_log(server.clock.now()).await.unwrap();
}

/// Reddens when an endpoint or a spelling is noted as another one.
#[tokio::test]
async fn each_way_in_is_counted_by_endpoint_and_spelling() {
    let server = TestServer::start().await;
    let session = server.session("viewer").await;
    let made = server.by(&session, Method::POST, PERSONAL, Some(&json!({ "name": "laptop" }))).await;
    let (id, key) = (made.member("id"), made.member("key"));
    let mut expected = Vec::new();
    for (number, endpoint) in (1..).zip(["/auth/v1/token", "/auth/v2/token", "/auth/v3/token"]) {
        for (more, field) in (0..).zip(["pat", "personal-access-key", "personalAccessKey"]) {
            for _ in 0..number + more {
                assert_eq!(server.form(endpoint, &format!("{field}={key}")).await.status, 200);
            }
            fails(&server.form(endpoint, &format!("{field}={key}&organizationId={}", server.demo.globex.id)).await, 403, "organization_out_of_reach");
            expected.push((endpoint.to_owned(), field.to_owned(), number + more, 1));
        }
    }
    write(&server).await;
    let path = format!("{PERSONAL}/{id}/usage");
    let usage = server.by(&session, Method::GET, &path, None).await.json();
    assert_eq!(ways(&usage), expected);
    let now = json!(server.clock.now());
    let total: i64 = expected.iter().map(|way| way.2).sum();
    assert_eq!(usage["data"], json!([{ "beginsAt": now, "version": 1, "issued": total, "refused": 9 }]), "the clock stands at a full hour");
    assert_eq!((&usage["by"], &usage["asOf"], &usage["until"]), (&json!("hour"), &now, &json!(server.clock.now().plus(HOUR))));
    let way = &usage["ways"][0];
    assert_eq!((&way["lastUsedAddress"], &way["lastRefusedReason"], &way["firstUsedAt"]), (&json!("127.0.0.1"), &json!("organization_out_of_reach"), &now));
    assert_eq!((&way["lastUsedUserAgent"], &way["lastRefusedAddress"]), (&Value::Null, &json!("127.0.0.1")), "this client says no name");
    // Both fields with one value: the first one counts.
    server.form("/auth/v3/token", &format!("pat={key}&personalAccessKey={key}")).await;
    write(&server).await;
    let usage = server.by(&session, Method::GET, &path, None).await.json();
    assert_eq!(ways(&usage)[6], ("/auth/v3/token".to_owned(), "pat".to_owned(), 4, 1));
    // His Owner sees it, another member does not.
    assert_eq!(server.get(Actor::Owner, &path).await.json()["ways"], usage["ways"]);
    fails(&server.get(Actor::Manager, &path).await, 404, "not_found");
    server.end().await;
}

/// Reddens when the answer loses a member, tells of the wrong version, or shows a secret.
#[tokio::test]
async fn a_rotated_key_says_who_still_has_its_old_secret() {
    let server = TestServer::start().await;
    let session = server.session("owner").await;
    let grants = json!([{ "organizationId": server.demo.acme.id, "roles": ["view-build"] }]);
    let made = server.by(&session, Method::POST, KEYS, Some(&json!({ "name": "nightly", "grants": grants }))).await;
    let (id, old) = (made.member("id"), made.member("secret"));
    let rotated = server.by(&session, Method::POST, &format!("{KEYS}/{id}/rotate"), Some(&json!({ "overlapSeconds": 7200 }))).await;
    let (new, start) = (rotated.member("secret"), server.clock.now());
    let exchange = async |secret: &str| server.form("/auth/v1/api-key/token", &format!("name=nightly&secret={secret}")).await;
    let secrets = async || {
        write(&server).await;
        server.get(Actor::Viewer, &format!("{KEYS}/{id}/secrets")).await
    };
    let verdict = async || {
        let first = secrets().await.json()["data"][0].clone();
        (first["state"].as_str().unwrap().to_owned(), first["drained"].as_bool(), first["unusedForSeconds"].as_i64())
    };
    assert_eq!(exchange(&old).await.status, 200);
    assert_eq!(verdict().await, ("Overlapping".to_owned(), Some(false), None), "nobody has the new one yet");
    server.clock.advance(HOUR / 2);
    assert_eq!(exchange(&new).await.status, 200);
    assert_eq!(verdict().await, ("Overlapping".to_owned(), Some(true), Some(0)));
    server.clock.advance(HOUR / 2);
    assert_eq!(exchange(&old).await.status, 200);
    assert_eq!(verdict().await, ("Overlapping".to_owned(), Some(false), Some(0)), "somebody still has it");
    let last = server.clock.now();
    server.clock.advance(HOUR - Duration::from_millis(1));
    assert_eq!(verdict().await, ("Overlapping".to_owned(), Some(false), Some(3599)));
    server.clock.advance(Duration::from_millis(1));
    assert_eq!(verdict().await, ("Ended".to_owned(), Some(true), Some(3600)));
    fails(&exchange(&old).await, 401, "key_secret_replaced");
    let answer = secrets().await;
    assert!(!answer.text.contains("kw_api_"), "{}", answer.text);
    let (new_since, now) = (start.plus(HOUR / 2), server.clock.now());
    assert_eq!(
        answer.json(),
        json!({ "asOf": now, "tokenLifeSeconds": 3600, "data": [
            { "version": 1, "state": "Ended", "createdAt": start, "endsAt": now, "endedAt": null, "firstUsedAt": start, "lastUsedAt": last,
                "lastUsedAddress": "127.0.0.1", "lastUsedUserAgent": null, "issued": 2, "refused": 1, "lastRefusedAt": now,
                "lastRefusedAddress": "127.0.0.1", "lastRefusedUserAgent": null, "lastRefusedReason": "key_secret_replaced",
                "drained": true, "unusedForSeconds": 3600 },
            { "version": 2, "state": "Current", "createdAt": start, "endsAt": null, "endedAt": null, "firstUsedAt": new_since, "lastUsedAt": new_since,
                "lastUsedAddress": "127.0.0.1", "lastUsedUserAgent": null, "issued": 1, "refused": 0, "lastRefusedAt": null,
                "lastRefusedAddress": null, "lastRefusedUserAgent": null, "lastRefusedReason": null, "drained": null, "unusedForSeconds": null }] })
    );
    let usage = server.get(Actor::Viewer, &format!("{KEYS}/{id}/usage?by=day")).await.json();
    assert_eq!(usage["data"].as_array().unwrap().iter().map(|count| count["version"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(ways(&usage)[0], ("/auth/v1/api-key/token".to_owned(), "secret".to_owned(), 2, 1));
    server.end().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_one_sentence() {
    let server = TestServer::start().await;
    let key = server.demo.api_keys["acme-ci"].id;
    for (query, sentence) in [
        ("by=week", "by must be hour or day"),
        ("from=yesterday", "from: must be a time as in RFC 3339, for example 2026-12-31T23:59:59Z"),
        ("until=2026-13-01T00:00:00Z", "until: must be a time as in RFC 3339"),
        // A plus sign in a URL is a space.
        ("from=2026-12-01T00:00:00+01:00", "from: must be a time as in RFC 3339"),
        ("from=2026-12-02T00:00:00Z&until=2026-12-01T00:00:00Z", "from: must be before until, which is 2026-12-01T00:00:00.000Z"),
        (
            "from=2026-01-01T00:00:00Z&until=2026-12-01T00:00:00Z",
            "from: 8016 hours lie between it and until, and 1000 are the most; ask for a shorter time, or by=day",
        ),
        ("by=day&from=2020-01-01T00:00:00Z&until=2026-12-01T00:00:00Z", "from: 2526 days lie between"),
    ] {
        let told = fails(&server.get(Actor::Viewer, &format!("{KEYS}/{key}/usage?{query}")).await, 400, "invalid_request");
        assert!(told.starts_with(sentence), "{query}: {told}");
    }
    let found = server.get(Actor::Viewer, &format!("{KEYS}/{key}/usage?FROM=2026-12-01T00:30:00%2B01:00&until=2026-12-01T02:00:00Z&by=hour")).await.json();
    assert_eq!((&found["from"], &found["data"]), (&json!("2026-11-30T23:00:00.000Z"), &json!([])));
    for path in [format!("{KEYS}/nonsense/usage"), format!("{KEYS}/nonsense/secrets"), format!("{PERSONAL}/{key}/usage")] {
        fails(&server.get(Actor::Owner, &path).await, 404, "not_found");
    }
    server.end().await;
}
