//! Reminders of keys that are about to expire: once for each expiry, a week ahead, to whoever hears of the key.
//!
//! Only keys that are alive are reminded of. One that is suspended, or whose organization is, is reminded of when it comes back within
//! the week; one that has nobody to hear of it, when somebody is there. A key that is not meant to live longer than eight days expires
//! as its maker wished a moment ago.

use crate::{
    Core, Error,
    alive::alive,
    notices::hearers,
    outbox::{ExpiryMail, KeyFacts, Mail},
};
use keywright_db::Tx;
use keywright_protocol::{KeyId, Time};
use keywright_store::{
    hearers::{self, HeardKey},
    keys,
    reminders::{self, Expiring},
};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its expiry a key is reminded of.
pub const AHEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Keys that live for less are not reminded of: from when they were made, and from when they are valid.
pub const SHORTEST_LIFE: Duration = AHEAD.saturating_add(DAY);
/// Keys that are looked at in one read, and reminded of in one write.
const AT_ONCE: i64 = 50;

impl Core {
    /// Reminds of every key that expires within a week and was not reminded of yet, in as many writes of bounded size as it takes;
    /// answers how many keys that were. Where there is none, nothing is written. Asked again it does nothing, and after a pause it
    /// makes up for what it missed.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; what was written by then stays.
    pub async fn remind(self: &Arc<Self>, now: Time) -> Result<usize, Error> {
        let (until, life_millis) = (now.plus(AHEAD), i64::try_from(SHORTEST_LIFE.as_millis()).unwrap_or(i64::MAX));
        // Behind every key that expires at this very moment: such a one is dead.
        let mut after = (now, KeyId::from(Uuid::max()));
        let mut reminded = 0;
        loop {
            let (core, asked) = (Arc::clone(self), Expiring { after, until, life_millis, most: AT_ONCE });
            let page = self.db.read(move |tx| {
                Box::pin(async move {
                    let page = reminders::list_expiring(tx, &asked).await?;
                    let mut owed = Vec::new();
                    for (expires_at, id) in &page {
                        if core.hearers_of_living(tx, *id, now).await?.is_some() {
                            owed.push((*expires_at, *id));
                        }
                    }
                    Ok::<_, Error>((page.last().copied(), owed))
                })
            });
            let (last, owed) = page.await?;
            if !owed.is_empty() {
                let core = Arc::clone(self);
                let written = self.db.write(move |tx| {
                    Box::pin(async move {
                        let mut reminded = 0;
                        for (expires_at, id) in owed {
                            reminded += core.remind_of(tx, id, expires_at, now).await?;
                        }
                        Ok::<_, Error>(reminded)
                    })
                });
                reminded += written.await?.value;
            }
            match last {
                Some(last) => after = last,
                None => return Ok(reminded),
            }
        }
    }

    /// Of what has changed since it was looked at nothing is told.
    async fn remind_of(&self, tx: &mut Tx, id: KeyId, expires_at: Time, now: Time) -> Result<usize, Error> {
        let Some((key, recipients)) = self.hearers_of_living(tx, id, now).await? else { return Ok(0) };
        if !reminders::note(tx, id, expires_at).await? {
            return Ok(0);
        }
        for recipient in recipients {
            self.put_mail(tx, &recipient, &Mail::KeyExpiring(ExpiryMail { key: KeyFacts::from(&key), expires_at }), now).await?;
        }
        Ok(1)
    }

    /// A key that is alive, with whoever hears of it, if there is anybody.
    async fn hearers_of_living(&self, tx: &mut Tx, id: KeyId, now: Time) -> Result<Option<(HeardKey, Vec<String>)>, Error> {
        let row = keys::find_by_id(tx, id, None, None).await?;
        if !row.is_some_and(|row| self.is_ours(&row) && alive(&row, now).is_ok()) {
            return Ok(None);
        }
        let Some(key) = hearers::find_key(tx, id).await? else { return Ok(None) };
        let recipients = hearers(tx, &key).await?;
        Ok((!recipients.is_empty()).then_some((key, recipients)))
    }

    /// Whether somebody is still to be reminded of an expiry that was not sent to him yet.
    pub(crate) async fn is_owed(&self, tx: &mut Tx, id: KeyId, (recipient, expires_at): (&str, Time), now: Time) -> Result<bool, Error> {
        let row = keys::find_by_id(tx, id, None, None).await?;
        if !row.is_some_and(|row| row.expires_at == expires_at && row.revoked_at.is_none() && now < expires_at) {
            return Ok(false);
        }
        let Some(key) = hearers::find_key(tx, id).await? else { return Ok(false) };
        Ok(hearers(tx, &key).await?.iter().any(|address| address == recipient))
    }
}
