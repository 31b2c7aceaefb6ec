//! Good tokens, what they permit, and the memory of them.

use crate::world::{AUDIENCE, EXP, ISSUER, NOW, Signer, World, catalog_document, claims, now, snapshot};
use jsonwebtoken::Validation;
use keywright_protocol::{
    Catalog, Time,
    claims::CATALOG_TYPE,
    jwk::{Algorithm, Purpose},
};
use keywright_verify::{CatalogDocument, DocumentError, Need, RefreshError, Source, VerifyError, signed_document};
use serde_json::{Value, json};
use std::sync::{Arc, atomic::Ordering};

fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
    }
}

#[test]
fn tokens_of_every_algorithm_are_accepted_and_so_they_are_by_another_library() {
    let world = World::new();
    let verifier = world.verifier();
    for signer in [&world.es, &world.ed, &world.rs] {
        let token = signer.token(&claims());
        assert_eq!(verifier.verify(&token, now()).unwrap().claims.email, "ada@example.com");
        let mut validation = Validation::new(theirs(signer.algorithm));
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        // That library reads the system's clock, which is not the tests'.
        validation.validate_exp = false;
        let read = jsonwebtoken::decode::<Value>(&token, &signer.decoding_key(), &validation).unwrap();
        assert_eq!(read.claims, claims());
    }
}

#[test]
fn tokens_of_another_library_are_accepted() {
    let world = World::new();
    let verifier = world.verifier();
    for signer in [&world.es, &world.ed, &world.rs] {
        let mut header = jsonwebtoken::Header::new(theirs(signer.algorithm));
        (header.kid, header.typ) = (Some(signer.kid.to_owned()), Some("at+jwt".to_owned()));
        let token = jsonwebtoken::encode(&header, &claims(), &signer.encoding_key()).unwrap();
        verifier.verify(&token, now()).unwrap();
    }
}

#[test]
fn roles_are_resolved_within_the_audience() {
    let world = World::new();
    let permissions = |audience: &str, change: &dyn Fn(&mut Value)| {
        let verifier = world.verifier_with(|config| audience.clone_into(&mut config.audience));
        let mut claims = claims();
        claims["aud"] = json!(audience);
        change(&mut claims);
        let verified = verifier.verify(&world.ed.token(&claims), now()).unwrap();
        let ids: Vec<String> = verified.permissions().map(str::to_owned).collect();
        for id in ["reports.view", "reports.edit", "members.list", "unheard.of"] {
            assert_eq!(verified.may(id), ids.iter().any(|have| have == id), "{id}");
        }
        ids
    };
    assert_eq!(permissions(AUDIENCE, &|_| {}), ["reports.view"]);
    assert_eq!(permissions(ISSUER, &|_| {}), ["members.list"]);
    assert_eq!(permissions(AUDIENCE, &|claims| claims["roles"] = json!(["owner"])), ["reports.edit", "reports.view"]);
    assert_eq!(permissions("https://nobody.example.com", &|claims| claims["roles"] = json!(["owner"])), [""; 0]);
    assert_eq!(permissions(AUDIENCE, &|claims| claims["roles"] = json!(["unheard-of"])), [""; 0]);
    // A scope is the whole truth, also when it says less than the roles, or nothing.
    let scoped = |scope: &str| {
        permissions(AUDIENCE, &|claims| {
            claims["roles"] = json!(["owner"]);
            claims["scope"] = json!(scope);
        })
    };
    assert_eq!(scoped("reports.edit members.list unheard.of"), ["reports.edit"]);
    assert_eq!(scoped(""), [""; 0]);
}

