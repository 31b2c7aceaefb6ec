//! Members and their roles: direct ones, inherited ones, and who may give what.

use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
    chance,
    error::Forbidden,
    grant::effective_roles,
    log::{self, Action, Where},
    start::{KeysBring, RoleGiving},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{Catalog, MembershipId, OrganizationId, Time, UserId, catalog::OWNER};
use keywright_store::{
    StoreError,
    changes::{self, ChangeKind},
    generations, keys, memberships,
    memberships::MembershipRow,
    organizations,
    organizations::OrganizationRow,
    users,
    users::UserRow,
};
use std::sync::Arc;

/// What it takes to see members.
const VIEW: &str = "organization.member.view";
/// What it takes to add and remove members.
pub(crate) const MANAGE: &str = "organization.member.manage";
/// What it takes to change roles.
const ASSIGN: &str = "organization.member.assign-role";
const MEMBER: Error = Error::NotFound("member");

/// A user with his roles in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserRow,
    /// His own roles there; `None` if he is no direct member.
    pub own: Option<Vec<String>>,
    /// His roles in the root, where this is a sub-organization and he is a member of the root.
    pub inherited: Option<Vec<String>>,
}

/// How a member's own roles are changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleChange {
    /// These and no others.
    Replace(Vec<String>),
    /// These as well.
    Add(Vec<String>),
    /// Without these.
    Remove(Vec<String>),
    /// None at all.
    Clear,
}

