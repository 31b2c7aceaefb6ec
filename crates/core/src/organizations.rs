//! Organizations and users.

use crate::{
    Actor, Context, Core, Error,
    authorize::{By, live_session},
    brought_in, chance,
    error::Forbidden,
    log::{self, Action, Where},
    names,
    operator::operator_organization,
    provisioning::NewRoot,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{OperatorScope, OrganizationId, UserId};
use keywright_store::{
    StoreError,
    changes::{self, ChangeKind},
    generations, memberships,
    organizations::{self, OrganizationRow},
    root_organizations, sessions,
    users::{self, Password, UserRow},
};
use std::{collections::HashMap, sync::Arc};

const USER: Error = Error::NotFound("user");
/// What it takes to make sub-organizations.
const MANAGE_SUBS: &str = "organization.sub-organization.manage";

/// Which way a suspension goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Suspend,
    Resume,
}

/// An organization with what a list shows besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Itself.
    pub row: OrganizationRow,
    /// Its root's name, for a sub-organization.
    pub root_name: Option<String>,
}

impl Core {
    /// The root of an organization; `None` for one that is not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn root_of(&self, organization: OrganizationId) -> Result<Option<OrganizationId>, Error> {
        if let Some(root) = self.roots.get(&organization) {
            return Ok(Some(root));
        }
        let found = self.db.read(move |tx| Box::pin(async move { organizations::find(tx, organization).await.map_err(Error::from) })).await?;
        let root = found.map(|found| found.root_id);
        if let Some(root) = root {
            self.roots.insert(organization, root);
        }
        Ok(root)
    }

    /// Makes a root with nothing but a name.
    ///
    /// # Errors
    /// As [`Core::make_root`].
    pub async fn create_root(self: &Arc<Self>, ctx: &Context, name: &str) -> Result<OrganizationRow, Error> {
        let new = NewRoot { name: name.to_owned(), ..NewRoot::default() };
        Ok(self.make_root(ctx, new).await?.value.organization)
    }

    /// Makes a sub-organization of a root.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`] for the name or a parent that is a sub-organization itself,
    /// [`Error::Conflict`] for a sibling's name or at the limit.
    pub async fn create_sub_organization(self: &Arc<Self>, ctx: &Context, parent: OrganizationId, name: &str) -> Result<Committed<OrganizationRow>, Error> {
        let (id, name, core, ctx): (OrganizationId, _, _, _) = (chance::id()?, names::name("name", name)?, Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, parent).await?;
                authority.require(MANAGE_SUBS)?;
                if !authority.place.is_root() {
                    let reason = "must be a root organization: there are two levels".to_owned();
                    return Err(Error::Invalid { field: "parent", reason });
                }
                core.require_room_for_sub_organization(tx, parent).await?;
                let row = OrganizationRow { id, root_id: parent, name, created_at: ctx.now, suspended_at: None };
                insert(tx, &ctx, &authority.by, row).await
            })
        })
        .await
    }

    /// Suspends an organization: nothing of it, nor of what hangs under it, authenticates. Its generations end. Suspending it again
    /// changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`]; [`Error::Conflict`] for the operator organization, which the
    /// host alone suspends.
    pub async fn suspend_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let (by, place) = core.suspender(tx, &ctx, id, Turn::Suspend).await?;
                if by != By::Host && operator_organization(tx).await? == Some(id) {
                    let reason = "without the operator organization nobody could take this back; only `keywright admin` on the host suspends it";
                    return Err(Error::Conflict(reason.to_owned()));
                }
                let is_first = organizations::suspend(tx, id, ctx.now).await?;
                let bits = generations::end_of_organization(tx, id, ctx.now).await?;
                changes::insert(tx, ChangeKind::Organization, id.as_uuid(), &bits).await?;
                if is_first {
                    log::change(tx, &ctx, &by, Where::In(&place), Action::OrganizationSuspend, (place.name.clone(), String::new())).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Takes a suspension back. Without one nothing changes, and it succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] also for keys of organizations, since keys live again by it; [`Error::NotFresh`].
    pub async fn resume_organization(self: &Arc<Self>, ctx: &Context, id: OrganizationId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let (by, place) = core.suspender(tx, &ctx, id, Turn::Resume).await?;
                if organizations::resume(tx, id).await? {
                    changes::insert(tx, ChangeKind::Organization, id.as_uuid(), &[]).await?;
                    log::change(tx, &ctx, &by, Where::In(&place), Action::OrganizationResume, (place.name.clone(), String::new())).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Who suspends an organization or takes that back: for a root whoever acts on it from outside, for a sub-organization whoever
    /// manages those of its root.
    async fn suspender(&self, tx: &mut Tx, ctx: &Context, id: OrganizationId, turn: Turn) -> Result<(By, OrganizationRow), Error> {
        let what = match turn {
            Turn::Suspend => "suspending an organization",
            Turn::Resume => "resuming an organization",
        };
        let found = organizations::find(tx, id).await?.filter(|place| !place.is_root() && ctx.actor != Actor::System);
        let Some(place) = found else { return self.over_root(tx, ctx, id, what).await };
        let above = match self.authority(tx, ctx, place.root_id).await {
            Err(Error::NotFound(_)) => {
                // A member of the sub-organization alone knows it, and does not manage it.
                self.authority(tx, ctx, id).await?;
                let reason = format!("{what} is for whoever manages the sub-organizations of its root; ask an Owner of that");
                return Err(Forbidden { reason, permission: Some(MANAGE_SUBS.to_owned()), roles: Vec::new() }.into());
            }
            above => above?,
        };
        above.require(MANAGE_SUBS)?;
        if turn == Turn::Resume {
            above.require_fresh_or_scope(ctx.now, what, OperatorScope::Organizations)?;
        }
        Ok((above.by, place))
    }

    /// The organizations that the actor has business in, oldest first: all of them for the host, all but the
    /// operator organization's for an operator key; the token's own and, if that is
    /// a root, what hangs under it; a person's, and what hangs under his roots.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unavailable`].
    pub async fn list_organizations(self: &Arc<Self>, ctx: &Context) -> Result<Vec<Organization>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db.read(move |tx| Box::pin(async move { core.organizations_for(tx, &ctx).await })).await
    }

    /// The same within a transaction.
    pub(crate) async fn organizations_for(&self, tx: &mut Tx, ctx: &Context) -> Result<Vec<Organization>, Error> {
        let homes = match &ctx.actor {
            Actor::System => {
                let all = organizations::list(tx).await?;
                return named(tx, all).await;
            }
            Actor::Operator(operator) => {
                let all = self.organizations_of_operator(tx, ctx, operator).await?;
                return named(tx, all).await;
            }
            Actor::Anonymous => return Err(Error::HostOnly),
            Actor::Token(token) => {
                self.authority(tx, ctx, token.organization_id).await?;
                vec![token.organization_id]
            }
            Actor::Person(person) => {
                let session = live_session(tx, person.into(), ctx.now).await?;
                memberships::list_organizations_of(tx, session.user_id).await?
            }
        };
        let mut rows = Vec::new();
        for home in homes {
            rows.extend(organizations::list_tree(tx, home).await?.into_iter().filter(|row| !rows.contains(row)).collect::<Vec<_>>());
        }
        named(tx, rows).await
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
        let created = self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                users::insert(tx, &row, &password).await.map_err(|error| taken(error, "somebody has this e-mail address already"))?;
                changes::insert(tx, ChangeKind::User, row.id.as_uuid(), &[]).await?;
                log::change(tx, &ctx, &By::Host, Where::Installation, Action::UserCreate, (row.email.clone(), String::new())).await?;
                Ok(row)
            })
        });
        Ok(created.await?.value)
    }

    /// Disables a user: nothing of his authenticates. His generations end. Doing it again changes nothing and succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] for everybody but the host and operator keys for users, and for these too if he
    /// is a member of the operator organization.
    pub async fn disable_user(self: &Arc<Self>, ctx: &Context, id: UserId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let (by, user) = core.touch_user(tx, &ctx, id, "disabling users").await?;
                let is_first = users::disable(tx, id, ctx.now).await?;
                sessions::end_of_user(tx, id, ctx.now).await?;
                let bits = generations::end_of_user(tx, id, ctx.now).await?;
                changes::insert(tx, ChangeKind::User, id.as_uuid(), &bits).await?;
                if is_first {
                    log::change(tx, &ctx, &by, Where::Installation, Action::UserDisable, (user.email, String::new())).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// As [`Core::disable_user`].
    pub async fn enable_user(self: &Arc<Self>, ctx: &Context, id: UserId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let (by, user) = core.touch_user(tx, &ctx, id, "enabling users").await?;
                if users::enable(tx, id).await? {
                    changes::insert(tx, ChangeKind::User, id.as_uuid(), &[]).await?;
                    log::change(tx, &ctx, &by, Where::Installation, Action::UserEnable, (user.email, String::new())).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// A user, for whoever may disable and enable him. Who works for the operator organization is out of reach of its keys.
    async fn touch_user(&self, tx: &mut Tx, ctx: &Context, id: UserId, what: &'static str) -> Result<(By, UserRow), Error> {
        let by = self.duty(tx, ctx, OperatorScope::Users, what).await?;
        let user = users::find(tx, id).await?.ok_or(USER)?;
        if by != By::Host
            && let Some(home) = operator_organization(tx).await?
            && root_organizations::is_member_of_tree(tx, home, id).await?
        {
            let reason = "this user is a member of the operator organization, which operator keys do not touch; use `keywright admin user` on the host";
            return Err(Forbidden::because(reason).into());
        }
        Ok((by, user))
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

/// Organizations with the names of their roots.
async fn named(tx: &mut Tx, rows: Vec<OrganizationRow>) -> Result<Vec<Organization>, Error> {
    let roots: HashMap<OrganizationId, String> = rows.iter().filter(|row| row.is_root()).map(|row| (row.id, row.name.clone())).collect();
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(match roots.get(&row.root_id) {
            Some(name) => Organization { root_name: (!row.is_root()).then(|| name.clone()), row },
            None => with_root(tx, row).await?,
        });
    }
    Ok(all)
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
