//! Organizations and users.

use crate::{
    Actor, Context, Core, Error,
    authorize::{By, live_session},
    brought_in, chance,
    log::{self, Action, Where},
    names,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{OrganizationId, UserId};
use keywright_store::{
    StoreError,
    changes::{self, ChangeKind},
    generations, memberships,
    organizations::{self, OrganizationRow},
    sessions,
    users::{self, Password, UserRow},
};
use std::sync::Arc;

const ORGANIZATION: Error = Error::NotFound("organization");
const USER: Error = Error::NotFound("user");
/// What it takes to make sub-organizations.
const MANAGE_SUBS: &str = "organization.sub-organization.manage";

/// An organization with what a list shows besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Itself.
    pub row: OrganizationRow,
    /// Its root's name, for a sub-organization.
    pub root_name: Option<String>,
}

impl Core {
    /// Makes a root.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::Invalid`] for the name.
    pub async fn create_root(self: &Arc<Self>, ctx: &Context, name: &str) -> Result<OrganizationRow, Error> {
        ctx.authorize_host()?;
        let id: OrganizationId = chance::id()?;
        let row = OrganizationRow { id, root_id: id, name: names::name("name", name)?, created_at: ctx.now, suspended_at: None };
        let ctx = ctx.clone();
        Ok(self.write(move |tx| Box::pin(async move { insert(tx, &ctx, &By::Host, row).await })).await?.value)
    }

