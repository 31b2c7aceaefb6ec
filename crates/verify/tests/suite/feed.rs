//! What the HTTP source makes of status lists and of the news that follow them: it keeps its bound or its policy, and never goes backwards.

use crate::world::{AUDIENCE, NOW, STATUS_INDEX, Signer, base64url, catalog_document, claims, now};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use flate2::{Compression, write::ZlibEncoder};
use keywright_protocol::{
    Position,
    claims::CATALOG_TYPE,
    jwk::{Algorithm, Purpose},
    paths,
    status::{ENTRIES, LIST_BYTES, STATUS_LIST_TYPE, STATUS_NEWS_TYPE},
};
use keywright_verify::{Config, Feed, HttpOptions, HttpSource, Need, RefreshError, Source, StatusPolicy, Verifier, VerifyError};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::broadcast, task::JoinSet};

const fn at(history: i64, n: i64) -> Position {
    Position { history, n }
}

/// What an issuer's server says; without an entry it says nothing.
struct Site {
    jwks: Mutex<String>,
    catalog: Mutex<String>,
    /// One after the other; the last one for ever.
    lists: Mutex<HashMap<String, VecDeque<String>>>,
    changes: Mutex<Option<String>>,
    events: broadcast::Sender<String>,
    streams: Mutex<Vec<String>>,
    reports: Mutex<Vec<Value>>,
    is_away: Mutex<bool>,
    /// The key set is answered never.
    hangs: Mutex<bool>,
    /// How often whoever asked for it meanwhile has given up.
    given_up: AtomicUsize,
}

fn said(text: Option<String>) -> Response {
    text.map_or_else(|| StatusCode::SERVICE_UNAVAILABLE.into_response(), IntoResponse::into_response)
}

/// Whoever waits for an answer that does not come.
struct Waiting(Arc<Site>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.given_up.fetch_add(1, Ordering::SeqCst);
    }
}

async fn jwks(State(site): State<Arc<Site>>) -> String {
    if *site.hangs.lock().unwrap() {
        let _waiting = Waiting(Arc::clone(&site));
        std::future::pending::<()>().await;
    }
    site.jwks.lock().unwrap().clone()
}

async fn stream(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    if *site.is_away.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let receiver = site.events.subscribe();
    site.streams.lock().unwrap().push(query.unwrap_or_default());
    let opened = "event: opened\ndata: {\"stream\":\"s-1\"}\n\n".to_owned();
    let events = futures_util::stream::unfold((Some(opened), receiver), |(opened, mut receiver)| async move {
        match opened {
            Some(opened) => Some((Ok::<_, Infallible>(Bytes::from(opened)), (None, receiver))),
            None => receiver.recv().await.ok().map(|event| (Ok(Bytes::from(event)), (None, receiver))),
        }
    });
    Body::from_stream(events).into_response()
}

