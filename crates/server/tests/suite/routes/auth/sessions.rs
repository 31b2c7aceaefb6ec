//! Sign-in, sessions and passwords, as a person uses them.

use crate::support::{claims, fails, issued};
use keywright_protocol::{KeyKind, secret};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const SESSIONS: &str = "/auth/v1/sessions";
const CURRENT: &str = "/auth/v1/sessions/current";
const CONFIRM: &str = "/auth/v1/sessions/current/confirm";
const TOKEN: &str = "/auth/v1/sessions/current/token";
const PASSWORD: &str = "/auth/v1/password";
const RESETS: &str = "/auth/v1/password-resets";
const RESET: &str = "/auth/v1/password-resets/confirm";
const NEW: &str = "another password of mine";

async fn post(server: &TestServer, path: &str, body: &Value) -> Answer {
    server.send(server.request(Method::POST, path).json(body)).await
}

/// Everything of an answer but what differs from request to request.
fn essence(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    (answer.status.as_u16(), headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(), answer.text.clone())
}

#[tokio::test]
async fn a_person_signs_in_works_and_signs_out() {
    let server = TestServer::start().await;
    let owner = &server.demo.users["owner"];
    let answer = post(&server, SESSIONS, &json!({ "email": owner.email, "password": owner.password.as_str() })).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "application/json"));
    assert_eq!((answer.header("cache-control").as_str(), answer.header("keywright-revision").is_empty()), ("no-store", false));
    assert_eq!(answer.json()["expiresIn"], 30 * 24 * 60 * 60);
    assert_eq!(answer.json().as_object().unwrap().len(), 2);
    let session = answer.member("sessionToken");
    assert_eq!(secret::inspect(&session).unwrap().kind, KeyKind::Session);

    let current = server.by(&session, Method::GET, CURRENT, None).await.json();
    assert_eq!((current["email"].as_str(), current["organizationId"].as_str()), (Some("owner@acme.example"), Some(server.demo.acme.id.to_string().as_str())));
    assert_eq!((current["current"].as_bool(), current["address"].as_str()), (Some(true), Some("127.0.0.1")));
    assert_eq!(server.by(&session, Method::GET, "/identity/v1/me", None).await.json()["kind"], "person");

    let moved = server.by(&session, Method::PATCH, CURRENT, Some(&json!({ "organizationId": server.demo.mobile.id }))).await;
    assert_eq!(moved.json()["organizationId"], json!(server.demo.mobile.id));
    let here = server.by(&session, Method::GET, "/identity/v1/organizations/current", None).await.json();
    assert_eq!(here["name"], "Acme Mobile", "the identity API follows");

    let token = issued(&server.by(&session, Method::POST, TOKEN, None).await);
    assert_eq!((claims(&token)["keyKind"].as_str(), claims(&token)["currentOrganizationId"].as_str()), (Some("session"), here["id"].as_str()));
    assert_eq!(server.by(&token, Method::GET, "/distribution/v2/profiles", None).await.json().as_array().unwrap().len(), 1, "it opens APIs");
    assert_eq!(server.by(&token, Method::GET, "/identity/v1/me", None).await.json()["kind"], "person");
    let explained = server.by(&token, Method::GET, "/identity/v1/me/explain?permission=organization.member.view", None).await.json();
    assert_eq!(explained["allowed"], true, "{explained}");
    server.clock.advance(Duration::from_secs(300));
    fails(&server.by(&token, Method::GET, "/distribution/v2/profiles", None).await, 401, "invalid_token");

    let second = server.session("owner").await;
    let list = server.by(&second, Method::GET, SESSIONS, None).await.json();
    assert_eq!(list.as_array().unwrap().iter().map(|one| one["current"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
    let first_id = list[0]["id"].as_str().unwrap().to_owned();
    assert!(!list.to_string().contains("kw_ses_"), "no secret, no digest: {list}");
    assert_eq!(server.by(&second, Method::DELETE, &format!("{SESSIONS}/{first_id}"), None).await.status, 200);
    fails(&server.by(&session, Method::GET, CURRENT, None).await, 401, "session_ended");
    assert_eq!(server.by(&second, Method::DELETE, CURRENT, None).await.status, 200);
    fails(&server.by(&second, Method::GET, CURRENT, None).await, 401, "session_ended");
    server.end().await;
}

/// What a session may do on the identity API is what its user may; reddens when it may more or less than a token of his key.
#[tokio::test]
async fn a_session_opens_the_identity_api_as_its_user_alone() {
    let server = TestServer::start().await;
    let acme = server.demo.acme.id;
    let paths = [format!("/identity/v1/organizations/{acme}"), format!("/identity/v1/organizations/{acme}/users"), "/identity/v1/organizations".to_owned()];
    for (part, actor) in [("owner", Actor::Owner), ("viewer", Actor::Viewer), ("submember", Actor::Submember), ("globexowner", Actor::OtherOwner)] {
        let session = server.session(part).await;
        for path in &paths {
            let (by_session, by_key) = (server.by(&session, Method::GET, path, None).await, server.get(actor, path).await);
            assert_eq!((by_session.status, &by_session.text), (by_key.status, &by_key.text), "{part} {path}");
        }
    }
    let session = server.session("owner").await;
    // Elsewhere it is a raw key like any other.
    for path in ["/distribution/v2/profiles", "/auth/realms/appcircle/protocol/openid-connect/userinfo"] {
        let sentence = fails(&server.by(&session, Method::GET, path, None).await, 401, "key_not_exchanged");
        assert!(sentence.contains("/auth/v1/sessions/current/token"), "{sentence}");
    }
    let sentence = fails(&server.form("/auth/v3/token", &format!("personalAccessKey={session}")).await, 401, "malformed_key");
    assert!(sentence.contains("session"), "{sentence}");
    for raw in [server.key("owner"), server.api_key("acme-ci")] {
        for (path, how) in [(CURRENT, "POST /auth/v1/sessions"), ("/identity/v1/organizations", "exchange")] {
            let sentence = fails(&server.by(raw, Method::GET, path, None).await, 401, "key_not_exchanged");
            assert!(sentence.contains(how), "{sentence}");
        }
    }
    fails(&server.by(session.get(..50).unwrap(), Method::GET, CURRENT, None).await, 401, "malformed_key");
    fails(&server.by(&secret::compose("kw", KeyKind::Session, &[7; 32]), Method::GET, CURRENT, None).await, 401, "invalid_session");
    fails(&server.get(Actor::Anonymous, CURRENT).await, 401, "unauthorized");
    let sentence = fails(&server.get(Actor::Owner, CURRENT).await, 403, "insufficient_permission");
    assert!(sentence.contains(SESSIONS), "{sentence}");
    let two = server.request(Method::GET, CURRENT).header("authorization", &session).header("authorization", &session);
    fails(&server.send(two).await, 401, "invalid_request");
    server.end().await;
}

/// Reddens when unknown addresses, wrong passwords and disabled accounts differ in one byte.
#[tokio::test]
async fn whoever_is_refused_is_answered_the_same_bytes() {
    let server = TestServer::start().await;
    let (owner, viewer) = (&server.demo.users["owner"], &server.demo.users["viewer"]);
    server.core.disable_user(&server.host(), viewer.id).await.unwrap();
    let unknown = post(&server, SESSIONS, &json!({ "email": "nobody@acme.example", "password": "some password or other" })).await;
    fails(&unknown, 401, "invalid_credentials");
    for (email, password) in [(owner.email.as_str(), "some password or other"), (&viewer.email, viewer.password.as_str()), (&viewer.email, "x")] {
        assert_eq!(essence(&post(&server, SESSIONS, &json!({ "email": email, "password": password })).await), essence(&unknown), "{email}");
    }
    let asked = post(&server, RESETS, &json!({ "email": "nobody@acme.example" })).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    for email in [&owner.email, &viewer.email, &owner.email] {
        assert_eq!(essence(&post(&server, RESETS, &json!({ "email": email })).await), essence(&asked), "{email}");
    }
    server.end().await;
}

/// Reddens when a member that is not known passes, or when a refusal quotes what was sent.
#[tokio::test]
async fn bodies_are_strict_and_refusals_quote_nothing() {
    let server = TestServer::start().await;
    let session = server.session("owner").await;
    let canary = "canary-7f3a";
    for (path, body, named) in [
        (SESSIONS, json!({ "email": "a@b", "password": canary, "userId": canary }), "userId"),
        (SESSIONS, json!({ "email": "a@b", "password": [canary] }), "password"),
        (SESSIONS, json!({ "password": canary }), "email"),
        (SESSIONS, json!(canary), "password"),
        (CONFIRM, json!({ "password": canary, "fresh": true }), "fresh"),
        (PASSWORD, json!({ "currentPassword": canary, "newPassword": canary }), "newPassword"),
        (PASSWORD, json!({ "currentPassword": canary, "newPassword": canary, "userId": canary }), "userId"),
        (RESETS, json!({ "email": "a@b", "to": canary }), "to"),
        (RESETS, json!({ "email": "nothing like an address" }), "email"),
        (RESET, json!({ "token": canary, "newPassword": NEW }), "token"),
        (RESET, json!({ "token": canary, "newPassword": NEW, "email": canary }), "email"),
    ] {
        let answer = server.by(&session, Method::POST, path, Some(&body)).await;
        let sentence = fails(&answer, 400, "invalid_request");
        assert!(sentence.contains(named) && !answer.text.contains(canary), "{path}: {sentence}");
    }
    let not_a_guid = server.by(&session, Method::PATCH, CURRENT, Some(&json!({ "organizationId": "acme" }))).await;
    fails(&not_a_guid, 400, crate::support::GUID_SENTENCE);
    let owner = &server.demo.users["owner"];
    let body = |organization: &str| json!({ "email": owner.email, "password": owner.password.as_str(), "organizationId": organization });
    fails(&post(&server, SESSIONS, &body("acme")).await, 400, crate::support::GUID_SENTENCE);
    assert_eq!(post(&server, SESSIONS, &body("")).await.status, 200, "empty is absent");
    fails(&post(&server, SESSIONS, &body(&server.demo.globex.id.to_string())).await, 404, "not_found");
    fails(&post(&server, SESSIONS, &json!({ "email": "x".repeat(17 * 1024), "password": "" })).await, 413, "request_too_large");
    for id in ["nonsense", "6f9619ff-8b86-4011-b42d-00c04fc964ff", "%ff"] {
        fails(&server.by(&session, Method::DELETE, &format!("{SESSIONS}/{id}"), None).await, 404, "not_found");
    }
    server.end().await;
}

#[tokio::test]
async fn what_needs_a_fresh_session_is_told_how() {
    let server = TestServer::start().await;
    let (session, owner) = (server.session("owner").await, &server.demo.users["owner"]);
    let path = format!("/identity/v1/organizations/{}/users/{}/roles", server.demo.acme.id, server.demo.users["viewer"].id);
    let body = json!({ "roles": ["owner"] });
    server.clock.advance(Duration::from_secs(300));
    let sentence = fails(&server.by(&session, Method::PUT, &path, Some(&body)).await, 403, "session_not_fresh");
    assert!(sentence.contains("confirm your password"), "{sentence}");
    fails(&server.by(&session, Method::POST, CONFIRM, Some(&json!({ "password": "not mine at all" }))).await, 400, "invalid_request");
    let confirmed = server.by(&session, Method::POST, CONFIRM, Some(&json!({ "password": owner.password.as_str() }))).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    fails(&server.by(&session, Method::GET, CURRENT, None).await, 401, "invalid_session");
    let token = issued(&server.by(&confirmed.member("sessionToken"), Method::POST, TOKEN, None).await);
    fails(&server.by(&token, Method::PUT, &path, Some(&body)).await, 403, "insufficient_permission");
    assert_eq!(server.by(&confirmed.member("sessionToken"), Method::PUT, &path, Some(&body)).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn a_forgotten_password_is_chosen_anew_by_a_link() {
    let server = TestServer::start().await;
    let viewer = &server.demo.users["viewer"];
    let session = server.session("viewer").await;
    let ctx = keywright_core::Context { actor: keywright_core::Actor::Anonymous, ..server.host() };
    server.core.request_reset(&ctx, &viewer.email).unwrap().await.unwrap();
    let mail = server.core.list_outbox(&server.host()).await.unwrap().pop().unwrap();
    assert_eq!(mail.recipient, "viewer@acme.example");
    let body = json!({ "token": mail.content.token(), "newPassword": NEW });
    assert_eq!(post(&server, RESET, &body).await.status, 200);
    let sentence = fails(&post(&server, RESET, &body).await, 400, "invalid_request");
    assert!(sentence.contains(RESETS), "{sentence}");
    fails(&server.by(&session, Method::GET, CURRENT, None).await, 401, "session_ended");
    fails(&post(&server, SESSIONS, &json!({ "email": viewer.email, "password": viewer.password.as_str() })).await, 401, "invalid_credentials");
    server.sign_in(&viewer.email, NEW).await;
    server.end().await;
}

#[tokio::test]
async fn a_one_time_password_is_told_what_to_do() {
    use keywright_protocol::admin::{AdminReply, AdminRequest};
    let server = TestServer::start().await;
    let bootstrap = AdminRequest::Bootstrap { owner_email: "first@example.com".to_owned() };
    let AdminReply::Bootstrapped { one_time_password, .. } = server.core.administer(&server.host(), bootstrap).await else { panic!("not bootstrapped") };
    let mut body = json!({ "email": "first@example.com", "password": one_time_password });
    let sentence = fails(&post(&server, SESSIONS, &body).await, 403, "password_must_change");
    assert!(sentence.contains("newPassword"), "{sentence}");
    body["newPassword"] = json!(NEW);
    assert_eq!(post(&server, SESSIONS, &body).await.status, 200);
    server.sign_in("first@example.com", NEW).await;
    server.end().await;
}

/// Reddens when sign-ins queue up without a limit, or take an exchange's turn.
#[tokio::test]
async fn sign_ins_beyond_the_queue_are_told_to_come_again_and_exchanges_go_on() {
    let server = TestServer::start().await;
    let body = json!({ "email": "nobody@acme.example", "password": "some password or other" });
    let answers = futures_util::future::join_all((0..200).map(|_| post(&server, SESSIONS, &body)));
    let exchanges = async {
        for _ in 0..20 {
            issued(&server.form("/auth/v3/token", &format!("pat={}", server.key("owner"))).await);
        }
    };
    let (answers, ()) = futures_util::future::join(answers, exchanges).await;
    let (busy, refused): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 429);
    assert!(!busy.is_empty() && refused.len() >= 66, "{} and {}", busy.len(), refused.len());
    for answer in busy {
        fails(answer, 429, "too_many_requests");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    }
    refused.into_iter().for_each(|answer| drop(fails(answer, 401, "invalid_credentials")));
    server.end().await;
}
