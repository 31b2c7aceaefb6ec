//! Organizations, users and members: the acts of an administrator on the host.

use crate::{Context, Core, Error, chance, grant::effective_roles, names};
use keywright_db::{Committed, Tx};
use keywright_protocol::{Catalog, MembershipId, OrganizationId, UserId, catalog::OWNER};
use keywright_store::{
    StoreError,
    changes::{self, ChangeKind},
    generations, keys, memberships,
    organizations::{self, OrganizationRow},
    users::{self, Password, UserRow},
};
use std::sync::Arc;

const ORGANIZATION: Error = Error::NotFound("organization");
const USER: Error = Error::NotFound("user");

impl Core {
    /// Makes a root, or a sub-organization of a root.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the name or a parent that is a sub-organization itself, [`Error::Conflict`] for a sibling's name.
    pub async fn create_organization(self: &Arc<Self>, ctx: &Context, name: &str, parent: Option<OrganizationId>) -> Result<OrganizationRow, Error> {
        ctx.authorize_host()?;
        let id: OrganizationId = chance::id()?;
        let row = OrganizationRow { id, root_id: parent.unwrap_or(id), name: names::name("name", name)?, created_at: ctx.now, suspended_at: None };
        let created = self.write(move |tx| {
            Box::pin(async move {
                if let Some(parent) = parent
                    && !organizations::find(tx, parent).await?.ok_or(ORGANIZATION)?.is_root()
                {
                    let reason = "must be a root organization: there are two levels".to_owned();
                    return Err(Error::Invalid { field: "parent", reason });
                }
                organizations::insert(tx, &row).await.map_err(|error| taken(error, "a sub-organization of that root has this name already"))?;
                changes::insert(tx, 0, ChangeKind::Organization, row.id.as_uuid(), &[]).await?;
                Ok(row)
            })
        });
        Ok(created.await?.value)
    }

    /// Suspends an organization: nothing of it, nor of what hangs under it, authenticates. Its generations end.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn suspend_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let now = ctx.now;
        self.write(move |tx| {
            Box::pin(async move {
                organizations::find(tx, id).await?.ok_or(ORGANIZATION)?;
                organizations::suspend(tx, id, now).await?;
                let bits = generations::end_of_organization(tx, id, now).await?;
                changes::insert(tx, 0, ChangeKind::Organization, id.as_uuid(), &bits).await?;
                Ok(())
            })
        })
        .await
    }

    /// Takes a suspension back.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn resume_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        self.write(move |tx| {
            Box::pin(async move {
                organizations::find(tx, id).await?.ok_or(ORGANIZATION)?;
                organizations::resume(tx, id).await?;
                changes::insert(tx, 0, ChangeKind::Organization, id.as_uuid(), &[]).await?;
                Ok(())
            })
        })
        .await
    }

    /// All organizations, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_organizations(self: &Arc<Self>, ctx: &Context) -> Result<Vec<OrganizationRow>, Error> {
        ctx.authorize_host()?;
        self.db.read(|tx| Box::pin(async move { organizations::list(tx).await.map_err(Error::from) })).await
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`Error::Invalid`] for name or address, [`Error::Conflict`] if somebody has the address.
    pub async fn create_user(self: &Arc<Self>, ctx: &Context, email: &str, name: &str, password: Password) -> Result<UserRow, Error> {
        ctx.authorize_host()?;
        let row = UserRow { id: chance::id()?, email: names::email(email)?, name: names::name("name", name)?, created_at: ctx.now, disabled_at: None };
        let created = self.write(move |tx| {
            Box::pin(async move {
                users::insert(tx, &row, &password).await.map_err(|error| taken(error, "somebody has this e-mail address already"))?;
                changes::insert(tx, 0, ChangeKind::User, row.id.as_uuid(), &[]).await?;
                Ok(row)
            })
        });
        Ok(created.await?.value)
    }

    /// Disables a user: nothing of his authenticates. His generations end.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn disable_user(self: &Arc<Self>, ctx: &Context, id: UserId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let now = ctx.now;
        self.write(move |tx| {
            Box::pin(async move {
                users::find(tx, id).await?.ok_or(USER)?;
                users::disable(tx, id, now).await?;
                let bits = generations::end_of_user(tx, id, now).await?;
                changes::insert(tx, 0, ChangeKind::User, id.as_uuid(), &bits).await?;
                Ok(())
            })
        })
        .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn enable_user(self: &Arc<Self>, ctx: &Context, id: UserId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        self.write(move |tx| {
            Box::pin(async move {
                users::find(tx, id).await?.ok_or(USER)?;
                users::enable(tx, id).await?;
                changes::insert(tx, 0, ChangeKind::User, id.as_uuid(), &[]).await?;
                Ok(())
            })
        })
        .await
    }

    /// All users, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_users(self: &Arc<Self>, ctx: &Context) -> Result<Vec<UserRow>, Error> {
        ctx.authorize_host()?;
        self.db.read(|tx| Box::pin(async move { users::list(tx).await.map_err(Error::from) })).await
    }

    /// Makes a user a direct member, or sets a member's own roles anew. Generations that lose something end.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for a role that the catalog does not have, [`Error::Conflict`] if it would leave
    /// the organization without an Owner.
    pub async fn set_member(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, user: UserId, roles: &[String]) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let catalog = Arc::clone(&self.catalog().catalog);
        check_roles(&catalog, roles)?;
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        roles.dedup();
        let (new_id, now): (MembershipId, _) = (chance::id()?, ctx.now);
        self.write(move |tx| {
            Box::pin(async move {
                let place = organizations::find(tx, organization).await?.ok_or(ORGANIZATION)?;
                users::find(tx, user).await?.ok_or(USER)?;
                let before = effective_in(tx, &place, user).await?;
                if !roles.iter().any(|role| role == OWNER) {
                    keep_an_owner(tx, &place, user).await?;
                }
                let id = match memberships::find(tx, organization, user).await? {
                    Some(member) => member.id,
                    None => {
                        memberships::insert(tx, new_id, organization, user, now).await?;
                        new_id
                    }
                };
                memberships::update_roles(tx, id, &roles).await?;
                let after = effective_in(tx, &place, user).await?;
                let bits = if catalog.permissions(&before).is_within(&catalog.permissions(&after)) {
                    Vec::new()
                } else {
                    end_of_holder_and_heirs(tx, &place, user, now).await?
                };
                forget_keys_of(tx, user, &bits).await
            })
        })
        .await
    }

    /// Ends a direct membership for ever; its keys die with it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] if it would leave the organization without an Owner.
    pub async fn remove_member(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, user: UserId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let now = ctx.now;
        self.write(move |tx| {
            Box::pin(async move {
                let place = organizations::find(tx, organization).await?.ok_or(ORGANIZATION)?;
                let member = memberships::find(tx, organization, user).await?.ok_or(Error::NotFound("direct member"))?;
                keep_an_owner(tx, &place, user).await?;
                let mut bits = end_of_holder_and_heirs(tx, &place, user, now).await?;
                for key in keys::list_ids_of_membership(tx, member.id).await? {
                    bits.append(&mut generations::end_of_key(tx, key, now).await?);
                }
                memberships::end(tx, member.id, now).await?;
                forget_keys_of(tx, user, &bits).await
            })
        })
        .await
    }

    /// The direct members of an organization, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn list_members(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<memberships::MembershipRow>, Error> {
        ctx.authorize_host()?;
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    organizations::find(tx, organization).await?.ok_or(ORGANIZATION)?;
                    memberships::list(tx, organization).await.map_err(Error::from)
                })
            })
            .await
    }
}

