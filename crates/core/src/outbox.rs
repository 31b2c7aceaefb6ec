//! Mail to be sent: written with the change that it tells of, sealed, since the links in it are secrets. Sending it is somebody else's
//! (`outbox/delivery.rs`).

pub mod delivery;

use crate::{Context, Core, Error, chance, invitations::digest_of};
use keywright_db::Tx;
use keywright_protocol::{
    KeyId, KeyKind, OrganizationId, Time,
    mail::{MailContent, MailKey, MailRow, NewSecret, SecondFactorEvent},
};
use keywright_store::{
    hearers::HeardKey,
    invitations,
    outbox::{self, NewMail},
    password_resets,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// What a piece of mail says. Its kind is in the row, the rest is sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Mail {
    /// Somebody is invited.
    Invitation(InvitationMail),
    /// Somebody forgot his password.
    PasswordReset(ResetMail),
    /// A key was made, or got another secret.
    NewKey(NewKeyMail),
    /// A key expires soon.
    KeyExpiring(ExpiryMail),
    /// A key was used from elsewhere.
    NewNetwork(NetworkMail),
    /// Something happened to a second factor.
    SecondFactor(SecondFactorMail),
}

/// To somebody who is invited.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationMail {
    /// The name of the organization.
    pub(crate) organization: String,
    /// Whose invitation it is, by his address; none for a key's or the host's.
    #[serde(default)]
    pub(crate) invited_by: Option<String>,
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

/// A key as it was when the mail was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyFacts {
    id: KeyId,
    kind: KeyKind,
    name: String,
    organization_id: OrganizationId,
    organization: String,
}

impl From<&HeardKey> for KeyFacts {
    fn from(key: &HeardKey) -> Self {
        Self { id: key.id, kind: key.kind, name: key.name.clone(), organization_id: key.organization_id, organization: key.organization_name.clone() }
    }
}

/// To whoever hears of a key: it has a new secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewKeyMail {
    pub(crate) key: KeyFacts,
    pub(crate) made: NewSecret,
    pub(crate) made_by: String,
    pub(crate) address: String,
    pub(crate) at: Time,
    pub(crate) expires_at: Time,
    pub(crate) last_for_now: bool,
}

/// To whoever hears of a key: it expires.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExpiryMail {
    pub(crate) key: KeyFacts,
    pub(crate) expires_at: Time,
}

/// To whoever hears of a key: it was used from a network where it had not been used before.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkMail {
    pub(crate) key: KeyFacts,
    pub(crate) address: String,
    pub(crate) user_agent: String,
    pub(crate) at: Time,
    pub(crate) last_for_now: bool,
}

/// To whoever has, or had, a second factor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecondFactorMail {
    pub(crate) event: SecondFactorEvent,
    pub(crate) address: String,
    pub(crate) user_agent: String,
    pub(crate) at: Time,
}

const INVITATION: &str = "invitation";
const PASSWORD_RESET: &str = "password-reset";
const NEW_KEY: &str = "new-key";
const KEY_EXPIRING: &str = "key-expiring";
const NEW_NETWORK: &str = "new-network";
const SECOND_FACTOR: &str = "second-factor";

impl Mail {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Invitation(_) => INVITATION,
            Self::PasswordReset(_) => PASSWORD_RESET,
            Self::NewKey(_) => NEW_KEY,
            Self::KeyExpiring(_) => KEY_EXPIRING,
            Self::NewNetwork(_) => NEW_NETWORK,
            Self::SecondFactor(_) => SECOND_FACTOR,
        }
    }

    fn read(kind: &str, text: &[u8]) -> Result<Self, Error> {
        fn content<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
            serde_json::from_slice(text).map_err(|_| Error::Internal("mail cannot be read"))
        }
        match kind {
            INVITATION => content(text).map(Self::Invitation),
            PASSWORD_RESET => content(text).map(Self::PasswordReset),
            NEW_KEY => content(text).map(Self::NewKey),
            KEY_EXPIRING => content(text).map(Self::KeyExpiring),
            NEW_NETWORK => content(text).map(Self::NewNetwork),
            SECOND_FACTOR => content(text).map(Self::SecondFactor),
            _ => Err(Error::Internal("mail is of an unknown kind")),
        }
    }
}

/// What mail leads to.
enum Link<'a> {
    /// The acceptance of an invitation.
    Acceptance,
    /// The choice of a new password.
    NewPassword,
    /// A key.
    Key(&'a KeyFacts),
}

impl Core {
    /// Adds mail to what is to be sent; whoever sends it is woken once this is durable.
    pub(crate) async fn put_mail(&self, tx: &mut Tx, recipient: &str, mail: &Mail, now: Time) -> Result<(), Error> {
        let text = serde_json::to_vec(mail).map_err(|_| Error::Internal("mail cannot be written"))?;
        let id: uuid::Uuid = chance::id()?;
        let sealed = self.key_file.seal(&seal_purpose(id, mail.kind(), recipient), &text)?;
        let new = NewMail { id, kind: mail.kind(), recipient: recipient.to_owned(), sealed, created_at: now };
        outbox::insert(tx, &new).await?;
        let put = Arc::clone(&self.mail_put);
        tx.on_commit(move || put.notify_one());
        Ok(())
    }

