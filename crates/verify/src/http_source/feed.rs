//! The task that follows what is taken back: a stream, and polling while there is none.

use super::{Asks, Feed, Inner, SILENCE, events::Events, status::Applied};
use crate::RefreshError;
use keywright_protocol::{
    Position, paths,
    status::{Report, StreamOpened},
};
use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};
use tokio::{sync::watch, task::AbortHandle, time::timeout};

/// Between two polls: with the poll itself and a busy machine it is five seconds and a quarter at most.
const POLL_EVERY: Duration = Duration::from_millis(4_500);
/// Between two tries while there is no stream or no answer, and polls bridge the gap; each further one waits as long again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Starts the feed if a verifier wants it and it does not run. It ends with the source, and with the runtime.
pub(super) fn keep_going(inner: &Arc<Inner>) {
    if inner.served().asks == Asks::NoStatus {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let mut feeding = inner.feeding.lock().unwrap_or_else(PoisonError::into_inner);
    if feeding.as_ref().is_some_and(|task| !task.is_finished()) {
        return;
    }
    let (weak, alive) = (Arc::downgrade(inner), inner.alive.subscribe());
    *feeding = Some(runtime.spawn(follow(weak, alive)));
}

async fn follow(inner: Weak<Inner>, mut alive: watch::Receiver<()>) {
    tokio::select! {
        // The source is gone.
        _ = alive.changed() => {}
        () = keep_following(&inner) => {}
    }
}

async fn keep_following(inner: &Weak<Inner>) {
    let (mut server, mut in_vain) = (0_usize, 0_u32);
    loop {
        let Some(strong) = inner.upgrade() else { return };
        let (kind, base) = (strong.options.feed, base(&strong, server));
        drop(strong);
        if kind == Feed::Stream {
            // It ends when nothing comes any more; then another server is asked.
            let (heard, error) = stream(inner, &base).await;
            in_vain = if heard == Heard::News { 0 } else { in_vain.saturating_add(1) };
            remember(inner, error);
            server = server.wrapping_add(1);
        }
        let Some(strong) = inner.upgrade() else { return };
        let polled = strong.poll(&self::base(&strong, server)).await;
        match polled {
            Ok(applied) => {
                follow_documents(&strong, &applied);
                in_vain = if kind == Feed::Poll { 0 } else { in_vain };
            }
            Err(error) => {
                remember(inner, error);
                in_vain = in_vain.saturating_add(1);
                server = server.wrapping_add(1);
            }
        }
        drop(strong);
        let regular = kind == Feed::Poll && in_vain == 0;
        tokio::time::sleep(if regular { POLL_EVERY } else { POLL_EVERY.min(RETRY_AFTER * in_vain.max(1)) }).await;
    }
}

fn base(inner: &Inner, server: usize) -> String {
    inner.bases.get(server % inner.bases.len().max(1)).cloned().unwrap_or_default()
}

fn remember(inner: &Weak<Inner>, error: RefreshError) {
    if let Some(inner) = inner.upgrade() {
        inner.last_error.store(Some(Arc::new(error)));
    }
}

/// Keys and catalog are fetched beside: what is taken back meanwhile does not wait for them.
fn follow_documents(inner: &Arc<Inner>, applied: &Applied) {
    let (marks, inner) = (applied.marks, Arc::clone(inner));
    #[expect(clippy::disallowed_methods, reason = "ends by itself, after two fetches with their timeouts")]
    drop(tokio::spawn(async move {
        if let Err(error) = inner.follow_documents(marks).await {
            inner.last_error.store(Some(Arc::new(error)));
        }
    }));
}

/// Whether anything came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    News,
}

/// Follows one stream until it breaks off or falls silent, and says why.
async fn stream(inner: &Weak<Inner>, base: &str) -> (Heard, RefreshError) {
    let mut heard = Heard::Nothing;
    let error = match follow_stream(inner, base, &mut heard).await {
        Ok(()) => RefreshError::Unavailable("the source is gone".to_owned()),
        Err(error) => error,
    };
    (heard, error)
}

