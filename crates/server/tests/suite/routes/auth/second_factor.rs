//! The second factor, as a person sets it up, uses it and loses it.

use crate::support::fails;
use keywright_testkit::{Answer, TestServer, device::Device};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const SESSIONS: &str = "/auth/v1/sessions";
const FACTOR: &str = "/auth/v1/second-factor";
const CONFIRM: &str = "/auth/v1/second-factor/confirm";
const REMOVE: &str = "/auth/v1/second-factor/remove";
const CODES: &str = "/auth/v1/second-factor/recovery-codes";
const STEP: Duration = Duration::from_secs(30);

async fn sign_in(server: &TestServer, code: Option<&str>) -> Answer {
    let owner = &server.demo.users["owner"];
    let mut body = json!({ "email": owner.email, "password": owner.password.as_str() });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    server.send(server.request(Method::POST, SESSIONS).json(&body)).await
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_person_sets_it_up_signs_in_with_it_and_removes_it() {
    let server = TestServer::start().await;
    let session = server.session("owner").await;
    let post = async |path: &str, body: Value| server.by(&session, Method::POST, path, Some(&body)).await;
    let state = async || server.by(&session, Method::GET, FACTOR, None).await.json();
    assert_eq!(state().await, json!({ "state": "off", "since": null, "confirmUntil": null, "recoveryCodesLeft": null }));
    fails(&post(REMOVE, json!({ "code": "123456" })).await, 404, "not_found");
    let begun = server.by(&session, Method::POST, FACTOR, None).await;
    assert_eq!((begun.status.as_u16(), begun.header("cache-control").as_str(), begun.header("keywright-revision").is_empty()), (200, "no-store", false));
    assert_eq!(members(&begun.json()), ["confirmUntil", "secret", "uri"]);
    let secret = begun.member("secret");
    let device = Device::of(&secret);
    let uri = format!("otpauth://totp/127.0.0.1:owner%40acme.example?secret={secret}&issuer=127.0.0.1&algorithm=SHA1&digits=6&period=30");
    assert_eq!(begun.member("uri"), uri);
    assert_eq!(state().await, json!({ "state": "pending", "since": null, "confirmUntil": begun.member("confirmUntil"), "recoveryCodesLeft": null }));
    let sentence = fails(&post(CONFIRM, json!({ "code": "12345" })).await, 400, "invalid_request");
    assert!(sentence.starts_with("code: must be the six digits"), "{sentence}");
    fails(&post(CONFIRM, json!({ "code": "000000" })).await, 400, "invalid_request");
    let on = post(CONFIRM, json!({ "code": device.code(server.clock.now()) })).await;
    assert_eq!(on.status, 200, "{}", on.text);
    let codes = on.json()["recoveryCodes"].as_array().unwrap().clone();
    assert_eq!((members(&on.json()), codes.len()), (vec!["recoveryCodes"], 10));
    assert_eq!(state().await, json!({ "state": "on", "since": server.clock.now(), "confirmUntil": null, "recoveryCodesLeft": 10 }));
    fails(&server.by(&session, Method::POST, FACTOR, None).await, 409, "conflict");

    let sentence = fails(&sign_in(&server, None).await, 401, "second_factor_required");
    assert!(sentence.contains("send the same again with code"), "{sentence}");
    fails(&sign_in(&server, Some("000000")).await, 401, "wrong_second_factor");
    fails(&sign_in(&server, Some("x")).await, 400, "invalid_request");
    server.clock.advance(STEP);
    let present = device.code(server.clock.now());
    assert_eq!(sign_in(&server, Some(&present)).await.status, 200);
    fails(&sign_in(&server, Some(&present)).await, 401, "wrong_second_factor");
    assert_eq!(sign_in(&server, codes[0].as_str()).await.status, 200);
    fails(&sign_in(&server, codes[0].as_str()).await, 401, "wrong_second_factor");
    let new = post(CODES, json!({ "code": codes[1] })).await;
    assert_eq!((new.status.as_u16(), new.json()["recoveryCodes"].as_array().unwrap().len()), (200, 10));
    fails(&sign_in(&server, codes[2].as_str()).await, 401, "wrong_second_factor");

    server.clock.advance(Duration::from_secs(300));
    let present = json!({ "code": device.code(server.clock.now()) });
    for path in [REMOVE, CODES] {
        let sentence = fails(&post(path, present.clone()).await, 403, "session_not_fresh");
        assert!(sentence.contains("/auth/v1/sessions/current/confirm"), "{sentence}");
    }
    let owner = &server.demo.users["owner"];
    let body = json!({ "password": owner.password.as_str() });
    let fresh = server.by(&session, Method::POST, "/auth/v1/sessions/current/confirm", Some(&body)).await.member("sessionToken");
    let removed = server.by(&fresh, Method::POST, REMOVE, Some(&present)).await;
    assert_eq!((removed.status.as_u16(), removed.json()), (200, json!({ "message": "the second factor is off" })));
    assert_eq!(sign_in(&server, None).await.status, 200);
    server.end().await;
}

/// Reddens when an answer to somebody without the password differs by whether there is a factor, or when the limit is not told.
#[tokio::test]
async fn whoever_guesses_is_told_nothing_and_stopped() {
    let server = TestServer::start().await;
    let session = server.session("owner").await;
    let device = Device::of(&server.by(&session, Method::POST, FACTOR, None).await.member("secret"));
    let code = json!({ "code": device.code(server.clock.now()) });
    assert_eq!(server.by(&session, Method::POST, CONFIRM, Some(&code)).await.status, 200);
    let attempt = async |email: &str, code: Option<&str>| {
        let mut body = json!({ "email": email, "password": "some password or other" });
        if let Some(code) = code {
            body["code"] = json!(code);
        }
        let answer = server.send(server.request(Method::POST, SESSIONS).json(&body)).await;
        fails(&answer, 401, "invalid_credentials");
        answer.text
    };
    let unknown = attempt("nobody@acme.example", None).await;
    for email in ["owner@acme.example", "viewer@acme.example", "nobody@acme.example"] {
        for code in [None, Some("123456"), Some("ABCD-EFGH-IJKL-MNOP")] {
            assert_eq!(attempt(email, code).await, unknown, "{email} {code:?}");
        }
    }
    for _ in 0..10 {
        fails(&sign_in(&server, Some("000000")).await, 401, "wrong_second_factor");
    }
    server.clock.advance(STEP);
    let limited = sign_in(&server, Some(&device.code(server.clock.now()))).await;
    let sentence = fails(&limited, 429, "rate_limited");
    assert!(sentence.contains("sign in with a recovery code") && sentence.contains("try again in 360 minutes"), "{sentence}");
    assert_eq!((limited.header("ratelimit-policy"), limited.header("retry-after")), ("\"second-factor\";q=10;w=216000".to_owned(), "21570".to_owned()));
    server.end().await;
}
