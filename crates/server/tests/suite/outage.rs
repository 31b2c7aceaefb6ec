//! A database that does not answer is never a refusal: 503 with Retry-After, whatever was asked.

use crate::support::{fails, issued};
use keywright_protocol::paths::{API_KEY_TOKEN, HEALTH, JWKS, READY, TOKEN_V1, TOKEN_V3};
use keywright_testkit::{Actor, TestServer};
use reqwest::Method;

/// Reddens when a failed query is taken for "no such key", or a token is called bad because its key could not be looked up.
#[tokio::test]
async fn what_cannot_be_decided_is_503_and_never_401() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Owner).await;
    server.core.close().await;
    let userinfo = "/auth/realms/appcircle/protocol/openid-connect/userinfo";
    for answer in [
        server.form(TOKEN_V3, &format!("pat={}", server.key("viewer"))).await,
        server.form(TOKEN_V1, &format!("pat={}&subOrganizationId={}", server.key("owner"), server.demo.mobile.id)).await,
        server.form(API_KEY_TOKEN, &format!("name=acme-ci&secret={}", server.api_key("acme-ci"))).await,
        server.send(server.request(Method::GET, userinfo).bearer_auth(&token)).await,
        server.get(Actor::Anonymous, READY).await,
    ] {
        fails(&answer, 503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.header("www-authenticate"), "", "nothing is wrong with the credential");
    }
    server.end().await;
}

#[tokio::test]
async fn what_needs_no_database_goes_on() {
    let server = TestServer::start().await;
    let token = server.token(Actor::Owner).await;
    let profiles = async || server.send(server.request(Method::GET, "/distribution/v2/profiles").bearer_auth(&token)).await.status;
    assert_eq!(profiles().await, 200);
    server.core.close().await;
    issued(&server.form(TOKEN_V3, &format!("pat={}", server.key("owner"))).await);
    fails(&server.form(TOKEN_V3, "pat=x").await, 401, "malformed_key");
    for path in [HEALTH, JWKS] {
        assert_eq!(server.get(Actor::Anonymous, path).await.status, 200);
    }
    assert_eq!(profiles().await, 200, "a resource API has its own database and checks tokens by itself");
    server.end().await;
}