impl RoleChange {
    fn apply(&self, own: &[String]) -> Vec<String> {
        let mut roles: Vec<String> = match self {
            Self::Replace(roles) => roles.clone(),
            Self::Add(roles) => own.iter().chain(roles).cloned().collect(),
            Self::Remove(roles) => own.iter().filter(|role| !roles.contains(role)).cloned().collect(),
            Self::Clear => Vec::new(),
        };
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    fn named(&self) -> &[String] {
        match self {
            Self::Replace(roles) | Self::Add(roles) | Self::Remove(roles) => roles,
            Self::Clear => &[],
        }
    }
}

impl Core {
    /// The members of an organization: direct ones, and for a sub-organization those of its root who are not, in this order.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn list_members(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<Member>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(VIEW)?;
                    all_in(tx, &authority.place).await
                })
            })
            .await
    }

    /// One member, and the organization. He may look at himself without any permission.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn get_member(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, user: UserId) -> Result<(OrganizationRow, Member), Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    if !authority.by.is(user) {
                        authority.require(VIEW)?;
                    }
                    let member = find_in(tx, &authority.place, user).await?.ok_or(MEMBER)?;
                    Ok((authority.place, member))
                })
            })
            .await
    }

    /// Changes a member's own roles. An inherited member of a sub-organization becomes a direct one by it, unless nothing is
    /// given to him. On the host anybody may be made a member.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`], [`Error::Invalid`] for a role that there is not,
    /// [`Error::Conflict`] if it would leave the organization without an Owner.
    pub async fn change_roles(
        self: &Arc<Self>,
        ctx: &Context,
        organization: OrganizationId,
        user: UserId,
        change: RoleChange,
    ) -> Result<Committed<Member>, Error> {
        let (new_id, core, ctx): (MembershipId, _, _) = (chance::id()?, Arc::clone(self), ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(ASSIGN)?;
                check_roles(&authority.catalog, change.named())?;
                let before = match find_in(tx, &authority.place, user).await? {
                    Some(member) => member,
                    None if authority.by == By::Host => {
                        Member { user: users::find(tx, user).await?.ok_or(Error::NotFound("user"))?, own: None, inherited: None }
                    }
                    None => return Err(MEMBER),
                };
                let own = before.own.clone().unwrap_or_default();
                let roles = change.apply(&own);
                core.check_giving(&authority, &ctx, &before, &roles)?;
                if before.own.is_none() && (roles.is_empty() && authority.by != By::Host) {
                    return Ok(before);
                }
                set_roles(tx, &authority, &before, &roles, new_id, ctx.now).await?;
                let action = if before.own.is_none() { Action::MemberAssign } else { Action::MemberRoleUpdate };
                let told = (before.user.email.clone(), format!("from [{}] to [{}]", own.join(" "), roles.join(" ")));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), action, told).await?;
                Ok(Member { own: Some(roles), ..before })
            })
        })
        .await
    }

    /// Ends a direct membership for ever; its keys die with it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`], [`Error::Conflict`] if it would leave the organization
    /// without an Owner.
    pub async fn remove_member(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, user: UserId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(MANAGE)?;
                let place = &authority.place;
                let member = memberships::find(tx, organization, user).await?.ok_or(Error::NotFound("direct member"))?;
                let before = find_in(tx, place, user).await?.ok_or(MEMBER)?;
                core.check_change(&authority, &ctx, &before, &[])?;
                keep_an_owner(tx, place, &before, &[]).await?;
                let mut bits = end_of_holder_and_heirs(tx, place, user, ctx.now).await?;
                for key in keys::list_ids_of_membership(tx, member.id).await? {
                    bits.append(&mut generations::end_of_key(tx, key, ctx.now).await?);
                }
                memberships::end(tx, member.id, ctx.now).await?;
                changes::insert(tx, ChangeKind::User, user.as_uuid(), &bits).await?;
                log::change(tx, &ctx, &authority.by, Where::In(place), Action::MemberRemove, (member.email, String::new())).await
            })
        })
        .await
    }

    /// Who may give what. Nobody gives by a key to the key's own holder, and by a key nobody gives where keys bring nothing; then
    /// the rules of every change.
    pub(crate) fn check_giving(&self, authority: &Authority, ctx: &Context, before: &Member, after: &[String]) -> Result<(), Error> {
        if let By::Key { holder, .. } = &authority.by {
            if self.settings.keys_bring == KeysBring::Nobody {
                return Err(Forbidden::because("here keys neither invite nor change roles; sign in, or ask an Owner").into());
            }
            if *holder == Some(before.user.id) {
                return Err(Forbidden::because("a key cannot change the roles of its own holder; sign in for that, or ask an Owner").into());
            }
        }
        if before.own.as_deref().unwrap_or_default() == after {
            return Ok(());
        }
        self.check_change(authority, ctx, before, after)
    }

    /// Only an Owner makes or unmakes an Owner, freshly confirmed, also one by inheritance: own roles would take the root's away
    /// from him, and without them he has the root's again. What is gained lies within the giver's own permissions, unless
    /// managers may give any role.
    fn check_change(&self, authority: &Authority, ctx: &Context, before: &Member, after: &[String]) -> Result<(), Error> {
        let own = before.own.as_deref().unwrap_or_default();
        let inherited = before.inherited.as_deref().unwrap_or_default();
        let (had, has) = (effective_roles(own, inherited), effective_roles(after, inherited));
        if [own, after, had, has].into_iter().flatten().any(|role| role == OWNER) {
            require_owner(authority, ctx)?;
        }
        if authority.by.is(before.user.id) {
            authority.require_fresh_person(ctx.now, "changing your own roles, or leaving,")?;
        }
        let beyond = authority.lacks(had, has);
        if beyond.is_empty() || self.settings.role_giving == RoleGiving::ManagersGiveAny {
            return Ok(());
        }
        let lacking = authority.catalog.ids(&beyond).next().unwrap_or_default();
        Err(Forbidden::because(format!("you cannot give what you do not have: these roles would give {lacking}; ask an Owner")).into())
    }
}

impl By {
    /// Whether it is this user, by session or by a key of his.
    #[must_use]
    pub fn is(&self, user: UserId) -> bool {
        match self {
            Self::Host => false,
            Self::Key { holder, .. } => *holder == Some(user),
            Self::Person { id, .. } => *id == user,
        }
    }
}

/// Only an Owner, freshly confirmed.
fn require_owner(authority: &Authority, ctx: &Context) -> Result<(), Error> {
    authority.require_fresh_person(ctx.now, "giving or taking the role Owner")?;
    if authority.is_owner() {
        return Ok(());
    }
    let roles = vec![OWNER.to_owned()];
    Err(Forbidden { reason: "only an Owner makes, changes, removes or demotes an Owner".to_owned(), permission: None, roles }.into())
}

/// Each role must be one of the catalog's.
pub(crate) fn check_roles(catalog: &Catalog, roles: &[String]) -> Result<(), Error> {
    match roles.iter().find(|role| !catalog.has_role(role)) {
        None => Ok(()),
        Some(role) => Err(Error::Invalid { field: "roles", reason: format!("there is no role `{role}`; /roles.json lists those that there are") }),
    }
}

