//! What there is to know of an issuer over HTTP, by its URL alone.

mod documents;
mod events;
mod feed;
mod pace;
mod status;

use crate::{Config, Need, RefreshError, Snapshot, Source, StatusPolicy, source::Refreshing};
use arc_swap::ArcSwapOption;
use documents::{Documents, Revoked};
use keywright_protocol::status::StatusLists;
use pace::Pace;
use status::Known;
use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex as Locked, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Mutex, sync::watch, task::JoinHandle, time::Instant};

/// Known keys and catalog older than this are fetched anew behind the back of whichever request comes next.
const STALE_AFTER: Duration = Duration::from_secs(5 * 60);
/// One fetch may take as long, the whole body included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A stream on which nothing comes for so long is given up.
const SILENCE: Duration = Duration::from_secs(3);

/// Why there can be no source for an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpSourceError {
    /// Not a URL that an issuer could have.
    #[error("the issuer must be an http or https URL without user, query and fragment")]
    Issuer,
    /// Not a URL at which its documents could be.
    #[error("{0} must be an http or https URL without user, query and fragment")]
    Replica(String),
    /// Keys that came unencrypted could be anybody's; [`Transport::PlainHttp`] takes them all the same.
    #[error("the issuer and its replicas must be https URLs, or on this machine")]
    PlainHttp,
    /// No HTTP client can be had.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// Over what a source fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `https`, and `http` on this machine.
    Tls,
    /// `http` too: for a network in which nobody else can answer in the issuer's name.
    PlainHttp,
}

/// How a source hears of what was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// By a stream of server-sent events: within a second. While there is none, by polling.
    Stream,
    /// By asking every five seconds.
    Poll,
}

/// How a source fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Over what. [`Transport::Tls`] by default.
    pub transport: Transport,
    /// How it hears of what was taken back. [`Feed::Stream`] by default. A source that only serves verifiers with
    /// [`StatusPolicy::Ignore`] does not ask at all.
    pub feed: Feed,
    /// What the issuer's receipts call it. Empty by default, which is the audience of the first verifier that it serves.
    pub name: String,
    /// The program and its version, for receipts. By default this crate's.
    pub program: String,
    /// Where the issuer's servers are, one after the other, if that is not the issuer's URL: it goes on to the next one when one falls silent.
    pub replicas: Vec<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            transport: Transport::Tls,
            feed: Feed::Stream,
            name: String::new(),
            program: concat!("keywright-verify/", env!("CARGO_PKG_VERSION")).to_owned(),
            replicas: Vec::new(),
        }
    }
}

/// Fetches an issuer's public keys and signed catalog: on first use, when a token names an unknown key (at most every 30 seconds, after a
/// failure at first after one second), in the background every 5 minutes, and at once when the issuer says that they have changed. Fetches
/// the status lists that tokens name, once, and from then on follows what is taken back, in a task of its own that ends with the source.
///
/// Clones share what they know. It must be used within a tokio runtime.
#[derive(Clone)]
pub struct HttpSource {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    options: HttpOptions,
    /// Made at the start; receipts tell one process from another by it.
    instance: uuid::Uuid,
    client: reqwest::Client,
    /// The same without a limit for a whole answer: for streams.
    streaming: reqwest::Client,
    bases: Vec<String>,
    current: ArcSwapOption<Snapshot>,
    lists: Arc<StatusLists>,
    last_error: ArcSwapOption<RefreshError>,
    /// Whoever holds it fetches keys and catalog; the others wait for what comes of it.
    documents: Mutex<Documents>,
    revoked: Locked<Revoked>,
    /// Whoever holds it changes the status lists.
    known: Mutex<Known>,
    /// Whoever holds it fetches a list; news do not wait for him. Lists that could not be had a moment ago.
    fetching: Mutex<HashMap<u64, Pace>>,
    /// The server that answered last.
    preferred: AtomicUsize,
    served: Locked<Served>,
    feeding: Locked<Option<JoinHandle<()>>>,
    /// Ends the feed when the last clone of the source goes.
    alive: watch::Sender<()>,
    made_at: Instant,
    /// When the next background refresh is due, in milliseconds after `made_at`.
    due: AtomicU64,
}

/// What the verifiers of a source insist on.
#[derive(Debug, Default, Clone)]
struct Served {
    name: Option<String>,
    /// Whether one of them looks at the status.
    asks: Asks,
    /// After how long the least strict of them refuses; `None` if one of them does not.
    max_age: Option<Duration>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Asks {
    #[default]
    NoStatus,
    Status,
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("issuer", &self.inner.issuer).finish_non_exhaustive()
    }
}

impl HttpSource {
    /// A source for the issuer at this public URL, exactly as it stands in `iss`, with the default options. Fetches nothing yet.
    ///
    /// # Errors
    /// [`HttpSourceError`], also for plain `http` to another machine.
    pub fn new(issuer: &str) -> Result<Self, HttpSourceError> {
        Self::with(issuer, HttpOptions::default())
    }

