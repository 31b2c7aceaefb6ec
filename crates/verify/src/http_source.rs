//! Keys and catalog of an issuer over HTTP, by its URL alone.

mod pace;

use crate::{
    CatalogDocument, KeySet, RefreshError, Snapshot, Source,
    document::{MAX_DOCUMENT_BYTES, signed_document},
    source::Refreshing,
};
use arc_swap::ArcSwapOption;
use keywright_protocol::{
    Catalog, Position,
    claims::CATALOG_TYPE,
    jwk::{Jwk, JwkSet},
    paths,
};
use pace::{Pace, Turn};
use serde::Deserialize;
use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// Known data older than this is fetched anew behind the back of whichever request comes next.
const STALE_AFTER: Duration = Duration::from_secs(5 * 60);
/// One fetch may take as long, the whole body included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there can be no source for an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpSourceError {
    /// Not a URL that an issuer could have.
    #[error("the issuer must be an http or https URL without user, query and fragment")]
    Issuer,
    /// Keys that came unencrypted could be anybody's.
    #[error("the issuer must be an https URL, or on this machine; see HttpSource::over_plain_http")]
    PlainHttp,
    /// No HTTP client can be had.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// Fetches `{issuer}/.well-known/jwks.json` and `{issuer}/.well-known/keywright-catalog`: on first use, when a token names an
/// unknown key (at most every 30 seconds, after a failure at first after one second), and in the background every 5 minutes.
///
/// Clones share what they know.
#[derive(Clone)]
pub struct HttpSource {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    issuer: String,
    current: ArcSwapOption<Snapshot>,
    last_error: ArcSwapOption<RefreshError>,
    /// Whoever holds it fetches; the others wait for what comes of it.
    state: Mutex<State>,
    made_at: Instant,
    /// When the next background refresh is due, in milliseconds after `made_at`.
    due: AtomicU64,
}

#[derive(Default)]
struct State {
    pace: Pace,
    held: Option<Held>,
}

/// What `current` was made of.
struct Held {
    keys: JwkSet,
    position: Position,
    epoch: u64,
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("issuer", &self.inner.issuer).finish_non_exhaustive()
    }
}

impl HttpSource {
    /// A source for the issuer at this public URL, exactly as it stands in `iss`. Fetches nothing yet.
    ///
    /// # Errors
    /// [`HttpSourceError`], also for plain `http` to another machine.
    pub fn new(issuer: &str) -> Result<Self, HttpSourceError> {
        let url = issuer_url(issuer)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(HttpSourceError::PlainHttp);
        }
        Self::over_plain_http(issuer)
    }

    /// The same without insisting on `https`: for a network in which nobody else can answer in the issuer's name.
    ///
    /// # Errors
    /// [`HttpSourceError`] when the issuer is no URL.
    pub fn over_plain_http(issuer: &str) -> Result<Self, HttpSourceError> {
        issuer_url(issuer)?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| HttpSourceError::Client(error.to_string()))?;
        let inner = Inner {
            client,
            issuer: issuer.to_owned(),
            current: ArcSwapOption::empty(),
            last_error: ArcSwapOption::empty(),
            state: Mutex::default(),
            made_at: Instant::now(),
            due: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the latest fetch failed with; `None` once one has succeeded again. For the operator's log.
    #[must_use]
    pub fn last_error(&self) -> Option<Arc<RefreshError>> {
        self.inner.last_error.load_full()
    }
}

impl Source for HttpSource {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let snapshot = self.inner.current.load_full()?;
        if self.inner.take_due(Instant::now())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let inner = Arc::clone(&self.inner);
            // It ends by itself: after two fetches, each with its timeout. What it fails with stays in `last_error`.
            runtime.spawn(async move { inner.refresh().await });
        }
        Some(snapshot)
    }

    fn refresh(&self) -> Refreshing<'_> {
        Box::pin(self.inner.refresh())
    }
}

