//! `/gateway/v1/check`: what gateways are answered.

use crate::support::{Raw, claims, key_id, raw, unknown_key};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keywright_protocol::{
    KeyKind,
    paths::{GATEWAY_CHECK, JWKS},
};
use keywright_server::gateway::{Gateway, GatewayRoute};
use keywright_testkit::{Actor, TestServer};
use serde_json::{Value, json};
use std::time::Duration;

/// As a gateway asks, with more headers.
async fn ask(server: &TestServer, method: &str, target: &str, more: &[(&str, &str)]) -> Raw {
    let mut request = format!(
        "GET {GATEWAY_CHECK} HTTP/1.1\r\nHost: keywright\r\nX-Forwarded-Method: {method}\r\nX-Forwarded-Host: api.example.com\r\nX-Forwarded-Uri: {target}\r\n"
    );
    for (name, value) in more {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    raw(server, &format!("{request}\r\n")).await
}

/// A header of an answer, whose names and values are in small letters.
fn header(answer: &Raw, name: &str) -> String {
    answer.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default().to_owned()
}

/// Asserts a decision, without a body, and answers its reason.
#[track_caller]
fn decided(answer: &Raw, status: u16) -> String {
    assert_eq!((answer.status, answer.body.as_str(), header(answer, "content-length").as_str()), (status, "", "0"), "{}", answer.head);
    assert_eq!(header(answer, "cache-control"), "no-store");
    assert_eq!(header(answer, "content-type"), "", "{}", answer.head);
    let told = [401, 403].contains(&status);
    assert_eq!(header(answer, "www-authenticate").starts_with("bearer"), told, "{}", answer.head);
    assert_eq!(header(answer, "x-keywright-message").len() > 20, status != 200, "{}", answer.head);
    header(answer, "x-keywright-reason")
}

/// The identity token, in the letters that it was sent in.
async fn identity(server: &TestServer, authorization: (&str, &str)) -> String {
    let request = server.request(reqwest::Method::POST, &format!("{GATEWAY_CHECK}/profiles")).header(authorization.0, authorization.1);
    let request = request.header("host", "api.example.com");
    let answer = server.send(request.try_clone().unwrap()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.headers);
    answer.header("x-identity-jwt")
}

async fn verifies(server: &TestServer, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!((&header["typ"], &header["alg"]), (&json!("identity+jwt"), &json!("ES256")));
    let keys = server.get(Actor::Anonymous, JWKS).await.json();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).expect("it is published").clone();
    assert_eq!(key["keywright_purpose"], "identity", "of a purpose of its own");
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], number("x"), number("y")].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok()
}

#[tokio::test]
async fn whoever_may_is_let_through_and_said_who_he_is() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Viewer).await;
    let bearer = format!("Bearer {token}");
    for authorization in [bearer.as_str(), token.as_str()] {
        let answer = ask(&server, "GET", "/profiles?a=//../", &[("Authorization", authorization)]).await;
        assert_eq!(decided(&answer, 200), "");
        let user = &server.demo.users["viewer"];
        for (name, value) in [
            ("x-keywright-subject", user.id.to_string()),
            ("x-keywright-email", user.email.clone()),
            ("x-keywright-organization", server.demo.acme.id.to_string()),
            ("x-keywright-key-id", key_id(&token).to_string()),
        ] {
            assert_eq!(header(&answer, name), value, "{name}");
        }
        assert!(header(&answer, "x-keywright-roles").contains("view-distribution-profile"));
    }
    server.end().await;
}

