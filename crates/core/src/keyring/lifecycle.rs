//! The life of signing keys: published before they sign, retired before they are removed, and revoked at once when one has leaked.
//!
//! - *pending*: published, so that every cache of the key set has it before it signs;
//! - *active*: signs; one of each purpose;
//! - *retired*: signs nothing new, and is published until the last token that it signed has expired;
//! - *removed*: published no more;
//! - *revoked*: nothing that it signed is believed from the next list and the next news on, whatever a cached key set says.

use super::is_active;
use crate::{
    Context, Core, Error,
    authorize::By,
    log::{self, Action, Where},
    signer::Signer,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{
    Time,
    admin::{self, SigningKeyState},
    jwk::Purpose,
};
use keywright_store::{
    changes::{self, ChangeKind},
    signing_keys::{self, SigningKeyRow},
};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// Beyond the last token of a retired key: leeway, and clocks that disagree.
const KEPT_BEYOND: Duration = Duration::from_secs(2 * 60);

/// How long signing keys sign, and how long they are published before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningKeyTimes {
    /// Longer than any cache of the key set lives.
    pub published_before: Duration,
    /// An active key older than that gets a successor; `None`: by hand only.
    pub rotated_after: Option<Duration>,
}

impl Default for SigningKeyTimes {
    fn default() -> Self {
        Self { published_before: Duration::from_secs(15 * 60), rotated_after: Some(Duration::from_secs(90 * 24 * 60 * 60)) }
    }
}

