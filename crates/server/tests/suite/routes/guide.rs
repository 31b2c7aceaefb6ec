//! The guide, as it is served, and errors that lead into it.

use crate::support::{GUID_SENTENCE, fails};
use keywright_protocol::paths::{OAUTH_TOKEN, TOKEN_V3};
use keywright_server::guide::{Guide, url_of_code};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn looked_at(server: &TestServer, path: &str) -> Answer {
    server.send(server.request(Method::GET, path).header("accept", BROWSER)).await
}

#[tokio::test]
async fn every_page_is_served_with_a_strict_policy_and_names_its_server() {
    let server = TestServer::start().await;
    let guide = Guide::new(&server.base);
    for page in guide.pages() {
        let answer = server.get(Actor::Anonymous, &page.path()).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (200, "text/html; charset=utf-8"), "{}", page.slug);
        assert!(answer.text.contains(&page.html) && !answer.text.contains("https://auth.example.com"), "{}", page.slug);
        assert!(answer.text.contains(&format!("<a href=\"{}\" aria-current=\"page\">", page.path())), "{}", page.slug);
        for other in guide.pages() {
            assert!(answer.text.contains(&format!("<a href=\"{}\"", other.path())), "{} {}", page.slug, other.slug);
        }
        let policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        assert_eq!(answer.header("content-security-policy"), policy);
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        for inline in ["<script", "<style", " style=", "javascript:"] {
            assert!(!answer.text.contains(inline), "{}: {inline}", page.slug);
        }
    }
    let slash = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let moved = slash.get(format!("{}/docs/", server.base)).send().await.unwrap();
    assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().unwrap()), (308, "/docs"));
    server.end().await;
}

#[tokio::test]
async fn a_page_that_is_known_is_not_sent_again() {
    let server = TestServer::start().await;
    let tag = server.get(Actor::Anonymous, "/docs/errors").await.header("etag");
    assert!(tag.len() > 20 && tag.starts_with('"'), "{tag}");
    let again = async |tags: &str| server.send(server.request(Method::GET, "/docs/errors").header("if-none-match", tags)).await;
    for known in [tag.clone(), format!("\"x\", W/{tag}")] {
        let answer = again(&known).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str(), answer.header("etag")), (304, "", tag.clone()), "{known}");
    }
    assert_eq!(again("\"x\"").await.status, 200);
    assert_ne!(server.get(Actor::Anonymous, "/docs/api-keys").await.header("etag"), tag);
    server.end().await;
}

