//! The home of the server's background tasks: each ends when the server does.

use crate::Metrics;
use keywright_core::{Core, replica::RENEWED_EVERY};
use keywright_verify::HttpSource;
use std::{sync::Arc, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval},
};

/// Events of access wait in memory for this long at most, while the database can be written.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How often verifiers are told that nothing was taken back.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How soon a lease is tried again that could not be renewed.
const RENEWED_AGAIN: Duration = Duration::from_millis(100);
/// How often it is looked whether a signing key's time has come.
const ADVANCE_EVERY: Duration = Duration::from_secs(1);
/// How often what is old is looked for, in the logs, in the usage of keys and in what was sent to webhooks.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether enough is heard of an issuer elsewhere.
const ISSUER_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// Starts a task. Whoever keeps the handle ends it, by the stop signal or by dropping what it waits for.
#[expect(clippy::disallowed_methods, reason = "the one home of the server's tasks")]
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(task)
}

/// The sign to stop, for whoever listens.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A sign, and the hand that gives it.
    #[must_use]
    pub fn new() -> (StopHandle, Self) {
        let (sender, receiver) = watch::channel(false);
        (StopHandle(sender), Self(receiver))
    }

    /// Waits until it is given, or until nobody can give it any more.
    pub async fn wait(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }
}

/// Gives the sign to stop.
pub struct StopHandle(watch::Sender<bool>);

impl StopHandle {
    /// Gives it; again does nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Comes at once and again after each period, until the sign to stop.
struct Ticks {
    interval: Interval,
    stop: Stop,
}

impl Ticks {
    fn every(period: Duration, stop: Stop) -> Self {
        let mut interval = interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, stop }
    }

    /// Whether there is another one.
    async fn next(&mut self) -> bool {
        tokio::select! {
            () = self.stop.wait() => false,
            _ = self.interval.tick() => true,
        }
    }
}

/// Whether it has failed the last time: what fails every second is told once.
#[derive(Default)]
struct Failing(bool);

impl Failing {
    /// Tells when it begins to fail, and when it does not any more.
    fn note(&mut self, outcome: &Result<(), keywright_core::Error>, begins: impl FnOnce(&'static str), ends: impl FnOnce()) {
        match (outcome, std::mem::replace(&mut self.0, outcome.is_err())) {
            (Err(error), false) => begins(error.code()),
            (Ok(()), true) => ends(),
            (Ok(()), false) | (Err(_), true) => {}
        }
    }
}

/// Writes the events of access, every second. What is left at the end, [`Core::close`] writes.
pub async fn flush_access_log(core: Arc<Core>, stop: Stop) {
    let mut failing = Failing::default();
    let mut ticks = Ticks::every(FLUSH_EVERY, stop);
    while ticks.next().await {
        let flushed = core.flush_access_log(core.clock().now()).await;
        let waiting = core.access_events_waiting();
        let begins = |code| tracing::warn!(code, waiting, "events of access cannot be written; they wait");
        failing.note(&flushed, begins, || tracing::info!("events of access are written again"));
    }
}

/// The heartbeat of the feed for verifiers, and what they report.
pub async fn beat(core: Arc<Core>, stop: Stop) {
    let mut failing = Failing::default();
    let mut ticks = Ticks::every(BEAT_EVERY, stop);
    while ticks.next().await {
        let beaten = match core.beat().await {
            Ok(()) => core.flush_status_readers().await,
            Err(error) => Err(error),
        };
        let begins = |code| tracing::warn!(code, "verifiers cannot be told what was taken back, or what they report cannot be written");
        failing.note(&beaten, begins, || tracing::info!("verifiers are told again"));
    }
}

/// Keeps this process's lease, where it is one of several on its database.
pub async fn keep_lease(core: Arc<Core>, metrics: Arc<Metrics>, mut stop: Stop) {
    let Some(mut rings) = core.rings() else { return stop.wait().await };
    let mut failing = Failing::default();
    loop {
        let renewed = core.renew_lease().await;
        metrics.renewed(if renewed.is_ok() { "renewed" } else { "failed" });
        let again = if renewed.is_ok() { RENEWED_EVERY } else { RENEWED_AGAIN };
        let begins = |code| tracing::warn!(code, "this replica cannot renew its lease; when it is over, nothing is answered until it can");
        failing.note(&renewed, begins, || tracing::info!("this replica renews its lease again"));
        let next = async {
            tokio::select! {
                () = rings.next() => {}
                () = tokio::time::sleep(again) => {}
            }
        };
        tokio::select! {
            () = stop.wait() => return,
            () = next => {}
        }
    }
}

/// Lets signing keys go on in their life.
pub async fn advance_signing_keys(core: Arc<Core>, stop: Stop) {
    let mut failing = Failing::default();
    let mut ticks = Ticks::every(ADVANCE_EVERY, stop);
    while ticks.next().await {
        let advanced = core.advance_signing_keys(core.clock().now()).await;
        if advanced == Ok(true) {
            tracing::info!("signing keys went on in their life; see `keywright signing-keys list`");
        }
        let begins = |code| tracing::warn!(code, "signing keys cannot be looked at; it is tried again every second");
        failing.note(&advanced.map(drop), begins, || tracing::info!("signing keys are looked at again"));
    }
}

/// Removes from logs, usage, webhooks and receipts what is old, at the start and every hour. What is left undone is done the next time.
pub async fn prune(core: Arc<Core>, stop: Stop) {
    let mut ticks = Ticks::every(PRUNE_EVERY, stop);
    while ticks.next().await {
        let now = core.clock().now();
        let pruned = [
            ("logs", core.prune_logs(now).await),
            ("usage", core.prune_usage(now).await),
            ("webhooks", core.prune_webhooks(now).await),
            ("verifiers", core.prune_status_readers(now).await),
        ];
        for (what, pruned) in pruned {
            match pruned {
                Ok(0) => {}
                Ok(count) => tracing::info!(what, count, "what was old was removed"),
                Err(error) => tracing::warn!(what, code = error.code(), "what is old cannot be removed; it is tried again in an hour"),
            }
        }
    }
}

/// Says when tokens cannot be judged because of what is not heard of their issuer, and when they can again. `obstacle` is why they cannot.
pub async fn watch_issuer(obstacle: impl Fn() -> Option<String> + Send, source: HttpSource, stop: Stop) {
    let mut ticks = Ticks::every(ISSUER_LOOKED_AT_EVERY, stop);
    let mut could = true;
    while ticks.next().await {
        let obstacle = obstacle();
        match (could, &obstacle) {
            (true, Some(obstacle)) => {
                let error = source.last_error().map(|error| error.to_string());
                tracing::warn!(obstacle, error, "tokens cannot be judged, and are answered 503");
            }
            (false, None) => tracing::info!("tokens can be judged again"),
            (true, None) | (false, Some(_)) => {}
        }
        could = obstacle.is_none();
    }
}

/// SIGTERM and SIGINT. While this lives they don't kill the process any more: one that comes before [`EndSignals::wait`] is kept.
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// Takes them over. To be done before the process says that it listens: whoever reads that may ask it to end at once.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for either.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
