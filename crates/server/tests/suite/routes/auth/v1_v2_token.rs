//! `POST /auth/v1/token` and `POST /auth/v2/token`: v3 under older names, marked as old.

use crate::support::{GUID_SENTENCE, claims, fails, issued};
use keywright_protocol::paths::{API_KEY_TOKEN, TOKEN_V1, TOKEN_V2, TOKEN_V3};
use keywright_server::config::LegacyEndpoints;
use keywright_testkit::TestServer;

const OLD: [&str; 2] = [TOKEN_V1, TOKEN_V2];

#[tokio::test]
async fn every_spelling_works_on_both_and_is_marked_as_old() {
    let server = TestServer::start().await;
    let (key, mobile) = (server.key("owner"), server.demo.mobile.id.to_string());
    for path in OLD {
        for spelling in ["pat", "personal-access-key", "personalAccessKey"] {
            let answer = server.form(path, &format!("{spelling}={key}")).await;
            assert_eq!(claims(&issued(&answer))["currentOrganizationId"], server.demo.acme.id.to_string());
            assert_eq!(answer.header("deprecation"), "@1758844800");
            assert_eq!(answer.header("link"), "</auth/v3/token>; rel=\"successor-version\"");
            for organization in ["subOrganization", "subOrganizationId", "organizationId"] {
                let token = issued(&server.form(path, &format!("{spelling}={key}&{organization}={mobile}")).await);
                assert_eq!(claims(&token)["currentOrganizationId"], mobile);
                issued(&server.form(path, &format!("{spelling}={key}&{organization}=")).await);
            }
        }
    }
    server.end().await;
}

#[tokio::test]
async fn errors_are_those_of_v3_with_the_older_name_and_the_mark() {
    let server = TestServer::start().await;
    for path in OLD {
        let answer = server.form(path, "").await;
        assert!(fails(&answer, 400, "invalid_request").contains("the parameter pat is missing or empty"), "{}", answer.text);
        assert_eq!(answer.header("deprecation"), "@1758844800", "errors are marked too");
        fails(&server.form(path, "pat=kw_pak_short").await, 401, "malformed_key");
        fails(&server.form(path, &format!("pat={}&subOrganizationId=7", server.key("owner"))).await, 400, GUID_SENTENCE);
        let foreign = format!("pat={}&subOrganizationId={}", server.key("owner"), server.demo.globex.id);
        fails(&server.form(path, &foreign).await, 403, "organization_out_of_reach");
        fails(&server.form(&format!("{path}?pat=x"), "").await, 400, "invalid_request");
        let json = server.request(reqwest::Method::POST, path).json(&serde_json::json!({ "pat": server.key("owner") }));
        fails(&server.send(json).await, 415, "unsupported_media_type");
        let doubled = format!("pat={0}&pat={0}", server.key("owner"));
        assert!(fails(&server.form(path, &doubled).await, 400, "invalid_request").contains("pat stands twice"));
    }
    server.end().await;
}

#[tokio::test]
async fn with_a_line_in_the_log_they_answer_the_same() {
    let server = TestServer::start_with(|config| config.legacy_endpoints = LegacyEndpoints::Warn).await;
    for path in OLD {
        issued(&server.form(path, &format!("pat={}", server.key("owner"))).await);
    }
    server.end().await;
}

/// Reddens when a switched-off endpoint still looks at the key.
#[tokio::test]
async fn switched_off_they_are_gone_and_name_the_successor() {
    let server = TestServer::start_with(|config| config.legacy_endpoints = LegacyEndpoints::Off).await;
    for path in OLD {
        let good = server.form(path, &format!("pat={}", server.key("owner"))).await;
        let sentence = fails(&good, 410, "endpoint_switched_off");
        assert!(sentence.contains(TOKEN_V3), "{sentence}");
        assert_eq!(server.form(path, "pat=x").await.text, good.text, "a good key changes nothing");
    }
    issued(&server.form(TOKEN_V3, &format!("pat={}", server.key("owner"))).await);
    issued(&server.form(API_KEY_TOKEN, &format!("name=acme-ci&secret={}", server.api_key("acme-ci"))).await);
    server.end().await;
}
