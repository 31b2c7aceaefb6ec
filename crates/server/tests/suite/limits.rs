//! Limits against guessing and floods. Requests come through a trusted proxy, which says from where; the clock stands until it is
//! moved.

use crate::support::{fails, issued, unknown_key};
use keywright_core::{Actor, Context, Credential, Error, limits::Policy};
use keywright_protocol::{
    KeyKind,
    paths::{API_KEY_TOKEN, TOKEN_V3},
};
use keywright_server::config::Limits;
use keywright_testkit::{Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const SESSIONS: &str = "/auth/v1/sessions";
const CURRENT: &str = "/auth/v1/sessions/current";
const CONFIRM: &str = "/auth/v1/sessions/current/confirm";
const PASSWORD: &str = "/auth/v1/password";
const RESETS: &str = "/auth/v1/password-resets";
const RESET: &str = "/auth/v1/password-resets/confirm";
const LOOKUP: &str = "/identity/v1/invitations/lookup";
const ACCEPT: &str = "/identity/v1/invitations/accept";
/// Two addresses of nobody in particular.
const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.7";

/// A server behind a proxy, with these limits.
async fn server(limits: Limits) -> TestServer {
    TestServer::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits = limits;
    })
    .await
}

/// An exchange of a Personal Access Key from an address.
async fn exchange(server: &TestServer, from: &str, key: &str) -> Answer {
    form(server, from, TOKEN_V3, &format!("personalAccessKey={key}")).await
}

async fn form(server: &TestServer, from: &str, path: &str, body: &str) -> Answer {
    let request = server.request(Method::POST, path).header("x-forwarded-for", from).header("content-type", "application/x-www-form-urlencoded");
    server.send(request.body(body.to_owned())).await
}

async fn post(server: &TestServer, from: &str, path: &str, body: &Value) -> Answer {
    server.send(server.request(Method::POST, path).header("x-forwarded-for", from).json(body)).await
}

/// The same by the holder of a session.
async fn post_by(server: &TestServer, session: &str, path: &str, body: &Value) -> Answer {
    server.send(server.request(Method::POST, path).bearer_auth(session).header("x-forwarded-for", HERE).json(body)).await
}

async fn sign_in(server: &TestServer, from: &str, email: &str, password: &str) -> Answer {
    post(server, from, SESSIONS, &json!({ "email": email, "password": password })).await
}

/// A 429 of this limit, and in how many seconds to come again.
#[track_caller]
fn limited(answer: &Answer, policy: &str, quota: u32, window: u64) -> u64 {
    let sentence = fails(answer, 429, "rate_limited");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!(wait > 0 && sentence.contains("try again in"), "{sentence}");
    assert!(policy != "refused-keys" || sentence.contains("good keys from it wait too"), "whose limit it is: {sentence}");
    assert_eq!(answer.header("ratelimit"), format!("\"{policy}\";r=0;t={wait}"));
    assert_eq!(answer.header("ratelimit-policy"), format!("\"{policy}\";q={quota};w={window}"));
    wait
}

/// Everything of an answer but what differs from request to request.
fn essence(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    (answer.status.as_u16(), headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(), answer.text.clone())
}

