//! `keywright config`: what a person asks before a server is started.

use crate::process::{PRESET, Place};

#[tokio::test]
async fn the_reference_is_a_configuration_that_can_be_used() {
    let place = Place::new();
    let reference = place.run(&["config", "reference"], &[]).await.succeeded();
    assert!(reference.contains("#life_minutes = 60"), "{reference}");
    let file = place.write("reference.toml", &reference);
    let said = place.run(&["config", "check", "--config", &file], &[]).await.succeeded();
    assert!(said.contains("can be used"), "{said}");
    // Taking a comment sign away sets what stands there.
    let own = reference.replace("#[tokens]", "[tokens]").replace("#life_minutes = 60", "life_minutes = 0");
    let file = place.write("own.toml", &own);
    place.run(&["config", "check", "--config", &file], &[]).await.assert_refused(&["tokens.life_minutes"]);
}

#[tokio::test]
async fn a_check_finds_what_a_start_would_and_touches_nothing() {
    let place = Place::new();
    let check = ["config", "check", "--data-dir", &place.data()];
    place.run(&check, &[]).await.succeeded();
    // The file of this name in the folder where it is started is read without being named.
    let file = place.write("work/keywright.toml", "listen = \"0.0.0.0:80\"\npublic_url = \"https://auth.example.com\"\n");
    place.run(&check, &[]).await.assert_refused(&["not a loopback address"]);
    place.run(&check, &[("KEYWRIGHT_TRUSTED_PROXIES", "[\"10.0.0.0/8\"]")]).await.succeeded();
    place.run(&check, &[("KEYWRIGHT_LISTEN", "127.0.0.1:80")]).await.succeeded();
    std::fs::remove_file(file).unwrap();

    let missing = place.text("none.pem");
    for (name, value, part) in [
        ("KEYWRIGHT_TOKENS__NOPE", "1", "nope"),
        ("KEYWRIGHT_TOKENS__ALGORITHM", "HS256", "HS256"),
        ("KEYWRIGHT_PUBLIC_URL", "https://auth.example.com/path", "public_url"),
        ("KEYWRIGHT_CATALOG__PRESET", "other", "other"),
        ("KEYWRIGHT_CATALOG__FILE", missing.as_str(), "none.pem"),
    ] {
        place.run(&check, &[(name, value)]).await.assert_refused(&[part]);
    }
    // With the preset, and so with its permissions, it can be used.
    let distribution = [("KEYWRIGHT_DISTRIBUTION__ENABLED", "true"), PRESET];
    place.run(&check, &distribution[..1]).await.assert_refused(&["distribution.enabled needs the permission"]);
    place.run(&check, &distribution).await.succeeded();
    let tls = [("KEYWRIGHT_TLS__CERT", missing.as_str()), ("KEYWRIGHT_TLS__KEY", missing.as_str())];
    place.run(&check, &tls).await.assert_refused(&["tls", "none.pem"]);
    assert!(!place.path("data").exists());
}