/// An issuer on this machine, and a source that knows its URL alone.
struct Issuer {
    url: String,
    site: Arc<Site>,
    key: Signer,
    other_key: Signer,
    document: Signer,
    status: Signer,
    _server: JoinSet<()>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Site {
            jwks: Mutex::default(),
            catalog: Mutex::default(),
            lists: Mutex::default(),
            changes: Mutex::default(),
            events: broadcast::Sender::new(64),
            streams: Mutex::default(),
            reports: Mutex::default(),
            is_away: Mutex::default(),
            hangs: Mutex::default(),
            given_up: AtomicUsize::new(0),
        });
        let list = get(|State(site): State<Arc<Site>>, Path(number): Path<String>| async move {
            let mut lists = site.lists.lock().unwrap();
            said(lists.get_mut(&number).and_then(|said| if said.len() > 1 { said.pop_front() } else { said.front().cloned() }))
        });
        let reports = post(|State(site): State<Arc<Site>>, body: Bytes| async move {
            site.reports.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            StatusCode::NO_CONTENT
        });
        let router = Router::new()
            .route(paths::JWKS, get(jwks))
            .route(paths::CATALOG, get(|State(site): State<Arc<Site>>| async move { site.catalog.lock().unwrap().clone() }))
            .route("/status/v1/lists/{number}", list)
            .route(paths::STATUS_CHANGES, get(|State(site): State<Arc<Site>>| async move { said(site.changes.lock().unwrap().clone()) }))
            .route(paths::STATUS_STREAM, get(stream))
            .route(paths::STATUS_REPORTS, reports)
            .with_state(Arc::clone(&site));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let signer = |kid, purpose| Signer::new(kid, Algorithm::ES256, Some(purpose));
        let issuer = Self {
            url,
            site,
            key: signer("key", Purpose::AccessToken),
            other_key: signer("other", Purpose::AccessToken),
            document: signer("doc", Purpose::Document),
            status: signer("status", Purpose::StatusList),
            _server: server,
        };
        issuer.serve_keys(&[&issuer.key, &issuer.other_key, &issuer.document, &issuer.status]);
        let catalog = json!({ "iss": issuer.url, "iat": NOW, "history": 1, "revision": 1, "catalog": catalog_document() });
        *issuer.site.catalog.lock().unwrap() = issuer.signed(&issuer.document, CATALOG_TYPE, &catalog);
        issuer.serve_list(0, at(1, 5), NOW, &[]);
        issuer
    }

    fn serve_keys(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        *self.site.jwks.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    fn signed(&self, signer: &Signer, typ: &str, payload: &Value) -> String {
        signer.jws(&format!(r#"{{"alg":"ES256","kid":"{}","typ":"{typ}"}}"#, signer.kid), &payload.to_string())
    }

    fn list_payload(&self, number: u64, position: Position, second: i64, ended: &[u64]) -> Value {
        let mut bytes = vec![0_u8; LIST_BYTES];
        for index in ended {
            bytes[usize::try_from(index / 8).unwrap()] |= 1 << (index % 8);
        }
        json!({ "iss": self.url, "sub": format!("{}/status/v1/lists/{number}", self.url), "iat": second, "exp": second + 60, "ttl": 5,
            "status_list": { "bits": 1, "lst": packed(&bytes) }, "position": position, "time": second * 1000, "revoked_keys": [] })
    }

    fn serve(&self, number: u64, jws: String) {
        self.site.lists.lock().unwrap().insert(number.to_string(), VecDeque::from([jws]));
    }

    fn serve_list(&self, number: u64, position: Position, second: i64, ended: &[u64]) {
        self.serve(number, self.signed(&self.status, STATUS_LIST_TYPE, &self.list_payload(number, position, second, ended)));
    }

    fn news_payload(&self, after: Option<Position>, position: Position, second: i64, ended: &[u64]) -> Value {
        let mut news = json!({ "iss": self.url, "position": position, "time": second * 1000, "ended": ended, "keys_at": at(1, 1), "catalog_at": at(1, 1) });
        if let Some(after) = after {
            news["after"] = json!(after);
        }
        news
    }

    fn news(&self, after: Option<Position>, position: Position, second: i64, ended: &[u64]) -> String {
        self.signed(&self.status, STATUS_NEWS_TYPE, &self.news_payload(after, position, second, ended))
    }

    /// Sends news to whoever follows the stream.
    fn send(&self, news: &str) {
        self.site.events.send(format!("event: news\ndata: {news}\n\n")).unwrap();
    }

    /// What a poll is answered from now on.
    fn answer_polls(&self, news: String) {
        *self.site.changes.lock().unwrap() = Some(news);
    }

    fn token_at(&self, signer: &Signer, index: u64) -> String {
        let mut claims = claims();
        claims["iss"] = json!(self.url);
        claims["status"] = json!({ "status_list": { "idx": index % ENTRIES, "uri": format!("{}/status/v1/lists/{}", self.url, index / ENTRIES) } });
        signer.token(&claims)
    }

    fn token(&self) -> String {
        self.token_at(&self.key, STATUS_INDEX)
    }

    /// A verifier whose source hears of nothing by itself before the tests' servers say it: what is polled is asked for by hand.
    fn verifier(&self, feed: Feed, status: StatusPolicy) -> (HttpSource, Verifier) {
        let source = HttpSource::with(&self.url, HttpOptions { feed, ..HttpOptions::default() }).unwrap();
        let verifier = Verifier::new(Config { status, ..Config::new(&self.url, AUDIENCE) }, Arc::new(source.clone()));
        (source, verifier)
    }

    fn strict(&self) -> (HttpSource, Verifier) {
        self.verifier(Feed::Poll, StatusPolicy::DEFAULT)
    }
}

fn packed(bytes: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    base64url(encoder.finish().unwrap())
}

/// Waits for something that other tasks bring about.
async fn until(what: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if what().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come about");
}

/// Asks for news at once, however recently it was done.
async fn poll(source: &HttpSource) -> Result<(), RefreshError> {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    source.refresh(Need::Status).await
}

fn invalid(outcome: &Result<(), RefreshError>) -> bool {
    matches!(outcome, Err(RefreshError::Invalid(_)))
}

/// Reddens when a token that was seen before is not looked up again.
#[tokio::test]
async fn what_is_taken_back_is_refused_as_soon_as_the_stream_says_so() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.verifier(Feed::Stream, StatusPolicy::DEFAULT);
    let token = issuer.token();
    verifier.verify_refreshing(&token, now()).await.unwrap();
    verifier.verify(&token, now()).unwrap();
    until(async || issuer.site.streams.lock().unwrap().len() == 1).await;
    issuer.send(&issuer.news(Some(at(1, 5)), at(1, 6), NOW, &[STATUS_INDEX + 1]));
    until(async || source.position().await == Some(at(1, 6))).await;
    verifier.verify(&token, now()).unwrap();
    issuer.send(&issuer.news(Some(at(1, 6)), at(1, 7), NOW, &[STATUS_INDEX]));
    until(async || source.position().await == Some(at(1, 7))).await;
    assert_eq!(verifier.verify(&token, now()).unwrap_err(), VerifyError::Revoked);
    until(async || issuer.site.reports.lock().unwrap().iter().any(|report| *report == json!({ "stream": "s-1", "position": "1.7" }))).await;
    // A signing key that is not trusted any more ends no token by an index; that it was heard is told all the same.
    let mut news = issuer.news_payload(Some(at(1, 7)), at(1, 8), NOW, &[]);
    (news["revoked_keys"], news["keys_at"]) = (json!(["other"]), json!(at(1, 8)));
    issuer.send(&issuer.signed(&issuer.status, STATUS_NEWS_TYPE, &news));
    until(async || issuer.site.reports.lock().unwrap().iter().any(|report| report["position"] == "1.8")).await;
    let query = issuer.site.streams.lock().unwrap().concat();
    assert!(query.contains("name=https%3A%2F%2Freports.example.com") && query.contains("maxAgeMilliseconds=60000") && query.contains("instance="), "{query}");
}

#[tokio::test]
async fn polling_hears_of_it_too() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.strict();
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    issuer.answer_polls(issuer.news(Some(at(1, 5)), at(1, 7), NOW, &[STATUS_INDEX]));
    poll(&source).await.unwrap();
    assert_eq!(verifier.verify(&issuer.token(), now()).unwrap_err(), VerifyError::Revoked);
}

