//! The HTTP source against a small issuer. Time is moved by hand between fetches, and runs by itself during them.

use crate::world::{AUDIENCE, NOW, Signer, catalog_document, claims, now};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use keywright_protocol::{
    claims::CATALOG_TYPE,
    jwk::{Algorithm, Purpose},
    paths,
};
use keywright_verify::{Config, HttpOptions, HttpSource, HttpSourceError, Need, RefreshError, Source, StatusPolicy, Transport, Verifier, VerifyError};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

#[derive(Clone)]
enum Answer {
    Body(String),
    Status(StatusCode),
    Redirect(String),
}

struct Site {
    jwks: Mutex<Answer>,
    catalog: Mutex<Answer>,
    fetches: AtomicUsize,
}

impl Site {
    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn render(answer: &Mutex<Answer>) -> Response {
    match answer.lock().unwrap().clone() {
        Answer::Body(body) => body.into_response(),
        Answer::Status(status) => status.into_response(),
        Answer::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
    }
}

/// An issuer on this machine, its keys, and a verifier that knows its URL alone.
struct Issuer {
    url: String,
    site: Arc<Site>,
    key: Signer,
    document: Signer,
    source: HttpSource,
    verifier: Arc<Verifier>,
    _server: JoinSet<()>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let nothing = || Mutex::new(Answer::Status(StatusCode::NOT_FOUND));
        let site = Arc::new(Site { jwks: nothing(), catalog: nothing(), fetches: AtomicUsize::new(0) });
        let jwks = get(|State(site): State<Arc<Site>>| async move {
            site.fetches.fetch_add(1, Ordering::SeqCst);
            render(&site.jwks)
        });
        let catalog = get(|State(site): State<Arc<Site>>| async move { render(&site.catalog) });
        let router = Router::new().route(paths::JWKS, jwks).route(paths::CATALOG, catalog).with_state(Arc::clone(&site));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let key = Signer::new("key", Algorithm::EdDSA, Some(Purpose::AccessToken));
        let document = Signer::new("doc", Algorithm::ES256, Some(Purpose::Document));
        let source = HttpSource::new(&url).unwrap();
        let verifier = Arc::new(Verifier::new(Config { status: StatusPolicy::Ignore, ..Config::new(&url, AUDIENCE) }, Arc::new(source.clone())));
        let issuer = Self { url, site, key, document, source, verifier, _server: server };
        issuer.serve_keys(&[&issuer.key, &issuer.document]);
        issuer.serve_catalog(1, 10, catalog_document());
        issuer
    }

    fn serve_keys(&self, signers: &[&Signer]) {
        let mut keys: Vec<Value> = signers.iter().map(|signer| serde_json::to_value(signer.jwk()).unwrap()).collect();
        keys.push(json!({ "kty": "AKP", "kid": "of-a-later-day", "alg": "ML-DSA-44", "pub": "AA" }));
        keys.push(json!({ "kty": "OKP", "kid": "p", "alg": "EdDSA", "use": "sig", "crv": "Ed25519", "x": "AA", "keywright_purpose": "of-a-later-day" }));
        *self.site.jwks.lock().unwrap() = Answer::Body(json!({ "keys": keys }).to_string());
    }

