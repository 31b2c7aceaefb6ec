//! What the drills ask of a replica, over HTTP as any client, and what came of it with its times.

use super::{
    figures::Timeline,
    history::{Nanos, Outcome, Reach},
};
use anyhow::{Context as _, ensure};
use keywright_protocol::Position;
use serde_json::{Value, json};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// The role that is taken away and given back.
const MUCH: &str = "view-build";
/// The one that stays.
const LITTLE: &str = "view-organization";

/// An answer, or that there was none.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Nothing: the connection was cut, or it took too long.
    pub(crate) status: Option<u16>,
    pub(crate) body: Value,
    pub(crate) revision: Option<Position>,
    /// As in `Retry-After`.
    pub(crate) retry_after: Option<String>,
    pub(crate) started: Nanos,
    pub(crate) ended: Nanos,
}

impl Answer {
    /// A member of the body that is text.
    pub(crate) fn text(&self, member: &str) -> Option<String> {
        self.body.get(member).and_then(Value::as_str).map(str::to_owned)
    }

    /// What it is in a history; `reach` is that of what was accepted.
    pub(crate) fn outcome(&self, reach: Reach) -> Outcome {
        match self.status {
            Some(200..=299) if self.body.get("active") == Some(&Value::Bool(false)) => Outcome::Refused,
            Some(200..=299) => Outcome::Accepted(reach),
            Some(401) => Outcome::Refused,
            Some(503) => Outcome::Unavailable,
            Some(other) => Outcome::Other(other),
            None => Outcome::Unsure,
        }
    }

    /// That it was done, or an error that tells what was answered instead.
    pub(crate) fn done(self, what: &str) -> anyhow::Result<Self> {
        ensure!(self.status.is_some_and(|status| (200..300).contains(&status)), "{what}: {:?}, {}", self.status, self.body);
        Ok(self)
    }
}

/// Of which kind a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Personal,
    Api,
}

impl Kind {
    /// Its last part of the path.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Personal => "personal-access-keys",
            Self::Api => "api-keys",
        }
    }
}

/// A key that was made for the drill.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    name: String,
    secret: String,
}

impl Key {
    /// One whose making was not answered.
    pub(crate) fn unknown(kind: Kind) -> Self {
        Self { kind, id: String::new(), name: String::new(), secret: String::new() }
    }
}

/// Somebody who may make and revoke keys, and whose keys may be exchanged.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: reqwest::Client,
    pub(crate) timeline: Timeline,
    /// What signs in: e-mail address and password.
    pub(crate) person: Arc<Value>,
    /// The last session.
    pub(crate) session: Arc<RwLock<String>>,
    pub(crate) organization: String,
    /// For whatever changes nothing.
    pub(crate) patience: Duration,
    /// For changes.
    pub(crate) patience_of_changes: Duration,
}

impl Caller {
    async fn ask(&self, request: reqwest::RequestBuilder, patience: Duration) -> Answer {
        let started = self.timeline.now();
        let heard = async {
            let response = request.timeout(patience).send().await?;
            let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let (status, revision, retry_after) = (response.status().as_u16(), header("keywright-revision"), header("retry-after"));
            let body = response.bytes().await?;
            Ok::<_, reqwest::Error>((status, revision, retry_after, body))
        };
        let heard = heard.await;
        let ended = self.timeline.now();
        match heard {
            Ok((status, revision, retry_after, body)) => {
                let revision = revision.and_then(|revision| revision.parse().ok());
                Answer { status: Some(status), body: serde_json::from_slice(&body).unwrap_or(Value::Null), revision, retry_after, started, ended }
            }
            Err(error) => Answer { status: None, body: Value::String(why(&error)), revision: None, retry_after: None, started, ended },
        }
    }

    /// Any path, without credentials.
    pub(crate) async fn get(&self, url: &str, path: &str) -> Answer {
        self.ask(self.client.get(format!("{url}{path}")), self.patience).await
    }

    /// A path below the organization, by the session.
    pub(crate) async fn look(&self, url: &str, path: &str) -> Answer {
        self.ask(self.client.get(self.inside(url, path)).bearer_auth(self.session()), self.patience).await
    }

    /// Signs in. Sessions of before live on.
    pub(crate) async fn sign_in(&self, url: &str) -> Answer {
        let answer = self.ask(self.client.post(format!("{url}/auth/v1/sessions")).json(&*self.person), self.patience_of_changes).await;
        if let Some(token) = answer.text("sessionToken") {
            *self.session.write().unwrap_or_else(PoisonError::into_inner) = token;
        }
        answer
    }