/// Each line reddens when its check is left out.
#[tokio::test]
async fn what_is_refused_and_why() {
    let server = TestServer::start().await;
    let (viewer, key, api_key) = (server.token(Actor::Viewer).await, server.key("owner"), server.api_key("acme-ci"));
    let bearer = format!("Bearer {viewer}");
    let good = [("Authorization", bearer.as_str())];
    let with = |more: &[(&'static str, &'static str)]| [&good[..], more].concat();
    let tampered = format!("{bearer}x");
    let (session, basic) = (server.session("owner").await, "Basic dXNlcjpwdw==");
    let cases: Vec<(&str, &str, Vec<(&str, &str)>, u16, &str)> = vec![
        ("GET", "/profiles", vec![], 401, "unauthorized"),
        ("GET", "/profiles", vec![("Authorization", "")], 401, "unauthorized"),
        ("GET", "/profiles", vec![("Authorization", &tampered)], 401, "invalid_token"),
        ("GET", "/profiles", vec![("Authorization", basic)], 401, "invalid_request"),
        ("GET", "/profiles", vec![("Authorization", key)], 401, "key_not_exchanged"),
        ("GET", "/profiles", vec![("X-API-Key", api_key)], 401, "key_not_exchanged"),
        ("GET", "/keys/profiles", vec![("Authorization", &session)], 401, "key_not_exchanged"),
        ("GET", "/keys/profiles", vec![("X-API-Key", &session)], 401, "invalid_request"),
        ("GET", "/keys/profiles", vec![("X-API-Key", &viewer)], 401, "invalid_request"),
        ("GET", "/profiles", with(&[("Authorization", "Bearer x")]), 401, "invalid_request"),
        ("GET", "/profiles", with(&[("X-API-Key", "x")]), 401, "invalid_request"),
        ("GET", "/keys/profiles", vec![("X-API-Key", api_key), ("X-API-Key", api_key)], 401, "invalid_request"),
        ("POST", "/profiles", with(&[]), 403, "insufficient_permission"),
        ("GET", "/nothing", with(&[]), 403, "no_route"),
        ("GET", "/", with(&[]), 403, "no_route"),
        ("DELETE", "/profiles", with(&[]), 403, "no_route"),
        ("get", "/profiles", with(&[]), 403, "no_route"),
        ("GE T", "/profiles", with(&[]), 403, "ambiguous_method"),
        ("GET", "/profiles/..", with(&[]), 403, "ambiguous_path"),
        ("GET", "//profiles", with(&[]), 403, "ambiguous_path"),
        ("GET", "http://api.example.com/profiles", with(&[]), 403, "ambiguous_path"),
        ("GET", "/profiles", with(&[("X-Forwarded-Uri", "/profiles")]), 403, "forwarded_headers"),
        ("GET", "/profiles", with(&[("X-Forwarded-Method", "GET")]), 403, "forwarded_headers"),
        ("GET", "/profiles", with(&[("X-Forwarded-Host", "api.example.com")]), 403, "forwarded_headers"),
        ("GET", "/profiles", with(&[("X_Forwarded_Uri", "/profiles")]), 403, "ambiguous_header"),
        ("GET", "/profiles", with(&[("X_Identity_JWT", "x")]), 403, "ambiguous_header"),
        ("GET", "/profiles", with(&[("X_API_Key", "x")]), 403, "ambiguous_header"),
        ("GET", "/profiles", with(&[("X-API.Key", "x")]), 403, "ambiguous_header"),
        ("GET", "/profiles", with(&[("X-Keywright_Subject", "x")]), 403, "ambiguous_header"),
        ("GET", "/profiles", with(&[("X-Original-URI", "/profiles")]), 403, "ambiguous_header"),
        ("GET", "/profiles", with(&[("X-Rewrite-URL", "/profiles")]), 403, "ambiguous_header"),
        ("GET", "/profiles", with(&[("X-HTTP-Method-Override", "POST")]), 403, "ambiguous_header"),
    ];
    for (method, target, headers, status, reason) in cases {
        let answer = ask(&server, method, target, &headers).await;
        assert_eq!(decided(&answer, status), reason, "{method} {target} {headers:?}");
    }
    // What names one header once more is no other header: what is not read may be there.
    assert_eq!(decided(&ask(&server, "GET", "/profiles", &with(&[("X_Trace_Id", "x"), ("X-Forwarded-Prefix", "/a")])).await, 200), "");
    server.end().await;
}