#[tokio::test]
async fn an_unknown_page_looks_like_a_page_to_a_browser_and_like_an_error_to_a_program() {
    let server = TestServer::start().await;
    for path in ["/docs/nothing", "/docs/errors.md", "/docs/%3Cscript%3E"] {
        fails(&server.get(Actor::Anonymous, path).await, 404, "not_found");
        let answer = looked_at(&server, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type").as_str()), (404, "text/html; charset=utf-8"), "{path}");
        assert!(answer.text.contains("<a href=\"/docs/errors\">") && !answer.text.contains("<script"), "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    }
    fails(&looked_at(&server, "/nothing").await, 404, "not_found");
    fails(&server.call(Actor::Anonymous, Method::POST, "/docs", None).await, 405, "method_not_allowed");
    server.end().await;
}

#[tokio::test]
async fn an_error_leads_to_its_code_and_a_standards_word_to_the_reason() {
    let server = TestServer::start().await;
    let doc = |answer: &Answer| answer.json()["doc"].as_str().unwrap().to_owned();
    let there = |code: &str| url_of_code(&server.base, code);
    assert_eq!(there("key_expired"), format!("{}/docs/errors#key_expired", server.base));
    for (path, code) in [
        ("/nothing", "not_found"),
        ("//distribution//nothing", "not_found"),
        ("/identity/v1/me", "unauthorized"),
        ("/auth/v1/sessions/current", "unauthorized"),
        ("/distribution/v2/profiles", "unauthorized"),
        (TOKEN_V3, "method_not_allowed"),
    ] {
        assert_eq!(doc(&server.get(Actor::Anonymous, path).await), there(code), "{path}");
    }
    for (form, code) in [
        ("pat=x", "malformed_key".to_owned()),
        ("", "invalid_request".to_owned()),
        (&format!("pat={}&subOrganization=x", server.key("owner")), slug(GUID_SENTENCE)),
    ] {
        assert_eq!(doc(&server.form(TOKEN_V3, form).await), there(&code));
    }
    let refused = server.form(OAUTH_TOKEN, "grant_type=client_credentials&client_id=x&client_secret=x").await;
    assert_eq!((refused.json()["error"].as_str(), doc(&refused)), (Some("invalid_client"), there("malformed_key")));
    assert_eq!(doc(&server.form(OAUTH_TOKEN, "grant_type=x").await), there("unsupported_grant_type"));
    server.end().await;
}

fn slug(sentence: &str) -> String {
    sentence.to_lowercase().replace(' ', "-")
}

/// Crates whose code answers errors over HTTP.
const ANSWER: [&str; 4] = ["core", "verify", "server", "distribution"];
/// Calls whose first argument is a code.
const CALLS: [&str; 3] = ["ErrorBody::new(", "Refused::forbidden(", "OAuthError::request("];
/// First arguments of these that are no literals; where they get their code is looked at too.
const PASSED_ON: [&str; 6] = ["error.code()", "error.code", "body.error.clone()", "GUID_SENTENCE", "self.status_and_code().1", "code"];
/// What else a code stands behind.
const BEFORE_A_CODE: [&str; 7] =
    ["unauthorized(error, config, ", "code: ", "reason: ", "reason: Some(", "let reason = ", "NO_SUCH_METHOD: &str = ", "map_or_else(|| ("];
/// Functions that answer nothing but codes.
const OF_CODES: [&str; 4] = ["fn code(", "fn error_code(", "fn status_and_code(", "fn of_core("];

/// Reddens when the code can answer a code that the page lacks, and when the page has one that no code answers.
#[test]
fn every_code_has_its_place_in_the_guide_and_no_other_has_one() {
    let mut said = BTreeSet::from([GUID_SENTENCE.to_owned()]);
    for name in ANSWER {
        for (path, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")) {
            said.extend(codes(&text).unwrap_or_else(|other| panic!("{}: which codes may `{other}` be?", path.display())));
        }
    }
    let page = include_str!("../../../../../docs/guide/errors.md");
    let explained: Vec<String> = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).map(str::to_owned).collect();
    assert_eq!(explained.iter().cloned().collect::<BTreeSet<_>>(), said);
    let guide = Guide::new("https://auth.example.com");
    let errors = guide.pages().iter().find(|page| page.slug == "errors").unwrap();
    for code in explained {
        let (_, anchor) = url_of_code("", &code).split_once('#').map(|(page, anchor)| (page.to_owned(), anchor.to_owned())).unwrap();
        assert_eq!(errors.html.matches(&format!(" id=\"{anchor}\"")).count(), 1, "{code}");
    }
}

#[test]
fn a_code_is_found_wherever_it_is_said() {
    let found = |text: &str| codes(text).map(|codes| codes.into_iter().collect::<Vec<_>>().join(" "));
    for text in [
        "ErrorBody::new(\"a_b\", x)",
        "Refused::forbidden(\n    \"a_b\",\n x)",
        "Told { reason: \"a_b\".to_owned() }",
        "    fn code(&self) {\n        X => \"a_b\",\n    }\n",
    ] {
        assert_eq!(found(text).as_deref(), Ok("a_b"), "{text}");
    }
    assert_eq!(found("ErrorBody::new(other(), x)").unwrap_err(), "other()");
    assert_eq!(found("reason: \"a sentence\"").as_deref(), Ok(""));
}

/// Every file in a folder, without its tests.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text.split("\n#[cfg(test)]\nmod tests").next().unwrap().to_owned()));
        }
    }
    found
}

/// The codes that a source says; or what is passed on as a code and comes from nobody knows where.
fn codes(text: &str) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let joined: String = text.lines().map(str::trim).collect();
    for call in CALLS {
        for argument in joined.split(call).skip(1).filter_map(|rest| rest.split(',').next()) {
            match word(argument) {
                Some(code) => found.extend([code]),
                None if PASSED_ON.contains(&argument) || argument == "NO_SUCH_METHOD" => {}
                None => return Err(argument.to_owned()),
            }
        }
    }
    for before in BEFORE_A_CODE {
        found.extend(joined.split(before).skip(1).filter_map(word));
    }
    for function in OF_CODES {
        // Free functions end at the margin, methods further in.
        for body in text.split(function).skip(1).map(|rest| rest.split("\n    }\n\n").next().unwrap().split("\n}\n").next().unwrap()) {
            found.extend(body.split('"').skip(1).step_by(2).filter_map(|literal| word(&format!("\"{literal}\""))));
        }
    }
    Ok(found)
}

/// The literal that a text begins with, if it is of the letters of a code.
fn word(text: &str) -> Option<String> {
    let (code, _) = text.strip_prefix('"')?.split_once('"')?;
    let fits = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    fits.then(|| code.to_owned())
}
