//! The issuer that APIs are tested with.

use crate::world::{AUDIENCE, World, catalog_document, now};
use keywright_protocol::{Catalog, Clock, OrganizationId, Time};
use keywright_verify::{
    Config, Source, Verified, Verifier, VerifyError,
    testing::{ISSUER, Issuer, LIFE_SECONDS},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// A catalog as an operator writes it.
const TOML: &str = r#"
[apis.reports]
audience = "https://reports.example.com"

[apis.reports.permissions]
"reports.view" = "See reports"

[roles.viewer]
name = "Viewer"
permissions = ["reports.view"]
"#;

fn catalog() -> Catalog {
    Catalog::new(serde_json::from_value(catalog_document()).unwrap()).unwrap()
}

fn issuer() -> (Issuer, Clock) {
    let clock = Clock::stepped(now());
    (Issuer::with_clock(catalog(), clock.clone()), clock)
}

fn permissions(holder: &Verified) -> Vec<&str> {
    holder.permissions().collect()
}

/// What a test is told that asks for something impossible.
fn complaint(ask: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(ask)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap()
}

#[test]
fn a_token_permits_what_was_asked_for_at_its_api_alone() {
    let (issuer, _) = issuer();
    let token = issuer.token(&["reports.view"]);
    let holder = issuer.verifier(AUDIENCE).verify(&token, now()).unwrap();
    assert_eq!(permissions(&holder), ["reports.view"]);
    assert_eq!(holder.organization_id(), issuer.organization());
    assert_eq!(issuer.verifier("https://mail.example.com").verify(&token, now()).unwrap_err(), VerifyError::WrongAudience);
    // The issuer's own API, and no permission at all.
    for (asked, had) in [(&["members.list"][..], &["members.list"][..]), (&[], &[])] {
        assert_eq!(permissions(&issuer.verifier(ISSUER).verify(&issuer.token(asked), now()).unwrap()), had);
    }
}

#[test]
fn roles_permit_what_the_catalog_says() {
    let (issuer, _) = issuer();
    for (role, had) in [("viewer", &["reports.view"][..]), ("editor", &["reports.edit", "reports.view"])] {
        let token = issuer.token_with_roles(AUDIENCE, &[role]);
        assert_eq!(permissions(&issuer.verifier(AUDIENCE).verify(&token, now()).unwrap()), had, "{role}");
    }
}

#[test]
fn claims_are_what_the_test_says() {
    let (issuer, _) = issuer();
    let elsewhere: OrganizationId = "8c0d1f7e-0000-4000-8000-000000000009".parse().unwrap();
    let token = issuer.token_with(&["reports.view"], |claims| {
        claims.aud = "https://mail.example.com".into();
        claims.current_organization_id = elsewhere;
    });
    let holder = issuer.verifier("https://mail.example.com").verify(&token, now()).unwrap();
    assert_eq!(holder.organization_id(), elsewhere);
    assert_eq!(holder.claims.organization_id, issuer.organization());
}

#[test]
fn a_token_ends_with_its_time() {
    let (issuer, clock) = issuer();
    let verifier = issuer.verifier(AUDIENCE);
    assert_eq!(verifier.verify(&issuer.expired(&["reports.view"]), now()).unwrap_err(), VerifyError::Expired);
    let token = issuer.token(&["reports.view"]);
    assert!(verifier.verify(&token, clock.now()).is_ok());
    clock.advance(Duration::from_secs(LIFE_SECONDS as u64 - 1));
    assert!(verifier.verify(&token, clock.now()).is_ok(), "what is known of its status is as new as the clock");
    clock.advance(Duration::from_secs(31));
    assert_eq!(verifier.verify(&token, clock.now()).unwrap_err(), VerifyError::Expired);
}

#[test]
fn a_revoked_token_is_refused_and_no_other_one() {
    let (issuer, _) = issuer();
    let verifier = issuer.verifier(AUDIENCE);
    let [one, other] = [(), ()].map(|()| issuer.token(&["reports.view"]));
    assert!(verifier.verify(&one, now()).is_ok());
    issuer.clone().revoke(&one);
    assert_eq!(verifier.verify(&one, now()).unwrap_err(), VerifyError::Revoked);
    assert_eq!(issuer.verifier(AUDIENCE).verify(&one, now()).unwrap_err(), VerifyError::Revoked, "a verifier that has not seen it before");
    assert!(verifier.verify(&other, now()).is_ok());
}

#[test]
fn nobody_else_takes_its_tokens() {
    let (issuer, _) = issuer();
    let token = issuer.token(&["reports.view"]);
    let world = World::new();
    assert!(matches!(world.verifier().verify(&token, now()), Err(VerifyError::NeedsRefresh(_))), "its key is nobody's");
    // Another one of its kind has another key, also under the same name and id.
    let other = Issuer::with_clock(catalog(), Clock::stepped(now()));
    assert_eq!(other.verifier(AUDIENCE).verify(&token, now()).unwrap_err(), VerifyError::Signature);
    // Whoever expects a real issuer takes none, even if he believed the key.
    let believing = Verifier::new(Config::new("https://auth.example.com", AUDIENCE), Arc::new(issuer.clone()) as Arc<dyn Source>);
    assert_eq!(believing.verify(&token, now()).unwrap_err(), VerifyError::WrongIssuer);
}

#[test]
fn a_catalog_is_read_as_the_operator_writes_it() {
    let issuer = Issuer::from_toml(TOML);
    let token = issuer.token_with_roles(AUDIENCE, &["viewer"]);
    // By the system's clock: from_toml is what a test of an API begins with.
    let time: Time = Clock::System.now();
    assert_eq!(permissions(&issuer.verifier(AUDIENCE).verify(&token, time).unwrap()), ["reports.view"]);
}

#[test]
fn what_cannot_be_ends_the_test_with_a_sentence() {
    let (issuer, _) = issuer();
    let foreign = Issuer::new(catalog()).token(&["reports.view"]);
    let unknown_entry = issuer.token_with(&[], |claims| claims.status.status_list.uri = format!("{ISSUER}/status/v1/lists/7").into());
    for (name, complaint, part) in [
        ("permission", complaint(|| drop(issuer.token(&["reports.veiw"]))), "no permission `reports.veiw`"),
        ("two APIs", complaint(|| drop(issuer.token(&["reports.view", "members.list"]))), "different audiences"),
        ("role", complaint(|| drop(issuer.token_with_roles(AUDIENCE, &["king"]))), "no role `king`"),
        ("foreign", complaint(|| issuer.revoke(&foreign)), "no token of this issuer"),
        ("unknown entry", complaint(|| issuer.revoke(&unknown_entry)), "no token of this issuer"),
        ("garbage", complaint(|| issuer.revoke("Bearer x")), "no token of this issuer"),
        ("no TOML", complaint(|| drop(Issuer::from_toml("[apis"))), "this is no catalog"),
        ("a mistake in it", complaint(|| drop(Issuer::from_toml("[roles.x]\nname = \"X\"\npermissions = [\"y\"]"))), "which no API has"),
    ] {
        assert!(complaint.contains(part), "{name}: {complaint}");
    }
}
