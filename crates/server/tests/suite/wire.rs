//! Token requests byte for byte as the contract's clients send them, over a bare connection. Each must get status 200 exactly
//! and a JSON object, or the error that its client reads.

use crate::support::{GUID_SENTENCE, Raw, claims, raw};
use keywright_testkit::{Actor, TestServer};
use serde_json::Value;

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n{body}")
}

const AXIOS: &str = "Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nUser-Agent: axios/1.8.4\r\nAccept-Encoding: gzip, compress, deflate, br\r\n";
const REQUESTS: &str =
    "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n";
const RUBY: &str = "Content-Type: application/x-www-form-urlencoded\r\nAccept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: application/json\r\nUser-Agent: Ruby\r\n";
const APACHE: &str = "Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nUser-Agent: Apache-HttpClient/4.5.14 (Java/17.0.9)\r\n";

/// What every client needs: 200, one JSON object, a token in it.
#[track_caller]
fn token(answer: &Raw) -> String {
    assert!(answer.head.starts_with("http/1.1 200 ok\r\n"), "{answer:?}");
    assert!(answer.head.contains("content-type: application/json\r\n"), "{answer:?}");
    assert!(!answer.head.contains("content-encoding"), "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let token = body["access_token"].as_str().expect("a string");
    assert_eq!(token.split('.').count(), 3);
    token.to_owned()
}

/// What clients read of an error: a string in each of three members.
#[track_caller]
fn error(answer: &Raw, status: u16) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(["error", "error_description", "message"].iter().all(|name| body[name].is_string()), "{body}");
    assert!(body.get("stackTrace").is_none());
    body["error"].as_str().unwrap().to_owned()
}

/// The CLI and the Azure and GitHub integrations.
#[tokio::test]
async fn login_with_a_personal_access_key() {
    let server = TestServer::start().await;
    let key = server.key("owner");
    token(&raw(&server, &post("/auth/v1/token", AXIOS, &format!("pat={key}"))).await);
    token(&raw(&server, &post("//auth/v1/token", AXIOS, &format!("pat={key}"))).await);
    token(&raw(&server, &post("/auth/v3/token", AXIOS, &format!("personalAccessKey={key}"))).await);
    assert_eq!(error(&raw(&server, &post("/auth/v1/token", AXIOS, "pat=AbC%2Bd%2Fe%3D%3D")).await, 401), "malformed_key");
    server.end().await;
}

#[tokio::test]
async fn login_with_an_api_key() {
    let server = TestServer::start().await;
    let (secret, acme) = (server.api_key("acme-ci"), server.demo.acme.id);
    let path = "/auth/v1/api-key/token";
    let own = token(&raw(&server, &post(path, AXIOS, &format!("name=acme-ci&secret={secret}"))).await);
    assert_eq!(claims(&own)["currentOrganizationId"], acme.to_string(), "interactive login compares this one");
    token(&raw(&server, &post(path, AXIOS, &format!("name=acme-ci&secret={secret}&organizationId={acme}"))).await);
    let malformed = raw(&server, &post(path, AXIOS, &format!("name=acme-ci&secret={secret}&organizationId=42"))).await;
    assert!(error(&malformed, 400).contains(GUID_SENTENCE), "looked for as a part of `error`");
    error(&raw(&server, &post(path, AXIOS, "name=k1&secret=s3%2B%2F%3D")).await, 401);
    let foreign = format!("name=acme-ci&secret={secret}&organizationId={}", server.demo.globex.id);
    error(&raw(&server, &post(path, AXIOS, &foreign)).await, 403);
    server.end().await;
}

/// The Jenkins plugin does not escape: our keys have nothing to escape, and an old `tok+1/==` is refused, not misread.
#[tokio::test]
async fn an_unescaped_form() {
    let server = TestServer::start().await;
    let key = server.key("owner");
    assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "nothing that a form would change");
    token(&raw(&server, &post("/auth/v2/token", APACHE, &format!("pat={key}"))).await);
    assert_eq!(error(&raw(&server, &post("/auth/v2/token", APACHE, "pat=tok+1/==")).await, 401), "malformed_key");
    server.end().await;
}

