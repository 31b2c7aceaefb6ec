//! The OAuth endpoints, by the standards' words.

use crate::support::{claims, fails};
use keywright_core::keys::api::{Introspection, NewApiKey};
use keywright_protocol::{
    admin::{AdminReply, AdminRequest},
    oauth::{ACCESS_TOKEN, API_KEY, PERSONAL_ACCESS_KEY, TOKEN_EXCHANGE},
    paths::{OAUTH_INTROSPECT, OAUTH_METADATA, OAUTH_REVOKE, OAUTH_TOKEN, OAUTH_USERINFO, OPENID_CONFIGURATION, RESOURCE_METADATA},
};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;

const VIEW: &str = "distribution.profile.view";

/// Asserts a refusal in the standards' words.
#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str, reason: &str) {
    assert_eq!((answer.status.as_u16(), answer.member("error"), answer.member("reason")), (status, error.to_owned(), reason.to_owned()), "{}", answer.text);
    assert_eq!((answer.header("cache-control"), answer.header("content-type")), ("no-store".to_owned(), "application/json".to_owned()));
    assert_eq!(answer.member("error_description"), answer.member("message"));
    assert!(answer.member("message").len() > 20, "a sentence: {}", answer.text);
    assert_eq!(status == 401, answer.header("www-authenticate").starts_with("Basic"), "{:?}", answer.headers);
}

/// Asserts a token, and answers it.
#[track_caller]
fn issued(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((answer.header("cache-control"), answer.member("token_type")), ("no-store".to_owned(), "Bearer".to_owned()));
    answer.member("access_token")
}

async fn basic(server: &TestServer, path: &str, (id, secret): (&str, &str), body: &str) -> Answer {
    let request = server.request(Method::POST, path).basic_auth(id, Some(secret)).header("content-type", "application/x-www-form-urlencoded");
    server.send(request.body(body.to_owned())).await
}

fn exchange(kind: &str, subject: &str, more: &str) -> String {
    format!("grant_type={TOKEN_EXCHANGE}&subject_token_type={kind}&subject_token={subject}{more}")
}

#[tokio::test]
async fn an_api_key_is_a_client_by_either_way() {
    let server = TestServer::start().await;
    let (secret, id) = (server.api_key("acme-ci"), server.demo.api_keys["acme-ci"].id.to_string());
    for client in ["acme-ci", &id] {
        let answer = basic(&server, OAUTH_TOKEN, (client, secret), "grant_type=client_credentials").await;
        let claims = claims(&issued(&answer));
        assert_eq!((claims["client_id"].as_str(), claims["scope"].as_str()), (Some(&*id), Some(&*answer.member("scope"))));
        let body = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}&scope={VIEW}&expires_in=5&unknown=ignored");
        let answer = server.form(OAUTH_TOKEN, &body).await;
        issued(&answer);
        assert_eq!((answer.member("scope"), answer.json()["expires_in"].as_i64()), (VIEW.to_owned(), Some(5)));
    }
    let both = basic(&server, OAUTH_TOKEN, ("acme-ci", secret), &format!("grant_type=client_credentials&client_id=acme-ci&client_secret={secret}")).await;
    refused(&both, 400, "invalid_request", "");
    refused(&basic(&server, OAUTH_TOKEN, ("acme-ci", secret), "grant_type=client_credentials&client_id=other").await, 400, "invalid_request", "");
    server.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_standards_words() {
    let server = TestServer::start().await;
    let (secret, mobile, globex) = (server.api_key("acme-ci"), server.demo.mobile.id, server.demo.globex.id);
    let with = |more: &str| format!("grant_type=client_credentials&client_id=acme-ci&client_secret={secret}{more}");
    refused(&server.form(OAUTH_TOKEN, "grant_type=client_credentials").await, 401, "invalid_client", "");
    refused(&server.form(OAUTH_TOKEN, "client_id=a").await, 400, "invalid_request", "");
    refused(&server.form(OAUTH_TOKEN, "grant_type=password&username=a&password=b").await, 400, "unsupported_grant_type", "");
    refused(&basic(&server, OAUTH_TOKEN, ("other", secret), "grant_type=client_credentials").await, 401, "invalid_client", "key_name_mismatch");
    refused(&basic(&server, OAUTH_TOKEN, ("acme-ci", server.key("owner")), "grant_type=client_credentials").await, 401, "invalid_client", "malformed_key");
    refused(&server.form(OAUTH_TOKEN, &with("&scope=no.such.thing")).await, 400, "invalid_scope", "");
    refused(&server.form(OAUTH_TOKEN, &with("&scope=organization.api-key.manage")).await, 400, "invalid_scope", "");
    refused(&server.form(OAUTH_TOKEN, &with("&resource=https://other.example")).await, 400, "invalid_target", "");
    refused(&server.form(OAUTH_TOKEN, &with(&format!("&organization_id={globex}"))).await, 400, "invalid_target", "organization_out_of_reach");
    refused(&server.form(OAUTH_TOKEN, &with("&scope=a&scope=b")).await, 400, "invalid_request", "");
    for seconds in ["0", "-1", "1.5", "an hour"] {
        refused(&server.form(OAUTH_TOKEN, &with(&format!("&expires_in={seconds}"))).await, 400, "invalid_request", "");
    }
    assert_eq!(server.form(OAUTH_TOKEN, &with("&organization_id=word")).await.status, 400);
    issued(&server.form(OAUTH_TOKEN, &with(&format!("&organization_id={mobile}&resource={}", server.base))).await);
    let in_url = server.form(&format!("{OAUTH_TOKEN}?client_secret={secret}"), "grant_type=client_credentials").await;
    refused(&in_url, 400, "invalid_request", "");
    assert!(!in_url.text.contains(secret));
    let json = server.send(server.request(Method::POST, OAUTH_TOKEN).json(&serde_json::json!({ "grant_type": "client_credentials" }))).await;
    assert_eq!(json.status, 415);
    server.end().await;
}

