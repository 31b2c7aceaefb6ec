//! Sending the mail that waits in the outbox: to an SMTP server, or without one into a folder. What is due and what becomes of it is
//! the core's to say.

mod folder;
mod letter;
mod message;
mod smtp;

use crate::{
    Metrics,
    config::{ConfigError, MailRoute, MailTarget},
    tasks::Stop,
};
use keywright_core::{
    Core, Error,
    outbox::delivery::{Attempt, DueMail, Fate},
};
use lettre::message::Mailbox;
use message::compose;
use smtp::{Conversation, Fault, Smtp};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// Mail that is handed out at a time.
const BATCH: i64 = 20;
/// How often is looked whether mail is due again. What is new is sent without waiting for it.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often keys that are about to expire are looked for, and old rows removed.
const CHORES_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long the end waits for the piece of mail that is being sent.
const LAST_MAIL: Duration = Duration::from_secs(5);

/// Whoever takes mail from the outbox to where it goes.
pub struct Courier {
    core: Arc<Core>,
    metrics: Arc<Metrics>,
    outgoing: Outgoing,
}

/// How mail leaves, ready to be used.
pub struct Outgoing {
    from: Mailbox,
    host: String,
    target: Target,
}

enum Target {
    Folder(PathBuf),
    Smtp(Smtp),
}

/// What one round of sending uses.
enum Round<'a> {
    Folder(&'a PathBuf),
    Smtp(Box<Conversation<'a>>),
    /// The server could not be reached; why.
    Over(String),
}

/// Whether a round goes on.
enum Going {
    On,
    Over,
}

impl Outgoing {
    /// As configured.
    ///
    /// # Errors
    /// [`ConfigError`] if TLS to the server cannot be used.
    pub fn new(route: MailRoute) -> Result<Self, ConfigError> {
        let MailRoute { from, host, to } = route;
        let target = match to {
            MailTarget::Folder(folder) => Target::Folder(folder),
            MailTarget::Smtp(server) => Target::Smtp(Smtp::new(server, &host)?),
        };
        Ok(Self { from, host, target })
    }
}

impl Courier {
    /// On a core.
    #[must_use]
    pub fn new(core: Arc<Core>, metrics: Arc<Metrics>, outgoing: Outgoing) -> Self {
        Self { core, metrics, outgoing }
    }

    /// Sends and reminds until the sign to stop.
    pub async fn run(self, mut stop: Stop) {
        if let Target::Folder(folder) = &self.outgoing.target {
            tracing::info!(folder = %folder.display(), "there is no mail server: mail is written into a folder");
        }
        let sign = stop.clone();
        let too_long = async {
            stop.wait().await;
            tokio::time::sleep(LAST_MAIL).await;
        };
        tokio::select! {
            () = too_long => {}
            () = self.work(sign) => {}
        }
    }

    async fn work(&self, mut stop: Stop) {
        let mut chores = interval(CHORES_EVERY);
        chores.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            let is_chore = tokio::select! {
                biased;
                () = stop.wait() => return,
                _ = chores.tick() => true,
                () = self.core.mail_was_put() => false,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let done = async {
                if is_chore {
                    self.remind().await?;
                }
                self.deliver_until(|| stop.is_given()).await
            };
            let done = done.await;
            match &done {
                // Once, not every time.
                Err(error) if !failing => tracing::warn!(code = error.code(), "mail cannot be taken from the database; it waits"),
                Ok(_) if failing => tracing::info!("mail is taken from the database again"),
                Ok(_) | Err(_) => {}
            }
            failing = done.is_err();
        }
    }

    /// Puts reminders of keys that are about to expire into the outbox, and removes what is old from it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn remind(&self) -> Result<(), Error> {
        let now = self.core.clock().now();
        let keys = self.core.remind(now).await?;
        if keys > 0 {
            tracing::info!(keys, "people were reminded of keys that are about to expire");
        }
        self.core.prune_mail(now).await
    }

    /// Sends everything that is due now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not say what is due, or cannot note what became of it.
    pub async fn deliver(&self) -> Result<(), Error> {
        self.deliver_until(|| false).await
    }

    async fn deliver_until(&self, is_over: impl Fn() -> bool) -> Result<(), Error> {
        let mut round = match &self.outgoing.target {
            Target::Folder(folder) => Round::Folder(folder),
            Target::Smtp(smtp) => Round::Smtp(Box::new(smtp.conversation())),
        };
        let mut going = Going::On;
        while matches!(going, Going::On) && !is_over() {
            let batch = self.core.take_due_mail(self.core.clock().now(), BATCH).await?;
            if batch.is_empty() {
                break;
            }
            for mail in batch {
                if is_over() {
                    break;
                }
                let attempt = self.attempt(&mut round, &mail).await;
                self.settle(&mail, attempt).await?;
            }
            if matches!(round, Round::Over(_)) {
                going = Going::Over;
            }
        }
        if let Round::Smtp(conversation) = round {
            conversation.end().await;
        }
        Ok(())
    }

    async fn attempt(&self, round: &mut Round<'_>, mail: &DueMail) -> Attempt {
        let composed = match compose(mail, &self.outgoing, self.core.issuer()) {
            Ok(composed) => composed,
            Err(reason) => return Attempt::Refused(reason),
        };
        let (id, kind, attempt) = (mail.id, mail.content.kind(), mail.attempt);
        match round {
            Round::Folder(folder) => match folder::write(folder, mail, composed.bytes).await {
                Ok(file) => {
                    tracing::info!(mail_id = %id, kind, file = %file.display(), "mail was written into a file");
                    Attempt::Sent
                }
                Err(error) => {
                    tracing::warn!(mail_id = %id, kind, folder = %folder.display(), %error, "mail cannot be written into its folder; it waits");
                    Attempt::Deferred(format!("{}: {error}", folder.display()))
                }
            },
            Round::Smtp(conversation) => {
                let sent = conversation.send(&self.outgoing.from.email, &composed).await;
                match sent {
                    Ok(()) => {
                        tracing::info!(mail_id = %id, kind, attempt, "mail was sent");
                        Attempt::Sent
                    }
                    Err(Fault::Server(error)) => {
                        tracing::warn!(%error, "the mail server takes nothing at the moment; mail waits");
                        *round = Round::Over(error.clone());
                        Attempt::Deferred(error)
                    }
                    Err(Fault::Later { code, text }) => {
                        tracing::warn!(mail_id = %id, kind, attempt, code, "mail was not taken yet");
                        Attempt::Deferred(text)
                    }
                    Err(Fault::Never { code, text }) => {
                        tracing::warn!(mail_id = %id, kind, attempt, code, "mail was refused");
                        Attempt::Refused(text)
                    }
                }
            }
            Round::Over(error) => Attempt::Deferred(error.clone()),
        }
    }

    async fn settle(&self, mail: &DueMail, attempt: Attempt) -> Result<(), Error> {
        let (kind, attempts) = (mail.content.kind(), mail.attempt);
        let fate = self.core.settle_mail(mail, attempt, self.core.clock().now()).await?;
        if fate == Fate::GivenUp {
            tracing::warn!(mail_id = %mail.id, kind, attempts, "mail was given up; `keywright admin outbox` says why");
        }
        self.metrics.mailed(
            kind,
            match fate {
                Fate::Sent => "sent",
                Fate::Waits(_) => "deferred",
                Fate::GivenUp => "given_up",
            },
        );
        Ok(())
    }
}
