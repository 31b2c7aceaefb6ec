//! What outlives the process: keys, revocations, signing keys, also those of an algorithm that was given up.

use crate::{
    admin::OwnerKey,
    http::{exchange, header, token_keys, try_exchange, userinfo},
    process::Place,
};
use serde_json::json;

#[tokio::test]
async fn keys_revocations_and_tokens_outlive_the_process() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let (kept, revoked) = (OwnerKey::make(&place).await, OwnerKey::make(&place).await);
    let token = exchange(&server.base, &kept.secret).await;
    let dead = exchange(&server.base, &revoked.secret).await;
    place.admin_json(&["key", "revoke", &revoked.id]).await;
    assert_eq!(try_exchange(&server.base, &revoked.secret).await.json()["error"], "key_revoked");
    let keys = token_keys(&server.base).await;
    server.end().await;

    let again = place.serve(&[], &[]).await;
    assert_eq!(token_keys(&again.base).await, keys);
    let answer = userinfo(&again.base, &token).await;
    assert_eq!((answer.status, answer.json()["currentOrganizationId"].as_str()), (200, Some(kept.organization.as_str())), "{answer:?}");
    let fresh = exchange(&again.base, &kept.secret).await;
    assert_eq!(header(&fresh)["kid"], header(&token)["kid"]);
    let refused = try_exchange(&again.base, &revoked.secret).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("key_revoked")), "{refused:?}");
    assert_eq!(userinfo(&again.base, &dead).await.status, 401, "a token of a key that was revoked");
    again.end().await;
}

#[tokio::test]
async fn another_algorithm_signs_from_now_on_and_the_old_one_still_verifies() {
    let place = Place::new();
    let mut tokens: Vec<String> = Vec::new();
    let mut key = None;
    for algorithm in ["ES256", "EdDSA", "RS256", "ES256"] {
        let file = place.write("algorithm.toml", &format!("[tokens]\nalgorithm = \"{algorithm}\"\n"));
        let server = place.serve(&["--config", &file], &[]).await;
        let key: &OwnerKey = match &key {
            Some(key) => key,
            None => key.insert(OwnerKey::make(&place).await),
        };
        let token = exchange(&server.base, &key.secret).await;
        assert_eq!(header(&token)["alg"], algorithm);
        let published = token_keys(&server.base).await;
        let signing = published.iter().find(|jwk| jwk["kid"] == header(&token)["kid"]).expect("the key that signs");
        assert_eq!(signing["alg"], algorithm);
        let kty = match algorithm {
            "ES256" => "EC",
            "EdDSA" => "OKP",
            _ => "RSA",
        };
        assert_eq!(signing["kty"], json!(kty));
        tokens.push(token);
        for old in &tokens {
            assert!(published.iter().any(|jwk| jwk["kid"] == header(old)["kid"]), "the key of {} is gone", header(old));
            assert_eq!(userinfo(&server.base, old).await.status, 200, "{}", header(old));
        }
        assert_eq!(published.len(), tokens.len());
        server.end().await;
    }
}

#[tokio::test]
async fn the_other_name_of_eddsa_is_taken_too() {
    let place = Place::new();
    let server = place.serve(&[], &[("KEYWRIGHT_TOKENS__ALGORITHM", "Ed25519")]).await;
    let token = exchange(&server.base, &OwnerKey::make(&place).await.secret).await;
    assert_eq!(header(&token)["alg"], "EdDSA");
}