/// Reddens when one of these refusals costs nothing, when something else costs the address, when a wrong key costs a key or an
/// organization, or when an address without tokens learns whether a key is good.
#[tokio::test]
async fn wrong_keys_exhaust_their_address_and_nothing_else() {
    let server = server(Limits { refused_keys_burst: 5, ..Limits::default() }).await;
    let (owner, secret, globex) = (server.key("owner"), server.api_key("acme-ci"), server.demo.globex.id);
    let unknown = unknown_key(KeyKind::PersonalAccessKey);
    let viewer = server.demo.users["viewer"].id;
    let disabled = keywright_protocol::admin::AdminRequest::DisableUser { user: viewer };
    server.core.administer(&server.host(), disabled).await;
    for _ in 0..10 {
        issued(&exchange(&server, HERE, owner).await);
        fails(&form(&server, HERE, TOKEN_V3, "").await, 400, "invalid_request");
        fails(&form(&server, HERE, TOKEN_V3, &format!("pat={owner}&subOrganization={globex}")).await, 403, "organization_out_of_reach");
    }
    let refused = [
        (form(&server, HERE, API_KEY_TOKEN, &format!("name=other&secret={secret}")).await, "key_name_mismatch"),
        (form(&server, HERE, API_KEY_TOKEN, &format!("name=acme-ci&secret={owner}")).await, "malformed_key"),
        (exchange(&server, HERE, server.key("viewer")).await, "holder_disabled"),
        (exchange(&server, HERE, "kw_pak_cut").await, "malformed_key"),
        (exchange(&server, HERE, &unknown).await, "invalid_key"),
    ];
    for (left, (answer, code)) in (0..5).rev().zip(&refused) {
        fails(answer, 401, code);
        let wait = if left == 0 { ";t=1" } else { "" };
        assert_eq!(answer.header("ratelimit"), format!("\"refused-keys\";r={left}{wait}"));
        assert_eq!(answer.header("ratelimit-policy"), "\"refused-keys\";q=5;w=5");
    }
    let exhausted = exchange(&server, HERE, &unknown).await;
    assert_eq!(limited(&exhausted, "refused-keys", 5, 5), 1);
    for other in [exchange(&server, HERE, owner).await, exchange(&server, HERE, "x").await, exchange(&server, HERE, server.key("viewer")).await] {
        assert_eq!(essence(&other), essence(&exhausted), "whether a key is good is not said");
    }
    issued(&exchange(&server, THERE, owner).await);
    issued(&exchange(&server, THERE, server.key("manager")).await);
    server.clock.advance(Duration::from_secs(1));
    issued(&exchange(&server, HERE, owner).await);
    fails(&exchange(&server, HERE, &unknown).await, 401, "invalid_key");
    limited(&exchange(&server, HERE, owner).await, "refused-keys", 5, 5);
    server.end().await;
}

/// Reddens when `X-Forwarded-For` of anybody is believed, or that of a trusted proxy is not.
#[tokio::test]
async fn only_a_trusted_proxy_says_whose_tokens_are_taken() {
    for (proxies, status) in [(vec![], 429), (vec!["127.0.0.0/8".parse().unwrap()], 401)] {
        let server = TestServer::start_with(|config| {
            config.trusted_proxies = proxies;
            config.limits = Limits { refused_keys_burst: 3, ..Limits::default() };
        })
        .await;
        for from in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
            assert_eq!(exchange(&server, from, "x").await.status, 401);
        }
        assert_eq!(exchange(&server, "203.0.113.4", "x").await.status, status);
        server.end().await;
    }
}

/// Reddens when each address of a /64 has tokens of its own, or more than a /64 shares them.
#[tokio::test]
async fn an_ipv6_64_is_one_address_and_two_are_two() {
    let server = server(Limits { refused_keys_burst: 2, ..Limits::default() }).await;
    for from in ["2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"] {
        fails(&exchange(&server, from, "x").await, 401, "malformed_key");
    }
    limited(&exchange(&server, "2001:db8:0:1:abcd::9", "x").await, "refused-keys", 2, 2);
    for from in ["2001:db8:0:2::1", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "192.0.2.2"] {
        fails(&exchange(&server, from, "x").await, 401, "malformed_key");
    }
    limited(&exchange(&server, "192.0.2.1", "x").await, "refused-keys", 2, 2);
    server.end().await;
}

/// Reddens when an exchange costs somebody else's key, when it costs its key nothing (from memory; from the database, where one that
/// reaches nothing always goes), or when the address is asked instead.
#[tokio::test]
async fn a_key_that_runs_wild_slows_no_other_key() {
    let server = server(Limits { key_per_second: 2, key_burst: 4, ..Limits::default() }).await;
    let (owner, nowhere) = (server.key("owner"), format!("personalAccessKey={}&subOrganization={}", server.key("owner"), server.demo.globex.id));
    for _ in 0..2 {
        issued(&exchange(&server, HERE, owner).await);
        fails(&form(&server, HERE, TOKEN_V3, &nowhere).await, 403, "organization_out_of_reach");
    }
    for from in [HERE, THERE] {
        assert_eq!(limited(&exchange(&server, from, owner).await, "key", 4, 2), 1);
        limited(&form(&server, from, TOKEN_V3, &nowhere).await, "key", 4, 2);
    }
    issued(&exchange(&server, HERE, server.key("manager")).await);
    server.clock.advance(Duration::from_millis(500));
    issued(&exchange(&server, HERE, owner).await);
    limited(&exchange(&server, HERE, owner).await, "key", 4, 2);
    server.clock.advance(Duration::from_secs(60));
    for _ in 0..4 {
        issued(&exchange(&server, HERE, owner).await);
    }
    limited(&exchange(&server, HERE, owner).await, "key", 4, 2);
    fails(&exchange(&server, HERE, "x").await, 401, "malformed_key");
    server.end().await;
}

