//! Members and their roles: direct ones, inherited ones, and who may give what.

use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
    brought_in, chance,
    custom_roles::require_room,
    error::Forbidden,
    grant::{effective_roles, shrinks},
    log::{self, Action, Where},
    policy::require_bringing,
    start::RoleGiving,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{Catalog, MembershipId, OperatorScope, OrganizationId, Time, UserId, catalog::OWNER};
use keywright_store::{
    StoreError,
    changes::{self, ChangeKind},
    generations, invitations, keys,
    member_lists::{self, MemberRow},
    memberships, organizations,
    organizations::OrganizationRow,
    page::{Page, Part},
    users,
    users::UserRow,
};
use std::sync::Arc;

/// What it takes to see members.
const VIEW: &str = "organization.member.view";
/// What it takes to take the list of members away.
const EXPORT: &str = "organization.member.export";
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

impl Member {
    /// The roles that hold.
    #[must_use]
    pub fn effective_roles(&self) -> &[String] {
        effective_roles(self.own.as_deref().unwrap_or_default(), self.inherited.as_deref().unwrap_or_default())
    }
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
        Ok(self.list_members_page(ctx, organization, Part::ALL).await?.rows)
    }

    /// A part of them, in the same order.
    ///
    /// # Errors
    /// The same.
    pub async fn list_members_page(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, part: Part) -> Result<Page<Member>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(VIEW)?;
                    all_in(tx, &authority.place, part).await
                })
            })
            .await
    }

    /// The same for whoever may take the list away.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn export_members(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<Member>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(EXPORT)?;
                    Ok(all_in(tx, &authority.place, Part::ALL).await?.rows)
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
    /// given to him. The host and operator keys for members make anybody a member.
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
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(ASSIGN)?;
                check_roles(&authority.catalog, change.named())?;
                let before = match find_in(tx, &authority.place, user).await? {
                    Some(member) => member,
                    None if makes_anybody(&authority.by) => {
                        Member { user: users::find(tx, user).await?.ok_or(Error::NotFound("user"))?, own: None, inherited: None }
                    }
                    None => return Err(MEMBER),
                };
                let own = before.own.clone().unwrap_or_default();
                let roles = change.apply(&own);
                require_bringing(tx, &authority, core.settings.keys_bring).await?;
                core.check_giving(&authority, &ctx, &before, &roles)?;
                if before.own.is_none() && (roles.is_empty() && !makes_anybody(&authority.by)) {
                    return Ok(before);
                }
                core.require_room_for_member(tx, authority.place.root_id, user).await?;
                let membership = set_roles(tx, &authority, &before, &roles, new_id, ctx.now).await?;
                brought_in::note_roles(tx, &authority.by, (membership, &before, &roles), organization, ctx.now).await?;
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
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(MANAGE)?;
                core.end_membership(tx, &ctx, &authority, (user, Action::MemberRemove)).await
            })
        })
        .await
    }

    /// Ends the actor's own direct membership. Nobody is asked for; only to come back one has to be invited again.
    ///
    /// # Errors
    /// As [`Core::remove_member`]; [`Error::Forbidden`] for keys, and for inherited members.
    pub async fn leave_organization(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Committed<()>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require_fresh_person(ctx.now, "leaving an organization")?;
                let By::Person { id, .. } = authority.by else { return Err(Error::NotFound("direct member")) };
                if memberships::find(tx, organization, id).await?.is_none() {
                    let reason = "you belong to this organization through its root, and cannot leave it alone; leave the root";
                    return Err(Forbidden::because(reason).into());
                }
                core.end_membership(tx, &ctx, &authority, (id, Action::MemberLeave)).await
            })
        })
        .await
    }

    /// Whoever leaves may gain by it too: what the root gives him comes back.
    pub(crate) async fn end_membership(&self, tx: &mut Tx, ctx: &Context, authority: &Authority, (user, action): (UserId, Action)) -> Result<(), Error> {
        let place = &authority.place;
        let member = memberships::find(tx, place.id, user).await?.ok_or(Error::NotFound("direct member"))?;
        let before = find_in(tx, place, user).await?.ok_or(MEMBER)?;
        self.check_change(authority, ctx, &before, &[])?;
        keep_an_owner(tx, place, &before, &[]).await?;
        revoke_invitations(tx, place, &member.email, ctx.now).await?;
        let mut bits = end_of_holder_and_heirs(tx, place, user, ctx.now).await?;
        for key in keys::list_ids_of_membership(tx, member.id).await? {
            bits.append(&mut generations::end_of_key(tx, key, ctx.now).await?);
        }
        memberships::end(tx, member.id, ctx.now).await?;
        changes::insert(tx, ChangeKind::User, user.as_uuid(), &bits).await?;
        log::change(tx, ctx, &authority.by, Where::In(place), action, (member.email, String::new())).await
    }

    /// Who may give what. Nobody gives by a key to the key's own holder; then the rules of every change. Whether keys bring anybody at
    /// all is [`crate::policy::require_bringing`].
    pub(crate) fn check_giving(&self, authority: &Authority, ctx: &Context, before: &Member, after: &[String]) -> Result<(), Error> {
        if let By::Key { holder, .. } = &authority.by
            && *holder == Some(before.user.id)
        {
            return Err(Forbidden::because("a key cannot change the roles of its own holder; sign in for that, or ask an Owner").into());
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
            authority.require_fresh_person(ctx.now, "changing your own roles")?;
        }
        let beyond = authority.lacks(had, has);
        // Managers give what they do not have; their keys stay within their grant, whoever holds them.
        let is_manager = self.settings.role_giving == RoleGiving::ManagersGiveAny && !matches!(authority.by, By::Key { .. });
        if beyond.is_empty() || authority.by.has_scope(OperatorScope::Members) || is_manager {
            return Ok(());
        }
        let lacking = authority.catalog.ids(&beyond).next().unwrap_or_default();
        Err(Forbidden::because(format!("you cannot give what you do not have: these roles would give {lacking}; ask an Owner")).into())
    }
}