/// Reddens when `permissions` is not read, is taken for the whole truth, goes beyond the audience, or counts beside a `scope`.
#[test]
fn permissions_are_added_to_what_roles_permit_within_the_audience() {
    let world = World::new();
    let permitted = |audience: &str, roles: &Value, permissions: &Value, scope: Option<&str>| {
        let verifier = world.verifier_with(|config| audience.clone_into(&mut config.audience));
        let mut claims = claims();
        (claims["aud"], claims["roles"], claims["permissions"]) = (json!(audience), roles.clone(), permissions.clone());
        if let Some(scope) = scope {
            claims["scope"] = json!(scope);
        }
        let verified = verifier.verify(&world.es.token(&claims), now()).unwrap();
        verified.permissions().map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = [
        (AUDIENCE, json!(["viewer"]), json!(["reports.edit"]), None, vec!["reports.edit", "reports.view"]),
        (AUDIENCE, json!([]), json!(["reports.edit"]), None, vec!["reports.edit"]),
        (AUDIENCE, json!([]), json!([]), None, vec![]),
        // Of another audience, unknown, in other letters, or several in one: nobody's.
        (AUDIENCE, json!([]), json!(["members.list", "unheard.of", "Reports.edit", "reports.view reports.edit", "", "owner"]), None, vec![]),
        (ISSUER, json!([]), json!(["members.list", "reports.edit"]), None, vec!["members.list"]),
        ("https://nobody.example.com", json!([]), json!(["reports.edit"]), None, vec![]),
        // What an organization makes of its roles is none of a verifier's business.
        (AUDIENCE, json!(["custom:editor"]), json!(["reports.view", "reports.view"]), None, vec!["reports.view"]),
        (AUDIENCE, json!(["viewer"]), json!(["reports.edit"]), Some("reports.view"), vec!["reports.view"]),
        (AUDIENCE, json!(["viewer"]), json!(["reports.edit"]), Some(""), vec![]),
    ];
    for (audience, roles, permissions, scope, expected) in rows {
        assert_eq!(permitted(audience, &roles, &permissions, scope), expected, "{audience} {roles} {permissions} {scope:?}");
    }
}

#[test]
fn another_epoch_is_another_decision() {
    let world = World::new();
    let verifier = world.verifier();
    let token = world.es.token(&claims());
    let first = verifier.verify(&token, now()).unwrap();
    assert!(Arc::ptr_eq(&first, &verifier.verify(&token, now()).unwrap()), "seen before");

    let mut poorer = catalog_document();
    poorer["roles"]["viewer"]["permissions"] = json!([]);
    let catalog = Arc::new(Catalog::new(serde_json::from_value(poorer).unwrap()).unwrap());
    world.shelf.put(keywright_verify::Snapshot { catalog, ..snapshot(&[&world.es], 2) });
    assert!(first.may("reports.view"));
    assert!(!verifier.verify(&token, now()).unwrap().may("reports.view"));

    world.shelf.put(snapshot(&[&world.ed], 3));
    assert_eq!(verifier.verify(&token, now()).unwrap_err(), VerifyError::NeedsRefresh(Need::Keys), "its key is gone");
}

#[test]
fn a_token_seen_before_expires_like_any_other() {
    let world = World::new();
    let verifier = world.verifier();
    let token = world.es.token(&claims());
    verifier.verify(&token, now()).unwrap();
    assert_eq!(verifier.verify(&token, Time::from_seconds(EXP + 30)).unwrap_err(), VerifyError::Expired);
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once() {
    let world = World::new();
    let verifier = world.verifier();
    let late = Signer::new("late", Algorithm::EdDSA, None);
    let token = late.token(&claims());
    assert_eq!(verifier.verify_refreshing(&token, now()).await.unwrap_err(), VerifyError::UnknownKey);
    assert_eq!(world.shelf.refreshes.load(Ordering::SeqCst), 1);

    world.shelf.next(Err(RefreshError::Unavailable("down".to_owned())));
    assert_eq!(verifier.verify_refreshing(&token, now()).await.unwrap_err(), VerifyError::Unavailable);

    world.shelf.next(Ok(snapshot(&[&late], 2)));
    verifier.verify_refreshing(&token, now()).await.unwrap();
    assert_eq!(world.shelf.refreshes.load(Ordering::SeqCst), 3);
    verifier.verify_refreshing(&token, now()).await.unwrap();
    assert_eq!(world.shelf.refreshes.load(Ordering::SeqCst), 3, "a known key needs no refresh");
}

#[test]
fn a_signed_document_is_of_its_type_and_of_a_key_for_documents() {
    let world = World::new();
    let snapshot = world.shelf.snapshot().unwrap();
    let payload = json!({ "iss": ISSUER, "iat": NOW, "history": 1, "revision": 42, "catalog": catalog_document() }).to_string();
    let header = |alg: &str, kid: &str, typ: &str| format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}"#);
    let read = |jws: &str| signed_document::<CatalogDocument>(jws, (CATALOG_TYPE, Purpose::Document), &snapshot.keys);

    let good = world.document.jws(&header("ES256", "doc", CATALOG_TYPE), &payload);
    assert_eq!(read(&good).unwrap().position().to_string(), "1.42");
    let refused = |jws: &str| read(jws).unwrap_err();
    assert_eq!(refused(&world.es.jws(&header("ES256", "es", CATALOG_TYPE), &payload)), DocumentError::UnknownKey);
    assert_eq!(refused(&world.es.jws(&header("ES256", "doc", CATALOG_TYPE), &payload)), DocumentError::Signature);
    assert_eq!(refused(&world.document.jws(&header("EdDSA", "doc", CATALOG_TYPE), &payload)), DocumentError::Algorithm);
    assert_eq!(refused(&world.document.jws(&header("ES256", "doc", "at+jwt"), &payload)), DocumentError::WrongType);
    assert_eq!(refused(&world.document.jws(&header("ES256", "doc", CATALOG_TYPE), "{}")), DocumentError::Payload);
    let doubled = payload.replace(r#""history":1"#, r#""history":1,"history":9"#);
    assert_eq!(refused(&world.document.jws(&header("ES256", "doc", CATALOG_TYPE), &doubled)), DocumentError::Payload);
    assert_eq!(refused(&format!("{}.", good.rsplit_once('.').unwrap().0)), DocumentError::Signature);
    assert_eq!(refused("a.b"), DocumentError::Malformed);
    assert_eq!(refused(&"a".repeat(1024 * 1024 + 1)), DocumentError::TooLong);
}
