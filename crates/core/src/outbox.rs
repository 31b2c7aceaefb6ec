//! Mail that waits to be sent: written with the change that it tells of, sealed, since the links in it are secrets.

use crate::{Context, Core, Error, chance, invitations::digest_of};
use keywright_db::Tx;
use keywright_protocol::{
    Time,
    admin::{MailContent, MailRow},
};
use keywright_store::{
    invitations,
    outbox::{self, OutboxRow},
    password_resets,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a piece of mail says. Its kind is in the row, the rest is sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Mail {
    /// Somebody is invited.
    Invitation(InvitationMail),
    /// Somebody forgot his password.
    PasswordReset(ResetMail),
}

/// To somebody who is invited.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationMail {
    /// The name of the organization.
    pub(crate) organization: String,
    /// The secret of the link.
    pub(crate) token: String,
    /// When it stops working.
    pub(crate) expires_at: Time,
}

/// To somebody who forgot his password.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResetMail {
    /// The secret of the link.
    pub(crate) token: String,
    /// When it stops working.
    #[serde(alias = "expires_at")]
    pub(crate) expires_at: Time,
}

const INVITATION: &str = "invitation";
const PASSWORD_RESET: &str = "password-reset";

impl Mail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Invitation(_) => INVITATION,
            Self::PasswordReset(_) => PASSWORD_RESET,
        }
    }

    fn read(kind: &str, text: &[u8]) -> Result<Self, Error> {
        let mail = match kind {
            INVITATION => serde_json::from_slice(text).map(Self::Invitation),
            PASSWORD_RESET => serde_json::from_slice(text).map(Self::PasswordReset),
            _ => return Err(Error::Internal("mail is of an unknown kind")),
        };
        mail.map_err(|_| Error::Internal("mail cannot be read"))
    }
}

impl Core {
    /// Adds mail to what is to be sent.
    pub(crate) async fn put_mail(&self, tx: &mut Tx, recipient: &str, mail: &Mail, now: Time) -> Result<(), Error> {
        let text = serde_json::to_vec(mail).map_err(|_| Error::Internal("mail cannot be written"))?;
        let id: uuid::Uuid = chance::id()?;
        let sealed = self.key_file.seal(&seal_purpose(id, mail.kind(), recipient), &text)?;
        Ok(outbox::insert(tx, &OutboxRow { id, kind: mail.kind().to_owned(), recipient: recipient.to_owned(), sealed, created_at: now }).await?)
    }

    /// Mail that waits to be sent, opened; oldest first. What links do not work any more is left out.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::Unavailable`].
    pub async fn list_outbox(self: &Arc<Self>, ctx: &Context) -> Result<Vec<MailRow>, Error> {
        ctx.authorize_host()?;
        let (core, now) = (Arc::clone(self), ctx.now);
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let mut waiting = Vec::new();
                    for row in outbox::list(tx).await? {
                        let text = core.key_file.open(&seal_purpose(row.id, &row.kind, &row.recipient), &row.sealed);
                        let content = match text.and_then(|text| Mail::read(&row.kind, &text)) {
                            Ok(mail) => core.of_use(tx, mail, now).await?,
                            // One that was altered must not hide the others.
                            Err(_) => Some(MailContent::Unreadable),
                        };
                        if let Some(content) = content {
                            waiting.push(MailRow { recipient: row.recipient, created_at: row.created_at, content });
                        }
                    }
                    Ok(waiting)
                })
            })
            .await
    }

    /// What to do with a piece of mail, as long as its link works.
    async fn of_use(&self, tx: &mut Tx, mail: Mail, now: Time) -> Result<Option<MailContent>, Error> {
        Ok(match mail {
            Mail::Invitation(InvitationMail { organization, token, expires_at }) => {
                let pending = invitations::find_by_digest(tx, &digest_of(&token)).await?.is_some_and(|row| now < row.expires_at);
                let accept_at = format!("{}/identity/v1/invitations/accept", self.issuer);
                pending.then_some(MailContent::Invitation { organization, token, expires_at, accept_at })
            }
            Mail::PasswordReset(ResetMail { token, expires_at }) => {
                let open = password_resets::find_open(tx, &digest_of(&token), now).await?.is_some();
                let confirm_at = format!("{}/auth/v1/password-resets/confirm", self.issuer);
                open.then_some(MailContent::PasswordReset { token, expires_at, confirm_at })
            }
        })
    }
}

/// What a piece of mail is sealed for: nobody gets another one's.
fn seal_purpose(id: uuid::Uuid, kind: &str, recipient: &str) -> String {
    format!("outbox {id} {kind} {recipient}")
}
