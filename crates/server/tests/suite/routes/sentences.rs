//! What errors say to whoever meets the server for the first time: what is wrong, by its name, and what to do.

use crate::{access_operator::operator_key, support::fails};
use keywright_protocol::OperatorScope;
use keywright_testkit::{Actor, TestServer};
use reqwest::Method;
use serde_json::json;

const API_KEYS: &str = "/identity/v1/organizations/current/api-keys";
const SESSIONS: &str = "/auth/v1/sessions";
const CURRENT: &str = "/auth/v1/sessions/current";
const ME: &str = "/identity/v1/me";

/// Reddens when somebody without a session is sent to the exchange of keys, where he gets none.
#[tokio::test]
async fn whoever_needs_a_session_is_told_how_to_get_one() {
    let server = TestServer::start().await;
    let operator = operator_key(&server, &OperatorScope::ALL).await;
    let expired = server.token(Actor::Owner).await;
    for (path, sent, status, code, part) in [
        (CURRENT, None, 401, "unauthorized", "this needs a session in the Authorization header"),
        (SESSIONS, None, 401, "unauthorized", "this needs a session in the Authorization header"),
        (CURRENT, Some(server.key("owner")), 401, "key_not_exchanged", "this is a Personal Access Key"),
        (CURRENT, Some(operator.as_str()), 401, "key_not_exchanged", "this is an operator key"),
        (CURRENT, Some("nonsense"), 401, "invalid_token", "this is no access token"),
        (CURRENT, Some(expired.as_str()), 403, "insufficient_permission", "an access token does not do it"),
        (ME, None, 401, "unauthorized", "/auth/v3/token"),
    ] {
        let request = server.request(Method::GET, path);
        let answer = server.send(if let Some(sent) = sent { request.bearer_auth(sent) } else { request }).await;
        let sentence = fails(&answer, status, code);
        assert!(sentence.contains(part) && sentence.contains("POST /auth/v1/sessions"), "{path} {code}: {sentence}");
        assert!(!sentence.contains("exchange it first"), "{path} {code}: {sentence}");
        assert_eq!(answer.header("www-authenticate").starts_with(r#"Bearer realm="keywright""#), status == 401, "{path} {code}");
        assert!(answer.json()["doc"].is_string(), "{path} {code}");
    }
    server.end().await;
}

#[tokio::test]
async fn an_unknown_operator_key_is_told_where_they_are_made() {
    let (server, other) = (TestServer::start().await, TestServer::start().await);
    let foreign = operator_key(&other, &OperatorScope::ALL).await;
    let sentence = fails(&server.by(&foreign, Method::GET, "/identity/v1/organizations", None).await, 401, "invalid_key");
    assert!(sentence.contains("`keywright admin operator-key create`"), "{sentence}");
    server.end().await;
    other.end().await;
}

/// Reddens when a wrong member is not named by its path, or is named by where it stands.
#[tokio::test]
async fn a_wrong_member_of_a_body_is_named() {
    let server = TestServer::start().await;
    let (owner, acme) = (server.session("owner").await, server.demo.acme.id);
    for (body, start) in [
        (json!({ "name": "x", "grants": [{ "organizationId": acme, "roles": "view-build" }] }), "grants[0].roles: invalid type"),
        (json!({ "name": "x", "grants": [{ "organizationId": "Acme", "roles": [] }] }), "grants[0].organizationId: must be a GUID such as 6f9619ff-"),
        (json!({ "name": "x", "grants": [{ "roles": [] }] }), "grants[0]: missing field `organizationId`"),
        (json!({ "name": "x", "grants": [{ "organizationId": acme, "rolez": [] }] }), "grants[0].rolez: unknown field `rolez`"),
        (json!({ "name": "x", "grants": [], "expiresAt": "tomorrow" }), "expiresAt: must be a time as in RFC 3339"),
        (json!({ "name": "x" }), "missing field `grants`"),
        (json!({ "name": "x", "grantz": [] }), "grantz: unknown field `grantz`"),
    ] {
        let sentence = fails(&server.by(&owner, Method::POST, API_KEYS, Some(&body)).await, 400, "invalid_request");
        assert!(sentence.starts_with(start), "{body}: {sentence}");
        assert!(!sentence.contains(" column ") && sentence.contains(r#"send an object such as {"name": "nightly""#), "{body}: {sentence}");
    }
    server.end().await;
}

/// What is no JSON has no members to name: there its place is told.
#[tokio::test]
async fn a_body_that_is_no_json_is_told_where() {
    let server = TestServer::start().await;
    let owner = server.session("owner").await;
    for (body, part) in [
        (r#"{"name": "x", "grants": [}"#, "line 1 column 26"),
        (r#"{"name": "x""#, "line 1 column 12"),
        (r#"{"name": "x", "grants": []} x"#, "trailing characters"),
        ("[]", "must be a JSON object"),
        ("", "must be a JSON object"),
    ] {
        let request = server.request(Method::POST, API_KEYS).bearer_auth(&owner).body(body);
        let sentence = fails(&server.send(request).await, 400, "invalid_request");
        assert!(sentence.contains(part) && sentence.contains(r#"such as {"name": "nightly""#), "{body}: {sentence}");
    }
    server.end().await;
}

/// Reddens when what is said of a body with a secret quotes a value of it.
#[tokio::test]
async fn a_wrong_body_of_a_sign_in_is_named_and_never_quoted() {
    let server = TestServer::start().await;
    for (body, start) in [
        (r#"{"email": "a@b.example", "password": 70417}"#, "password: is of the wrong type; "),
        (r#"{"email": ["70417"], "password": "70417"}"#, "email: is of the wrong type; "),
        (r#"{"email": "70417"}"#, "missing field `password`; "),
        (r#"{"email": "70417", "pass": "70417"}"#, "pass: unknown field `pass`"),
        (r#"{"email": "a", 70417}"#, "the body is not well-formed JSON (key must be a string"),
        (r#"["a@b.example", "70417"]"#, "the body must be a JSON object"),
    ] {
        let sentence = fails(&server.send(server.request(Method::POST, SESSIONS).body(body)).await, 400, "invalid_request");
        assert!(sentence.starts_with(start) && !sentence.contains("70417"), "{body}: {sentence}");
    }
    server.end().await;
}

/// Reddens when a member of the policy that is left out is taken for null: whoever forgot a limit would lift it.
#[tokio::test]
async fn a_policy_is_set_as_a_whole() {
    let server = TestServer::start().await;
    let owner = server.session("owner").await;
    let whole = json!({ "longestKeyLifeSeconds": null, "allowedAddresses": [], "personalKeys": true, "membersByKeys": true });
    for member in whole.as_object().unwrap().keys() {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(member);
        let answer = server.by(&owner, Method::PUT, "/identity/v1/organizations/current/policy", Some(&part)).await;
        let sentence = fails(&answer, 400, "invalid_request");
        assert!(sentence.starts_with(&format!("missing field `{member}`")), "{sentence}");
        assert!(whole.as_object().unwrap().keys().all(|name| sentence.contains(name)), "{sentence}");
        assert!(sentence.contains("all four members; null"), "{sentence}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_told_those_that_it_takes() {
    let server = TestServer::start().await;
    for (method, path, taken) in [
        (Method::PUT, ME, "this path does not take PUT; it takes GET, HEAD"),
        (Method::PUT, &format!("{API_KEYS}/x"), "this path does not take PUT; it takes GET, HEAD, PATCH, DELETE"),
        (Method::GET, "/auth/v3/token", "this path does not take GET; it takes POST"),
        (Method::DELETE, "/distribution/v2/profiles", "this path does not take DELETE; it takes GET, HEAD, POST"),
    ] {
        let answer = server.call(Actor::Owner, method, path, None).await;
        assert_eq!(fails(&answer, 405, "method_not_allowed"), taken);
        assert_eq!(answer.header("allow").replace(',', ", "), taken.rsplit_once("takes ").unwrap().1);
    }
    server.end().await;
}