async fn all_in(tx: &mut Tx, place: &OrganizationRow) -> Result<Vec<Member>, Error> {
    let direct = memberships::list(tx, place.id).await?;
    let inherited = if place.is_root() { Vec::new() } else { memberships::list(tx, place.root_id).await? };
    let roles_in = |rows: &[MembershipRow], user: UserId| rows.iter().find(|row| row.user_id == user).map(|row| row.roles.clone());
    let mut members = Vec::new();
    let heirs = inherited.iter().filter(|row| !direct.iter().any(|known| known.user_id == row.user_id));
    for row in direct.iter().chain(heirs) {
        let user = users::find(tx, row.user_id).await?.ok_or(Error::Internal("a member is no user"))?;
        members.push(Member { own: roles_in(&direct, user.id), inherited: roles_in(&inherited, user.id), user });
    }
    Ok(members)
}

async fn find_in(tx: &mut Tx, place: &OrganizationRow, user: UserId) -> Result<Option<Member>, Error> {
    let own = memberships::find(tx, place.id, user).await?.map(|member| member.roles);
    let inherited = if place.is_root() { None } else { memberships::find(tx, place.root_id, user).await?.map(|member| member.roles) };
    if own.is_none() && inherited.is_none() {
        return Ok(None);
    }
    Ok(users::find(tx, user).await?.map(|user| Member { user, own, inherited }))
}

/// Writes a member's own roles, unless that leaves an organization without an Owner. Generations that lose something end: his in this organization, and in those that inherit.
pub(crate) async fn set_roles(tx: &mut Tx, authority: &Authority, before: &Member, roles: &[String], new_id: MembershipId, now: Time) -> Result<(), Error> {
    let (place, user) = (&authority.place, before.user.id);
    keep_an_owner(tx, place, before, roles).await?;
    let inherited = before.inherited.clone().unwrap_or_default();
    let id = match memberships::find(tx, place.id, user).await? {
        Some(member) => member.id,
        None => {
            memberships::insert(tx, new_id, place.id, user, now).await?;
            new_id
        }
    };
    memberships::update_roles(tx, id, roles).await?;
    let had = authority.catalog.permissions(effective_roles(before.own.as_deref().unwrap_or_default(), &inherited));
    let has = authority.catalog.permissions(effective_roles(roles, &inherited));
    let bits = if had.is_within(&has) { Vec::new() } else { end_of_holder_and_heirs(tx, place, user, now).await? };
    changes::insert(tx, ChangeKind::User, user.as_uuid(), &bits).await?;
    Ok(())
}

/// The last Owner can neither leave, nor be removed, nor be demoted. What happens to a root's Owner counts in every sub-organization
/// that has him by inheritance: there he may be the only one.
async fn keep_an_owner(tx: &mut Tx, place: &OrganizationRow, before: &Member, after: &[String]) -> Result<(), Error> {
    let inherited = before.inherited.as_deref().unwrap_or_default();
    let is_owner = |own: &[String]| effective_roles(own, inherited).iter().any(|role| role == OWNER);
    if !is_owner(before.own.as_deref().unwrap_or_default()) || is_owner(after) {
        return Ok(());
    }
    let mut places = vec![place.id];
    if place.is_root() {
        places.append(&mut generations::list_inheriting(tx, place.id, before.user.id).await?);
    }
    for id in places {
        if memberships::count_others_with_role(tx, id, OWNER, before.user.id).await? == 0 {
            let sentence = match organizations::find(tx, id).await?.filter(|owned| owned.id != place.id) {
                None => "this is the last Owner; make another member Owner first".to_owned(),
                Some(below) => format!("this is the last Owner of {} too, by inheritance; make another member Owner there first", below.name),
            };
            return Err(Error::Conflict(sentence));
        }
    }
    Ok(())
}

/// Ends a holder's generations in an organization and in those where he inherits its roles.
async fn end_of_holder_and_heirs(tx: &mut Tx, place: &OrganizationRow, user: UserId, now: Time) -> Result<Vec<i64>, StoreError> {
    let mut bits = generations::end_of_holder(tx, place.id, user, now).await?;
    if place.is_root() {
        for heir in generations::list_inheriting(tx, place.id, user).await? {
            bits.append(&mut generations::end_of_holder(tx, heir, user, now).await?);
        }
    }
    Ok(bits)
}

/// The organizations that an invitation or a key may name beside `home`: itself, and what hangs under it if it is a root.
pub(crate) async fn reachable(tx: &mut Tx, home: &OrganizationRow, id: OrganizationId) -> Result<Option<OrganizationRow>, StoreError> {
    Ok(organizations::find(tx, id).await?.filter(|place| place.id == home.id || (home.is_root() && place.root_id == home.id)))
}
