//! Gathered writes: one queue, one writer, one commit for all that wait.
//!
//! With a commit that waits for the disk or for a standby, the number of commits a second is small and fixed; what is
//! gathered into each is not. It also keeps the writes of one process from queueing for the same row lock.

use crate::{
    BoxFuture, Committed, Standby, StoreError, Tx, Writes, sqlite,
    tx::{Held, Raise, Source},
};
use futures_util::FutureExt;
use keywright_protocol::Position;
use std::{panic::AssertUnwindSafe, time::Duration};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinHandle,
};

/// How many may wait before the next one waits to wait.
const QUEUE: usize = 1024;
/// How many share a commit. PostgreSQL keeps 64 subtransactions of one transaction at hand, and becomes slow beyond.
const BATCH: usize = 64;
/// A connection that has not brought a batch to its end by now is given up, and the commit is unsure.
const BATCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells the caller what became of a write; called after the commit only. Dropped instead, it says `Unavailable`.
type Answer = Box<dyn FnOnce(Position) + Send>;
/// One write under its savepoint: `Ok` is to be kept, `Err` to be rolled back.
type Job = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<Answer, Answer>> + Send>;

pub(crate) struct Queue {
    sender: mpsc::Sender<Job>,
    closing: watch::Sender<()>,
    writer: Mutex<Option<JoinHandle<()>>>,
    writes: Writes,
}

impl Queue {
    pub(crate) fn start(source: Source, connection: Held, (writes, standby): (Writes, Standby)) -> Self {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let (closing, closed) = watch::channel(());
        let writer = Writer { source, connection: Some(connection), standby };
        #[expect(clippy::disallowed_methods, reason = "the writer is owned by its queue: it ends when the queue is closed or dropped")]
        let task = tokio::spawn(writer.run(jobs, closed));
        Self { sender, closing, writer: Mutex::new(Some(task)), writes }
    }

    pub(crate) async fn submit<T, E, F>(&self, f: F, raise: Raise) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.sender.send(job(f, (self.writes, raise), reply)).await.map_err(|_| StoreError::Unavailable)?;
        answer.await.unwrap_or(Err(StoreError::Unavailable.into()))
    }

    /// Refuses new writes, and waits until the queued ones are done.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(());
        // Held while waiting, so that a second caller waits as well.
        let mut writer = self.writer.lock().await;
        if let Some(task) = writer.as_mut()
            && let Err(error) = task.await
        {
            tracing::error!(detail = %error, "the writer did not end by itself");
        }
        *writer = None;
    }
}

fn job<T, E, F>(f: F, writes: (Writes, Raise), reply: oneshot::Sender<Result<Committed<T>, E>>) -> Job
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    Box::new(move |tx| {
        Box::pin(async move {
            // The receiver may be gone; the write counts all the same.
            match attempt(f, writes, tx).await {
                Ok(value) => {
                    let acts = tx.take_on_commit();
                    Ok(Box::new(move |position| {
                        acts.into_iter().for_each(|act| act());
                        drop(reply.send(Ok(Committed { value, position })));
                    }) as Answer)
                }
                Err(error) => Err(Box::new(move |_| drop(reply.send(Err(error)))) as Answer),
            }
        })
    })
}

async fn attempt<T, E, F>(f: F, writes: (Writes, Raise), tx: &mut Tx) -> Result<T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    T: Send,
    E: From<StoreError> + Send,
{
    let work = async {
        tx.begin_job(writes).await?;
        f(&mut *tx).await
    };
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    match (outcome, tx.failed()) {
        (Ok(Ok(_)), Some(failed)) => Err(failed.into()),
        (Ok(outcome), _) => outcome,
        (Err(_), _) => {
            tracing::error!("a write panicked and was rolled back");
            Err(StoreError::Corrupt.into())
        }
    }
}

struct Writer {
    source: Source,
    connection: Option<Held>,
    standby: Standby,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>, mut closing: watch::Receiver<()>) {
        let mut open = true;
        let mut jobs = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                _ = closing.changed(), if open => {
                    open = false;
                    queue.close();
                }
                count = queue.recv_many(&mut jobs, BATCH) => match count {
                    0 => break,
                    _ => self.batch(std::mem::take(&mut jobs)).await,
                },
            }
        }
        match self.connection {
            Some(Held::SqliteWriter(connection)) => sqlite::close(connection).await,
            Some(Held::SqliteReader(_) | Held::PostgresReader(_) | Held::PostgresWriter(_)) | None => {}
        }
    }

    /// Answers are given after the commit only: also a refusal may rest on what an earlier write of this batch did.
    async fn batch(&mut self, jobs: Vec<Job>) {
        let count = jobs.len();
        match tokio::time::timeout(BATCH_TIMEOUT, self.commit(jobs)).await {
            Ok(Ok(answers)) => answers.into_iter().for_each(|(answer, position)| answer(position)),
            // The connection went with the transaction, and the next batch makes a new one.
            Ok(Err(error)) => tracing::warn!(count, cause = %error, "writes given up"),
            Err(_) => tracing::warn!(count, "writes given up: no answer in time"),
        }
    }

    async fn commit(&mut self, jobs: Vec<Job>) -> Result<Vec<(Answer, Position)>, StoreError> {
        let mut tx = self.begin().await?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            tx.control("SAVEPOINT job").await?;
            match job(&mut tx).await {
                Ok(answer) => answers.push((answer, tx.position())),
                Err(answer) => {
                    tx.control("ROLLBACK TO SAVEPOINT job").await?;
                    answers.push((answer, tx.position()));
                }
            }
            // Also asks PostgreSQL whether the transaction still stands: an aborted one would "commit" without an error.
            tx.control("RELEASE SAVEPOINT job").await?;
        }
        tx.commit().await?;
        if self.standby == Standby::Required && !tx.waits_for_standby().await? {
            tracing::error!("the server waits for no standby any more: a commit may be on it alone, and is not taken for one");
            return Err(StoreError::Unavailable);
        }
        self.connection = Some(tx.into_held());
        Ok(answers)
    }

    /// On the connection at hand, else (there is none, or it died since the last batch) on a new one.
    async fn begin(&mut self) -> Result<Tx, StoreError> {
        if let Some(held) = self.connection.take()
            && let Ok(tx) = Tx::begin_write(held).await
        {
            return Ok(tx);
        }
        Tx::begin_write(self.source.connect().await?).await
    }
}
