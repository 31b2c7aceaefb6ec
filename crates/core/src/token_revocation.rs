//! Taking back by whoever holds the token or the key himself (RFC 7009).

use crate::{
    Context, Core, Error, HeldToken,
    alive::alive,
    authorize::By,
    checks::credential,
    keys::addresses::Addresses,
    keys::{self as managed, KEY},
    log::{self, Action, Where},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::KeyKind;
use keywright_store::{
    changes::{self, ChangeKind},
    generations,
    keys::{self, CredentialRow},
    managed_keys, organizations, sessions,
};
use std::sync::Arc;

impl Core {
    /// Takes an access token back, and with it every other one of the same secret for the same organization; for a root also those for its
    /// sub-organizations, which may have been made from it. One that was taken back already changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn revoke_token(self: &Arc<Self>, ctx: &Context, token: &HeldToken) -> Result<Committed<()>, Error> {
        let (core, ctx, token) = (Arc::clone(self), ctx.clone(), token.clone());
        self.write(move |tx| Box::pin(async move { core.end_token(tx, &ctx, &token).await })).await
    }

    /// For an answer that something was taken back before: whoever did it may be waiting for other replicas yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn wait_for_what_was_taken_back(self: &Arc<Self>) -> Result<(), Error> {
        // A change, not only a wait: what was seen must be as durable as if it had been done here.
        self.write(|_| Box::pin(async { Ok(()) })).await.map(drop)
    }

    async fn end_token(&self, tx: &mut Tx, ctx: &Context, token: &HeldToken) -> Result<(), Error> {
        let actor = &token.actor;
        let place = organizations::find(tx, actor.organization_id).await?.ok_or(Error::NotFound("organization"))?;
        let (by, kind, subject, origin, name) = if actor.key_kind == KeyKind::Session {
            let session = sessions::find(tx, actor.key_id.as_uuid().into()).await?.ok_or(KEY)?;
            let by = By::Person { id: session.user_id, confirmed_at: None };
            (by, ChangeKind::User, session.user_id.as_uuid(), token.origin(Some(session.user_id)), "session".to_owned())
        } else {
            let row = keys::find_by_id(tx, actor.key_id, actor.key_version, Some(place.id)).await?.ok_or(KEY)?;
            let by = By::Key { id: row.key_id, holder: row.holder.map(|holder| holder.user_id) };
            (by, ChangeKind::Key, row.key_id.as_uuid(), token.origin(None), row.name)
        };
        let open = generations::find_open(tx, origin, place.id).await?;
        if open.and_then(|index| u64::try_from(index).ok()) != Some(token.status_index) {
            return Ok(());
        }
        let bits = generations::end_of_version_under(tx, origin, place.id, ctx.now).await?;
        changes::insert(tx, kind, subject, &bits).await?;
        if kind == ChangeKind::Key {
            let home = managed_keys::find_home(tx, actor.key_id).await?.ok_or(KEY)?;
            let record = managed_keys::find(tx, actor.key_id, home).await?.ok_or(KEY)?;
            managed::reopen(tx, &record, ctx.now).await?;
        }
        log::change(tx, ctx, &by, Where::In(&place), Action::TokenRevoke, (actor.key_id.to_string(), name)).await
    }

    /// Revokes a Personal Access Key or an API Key for ever, by its secret: whoever could use that may give it up. One that nobody knows or
    /// that does not live changes nothing and succeeds (`None`).
    ///
    /// # Errors
    /// [`Error::Refused`] from an address that the key is not taken from;
    /// [`Error::Conflict`] for a key that is protected from being revoked; [`Error::Unavailable`].
    pub async fn revoke_presented_key(self: &Arc<Self>, ctx: &Context, presented: &str) -> Result<Option<Committed<()>>, Error> {
        self.limits.look_at_address(ctx.client_ip)?;
        let Ok(shape) = credential(presented).and_then(|_| keywright_protocol::secret::inspect(presented).map_err(crate::Refusal::Malformed)) else {
            self.limits.refused_key(ctx.client_ip);
            return Ok(None);
        };
        let digest = *self.pepper.digest(shape).as_bytes();
        let found = self.db.read(move |tx| Box::pin(async move { keys::find_by_digest(tx, &digest, None).await.map_err(Error::from) })).await?;
        // Most of what comes needs no change; what does is looked at once more in it.
        let Some(row) = found.filter(|row| self.is_ours(row)) else {
            self.limits.refused_key(ctx.client_ip);
            return Ok(None);
        };
        if !may_end(&row, ctx)? {
            self.limits.refused_key(ctx.client_ip);
        }
        let ctx = ctx.clone();
        // Also for one that does not live any more: whoever took it back may be waiting for others yet, and an answer says that it is done.
        let done = self.write(move |tx| {
            Box::pin(async move {
                let row = keys::find_by_digest(tx, &digest, None).await?.ok_or(KEY)?;
                if !may_end(&row, &ctx)? {
                    return Ok(false);
                }
                let place = organizations::find(tx, row.organization_id).await?.ok_or(KEY)?;
                let key = managed_keys::find(tx, row.key_id, place.id).await?.ok_or(KEY)?;
                let by = By::Key { id: key.id, holder: key.user_id };
                managed::end(tx, &ctx, &by, (&place, &key)).await?;
                Ok(true)
            })
        });
        let Committed { value: is_ended, position } = done.await?;
        Ok(is_ended.then_some(Committed { value: (), position }))
    }
}

/// Who cannot use a key has no say in what becomes of it: an older secret must not end the key that goes on under a newer one.
fn may_end(row: &CredentialRow, ctx: &Context) -> Result<bool, Error> {
    if alive(row, ctx.now).is_err() {
        return Ok(false);
    }
    Addresses::of(row)?.check(ctx.client_ip)?;
    Ok(true)
}