/// Envoy's form. Reddens when slashes are made one before the decision, or when another host is taken.
#[tokio::test]
async fn the_request_itself_is_asked_about_below_the_path() {
    let server = TestServer::start_with(|config| {
        config.gateway.routes.iter_mut().for_each(|route| route.host = Some("api.example.com".to_owned()));
        config.gateway.routes.push(GatewayRoute { path: "/".to_owned(), permission: "distribution.profile.view".to_owned(), ..GatewayRoute::default() });
        // The preflight of a page that may call this server is no preflight of the gateway's.
        config.cors.origins = vec!["https://app.example.com".to_owned()];
    })
    .await;
    let token = server.token(Actor::Viewer).await;
    for (start, status, reason) in [
        (format!("GET {GATEWAY_CHECK}/profiles?x=1 HTTP/1.1\r\nHost: api.example.com:8443"), 200, ""),
        (format!("HEAD {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: API.example.com"), 200, ""),
        (format!("GET {GATEWAY_CHECK}/ HTTP/1.1\r\nHost: other.example.com"), 200, ""),
        (format!("POST {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: api.example.com"), 403, "insufficient_permission"),
        (format!("GET {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: other.example.com"), 403, "no_route"),
        (format!("GET {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: other.example.com\r\nX-Forwarded-Host: api.example.com"), 403, "no_route"),
        (format!("GET {GATEWAY_CHECK}//profiles HTTP/1.1\r\nHost: api.example.com"), 403, "ambiguous_path"),
        (format!("GET {GATEWAY_CHECK}/profiles//x HTTP/1.1\r\nHost: api.example.com"), 403, "ambiguous_path"),
        (format!("GET {GATEWAY_CHECK}/profiles/%2e%2e HTTP/1.1\r\nHost: api.example.com"), 403, "ambiguous_path"),
        (format!("GET {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: api.example.com\r\nHost: api.example.com"), 403, "ambiguous_host"),
        (format!("GET http://other.example.com{GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: api.example.com"), 403, "ambiguous_host"),
        (format!("GET {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: api.example.com@evil"), 403, "ambiguous_host"),
        (
            format!(
                "OPTIONS {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: api.example.com\r\nOrigin: https://app.example.com\r\nAccess-Control-Request-Method: GET"
            ),
            403,
            "no_route",
        ),
    ] {
        let answer = raw(&server, &format!("{start}\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        assert_eq!(decided(&answer, status), reason, "{start}");
    }
    server.end().await;
}

/// Reddens when anybody may name a request, or is told who the holder of his token is signed for.
#[tokio::test]
async fn only_gateways_are_told_anything() {
    let server = TestServer::start_with(|config| config.gateway.peers = vec!["192.0.2.0/24".parse().unwrap()]).await;
    let bearer = format!("Bearer {}", server.token(Actor::Owner).await);
    let answer = ask(&server, "GET", "/profiles", &[("Authorization", &bearer), ("X-Forwarded-For", "192.0.2.1")]).await;
    assert_eq!(decided(&answer, 403), "unknown_peer");
    let itself = raw(&server, &format!("GET {GATEWAY_CHECK}/profiles HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\n\r\n")).await;
    assert_eq!((decided(&itself, 403).as_str(), header(&itself, "x-identity-jwt").as_str()), ("unknown_peer", ""));
    server.end().await;
}

/// What stands before the routes speaks to gateways as these do.
#[tokio::test]
async fn whatever_is_wrong_a_gateway_is_answered_without_a_body() {
    let server = TestServer::start_with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let long = "x".repeat(17 * 1024);
    let answer = ask(&server, "GET", "/profiles", &[("X-Filler", &long)]).await;
    assert_eq!(decided(&answer, 403), "headers_too_large");
    let answer = ask(&server, "GET", "/profiles", &[("X-Forwarded-For", "nobody")]).await;
    assert_eq!(decided(&answer, 403), "invalid_request");
    server.end().await;
}

/// Reddens when one outlives its access token, is not renewed, is kept for another holder, or is signed by another purpose's key.
#[tokio::test]
async fn identity_tokens_are_signed_for_the_upstream_and_kept_for_half_their_life() {
    let server = TestServer::start_with(|config| {
        config.gateway.routes.iter_mut().for_each(|route| route.upstream = Some("https://profiles.example.com".to_owned()));
    })
    .await;
    let (owner, manager) = (server.token(Actor::Owner).await, server.token(Actor::Manager).await);
    let of = async |token: &str| identity(&server, ("authorization", token)).await;
    let first = of(&owner).await;
    assert!(verifies(&server, &first).await);
    let said = claims(&first);
    let now = server.clock.now().as_seconds();
    assert_eq!((&said["iss"], &said["aud"]), (&json!(server.base), &json!("https://profiles.example.com")));
    assert_eq!((&said["exp"], &said["iat"], &said["nbf"]), (&json!(now + 60), &json!(now), &json!(now)));
    assert_eq!((&said["sub"], &said["email"]), (&json!(server.demo.users["owner"].id), &json!("owner@acme.example")));
    assert_eq!(
        (&said["currentOrganizationId"], &said["keyKind"], &said["roles"]),
        (&json!(server.demo.acme.id), &json!("personalAccessKey"), &json!(["owner"]))
    );
    // It opens nothing.
    for path in ["/distribution/v2/profiles", "/identity/v1/me"] {
        assert_eq!(server.by(&first, reqwest::Method::GET, path, None).await.status, 401, "{path}");
    }
    assert_eq!(decided(&ask(&server, "GET", "/profiles", &[("Authorization", &first)]).await, 401), "invalid_token");
    assert_ne!(claims(&of(&manager).await)["sub"], said["sub"]);
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(of(&owner).await, first, "half of it is left");
    server.clock.advance(Duration::from_secs(1));
    let second = of(&owner).await;
    assert_eq!(claims(&second)["exp"], now + 91);
    server.clock.advance(Duration::from_secs(3600 - 31 - 20));
    let last = of(&owner).await;
    assert_eq!(claims(&last)["exp"], now + 3600, "never beyond the access token");
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(of(&owner).await, last, "signing it anew would give it no more time");
    server.end().await;
}

/// Reddens when what is remembered is handed on without the access token being looked at.
#[tokio::test]
async fn a_token_that_was_taken_back_takes_its_identity_token_along() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Owner).await;
    identity(&server, ("authorization", &token)).await;
    server.core.revoke_key(&server.host(), key_id(&token)).await.unwrap();
    assert_eq!(decided(&ask(&server, "GET", "/profiles", &[("Authorization", &token)]).await, 401), "invalid_token");
    server.end().await;
}

