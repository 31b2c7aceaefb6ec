//! `POST /auth/v3/token`.

use crate::support::{GUID_SENTENCE, claims, fails, issued, key_id, unknown_key};
use keywright_protocol::{KeyKind, paths::TOKEN_V3};
use keywright_testkit::{Actor, TestServer};
use reqwest::Method;
use std::time::Duration;

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn gives_a_token_for_the_keys_organization() {
    let server = TestServer::start().await;
    let answer = server.form(TOKEN_V3, &format!("personalAccessKey={}", server.key("owner"))).await;
    let token = issued(&answer);
    assert_eq!(answer.json()["expires_in"], 3600, "more than the 30 minutes that clients ask for");
    assert_eq!(answer.header("deprecation"), "", "the present form");
    assert!(token.len() <= 2048, "an Owner's token too: {}", token.len());
    let claims = claims(&token);
    assert_eq!(claims["iss"], server.base.as_str());
    assert_eq!(claims["currentOrganizationId"], server.demo.acme.id.to_string());
    assert_eq!(claims["organizationId"], server.demo.acme.id.to_string());
    assert_eq!(claims["email"], "owner@acme.example");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert_eq!(server.get(Actor::Owner, "/distribution/v2/profiles").await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn takes_every_spelling_and_spaces_around() {
    let server = TestServer::start().await;
    let (key, mobile) = (server.key("owner"), server.demo.mobile.id.to_string());
    for spelling in ["personalAccessKey", "pat", "personal-access-key"] {
        for value in [key.to_owned(), format!("+{key}%0A"), format!("%20%09{key}+")] {
            issued(&server.form(TOKEN_V3, &format!("{spelling}={value}")).await);
        }
        for organization in ["subOrganization", "subOrganizationId", "organizationId"] {
            for value in [mobile.clone(), format!("+{mobile}+"), mobile.to_uppercase()] {
                let token = issued(&server.form(TOKEN_V3, &format!("{organization}={value}&{spelling}={key}")).await);
                assert_eq!(claims(&token)["currentOrganizationId"], mobile, "{organization}={value}");
            }
            for empty in ["", "+", "%20"] {
                let token = issued(&server.form(TOKEN_V3, &format!("{spelling}={key}&{organization}={empty}")).await);
                assert_eq!(claims(&token)["currentOrganizationId"], server.demo.acme.id.to_string(), "empty is absent");
            }
        }
    }
    let twice_the_same = format!("pat={key}&personalAccessKey={key}&subOrganization={mobile}&organizationId={mobile}");
    issued(&server.form(TOKEN_V3, &twice_the_same).await);
    server.end().await;
}

#[tokio::test]
async fn scope_and_unknown_fields_are_no_reason_to_refuse() {
    let server = TestServer::start().await;
    for more in ["scope=openid,profile,email", "scope=openid+profile", "scope=", "scope=%FF", "client_secret=x&a=b", "", "&", "=", "a"] {
        issued(&server.form(TOKEN_V3, &format!("personalAccessKey={}&{more}", server.key("viewer"))).await);
    }
    server.end().await;
}

#[tokio::test]
async fn without_one_clear_key_it_says_which_parameter_is_expected() {
    let server = TestServer::start().await;
    let (key, other) = (server.key("owner"), server.key("viewer"));
    let missing = ["", "personalAccessKey=", "personalAccessKey=+%20", "personalAccessKey", "PersonalAccessKey=x", "secret=x", "pat=&personal-access-key="];
    for body in missing {
        let sentence = fails(&server.form(TOKEN_V3, body).await, 400, "invalid_request");
        assert!(sentence.contains("personalAccessKey is missing or empty"), "{body}: {sentence}");
    }
    for (body, wanted) in [
        (format!("personalAccessKey={key}&personalAccessKey={key}"), "personalAccessKey stands twice"),
        (format!("personalAccessKey={key}&personalAccessKey="), "personalAccessKey stands twice"),
        (format!("pat={key}&pat={other}"), "pat stands twice"),
        (format!("personalAccessKey={key}&pat={other}"), "personalAccessKey and pat are the same parameter and differ; send personalAccessKey alone"),
        (format!("personalAccessKey={key}&subOrganization=a&organizationId=b"), "send subOrganization alone"),
    ] {
        let answer = server.form(TOKEN_V3, &body).await;
        let sentence = fails(&answer, 400, "invalid_request");
        assert!(sentence.contains(wanted), "{sentence}");
        assert!(!answer.text.contains(key) && !answer.text.contains(other), "a key is not repeated");
    }
    server.end().await;
}

/// Reddens when unknown keys are answered by what they resemble, or when a refusal repeats what was sent.
#[tokio::test]
async fn an_unknown_key_and_a_damaged_one_are_told_apart() {
    let server = TestServer::start().await;
    let key = server.key("owner").to_owned();
    let changed = format!("{}{}", key.get(..55).unwrap(), if key.ends_with('0') { '1' } else { '0' });
    let (token, api_key) = (server.token(Actor::Owner).await, server.api_key("acme-ci").to_owned());
    for (presented, wanted) in [
        (key.get(..31).unwrap().to_owned(), "cut off after 31 of 56 characters"),
        (format!("{key}0"), "57 characters where a key has 56"),
        (changed, "checksum does not fit"),
        (key.replace('_', "-"), "does not look like a key"),
        ("hunter2hunter2".to_owned(), "does not look like a key"),
        (format!("{}*", key.get(..55).unwrap()), "character that no key has"),
        (token, "this is an access token"),
        (api_key, "this is an API Key's secret"),
        (unknown_key(KeyKind::Session), "this is a session token"),
    ] {
        let answer = server.form(TOKEN_V3, &format!("personalAccessKey={presented}")).await;
        let sentence = fails(&answer, 401, "malformed_key");
        assert!(sentence.contains(wanted), "{sentence}");
        assert!(!answer.text.contains(&presented), "what was sent is not repeated");
    }
    let unknown = server.form(TOKEN_V3, &format!("pat={}", unknown_key(KeyKind::PersonalAccessKey))).await;
    fails(&unknown, 401, "invalid_key");
    let other = format!("pat={}&subOrganization={}", keywright_protocol::secret::compose("kw", KeyKind::PersonalAccessKey, &[8; 32]), server.demo.mobile.id);
    assert_eq!(server.form(TOKEN_V3, &other).await.text, unknown.text, "always the same");
    server.end().await;
}

#[tokio::test]
async fn whoever_holds_a_dead_key_is_told_since_when_and_where_to_go() {
    let server = TestServer::start().await;
    let form = |who: &str| format!("personalAccessKey={}", server.key(who));
    let key = key_id(&server.token(Actor::Manager).await);
    server.core.revoke_key(&server.host(), key).await.unwrap();
    let sentence = fails(&server.form(TOKEN_V3, &form("manager")).await, 401, "key_revoked");
    assert!(sentence.contains("2027-01-15") && sentence.contains("make a new one in the Security section"), "{sentence}");
    server.clock.advance(Duration::from_secs(182 * 24 * 60 * 60));
    let sentence = fails(&server.form(TOKEN_V3, &form("owner")).await, 401, "key_expired");
    assert!(sentence.contains("2027-07-16"), "{sentence}");
    server.end().await;
}

#[tokio::test]
async fn a_malformed_organization_id_gets_the_sentence_clients_look_for() {
    let server = TestServer::start().await;
    let guid = server.demo.mobile.id.to_string();
    for bad in ["x".to_owned(), "1".to_owned(), guid.replace('-', ""), format!("{{{guid}}}"), format!("{guid}0"), format!("urn:uuid:{guid}")] {
        for spelling in ["subOrganization", "subOrganizationId", "organizationId"] {
            let answer = server.form(TOKEN_V3, &format!("personalAccessKey={}&{spelling}={bad}", server.key("owner"))).await;
            fails(&answer, 400, GUID_SENTENCE);
        }
    }
    server.end().await;
}

/// Reddens when reach is looser than "itself, or a sub-organization of its root", or when the answer tells what exists.
#[tokio::test]
async fn an_organization_out_of_reach_is_403_whether_it_exists_or_not() {
    let server = TestServer::start().await;
    let (acme, mobile, globex) = (server.demo.acme.id.to_string(), server.demo.mobile.id.to_string(), server.demo.globex.id.to_string());
    let unknown = "6f9619ff-8b86-4011-b42d-00c04fc964ff".to_owned();
    let ask = async |who: &str, organization: &str| server.form(TOKEN_V3, &format!("pat={}&subOrganization={organization}", server.key(who))).await;
    let nowhere = ask("owner", &unknown).await;
    fails(&nowhere, 403, "organization_out_of_reach");
    for (who, organization) in
        [("owner", &globex), ("submember", &acme), ("submember", &globex), ("manager", &globex), ("manager@globex", &acme), ("globexowner", &mobile)]
    {
        let answer = ask(who, organization).await;
        assert_eq!((answer.status, &answer.text), (nowhere.status, &nowhere.text), "{who}");
    }
    for (who, organization) in [("owner", &acme), ("owner", &mobile), ("submember", &mobile), ("manager@globex", &globex)] {
        issued(&ask(who, organization).await);
    }
    server.end().await;
}

#[tokio::test]
async fn anything_but_a_form_is_told_the_right_content_type() {
    let server = TestServer::start().await;
    let body = format!("personalAccessKey={}", server.key("owner"));
    let send = async |content_type: Option<&str>, body: String| {
        let request = server.request(Method::POST, TOKEN_V3).body(body);
        server
            .send(match content_type {
                Some(content_type) => request.header("content-type", content_type),
                None => request,
            })
            .await
    };
    for good in [Some(FORM), Some("application/x-www-form-urlencoded; charset=utf-8"), Some("Application/X-WWW-Form-URLencoded;charset=UTF-8"), None] {
        issued(&send(good, body.clone()).await);
    }
    for bad in [
        "application/json",
        "application/json; charset=utf-8",
        "multipart/form-data; boundary=x",
        "text/plain",
        "json",
        "",
        "application/x-www-form-urlencodedx",
    ] {
        let answer = send(Some(bad), serde_json::json!({ "personalAccessKey": server.key("owner") }).to_string()).await;
        let sentence = fails(&answer, 415, "unsupported_media_type");
        assert!(sentence.contains("Content-Type: application/x-www-form-urlencoded"), "{sentence}");
        assert_eq!(answer.header("accept-post"), FORM);
    }
    server.end().await;
}

/// Reddens when a key is taken from the URL, where proxies and logs keep it.
#[tokio::test]
async fn a_key_in_the_url_is_refused_also_beside_a_good_body() {
    let server = TestServer::start().await;
    let key = server.key("owner");
    for spelling in ["personalAccessKey", "pat", "personal-access-key"] {
        for body in [String::new(), format!("personalAccessKey={key}")] {
            let answer = server.form(&format!("{TOKEN_V3}?{spelling}={key}"), &body).await;
            let sentence = fails(&answer, 400, "invalid_request");
            assert!(sentence.contains("in the body, not in the URL"), "{sentence}");
        }
    }
    issued(&server.form(&format!("{TOKEN_V3}?trace=1"), &format!("pat={key}")).await);
    server.end().await;
}

#[tokio::test]
async fn limits_are_exact() {
    let server = TestServer::start().await;
    let form = format!("personalAccessKey={}", server.key("owner"));
    let filled = |bytes: usize| format!("{form}&a={}", "x".repeat(bytes - form.len() - "&a=".len()));
    issued(&server.form(TOKEN_V3, &filled(16 * 1024)).await);
    let sentence = fails(&server.form(TOKEN_V3, &filled(16 * 1024 + 1)).await, 413, "request_too_large");
    assert!(sentence.contains("16384 bytes"), "{sentence}");
    let fields = |count: usize| (1..count).fold(form.clone(), |form, n| format!("{form}&f{n}="));
    issued(&server.form(TOKEN_V3, &fields(64)).await);
    let sentence = fails(&server.form(TOKEN_V3, &fields(65)).await, 400, "invalid_request");
    assert!(sentence.contains("more than 64 fields"), "{sentence}");
    server.end().await;
}

/// Reddens when `exp` is now plus the token's life whatever the key says.
#[tokio::test]
async fn a_token_does_not_outlive_its_key() {
    let server = TestServer::start().await;
    server.clock.advance(Duration::from_secs(182 * 24 * 60 * 60 - 600));
    let answer = server.form(TOKEN_V3, &format!("personalAccessKey={}", server.key("owner"))).await;
    let token = issued(&answer);
    assert_eq!(answer.json()["expires_in"], 600);
    assert_eq!(claims(&token)["exp"].as_i64().unwrap(), server.clock.now().as_seconds() + 600);
    server.end().await;
}
