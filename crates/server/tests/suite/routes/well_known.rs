//! The documents that verifiers read, used as they use them.

use crate::support::claims;
use keywright_protocol::{
    Catalog,
    jwk::JwkSet,
    paths::{CATALOG, JWKS, JWKS_PEM},
};
use keywright_testkit::{Actor, TestServer};
use keywright_verify::{Config, KeySet, Need, Refreshing, Snapshot, Source, StatusPolicy, Verifier};
use serde_json::Value;
use std::sync::Arc;

struct Fetched(Arc<Snapshot>);

impl Source for Fetched {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Some(Arc::clone(&self.0))
    }

    fn refresh(&self, _need: Need) -> Refreshing<'_> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_stranger_checks_a_token_with_what_is_published_here() {
    let server = TestServer::start().await;
    let keys: JwkSet = serde_json::from_value(server.get(Actor::Anonymous, JWKS).await.json()).unwrap();
    let catalog = claims(&server.get(Actor::Anonymous, CATALOG).await.text);
    let catalog = Catalog::new(serde_json::from_value(catalog["catalog"].clone()).unwrap()).unwrap();
    let snapshot = Snapshot { keys: KeySet::from_jwks(&keys).unwrap(), catalog: Arc::new(catalog), epoch: 1, status: None };
    let verifier = Verifier::new(Config { status: StatusPolicy::Ignore, ..Config::new(&*server.base, &*server.base) }, Arc::new(Fetched(Arc::new(snapshot))));
    let owner = verifier.verify(&server.token(Actor::Owner).await, server.clock.now()).unwrap();
    assert!(owner.may("distribution.profile.manage"), "no scope fits: roles by the catalog");
    let member = verifier.verify(&server.token(Actor::Submember).await, server.clock.now()).unwrap();
    assert!(member.may("distribution.profile.view") && !member.may("distribution.profile.manage"));
    server.end().await;
}

/// Reddens when a private member gets into the key set.
#[tokio::test]
async fn the_key_set_is_public_and_holds_nothing_private() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let server = TestServer::start_with(|config| algorithm.clone_into(&mut config.tokens.algorithm)).await;
        let answer = server.get(Actor::Anonymous, JWKS).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "application/json"));
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let set = answer.json();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 4, "one for access tokens, one for documents, one for status lists, one for identity tokens");
        for key in keys {
            assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|private| key.get(private).is_none()), "{key}");
            assert_eq!((key["alg"].as_str(), key["use"].as_str()), (Some(algorithm), Some("sig")));
        }
        let token = server.token(Actor::Owner).await;
        let header: Value = claims(&format!(".{}", token.split('.').next().unwrap()));
        let signing = keys.iter().find(|key| key["kid"] == header["kid"]).expect("the token's key is published");
        assert_eq!(signing["keywright_purpose"], "access-token");
        let pem = server.get(Actor::Anonymous, JWKS_PEM).await;
        assert_eq!(pem.text.matches("-----BEGIN PUBLIC KEY-----").count(), 1, "the token's key alone: {}", pem.text);
        assert!(!pem.text.contains("PRIVATE"));
        assert_eq!(pem.header("content-type"), "application/x-pem-file");
        server.end().await;
    }
}

#[tokio::test]
async fn the_catalog_is_signed_and_names_its_issuer() {
    let server = TestServer::start().await;
    let answer = server.get(Actor::Anonymous, CATALOG).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "application/jwt"));
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    let document = claims(&answer.text);
    assert_eq!(document["iss"], server.base.as_str());
    assert!(document["revision"].is_i64() && document["history"].is_i64() && document["iat"].is_i64());
    assert!(document["catalog"]["roles"]["manage-distribution-profile"].is_object());
    let header: Value = claims(&format!(".{}", answer.text.split('.').next().unwrap()));
    assert_eq!(header["typ"], "keywright-catalog+jwt");
    let keys = server.get(Actor::Anonymous, JWKS).await.json();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap().clone();
    assert_ne!(key["keywright_purpose"], "access-token", "a key of its own");
    server.end().await;
}