/// Reddens when the keys of an organization have no limit together, or share it with another organization.
#[tokio::test]
async fn an_organization_that_runs_wild_slows_no_other_organization() {
    let server = server(Limits { organization_per_second: 1, organization_burst: 3, ..Limits::default() }).await;
    for key in ["owner", "manager", "viewer"] {
        issued(&exchange(&server, HERE, server.key(key)).await);
    }
    for key in ["owner", "viewer"] {
        assert_eq!(limited(&exchange(&server, THERE, server.key(key)).await, "organization", 3, 3), 1);
    }
    issued(&exchange(&server, HERE, server.key("globexowner")).await);
    server.clock.advance(Duration::from_secs(1));
    issued(&exchange(&server, HERE, server.key("viewer")).await);
    server.end().await;
}

/// Reddens when one of these routes costs its address nothing, or costs another one something.
#[tokio::test]
async fn every_route_of_people_costs_its_address_a_sign_in() {
    let server = server(Limits { sign_in_per_minute: 6, sign_in_burst: 2, ..Limits::default() }).await;
    let owner = &server.demo.users["owner"];
    let session = sign_in(&server, THERE, &owner.email, &owner.password).await.member("sessionToken");
    let (link, wrong) = ("no link of anybody's", "a wrong password");
    let calls = [
        (SESSIONS, json!({ "email": "nobody@example.com", "password": wrong })),
        (CONFIRM, json!({ "password": wrong })),
        (PASSWORD, json!({ "currentPassword": wrong, "newPassword": "another password of mine" })),
        (RESETS, json!({ "email": "nobody@example.com" })),
        (RESET, json!({ "token": link, "newPassword": "another password of mine" })),
        (LOOKUP, json!({ "token": link })),
        (ACCEPT, json!({ "token": link, "password": wrong })),
        ("/auth/v1/second-factor/confirm", json!({ "code": "000000" })),
        ("/auth/v1/second-factor/remove", json!({ "code": "000000" })),
        ("/auth/v1/second-factor/recovery-codes", json!({ "code": "000000" })),
    ];
    for (path, body) in &calls {
        for left in ["r=1", "r=0;t=10"] {
            let answer = post_by(&server, &session, path, body).await;
            assert_ne!(answer.status, 429, "{path}: {}", answer.text);
            assert_eq!(answer.header("ratelimit"), format!("\"sign-in\";{left}"), "{path}");
            assert_eq!(answer.header("ratelimit-policy"), "\"sign-in\";q=2;w=20", "{path}");
        }
        assert_eq!(limited(&post_by(&server, &session, path, body).await, "sign-in", 2, 20), 10, "{path}");
        server.clock.advance(Duration::from_secs(20));
    }
    post_by(&server, &session, LOOKUP, &calls[5].1).await;
    post_by(&server, &session, LOOKUP, &calls[5].1).await;
    for (path, body) in &calls {
        limited(&post_by(&server, &session, path, body).await, "sign-in", 2, 20);
    }
    assert_eq!(sign_in(&server, THERE, &owner.email, &owner.password).await.status, 200, "another address");
    let current = server.send(server.request(Method::GET, CURRENT).bearer_auth(&session).header("x-forwarded-for", HERE)).await;
    assert_eq!((current.status.as_u16(), current.header("ratelimit").as_str()), (200, ""), "whoever is signed in goes on");
    issued(&exchange(&server, HERE, server.key("owner")).await);
    server.end().await;
}