    /// Makes a sub-organization of a root.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`] for the name or a parent that is a sub-organization itself,
    /// [`Error::Conflict`] for a sibling's name.
    pub async fn create_sub_organization(self: &Arc<Self>, ctx: &Context, parent: OrganizationId, name: &str) -> Result<Committed<OrganizationRow>, Error> {
        let (id, name, core, ctx): (OrganizationId, _, _, _) = (chance::id()?, names::name("name", name)?, Arc::clone(self), ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, parent).await?;
                authority.require(MANAGE_SUBS)?;
                if !authority.place.is_root() {
                    let reason = "must be a root organization: there are two levels".to_owned();
                    return Err(Error::Invalid { field: "parent", reason });
                }
                let row = OrganizationRow { id, root_id: parent, name, created_at: ctx.now, suspended_at: None };
                insert(tx, &ctx, &authority.by, row).await
            })
        })
        .await
    }

    /// Suspends an organization: nothing of it, nor of what hangs under it, authenticates. Its generations end.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::NotFound`].
    pub async fn suspend_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let ctx = ctx.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let place = organizations::find(tx, id).await?.ok_or(ORGANIZATION)?;
                organizations::suspend(tx, id, ctx.now).await?;
                let bits = generations::end_of_organization(tx, id, ctx.now).await?;
                changes::insert(tx, ChangeKind::Organization, id.as_uuid(), &bits).await?;
                log::change(tx, &ctx, &By::Host, Where::In(&place), Action::OrganizationSuspend, (place.name.clone(), String::new())).await
            })
        })
        .await
    }

    /// Takes a suspension back.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::NotFound`].
    pub async fn resume_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let ctx = ctx.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let place = organizations::find(tx, id).await?.ok_or(ORGANIZATION)?;
                organizations::resume(tx, id).await?;
                changes::insert(tx, ChangeKind::Organization, id.as_uuid(), &[]).await?;
                log::change(tx, &ctx, &By::Host, Where::In(&place), Action::OrganizationResume, (place.name.clone(), String::new())).await
            })
        })
        .await
    }

    /// The organizations that the actor has business in, oldest first: all of them for the host; the token's own and, if that is
    /// a root, what hangs under it; a person's, and what hangs under his roots.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unavailable`].
    pub async fn list_organizations(self: &Arc<Self>, ctx: &Context) -> Result<Vec<Organization>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let homes = match &ctx.actor {
                        Actor::System => None,
                        Actor::Anonymous => return Err(Error::HostOnly),
                        Actor::Token(token) => {
                            core.authority(tx, &ctx, token.organization_id).await?;
                            Some(vec![token.organization_id])
                        }
                        Actor::Person(person) => {
                            let session = live_session(tx, person.session_id, ctx.now).await?;
                            Some(memberships::list_organizations_of(tx, session.user_id).await?)
                        }
                    };
                    let all = match homes {
                        None => organizations::list(tx).await?,
                        Some(homes) => {
                            let mut rows = Vec::new();
                            for home in homes {
                                rows.extend(organizations::list_tree(tx, home).await?.into_iter().filter(|row| !rows.contains(row)).collect::<Vec<_>>());
                            }
                            rows
                        }
                    };
                    let mut named = Vec::new();
                    for row in all {
                        named.push(with_root(tx, row).await?);
                    }
                    Ok(named)
                })
            })
            .await
    }

    /// One organization, with the number of its direct members.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<(Organization, i64), Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let place = core.authority(tx, &ctx, id).await?.place;
                    let members = memberships::count(tx, id).await?;
                    Ok((with_root(tx, place).await?, members))
                })
            })
            .await
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::Invalid`] for name or address, [`Error::Conflict`] if somebody has the address.
    pub async fn create_user(self: &Arc<Self>, ctx: &Context, email: &str, name: &str, password: Password) -> Result<UserRow, Error> {
        ctx.authorize_host()?;
        let row = UserRow { id: chance::id()?, email: names::email(email)?, name: names::name("name", name)?, created_at: ctx.now, disabled_at: None };
        let ctx = ctx.clone();
        let created = self.write(move |tx| {
            Box::pin(async move {
                users::insert(tx, &row, &password).await.map_err(|error| taken(error, "somebody has this e-mail address already"))?;
                changes::insert(tx, ChangeKind::User, row.id.as_uuid(), &[]).await?;
                log::change(tx, &ctx, &By::Host, Where::Installation, Action::UserCreate, (row.email.clone(), String::new())).await?;
                Ok(row)
            })
        });
        Ok(created.await?.value)
    }

    /// Disables a user: nothing of his authenticates. His generations end.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::NotFound`].
    pub async fn disable_user(self: &Arc<Self>, ctx: &Context, id: UserId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let ctx = ctx.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let user = users::find(tx, id).await?.ok_or(USER)?;
                users::disable(tx, id, ctx.now).await?;
                sessions::end_of_user(tx, id, ctx.now).await?;
                let bits = generations::end_of_user(tx, id, ctx.now).await?;
                changes::insert(tx, ChangeKind::User, id.as_uuid(), &bits).await?;
                log::change(tx, &ctx, &By::Host, Where::Installation, Action::UserDisable, (user.email, String::new())).await
            })
        })
        .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::NotFound`].
    pub async fn enable_user(self: &Arc<Self>, ctx: &Context, id: UserId) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let ctx = ctx.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let user = users::find(tx, id).await?.ok_or(USER)?;
                users::enable(tx, id).await?;
                changes::insert(tx, ChangeKind::User, id.as_uuid(), &[]).await?;
                log::change(tx, &ctx, &By::Host, Where::Installation, Action::UserEnable, (user.email, String::new())).await
            })
        })
        .await
    }

    /// All users, oldest first.
    ///
    /// # Errors
    /// [`Error::HostOnly`], [`Error::Unavailable`].
    pub async fn list_users(self: &Arc<Self>, ctx: &Context) -> Result<Vec<UserRow>, Error> {
        ctx.authorize_host()?;
        self.db.read(|tx| Box::pin(async move { users::list(tx).await.map_err(Error::from) })).await
    }
}

async fn insert(tx: &mut Tx, ctx: &Context, by: &By, row: OrganizationRow) -> Result<OrganizationRow, Error> {
    organizations::insert(tx, &row).await.map_err(|error| taken(error, "a sub-organization of that root has this name already"))?;
    changes::insert(tx, ChangeKind::Organization, row.id.as_uuid(), &[]).await?;
    brought_in::note_organization(tx, by, &row, ctx.now).await?;
    log::change(tx, ctx, by, Where::In(&row), Action::OrganizationCreate, (row.name.clone(), String::new())).await?;
    Ok(row)
}

pub(crate) async fn with_root(tx: &mut Tx, row: OrganizationRow) -> Result<Organization, Error> {
    let root_name = if row.is_root() { None } else { organizations::find(tx, row.root_id).await?.map(|root| root.name) };
    Ok(Organization { row, root_name })
}

/// A violated constraint in words.
pub(crate) fn taken(error: StoreError, words: &str) -> Error {
    match error {
        StoreError::Conflict { .. } => Error::Conflict(words.to_owned()),
        StoreError::NotFound | StoreError::Busy | StoreError::Unavailable | StoreError::Corrupt => error.into(),
    }
}