    /// The same with other options.
    ///
    /// # Errors
    /// [`HttpSourceError`].
    pub fn with(issuer: &str, options: HttpOptions) -> Result<Self, HttpSourceError> {
        let issuer_url = plain_url(issuer).ok_or(HttpSourceError::Issuer)?;
        let mut urls = Vec::with_capacity(options.replicas.len());
        for replica in &options.replicas {
            urls.push(plain_url(replica).ok_or_else(|| HttpSourceError::Replica(replica.clone()))?);
        }
        let bases: Vec<&str> = if urls.is_empty() { vec![issuer] } else { options.replicas.iter().map(String::as_str).collect() };
        let bases = bases.into_iter().map(|base| base.trim_end_matches('/').to_owned()).collect();
        if urls.is_empty() {
            urls.push(issuer_url);
        }
        if options.transport == Transport::Tls && urls.iter().any(|url| url.scheme() == "http" && !is_loopback(url)) {
            return Err(HttpSourceError::PlainHttp);
        }
        let builder = || reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).connect_timeout(SILENCE).user_agent(&options.program);
        let failed = |error: reqwest::Error| HttpSourceError::Client(error.to_string());
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| HttpSourceError::Client("the system gives no randomness".to_owned()))?;
        let inner = Inner {
            issuer: issuer.to_owned(),
            instance: uuid::Builder::from_random_bytes(random).into_uuid(),
            client: builder().timeout(TIMEOUT).build().map_err(failed)?,
            streaming: builder().build().map_err(failed)?,
            options,
            bases,
            current: ArcSwapOption::empty(),
            lists: Arc::default(),
            last_error: ArcSwapOption::empty(),
            documents: Mutex::default(),
            revoked: Locked::default(),
            fetching: Mutex::default(),
            preferred: AtomicUsize::new(0),
            known: Mutex::default(),
            served: Locked::default(),
            feeding: Locked::default(),
            alive: watch::Sender::new(()),
            made_at: Instant::now(),
            due: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What the latest fetch of keys and catalog, or the latest news, failed with; `None` once it has succeeded again. For the operator's log.
    #[must_use]
    pub fn last_error(&self) -> Option<Arc<RefreshError>> {
        self.inner.last_error.load_full()
    }

    /// How far it has followed what was taken back; `None` as long as it knows nothing.
    pub async fn position(&self) -> Option<keywright_protocol::Position> {
        self.inner.known.lock().await.applied()
    }

    /// What of the status lists it knows, and as of when.
    #[must_use]
    pub fn status(&self) -> Arc<StatusLists> {
        Arc::clone(&self.inner.lists)
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
            runtime.spawn(async move { inner.refresh_documents().await });
        }
        Some(snapshot)
    }

    fn refresh(&self, need: Need) -> Refreshing<'_> {
        Box::pin(async move {
            feed::keep_going(&self.inner);
            match need {
                Need::Keys => self.inner.refresh_documents().await,
                Need::StatusList(number) => self.inner.refresh_list(number).await,
                Need::Status => self.inner.refresh_status().await,
            }
        })
    }

    fn serves(&self, config: &Config) {
        let mut served = self.inner.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.name.get_or_insert_with(|| config.audience.clone());
        let first = served.asks == Asks::NoStatus;
        match config.status {
            StatusPolicy::Ignore => return,
            StatusPolicy::Lenient => served.max_age = None,
            StatusPolicy::Strict { max_age } if first => served.max_age = Some(max_age),
            StatusPolicy::Strict { max_age } => served.max_age = served.max_age.map(|known| known.max(max_age)),
        }
        served.asks = Asks::Status;
    }
}

impl Inner {
    fn served(&self) -> Served {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    /// The body at a path below one of the issuer's servers, the one that answered last before the others: status 200 and at most 1 MiB.
    async fn get(&self, path: &str) -> Result<Vec<u8>, RefreshError> {
        let (first, mut failed) = (self.preferred.load(Ordering::Relaxed), RefreshError::Unavailable("the issuer has no server".to_owned()));
        for number in first..first.saturating_add(self.bases.len()) {
            let number = number % self.bases.len();
            match self.get_at(self.bases.get(number).map(String::as_str).unwrap_or_default(), path).await {
                Ok(body) => {
                    self.preferred.store(number, Ordering::Relaxed);
                    return Ok(body);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn get_at(&self, base: &str, path: &str) -> Result<Vec<u8>, RefreshError> {
        let failed = |error: reqwest::Error| RefreshError::Unavailable(error.to_string());
        // A cache on the way must not answer with what was true before.
        let request = self.client.get(format!("{base}{path}")).header(reqwest::header::CACHE_CONTROL, "no-cache");
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(RefreshError::Unavailable(format!("{path} answered {}", response.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > crate::MAX_DOCUMENT_BYTES {
                return Err(RefreshError::Invalid(format!("{path} is longer than 1 MiB")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn invalid(path: &str, error: &dyn fmt::Display) -> RefreshError {
    RefreshError::Invalid(format!("{path}: {error}"))
}

pub(crate) fn plain_url(text: &str) -> Option<reqwest::Url> {
    let url = reqwest::Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (plain && url.has_host() && ["http", "https"].contains(&url.scheme())).then_some(url)
}

pub(crate) fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}