/// Reddens when news are applied wherever they begin.
#[tokio::test]
async fn news_with_a_gap_before_them_drop_what_is_known() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.strict();
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    // What was taken back at 6 is in the new list alone.
    issuer.serve_list(0, at(1, 9), NOW, &[STATUS_INDEX]);
    for news in [issuer.news(Some(at(1, 6)), at(1, 8), NOW, &[]), issuer.news(None, at(1, 9), NOW, &[])] {
        issuer.answer_polls(news);
        poll(&source).await.unwrap();
        assert!(source.status().is_empty());
    }
    assert_eq!(verifier.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked);
}

/// Reddens when what has ended is forgotten together with what is good.
#[tokio::test]
async fn what_is_known_to_be_taken_back_outlives_a_gap_and_its_list() {
    let issuer = Issuer::start().await;
    issuer.serve_list(0, at(1, 5), NOW, &[STATUS_INDEX]);
    let (source, lenient) = issuer.verifier(Feed::Poll, StatusPolicy::Lenient);
    assert_eq!(lenient.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked);
    issuer.site.lists.lock().unwrap().clear();
    issuer.answer_polls(issuer.news(None, at(1, 9), NOW, &[]));
    poll(&source).await.unwrap();
    assert_eq!(lenient.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked);
    lenient.verify_refreshing(&issuer.token_at(&issuer.key, 1), now()).await.unwrap();
    issuer.answer_polls(issuer.news(None, at(2, 1), NOW, &[]));
    poll(&source).await.unwrap();
    assert_eq!(lenient.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked, "nor is it another history's to give back");
}