async fn follow_stream(inner: &Weak<Inner>, base: &str, heard: &mut Heard) -> Result<(), RefreshError> {
    let unavailable = |what: &str| RefreshError::Unavailable(format!("{}: {what}", paths::STATUS_STREAM));
    let Some(strong) = inner.upgrade() else { return Ok(()) };
    let request = strong.streaming.get(format!("{base}{}{}", paths::STATUS_STREAM, query(&strong).await));
    let (client, reports_to) = (strong.client.clone(), format!("{base}{}", paths::STATUS_REPORTS));
    drop(strong);
    let mut response = timeout(SILENCE, request.send()).await.map_err(|_| unavailable("no answer"))?.map_err(|error| unavailable(&error.to_string()))?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(unavailable(&format!("answered {}", response.status())));
    }
    let mut events = Events::default();
    let mut reporter: Option<Reporter> = None;
    loop {
        let chunk = timeout(SILENCE, response.chunk()).await.map_err(|_| unavailable("it fell silent"))?;
        let Some(chunk) = chunk.map_err(|error| unavailable(&error.to_string()))? else { return Err(unavailable("it ended")) };
        for event in events.take(&chunk).map_err(|_| RefreshError::Invalid(format!("{} sent no events", paths::STATUS_STREAM)))? {
            let Some(inner) = inner.upgrade() else { return Ok(()) };
            match event.name.as_str() {
                "opened" => {
                    let opened: StreamOpened = serde_json::from_str(&event.data).map_err(|error| super::invalid(paths::STATUS_STREAM, &error))?;
                    reporter = Some(Reporter::start(client.clone(), reports_to.clone(), opened.stream));
                }
                "news" => {
                    let applied = inner.apply(&event.data).await?;
                    *heard = Heard::News;
                    follow_documents(&inner, &applied);
                    if let Some(reporter) = &reporter
                        && (applied.is_worth_a_report || reporter.is_fresh())
                    {
                        reporter.report(applied.position);
                    }
                }
                _ => {}
            }
        }
    }
}

/// From where the stream begins, and who reads it.
async fn query(inner: &Inner) -> String {
    let served = inner.served();
    let name = if inner.options.name.is_empty() { served.name.unwrap_or_default() } else { inner.options.name.clone() };
    let mut pairs = vec![("name", name), ("version", inner.options.program.clone()), ("instance", inner.instance.to_string())];
    if let Some(max_age) = served.max_age {
        pairs.push(("maxAgeMilliseconds", max_age.as_millis().to_string()));
    }
    if let Some(after) = inner.known.lock().await.applied() {
        pairs.push(("after", after.to_string()));
    }
    let url = reqwest::Url::parse_with_params("http://localhost/", pairs);
    url.ok().and_then(|url| url.query().map(|query| format!("?{query}"))).unwrap_or_default()
}

/// Says how far this verifier is, beside the stream. Of several positions that wait, the last one is said.
struct Reporter {
    position: watch::Sender<Option<Position>>,
    task: AbortHandle,
}

impl Reporter {
    fn start(client: reqwest::Client, to: String, stream: String) -> Self {
        let (position, mut positions) = watch::channel(None);
        #[expect(clippy::disallowed_methods, reason = "whoever started it ends it")]
        let task = tokio::spawn(async move {
            while positions.changed().await.is_ok() {
                let Some(position) = *positions.borrow_and_update() else { continue };
                let report = Report { stream: stream.clone(), position: Position::to_string(&position) };
                // A report that is lost is made good by the next one.
                drop(client.post(&to).json(&report).send().await);
            }
        });
        Self { position, task: task.abort_handle() }
    }

    fn report(&self, position: Position) {
        self.position.send_replace(Some(position));
    }

    fn is_fresh(&self) -> bool {
        self.position.borrow().is_none()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}