    /// Mail that waits to be sent or was given up, opened; oldest first. Of what waits, that whose link does not work any more is left
    /// out: it will not be sent.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::Unavailable`].
    pub async fn list_outbox(self: &Arc<Self>, ctx: &Context) -> Result<Vec<MailRow>, Error> {
        ctx.authorize_host()?;
        let (core, now) = (Arc::clone(self), ctx.now);
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let mut unsent = Vec::new();
                    for row in outbox::list_unsent(tx).await? {
                        let content = match core.open_mail(&row) {
                            Ok(mail) => core.of_use(tx, mail, &row.recipient, now).await?,
                            // One that was altered must not hide the others.
                            Err(_) => Some(MailContent::Unreadable),
                        };
                        let Some(content) = content.or(row.failed_at.map(|_| MailContent::OutOfDate)) else { continue };
                        unsent.push(MailRow {
                            recipient: row.recipient,
                            created_at: row.created_at,
                            attempts: row.attempts,
                            next_attempt_at: if row.failed_at.is_some() { None } else { Some(row.next_attempt_at) },
                            failed_at: row.failed_at,
                            failure: Some(row.failure).filter(|failure| !failure.is_empty()),
                            content,
                        });
                    }
                    Ok(unsent)
                })
            })
            .await
    }

    fn open_mail(&self, row: &outbox::OutboxRow) -> Result<Mail, Error> {
        let text = self.key_file.open(&seal_purpose(row.id, &row.kind, &row.recipient), &row.sealed)?;
        Mail::read(&row.kind, &text)
    }

    /// What a piece of mail says, as long as it is of use: a link as long as it works, a reminder as long as the key still expires then
    /// and the recipient is one of those who hear of it. What somebody should know of a key in any case stays of use.
    async fn of_use(&self, tx: &mut Tx, mail: Mail, recipient: &str, now: Time) -> Result<Option<MailContent>, Error> {
        Ok(match mail {
            Mail::Invitation(InvitationMail { organization, invited_by, token, expires_at }) => {
                let pending = invitations::find_by_digest(tx, &digest_of(&token)).await?.is_some_and(|row| now < row.expires_at);
                pending.then(|| MailContent::Invitation { organization, invited_by, token, expires_at, accept_at: self.link(&Link::Acceptance) })
            }
            Mail::PasswordReset(ResetMail { token, expires_at }) => {
                let open = password_resets::find_open(tx, &digest_of(&token), now).await?.is_some();
                open.then(|| MailContent::PasswordReset { token, expires_at, confirm_at: self.link(&Link::NewPassword) })
            }
            Mail::NewKey(NewKeyMail { key, made, made_by, address, at, expires_at, last_for_now }) => {
                Some(MailContent::NewKey { key: self.shown(key), made, made_by, address, at, expires_at, last_for_now })
            }
            Mail::KeyExpiring(ExpiryMail { key, expires_at }) => {
                let owed = self.is_owed(tx, key.id, (recipient, expires_at), now).await?;
                owed.then(|| MailContent::KeyExpiring { key: self.shown(key), expires_at })
            }
            Mail::NewNetwork(NetworkMail { key, address, user_agent, at, last_for_now }) => {
                Some(MailContent::NewNetwork { key: self.shown(key), address, user_agent, at, last_for_now })
            }
            Mail::SecondFactor(SecondFactorMail { event, address, user_agent, at }) => Some(MailContent::SecondFactor { event, address, user_agent, at }),
        })
    }

    fn shown(&self, key: KeyFacts) -> MailKey {
        let manage_at = self.link(&Link::Key(&key));
        let KeyFacts { id, kind, name, organization_id, organization } = key;
        MailKey { id, kind, name, organization_id, organization, manage_at }
    }

    /// The one place where links in mail are made. Their base is the configured public URL, never what a request says of its host.
    fn link(&self, to: &Link<'_>) -> String {
        let issuer = &self.issuer;
        match to {
            Link::Acceptance => format!("{issuer}/identity/v1/invitations/accept"),
            Link::NewPassword => format!("{issuer}/auth/v1/password-resets/confirm"),
            Link::Key(KeyFacts { id, kind: KeyKind::ApiKey, organization_id, .. }) => {
                format!("{issuer}/identity/v1/organizations/{organization_id}/api-keys/{id}")
            }
            // One's own are read together.
            Link::Key(KeyFacts { organization_id, .. }) => format!("{issuer}/identity/v1/organizations/{organization_id}/personal-access-keys"),
        }
    }
}

/// What a piece of mail is sealed for: nobody gets another one's.
fn seal_purpose(id: uuid::Uuid, kind: &str, recipient: &str) -> String {
    format!("outbox {id} {kind} {recipient}")
}
