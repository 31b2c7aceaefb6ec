//! `keywright token inspect`: what a token says of itself, believed by nobody.

use super::{Failure, output::Output, secrets};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keywright_protocol::{Clock, Time, claims::ACCESS_TOKEN_TYPE, secret};
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal as _};
use zeroize::Zeroizing;

const NOT_VERIFIED: &str = "not verified: anybody can write such a token; `keywright token verify` asks whether it is good";

/// The claims of a token, not verified.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    part(token, 1)
}

fn part(token: &str, at: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(at)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A token from standard input, or asked for at the terminal; `Bearer` before it is taken off.
pub(super) fn read() -> Result<Zeroizing<String>, Failure> {
    let from = if io::stdin().is_terminal() { secrets::From::Prompt } else { secrets::From::StandardInput };
    let token = secrets::ask("Token", from, "give it on standard input")?;
    let token = token.trim();
    let bare = token.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).and_then(|_| token.get(7..)).unwrap_or(token);
    Ok(Zeroizing::new(bare.trim().to_owned()))
}

pub(super) fn run(output: &Output) -> Result<(), Failure> {
    let token = read()?;
    if let Some(kind) = secret::recognize(&token) {
        let whole = match secret::inspect(&token) {
            Ok(_) => "it is whole".to_owned(),
            Err(damage) => damage.to_string(),
        };
        let what = format!("{}, not a token; {whole}", kind.with_article());
        return output.parts(&json!({ "what": what, "kind": kind }), &[("what", what.clone())]);
    }
    let no_token = || Failure::failed("this is no token: one has three parts with dots between them, of base64url and JSON");
    let (header, claims) = (part(&token, 0).ok_or_else(no_token)?, claims(&token).ok_or_else(no_token)?);
    let what = match header.get("typ").and_then(Value::as_str) {
        Some(ACCESS_TOKEN_TYPE) => "an access token".to_owned(),
        Some(other) => format!("a token of type {other}"),
        None => "a token without a type".to_owned(),
    };
    let mut parts = vec![("what", what.clone()), ("", NOT_VERIFIED.to_owned())];
    parts.extend(header.iter().filter(|(name, _)| ["alg", "kid"].contains(&name.as_str())).map(|(name, value)| (name.as_str(), text(name, value))));
    parts.extend(claims.iter().map(|(name, value)| (name.as_str(), text(name, value))));
    output.parts(&json!({ "what": what, "verified": false, "header": header, "claims": claims }), &parts)
}

/// A claim for people: seconds as times.
fn text(name: &str, value: &Value) -> String {
    match (name, value) {
        ("exp", Value::Number(seconds)) => {
            let ends = Time::from_seconds(seconds.as_i64().unwrap_or_default());
            format!("{ends}{}", if ends <= Clock::System.now() { " (over)" } else { "" })
        }
        ("iat" | "nbf", Value::Number(seconds)) => Time::from_seconds(seconds.as_i64().unwrap_or_default()).to_string(),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}