/// Each role must be one of the catalog's.
pub(crate) fn check_roles(catalog: &Catalog, roles: &[String]) -> Result<(), Error> {
    match roles.iter().find(|role| !catalog.has_role(role)) {
        None => Ok(()),
        Some(role) => Err(Error::Invalid { field: "roles", reason: format!("the catalog has no role `{role}`") }),
    }
}

/// A user's roles in an organization, inherited ones included.
async fn effective_in(tx: &mut Tx, place: &OrganizationRow, user: UserId) -> Result<Vec<String>, StoreError> {
    let own = memberships::find(tx, place.id, user).await?.map(|member| member.roles).unwrap_or_default();
    let inherited = memberships::find(tx, place.root_id, user).await?.map(|member| member.roles).unwrap_or_default();
    Ok(effective_roles(&own, &inherited).clone())
}

/// The last Owner can neither be removed nor demoted. A sub-organization may have its Owner by inheritance.
async fn keep_an_owner(tx: &mut Tx, place: &OrganizationRow, leaving: UserId) -> Result<(), Error> {
    let is_owner = memberships::find(tx, place.id, leaving).await?.is_some_and(|member| member.roles.iter().any(|role| role == OWNER));
    if place.is_root() && is_owner && memberships::count_others_with_role(tx, place.id, OWNER, leaving).await? == 0 {
        return Err(Error::Conflict("this is the last Owner; make another member Owner first".to_owned()));
    }
    Ok(())
}

/// Ends a holder's generations in an organization and in those where he inherits its roles.
async fn end_of_holder_and_heirs(tx: &mut Tx, place: &OrganizationRow, user: UserId, now: keywright_protocol::Time) -> Result<Vec<i64>, StoreError> {
    let mut bits = generations::end_of_holder(tx, place.id, user, now).await?;
    if place.is_root() {
        for heir in generations::list_inheriting(tx, place.id, user).await? {
            bits.append(&mut generations::end_of_holder(tx, heir, user, now).await?);
        }
    }
    Ok(bits)
}

/// Appends to the log that everything of a user's keys is to be read anew.
async fn forget_keys_of(tx: &mut Tx, user: UserId, bits: &[i64]) -> Result<(), Error> {
    changes::insert(tx, 0, ChangeKind::User, user.as_uuid(), bits).await?;
    Ok(())
}

/// A violated constraint in words.
pub(crate) fn taken(error: StoreError, words: &str) -> Error {
    match error {
        StoreError::Conflict { .. } => Error::Conflict(words.to_owned()),
        StoreError::NotFound | StoreError::Busy | StoreError::Unavailable | StoreError::Corrupt => error.into(),
    }
}