/// Reddens when a key that was replaced goes on signing for what is remembered.
#[tokio::test]
async fn a_signing_key_that_leaked_signs_no_identity_any_more() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Owner).await;
    let before = identity(&server, ("authorization", &token)).await;
    let kid = server.core.keyring().identity().unwrap().jwk().kid.clone();
    server.core.revoke_signing_key(&server.host(), &kid).await.unwrap();
    let after = identity(&server, ("authorization", &token)).await;
    assert_ne!(before, after);
    assert!(verifies(&server, &after).await);
    server.end().await;
}

#[tokio::test]
async fn a_permission_that_the_catalog_lacks_lets_nobody_through() {
    let server = TestServer::start_with(|config| {
        config.gateway.routes.push(GatewayRoute { path: "/own".to_owned(), permission: "no.such".to_owned(), ..GatewayRoute::default() });
    })
    .await;
    let token = server.token(Actor::Owner).await;
    assert_eq!(decided(&ask(&server, "GET", "/own", &[("Authorization", &token)]).await, 403), "unknown_permission");
    server.end().await;
}

#[tokio::test]
async fn without_routes_everything_is_refused_and_decisions_are_counted() {
    let server = TestServer::start_with(|config| config.gateway = Gateway { peers: config.gateway.peers.clone(), ..Gateway::default() }).await;
    let token = server.token(Actor::Owner).await;
    assert_eq!(decided(&ask(&server, "GET", "/profiles", &[("Authorization", &token)]).await, 403), "no_route");
    let metrics = server.get(Actor::Anonymous, "/metrics").await.text;
    assert!(metrics.contains(r#"keywright_gateway_decisions_total{verdict="forbidden"} 1"#), "{metrics}");
    server.end().await;
}

/// Reddens when a key is decided about in another way than an exchange of it would be, or is handed on.
#[tokio::test]
async fn raw_keys_are_taken_where_a_route_says_so() {
    let server = TestServer::start().await;
    let (owner, viewer, ci) = (server.key("owner"), server.key("viewer"), server.api_key("acme-ci"));
    let bearer = format!("Bearer {viewer}");
    for (method, header, value, status, reason) in [
        ("GET", "Authorization", bearer.as_str(), 200, ""),
        ("GET", "Authorization", viewer, 200, ""),
        ("GET", "Authorization", ci, 200, ""),
        ("GET", "X-API-Key", ci, 200, ""),
        ("GET", "X-API-Key", viewer, 200, ""),
        ("POST", "X-API-Key", owner, 200, ""),
        ("POST", "X-API-Key", ci, 403, "insufficient_permission"),
        ("GET", "X-API-Key", &ci[..30], 401, "malformed_key"),
        ("GET", "X-API-Key", &unknown_key(KeyKind::ApiKey), 401, "invalid_key"),
        ("GET", "X-API-Key", &unknown_key(KeyKind::PersonalAccessKey), 401, "invalid_key"),
    ] {
        let answer = ask(&server, method, "/keys/profiles", &[(header, value)]).await;
        assert_eq!(decided(&answer, status), reason, "{method} {header}");
        assert!(!answer.head.contains(&value.to_lowercase()), "the key is not repeated");
        assert_eq!(header_is_there(&answer, "x-identity-jwt"), status == 200);
    }
    let token = raw_identity(&server, ("X-API-Key", ci)).await;
    let said = claims(&token);
    assert!(verifies(&server, &token).await);
    assert_eq!((&said["sub"], &said["keyKind"]), (&json!(server.demo.api_keys["acme-ci"].id), &json!("apiKey")));
    assert_eq!((&said["aud"], &said["currentOrganizationId"]), (&json!(server.base), &json!(server.demo.acme.id)));
    server.end().await;
}

/// Reddens when an identity token of a key is kept beyond the key.
#[tokio::test]
async fn a_key_that_was_revoked_takes_its_identity_token_along() {
    let server = TestServer::start().await;
    let (owner, key) = (server.key("owner"), key_id(&server.token(Actor::Owner).await));
    assert_eq!(decided(&ask(&server, "GET", "/keys/profiles", &[("X-API-Key", owner)]).await, 200), "");
    server.core.revoke_key(&server.host(), key).await.unwrap();
    assert_eq!(decided(&ask(&server, "GET", "/keys/profiles", &[("X-API-Key", owner)]).await, 401), "key_revoked");
    server.end().await;
}

/// Keys that are guessed at through a gateway cost whoever guesses, by the address that the gateway says, and the gateway nothing. Reddens when
/// the gateway's own address pays.
#[tokio::test]
async fn too_many_dead_keys_are_no_decision() {
    let server = TestServer::start_with(|config| (config.limits.refused_keys_per_minute, config.limits.refused_keys_burst) = (1, 2)).await;
    let dead = unknown_key(KeyKind::ApiKey);
    let from = async |address: &str, key: &str| ask(&server, "GET", "/keys/profiles", &[("X-API-Key", key), ("X-Forwarded-For", address)]).await;
    for _ in 0..2 {
        assert_eq!(decided(&from("192.0.2.1", &dead).await, 401), "invalid_key");
    }
    let answer = from("192.0.2.1", server.api_key("acme-ci")).await;
    assert_eq!(decided(&answer, 429), "rate_limited");
    assert_eq!(header(&answer, "x-keywright-status"), "429");
    assert!(header(&answer, "retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(decided(&from("192.0.2.2", server.api_key("acme-ci")).await, 200), "");
    let metrics = server.get(Actor::Anonymous, "/metrics").await.text;
    assert!(metrics.contains(r#"keywright_gateway_decisions_total{verdict="limited"} 1"#), "{metrics}");
    server.end().await;
}

fn header_is_there(answer: &Raw, name: &str) -> bool {
    !header(answer, name).is_empty()
}

async fn raw_identity(server: &TestServer, credential: (&str, &str)) -> String {
    let request = server.request(reqwest::Method::GET, &format!("{GATEWAY_CHECK}/keys/profiles")).header(credential.0, credential.1);
    server.send(request).await.header("x-identity-jwt")
}

/// Reddens when a key that came to a gateway is noted as another way in.
#[tokio::test]
async fn a_key_at_a_gateway_is_noted_as_one() {
    let server = TestServer::start().await;
    let id = key_id(&server.token(Actor::Owner).await);
    for _ in 0..2 {
        assert_eq!(decided(&ask(&server, "GET", "/keys/profiles", &[("X-API-Key", server.key("owner"))]).await, 200), "");
    }
    server.core.flush_access_log(server.clock.now()).await.unwrap();
    let usage = server.get(Actor::Owner, &format!("/identity/v1/organizations/current/personal-access-keys/{id}/usage")).await.json();
    let ways: Vec<&str> = usage["ways"].as_array().unwrap().iter().filter_map(|way| way["endpoint"].as_str()).collect();
    assert!(ways.contains(&GATEWAY_CHECK), "{usage}");
    server.end().await;
}