/// Reddens when news of a new status key wait for the pause that guards against unknown key ids.
#[tokio::test]
async fn a_new_status_key_is_heard_of_though_keys_were_fetched_a_moment_ago() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.strict();
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    let next = Signer::new("next", Algorithm::ES256, Some(Purpose::StatusList));
    issuer.serve_keys(&[&issuer.key, &issuer.document, &next]);
    let mut news = issuer.news_payload(Some(at(1, 5)), at(1, 6), NOW, &[STATUS_INDEX]);
    news["revoked_keys"] = json!(["status"]);
    issuer.answer_polls(issuer.signed(&next, STATUS_NEWS_TYPE, &news));
    poll(&source).await.unwrap();
    assert_eq!(verifier.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked);
    issuer.answer_polls(issuer.news(Some(at(1, 6)), at(1, 7), NOW, &[]));
    assert!(poll(&source).await.is_err(), "the old one is believed no more");
    assert_eq!(source.position().await, Some(at(1, 6)));
}

/// Reddens when news wait for keys and catalog to be fetched.
#[tokio::test]
async fn news_do_not_wait_for_a_key_set_that_does_not_come() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.verifier(Feed::Stream, StatusPolicy::DEFAULT);
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    until(async || issuer.site.streams.lock().unwrap().len() == 1).await;
    *issuer.site.hangs.lock().unwrap() = true;
    for n in 6..16 {
        let mut news = issuer.news_payload(Some(at(1, n - 1)), at(1, n), NOW, if n == 15 { &[STATUS_INDEX] } else { &[] });
        (news["revoked_keys"], news["keys_at"]) = (json!(["other"]), json!(at(1, n)));
        issuer.send(&issuer.signed(&issuer.status, STATUS_NEWS_TYPE, &news));
        until(async || source.position().await == Some(at(1, n))).await;
    }
    assert_eq!(verifier.verify(&issuer.token(), now()).unwrap_err(), VerifyError::Revoked);
    assert_eq!(issuer.site.streams.lock().unwrap().len(), 1, "on the one stream");
    assert_eq!(issuer.site.given_up.load(Ordering::SeqCst), 0, "while the first fetch still waits");
}

/// Reddens when only the first server is asked for keys and lists.
#[tokio::test]
async fn a_server_that_is_not_there_is_passed_over() {
    let issuer = Issuer::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = HttpOptions { replicas: vec![format!("http://{nobody}"), issuer.url.clone()], feed: Feed::Poll, ..HttpOptions::default() };
    let source = HttpSource::with(&issuer.url, options).unwrap();
    let verifier = Verifier::new(Config::new(&issuer.url, AUDIENCE), Arc::new(source.clone()));
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    issuer.answer_polls(issuer.news(Some(at(1, 5)), at(1, 6), NOW, &[STATUS_INDEX]));
    poll(&source).await.unwrap();
    assert_eq!(verifier.verify(&issuer.token(), now()).unwrap_err(), VerifyError::Revoked);
}

/// Reddens when a lower position is accepted: in news, or in a list.
#[tokio::test]
async fn a_thousand_older_lists_and_news_change_nothing() {
    let issuer = Issuer::start().await;
    issuer.serve_list(0, at(2, 1_500), NOW, &[STATUS_INDEX]);
    let (source, verifier) = issuer.strict();
    assert_eq!(verifier.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked);
    for n in 0..1_000 {
        let older = if n % 2 == 0 { at(2, n) } else { at(1, n * 10) };
        issuer.answer_polls(issuer.news(None, older, NOW + 5, &[]));
        assert!(invalid(&poll(&source).await), "{older}");
    }
    assert_eq!(source.position().await, Some(at(2, 1_500)));
    assert_eq!(source.status().as_of(), NOW * 1000);
    let elsewhere = ENTRIES + 3;
    let mut refused = 0;
    for n in 0..1_000 {
        issuer.serve_list(1, if n % 2 == 0 { at(2, 1_499 - n) } else { at(1, 5_000) }, NOW + 5, &[]);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(3)).await;
        tokio::time::resume();
        refused += usize::from(invalid(&source.refresh(Need::StatusList(1)).await));
    }
    assert_eq!(refused, 1_000);
    assert_eq!(verifier.verify_refreshing(&issuer.token_at(&issuer.key, elsewhere), now()).await.unwrap_err(), VerifyError::Unavailable);
    assert_eq!(verifier.verify(&issuer.token(), now()).unwrap_err(), VerifyError::Revoked);
}

