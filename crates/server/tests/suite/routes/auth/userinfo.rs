//! `GET /auth/realms/{realm}/protocol/openid-connect/userinfo`, and what every protected route says of a token.

use crate::support::{claims, fails, issued, part, unknown_key};
use keywright_protocol::{
    KeyKind,
    paths::{API_KEY_TOKEN, TOKEN_V3},
};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const USERINFO: &str = "/auth/realms/appcircle/protocol/openid-connect/userinfo";
const PROFILES: &str = "/distribution/v2/profiles";

async fn with(server: &TestServer, path: &str, authorization: &str) -> Answer {
    server.send(server.request(Method::GET, path).header("authorization", authorization)).await
}

#[tokio::test]
async fn says_who_holds_the_token() {
    let server = TestServer::start().await;
    let answer = server.get(Actor::Owner, USERINFO).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "application/json"));
    let expected = json!({
        "sub": server.demo.users["owner"].id.to_string(),
        "email": "owner@acme.example",
        "name": "owner",
        "preferred_username": "owner@acme.example",
        "currentOrganizationId": server.demo.acme.id.to_string()
    });
    assert_eq!(answer.json(), expected);
    let other_realm = server.get(Actor::Owner, "/auth/realms/anything/protocol/openid-connect/userinfo").await;
    assert_eq!(other_realm.json(), expected);
    let api_key = server.get(Actor::ApiKey, USERINFO).await.json();
    assert_eq!((api_key["name"].as_str(), api_key["sub"].as_str()), (Some("acme-ci"), Some(server.demo.api_keys["acme-ci"].id.to_string().as_str())));
    server.end().await;
}

#[tokio::test]
async fn the_current_organization_is_the_tokens_not_the_keys() {
    let server = TestServer::start().await;
    let mobile = server.demo.mobile.id.to_string();
    let form = format!("personalAccessKey={}&subOrganization={mobile}", server.key("owner"));
    let personal = issued(&server.form(TOKEN_V3, &form).await);
    let form = format!("name=acme-ci&secret={}&organizationId={mobile}", server.api_key("acme-ci"));
    let api = issued(&server.form(API_KEY_TOKEN, &form).await);
    for token in [personal, api] {
        assert_eq!(with(&server, USERINFO, &token).await.json()["currentOrganizationId"], mobile);
    }
    server.end().await;
}

#[tokio::test]
async fn tokens_are_taken_raw_and_with_the_scheme_in_any_case() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Viewer).await;
    for form in ["", "Bearer ", "bearer ", "BEARER ", "bEaReR   ", "  Bearer ", "\t"] {
        for path in [USERINFO, PROFILES] {
            assert_eq!(with(&server, path, &format!("{form}{token} ")).await.status, 200, "{form:?} on {path}");
        }
    }
    server.end().await;
}

/// Signs any payload as the server does, so that one thing alone is wrong with it.
fn signed(server: &TestServer, claims: &Value) -> String {
    server.core.keyring().token().sign_token(claims.to_string().as_bytes()).unwrap()
}

