//! What was taken back, as verifiers read it; and receipts.

use super::operator::bootstrap;
use crate::support::{claims, fails, key_id};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::time::Duration;

const CHANGES: &str = "/status/v1/changes";
const REPORTS: &str = "/status/v1/reports";
const INSTANCE: &str = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";

fn position(text: &Value) -> String {
    format!("{}.{}", text["history"], text["n"])
}

async fn now(server: &TestServer) -> String {
    position(&claims(&server.get(Actor::Anonymous, CHANGES).await.text)["position"])
}

/// A stream, and what has come of it.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(server: &TestServer, query: &str) -> Self {
        let response = server.request(Method::GET, &format!("/status/v1/stream?{query}")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!((&response.headers()["cache-control"], &response.headers()["x-accel-buffering"]), (&"no-store".parse().unwrap(), &"no".parse().unwrap()));
        Self { response, text: String::new() }
    }

    /// The data of the next event with this name.
    async fn next(&mut self, name: &str) -> String {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned())) {
                self.text = rest;
                if event.contains(&format!("event: {name}\n")) {
                    return event.split_once("data: ").unwrap().1.to_owned();
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

async fn report(server: &TestServer, body: &Value) -> Answer {
    server.send(server.request(Method::POST, REPORTS).json(body)).await
}

#[tokio::test]
async fn a_list_is_signed_and_never_to_be_cached() {
    let server = TestServer::start().await;
    let answer = server.get(Actor::Anonymous, "/status/v1/lists/0").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "application/statuslist+jwt"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let payload = claims(&answer.text);
    assert_eq!((&payload["iss"], &payload["sub"]), (&json!(server.base), &json!(format!("{}/status/v1/lists/0", server.base))));
    assert_eq!((&payload["ttl"], &payload["status_list"]["bits"]), (&json!(5), &json!(1)));
    let issued = server.clock.now().as_seconds();
    assert_eq!((&payload["iat"], &payload["exp"], &payload["time"]), (&json!(issued), &json!(issued + 60), &json!(issued * 1000)));
    let token = claims(&server.token(Actor::Owner).await);
    assert_eq!(token["status"]["status_list"]["uri"], payload["sub"]);
    for unknown in ["1", "00", "-1", "+0", "0x0", "99999999999999999999", "a"] {
        fails(&server.get(Actor::Anonymous, &format!("/status/v1/lists/{unknown}")).await, 404, "not_found");
    }
    server.end().await;
}

#[tokio::test]
async fn changes_are_told_from_a_position_on() {
    let server = TestServer::start().await;
    let (owner, begun) = (server.token(Actor::Owner).await, now(&server).await);
    let index = claims(&owner)["status"]["status_list"]["idx"].clone();
    server.core.revoke_key(&server.host(), key_id(&owner)).await.unwrap();
    let news = claims(&server.get(Actor::Anonymous, &format!("{CHANGES}?after={begun}")).await.text);
    assert_eq!((position(&news["after"]), &news["ended"]), (begun, &json!([index])));
    let sentence = fails(&server.get(Actor::Anonymous, &format!("{CHANGES}?after=7")).await, 400, "invalid_request");
    assert!(sentence.contains("history.n"), "{sentence}");
    let ahead = server.get(Actor::Anonymous, &format!("{CHANGES}?after=1.999999")).await;
    fails(&ahead, 503, "revision_not_reached");
    assert_eq!(ahead.header("retry-after"), "1");
    server.end().await;
}

/// Reddens when a change waits for the next heartbeat, or when a heartbeat does not come.
#[tokio::test]
async fn a_stream_tells_at_once_and_beats() {
    let server = TestServer::start().await;
    let viewer = server.token(Actor::Viewer).await;
    let mut stream = Stream::open(&server, &format!("after={}", now(&server).await)).await;
    let first = claims(&stream.next("news").await);
    server.core.revoke_key(&server.host(), key_id(&viewer)).await.unwrap();
    let told = loop {
        let news = claims(&stream.next("news").await);
        if news.get("ended").is_some() {
            break news;
        }
    };
    assert_eq!(told["ended"], json!([claims(&viewer)["status"]["status_list"]["idx"]]));
    assert!(position(&told["position"]) != position(&first["position"]));
    // Whatever the clock of the service says: each second one comes.
    server.clock.advance(Duration::from_secs(5));
    let beat = loop {
        let news = claims(&stream.next("news").await);
        if news["time"] != told["time"] {
            break news;
        }
    };
    assert_eq!(beat["time"].as_i64().unwrap() - told["time"].as_i64().unwrap(), 5_000);
    // A server that ends ends its streams, and does not cut them off: it would wait for them otherwise.
    server.end().await;
    while let Ok(Some(_)) = stream.response.chunk().await {}
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_words() {
    let server = TestServer::start().await;
    for (query, part) in [
        ("after=x", "after"),
        ("instance=7", "instance"),
        ("maxAgeMilliseconds=-1", "maxAgeMilliseconds"),
        ("maxAgeMilliseconds=86400001", "maxAgeMilliseconds"),
        ("maxAgeMilliseconds=soon", "maxAgeMilliseconds"),
    ] {
        let sentence = fails(&server.get(Actor::Anonymous, &format!("/status/v1/stream?{query}")).await, 400, "invalid_request");
        assert!(sentence.starts_with(part), "{sentence}");
    }
    fails(&report(&server, &json!({ "stream": "x" })).await, 400, "invalid_request");
    fails(&report(&server, &json!({ "stream": "x", "position": "x" })).await, 400, "invalid_request");
    fails(&report(&server, &json!({ "stream": "x", "position": "1.1" })).await, 404, "not_found");
    server.end().await;
}

async fn receipt(server: &TestServer, revision: &str) -> Value {
    server.get(Actor::Owner, &format!("/identity/v1/revocations/{revision}")).await.json()["receipt"].clone()
}

/// Reddens when somebody counts as having heard who has not said so, or when who is away is left out.
#[tokio::test]
async fn a_receipt_says_who_has_heard_and_who_is_away() {
    let server = TestServer::start().await;
    let query = |name: &str, instance: &str| format!("name={name}&version=v%2F1&instance={instance}&maxAgeMilliseconds=60000");
    let mut one = Stream::open(&server, &query("one", INSTANCE)).await;
    let mut gone = Stream::open(&server, &query("gone", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4e")).await;
    let opened: Value = serde_json::from_str(&one.next("opened").await).unwrap();
    gone.next("news").await;
    server.clock.advance(Duration::from_secs(10));
    // Whoever comes and goes at once was never there.
    let mut passing = Stream::open(&server, &query("passing", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4f")).await;
    passing.next("news").await;
    drop((gone, passing));
    while server.core.count_status_streams() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.core.flush_status_readers().await.unwrap();
    let viewer = server.token(Actor::Viewer).await;
    let revision = server.core.revoke_key(&server.host(), key_id(&viewer)).await.unwrap().position.to_string();
    let changed = server.clock.now();

    let before = receipt(&server, &revision).await;
    let line = |receipt: &Value, name: &str| receipt["verifiers"].as_array().unwrap().iter().find(|line| line["name"] == name).unwrap().clone();
    assert_eq!((&before["revision"], &before["endedGenerations"], &before["replicas"][0]["state"]), (&json!(revision), &json!(1), &json!("confirmed")));
    assert_eq!((&line(&before, "one")["state"], &line(&before, "gone")["state"]), (&json!("waiting"), &json!("away")));
    assert_eq!(before["verifiers"].as_array().unwrap().len(), 2, "{before}");
    assert!(line(&before, "one").get("confirmedAt").is_none() && before["atWorst"].get("knownVerifiers").is_some(), "{before}");
    // An hour of life, and the leeway of verifiers.
    assert_eq!(before["atWorst"]["withoutFeed"], json!(changed.plus(Duration::from_secs(3630))));

    server.clock.advance(Duration::from_millis(214));
    let said = report(&server, &json!({ "stream": opened["stream"], "position": revision })).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let after = receipt(&server, &revision).await;
    assert_eq!((&line(&after, "one")["state"], &line(&after, "one")["milliseconds"]), (&json!("confirmed"), &json!(214)));
    assert_eq!(line(&after, "gone")["state"], "away");
    let away = line(&after, "gone");
    assert!(away["couldAcceptUntil"].is_string() && away["couldAcceptUntil"] == after["atWorst"]["knownVerifiers"], "{away}");
    // What was said is in the database, and no later word changes when it was first said.
    server.core.flush_status_readers().await.unwrap();
    server.clock.advance(Duration::from_secs(1));
    report(&server, &json!({ "stream": opened["stream"], "position": revision })).await;
    assert_eq!(line(&receipt(&server, &revision).await, "one")["milliseconds"], 214);
    drop(one);
    while server.core.count_status_streams() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(line(&receipt(&server, &revision).await, "one")["state"], "confirmed", "also when it has left");
    server.end().await;
}

/// Reddens when a position is believed that nobody was sent, or when a receipt is shown to whoever asks.
#[tokio::test]
async fn a_receipt_is_for_those_whose_change_it_was() {
    let server = TestServer::start().await;
    let mut stream = Stream::open(&server, &format!("name=api&instance={INSTANCE}")).await;
    let opened: Value = serde_json::from_str(&stream.next("opened").await).unwrap();
    let sentence = fails(&report(&server, &json!({ "stream": opened["stream"], "position": "1.999999" })).await, 400, "invalid_request");
    assert!(sentence.contains("must be one that was sent"), "{sentence}");
    let viewer = server.token(Actor::Viewer).await;
    let revision = server.core.revoke_key(&server.host(), key_id(&viewer)).await.unwrap().position;
    let path = format!("/identity/v1/revocations/{revision}");
    assert_eq!(server.get(Actor::Owner, &path).await.status, 200);
    let foreign = server.get(Actor::OtherOwner, &path).await;
    fails(&foreign, 404, "not_found");
    for unknown in ["1.999999", "2.1", "x", "1", "0.0"] {
        let answer = server.get(Actor::OtherOwner, &format!("/identity/v1/revocations/{unknown}")).await;
        assert_eq!(fails(&answer, 404, "not_found"), fails(&foreign, 404, "not_found"), "as if there were no such change");
    }
    // Who may not read the activity sees what came of his own act.
    let (member, key) = (server.session("submember").await, key_id(&server.token(Actor::Submember).await));
    let own = server.by(&member, Method::DELETE, &format!("/identity/v1/organizations/current/personal-access-keys/{key}"), None).await;
    assert_eq!(own.status, 200, "{}", own.text);
    let of_own = server.by(&member, Method::GET, &format!("/identity/v1/revocations/{}", own.header("keywright-revision")), None).await;
    assert_eq!(of_own.status, 200, "{}", of_own.text);
    // Its address is for those who run the installation; an Owner of a root does not.
    assert!(receipt(&server, &revision.to_string()).await["verifiers"][0].get("address").is_none());
    // Signed, it says the same.
    let answer = server.send(server.request(Method::GET, &path).bearer_auth(server.token(Actor::Owner).await).header("accept", "application/jwt")).await;
    assert_eq!(answer.header("content-type"), "application/jwt");
    assert_eq!(claims(&answer.text)["revision"], revision.to_string());
    let header: Value = claims(&format!(".{}", answer.text.split('.').next().unwrap()));
    assert_eq!(header["typ"], "keywright-receipt+jwt");
    server.end().await;
}

/// Reddens when a receipt of what took a sub-organization away is not for whoever did so: nobody is at home there any more.
#[tokio::test]
async fn whoever_took_a_sub_organization_away_sees_what_came_of_it() {
    let server = TestServer::start().await;
    let owner = server.session("owner").await;
    let sub = server.demo.mobile.id;
    server.token(Actor::Submember).await;
    let act = async |method: Method, path: &str, body: Option<&Value>| {
        let done = server.by(&owner, method, &format!("/identity/v1/organizations/{sub}{path}"), body).await;
        assert_eq!(done.status, 200, "{}", done.text);
        format!("/identity/v1/revocations/{}", done.header("keywright-revision"))
    };
    let suspension = act(Method::POST, "/suspend", None).await;
    let seen = server.by(&owner, Method::GET, &suspension, None).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert_eq!(seen.json()["receipt"]["replicas"][0]["state"], "confirmed");
    // Whoever may read the root's activity does so of what is suspended; a stranger reads nothing.
    let viewer = server.session("viewer").await;
    assert_eq!(server.by(&viewer, Method::GET, &suspension, None).await.status, 200);
    fails(&server.get(Actor::OtherOwner, &suspension).await, 404, "not_found");

    act(Method::POST, "/resume", None).await;
    let deletion = act(Method::DELETE, "?action=delete&confirm=Acme%20Mobile", None).await;
    let seen = server.by(&owner, Method::GET, &deletion, None).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    fails(&server.by(&viewer, Method::GET, &deletion, None).await, 404, "not_found");
    fails(&server.get(Actor::OtherOwner, &deletion).await, 404, "not_found");
    server.end().await;
}

/// Reddens when a receipt waits for whoever is not told, or has a verifier in it that could accept nothing when the change came.
#[tokio::test]
async fn a_receipt_waits_for_nobody_who_has_nothing_to_hear() {
    let server = TestServer::start().await;
    let query = |name: &str, instance: &str| format!("name={name}&instance={instance}&maxAgeMilliseconds=60000");
    let mut gone = Stream::open(&server, &query("gone", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4e")).await;
    gone.next("news").await;
    server.clock.advance(Duration::from_secs(10));
    drop(gone);
    while server.core.count_status_streams() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.core.flush_status_readers().await.unwrap();
    let names = async |revision: &str| -> Vec<Value> {
        receipt(&server, revision).await["verifiers"].as_array().unwrap().iter().map(|line| line["name"].clone()).collect()
    };
    let (viewer, manager) = (key_id(&server.token(Actor::Viewer).await), key_id(&server.token(Actor::Manager).await));
    let in_time = server.core.revoke_key(&server.host(), viewer).await.unwrap().position.to_string();
    assert_eq!(names(&in_time).await, [json!("gone")]);
    // A minute without news makes it deaf, and some more until that is certain here.
    server.clock.advance(Duration::from_secs(600));
    let mut one = Stream::open(&server, &query("one", INSTANCE)).await;
    let opened: Value = serde_json::from_str(&one.next("opened").await).unwrap();
    let later = server.core.revoke_key(&server.host(), manager).await.unwrap().position.to_string();
    assert_eq!(names(&later).await, [json!("one")]);
    assert!(names(&in_time).await.contains(&json!("gone")), "what it could have accepted then stays in the receipt of then");

    // Everything is revoked, and then once more: no token is out, nobody hears of it.
    let everything = format!("/identity/v1/organizations/{}/revoke-all", server.demo.acme.id);
    let owner = server.session("owner").await;
    let mut last = String::new();
    for _ in 0..2 {
        let done = server.by(&owner, Method::POST, &everything, Some(&json!({}))).await;
        assert_eq!(done.status, 200, "{}", done.text);
        last = done.header("keywright-revision");
    }
    let told = server.by(&owner, Method::GET, &format!("/identity/v1/revocations/{last}"), None).await.json()["receipt"].clone();
    assert_eq!((&told["endedGenerations"], &told["verifiers"]), (&json!(0), &json!([])));
    let position = |text: &str| text.parse().unwrap();
    assert!(!server.core.receipt(&server.host(), position(&last)).await.unwrap().concerns_tokens);
    assert!(server.core.receipt(&server.host(), position(&later)).await.unwrap().concerns_tokens);
    // A signing key ends no generation, and yet everybody is to hear of it.
    let kid = server.core.list_signing_keys(&server.host()).await.unwrap()[0].kid.clone();
    let revoked = server.core.revoke_signing_key(&server.host(), &kid).await.unwrap().position.to_string();
    let (_, owner) = bootstrap(&server).await;
    assert!(server.core.receipt(&server.host(), position(&revoked)).await.unwrap().concerns_tokens, "tokens that it signed may be out");
    let asked = server.by(&owner, Method::GET, &format!("/identity/v1/revocations/{revoked}"), None).await.json()["receipt"].clone();
    assert_eq!(asked["verifiers"][0]["state"], "waiting", "{asked}");
    assert_eq!(report(&server, &json!({ "stream": opened["stream"], "position": revoked })).await.status, 200);
    let asked = server.by(&owner, Method::GET, &format!("/identity/v1/revocations/{revoked}"), None).await.json()["receipt"].clone();
    assert_eq!(asked["verifiers"][0]["state"], "confirmed", "{asked}");
    assert!(asked["verifiers"][0]["milliseconds"].is_number(), "{asked}");
    // Whoever came after a change began with what it had taken back, and is none of those who had to hear of it.
    let asked = async || server.by(&owner, Method::GET, &format!("/identity/v1/revocations/{in_time}"), None).await.json()["receipt"]["verifiers"].clone();
    assert_eq!(asked().await.as_array().unwrap().iter().map(|line| &line["name"]).collect::<Vec<_>>(), ["gone"]);
    server.core.flush_status_readers().await.unwrap();
    assert_eq!(asked().await.as_array().unwrap().len(), 1, "also when it was read from the database");
    server.end().await;
}
