//! `keywright serve` on an empty folder: who becomes Owner, what lies in the folder, what is served unless configured.

use crate::{
    http::{catalog, get},
    process::{PRESET, Place, Server, mode, shell, text},
};

const ONCE: &str = "one-time password (shown once): ";

#[tokio::test]
async fn the_one_time_password_is_printed_once_and_everything_is_private() {
    let place = Place::new();
    let first = place.serve(&["--owner-email", "owner@example.com"], &[]).await;
    let printed = first.program.printed();
    assert_eq!(printed.matches(ONCE).count(), 1, "{printed}");
    let password = printed.lines().find_map(|line| line.strip_prefix(ONCE)).unwrap().to_owned();
    assert!(password.len() >= 16, "{password}");
    for (name, expected) in
        [("data", 0o700), ("data/admin.sock", 0o600), ("data/keywright.key", 0o600), ("data/keywright.sqlite3", 0o600), ("data/keywright.lock", 0o600)]
    {
        assert_eq!(mode(&place.path(name)), expected, "{name}");
    }
    first.end().await;
    assert!(!place.path("data/admin.sock").exists());

    let second = place.serve(&["--owner-email", "owner@example.com"], &[]).await;
    let ended = second.program.end().await;
    for text in [&ended.printed, &ended.log] {
        assert!(!text.contains("password") && !text.contains(&password) && !text.contains("bootstrap"), "{text}");
    }
    ended.succeeded();
}

#[tokio::test]
async fn without_an_owner_it_says_which_command_makes_one() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let line = server.program.printed().lines().find(|line| line.contains("bootstrap")).expect("the command").to_owned();
    assert!(!server.program.printed().contains("password"));
    let (_, command) = line.split_once("keywright ").unwrap();
    let bootstrapped = shell(&format!("{} {command}", env!("CARGO_BIN_EXE_keywright"))).await;
    assert!(bootstrapped.contains(ONCE), "{bootstrapped}");
    place.admin(&["bootstrap", "--owner-email", "other@example.com"]).await.assert_refused(&["stands already"]);
    assert_eq!(text(&place.admin_json(&["user", "list"]).await["users"][0], "email"), "you@example.com");
    server.end().await;

    let ended = place.serve(&[], &[]).await.program.end().await;
    assert!(!ended.printed.contains("bootstrap"), "{ended:?}");
}

#[tokio::test]
async fn no_catalog_but_the_built_in_one_and_no_distribution_unless_configured() {
    let place = Place::new();
    let plain = place.serve(&[], &[]).await;
    let document = catalog(&plain.base).await;
    assert!(document["catalog"]["roles"]["owner"].is_object(), "{document}");
    let words = document.to_string().to_lowercase();
    assert!(!words.contains("distribution") && !words.contains("appcircle"), "{document}");
    assert_eq!(get(&plain.base, "/distribution/v2/profiles").await.status, 404);
    assert!(!get(&plain.base, "/openapi/auth.json").await.text.contains("/distribution/"));
    plain.end().await;

    let enabled = ("KEYWRIGHT_DISTRIBUTION__ENABLED", "true");
    place.serve_in_vain(&[], &[enabled]).await.assert_refused(&["distribution.enabled", "set catalog.preset = \"appcircle\""]);

    let both: Server = place.serve(&[], &[enabled, PRESET]).await;
    assert_eq!(get(&both.base, "/distribution/v2/profiles").await.status, 401, "it is there and wants a token");
    assert!(catalog(&both.base).await["catalog"]["roles"]["view-distribution-profile"].is_object());
    both.end().await;

    let preset_alone = place.serve(&[], &[PRESET]).await;
    assert_eq!(get(&preset_alone.base, "/distribution/v2/profiles").await.status, 404);
}