/// Reddens when a list that news have overtaken on its way makes a good token unjudged.
#[tokio::test]
async fn a_list_that_news_have_overtaken_is_fetched_again() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.strict();
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    issuer.answer_polls(issuer.news(Some(at(1, 5)), at(1, 7), NOW, &[]));
    poll(&source).await.unwrap();
    issuer.serve_list(1, at(1, 7), NOW, &[3]);
    let overtaken = issuer.signed(&issuer.status, STATUS_LIST_TYPE, &issuer.list_payload(1, at(1, 6), NOW, &[]));
    issuer.site.lists.lock().unwrap().get_mut("1").unwrap().push_front(overtaken);
    verifier.verify_refreshing(&issuer.token_at(&issuer.key, ENTRIES + 1), now()).await.unwrap();
    assert_eq!(verifier.verify(&issuer.token_at(&issuer.key, ENTRIES + 3), now()).unwrap_err(), VerifyError::Revoked);
}

/// Reddens when the history of a position is not looked at.
#[tokio::test]
async fn another_history_is_begun_anew() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.strict();
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    issuer.serve_list(0, at(2, 3), NOW, &[STATUS_INDEX]);
    // A number that was used before, in the history before.
    issuer.answer_polls(issuer.news(Some(at(2, 2)), at(2, 3), NOW, &[]));
    poll(&source).await.unwrap();
    assert_eq!(source.position().await, Some(at(2, 3)));
    assert_eq!(verifier.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked);
    // A list of a later history drops the others.
    issuer.serve_list(1, at(3, 1), NOW, &[]);
    source.refresh(Need::StatusList(1)).await.unwrap();
    assert_eq!((source.status().len(), source.position().await), (1, Some(at(3, 1))));
}

/// Reddens when age is counted from receipt.
#[tokio::test]
async fn a_heartbeat_that_was_held_back_makes_nothing_fresh() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.strict();
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    let later = |seconds| keywright_verify::Time::from_seconds(NOW + seconds);
    verifier.verify(&issuer.token(), later(60)).unwrap();
    assert_eq!(verifier.verify(&issuer.token(), later(61)).unwrap_err(), VerifyError::NeedsRefresh(Need::Status));
    issuer.answer_polls(issuer.news(Some(at(1, 5)), at(1, 5), NOW, &[]));
    poll(&source).await.unwrap();
    assert_eq!(verifier.verify_refreshing(&issuer.token(), later(61)).await.unwrap_err(), VerifyError::Unavailable);
    issuer.answer_polls(issuer.news(Some(at(1, 5)), at(1, 5), NOW + 30, &[]));
    poll(&source).await.unwrap();
    verifier.verify(&issuer.token(), later(90)).unwrap();
    assert_eq!(verifier.verify(&issuer.token(), later(91)).unwrap_err(), VerifyError::NeedsRefresh(Need::Status));
}

#[tokio::test]
async fn a_verifier_that_starts_anew_does_not_believe_an_old_list() {
    let issuer = Issuer::start().await;
    // From before it was taken back, two minutes ago.
    issuer.serve_list(0, at(1, 5), NOW - 120, &[]);
    let (_, strict) = issuer.strict();
    assert_eq!(strict.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Unavailable);
    issuer.serve_list(0, at(1, 9), NOW, &[STATUS_INDEX]);
    let (_, strict) = issuer.strict();
    assert_eq!(strict.verify_refreshing(&issuer.token(), now()).await.unwrap_err(), VerifyError::Revoked);
}

