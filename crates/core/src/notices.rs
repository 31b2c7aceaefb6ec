//! What people are told of by mail: a new key, one that is used from elsewhere, and what happens to their second factor. Who hears of a key: the holder of a Personal
//! Access Key, and for an API Key the Owners of its organization.
//!
//! Whoever makes a key himself is told all the same: it may have been somebody else with his session.

use crate::{
    Context, Core, Error,
    authorize::By,
    outbox::{KeyFacts, Mail, NetworkMail, NewKeyMail, SecondFactorMail},
};
use keywright_db::Tx;
use keywright_protocol::{
    KeyId, KeyKind, Time,
    catalog::OWNER,
    mail::{NewSecret, SecondFactorEvent},
};
use keywright_store::{
    hearers::{self, HeardKey},
    managed_keys::KeyRecord,
    outbox, users,
};
use std::{net::IpAddr, time::Duration};

/// Mail of one of these kinds that one person gets in an hour. The last one says that there may be more to tell.
pub const NOTICES_AN_HOUR: i64 = 20;
const HOUR: Duration = Duration::from_secs(60 * 60);
const USER_AGENT_CHARS: usize = 200;

/// The addresses of whoever hears of a key: the holder of a Personal Access Key; for an API Key the Owners of its organization, or
/// where a sub-organization has none of its own, those of its root. Nobody who is disabled.
///
/// # Errors
/// Whatever keeps the database from answering.
pub(crate) async fn hearers(tx: &mut Tx, key: &HeardKey) -> Result<Vec<String>, Error> {
    match key.kind {
        KeyKind::PersonalAccessKey => Ok(hearers::find_holder(tx, key.id).await?.into_iter().collect()),
        KeyKind::ApiKey => {
            let own = hearers::list_direct(tx, key.organization_id, OWNER).await?;
            if own.is_empty() && key.root_id != key.organization_id {
                return Ok(hearers::list_direct(tx, key.root_id, OWNER).await?);
            }
            Ok(own)
        }
        KeyKind::OperatorKey | KeyKind::Session => Ok(Vec::new()),
    }
}

impl Core {
    /// Tells of a new secret of a key, in the transaction that makes it.
    pub(crate) async fn tell_new_secret(&self, tx: &mut Tx, ctx: &Context, by: &By, (key, made): (&KeyRecord, NewSecret)) -> Result<(), Error> {
        let Some(heard) = hearers::find_key(tx, key.id).await? else { return Ok(()) };
        let recipients = hearers(tx, &heard).await?;
        if recipients.is_empty() {
            return Ok(());
        }
        let told = NewKeyMail {
            key: KeyFacts::from(&heard),
            made,
            made_by: in_words(tx, by).await?,
            address: ctx.address_text(),
            at: ctx.now,
            expires_at: key.expires_at,
            last_for_now: false,
        };
        let mail = |last_for_now| Mail::NewKey(NewKeyMail { last_for_now, ..told.clone() });
        self.put_notices(tx, &recipients, mail, ctx.now).await
    }

    /// Tells that a key was used from a network where it had not been used before.
    ///
    /// # Errors
    /// Whatever keeps the database from writing.
    pub(crate) async fn tell_new_network(&self, tx: &mut Tx, key: KeyId, address: IpAddr, user_agent: &str, now: Time) -> Result<(), Error> {
        let Some(heard) = hearers::find_key(tx, key).await? else { return Ok(()) };
        let told = NetworkMail {
            key: KeyFacts::from(&heard),
            address: address.to_canonical().to_string(),
            user_agent: user_agent.chars().filter(|character| !character.is_control()).take(USER_AGENT_CHARS).collect(),
            at: now,
            last_for_now: false,
        };
        let mail = |last_for_now| Mail::NewNetwork(NetworkMail { last_for_now, ..told.clone() });
        let recipients = hearers(tx, &heard).await?;
        self.put_notices(tx, &recipients, mail, now).await
    }

    /// Tells somebody what happened to his second factor. However often: each of it takes a code, or a wrong one that is limited.
    pub(crate) async fn tell_second_factor(&self, tx: &mut Tx, ctx: &Context, recipient: &str, event: SecondFactorEvent) -> Result<(), Error> {
        let told = SecondFactorMail { event, address: ctx.address_text(), user_agent: ctx.user_agent_text(), at: ctx.now };
        self.put_mail(tx, recipient, &Mail::SecondFactor(told), ctx.now).await
    }

    /// Puts the same mail for several people, unless one has got too much of its kind within the hour.
    async fn put_notices(&self, tx: &mut Tx, recipients: &[String], mail: impl Fn(bool) -> Mail + Send + Sync, now: Time) -> Result<(), Error> {
        let since = now.minus(HOUR);
        for recipient in recipients {
            let before = outbox::count_since(tx, recipient, mail(false).kind(), since).await?;
            if before < NOTICES_AN_HOUR {
                self.put_mail(tx, recipient, &mail(before == NOTICES_AN_HOUR - 1), now).await?;
            }
        }
        Ok(())
    }
}

/// Who acts, for people.
async fn in_words(tx: &mut Tx, by: &By) -> Result<String, Error> {
    Ok(match by {
        By::Host => "an administrator on the host".to_owned(),
        By::Key { .. } => "a key".to_owned(),
        By::Operator { on_behalf_of: Some(whom), .. } => format!("the operator of this service, on behalf of \"{whom}\""),
        By::Operator { on_behalf_of: None, .. } => "the operator of this service".to_owned(),
        By::Person { id, .. } => users::find(tx, *id).await?.map_or_else(|| "a person".to_owned(), |user| format!("{} ({})", user.name, user.email)),
    })
}