    fn catalog_jws(&self, signer: &Signer, iss: &str, (history, revision): (i64, i64), catalog: Value) -> String {
        let header = format!(r#"{{"alg":"{}","kid":"{}","typ":"{CATALOG_TYPE}"}}"#, signer.algorithm.as_str(), signer.kid);
        signer.jws(&header, &json!({ "iss": iss, "iat": NOW, "history": history, "revision": revision, "catalog": catalog }).to_string())
    }

    fn serve_catalog(&self, history: i64, revision: i64, catalog: Value) {
        let jws = self.catalog_jws(&self.document, &self.url, (history, revision), catalog);
        *self.site.catalog.lock().unwrap() = Answer::Body(jws);
    }

    fn token(&self, signer: &Signer) -> String {
        let mut claims = claims();
        claims["iss"] = json!(self.url);
        claims["status"]["status_list"]["uri"] = json!(format!("{}/status/v1/lists/0", self.url));
        signer.token(&claims)
    }

    fn good(&self) -> String {
        self.token(&self.key)
    }

    /// Many requests at once, each with a key id of its own that nobody knows. What they are answered.
    async fn flood(&self) -> Vec<VerifyError> {
        let mut requests = JoinSet::new();
        for n in 0..200 {
            let header = format!(r#"{{"alg":"EdDSA","kid":"unknown-{n}","typ":"at+jwt"}}"#);
            let (verifier, token) = (Arc::clone(&self.verifier), self.key.jws(&header, &claims().to_string()));
            requests.spawn(async move { verifier.verify_refreshing(&token, now()).await.unwrap_err() });
        }
        requests.join_all().await
    }
}

async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_first_use_fetches_and_the_next_does_not() {
    let issuer = Issuer::start().await;
    assert_eq!(issuer.verifier.verify(&issuer.good(), now()).unwrap_err(), VerifyError::NeedsRefresh(Need::Keys));
    assert!(issuer.verifier.verify_refreshing(&issuer.good(), now()).await.unwrap().may("reports.view"));
    issuer.verifier.verify(&issuer.good(), now()).unwrap();
    assert_eq!(issuer.site.fetches(), 1);
    assert_eq!(issuer.source.snapshot().unwrap().keys.len(), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_one_fetch_in_half_a_minute() {
    let issuer = Issuer::start().await;
    assert_eq!(issuer.flood().await, [VerifyError::UnknownKey; 200]);
    assert_eq!(issuer.site.fetches(), 1, "cold");
    issuer.flood().await;
    assert_eq!(issuer.site.fetches(), 1, "at once again");
    pass(31).await;
    assert_eq!(issuer.flood().await, [VerifyError::UnknownKey; 200]);
    assert_eq!(issuer.site.fetches(), 2, "half a minute later");
    issuer.verifier.verify(&issuer.good(), now()).unwrap();
}

#[tokio::test]
async fn a_new_key_is_learned() {
    let issuer = Issuer::start().await;
    issuer.source.refresh(Need::Keys).await.unwrap();
    let epoch = issuer.source.snapshot().unwrap().epoch;
    let next = Signer::new("next", Algorithm::ES256, Some(Purpose::AccessToken));
    issuer.serve_keys(&[&issuer.key, &next, &issuer.document]);
    pass(31).await;
    issuer.verifier.verify_refreshing(&issuer.token(&next), now()).await.unwrap();
    assert_ne!(issuer.source.snapshot().unwrap().epoch, epoch);
}

#[tokio::test]
async fn the_same_again_keeps_the_epoch() {
    let issuer = Issuer::start().await;
    issuer.source.refresh(Need::Keys).await.unwrap();
    let before = issuer.source.snapshot().unwrap();
    pass(31).await;
    issuer.serve_catalog(1, 11, catalog_document());
    issuer.source.refresh(Need::Keys).await.unwrap();
    assert_eq!(issuer.site.fetches(), 2);
    assert!(Arc::ptr_eq(&before, &issuer.source.snapshot().unwrap()));
    pass(31).await;
    issuer.serve_catalog(1, 10, catalog_document());
    assert!(matches!(issuer.source.refresh(Need::Keys).await, Err(RefreshError::Invalid(_))), "older than the one seen last");
}

#[tokio::test]
async fn an_older_catalog_is_refused() {
    let issuer = Issuer::start().await;
    let mut richer = catalog_document();
    richer["roles"]["viewer"]["permissions"] = json!(["reports.view", "reports.edit"]);
    issuer.source.refresh(Need::Keys).await.unwrap();
    for older in [(1, 9), (0, 500)] {
        pass(31).await;
        issuer.serve_catalog(older.0, older.1, richer.clone());
        assert!(matches!(issuer.source.refresh(Need::Keys).await, Err(RefreshError::Invalid(_))), "{older:?}");
        assert!(matches!(issuer.source.last_error().as_deref(), Some(RefreshError::Invalid(_))));
        assert!(!issuer.verifier.verify(&issuer.good(), now()).unwrap().may("reports.edit"));
    }
    for newer in [(1, 11), (2, 0)] {
        pass(31).await;
        issuer.serve_catalog(newer.0, newer.1, richer.clone());
        issuer.source.refresh(Need::Keys).await.unwrap();
        assert_eq!(issuer.source.last_error(), None);
        assert!(issuer.verifier.verify(&issuer.good(), now()).unwrap().may("reports.edit"));
    }
}

#[tokio::test]
async fn foreign_and_broken_documents_are_refused() {
    let issuer = Issuer::start().await;
    let foreign = Signer::new("doc", Algorithm::ES256, Some(Purpose::Document));
    let good = |signer: &Signer, iss: &str| Answer::Body(issuer.catalog_jws(signer, iss, (1, 10), catalog_document()));
    let invalid = json!({ "roles": { "viewer": { "name": "Viewer", "permissions": ["unheard.of"] } } });
    let rows = [
        good(&issuer.document, "https://other.example.com"),
        good(&issuer.document, &format!("{}/", issuer.url)),
        good(&issuer.key, &issuer.url),
        good(&foreign, &issuer.url),
        Answer::Body(issuer.document.jws(&issuer.document.header(), "{}")),
        Answer::Body(issuer.catalog_jws(&issuer.document, &issuer.url, (1, 10), invalid)),
        Answer::Body("A".repeat(1024 * 1024 + 1)),
        Answer::Body(String::new()),
    ];
    for answer in rows {
        *issuer.site.catalog.lock().unwrap() = answer;
        assert!(matches!(issuer.source.refresh(Need::Keys).await, Err(RefreshError::Invalid(_))));
        assert!(issuer.source.snapshot().is_none());
        assert_eq!(issuer.verifier.verify_refreshing(&issuer.good(), now()).await.unwrap_err(), VerifyError::Unavailable);
        pass(31).await;
    }
    issuer.serve_catalog(1, 10, catalog_document());
    let Answer::Body(keys) = issuer.site.jwks.lock().unwrap().clone() else { panic!("keys are served") };
    let long = format!("{keys}{}", " ".repeat(1024 * 1024));
    for answer in ["", "{}", "[]", r#"{"keys":{}}"#, &long] {
        *issuer.site.jwks.lock().unwrap() = Answer::Body(answer.to_owned());
        assert!(matches!(issuer.source.refresh(Need::Keys).await, Err(RefreshError::Invalid(_))), "{}", answer.len());
        pass(31).await;
    }
}

#[tokio::test]
async fn failures_are_followed_by_a_pause_and_what_is_known_stays() {
    let issuer = Issuer::start().await;
    issuer.source.refresh(Need::Keys).await.unwrap();
    let elsewhere = Issuer::start().await;
    for answer in [Answer::Status(StatusCode::INTERNAL_SERVER_ERROR), Answer::Redirect(format!("{}{}", elsewhere.url, paths::JWKS))] {
        pass(31).await;
        let before = issuer.site.fetches();
        *issuer.site.jwks.lock().unwrap() = answer;
        assert_eq!(issuer.flood().await, [VerifyError::Unavailable; 200]);
        assert_eq!(issuer.site.fetches(), before + 1, "one try");
        issuer.verifier.verify(&issuer.good(), now()).unwrap();
    }
    assert_eq!(elsewhere.site.fetches(), 0, "a redirect is not followed");
    issuer.serve_keys(&[&issuer.key, &issuer.document]);
    pass(2).await;
    assert_eq!(issuer.flood().await, [VerifyError::UnknownKey; 200]);
}

#[tokio::test]
async fn a_new_catalog_arrives_behind_the_back_of_a_request() {
    let issuer = Issuer::start().await;
    let token = issuer.good();
    issuer.verifier.verify_refreshing(&token, now()).await.unwrap();
    let mut richer = catalog_document();
    richer["roles"]["viewer"]["permissions"] = json!(["reports.view", "reports.edit"]);
    issuer.serve_catalog(1, 11, richer);
    pass(299).await;
    issuer.verifier.verify(&token, now()).unwrap();
    tokio::task::yield_now().await;
    assert_eq!(issuer.site.fetches(), 1, "not yet");
    pass(2).await;
    for _ in 0..50 {
        assert!(!issuer.verifier.verify(&token, now()).unwrap().may("reports.edit"), "that request does not wait");
    }
    let learned = async {
        while !issuer.verifier.verify(&token, now()).unwrap().may("reports.edit") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), learned).await.unwrap();
    assert_eq!(issuer.site.fetches(), 2);
}

#[test]
fn issuers_that_cannot_be_trusted_by_url() {
    for url in ["https://auth.example.com", "https://auth.example.com/", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"] {
        HttpSource::new(url).unwrap();
    }
    for url in ["http://auth.example.com", "http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com"] {
        assert_eq!(HttpSource::new(url).unwrap_err(), HttpSourceError::PlainHttp, "{url}");
        HttpSource::with(url, HttpOptions { transport: Transport::PlainHttp, ..HttpOptions::default() }).unwrap();
    }
    for url in [
        "",
        "auth.example.com",
        "ftp://auth.example.com",
        "file:///etc/passwd",
        "https://a:b@auth.example.com",
        "https://auth.example.com?x",
        "https://auth.example.com#x",
    ] {
        assert_eq!(HttpSource::new(url).unwrap_err(), HttpSourceError::Issuer, "{url}");
        assert_eq!(
            HttpSource::with(url, HttpOptions { transport: Transport::PlainHttp, ..HttpOptions::default() }).unwrap_err(),
            HttpSourceError::Issuer,
            "{url}"
        );
    }
}