impl Inner {
    async fn refresh(&self) -> Result<(), RefreshError> {
        let mut state = self.state.lock().await;
        match state.pace.turn(Instant::now()) {
            Turn::Recent => return Ok(()),
            Turn::Pause => return Err(RefreshError::Unavailable("the last try failed, the next one follows soon".to_owned())),
            Turn::Fetch => {}
        }
        state.pace.begin(Instant::now());
        let fetched = self.fetch(&mut state.held).await;
        let now = Instant::now();
        match fetched {
            Ok(()) => {
                state.pace.succeed(now);
                self.last_error.store(None);
                self.set_due(now + STALE_AFTER);
                Ok(())
            }
            Err(error) => {
                let retry_at = state.pace.fail(now);
                self.last_error.store(Some(Arc::new(error.clone())));
                self.set_due(retry_at);
                Err(error)
            }
        }
    }

    /// One fetch of both documents. What is held changes only when both are good.
    async fn fetch(&self, held: &mut Option<Held>) -> Result<(), RefreshError> {
        let jwks = read_key_set(&self.get(paths::JWKS).await?)?;
        let keys = KeySet::from_jwks(&jwks).map_err(|error| invalid(paths::JWKS, &error))?;
        let text = String::from_utf8(self.get(paths::CATALOG).await?).map_err(|error| invalid(paths::CATALOG, &error))?;
        let document: CatalogDocument = signed_document(text.trim_ascii_end(), CATALOG_TYPE, &keys).map_err(|error| invalid(paths::CATALOG, &error))?;
        if document.iss != self.issuer {
            return Err(RefreshError::Invalid("the catalog is of another issuer".to_owned()));
        }
        let position = document.position();
        if let Some(held) = held.as_ref().filter(|held| position < held.position) {
            return Err(RefreshError::Invalid(format!("the catalog is at {position}, but {} was seen already", held.position)));
        }
        let unchanged = match (&held, self.current.load().as_ref()) {
            (Some(held), Some(current)) => held.keys == jwks && *current.catalog.document() == document.catalog,
            (Some(_) | None, _) => false,
        };
        let before = held.as_ref().map_or(0, |held| held.epoch);
        let epoch = if unchanged { before } else { before.saturating_add(1) };
        if !unchanged {
            let catalog = Arc::new(Catalog::new(document.catalog).map_err(|error| invalid(paths::CATALOG, &error))?);
            self.current.store(Some(Arc::new(Snapshot { keys, catalog, epoch })));
        }
        *held = Some(Held { keys: jwks, position, epoch });
        Ok(())
    }

    /// The body at a path below the issuer: status 200 and at most 1 MiB.
    async fn get(&self, path: &str) -> Result<Vec<u8>, RefreshError> {
        let failed = |error: reqwest::Error| RefreshError::Unavailable(error.to_string());
        let url = format!("{}{path}", self.issuer.trim_end_matches('/'));
        let mut response = self.client.get(url).send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(RefreshError::Unavailable(format!("{path} answered {}", response.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_DOCUMENT_BYTES {
                return Err(RefreshError::Invalid(format!("{path} is longer than 1 MiB")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made_at).as_millis()).unwrap_or(u64::MAX)
    }

    fn set_due(&self, at: Instant) {
        self.due.store(self.millis(at), Ordering::Relaxed);
    }

    /// Whether a background refresh is due and the caller is the one to start it. The due time moves on at once, by as much as
    /// a fetch may take, so that one that is never finished is followed by another.
    fn take_due(&self, now: Instant) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        self.millis(now) >= due && self.due.compare_exchange(due, self.millis(now + 2 * TIMEOUT), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// A key set out of its JSON, in the order of key ids. An entry that has not the members of a key this crate knows is left out:
/// an issuer may publish keys of a kind that comes later.
fn read_key_set(body: &[u8]) -> Result<JwkSet, RefreshError> {
    #[derive(Deserialize)]
    struct Entries {
        keys: Vec<serde_json::Value>,
    }
    let entries: Entries = serde_json::from_slice(body).map_err(|error| invalid(paths::JWKS, &error))?;
    let mut keys: Vec<Jwk> = entries.keys.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect();
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    Ok(JwkSet { keys })
}

fn invalid(path: &str, error: &dyn fmt::Display) -> RefreshError {
    RefreshError::Invalid(format!("{path}: {error}"))
}

fn issuer_url(issuer: &str) -> Result<reqwest::Url, HttpSourceError> {
    let url = reqwest::Url::parse(issuer).map_err(|_| HttpSourceError::Issuer)?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if plain && url.has_host() && ["http", "https"].contains(&url.scheme()) { Ok(url) } else { Err(HttpSourceError::Issuer) }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}
