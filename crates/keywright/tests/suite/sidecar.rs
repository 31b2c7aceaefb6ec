//! `keywright verifier`: the verifier as a process of its own.

use crate::{
    demo::Demo,
    http::{client, exchange, get, post_with, try_send},
    process::{Place, Server, text, until},
};
use reqwest::Method;
use serde_json::{Value, json};

async fn verifier(place: &Place, issuer: &str, more: &[&str]) -> Server {
    let arguments = [&["verifier", "--issuer", issuer, "--listen", "127.0.0.1:0"], more].concat();
    Server::listening(place.start(&arguments, &[])).await
}

async fn ask(base: &str, question: &Value) -> (u16, Value, String) {
    let answer = try_send(client().post(format!("{base}/verify")).json(question)).await.unwrap();
    let challenge = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status, answer.json(), challenge)
}

#[tokio::test]
async fn it_says_what_the_api_should_answer() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let beside = verifier(&place, &demo.base, &[]).await;
    let token = exchange(&demo.base, &demo.key("viewer")).await;
    let (status, good, _) = ask(&beside.base, &json!({ "token": token })).await;
    assert_eq!(status, 200, "{good}");
    assert_eq!((&good["claims"]["iss"], &good["claims"]["currentOrganizationId"]), (&json!(demo.base), &json!(demo.id("rootOrganization"))));
    let permissions = good["permissions"].as_array().unwrap();
    assert!(permissions.contains(&json!("distribution.profile.view")) && !permissions.contains(&json!("distribution.profile.manage")), "{good}");
    let (status, good, _) =
        ask(&beside.base, &json!({ "token": format!("Bearer {token}"), "permission": "distribution.profile.view", "audience": demo.base })).await;
    assert_eq!((status, good.get("permissions")), (200, None));
    let (status, body, challenge) = ask(&beside.base, &json!({ "token": token, "permission": "distribution.profile.manage" })).await;
    assert_eq!((status, body["error"].as_str()), (403, Some("insufficient_permission")));
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    for (question, code, part) in [
        (json!({}), "unauthorized", "Bearer realm"),
        (json!({ "token": "" }), "unauthorized", "Bearer realm"),
        (json!({ "token": "x" }), "invalid_token", "invalid_token"),
        (json!({ "token": demo.key("viewer") }), "key_not_exchanged", "invalid_token"),
        (json!({ "token": format!("{token}x") }), "invalid_token", "invalid_token"),
    ] {
        let (status, body, challenge) = ask(&beside.base, &question).await;
        assert_eq!((status, body["error"].as_str()), (401, Some(code)), "{body}");
        assert!(challenge.contains(part), "{challenge}");
        assert!(body.get("doc").is_none(), "the body is for the API's own clients: {body}");
    }
    for (question, part) in
        [(json!({ "tokn": "x" }), "tokn"), (json!({ "token": token, "audience": "https://other.example" }), "audience must be one"), (json!([]), "object")]
    {
        let (status, body, _) = ask(&beside.base, &question).await;
        assert_eq!(status, 400, "{body}");
        assert!(body["message"].as_str().unwrap().contains(part), "{body}");
        assert_eq!(body["doc"], format!("{}/docs/errors#invalid_request", demo.base), "the issuer's guide");
    }
    assert_eq!(get(&beside.base, "/readyz").await.status, 200);
    assert_eq!(get(&beside.base, "/verify").await.status, 405);
    beside.end().await;
}

/// Reddens when the feed is not followed.
#[tokio::test]
async fn what_is_taken_back_it_refuses_and_its_name_stands_in_the_receipt() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let socket = place.text("verifier.sock");
    let listen = format!("unix:{socket}");
    let mut beside = place.start(&["verifier", "--issuer", &demo.base, "--listen", &listen, "--name", "beside-reports"], &[]);
    beside.line_with("listening on unix:").await;
    let through = |question: &Value| format!("curl -s --unix-socket {socket} -o /dev/null -w '%{{http_code}}' http://verifier/verify --json '{question}'");
    let (owner, token) = (exchange(&demo.base, &demo.key("owner")).await, exchange(&demo.base, &demo.key("viewer")).await);
    let question = json!({ "token": token });
    assert_eq!(crate::process::shell(&through(&question)).await, "200");
    let key = crate::http::claims(&token)["keyId"].as_str().unwrap().to_owned();
    let path = format!("{}/identity/v1/organizations/current/personal-access-keys/{key}", demo.base);
    let deleted = try_send(client().request(Method::DELETE, path).bearer_auth(&owner)).await.unwrap();
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let revision = deleted.headers["keywright-revision"].to_str().unwrap().to_owned();
    until("it refuses the token", async || (crate::process::shell(&through(&question)).await == "401").then_some(())).await;
    let line = until("its report stands in the receipt", async || {
        let receipt = crate::http::get_with(&demo.base, &format!("/identity/v1/revocations/{revision}"), &owner).await.json()["receipt"].clone();
        receipt["verifiers"].as_array()?.iter().find(|line| line["name"] == "beside-reports" && line["state"] == "confirmed").cloned()
    })
    .await;
    assert!(text(&line, "version").starts_with("keywright/"), "{line}");
    assert!(line["milliseconds"].is_i64() && line.get("couldAcceptUntil").is_none(), "{line}");

    // The socket is taken as long as it runs, and gone afterwards.
    let second = place.run(&["verifier", "--issuer", &demo.base, "--listen", &listen], &[]).await;
    second.assert_refused(&["another program does so"]);
    beside.end().await.succeeded();
    assert!(!place.path("verifier.sock").exists());
}

#[tokio::test]
async fn without_its_issuer_it_does_what_its_owner_chose() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let strict = verifier(&place, &demo.base, &["--max-age-seconds", "1"]).await;
    let lenient = verifier(&place, &demo.base, &["--when-stale", "accept"]).await;
    let token = json!({ "token": exchange(&demo.base, &demo.key("viewer")).await });
    for beside in [&strict, &lenient] {
        assert_eq!(ask(&beside.base, &token).await.0, 200);
    }
    let owner = exchange(&demo.base, &demo.key("owner")).await;
    let made = post_with(&demo.base, "/identity/v1/organizations/current/personal-access-keys", &owner, &json!({ "name": "x" })).await;
    assert_eq!(made.status, 403, "keys do not breed");
    demo.program.kill().await;
    let (status, body, _) =
        until("the strict one has heard nothing for a second", async || Some(ask(&strict.base, &token).await).filter(|(status, ..)| *status != 200)).await;
    assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")));
    assert_eq!(get(&strict.base, "/readyz").await.status, 503);
    assert_eq!(ask(&lenient.base, &token).await.0, 200);
    assert_eq!(get(&lenient.base, "/readyz").await.status, 200);
}

#[tokio::test]
async fn what_it_cannot_be_started_with_is_said() {
    let place = Place::new();
    for (arguments, part) in [
        (["--issuer", "nowhere", "--listen", "127.0.0.1:0"], "the issuer must be an http or https URL"),
        (["--issuer", "http://auth.example.com", "--listen", "127.0.0.1:0"], "must be https URLs"),
        (["--issuer", "https://auth.example.com", "--listen", "0.0.0.0:0"], "0.0.0.0 is not a loopback address"),
        (["--issuer", "https://auth.example.com", "--listen", "unix:/nowhere/verifier.sock"], "unix:/nowhere/verifier.sock cannot be listened on"),
    ] {
        place.run(&[&["verifier"], &arguments[..]].concat(), &[]).await.assert_refused(&[part]);
    }
}
