//! Who holds an access token, from the database's point of view and not the token's.

use crate::{
    Context, Core, Error, HeldToken, Refusal,
    alive::alive,
    authorize::{HeldSession, live_session, roles_of},
    grant::{self, granted},
    keys::addresses::Addresses,
};
use keywright_db::Tx;
use keywright_protocol::{KeyKind, OrganizationId, Time, auth::UserInfo};
use keywright_store::{keys, organizations};
use std::sync::Arc;

impl Core {
    /// The holder of a verified token. What it was made from must still live and still have a grant where the token is for.
    ///
    /// # Errors
    /// As an exchange of the same key would now; as another token of the same session would.
    pub async fn user_info(self: &Arc<Self>, ctx: &Context, token: &HeldToken) -> Result<UserInfo, Error> {
        let (now, audience) = (ctx.now, (token.audience != self.issuer).then(|| token.audience.clone()));
        let token = &token.actor;
        if token.key_kind == KeyKind::Session {
            let (core, held, organization) = (Arc::clone(self), HeldSession::from(token), token.organization_id);
            return self.db.read(move |tx| Box::pin(async move { core.session_holder(tx, held, (organization, audience), now).await })).await;
        }
        let (key, version, organization) = (token.key_id, token.key_version, token.organization_id);
        let core = Arc::clone(self);
        let read = self.db.read(move |tx| {
            Box::pin(async move {
                let row = keys::find_by_id(tx, key, version, Some(organization)).await?.filter(|row| core.is_ours(row)).ok_or(Refusal::Unknown)?;
                let catalog = core.catalog_for(tx, &row).await?;
                Ok::<_, Error>((row, catalog))
            })
        });
        let (row, catalog) = read.await?;
        alive(&row, now)?;
        Addresses::of(&row)?.check(ctx.client_ip)?;
        grant::effective_for(&row, &catalog, audience.as_deref())?;
        let (sub, email, name) = match row.holder {
            Some(holder) => (holder.user_id.to_string(), holder.email, holder.name),
            None => (row.key_id.to_string(), row.key_email.unwrap_or_default(), row.name),
        };
        Ok(UserInfo { sub, preferred_username: email.clone(), email, name, current_organization_id: organization })
    }

    async fn session_holder(
        &self,
        tx: &mut Tx,
        held: HeldSession,
        (organization, audience): (OrganizationId, Option<String>),
        now: Time,
    ) -> Result<UserInfo, Error> {
        let session = live_session(tx, held, now).await?;
        let place = organizations::find(tx, organization).await?.ok_or(Error::OutOfReach)?;
        let roles = roles_of(tx, &place, session.user_id).await?.ok_or(Error::OutOfReach)?;
        let catalog = self.catalog_in(tx, Some(&place)).await?;
        granted(organization, &roles, &catalog, audience.as_deref())?;
        let (sub, email, name) = (session.user_id.to_string(), session.email, session.name);
        Ok(UserInfo { sub, preferred_username: email.clone(), email, name, current_organization_id: organization })
    }
}