impl Core {
    /// All signing keys that ever were, oldest first. For the host and for Owners of the operator organization.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn list_signing_keys(self: &Arc<Self>, ctx: &Context) -> Result<Vec<admin::SigningKeyRow>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let read = self.db.read(move |tx| {
            Box::pin(async move {
                core.installation_reader(tx, &ctx).await?;
                Ok::<_, Error>(signing_keys::list_all(tx).await?)
            })
        });
        let rows = read.await?;
        Ok(rows.iter().map(|row| self.described(row)).collect())
    }

    /// Makes successors of the active keys, of one purpose or of all. They are published now and sign later.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but the host and Owners of the operator organization, [`Error::NotFresh`]; [`Error::Conflict`] if there is a
    /// successor already.
    pub async fn rotate_signing_keys(self: &Arc<Self>, ctx: &Context, purpose: Option<Purpose>) -> Result<Committed<Vec<admin::SigningKeyRow>>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.installation_owner(tx, &ctx, "rotating signing keys").await?;
                let rows = signing_keys::list(tx).await?;
                let mut made = Vec::new();
                for purpose in purpose.map_or_else(|| Purpose::ALL.to_vec(), |one| vec![one]) {
                    if let Some(pending) = rows.iter().find(|row| row.purpose == purpose && row.activated_at.is_none()) {
                        let signs_at = pending.created_at.plus(core.settings.signing_keys.published_before);
                        let (of, kid) = (purpose.as_str(), &pending.kid);
                        return Err(Error::Conflict(format!(
                            "the {of} key {kid} is published already and signs from {signs_at} on; wait for that, or revoke it"
                        )));
                    }
                    let successor = core.successor(tx, (&ctx, &by), purpose).await?;
                    made.push(core.described(&successor));
                }
                core.advance(tx, &ctx).await?;
                changes::insert(tx, ChangeKind::SigningKeys, Uuid::nil(), &[]).await?;
                Ok(made)
            })
        })
        .await
    }

    /// Takes the trust from a signing key, at once and for ever. An active one is replaced by a new one that signs at once. Doing it again
    /// changes nothing and succeeds.
    ///
    /// # Errors
    /// As [`Core::rotate_signing_keys`]; [`Error::Absent`] for a key that never was.
    pub async fn revoke_signing_key(self: &Arc<Self>, ctx: &Context, kid: &str) -> Result<Committed<()>, Error> {
        let (core, ctx, kid) = (Arc::clone(self), ctx.clone(), kid.to_owned());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let by = core.installation_owner(tx, &ctx, "revoking a signing key").await?;
                let rows = signing_keys::list_all(tx).await?;
                let row =
                    rows.iter().find(|row| row.kid == kid).ok_or(Error::Absent("there is no signing key with that id; see `keywright signing-keys list`"))?;
                if signing_keys::revoke(tx, &kid, ctx.now).await? {
                    let told = (kid.clone(), format!("{} key", row.purpose.as_str()));
                    log::change(tx, &ctx, &by, Where::Installation, Action::SigningKeyRevoke, told).await?;
                }
                super::ensure(tx, &core.key_file, core.settings.algorithm, ctx.now).await?;
                changes::insert(tx, ChangeKind::SigningKeys, Uuid::nil(), &[]).await?;
                Ok(())
            })
        })
        .await
    }

    /// Lets signing keys go on in their life as far as it is time for it; answers whether any did. To be called every now and then.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn advance_signing_keys(self: &Arc<Self>, now: Time) -> Result<bool, Error> {
        let rows = self.db.read(|tx| Box::pin(async move { signing_keys::list(tx).await.map_err(Error::from) })).await?;
        if !rows.iter().any(|row| self.is_due(&rows, row, now)) {
            return Ok(false);
        }
        let (core, ctx) = (Arc::clone(self), Context::system(now)?);
        let advanced = self.write(move |tx| {
            Box::pin(async move {
                let any = core.advance(tx, &ctx).await?;
                if any {
                    changes::insert(tx, ChangeKind::SigningKeys, Uuid::nil(), &[]).await?;
                }
                Ok(any)
            })
        });
        Ok(advanced.await?.value)
    }

    async fn advance(&self, tx: &mut Tx, ctx: &Context) -> Result<bool, Error> {
        let rows = signing_keys::list(tx).await?;
        let mut any = false;
        for row in rows.iter().filter(|row| self.is_due(&rows, row, ctx.now)) {
            any = true;
            if row.activated_at.is_none() {
                signing_keys::retire(tx, row.purpose, ctx.now).await?;
                signing_keys::activate(tx, &row.kid, ctx.now).await?;
                log_rotation(tx, (ctx, &By::Host), row, "signs from now on; its predecessor is retired").await?;
            } else if row.retired_at.is_none() {
                self.successor(tx, (ctx, &By::Host), row.purpose).await?;
            } else {
                signing_keys::remove(tx, &row.kid, ctx.now).await?;
                log_rotation(tx, (ctx, &By::Host), row, "is removed: all that it signed has expired").await?;
            }
        }
        Ok(any)
    }

    /// Makes the next key of a purpose, published and not signing yet.
    async fn successor(&self, tx: &mut Tx, (ctx, by): (&Context, &By), purpose: Purpose) -> Result<SigningKeyRow, Error> {
        let row = Signer::generate(purpose, self.settings.algorithm, &self.key_file, ctx.now)?;
        signing_keys::insert(tx, &row).await?;
        log_rotation(tx, (ctx, by), &row, "is published, to sign later").await?;
        Ok(row)
    }

    fn is_due(&self, rows: &[SigningKeyRow], row: &SigningKeyRow, now: Time) -> bool {
        let has_successor = rows.iter().any(|other| other.purpose == row.purpose && other.activated_at.is_none());
        self.until(row).is_some_and(|until| until <= now) && !(is_active(row) && has_successor)
    }

    /// When a key goes on to the next state.
    fn until(&self, row: &SigningKeyRow) -> Option<Time> {
        let times = self.settings.signing_keys;
        match (row.activated_at, row.retired_at) {
            (None, _) => Some(row.created_at.plus(times.published_before)),
            (Some(activated_at), None) => times.rotated_after.map(|after| activated_at.plus(after)),
            (Some(_), Some(retired_at)) => Some(self.tokens_end_by(retired_at).plus(KEPT_BEYOND)),
        }
    }

    fn described(&self, row: &SigningKeyRow) -> admin::SigningKeyRow {
        let (state, since) = state_of(row);
        let ends = matches!(state, SigningKeyState::Revoked | SigningKeyState::Removed);
        admin::SigningKeyRow {
            kid: row.kid.clone(),
            purpose: row.purpose,
            algorithm: row.algorithm,
            state,
            since,
            created_at: row.created_at,
            until: if ends { None } else { self.until(row) },
        }
    }
}

fn state_of(row: &SigningKeyRow) -> (SigningKeyState, Time) {
    match (row.revoked_at, row.removed_at, row.retired_at, row.activated_at) {
        (Some(at), ..) => (SigningKeyState::Revoked, at),
        (None, Some(at), ..) => (SigningKeyState::Removed, at),
        (None, None, Some(at), _) => (SigningKeyState::Retired, at),
        (None, None, None, Some(at)) => (SigningKeyState::Active, at),
        (None, None, None, None) => (SigningKeyState::Pending, row.created_at),
    }
}

async fn log_rotation(tx: &mut Tx, (ctx, by): (&Context, &By), row: &SigningKeyRow, what: &str) -> Result<(), Error> {
    let told = (row.kid.clone(), format!("{} key {what}", row.purpose.as_str()));
    log::change(tx, ctx, by, Where::Installation, Action::SigningKeyRotate, told).await
}
