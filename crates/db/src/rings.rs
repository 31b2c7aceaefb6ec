//! Hearing that another process has written. A hint and nothing more: it may be lost, doubled or late.

use crate::tx::Source;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::time::Duration;

/// What is rung on.
const CHANNEL: &str = "keywright";
/// How long after a broken connection the next one is tried.
const AGAIN: Duration = Duration::from_secs(1);

/// Hears rings, on a connection of its own.
pub struct Rings {
    options: Option<PgConnectOptions>,
    listener: Option<PgListener>,
}

impl Rings {
    pub(crate) fn new(source: &Source) -> Self {
        let options = match source {
            Source::Sqlite(_) => None,
            Source::Postgres(options) => Some(options.clone()),
        };
        Self { options, listener: None }
    }

    /// Waits for one. If it cannot listen, it goes on trying and stays silent meanwhile.
    pub async fn next(&mut self) {
        let Some(options) = &self.options else { return std::future::pending().await };
        loop {
            let listener = match self.listener.take() {
                Some(listener) => Ok(listener),
                None => listen(options).await,
            };
            if let Ok(mut listener) = listener
                // `None`: the connection broke; what was rung meanwhile is lost.
                && let Ok(Some(_)) = listener.try_recv().await
            {
                // What was rung meanwhile is heard with it.
                while listener.next_buffered().is_some() {}
                self.listener = Some(listener);
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn listen(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