/// Reddens when limits are only counted for addresses that have an account, or in another bucket.
#[tokio::test]
async fn an_unknown_account_is_limited_as_a_known_one_to_the_byte() {
    let limits = Limits { account_failures_per_hour_and_address: 6, account_failures_per_hour: 12, ..Limits::default() };
    let server = server(limits).await;
    for from in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        for attempt in 0..4 {
            let known = sign_in(&server, from, "owner@acme.example", "a wrong password").await;
            let spelled = if attempt == 0 { " Nobody@Acme.example" } else { "nobody@acme.example" };
            // From where the same number of sign-ins came.
            let unknown = sign_in(&server, &from.replace("192.0.2", "198.51.100"), spelled, "a wrong password").await;
            assert_eq!(essence(&known), essence(&unknown), "{from} {attempt}");
            match (from, attempt) {
                ("192.0.2.3", _) => assert_eq!(limited(&known, "account", 6, 3600), 600),
                (_, 3) => assert_eq!(limited(&known, "account-and-address", 3, 3600), 1_200),
                (_, _) => drop(fails(&known, 401, "invalid_credentials")),
            }
        }
    }
    server.end().await;
}

/// Reddens when a right password costs the account something, or a wrong one nothing; when guesses from one address lock out
/// another; when a session is hindered by guesses from elsewhere, or its password may be guessed for ever.
#[tokio::test]
async fn guesses_at_an_account_lock_out_whoever_guesses() {
    let server = server(Limits { account_failures_per_hour_and_address: 4, sign_in_burst: 100, ..Limits::default() }).await;
    let owner = &server.demo.users["owner"];
    for _ in 0..5 {
        assert_eq!(sign_in(&server, HERE, &owner.email, &owner.password).await.status, 200);
    }
    for _ in 0..2 {
        fails(&sign_in(&server, THERE, &owner.email, "a wrong password").await, 401, "invalid_credentials");
    }
    for password in ["a wrong password", owner.password.as_str()] {
        assert_eq!(limited(&sign_in(&server, THERE, &owner.email, password).await, "account-and-address", 2, 3600), 1_800);
    }
    let session = sign_in(&server, HERE, &owner.email, &owner.password).await.member("sessionToken");
    let other = sign_in(&server, THERE, "manager@acme.example", &server.demo.users["manager"].password).await;
    assert_eq!(other.status, 200, "another account");

    let (right, wrong) = (json!({ "password": owner.password.as_str() }), json!({ "password": "a wrong password" }));
    let session = post_by(&server, &session, CONFIRM, &right).await.member("sessionToken");
    for _ in 0..2 {
        fails(&post_by(&server, &session, CONFIRM, &wrong).await, 400, "invalid_request");
    }
    for body in [&wrong, &right] {
        limited(&post_by(&server, &session, CONFIRM, body).await, "account-and-address", 2, 3600);
    }
    let second = sign_in(&server, HERE, &owner.email, &owner.password).await.member("sessionToken");
    assert_eq!(post_by(&server, &second, CONFIRM, &right).await.status, 200, "another session");
    server.clock.advance(Duration::from_secs(1_800));
    assert_eq!(sign_in(&server, THERE, &owner.email, &owner.password).await.status, 200);
    assert_eq!(post_by(&server, &session, CONFIRM, &right).await.status, 200);
    server.end().await;
}

