//! The verifier that asks, against the server itself.

use crate::support::claims;
use keywright_protocol::KeyKind;
use keywright_testkit::{Actor, TestServer};
use keywright_verify::{ClientCredentials, Config, HttpSourceError, RawKeys, RemoteVerifier, Transport, VerifyError};

const VIEW: &str = "distribution.profile.view";

fn verifier(server: &TestServer, secret: &str, audience: &str, raw_keys: RawKeys) -> RemoteVerifier {
    let client = ClientCredentials { id: "acme-ci".to_owned(), secret: secret.to_owned() };
    RemoteVerifier::new(Config::new(&server.base, audience), client, raw_keys, Transport::Tls).unwrap()
}

/// Reddens when an answer is kept, or when an outage or our own bad credentials are an answer about the token.
#[tokio::test]
async fn each_answer_is_of_this_moment() {
    let server = TestServer::start().await;
    let (token, secret) = (server.token(Actor::Viewer).await, server.api_key("acme-ci").to_owned());
    let asks = verifier(&server, &secret, &server.base, RawKeys::Refused);
    let holder = asks.verify(&token).await.unwrap();
    assert!(holder.may(VIEW) && !holder.may("distribution.profile.manage") && !holder.may(""));
    assert_eq!(holder.answer().sub.as_deref(), claims(&token)["sub"].as_str());
    assert_eq!(asks.verify("a.b.c").await, Err(VerifyError::Inactive));
    assert_eq!(asks.verify(&server.token(Actor::OtherOwner).await).await, Err(VerifyError::Inactive), "of another root");
    assert_eq!(asks.verify(server.key("viewer")).await, Err(VerifyError::RawKey(KeyKind::PersonalAccessKey)));
    let elsewhere = verifier(&server, &secret, "https://other.example", RawKeys::Refused);
    assert_eq!(elsewhere.verify(&token).await, Err(VerifyError::WrongAudience));
    let keys = verifier(&server, &secret, &server.base, RawKeys::Accepted);
    assert!(keys.verify(server.key("viewer")).await.unwrap().may(VIEW));
    assert_eq!(keys.verify(&token).await.unwrap(), holder);
    let stranger = verifier(&server, "kw_api_x", &server.base, RawKeys::Refused);
    assert_eq!(stranger.verify(&token).await, Err(VerifyError::Unavailable));
    assert!(stranger.last_error().unwrap().contains("401"));
    assert!(!format!("{asks:?}").contains(&secret));
    server.core.disable_user(&server.host(), server.demo.users["viewer"].id).await.unwrap();
    assert_eq!(asks.verify(&token).await, Err(VerifyError::Inactive));
    assert_eq!(keys.verify(server.key("viewer")).await, Err(VerifyError::Inactive));
    server.end().await;
    assert_eq!(asks.verify(&token).await, Err(VerifyError::Unavailable));
    assert!(asks.last_error().is_some());
    let (client, config) = (ClientCredentials { id: String::new(), secret: String::new() }, Config::new("http://auth.example.com", "a"));
    assert_eq!(RemoteVerifier::new(config, client, RawKeys::Refused, Transport::Tls).unwrap_err(), HttpSourceError::PlainHttp);
}
