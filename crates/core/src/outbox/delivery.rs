//! What is to be sent is handed out here, and what became of it is taken back. How it is sent, nothing here knows.
//!
//! Handing out counts the attempt and sets the time of the next one, durably and before anything is sent: whatever happens to the
//! process then, nothing is lost and nothing is tried without a pause. So a piece of mail is sent at least once, and again only if
//! nobody could note that it was. These writes raise the revision like those of the log of access, and nobody has to forget anything
//! for them.

use crate::{
    Core, Error,
    retry::{kept, pause_after},
};
use keywright_protocol::{Time, mail::MailContent};
use keywright_store::outbox::{self, OutboxRow};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// How long after it was written mail is tried again.
pub const TRIED_FOR: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long after it was written is known that mail was sent or given up.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Rows that one write removes.
const PRUNED_AT_ONCE: i64 = 500;

/// A piece of mail to be sent now.
#[derive(Debug, Clone)]
pub struct DueMail {
    /// Its id, the same at each attempt.
    pub id: Uuid,
    /// To whom.
    pub recipient: String,
    /// When it was written.
    pub created_at: Time,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// When there is another one, if this fails.
    pub next_attempt_at: Time,
    /// What it says.
    pub content: MailContent,
}

/// How an attempt ended. The reasons are for whoever runs the service, and quote no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Somebody has taken it over.
    Sent,
    /// It may succeed later.
    Deferred(String),
    /// It never will.
    Refused(String),
}

/// What became of a piece of mail by an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was sent.
    Sent,
    /// It is tried again, at this time.
    Waits(Time),
    /// It was given up.
    GivenUp,
}

impl Core {
    /// Waits until mail was put into the outbox. May return without any.
    pub async fn mail_was_put(&self) {
        self.mail_put.notified().await;
    }

    /// Hands out what is to be sent now, at most `most`, each with its attempt counted. What is of no use any more is removed, and
    /// what cannot be read is given up. Where nothing is due, nothing is written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn take_due_mail(self: &Arc<Self>, now: Time, most: i64) -> Result<Vec<DueMail>, Error> {
        loop {
            let due = self.db.read(move |tx| Box::pin(async move { outbox::is_due(tx, now).await.map_err(Error::from) }));
            if !due.await? {
                return Ok(Vec::new());
            }
            let core = Arc::clone(self);
            let taken = self.db.write(move |tx| {
                Box::pin(async move {
                    let mut taken = Vec::new();
                    for row in outbox::list_due(tx, now, most).await? {
                        let Ok(mail) = core.open_mail(&row) else {
                            outbox::fail(tx, row.id, now, "cannot be read: it was altered in the database, or sealed by another key file").await?;
                            continue;
                        };
                        let Some(content) = core.of_use(tx, mail, &row.recipient, now).await? else {
                            outbox::delete(tx, row.id).await?;
                            continue;
                        };
                        let due = attempted(row, content, now);
                        outbox::take(tx, due.id, due.attempt, due.next_attempt_at).await?;
                        taken.push(due);
                    }
                    Ok::<_, Error>(taken)
                })
            });
            let taken = taken.await?.value;
            // All of a batch may have been of no use, and others are due behind it.
            if !taken.is_empty() {
                return Ok(taken);
            }
        }
    }

    /// Takes back how an attempt ended. What is sent is forgotten but for the fact. After three days nothing is tried again.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; then it is as if the attempt had not been made, but for its being counted.
    pub async fn settle_mail(self: &Arc<Self>, mail: &DueMail, attempt: Attempt, now: Time) -> Result<Fate, Error> {
        let fate = match &attempt {
            Attempt::Sent => Fate::Sent,
            Attempt::Deferred(_) if mail.next_attempt_at <= mail.created_at.plus(TRIED_FOR) => Fate::Waits(mail.next_attempt_at),
            Attempt::Deferred(_) | Attempt::Refused(_) => Fate::GivenUp,
        };
        let id = mail.id;
        let reason = match attempt {
            Attempt::Sent => String::new(),
            Attempt::Deferred(reason) | Attempt::Refused(reason) => kept(&reason, mail.content.token()),
        };
        let settled = self.db.write(move |tx| {
            Box::pin(async move {
                match fate {
                    Fate::Sent => outbox::send(tx, id, now).await?,
                    Fate::Waits(_) => outbox::defer(tx, id, &reason).await?,
                    Fate::GivenUp => outbox::fail(tx, id, now, &reason).await?,
                }
                Ok::<_, Error>(())
            })
        });
        settled.await.map(|_| fate)
    }

    /// Removes what was sent or given up of mail that was written 30 days ago, in several writes if it is much.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prune_mail(&self, now: Time) -> Result<(), Error> {
        let before = now.minus(KEPT_FOR);
        loop {
            let old = self.db.read(move |tx| Box::pin(async move { outbox::has_old(tx, before).await.map_err(Error::from) }));
            if !old.await? {
                return Ok(());
            }
            self.db.write(move |tx| Box::pin(async move { outbox::prune(tx, before, PRUNED_AT_ONCE).await.map_err(Error::from) })).await?;
        }
    }
}

fn attempted(row: OutboxRow, content: MailContent, now: Time) -> DueMail {
    let attempt = row.attempts.saturating_add(1);
    let next_attempt_at = now.plus(pause_after(attempt));
    DueMail { id: row.id, recipient: row.recipient, created_at: row.created_at, attempt, next_attempt_at, content }
}