    fn session(&self) -> String {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn inside(&self, url: &str, path: &str) -> String {
        format!("{url}/identity/v1/organizations/{}{path}", self.organization)
    }

    /// A key for a token.
    pub(crate) async fn exchange(&self, url: &str, key: &Key) -> Answer {
        let request = match key.kind {
            Kind::Personal => self.client.post(format!("{url}/auth/v3/token")).form(&[("personalAccessKey", &key.secret)]),
            Kind::Api => self.client.post(format!("{url}/auth/v1/api-key/token")).form(&[("name", &key.name), ("secret", &key.secret)]),
        };
        self.ask(request, self.patience).await
    }

    /// Whether a token is good, asked with another token, or with the session.
    pub(crate) async fn introspect(&self, url: &str, token: &str, by: Option<&str>) -> Answer {
        let request =
            self.client.post(format!("{url}/oauth/introspect")).bearer_auth(by.map_or_else(|| self.session(), str::to_owned)).form(&[("token", token)]);
        self.ask(request, self.patience).await
    }

    /// A new key, which may do much.
    pub(crate) async fn make(&self, url: &str, kind: Kind, name: &str) -> (Answer, Option<Key>) {
        self.make_by(url, (kind, name), |request| request).await
    }

    /// The same, made once however often it is asked for: by its name.
    pub(crate) async fn make_once(&self, url: &str, kind: Kind, name: &str) -> (Answer, Option<Key>) {
        self.make_by(url, (kind, name), |request| request.header("Idempotency-Key", name)).await
    }

    async fn make_by(
        &self,
        url: &str,
        (kind, name): (Kind, &str),
        with: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> (Answer, Option<Key>) {
        let body = match kind {
            Kind::Personal => json!({ "name": name }),
            Kind::Api => json!({ "name": name, "grants": self.grants(Reach::Wide) }),
        };
        let request = self.client.post(self.inside(url, &format!("/{}", kind.path()))).bearer_auth(self.session()).json(&body);
        let answer = self.ask(with(request), self.patience_of_changes).await;
        let secret = match kind {
            Kind::Personal => answer.text("key"),
            Kind::Api => answer.text("secret"),
        };
        let key = answer.text("id").zip(secret).map(|(id, secret)| Key { kind, id, name: name.to_owned(), secret });
        (answer, key)
    }

    /// The same when nothing is wrong.
    pub(crate) async fn made(&self, url: &str, kind: Kind, name: &str) -> anyhow::Result<Key> {
        let (answer, key) = self.make(url, kind, name).await;
        answer.done("a key could not be made")?;
        key.context("no key in the answer")
    }

    /// A token, when nothing is wrong. What an outage has left may answer 503 once more, and whoever does is asked again.
    pub(crate) async fn token(&self, url: &str, key: &Key) -> anyhow::Result<String> {
        let mut answer = self.exchange(url, key).await;
        for _ in 0..20 {
            if answer.status != Some(503) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer = self.exchange(url, key).await;
        }
        answer.done("a key could not be exchanged")?.text("access_token").context("no token in the answer")
    }

    pub(crate) async fn revoke(&self, url: &str, key: &Key) -> Answer {
        let request = self.client.delete(self.inside(url, &format!("/{}/{}", key.kind.path(), key.id))).bearer_auth(self.session());
        self.ask(request, self.patience_of_changes).await
    }

    /// What an API Key may do from now on.
    pub(crate) async fn let_reach(&self, url: &str, key: &Key, reach: Reach) -> Answer {
        let request = self.client.patch(self.inside(url, &format!("/{}/{}", key.kind.path(), key.id))).bearer_auth(self.session());
        self.ask(request.json(&json!({ "grants": self.grants(reach) })), self.patience_of_changes).await
    }

    fn grants(&self, reach: Reach) -> Value {
        let roles: &[&str] = match reach {
            Reach::Wide => &[MUCH, LITTLE],
            Reach::Narrow => &[LITTLE],
        };
        json!([{ "organizationId": self.organization, "roles": roles }])
    }
}

/// Why there is no answer.
fn why(error: &reqwest::Error) -> String {
    let (mut text, mut source) = (String::from(if error.is_timeout() { "too late" } else { "no answer" }), std::error::Error::source(error));
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// What a token may do, read from it as anybody may: the part between the points is base64url of JSON.
pub(crate) fn reach_of(token: &str, kind: Kind) -> Reach {
    match kind {
        // It has its holder's roles, which nobody changes.
        Kind::Personal => Reach::Wide,
        Kind::Api => {
            let claims = token.split('.').nth(1).and_then(decode).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).unwrap_or_default();
            roles_reach(claims.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str))
        }
    }
}

/// What roles let do.
pub(crate) fn roles_reach<'a>(mut roles: impl Iterator<Item = &'a str>) -> Reach {
    if roles.any(|role| role == MUCH) { Reach::Wide } else { Reach::Narrow }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.bytes() {
        let six = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_from_a_token() {
        assert_eq!(decode("eyJyb2xlcyI6WyJhIl19").unwrap(), br#"{"roles":["a"]}"#);
        assert_eq!(decode("_-8").unwrap(), [0xff, 0xef]);
        assert_eq!(decode("a b"), None);
        // {"roles":["view-build","view-organization"]} and without the first.
        assert_eq!(reach_of("x.eyJyb2xlcyI6WyJ2aWV3LWJ1aWxkIiwidmlldy1vcmdhbml6YXRpb24iXX0.y", Kind::Api), Reach::Wide);
        assert_eq!(reach_of("x.eyJyb2xlcyI6WyJ2aWV3LW9yZ2FuaXphdGlvbiJdfQ.y", Kind::Api), Reach::Narrow);
        assert_eq!(reach_of("x.y.z", Kind::Personal), Reach::Wide);
    }
}
