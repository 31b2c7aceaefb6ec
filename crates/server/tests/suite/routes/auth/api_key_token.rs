//! `POST /auth/v1/api-key/token`.

use crate::support::{GUID_SENTENCE, claims, fails, issued, unknown_key};
use keywright_protocol::{KeyKind, admin::RolesIn, paths::API_KEY_TOKEN};
use keywright_testkit::TestServer;
use reqwest::Method;

#[tokio::test]
async fn gives_a_token_for_the_keys_own_organization() {
    let server = TestServer::start().await;
    let key = &server.demo.api_keys["acme-ci"];
    let answer = server.form(API_KEY_TOKEN, &format!("name=acme-ci&secret={}", *key.secret)).await;
    let claims = claims(&issued(&answer));
    assert_eq!(answer.header("deprecation"), "", "v1 is the present form here");
    assert_eq!(claims["currentOrganizationId"], server.demo.acme.id.to_string());
    assert_eq!((claims["sub"].as_str(), claims["keyKind"].as_str()), (Some(key.id.to_string().as_str()), Some("apiKey")));
    assert!(claims["email"].as_str().unwrap().starts_with("acme-ci."), "{claims}");
    assert_eq!(claims["roles"], serde_json::json!(["operate-distribution-profile"]));
    server.end().await;
}

#[tokio::test]
async fn the_organization_is_optional_and_has_three_spellings() {
    let server = TestServer::start().await;
    let (secret, mobile) = (server.api_key("acme-ci"), server.demo.mobile.id.to_string());
    for spelling in ["organizationId", "subOrganization", "subOrganizationId"] {
        let token = issued(&server.form(API_KEY_TOKEN, &format!("name=acme-ci&secret={secret}&{spelling}={mobile}")).await);
        assert_eq!(claims(&token)["currentOrganizationId"], mobile);
        let token = issued(&server.form(API_KEY_TOKEN, &format!("name=acme-ci&secret={secret}&{spelling}=")).await);
        assert_eq!(claims(&token)["currentOrganizationId"], server.demo.acme.id.to_string());
        fails(&server.form(API_KEY_TOKEN, &format!("name=acme-ci&secret={secret}&{spelling}=not-a-guid")).await, 400, GUID_SENTENCE);
    }
    server.end().await;
}

/// Reddens when the name is not checked, or when it selects the key instead of the secret.
#[tokio::test]
async fn the_secret_selects_the_key_and_the_name_is_checked() {
    let server = TestServer::start().await;
    let key = &server.demo.api_keys["acme-ci"];
    for name in ["acme-ci".to_owned(), "+acme-ci+".to_owned(), key.id.to_string(), key.id.to_string().to_uppercase()] {
        issued(&server.form(API_KEY_TOKEN, &format!("name={name}&secret={}", *key.secret)).await);
    }
    for name in ["mobile-ci", "ACME-CI", "acme"] {
        fails(&server.form(API_KEY_TOKEN, &format!("name={name}&secret={}", *key.secret)).await, 401, "key_name_mismatch");
    }
    for (secret, code) in [
        (unknown_key(KeyKind::ApiKey), "invalid_key"),
        (server.key("owner").to_owned(), "malformed_key"),
        ("s3+/=".to_owned(), "malformed_key"),
        (key.secret.get(..40).unwrap().to_owned(), "malformed_key"),
    ] {
        let answer = server.form(API_KEY_TOKEN, &format!("name=acme-ci&secret={secret}")).await;
        fails(&answer, 401, code);
        assert!(!answer.text.contains(&secret));
    }
    server.end().await;
}

#[tokio::test]
async fn out_of_reach_and_nothing_granted_are_403() {
    let server = TestServer::start().await;
    let (acme, mobile, globex) = (server.demo.acme.id, server.demo.mobile.id, server.demo.globex.id);
    let ask = async |name: &str, secret: &str, organization: String| {
        server.form(API_KEY_TOKEN, &format!("name={name}&secret={secret}&organizationId={organization}")).await
    };
    let unknown = ask("acme-ci", server.api_key("acme-ci"), "6f9619ff-8b86-4011-b42d-00c04fc964ff".to_owned()).await;
    fails(&unknown, 403, "organization_out_of_reach");
    assert_eq!(ask("acme-ci", server.api_key("acme-ci"), globex.to_string()).await.text, unknown.text);
    assert_eq!(ask("mobile-ci", server.api_key("mobile-ci"), acme.to_string()).await.text, unknown.text, "never upwards");
    let grants = [RolesIn { organization_id: mobile, roles: vec!["view-distribution-profile".to_owned()] }];
    let narrow = server.core.create_api_key(&server.host(), acme, "mobile only", &grants, None).await.unwrap();
    fails(&ask("mobile+only", narrow.secret.reveal(), String::new()).await, 403, "nothing_granted");
    issued(&ask("mobile+only", narrow.secret.reveal(), mobile.to_string()).await);
    server.end().await;
}

#[tokio::test]
async fn requests_that_cannot_be_read_say_what_is_expected() {
    let server = TestServer::start().await;
    let secret = server.api_key("acme-ci");
    for (body, wanted) in [
        (String::new(), "the parameter name is missing or empty"),
        (format!("secret={secret}"), "the parameter name is missing or empty"),
        (format!("name=&secret={secret}"), "the parameter name is missing or empty"),
        ("name=acme-ci".to_owned(), "the parameter secret is missing or empty"),
        ("name=acme-ci&secret=".to_owned(), "the parameter secret is missing or empty"),
        (format!("name=a&name=b&secret={secret}"), "name stands twice"),
        (format!("name=acme-ci&secret={secret}&secret={secret}"), "secret stands twice"),
    ] {
        let sentence = fails(&server.form(API_KEY_TOKEN, &body).await, 400, "invalid_request");
        assert!(sentence.contains(wanted), "{body}: {sentence}");
    }
    fails(&server.form(&format!("{API_KEY_TOKEN}?secret={secret}"), "name=acme-ci").await, 400, "invalid_request");
    let json = server.request(Method::POST, API_KEY_TOKEN).json(&serde_json::json!({ "name": "acme-ci", "secret": secret }));
    let sentence = fails(&server.send(json).await, 415, "unsupported_media_type");
    assert!(sentence.contains("Content-Type: application/x-www-form-urlencoded"), "{sentence}");
    let large = format!("name=acme-ci&secret={secret}&a={}", "x".repeat(16 * 1024));
    fails(&server.form(API_KEY_TOKEN, &large).await, 413, "request_too_large");
    server.end().await;
}
