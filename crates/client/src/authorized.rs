//! A server with a credential.

use crate::{Client, ClientError, client::Repeat};
use keywright_protocol::{OrganizationId, Position};
use reqwest::{Method, RequestBuilder};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A server with an access token, a session's secret or an operator key.
#[derive(Clone)]
pub struct Authorized {
    client: Client,
    token: Zeroizing<String>,
    once: Option<String>,
}

/// What a change answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<T> {
    /// The answer itself.
    pub value: T,
    /// The revision of the change: for [`Authorized::receipt`]. `None` where nothing changed, and for an answer that is repeated.
    pub revision: Option<Position>,
}

/// Which organization is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The one that the session is in or the access token is for.
    Current,
    /// One by its id.
    Organization(OrganizationId),
}

impl From<OrganizationId> for Place {
    fn from(id: OrganizationId) -> Self {
        Self::Organization(id)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("current"),
            Self::Organization(id) => id.fmt(f),
        }
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Authorized {
    pub(crate) fn new(client: Client, token: Zeroizing<String>) -> Self {
        Self { client, token, once: None }
    }

    /// The server, without the credential.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same for one change that may be asked for again, also by another process: however often a change is sent with this
    /// `Idempotency-Key`, it is made once. Without it each call has one of its own. 1 to 255 visible ASCII characters.
    #[must_use]
    pub fn once(&self, idempotency_key: &str) -> Self {
        Self { once: Some(idempotency_key.to_owned()), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        self.client.request(method, path, query).bearer_auth(self.token.as_str())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, ClientError> {
        self.client.call(self.request(Method::GET, path, query), Repeat::Once).await
    }

    /// A change on the identity API, made once.
    pub(crate) async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<Changed<T>, ClientError> {
        let once = self.once.clone().unwrap_or_else(idempotency_key);
        let request = self.request(method, path, query).header("Idempotency-Key", once);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.client.call_changing(request, Repeat::Once).await
    }
}

#[expect(clippy::disallowed_methods, reason = "its ids are no business of the service's: this crate's one line of chance")]
fn idempotency_key() -> String {
    Uuid::new_v4().to_string()
}
