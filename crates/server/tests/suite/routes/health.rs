//! `/healthz`, `/readyz` and `/metrics`.

use crate::support::{fails, unknown_key};
use keywright_protocol::{
    KeyKind,
    paths::{HEALTH, METRICS, READY, TOKEN_V3},
};
use keywright_testkit::{Actor, TestServer};
use serde_json::json;

#[tokio::test]
async fn it_runs_and_is_ready() {
    let server = TestServer::start().await;
    assert_eq!(server.get(Actor::Anonymous, HEALTH).await.json(), json!({ "status": "ok" }));
    assert_eq!(server.get(Actor::Anonymous, READY).await.json(), json!({ "status": "ready" }));
    server.end().await;
}

#[tokio::test]
async fn exchanges_are_counted_by_outcome_and_nothing_secret_is_a_label() {
    let server = TestServer::start().await;
    server.token(Actor::Owner).await;
    server.token(Actor::ApiKey).await;
    let unknown = unknown_key(KeyKind::PersonalAccessKey);
    server.form(TOKEN_V3, &format!("pat={unknown}")).await;
    let answer = server.get(Actor::Anonymous, METRICS).await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        r#"keywright_exchanges_total{endpoint="personal-access-key",outcome="issued"} 1"#,
        r#"keywright_exchanges_total{endpoint="api-key",outcome="issued"} 1"#,
        r#"keywright_exchanges_total{endpoint="personal-access-key",outcome="invalid_key"} 1"#,
        r#"keywright_http_answers_total{status="401"} 1"#,
        "keywright_http_request_duration_seconds_count 3",
    ] {
        assert!(answer.text.lines().any(|found| found == line), "{line} in\n{}", answer.text);
    }
    for secret in [&unknown, server.key("owner"), &server.demo.acme.id.to_string(), "127.0.0.1", "owner@acme"] {
        assert!(!answer.text.contains(secret), "{secret}");
    }
    server.end().await;
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let server = TestServer::start_with(|config| config.metrics.enabled = false).await;
    fails(&server.get(Actor::Anonymous, METRICS).await, 404, "not_found");
    server.end().await;
}
