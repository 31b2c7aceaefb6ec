//! Calls over HTTP, and a look into tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keywright_protocol::paths;
use reqwest::{Client, RequestBuilder, header::HeaderMap};
use serde_json::Value;
use std::time::Duration;

/// An answer that has been read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A client that goes by no proxy.
pub(crate) fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap()
}

/// Sends a request; `None` if nobody answers.
pub(crate) async fn try_send(request: RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Some(Answer { status, headers, text: response.text().await.ok()? })
}

async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.expect("the server answers")
}

/// `GET` without a token.
pub(crate) async fn get(base: &str, path: &str) -> Answer {
    send(client().get(format!("{base}{path}"))).await
}

/// `GET` with a token.
pub(crate) async fn get_with(base: &str, path: &str, token: &str) -> Answer {
    send(client().get(format!("{base}{path}")).bearer_auth(token)).await
}

/// `POST` of JSON with a token.
pub(crate) async fn post_with(base: &str, path: &str, token: &str, body: &Value) -> Answer {
    send(client().post(format!("{base}{path}")).bearer_auth(token).json(body)).await
}

/// `POST` of a form.
pub(crate) async fn form(base: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    send(client().post(format!("{base}{path}")).form(fields)).await
}

/// Tries to exchange a Personal Access Key.
pub(crate) async fn try_exchange(base: &str, key: &str) -> Answer {
    form(base, paths::TOKEN_V3, &[("personalAccessKey", key)]).await
}

/// Exchanges a Personal Access Key for a token.
pub(crate) async fn exchange(base: &str, key: &str) -> String {
    token_of(&try_exchange(base, key).await)
}

/// Exchanges a Personal Access Key for a token for another organization than its own.
pub(crate) async fn exchange_for(base: &str, key: &str, organization: &str) -> Answer {
    form(base, paths::TOKEN_V3, &[("personalAccessKey", key), ("subOrganization", organization)]).await
}

/// Exchanges an API Key.
pub(crate) async fn try_exchange_api_key(base: &str, name: &str, secret: &str) -> Answer {
    form(base, paths::API_KEY_TOKEN, &[("name", name), ("secret", secret)]).await
}

/// The token in a successful answer.
pub(crate) fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    crate::process::text(&answer.json(), "access_token")
}

/// Whether the server takes a token at userinfo: 200 or 401.
pub(crate) async fn userinfo(base: &str, token: &str) -> Answer {
    get_with(base, &paths::USERINFO.replace("{realm}", "any"), token).await
}

/// The header of a JWS in compact form, not verified.
pub(crate) fn header(jws: &str) -> Value {
    part(jws, 0)
}

/// The payload of a JWS in compact form, not verified.
pub(crate) fn claims(jws: &str) -> Value {
    part(jws, 1)
}

fn part(jws: &str, at: usize) -> Value {
    let text = jws.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The catalog that a server publishes, with its position.
pub(crate) async fn catalog(base: &str) -> Value {
    claims(get(base, paths::CATALOG).await.text.trim())
}

/// The public keys that a server publishes for access tokens.
pub(crate) async fn token_keys(base: &str) -> Vec<Value> {
    let keys = get(base, paths::JWKS).await.json()["keys"].as_array().unwrap().clone();
    keys.into_iter().filter(|key| key["keywright_purpose"] == "access-token").collect()
}