/// Takes roles from a member, by the rules of every change.
pub(crate) async fn end_roles(core: &Core, tx: &mut Tx, ctx: &Context, authority: &Authority, (user, roles): (UserId, &[String])) -> Result<(), Error> {
    let before = find_in(tx, &authority.place, user).await?.ok_or(MEMBER)?;
    let own = before.own.clone().unwrap_or_default();
    let left = RoleChange::Remove(roles.to_vec()).apply(&own);
    core.check_change(authority, ctx, &before, &left)?;
    set_roles(tx, authority, &before, &left, chance::id()?, ctx.now).await?;
    let told = (before.user.email.clone(), format!("from [{}] to [{}]", own.join(" "), left.join(" ")));
    log::change(tx, ctx, &authority.by, Where::In(&authority.place), Action::MemberRoleUpdate, told).await
}

impl By {
    /// Whether it is this user, by session or by a key of his.
    #[must_use]
    pub fn is(&self, user: UserId) -> bool {
        match self {
            Self::Host | Self::Operator { .. } => false,
            Self::Key { holder, .. } => *holder == Some(user),
            Self::Person { id, .. } => *id == user,
        }
    }
}

/// Who makes a member of whoever is a user: there is nobody for an invitation to come from, as long as there is no Owner.
fn makes_anybody(by: &By) -> bool {
    *by == By::Host || by.has_scope(OperatorScope::Members)
}

/// Only an Owner, freshly confirmed, or an operator key for members.
fn require_owner(authority: &Authority, ctx: &Context) -> Result<(), Error> {
    authority.require_fresh_or_scope(ctx.now, "giving or taking the role Owner", OperatorScope::Members)?;
    if authority.is_owner() || authority.by.has_scope(OperatorScope::Members) {
        return Ok(());
    }
    let roles = vec![OWNER.to_owned()];
    Err(Forbidden { reason: "only an Owner makes, changes, removes or demotes an Owner".to_owned(), permission: None, roles }.into())
}

/// Each role must be one of the catalog's, or one of the organization's own.
pub(crate) fn check_roles(catalog: &Catalog, roles: &[String]) -> Result<(), Error> {
    match roles.iter().find(|role| !catalog.has_role(role)) {
        None => Ok(()),
        Some(role) => {
            let reason = format!(
                "there is no role `{role}`; /roles.json lists those that there are, and GET /identity/v1/organizations/{{id}}/roles the organization's own"
            );
            Err(Error::Invalid { field: "roles", reason })
        }
    }
}