/// Reddens when a policy does what the other one says.
#[tokio::test]
async fn cut_off_each_policy_does_what_its_owner_chose() {
    let issuer = Issuer::start().await;
    let (_, strict) = issuer.strict();
    let (_, lenient) = issuer.verifier(Feed::Poll, StatusPolicy::Lenient);
    let (_, ignoring) = issuer.verifier(Feed::Poll, StatusPolicy::Ignore);
    issuer.serve_list(0, at(1, 5), NOW, &[STATUS_INDEX]);
    let (dead, good, elsewhere) = (issuer.token(), issuer.token_at(&issuer.key, 1), issuer.token_at(&issuer.key, ENTRIES + 1));
    for verifier in [&strict, &lenient] {
        assert_eq!(verifier.verify_refreshing(&dead, now()).await.unwrap_err(), VerifyError::Revoked);
        verifier.verify_refreshing(&good, now()).await.unwrap();
    }
    ignoring.verify_refreshing(&dead, now()).await.unwrap();
    // From here on the issuer says nothing any more.
    issuer.site.lists.lock().unwrap().clear();
    *issuer.site.is_away.lock().unwrap() = true;
    let later = keywright_verify::Time::from_seconds(NOW + 61);
    assert_eq!(strict.verify_refreshing(&good, later).await.unwrap_err(), VerifyError::Unavailable);
    assert_eq!(strict.verify_refreshing(&elsewhere, now()).await.unwrap_err(), VerifyError::Unavailable);
    assert_eq!(strict.verify_refreshing(&dead, later).await.unwrap_err(), VerifyError::Revoked);
    lenient.verify_refreshing(&good, later).await.unwrap();
    lenient.verify_refreshing(&elsewhere, later).await.unwrap();
    assert_eq!(lenient.verify_refreshing(&dead, later).await.unwrap_err(), VerifyError::Revoked);
    let expired = keywright_verify::Time::from_seconds(crate::world::EXP + 31);
    assert_eq!(lenient.verify_refreshing(&good, expired).await.unwrap_err(), VerifyError::Expired);
}

/// Reddens when a key set brings back a key that was revoked.
#[tokio::test]
async fn a_revoked_signing_key_stays_so_whatever_a_key_set_says() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.strict();
    let (token, other) = (issuer.token(), issuer.token_at(&issuer.other_key, 1));
    verifier.verify_refreshing(&token, now()).await.unwrap();
    let mut news = issuer.news_payload(Some(at(1, 5)), at(1, 6), NOW, &[]);
    news["revoked_keys"] = json!(["key"]);
    issuer.answer_polls(issuer.signed(&issuer.status, STATUS_NEWS_TYPE, &news));
    poll(&source).await.unwrap();
    assert_eq!(verifier.verify_refreshing(&token, now()).await.unwrap_err(), VerifyError::UnknownKey);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(verifier.verify_refreshing(&token, now()).await.unwrap_err(), VerifyError::UnknownKey);
    verifier.verify_refreshing(&other, now()).await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_fetched_as_soon_as_the_issuer_says_that_there_is_one() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.verifier(Feed::Stream, StatusPolicy::DEFAULT);
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    until(async || issuer.site.streams.lock().unwrap().len() == 1).await;
    let next = Signer::new("next", Algorithm::ES256, Some(Purpose::AccessToken));
    issuer.serve_keys(&[&next, &issuer.document, &issuer.status]);
    let mut news = issuer.news_payload(Some(at(1, 5)), at(1, 6), NOW, &[]);
    news["keys_at"] = json!(at(1, 6));
    issuer.send(&issuer.signed(&issuer.status, STATUS_NEWS_TYPE, &news));
    until(async || source.snapshot().is_some_and(|snapshot| snapshot.keys.len() == 3)).await;
    verifier.verify(&issuer.token_at(&next, 1), now()).unwrap();
}

