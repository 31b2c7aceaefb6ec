//! Reasons not to start: exit code 1 and one sentence that says what to do.

use crate::process::{PRESET, Place};
use keywright_db::{Db, Location, Migration, Writes};
use std::{fs, net::TcpListener};

/// A folder that a server has used and left in good order.
async fn used() -> Place {
    let place = Place::new();
    place.serve(&[], &[]).await.end().await;
    place
}

#[tokio::test]
async fn a_folder_has_one_process() {
    let place = Place::new();
    let first = place.serve(&[], &[]).await;
    place.serve_in_vain(&[], &[]).await.assert_refused(&["another Keywright process", &place.data()]);
    // The first one is not disturbed, its socket least of all.
    place.admin_json(&["organization", "list"]).await;
    first.end().await;
}

#[tokio::test]
async fn a_port_has_one_program() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--data-dir", &place.data(), "--listen", &address];
    place.run(&arguments, &[]).await.assert_refused(&[&address, "taken by another program", "--listen"]);
    let arguments = ["demo", "--listen", &address];
    place.run(&arguments, &[]).await.assert_refused(&[&address, "taken by another program"]);
    let arguments = ["distribution", "--issuer", "http://127.0.0.1:1", "--data-dir", &place.text("distribution"), "--listen", &address];
    place.run(&arguments, &[]).await.assert_refused(&[&address, "taken by another program"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written() {
    let place = Place::new();
    // Below a file there is no folder, whoever asks.
    place.write("data", "a file");
    let below = place.text("data/below");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &below];
    place.run(&arguments, &[]).await.assert_refused(&["data folder", &below, "--data-dir"]);
}

#[tokio::test]
async fn a_database_without_its_key_file_or_with_another() {
    let (place, other) = (used().await, used().await);
    let (own, kept) = (place.path("data/keywright.key"), place.path("kept.key"));
    fs::rename(&own, &kept).unwrap();
    place.serve_in_vain(&[], &[]).await.assert_refused(&["key file", "missing", "backup"]);
    assert!(!own.exists(), "none is made in its place");
    fs::copy(other.path("data/keywright.key"), &own).unwrap();
    place.serve_in_vain(&[], &[]).await.assert_refused(&["key file does not belong to this database"]);
    place.admin(&["organization", "list"]).await.assert_refused(&["key file does not belong to this database"]);
    fs::write(&own, "not a key file").unwrap();
    place.serve_in_vain(&[], &[]).await.assert_refused(&["key file", "cannot be read"]);
    fs::rename(&kept, &own).unwrap();
    place.serve(&[], &[]).await.end().await;
}

#[tokio::test]
async fn another_public_url() {
    let place = used().await;
    let arguments = ["serve", "--data-dir", &place.data(), "--listen", "127.0.0.1:0", "--public-url", "https://other.example.com"];
    place.run(&arguments, &[]).await.assert_refused(&[crate::process::ISSUER, "https://other.example.com", "public_url"]);
}

#[tokio::test]
async fn a_database_of_a_newer_release() {
    let place = used().await;
    let step = Migration { version: 9_000, name: "from the future", sqlite: "CREATE TABLE future (id INTEGER) STRICT", postgres: "SELECT 1" };
    let migrations: Vec<Migration> = keywright_store::MIGRATIONS.iter().copied().chain([step]).collect();
    let location = Location::Sqlite { path: place.path("data/keywright.sqlite3") };
    Db::open(&location, Writes::Revisioned, &migrations).await.unwrap().close().await;
    place.serve_in_vain(&[], &[]).await.assert_refused(&["9000", "newer"]);
    place.admin(&["organization", "list"]).await.assert_refused(&["9000", "newer"]);
}

#[tokio::test]
async fn keys_that_would_travel_in_clear() {
    let place = Place::new();
    let arguments = ["serve", "--data-dir", &place.data(), "--public-url", "https://auth.example.com", "--listen", "0.0.0.0:0"];
    place.run(&arguments, &[]).await.assert_refused(&["not a loopback address", "tls.cert", "trusted_proxies", "--insecure-http"]);
    place.run(&["demo", "--listen", "0.0.0.0:0"], &[]).await.assert_refused(&["not a loopback address"]);
    let arguments = ["distribution", "--issuer", "https://auth.example.com", "--data-dir", &place.data(), "--listen", "0.0.0.0:0"];
    place.run(&arguments, &[]).await.assert_refused(&["not a loopback address"]);
    let arguments = ["distribution", "--issuer", "http://auth.example.com", "--data-dir", &place.data(), "--listen", "127.0.0.1:0"];
    place.run(&arguments, &[]).await.assert_refused(&["http://auth.example.com", "https"]);
    assert!(!place.path("data").exists(), "nothing was made");
}

#[tokio::test]
async fn a_setting_that_does_not_exist() {
    let place = Place::new();
    let file = place.write("odd.toml", "[tokens]\nlifetime = 5\n");
    place.serve_in_vain(&["--config", &file], &[]).await.assert_refused(&["lifetime", "odd.toml", "config reference"]);
    place.serve_in_vain(&[], &[("KEYWRIGHT_TOKENS__NOPE", "1")]).await.assert_refused(&["nope", "KEYWRIGHT_"]);
    place.serve_in_vain(&[], &[("KEYWRIGHT_NOPE", "1")]).await.assert_refused(&["nope"]);
    place.serve_in_vain(&["--config", &place.text("none.toml")], &[]).await.assert_refused(&["there is no file", "none.toml"]);
    place.serve_in_vain(&[], &[(PRESET.0, "other")]).await.assert_refused(&["other", "appcircle"]);
    assert!(!place.path("data").exists(), "nothing was made");
}

#[tokio::test]
async fn tls_files_that_cannot_be_used() {
    let place = Place::new();
    let (missing, odd) = (place.text("none.pem"), place.write("odd.pem", "no certificate"));
    for (cert, part) in [(&missing, "none.pem"), (&odd, "odd.pem")] {
        let ended = place.serve_in_vain(&[], &[("KEYWRIGHT_TLS__CERT", cert), ("KEYWRIGHT_TLS__KEY", &odd)]).await;
        ended.assert_refused(&["tls", part]);
    }
}