/// Reddens when the account has no limit over all addresses; when its person is locked out where he has a session, or can be guessed at
/// there without end; when the place of a session that is over counts.
#[tokio::test]
async fn guesses_from_everywhere_are_few_and_lock_nobody_out_of_where_he_works() {
    let limits = Limits { account_failures_per_hour_and_address: 4, account_failures_per_hour: 12, sign_in_burst: 100, ..Limits::default() };
    let server = server(limits).await;
    let owner = &server.demo.users["owner"];
    let session = sign_in(&server, HERE, &owner.email, &owner.password).await.member("sessionToken");
    let mut checked = 0;
    for host in 1..=20 {
        let answer = sign_in(&server, &format!("203.0.113.{host}"), &owner.email, "a wrong password").await;
        checked += u32::from(answer.status == 401);
        if answer.status != 401 {
            assert_eq!(limited(&answer, "account", 6, 3600), 600);
        }
    }
    assert_eq!(checked, 6);
    limited(&sign_in(&server, THERE, &owner.email, &owner.password).await, "account", 6, 3600);
    assert_eq!(sign_in(&server, HERE, &owner.email, &owner.password).await.status, 200);
    for _ in 0..2 {
        fails(&sign_in(&server, HERE, &owner.email, "a wrong password").await, 401, "invalid_credentials");
    }
    limited(&sign_in(&server, HERE, &owner.email, &owner.password).await, "account-and-address", 2, 3600);
    issued(&exchange(&server, THERE, server.key("owner")).await);
    let confirmed = post_by(&server, &session, CONFIRM, &json!({ "password": owner.password.as_str() })).await;
    assert_eq!(confirmed.status, 200, "whoever is signed in goes on");

    // Six came at once, six more come in an hour.
    for host in 21..27 {
        server.clock.advance(Duration::from_secs(600));
        let from = format!("203.0.113.{host}");
        fails(&sign_in(&server, &from, &owner.email, "a wrong password").await, 401, "invalid_credentials");
        limited(&sign_in(&server, &from, &owner.email, &owner.password).await, "account", 6, 3600);
    }
    // After twelve hours the session is over, and the place of nobody any more.
    server.clock.advance(Duration::from_secs(12 * 60 * 60));
    for host in 1..7 {
        fails(&sign_in(&server, &format!("203.0.113.{host}"), &owner.email, "a wrong password").await, 401, "invalid_credentials");
    }
    limited(&sign_in(&server, HERE, &owner.email, &owner.password).await, "account", 6, 3600);
    server.end().await;
}

/// Reddens when a table has no cap, or refuses those who come when it is full; or when nothing is ever forgotten.
#[tokio::test]
async fn a_hundred_thousand_addresses_fill_no_memory() {
    let server = server(Limits { buckets: 4_096, ..Limits::default() }).await;
    let mut ctx = Context { actor: Actor::Anonymous, ..server.host() };
    for number in 0..100_000_u128 {
        ctx.client_ip = Some(std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) + (number << 64)).into());
        let answer = server.core.exchange(&ctx, Credential::PersonalAccessKey("x"), None).await;
        assert!(matches!(answer, Err(Error::Refused(_))), "{number}");
    }
    let remembered = |policy| server.core.limits().remembered().into_iter().find(|(known, _)| *known == policy).unwrap().1;
    assert!((1_000..=4_096).contains(&remembered(Policy::RefusedKeys)), "{}", remembered(Policy::RefusedKeys));
    server.clock.advance(Duration::from_secs(120));
    server.core.limits().forget_full();
    assert_eq!(server.core.limits().remembered().map(|(_, count)| count), [0; 6]);
    server.end().await;
}

/// Reddens when requests without an address, as over a unix socket, share tokens.
#[tokio::test]
async fn without_an_address_there_is_no_limit_by_address() {
    let server = server(Limits { refused_keys_burst: 1, sign_in_burst: 1, ..Limits::default() }).await;
    let ctx = Context { actor: Actor::Anonymous, client_ip: None, ..server.host() };
    for _ in 0..10 {
        assert!(matches!(server.core.exchange(&ctx, Credential::PersonalAccessKey("x"), None).await, Err(Error::Refused(_))));
        assert!(matches!(server.core.look_up_invitation(&ctx, "x").await, Err(Error::Absent(_))));
    }
    server.end().await;
}

#[tokio::test]
async fn a_limit_of_0_is_none_and_nothing_is_said_of_it() {
    let server = server(Limits::off()).await;
    for _ in 0..300 {
        let refused = exchange(&server, HERE, "x").await;
        fails(&refused, 401, "malformed_key");
        assert_eq!((refused.header("ratelimit").as_str(), refused.header("ratelimit-policy").as_str()), ("", ""));
    }
    let link = post(&server, HERE, LOOKUP, &json!({ "token": "x" })).await;
    assert_eq!((link.status.as_u16(), link.header("ratelimit").as_str()), (404, ""));
    server.end().await;
}