/// The migration tool always sends the sub-organization, mostly empty, and reads `email` and `exp` of the token.
#[tokio::test]
async fn an_empty_sub_organization() {
    let server = TestServer::start().await;
    let key = server.key("owner");
    let claims = claims(&token(&raw(&server, &post("/auth/v2/token", AXIOS, &format!("pat={key}&subOrganizationId="))).await));
    assert_eq!(claims["email"], "owner@acme.example");
    assert!(claims["exp"].as_i64().unwrap() - server.clock.now().as_seconds() > 30 * 60, "or it would log in on each call");
    server.end().await;
}

/// The Python CLI marks requests without a body as JSON, and joins paths with two slashes.
#[tokio::test]
async fn a_get_with_a_content_type_and_no_body() {
    let server = TestServer::start().await;
    let access = token(&raw(&server, &post("/auth/v1/token", REQUESTS, &format!("pat={}", server.key("owner")))).await);
    for path in ["/distribution/v2/profiles", "//distribution/v2/profiles", "/auth/realms/appcircle/protocol/openid-connect/userinfo"] {
        let headers = "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n";
        let answer = raw(&server, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Authorization: Bearer {access}\r\n\r\n")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap();
    }
    server.end().await;
}

/// The fastlane plugin: kebab case on v1, or v2 with the sub-organization's id; then `json-patch` as what it accepts.
#[tokio::test]
async fn kebab_case_on_the_oldest_form() {
    let server = TestServer::start().await;
    let (key, mobile) = (server.key("owner"), server.demo.mobile.id.to_string());
    let access = token(&raw(&server, &post("/auth/v1/token", RUBY, &format!("personal-access-key={key}"))).await);
    let sub = token(&raw(&server, &post("/auth/v2/token", RUBY, &format!("pat={key}&subOrganizationId={mobile}"))).await);
    assert_eq!(claims(&sub)["currentOrganizationId"], mobile);
    let id = server.get(Actor::Owner, "/distribution/v2/profiles").await.json()[0]["id"].as_str().unwrap().to_owned();
    let body = r#"{"settings":{"authenticationType":3,"username":"qa","password":"correct horse"}}"#;
    let length = body.len();
    let head = "Accept: application/json-patch+json\r\nContent-Type: application/json\r\nUser-Agent: Ruby\r\nHost: 127.0.0.1\r\nConnection: close\r\n";
    let request = format!("PATCH /distribution/v2/profiles/{id} HTTP/1.1\r\n{head}Authorization: Bearer {access}\r\nContent-Length: {length}\r\n\r\n{body}");
    let answer = raw(&server, &request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let profile: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(profile["id"], id.as_str(), "the upload goes to the id that comes back");
    assert!(profile["settings"].is_object() && !answer.body.contains("correct horse"), "{profile}");
    server.end().await;
}

/// The documentation's curl: the token alone in the header.
#[tokio::test]
async fn a_token_without_a_scheme() {
    let server = TestServer::start().await;
    let curl = "User-Agent: curl/8.5.0\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let access =
        token(&raw(&server, &post("/auth/v3/token", curl, &format!("personalAccessKey={}&scope=openid%2Cprofile%2Cemail", server.key("viewer")))).await);
    let answer =
        raw(&server, &format!("GET /distribution/v2/profiles HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {access}\r\nConnection: close\r\n\r\n")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let profiles: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(profiles.as_array().map(Vec::len), Some(3), "a bare array");
    server.end().await;
}

/// Two requests on one connection, the first refused before its body was wanted: the second is answered as itself.
#[tokio::test]
async fn a_refused_request_leaves_the_connection_in_order() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = TestServer::start().await;
    let body = "personalAccessKey=x";
    let first = format!("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let second = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("{first}{second}").as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    let statuses: Vec<&str> = all.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.lines().next()).collect();
    assert_eq!(statuses, ["404 Not Found", "200 OK"], "{all}");
    server.end().await;
}
