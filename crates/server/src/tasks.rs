//! The home of the server's background tasks: each ends when the server does.

use tokio::{sync::watch, task::JoinHandle};

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
}

/// Gives the sign to stop.
pub struct StopHandle(watch::Sender<bool>);

impl StopHandle {
    /// Gives it; again does nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}
