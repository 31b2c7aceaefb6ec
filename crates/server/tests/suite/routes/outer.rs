//! What every request and every answer have in common.

use crate::support::{fails, issued, raw};
use axum::{Router, body::Body, body::to_bytes, routing::get};
use keywright_protocol::{
    RequestId,
    paths::{API_KEY_TOKEN, HEALTH, JWKS, METRICS, READY, TOKEN_V3},
};
use keywright_server::{Metrics, documentation::Documentation, outer::Outer};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::Value;
use std::sync::Arc;

const USERINFO: &str = "/auth/realms/appcircle/protocol/openid-connect/userinfo";
const APP: &str = "https://app.example.com";

/// As a page of `origin` does; `OPTIONS` is its browser asking first.
async fn with_origin(server: &TestServer, method: Method, path: &str, origin: &str) -> Answer {
    let request = server.request(method.clone(), path).header("origin", origin);
    server.send(if method == Method::OPTIONS { request.header("access-control-request-method", "POST") } else { request }).await
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_given_guid_comes_back() {
    let server = TestServer::start().await;
    let ask = async |given: &str| server.send(server.request(Method::GET, HEALTH).header("x-request-id", given)).await.header("x-request-id");
    let given = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
    assert_eq!(ask(given).await, given);
    assert_eq!(ask(&given.to_uppercase()).await, given, "in the one spelling that logs have");
    for odd in ["", "1", "6f9619ff8b864011b42d00c04fc964ff", "a\tb", "{6f9619ff-8b86-4011-b42d-00c04fc964ff}"] {
        let made: RequestId = ask(odd).await.parse().unwrap();
        assert_ne!(made.to_string(), ask(odd).await, "each request its own");
    }
    for path in ["/nothing", TOKEN_V3, USERINFO, JWKS] {
        assert!(server.get(Actor::Anonymous, path).await.header("x-request-id").parse::<RequestId>().is_ok(), "{path}");
    }
    server.end().await;
}

/// Reddens when an answer can be kept by a cache, or kept for another caller or page.
#[tokio::test]
async fn every_answer_varies_and_none_but_public_documents_is_stored() {
    let server = TestServer::start().await;
    let token = server.form(TOKEN_V3, &format!("pat={}", server.key("owner"))).await;
    let mut answers = vec![token, server.form(TOKEN_V3, "pat=x").await, server.form(API_KEY_TOKEN, "").await, server.get(Actor::Owner, USERINFO).await];
    for path in [HEALTH, READY, METRICS, USERINFO, "/nothing", TOKEN_V3, "/distribution/v2/profiles"] {
        answers.push(server.get(Actor::Anonymous, path).await);
    }
    answers.push(server.get(Actor::Owner, "/distribution/v2/profiles").await);
    for answer in &answers {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.text);
    }
    answers.push(server.get(Actor::Anonymous, JWKS).await);
    answers.push(server.get(Actor::Anonymous, "/openapi/auth.json").await);
    for answer in &answers {
        assert_eq!(answer.header("vary"), "Authorization, Origin", "{}", answer.text);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    server.end().await;
}

#[tokio::test]
async fn runs_of_slashes_are_one() {
    let server = TestServer::start().await;
    for path in ["//auth/v3/token", "/auth//v3///token", "///auth/v3/token?a=//b"] {
        issued(&server.form(path, &format!("pat={}", server.key("owner"))).await);
    }
    assert_eq!(server.get(Actor::Owner, "//distribution/v2//profiles?Page=1").await.json().as_array().unwrap().len(), 3);
    assert_eq!(server.get(Actor::Owner, &format!("/{USERINFO}")).await.status, 200);
    let document = with_origin(&server, Method::GET, &format!("/{JWKS}"), APP).await;
    assert_eq!((document.status.as_u16(), document.header("access-control-allow-origin").as_str()), (200, "*"), "as public as with one slash");
    fails(&server.get(Actor::Anonymous, "//nothing").await, 404, "not_found");
    server.end().await;
}

/// Reddens when an origin that is not configured is let in, or credentials are allowed.
#[tokio::test]
async fn pages_of_configured_origins_may_call_and_others_may_not() {
    let server = TestServer::start_with(|config| config.cors.origins = vec![APP.to_owned()]).await;
    for path in [USERINFO, "/distribution/v2/profiles", HEALTH, "/nothing"] {
        let answer = with_origin(&server, Method::GET, path, APP).await;
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{path}: errors can be read too");
        assert!(answer.header("access-control-expose-headers").contains("WWW-Authenticate"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        for other in ["https://evil.example.com", "null", "https://app.example.com.evil.example", "http://app.example.com", "https://APP.example.com"] {
            let answer = with_origin(&server, Method::GET, path, other).await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{other}");
        }
        assert_eq!(server.get(Actor::Anonymous, path).await.header("access-control-allow-origin"), "");
    }
    for path in [TOKEN_V3, USERINFO] {
        let answer = with_origin(&server, Method::OPTIONS, path, APP).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        assert!(answer.header("access-control-allow-methods").contains("PATCH"));
        assert!(answer.header("access-control-allow-headers").contains("Authorization"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let other = with_origin(&server, Method::OPTIONS, path, "https://evil.example.com").await;
        assert_eq!((other.status.as_u16(), other.header("access-control-allow-origin").as_str()), (405, ""));
        assert_eq!(other.header("access-control-allow-methods"), "");
    }
    server.end().await;
}

#[tokio::test]
async fn public_documents_are_for_every_page() {
    let server = TestServer::start().await;
    for path in [JWKS, "/.well-known/jwks.pem", "/.well-known/keywright-catalog", "/openapi/auth.json", "/openapi/distribution.json"] {
        let answer = with_origin(&server, Method::GET, path, "https://any.example").await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin").as_str()), (200, "*"), "{path}");
        assert_eq!(with_origin(&server, Method::OPTIONS, path, "https://any.example").await.status, 204);
    }
    for path in [TOKEN_V3, USERINFO, "/openapi/index.html"] {
        let answer = with_origin(&server, Method::GET, path, "https://any.example").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    server.end().await;
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405_with_what_is_allowed() {
    let server = TestServer::start().await;
    let first = server.get(Actor::Anonymous, "/").await;
    assert_eq!((first.status.as_u16(), first.header("location").as_str()), (303, "/console"), "people type the bare address");
    for path in ["/nothing", "/auth/v4/token", "/auth/v3/token/", "/distribution/v2/nothing", "/.well-known/nothing", "/auth%2Fv3/token"] {
        fails(&server.get(Actor::Owner, path).await, 404, "not_found");
    }
    let profile = "/distribution/v2/profiles/6f9619ff-8b86-4011-b42d-00c04fc964ff";
    let wrong = [
        (Method::GET, TOKEN_V3, "POST"),
        (Method::HEAD, TOKEN_V3, "POST"),
        (Method::OPTIONS, TOKEN_V3, "POST"),
        (Method::PUT, API_KEY_TOKEN, "POST"),
        (Method::POST, USERINFO, "GET,HEAD"),
        (Method::DELETE, JWKS, "GET,HEAD"),
        (Method::POST, "/openapi/index.html", "GET,HEAD"),
        (Method::DELETE, "/distribution/v2/profiles", "GET,HEAD,POST"),
        (Method::PUT, profile, "GET,HEAD,PATCH,DELETE"),
    ];
    for (method, path, allowed) in wrong {
        let answer = server.call(Actor::Anonymous, method.clone(), path, None).await;
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
        if method == Method::HEAD {
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (405, ""));
        } else {
            fails(&answer, 405, "method_not_allowed");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let server = TestServer::start().await;
    for (path, status) in [(JWKS, 200), (HEALTH, 200), ("/openapi/auth.json", 200), (USERINFO, 401), ("/nothing", 404)] {
        let answer = server.call(Actor::Anonymous, Method::HEAD, path, None).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{path}");
        assert!(answer.header("x-request-id").parse::<RequestId>().is_ok());
    }
    assert_eq!(server.call(Actor::Owner, Method::HEAD, USERINFO, None).await.status, 200);
    server.end().await;
}

/// Reddens when the limit counts other bytes than names and values.
#[tokio::test]
async fn the_limit_of_headers_is_exact_and_told() {
    let server = TestServer::start().await;
    let with_headers = |bytes: usize| {
        let filler = "x".repeat(bytes - "host".len() - "a".len() - "x-filler".len());
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Filler: {filler}\r\n\r\n")
    };
    assert_eq!(raw(&server, &with_headers(16 * 1024)).await.status, 200);
    let answer = raw(&server, &with_headers(16 * 1024 + 1)).await;
    assert_eq!(answer.status, 431);
    assert!(answer.head.contains("x-request-id: ") && answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["error"], "headers_too_large");
    assert!(body["message"].as_str().unwrap().contains("16384 bytes"), "{body}");
    let token = server.send(server.request(Method::GET, USERINFO).header("authorization", "x".repeat(17 * 1024))).await;
    fails(&token, 431, "headers_too_large");
    server.end().await;
}

#[tokio::test]
async fn errors_say_where_they_are_documented() {
    let server = TestServer::start().await;
    let guide = format!("{}/docs/errors#", server.base);
    for answer in [
        server.get(Actor::Anonymous, "/nothing").await,
        server.get(Actor::Anonymous, TOKEN_V3).await,
        server.form(TOKEN_V3, "").await,
        server.form(TOKEN_V3, "pat=x").await,
        server.form(TOKEN_V3, &format!("pat={}&subOrganization=x", server.key("owner"))).await,
        server.form(TOKEN_V3, &format!("pat={}&subOrganization={}", server.key("owner"), server.demo.globex.id)).await,
    ] {
        let body = answer.json();
        assert!(body["doc"].as_str().is_some_and(|doc| doc.starts_with(&guide)), "{body}");
        assert!(body.as_object().unwrap().values().all(Value::is_string), "clients print each member: {body}");
    }
    server.end().await;
}

/// Reddens when a panic ends the connection, or its text gets out.
#[tokio::test]
async fn a_handler_that_panics_is_answered_and_gives_nothing_away() {
    let outer = Outer {
        lease: None,
        brings_files: Vec::new(),
        router: Router::new().route("/", get(async || -> &'static str { panic!("the pepper is 1234") })),
        metrics: Arc::new(Metrics::default()),
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        documentation: Documentation::api_page("https://auth.example.com/openapi/index.html", "auth"),
    };
    let response = outer.answer(http::Request::get("/").body(Body::empty()).unwrap(), None).await;
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("x-request-id"));
    let body = String::from_utf8(to_bytes(response.into_body(), 1 << 16).await.unwrap().to_vec()).unwrap();
    assert!(body.contains(r#""doc":"https://auth.example.com/openapi/index.html?urls.primaryName=auth""#), "there is no guide: {body}");
    assert!(body.contains("server_error") && body.contains("X-Request-Id") && !body.contains("pepper"), "{body}");
}