/// Reddens when a signature, a purpose, an issuer or the list's own URL is not looked at.
#[tokio::test]
async fn what_is_forged_is_refused() {
    let issuer = Issuer::start().await;
    let (source, _) = issuer.strict();
    let stranger = Signer::new("status", Algorithm::ES256, Some(Purpose::StatusList));
    let list = issuer.list_payload(0, at(1, 5), NOW, &[]);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = list.clone();
        change(&mut changed);
        issuer.signed(&issuer.status, STATUS_LIST_TYPE, &changed)
    };
    let too_long = packed(&vec![0; LIST_BYTES + 8]);
    let bomb = packed(&vec![0; 64 * LIST_BYTES]);
    let forged = [
        issuer.signed(&stranger, STATUS_LIST_TYPE, &list),
        issuer.signed(&issuer.document, STATUS_LIST_TYPE, &list),
        issuer.signed(&issuer.key, STATUS_LIST_TYPE, &list),
        issuer.signed(&issuer.status, STATUS_NEWS_TYPE, &list),
        issuer.signed(&issuer.status, "JWT", &list),
        with(&|list| list["iss"] = json!("https://auth.example.org")),
        with(&|list| list["sub"] = json!(format!("{}/status/v1/lists/1", issuer.url))),
        with(&|list| list["status_list"]["bits"] = json!(2)),
        with(&|list| list["status_list"]["lst"] = json!("AAAA")),
        with(&|list| list["status_list"]["lst"] = json!(too_long)),
        with(&|list| list["status_list"]["lst"] = json!(bomb)),
        with(&|list| drop(list.as_object_mut().unwrap().remove("position"))),
        with(&|list| drop(list.as_object_mut().unwrap().remove("time"))),
    ];
    for (n, jws) in forged.into_iter().enumerate() {
        issuer.serve(0, jws);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
        assert!(invalid(&source.refresh(Need::StatusList(0)).await), "{n}");
        assert!(source.status().is_empty(), "{n}");
    }
    let news = issuer.news_payload(None, at(9, 9), NOW, &[]);
    let mut elsewhere = news.clone();
    elsewhere["iss"] = json!("https://auth.example.org");
    for (n, jws) in [
        issuer.signed(&stranger, STATUS_NEWS_TYPE, &news),
        issuer.signed(&issuer.document, STATUS_NEWS_TYPE, &news),
        issuer.signed(&issuer.key, STATUS_NEWS_TYPE, &news),
        issuer.signed(&issuer.status, STATUS_LIST_TYPE, &news),
        issuer.signed(&issuer.status, STATUS_NEWS_TYPE, &elsewhere),
    ]
    .into_iter()
    .enumerate()
    {
        issuer.answer_polls(jws);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
        assert!(invalid(&poll(&source).await), "{n}");
        assert_eq!(source.position().await, None, "{n}");
    }
}

#[tokio::test]
async fn it_goes_on_to_the_next_server_when_one_falls_silent() {
    let (first, second) = (Issuer::start().await, Issuer::start().await);
    let options = HttpOptions { replicas: vec![first.url.clone(), second.url.clone()], ..HttpOptions::default() };
    let source = HttpSource::with(&first.url, options).unwrap();
    let verifier = Verifier::new(Config::new(&first.url, AUDIENCE), Arc::new(source.clone()));
    verifier.verify_refreshing(&first.token(), now()).await.unwrap();
    until(async || first.site.streams.lock().unwrap().len() == 1).await;
    // It says nothing for three seconds, and the second one is asked: by a poll, and then by a stream.
    let news = first.signed(&first.status, STATUS_NEWS_TYPE, &first.news_payload(Some(at(1, 5)), at(1, 6), NOW, &[STATUS_INDEX]));
    second.answer_polls(news);
    until(async || source.position().await == Some(at(1, 6))).await;
    assert_eq!(verifier.verify(&first.token(), now()).unwrap_err(), VerifyError::Revoked);
    until(async || second.site.streams.lock().unwrap().iter().any(|query| query.contains("after=1.6"))).await;
}

#[tokio::test]
async fn the_feed_ends_with_its_source() {
    let issuer = Issuer::start().await;
    let (source, verifier) = issuer.verifier(Feed::Stream, StatusPolicy::DEFAULT);
    verifier.verify_refreshing(&issuer.token(), now()).await.unwrap();
    until(async || issuer.site.events.receiver_count() == 1).await;
    drop((source, verifier));
    until(async || {
        drop(issuer.site.events.send(":\n\n".to_owned()));
        issuer.site.events.receiver_count() == 0
    })
    .await;
}