/// A good token's claims with one member set anew.
fn with_claim(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

/// Each line reddens when the verifier leaves out the check it names.
#[tokio::test]
async fn forged_and_foreign_tokens_are_refused_on_every_protected_route() {
    let server = TestServer::start().await;
    let good = server.token(Actor::Owner).await;
    let claims = claims(&good);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let now = server.clock.now().as_seconds();
    let none = part(&json!({ "alg": "none", "kid": "1", "typ": "at+jwt" }));
    let document = server.core.keyring().document().sign_document("at+jwt", claims.to_string().as_bytes()).unwrap();
    let other_typ = server.core.keyring().document().sign_document("jwt", claims.to_string().as_bytes()).unwrap();
    let tokens = [
        ("garbage", "garbage".to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("alg none", format!("{none}.{payload}.")),
        ("alg none, old signature", format!("{none}.{payload}.{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        ("other payload", format!("{header}.{}.{signature}", part(&with_claim(&claims, "roles", json!(["owner", "x"]))))),
        ("key of another purpose", document),
        ("other type", other_typ),
        ("wrong audience", signed(&server, &with_claim(&claims, "aud", json!("https://api.example.com")))),
        ("wrong issuer", signed(&server, &with_claim(&claims, "iss", json!("https://auth.example.com")))),
        ("expired this second", signed(&server, &with_claim(&claims, "exp", json!(now)))),
        ("not yet valid", signed(&server, &with_claim(&claims, "nbf", json!(now + 31)))),
        ("audience missing", signed(&server, &with_claim(&claims, "aud", Value::Null))),
    ];
    for (name, token) in tokens {
        for path in [USERINFO, PROFILES] {
            let answer = with(&server, path, &format!("Bearer {token}")).await;
            fails(&answer, 401, "invalid_token");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.contains(r#"error="invalid_token""#), "{name}: {challenge}");
        }
    }
    let control = signed(&server, &claims);
    assert_eq!(with(&server, USERINFO, &control).await.status, 200, "signed here with nothing changed, it is accepted");
    server.end().await;
}

/// Reddens when the server gives itself any leeway for `exp`.
#[tokio::test]
async fn a_token_is_good_to_its_last_second_and_no_longer() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Owner).await;
    server.clock.advance(Duration::from_secs(3599));
    for path in [USERINFO, PROFILES] {
        assert_eq!(with(&server, path, &token).await.status, 200);
    }
    server.clock.advance(Duration::from_secs(1));
    for path in [USERINFO, PROFILES] {
        let sentence = fails(&with(&server, path, &token).await, 401, "invalid_token");
        assert!(sentence.contains("has expired"), "{sentence}");
    }
    server.end().await;
}

#[tokio::test]
async fn without_a_token_the_way_to_one_is_named() {
    let server = TestServer::start().await;
    for path in [USERINFO, PROFILES] {
        for answer in [server.get(Actor::Anonymous, path).await, with(&server, path, "").await, with(&server, path, "Bearer ").await] {
            let sentence = fails(&answer, 401, "unauthorized");
            assert!(sentence.contains(&format!("{}{TOKEN_V3}", server.base)), "{sentence}");
        }
    }
    server.end().await;
}

/// Reddens when a key opens an API by itself.
#[tokio::test]
async fn a_raw_key_is_told_where_to_be_exchanged() {
    let server = TestServer::start().await;
    for (key, place) in [
        (server.key("owner").to_owned(), TOKEN_V3),
        (server.api_key("acme-ci").to_owned(), API_KEY_TOKEN),
        (unknown_key(KeyKind::PersonalAccessKey), TOKEN_V3),
        ("kw_pak_cutoff".to_owned(), TOKEN_V3),
    ] {
        for form in [key.clone(), format!("Bearer {key}")] {
            for path in [USERINFO, PROFILES] {
                let answer = with(&server, path, &form).await;
                let sentence = fails(&answer, 401, "key_not_exchanged");
                assert!(sentence.contains("exchange it first") && sentence.contains(place), "{sentence}");
                assert!(answer.header("www-authenticate").contains(r#"error="invalid_token""#));
                assert!(!answer.text.contains(&key) && !answer.header("www-authenticate").contains(&key), "the key is not repeated");
            }
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_header_that_is_none_is_an_invalid_request() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Owner).await;
    for value in [format!("Basic {token}"), format!("Bearer {token}, Bearer {token}"), format!("{token} {token}")] {
        let answer = with(&server, USERINFO, &value).await;
        fails(&answer, 401, "invalid_request");
        assert!(answer.header("www-authenticate").contains(r#"error="invalid_request""#));
    }
    let twice = server.request(Method::GET, USERINFO).header("authorization", &token).header("authorization", &token);
    fails(&server.send(twice).await, 401, "invalid_request");
    server.end().await;
}
