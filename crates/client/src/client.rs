//! One server: what is sent to it, and how its answers are read.

use crate::{
    Authorized, BaseUrlError, Changed, ClientError, Options, Refusal,
    options::{Transport, base},
};
use keywright_protocol::{ErrorBody, Position};
use reqwest::{Method, RequestBuilder, Response, Url, header::RETRY_AFTER, redirect::Policy};
use serde::de::DeserializeOwned;
use std::{error::Error as _, fmt, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// No answer that is read into memory is longer, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
const RETRYABLE: [u16; 2] = [429, 503];

/// A server, and no credential. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    base: Url,
    longest_wait: Duration,
}

/// An answer that is a success.
struct Answer {
    status: u16,
    revision: Option<Position>,
    bytes: Vec<u8>,
}

/// Whether a request may be sent once more when the server says when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing, or the same thing once.
    Once,
    /// It proves a password: another attempt counts.
    Never,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at this URL, with the default options. Connects to nothing yet.
    ///
    /// # Errors
    /// [`BaseUrlError`], also for plain `http` to another machine.
    pub fn new(url: &str) -> Result<Self, BaseUrlError> {
        Self::with(url, Options::default())
    }

    /// The same with other options.
    ///
    /// # Errors
    /// [`BaseUrlError`].
    pub fn with(url: &str, options: Options) -> Result<Self, BaseUrlError> {
        let base = base(url, options.transport)?;
        let mut builder = reqwest::Client::builder().redirect(Policy::none()).timeout(options.timeout).user_agent(options.user_agent);
        if base.scheme() == "http" || options.transport == Transport::PlainHttp {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| BaseUrlError::Client(error.to_string()))?;
        Ok(Self { inner: Arc::new(Inner { http, base, longest_wait: options.longest_wait }) })
    }

    /// The server's URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.inner.base.as_str().trim_end_matches('/')
    }

    /// The same server, with an access token, a session's secret or an operator key.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Authorized {
        Authorized::new(self.clone(), Zeroizing::new(token.to_owned()))
    }

    /// A request. A parameter with an empty value is left out.
    pub(crate) fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.inner.base.clone();
        let whole = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
        let given: Vec<_> = query.iter().filter(|(_, value)| !value.is_empty()).collect();
        if !given.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in given {
                pairs.append_pair(name, value);
            }
        }
        self.inner.http.request(method, url)
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, request: RequestBuilder, repeat: Repeat) -> Result<T, ClientError> {
        self.call_changing(request, repeat).await.map(|changed| changed.value)
    }

    /// The same of a change, with its revision.
    pub(crate) async fn call_changing<T: DeserializeOwned>(&self, request: RequestBuilder, repeat: Repeat) -> Result<Changed<T>, ClientError> {
        let Answer { status, revision, bytes } = self.answer(request, repeat).await?;
        // The parser's own words could quote what is secret.
        let wrong = |error: serde_json::Error| format!("the answer is not what this version reads (line {}, column {})", error.line(), error.column());
        serde_json::from_slice(&bytes).map(|value| Changed { value, revision }).map_err(|error| self.unreadable(status, wrong(error)))
    }

    /// The same of an answer whose body is not looked at.
    pub(crate) async fn call_unread(&self, request: RequestBuilder, repeat: Repeat) -> Result<(), ClientError> {
        self.answer(request, repeat).await.map(|_| ())
    }

    async fn answer(&self, request: RequestBuilder, repeat: Repeat) -> Result<Answer, ClientError> {
        let again = if repeat == Repeat::Once { request.try_clone() } else { None };
        let refused = match self.attempt(request).await {
            Err(ClientError::Api(refusal)) => refusal,
            other => return other,
        };
        let wait = refused.retry_after.filter(|wait| RETRYABLE.contains(&refused.status) && *wait <= self.inner.longest_wait);
        match (again, wait) {
            (Some(again), Some(wait)) if !self.inner.longest_wait.is_zero() => {
                tokio::time::sleep(wait).await;
                self.attempt(again).await
            }
            (Some(_) | None, Some(_) | None) => Err(ClientError::Api(refused)),
        }
    }

    async fn attempt(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        let mut response = request.send().await.map_err(|error| self.unreachable(error))?;
        let (status, retry_after, request_id) = (response.status(), retry_after(&response), header(&response, "x-request-id"));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if bytes.len() + chunk.len() > LONGEST_ANSWER {
                return Err(self.unreadable(status.as_u16(), "the answer is too long".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            let revision = header(&response, "keywright-revision").and_then(|revision| revision.parse().ok());
            return Ok(Answer { status: status.as_u16(), revision, bytes });
        }
        match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => Err(ClientError::Api(Box::new(Refusal { status: status.as_u16(), body, retry_after, request_id }))),
            Err(_) => Err(self.unreadable(status.as_u16(), format!("it answers {status} and no reason; is this the URL of the server?"))),
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> ClientError {
        let error = error.without_url();
        // The innermost cause says what the network said; the others say that there was a request.
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = cause.to_string();
            source = cause.source();
        }
        let reason = if error.is_timeout() { "it did not answer in time".to_owned() } else { reason };
        ClientError::Unreachable { url: self.url().to_owned(), reason }
    }

    fn unreadable(&self, status: u16, reason: String) -> ClientError {
        ClientError::Unreadable { url: self.url().to_owned(), status, reason }
    }
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn retry_after(response: &Response) -> Option<Duration> {
    header(response, RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs)
}
