//! What most tests say about an answer, and a way to send bytes as they stand.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keywright_protocol::{KeyId, KeyKind, secret};
use keywright_server::guide::{Guide, Page, url_of_code};
use keywright_testkit::{Answer, TestServer};
use serde_json::Value;
use std::{collections::BTreeSet, sync::OnceLock};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// The sentence that clients look for in `error`, written down once more: it must never change.
pub(crate) const GUID_SENTENCE: &str = "organizationId must be a valid GUID";

/// Asserts an error in the one shape that all errors have, and answers its sentence.
#[track_caller]
pub(crate) fn fails(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body["error"], code, "{body}");
    let sentence = body["message"].as_str().expect("message is a string");
    assert_eq!(body["error_description"], sentence, "{body}");
    assert!(sentence.len() > 20, "a sentence: {sentence}");
    let said = body["reason"].as_str().unwrap_or(code);
    let leads = body["doc"].as_str().is_some_and(|doc| doc.ends_with(&url_of_code("", said)));
    assert!(leads && explained().contains(&url_of_code("", said)), "the guide has nothing on it: {body}");
    if status == 401 {
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "401 has its challenge");
    }
    sentence.to_owned()
}

/// Where the guide explains something: the paths of its pages with each of their headings.
fn explained() -> &'static BTreeSet<String> {
    static PLACES: OnceLock<BTreeSet<String>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let guide = Guide::new("");
        let places =
            |page: &Page| page.html.split(" id=\"").skip(1).map(|rest| format!("{}#{}", page.path(), rest.split('"').next().unwrap())).collect::<Vec<_>>();
        guide.pages().iter().flat_map(places).collect()
    })
}

/// Asserts a successful exchange as clients read it, and answers the token.
#[track_caller]
pub(crate) fn issued(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    let members: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "token_type"], "no refresh token, nothing else");
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["expires_in"].as_i64().is_some_and(|seconds| seconds > 0), "{body}");
    answer.member("access_token")
}

/// The payload of a token, unverified.
#[track_caller]
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

/// One part of a token, from JSON.
pub(crate) fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The key behind a token.
#[track_caller]
pub(crate) fn key_id(token: &str) -> KeyId {
    claims(token)["keyId"].as_str().expect("keyId").parse().expect("a GUID")
}

/// A whole key that nobody has made.
pub(crate) fn unknown_key(kind: KeyKind) -> String {
    secret::compose("kw", kind, &[7; 32])
}

/// What came back over a bare connection.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends bytes as they stand and reads one answer, whose length its head must tell.
pub(crate) async fn raw(server: &TestServer, request: &str) -> Raw {
    let address = server.base.trim_start_matches("http://");
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "the connection ended: {head}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length").parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Raw { status, head, body: String::from_utf8(body).unwrap() }
}

/// Follows `$ref`; one that leads nowhere fails.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value.get("$ref").and_then(Value::as_str) {
        None => value,
        Some(target) => document.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("{target} leads nowhere")),
    }
}
