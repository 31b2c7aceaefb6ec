//! `keywright db`: from SQLite to PostgreSQL and back, with what is asked before and after.

use crate::{
    admin::OwnerKey,
    http::{exchange, get_with, post_with, try_exchange},
    process::{Ended, PRESET, Place, Server, text},
};
use keywright_db::{Location, Writes, testing};
use serde_json::{Value, json};
use std::fs;

const PROFILES: &str = "/distribution/v2/profiles";
const DISTRIBUTION: (&str, &str) = ("KEYWRIGHT_DISTRIBUTION__ENABLED", "true");
const DATABASE: &str = "KEYWRIGHT_DATABASE__URL";
const PASSWORD: &str = "hunter2";

/// An empty database; the server does not ask for the password that stands in its URL.
pub(crate) async fn empty() -> String {
    let test = testing::postgres(Writes::Plain, &[]).await;
    test.db.close().await;
    let Location::Postgres { url, .. } = test.location else { panic!("a server") };
    url.replace("postgres@", &format!("postgres:{PASSWORD}@"))
}

/// `keywright db` with the data folder, and the database in the environment if there is one.
async fn db(place: &Place, arguments: &[&str], url: Option<&str>) -> Ended {
    let data = place.data();
    let environment: Vec<(&str, &str)> = url.map(|url| (DATABASE, url)).into_iter().collect();
    let ended = place.run(&[&["db"], arguments, &["--data-dir", &data]].concat(), &environment).await;
    assert!(!format!("{ended:?}").contains(PASSWORD), "{ended:?}");
    ended
}

/// What has to be as it was, wherever it is served from.
struct Known {
    kept: OwnerKey,
    revoked: OwnerKey,
    token: String,
}

impl Known {
    async fn make(place: &Place, server: &Server) -> Self {
        let (kept, revoked) = (OwnerKey::make(place).await, OwnerKey::make_named(place, "Other").await);
        let token = exchange(&server.base, &kept.secret).await;
        exchange(&server.base, &revoked.secret).await;
        place.admin(&["key", "revoke", &revoked.id]).await.succeeded();
        let made = post_with(&server.base, PROFILES, &token, &json!({ "name": "Ünï" })).await;
        assert!(made.status < 300, "{made:?}");
        Self { kept, revoked, token }
    }

    async fn check(&self, place: &Place, server: &Server, data: &str) {
        // A token from before works, and so does the key; what was taken back stays so.
        for token in [&self.token, &exchange(&server.base, &self.kept.secret).await] {
            let profiles = get_with(&server.base, PROFILES, token).await;
            assert!(profiles.status == 200 && profiles.text.contains("Ünï"), "{profiles:?}");
        }
        let refused = try_exchange(&server.base, &self.revoked.secret).await;
        assert_eq!((refused.status, text(&refused.json(), "error").as_str()), (401, "key_revoked"));
        for organization in [&self.kept.organization, &self.revoked.organization] {
            let chain = place.run(&["audit", "export", "--data-dir", data, "--organization", organization], &[]).await.succeeded();
            let file = place.write("chain.jsonl", &chain);
            assert!(place.run(&["audit", "verify", &file], &[]).await.succeeded().starts_with("whole: "));
        }
    }
}

