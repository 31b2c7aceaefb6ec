//! Asking the issuer about each token (RFC 7662): for whoever must not decide by what he knew a moment before, or takes raw keys.

use crate::{
    Config, HttpSourceError, Transport, VerifyError,
    http_source::{is_loopback, plain_url},
};
use arc_swap::ArcSwapOption;
use keywright_protocol::{oauth::Introspection, paths, secret};
use std::{fmt, sync::Arc, time::Duration};

/// One question may take as long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No answer is longer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Who asks: an API Key, by its id or name and its secret.
#[derive(Clone)]
pub struct ClientCredentials {
    /// Its id or name.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether raw keys are taken beside access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawKeys {
    /// Whoever sends one is told to exchange it.
    Refused,
    /// The issuer is asked about them like about tokens. One that is bound to addresses is good nowhere here.
    Accepted,
}

/// A verifier that asks the issuer each time, and keeps nothing of what it hears. An answer is of this very moment, and costs a request.
///
/// What it insists on of `config` is issuer and audience; the rest is the issuer's business.
pub struct RemoteVerifier {
    config: Config,
    client: ClientCredentials,
    raw_keys: RawKeys,
    endpoint: String,
    http: reqwest::Client,
    last_error: ArcSwapOption<String>,
}

impl fmt::Debug for RemoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteVerifier").field("config", &self.config).field("client", &self.client).finish_non_exhaustive()
    }
}

/// What the issuer said of a token, or a key, that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspected(Introspection);

impl Introspected {
    /// All of it.
    #[must_use]
    pub fn answer(&self) -> &Introspection {
        &self.0
    }

    /// Whether its holder may do what the permission says, by its id.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.permissions().any(|held| held == permission)
    }

    /// The ids of all permissions that its holder has here.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.0.scope.as_deref().unwrap_or_default().split(' ').filter(|id| !id.is_empty())
    }
}

impl RemoteVerifier {
    /// Asks the issuer of `config`.
    ///
    /// # Errors
    /// [`HttpSourceError`].
    pub fn new(config: Config, client: ClientCredentials, raw_keys: RawKeys, transport: Transport) -> Result<Self, HttpSourceError> {
        let url = plain_url(&config.issuer).ok_or(HttpSourceError::Issuer)?;
        if transport == Transport::Tls && url.scheme() == "http" && !is_loopback(&url) {
            return Err(HttpSourceError::PlainHttp);
        }
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
        let http = http.build().map_err(|error| HttpSourceError::Client(error.to_string()))?;
        let endpoint = format!("{}{}", config.issuer.trim_end_matches('/'), paths::OAUTH_INTROSPECT);
        Ok(Self { config, client, raw_keys, endpoint, http, last_error: ArcSwapOption::empty() })
    }

    /// What it insists on.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Why the issuer could not be asked the last time, or did not take this API Key's question; `None` once it has answered again. For the
    /// operator's log.
    #[must_use]
    pub fn last_error(&self) -> Option<Arc<String>> {
        self.last_error.load_full()
    }

    /// Asks about what somebody presents.
    ///
    /// # Errors
    /// [`VerifyError::Inactive`] for what is not good; [`VerifyError::WrongIssuer`] and [`VerifyError::WrongAudience`]; [`VerifyError::RawKey`]
    /// where keys are not taken; [`VerifyError::Unavailable`] when nobody has answered, which says nothing about the token.
    pub async fn verify(&self, presented: &str) -> Result<Introspected, VerifyError> {
        if presented.len() > crate::MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLong);
        }
        if let Some(kind) = secret::recognize(presented).filter(|_| self.raw_keys == RawKeys::Refused) {
            return Err(VerifyError::RawKey(kind));
        }
        let found = self.ask(presented).await.map_err(|error| {
            self.last_error.store(Some(Arc::new(error)));
            VerifyError::Unavailable
        })?;
        self.last_error.store(None);
        if !found.active {
            return Err(VerifyError::Inactive);
        }
        if found.iss.as_deref() != Some(self.config.issuer.as_str()) {
            return Err(VerifyError::WrongIssuer);
        }
        if found.aud.as_deref() != Some(self.config.audience.as_str()) {
            return Err(VerifyError::WrongAudience);
        }
        Ok(Introspected(found))
    }

    async fn ask(&self, presented: &str) -> Result<Introspection, String> {
        let ClientCredentials { id, secret } = &self.client;
        let form = [("token", presented), ("audience", &self.config.audience), ("client_id", id), ("client_secret", secret)];
        let mut response = self.http.post(&self.endpoint).form(&form).send().await.map_err(|error| error.without_url().to_string())?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("the issuer answered {} at {}", response.status(), paths::OAUTH_INTROSPECT));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err("the issuer's answer is too long".to_owned());
            }
        }
        serde_json::from_slice(&body).map_err(|error| format!("the issuer's answer cannot be read: {error}"))
    }
}
