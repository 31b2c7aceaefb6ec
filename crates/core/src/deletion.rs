//! The name of an organization, and its end.

use crate::{
    Context, Core, Error,
    authorize::Authority,
    error::Forbidden,
    log::{self, Action, Where},
    names,
    organizations::taken,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{OrganizationId, Time, catalog::OWNER};
use keywright_store::{
    changes::{self, ChangeKind},
    generations, invitations, keys, managed_keys,
    organizations::{self, OrganizationRow},
    settings, webhooks,
};
use std::sync::Arc;

const MANAGE: &str = "organization.profile.manage";

impl Core {
    /// Gives an organization another name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`] for the name, [`Error::Conflict`] for a sibling's.
    pub async fn rename_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId, name: &str) -> Result<Committed<OrganizationRow>, Error> {
        let (name, core, ctx) = (names::name("name", name)?, Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, id).await?;
                authority.require(MANAGE)?;
                let before = authority.place.name.clone();
                let row = OrganizationRow { name, ..authority.place.clone() };
                if row.name == before {
                    return Ok(row);
                }
                organizations::rename(tx, id, &row.name).await.map_err(|error| taken(error, "a sub-organization of that root has this name already"))?;
                changes::insert(tx, ChangeKind::Organization, id.as_uuid(), &[]).await?;
                let told = (row.name.clone(), format!("name from [{before}] to [{}]", row.name));
                log::change(tx, &ctx, &authority.by, Where::In(&row), Action::OrganizationUpdate, told).await?;
                Ok(row)
            })
        })
        .await
    }

    /// Deletes an organization for ever, with what hangs under it: all of its keys are revoked, its generations end, what is pending
    /// is taken back. `confirm` must be its name, so that nobody deletes the wrong one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] for everybody but its Owners and for the operator organization, [`Error::NotFresh`],
    /// [`Error::Invalid`] if the name is another.
    pub async fn delete_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId, confirm: &str) -> Result<Committed<()>, Error> {
        let (confirm, core, ctx) = (confirm.to_owned(), Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, id).await?;
                require_deleter(tx, &authority, ctx.now).await?;
                let place = &authority.place;
                if confirm != place.name {
                    return Err(Error::Invalid { field: "confirm", reason: format!("must be the name of the organization: {}", place.name) });
                }
                for key in managed_keys::list_living_since(tx, id, Time::from_millis(0)).await? {
                    keys::revoke(tx, key.id, ctx.now).await?;
                }
                invitations::revoke_of_organization(tx, id, ctx.now).await?;
                let bits = generations::end_of_organization(tx, id, ctx.now).await?;
                organizations::delete_tree(tx, id, ctx.now).await?;
                webhooks::delete_of_tree(tx, id, ctx.now).await?;
                changes::insert(tx, ChangeKind::Organization, id.as_uuid(), &bits).await?;
                log::change(tx, &ctx, &authority.by, Where::In(place), Action::OrganizationDelete, (place.name.clone(), String::new())).await
            })
        })
        .await
    }
}

async fn require_deleter(tx: &mut Tx, authority: &Authority, now: Time) -> Result<(), Error> {
    if !authority.is_owner() {
        let reason = format!("only an Owner of {} deletes it", authority.place.name);
        return Err(Forbidden { reason, permission: None, roles: vec![OWNER.to_owned()] }.into());
    }
    authority.require_fresh_person(now, "deleting an organization")?;
    let operator = settings::find(tx, settings::OPERATOR_ORGANIZATION).await?;
    if operator.is_some_and(|operator| operator == authority.place.id.to_string()) {
        return Err(Error::Conflict("this is the operator organization, which the installation cannot be without".to_owned()));
    }
    Ok(())
}
