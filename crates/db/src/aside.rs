//! Small transactions beside the writer's: a connection of its own, no revision, no gathering.

use crate::{
    BoxFuture, StoreError, Tx,
    tx::{Held, Source},
};

/// A connection for small transactions of its owner. One that fails goes, and the next transaction makes another.
pub struct Aside {
    source: Source,
    connection: Option<Held>,
    /// How many connections there have been.
    connections: u64,
}

impl Aside {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, connection: None, connections: 0 }
    }

    /// Runs `f` and returns once its commit is durable. If this is given up half-way, the connection is closed.
    ///
    /// # Errors
    /// What `f` returns, rolled back; [`StoreError::Unavailable`] if the commit is unsure.
    pub async fn run<T, E, F>(&mut self, f: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<StoreError> + Send,
    {
        let mut tx = self.begin().await?;
        let done = f(&mut tx).await;
        if let Some(failed) = tx.failed() {
            return Err(failed.into());
        }
        if done.is_err() {
            tx.control("ROLLBACK").await?;
        } else {
            tx.commit().await?;
        }
        self.connection = Some(tx.into_held());
        done
    }

    /// Which of its connections it is on, counted from the first. Where it is another one than before, it may lead to another server.
    #[must_use]
    pub const fn connection_number(&self) -> u64 {
        self.connections
    }

    async fn begin(&mut self) -> Result<Tx, StoreError> {
        if let Some(held) = self.connection.take()
            && let Ok(tx) = Tx::begin_write(held).await
        {
            return Ok(tx);
        }
        self.connections += 1;
        Tx::begin_write(self.source.connect().await?).await
    }
}