async fn all_in(tx: &mut Tx, place: &OrganizationRow, part: Part) -> Result<Page<Member>, Error> {
    let page = member_lists::list(tx, place.id, (!place.is_root()).then_some(place.root_id), part).await?;
    Ok(page.map(|MemberRow { user, own, inherited }| Member { user, own, inherited }))
}

pub(crate) async fn find_in(tx: &mut Tx, place: &OrganizationRow, user: UserId) -> Result<Option<Member>, Error> {
    let own = memberships::find(tx, place.id, user).await?.map(|member| member.roles);
    let inherited = if place.is_root() { None } else { memberships::find(tx, place.root_id, user).await?.map(|member| member.roles) };
    if own.is_none() && inherited.is_none() {
        return Ok(None);
    }
    Ok(users::find(tx, user).await?.map(|user| Member { user, own, inherited }))
}

/// Writes a member's own roles, unless that leaves an organization without an Owner; answers his membership, which may be new.
/// Generations that lose something end: his in this organization, and in those that inherit.
pub(crate) async fn set_roles(
    tx: &mut Tx,
    authority: &Authority,
    before: &Member,
    roles: &[String],
    new_id: MembershipId,
    now: Time,
) -> Result<MembershipId, Error> {
    let (place, user) = (&authority.place, before.user.id);
    keep_an_owner(tx, place, before, roles).await?;
    require_room(&authority.catalog, before.own.as_deref().unwrap_or_default(), roles)?;
    let inherited = before.inherited.clone().unwrap_or_default();
    let id = match memberships::find(tx, place.id, user).await? {
        Some(member) => member.id,
        None => {
            memberships::insert(tx, new_id, place.id, user, now).await?;
            new_id
        }
    };
    memberships::update_roles(tx, id, roles).await?;
    let had = effective_roles(before.own.as_deref().unwrap_or_default(), &inherited);
    let ends = shrinks(&authority.catalog, had, effective_roles(roles, &inherited));
    let bits = if ends { end_of_holder_and_heirs(tx, place, user, now).await? } else { Vec::new() };
    changes::insert(tx, ChangeKind::User, user.as_uuid(), &bits).await?;
    Ok(id)
}

/// The last Owner can neither be removed nor demoted: not in a root, and in a sub-organization neither, which may have its Owner by
/// inheritance. Whoever ceases to be Owner of a root may have been the last one by inheritance below.
async fn keep_an_owner(tx: &mut Tx, place: &OrganizationRow, before: &Member, after: &[String]) -> Result<(), Error> {
    let is_owner = |roles: &[String]| roles.iter().any(|role| role == OWNER);
    let inherited = before.inherited.as_deref().unwrap_or_default();
    if !is_owner(before.effective_roles()) || is_owner(effective_roles(after, inherited)) {
        return Ok(());
    }
    let last = |name: &str| Error::Conflict(format!("this is the last Owner of {name}; make another member Owner first"));
    let user = before.user.id;
    if memberships::count_other_owners(tx, (place.id, place.root_id), OWNER, user).await? == 0 {
        return Err(last(&place.name));
    }
    if place.is_root() {
        for heir in generations::list_inheriting(tx, place.id, user).await? {
            if memberships::count_other_owners(tx, (heir, place.id), OWNER, user).await? == 0 {
                let name = organizations::find(tx, heir).await?.map(|heir| heir.name).unwrap_or_default();
                return Err(last(&name));
            }
        }
    }
    Ok(())
}

/// Whoever is put out is not let in again by an invitation from before.
async fn revoke_invitations(tx: &mut Tx, place: &OrganizationRow, email: &str, now: Time) -> Result<(), Error> {
    let Some(pending) = invitations::find_pending(tx, place.root_id, email).await? else { return Ok(()) };
    let brings = invitations::list_roles(tx, pending.id).await?;
    let (here, elsewhere) = (|id| id == place.id, |id| id != place.id);
    if place.is_root() || (brings.iter().any(|grant| here(grant.organization_id)) && !brings.iter().any(|grant| elsewhere(grant.organization_id))) {
        return Ok(invitations::revoke(tx, pending.id, now).await?);
    }
    // What it brings elsewhere is not this organization's to take.
    Ok(invitations::delete_roles(tx, pending.id, place.id).await?)
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