#[tokio::test]
async fn keys_and_tokens_are_exchanged() {
    let server = TestServer::start().await;
    let (mobile, key) = (server.demo.mobile.id.to_string(), server.key("owner"));
    let answer = server.form(OAUTH_TOKEN, &exchange(PERSONAL_ACCESS_KEY, key, &format!("&scope={VIEW}&client_id=whoever"))).await;
    let token = issued(&answer);
    assert_eq!(answer.member("issued_token_type"), ACCESS_TOKEN);
    issued(&server.form(OAUTH_TOKEN, &exchange(API_KEY, server.api_key("acme-ci"), "")).await);
    let narrow = issued(&server.form(OAUTH_TOKEN, &exchange(ACCESS_TOKEN, &token, &format!("&organization_id={mobile}&expires_in=30"))).await);
    let (parent, child) = (claims(&token), claims(&narrow));
    assert_eq!((child["currentOrganizationId"].as_str(), child["scope"].as_str()), (Some(&*mobile), Some(VIEW)));
    assert_eq!(child["exp"].as_i64(), parent["iat"].as_i64().map(|issued| issued + 30));
    let profiles = server.by(&narrow, Method::GET, "/distribution/v2/profiles", None).await;
    assert_eq!(profiles.status, 200, "{}", profiles.text);
    fails(&server.by(&narrow, Method::POST, "/distribution/v2/profiles", Some(&serde_json::json!({ "name": "x" }))).await, 403, "insufficient_permission");
    for (body, error, reason) in [
        (exchange(ACCESS_TOKEN, &token, "&scope=distribution.profile.manage"), "invalid_scope", ""),
        (exchange(ACCESS_TOKEN, "a.b.c", ""), "invalid_request", "invalid_token"),
        (exchange(PERSONAL_ACCESS_KEY, server.api_key("acme-ci"), ""), "invalid_request", "malformed_key"),
        (exchange("urn:ietf:params:oauth:token-type:saml2", &token, ""), "invalid_request", ""),
        (exchange(ACCESS_TOKEN, &token, "&requested_token_type=urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request", ""),
        (exchange(ACCESS_TOKEN, &token, "&actor_token=a&actor_token_type=b"), "invalid_request", ""),
        (format!("grant_type={TOKEN_EXCHANGE}&subject_token={token}"), "invalid_request", ""),
        (format!("grant_type={TOKEN_EXCHANGE}&subject_token_type={ACCESS_TOKEN}"), "invalid_request", ""),
    ] {
        refused(&server.form(OAUTH_TOKEN, &body).await, 400, error, reason);
    }
    // Whoever says that he is a client must be one.
    refused(&basic(&server, OAUTH_TOKEN, ("acme-ci", "kw_api_x"), &exchange(ACCESS_TOKEN, &token, "")).await, 401, "invalid_client", "malformed_key");
    issued(&basic(&server, OAUTH_TOKEN, ("acme-ci", server.api_key("acme-ci")), &exchange(ACCESS_TOKEN, &token, "")).await);
    server.end().await;
}

/// Reddens when somebody learns of what is another root's, or when an outage is an answer.
#[tokio::test]
async fn everybody_asks_about_his_own_and_the_operators_key_about_everything() {
    let server = TestServer::start().await;
    let AdminReply::Bootstrapped { organization_id, .. } =
        server.core.administer(&server.host(), AdminRequest::Bootstrap { owner_email: "chief@operator.example".to_owned() }).await
    else {
        panic!("the operator organization")
    };
    let new = NewApiKey { name: "gateway".to_owned(), introspection: Introspection::Everything, ..NewApiKey::default() };
    let gateway = server.core.make_api_key(&server.host(), organization_id, new).await.unwrap();
    let asks =
        async |as_whom: (&str, &str), token: &str| basic(&server, OAUTH_INTROSPECT, as_whom, &format!("token={token}&token_type_hint=access_token")).await;
    let (ours, sub, theirs) = (server.token(Actor::Owner).await, server.token(Actor::Submember).await, server.token(Actor::OtherOwner).await);
    let (acme_ci, all) = (("acme-ci", server.api_key("acme-ci")), ("gateway", gateway.secret.reveal()));
    for (token, seen_by_acme) in [(&ours, true), (&sub, true), (&theirs, false)] {
        assert_eq!(asks(all, token).await.json()["active"], true);
        assert_eq!(asks(acme_ci, token).await.json()["active"], seen_by_acme);
    }
    let (known, claims) = (asks(all, &ours).await.json(), claims(&ours));
    for claim in ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "roles", "currentOrganizationId", "organizationId", "keyId", "keyKind"] {
        assert_eq!(known[claim], claims[claim], "{claim}");
    }
    assert_eq!((known["token_type"].as_str(), known["username"].as_str()), (Some("Bearer"), claims["email"].as_str()));
    assert!(known["scope"].as_str().is_some_and(|scope| scope.contains(VIEW)), "also where the token names roles alone");
    for unknown in [theirs.as_str(), "a.b.c", "word", &format!("{ours}x"), server.key("globexowner"), "kw_api_x"] {
        assert_eq!(asks(acme_ci, unknown).await.text, r#"{"active":false}"#, "all of these are the same");
    }
    // Raw keys, by the same rules.
    let viewer = asks(acme_ci, server.key("viewer")).await.json();
    assert_eq!((viewer["active"].as_bool(), viewer["keyKind"].as_str(), viewer.get("token_type")), (Some(true), Some("personalAccessKey"), None));
    assert_eq!(asks(all, server.key("globexowner")).await.json()["active"], true);
    // Others who may ask.
    let bearer = async |bearer: &str, token: &str| {
        let request = server.request(Method::POST, OAUTH_INTROSPECT).bearer_auth(bearer).header("content-type", "application/x-www-form-urlencoded");
        server.send(request.body(format!("token={token}"))).await
    };
    assert_eq!(bearer(&sub, &ours).await.json()["active"], true, "a member of a sub-organization is of the same tree");
    assert_eq!(bearer(&theirs, &ours).await.json()["active"], false);
    assert_eq!(bearer(gateway.secret.reveal(), &ours).await.json()["active"], true);
    refused(&bearer(server.key("owner"), &ours).await, 401, "invalid_client", "");
    refused(&server.form(OAUTH_INTROSPECT, &format!("token={ours}")).await, 401, "invalid_client", "");
    refused(&asks(("acme-ci", gateway.secret.reveal()), &ours).await, 401, "invalid_client", "key_name_mismatch");
    refused(&basic(&server, OAUTH_INTROSPECT, acme_ci, "").await, 400, "invalid_request", "");
    server.core.revoke_key(&server.host(), gateway.id).await.unwrap();
    refused(&asks(all, &ours).await, 401, "invalid_client", "key_revoked");
    server.core.close().await;
    let outage = asks(acme_ci, &ours).await;
    assert!(outage.status == 503 || outage.json()["active"] == true, "never `false`: {} {}", outage.status, outage.text);
    server.end().await;
}

#[tokio::test]
async fn whoever_holds_a_token_or_a_key_gives_it_up() {
    let server = TestServer::start().await;
    let (token, sibling) = (server.token(Actor::Viewer).await, server.token(Actor::Viewer).await);
    for useless in ["a.b.c", "word", "kw_api_x"] {
        assert_eq!(server.form(OAUTH_REVOKE, &format!("token={useless}")).await.status, 200, "{useless}");
    }
    refused(&server.form(OAUTH_REVOKE, "").await, 400, "invalid_request", "");
    let acme_ci = ("acme-ci", server.api_key("acme-ci"));
    refused(&basic(&server, OAUTH_REVOKE, acme_ci, &format!("token={token}")).await, 400, "unauthorized_client", "");
    let revoked = server.form(OAUTH_REVOKE, &format!("token={token}")).await;
    assert_eq!((revoked.status.as_u16(), revoked.text.as_str()), (200, ""));
    assert!(revoked.header("keywright-revision").contains('.'));
    for dead in [&token, &sibling] {
        fails(&server.by(dead, Method::GET, OAUTH_USERINFO, None).await, 401, "invalid_token");
        fails(&server.by(dead, Method::GET, "/distribution/v2/profiles", None).await, 401, "invalid_token");
        assert_eq!(server.form(OAUTH_REVOKE, &format!("token={dead}")).await.status, 200);
    }
    let next = server.token(Actor::Viewer).await;
    assert_eq!(server.by(&next, Method::GET, OAUTH_USERINFO, None).await.member("email"), "viewer@acme.example");
    let own = issued(&basic(&server, OAUTH_TOKEN, acme_ci, "grant_type=client_credentials").await);
    assert_eq!(basic(&server, OAUTH_REVOKE, acme_ci, &format!("token={own}")).await.status, 200);
    assert_eq!(server.form(OAUTH_REVOKE, &format!("token={}", acme_ci.1)).await.status, 200, "the key itself");
    refused(&basic(&server, OAUTH_TOKEN, acme_ci, "grant_type=client_credentials").await, 401, "invalid_client", "key_revoked");
    let session = server.session("owner").await;
    refused(&server.form(OAUTH_REVOKE, &format!("token={session}")).await, 400, "unsupported_token_type", "");
    server.end().await;
}

#[tokio::test]
async fn the_documents_say_where_everything_is() {
    let server = TestServer::start().await;
    let metadata = server.get(Actor::Anonymous, OAUTH_METADATA).await;
    assert_eq!(metadata.text, server.get(Actor::Anonymous, OPENID_CONFIGURATION).await.text);
    let metadata = metadata.json();
    assert_eq!(metadata["issuer"], server.base);
    for (endpoint, method) in [
        ("token_endpoint", Method::POST),
        ("introspection_endpoint", Method::POST),
        ("revocation_endpoint", Method::POST),
        ("userinfo_endpoint", Method::GET),
        ("jwks_uri", Method::GET),
        ("service_documentation", Method::GET),
    ] {
        let url = metadata[endpoint].as_str().unwrap();
        let answer = server.send(server.request(method, url.strip_prefix(&server.base).unwrap())).await;
        assert!(![404, 405].contains(&answer.status.as_u16()), "{endpoint}: {}", answer.status);
    }
    assert!(metadata["scopes_supported"].as_array().unwrap().iter().any(|scope| scope == VIEW));
    let challenge = server.get(Actor::Anonymous, "/identity/v1/me").await.header("www-authenticate");
    assert!(challenge.contains(&format!(r#"resource_metadata="{}{RESOURCE_METADATA}""#, server.base)), "{challenge}");
    let resource = server.get(Actor::Anonymous, RESOURCE_METADATA).await.json();
    assert_eq!((resource["resource"].as_str(), resource["authorization_servers"][0].as_str()), (Some(&*server.base), Some(&*server.base)));
    server.end().await;
}
