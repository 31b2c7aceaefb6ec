//! Warnings of PostgreSQL that are no errors to its driver: it logs them, and this listens.
//!
//! A commit whose wait for the standby was cancelled "succeeds" with a warning (01000), and may be lost with the primary. Such a commit
//! must not be taken for one. The driver tells of notices as events of `tracing` while the statement is polled, so they are heard by a
//! subscriber that stands around that statement alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    instrument::WithSubscriber as _,
    span::{Attributes, Id, Record},
};

const NOTICES: &str = "sqlx::postgres::notice";

/// Hears the warnings of one connection.
pub(crate) struct Ear {
    heard: Arc<AtomicBool>,
    dispatch: Dispatch,
}

impl Ear {
    pub(crate) fn new() -> Self {
        let heard = Arc::new(AtomicBool::new(false));
        Self { dispatch: Dispatch::new(Listener(Arc::clone(&heard))), heard }
    }

    /// What a statement gave, and whether the server warned of something meanwhile.
    pub(crate) async fn listen<F: Future>(&self, statement: F) -> (F::Output, bool) {
        self.heard.store(false, Ordering::SeqCst);
        let done = statement.with_subscriber(self.dispatch.clone()).await;
        (done, self.heard.load(Ordering::SeqCst))
    }
}

struct Listener(Arc<AtomicBool>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == NOTICES && *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