/// Reddens when something does not work after a move that worked before it, or the other way round; when the old database is served; when a
/// password is printed; when a report or a status says something else than is.
#[tokio::test]
async fn from_sqlite_to_postgres_and_back() {
    let (place, url) = (Place::new(), empty().await);
    let environment = [PRESET, DISTRIBUTION];
    let server = place.serve(&[], &environment).await;
    let known = Known::make(&place, &server).await;
    assert!(db(&place, &["status"], None).await.succeeded().contains("this program can serve it"), "also while a server runs");
    let there = ["copy", "--from", "sqlite:", "--to", "postgres:"];
    db(&place, &there, Some(&url)).await.assert_refused(&["another Keywright process uses the data folder"]);
    server.end().await;

    assert_eq!(db(&place, &["status"], Some(&url)).await.code, Some(3), "there is nothing in it");
    let told = db(&place, &there, Some(&url)).await.succeeded();
    for part in ["keys ", "profiles ", "replicas"] {
        assert_eq!(told.lines().any(|line| line.starts_with(part)), part != "replicas", "{told}");
    }
    assert!(told.contains("the source is shut") && told.contains("go on with: keywright serve"), "{told}");
    let moved = db(&place, &["status", "--json"], None).await;
    assert_eq!(moved.code, Some(3));
    let moved: Value = serde_json::from_str(&moved.printed).unwrap();
    assert!(text(&moved, "movedTo").starts_with("postgres://") && moved["shutAt"].is_string(), "{moved}");
    place.serve_in_vain(&[], &environment).await.assert_refused(&["was moved to postgres://"]);
    place.admin(&["user", "list"]).await.assert_refused(&["was moved to postgres://"]);
    db(&place, &there, Some(&url)).await.assert_refused(&["was moved to postgres://", "already"]);

    let on_postgres = [PRESET, DISTRIBUTION, (DATABASE, url.as_str())];
    let server = place.serve(&[], &on_postgres).await;
    known.check(&place, &server, &place.data()).await;
    let status = db(&place, &["status"], Some(&url)).await.succeeded();
    assert!(status.contains("engine    PostgreSQL") && status.contains("replica   127.0.0.1:"), "{status}");
    // What a start would refuse is no less in the way.
    let lonely = [(DATABASE, url.as_str()), ("KEYWRIGHT_DATABASE__REQUIRE_SYNC", "true")];
    let status = place.run(&["db", "status", "--data-dir", &place.data()], &lonely).await;
    assert!(status.code == Some(3) && status.printed.contains("names no synchronous standby"), "{status:?}");
    let folder = place.text("back");
    let back = ["copy", "--from", "postgres:", "--to", &format!("sqlite:{folder}")];
    db(&place, &back, Some(&url)).await.assert_refused(&["serves from the source"]);
    server.end().await;

    let told = db(&place, &back, Some(&url)).await.succeeded();
    assert!(told.contains("copy the key file"), "{told}");
    fs::copy(place.path("data/keywright.key"), format!("{folder}/keywright.key")).unwrap();
    place.serve_in_vain(&[], &on_postgres).await.assert_refused(&["was moved to sqlite:"]);
    let arguments = ["serve", "--data-dir", &folder, "--public-url", crate::process::ISSUER, "--listen", "127.0.0.1:0"];
    let server = Server::listening(place.start(&arguments, &environment)).await;
    known.check(&place, &server, &folder).await;
    server.end().await;
}

/// Reddens when a source is shut although that was not wanted, or stays shut although nobody has served from its copy.
#[tokio::test]
async fn a_rehearsal_and_a_move_that_is_taken_back() {
    let (place, url) = (Place::new(), empty().await);
    let server = place.serve(&[], &[]).await;
    let key = OwnerKey::make(&place).await;
    server.end().await;
    let told = db(&place, &["copy", "--from", "sqlite:", "--to", &url, "--keep-source-open"], None).await.succeeded();
    assert!(told.contains("the source is open"), "{told}");
    let server = place.serve(&[], &[]).await;
    exchange(&server.base, &key.secret).await;
    server.end().await;
    let again = db(&place, &["copy", "--from", "sqlite:", "--to", &url], None).await;
    again.assert_refused(&["the target is not empty"]);
    db(&place, &["copy", "--from", "sqlite:", "--to", &empty().await], None).await.succeeded();
    db(&place, &["reopen", "--nothing-changed"], None).await.succeeded();
    db(&place, &["reopen", "--nothing-changed"], None).await.assert_refused(&["was not moved"]);
    db(&place, &["reopen", "--accept-lost-revocations"], None).await.assert_refused(&["is not shut"]);
    let server = place.serve(&[], &[]).await;
    exchange(&server.base, &key.secret).await;
    server.end().await;
}

/// Reddens when a command makes something where nothing was, or does not say what to name.
#[tokio::test]
async fn what_is_not_there_is_not_made() {
    let (place, url) = (Place::new(), empty().await);
    for arguments in [&["status"][..], &["migrate"], &["reopen", "--nothing-changed"], &["copy", "--from", "sqlite:", "--to", &url]] {
        db(&place, arguments, None).await.assert_refused(&["there is no database"]);
        assert!(!place.path("data").exists());
    }
    let server = place.serve(&[], &[]).await;
    server.end().await;
    db(&place, &["copy", "--from", "sqlite:", "--to", "postgres:"], None).await.assert_refused(&["database.url"]);
    db(&place, &["copy", "--from", "sqlite:", "--to", &format!("mysql://me:{PASSWORD}@host/x")], None).await.assert_refused(&["must begin with sqlite:"]);
    db(&place, &["copy", "--from", "sqlite:", "--to", &format!("sqlite:{}", place.data())], None).await.assert_refused(&["the same database"]);
    // For whoever makes the tables before the first start.
    assert!(db(&place, &["migrate"], Some(&url)).await.succeeded().contains("the tables are made"));
    assert!(db(&place, &["migrate"], Some(&url)).await.succeeded().contains("nothing to do"));
    assert!(db(&place, &["migrate"], None).await.succeeded().contains("nothing to do"));
    // A copy of a database that nobody ever started with opens nothing.
    db(&place, &["copy", "--from", "postgres:", "--to", &empty().await], Some(&url)).await.assert_refused(&["never started with"]);
}
