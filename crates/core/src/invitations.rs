//! Invitations to an organization, by mail.

use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
    brought_in, chance,
    custom_roles::require_room,
    error::Forbidden,
    log::{self, Action, Where},
    members::{MANAGE, Member, check_roles, find_in, reachable},
    names,
    organizations::taken,
    outbox::{InvitationMail, Mail},
    policy::require_bringing,
};
use aws_lc_rs::digest::{SHA256, digest};
use keywright_db::{Committed, Tx};
use keywright_protocol::{InvitationId, OrganizationId, Time, admin::RolesIn};
use keywright_store::{
    invitations::{self, InvitationRow},
    memberships,
    organizations::{self, OrganizationRow},
    users,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// How long a link works.
pub const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const VIEW: &str = "organization.member.view";
const INVITATION: Error = Error::Absent("there is no pending invitation for that address; GET the list of invitations to see which there are");

/// An invitation with what it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Itself.
    pub row: InvitationRow,
    /// Roles by organization.
    pub grants: Vec<RolesIn>,
}

impl Core {
    /// Invites an address with roles in the organization, and in sub-organizations if it is a root. The mail goes into the outbox.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] if the address is invited or a member.
    pub async fn invite(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, email: &str, grants: Vec<RolesIn>) -> Result<Committed<()>, Error> {
        let (email, id, secret): (_, InvitationId, _) = (names::email(email)?, chance::id()?, chance::link_secret()?);
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                let home = &authority.place;
                let grants = merged(home.id, grants);
                for grant in &grants {
                    let Some(place) = reachable(tx, home, grant.organization_id).await? else {
                        let reason = format!("{} is neither this organization nor a sub-organization of it", grant.organization_id);
                        return Err(Error::Invalid { field: "organizationsAndRoles", reason });
                    };
                    let there = core.authority(tx, &ctx, place.id).await?;
                    check_roles(&there.catalog, &grant.roles)?;
                    require_room(&there.catalog, &[], &grant.roles)?;
                    core.check_inviting(tx, &ctx, &there, (&email, &grant.roles)).await?;
                }
                refuse_members(tx, &grants, &email).await?;
                let row = InvitationRow {
                    id,
                    root_id: home.root_id,
                    email: email.clone(),
                    created_by: by_text(&authority.by),
                    expires_at: ctx.now.plus(LIFE),
                    accepted_at: None,
                };
                invitations::insert(tx, &row, &digest_of(&secret), ctx.now)
                    .await
                    .map_err(|error| taken(error, "this address is invited already; send that invitation again, or revoke it first"))?;
                brought_in::note_invitation(tx, &authority.by, id, home.id, ctx.now).await?;
                for grant in &grants {
                    for role in &grant.roles {
                        invitations::insert_role(tx, id, grant.organization_id, role).await.map_err(|error| taken(error, "a role stands there twice"))?;
                    }
                    if grant.roles.is_empty() {
                        invitations::insert_role(tx, id, grant.organization_id, NO_ROLE)
                            .await
                            .map_err(|error| taken(error, "an organization stands there twice"))?;
                    }
                }
                let sender = sender(tx, &authority.by).await?;
                core.put_mail(tx, &row.email, &mail(&row, (&home.name, sender), secret), ctx.now).await?;
                let told = (email, grants.iter().map(|grant| format!("{}: {}", grant.organization_id, grant.roles.join(" "))).collect::<Vec<_>>().join("; "));
                log::change(tx, &ctx, &authority.by, Where::In(home), Action::InviteCreate, told).await
            })
        })
        .await
    }

    /// Sends a pending invitation again, with another link; the old one stops working. Whoever does so gives what it brings, as if he
    /// had invited himself.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NotFresh`].
    pub async fn re_invite(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, email: &str) -> Result<Committed<()>, Error> {
        let (email, secret) = (names::email(email)?, chance::link_secret()?);
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(MANAGE)?;
                let found = find(tx, &authority.place, &email).await?;
                for grant in grants_of(tx, found.id).await? {
                    let there = core.authority(tx, &ctx, grant.organization_id).await?;
                    core.check_inviting(tx, &ctx, &there, (&email, &grant.roles)).await?;
                }
                let row = InvitationRow { expires_at: ctx.now.plus(LIFE), created_by: by_text(&authority.by), ..found };
                invitations::renew(tx, &row, &digest_of(&secret)).await?;
                brought_in::note_invitation(tx, &authority.by, row.id, authority.place.id, ctx.now).await?;
                let sender = sender(tx, &authority.by).await?;
                core.put_mail(tx, &row.email, &mail(&row, (&authority.place.name, sender), secret), ctx.now).await?;
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::InviteReInvite, (email, String::new())).await
            })
        })
        .await
    }

    /// Takes a pending invitation back.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn revoke_invitation(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, email: &str) -> Result<Committed<()>, Error> {
        let (email, core, ctx) = (names::email(email)?, Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(MANAGE)?;
                let row = find(tx, &authority.place, &email).await?;
                invitations::revoke(tx, row.id, ctx.now).await?;
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::InviteDelete, (email, String::new())).await
            })
        })
        .await
    }

    /// The pending invitations that bring something to an organization, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn list_invitations(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Vec<Invitation>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(VIEW)?;
                    let mut pending = Vec::new();
                    for row in invitations::list_pending(tx, authority.place.root_id).await? {
                        let mut grants = grants_of(tx, row.id).await?;
                        // What it brings elsewhere is none of a sub-organization's business.
                        grants.retain(|grant| authority.place.is_root() || grant.organization_id == organization);
                        if !grants.is_empty() {
                            pending.push(Invitation { row, grants });
                        }
                    }
                    Ok(pending)
                })
            })
            .await
    }

    /// Whoever invites gives: to somebody whom nobody knows, or to a user with what he has there already.
    async fn check_inviting(&self, tx: &mut Tx, ctx: &Context, there: &Authority, (email, roles): (&str, &[String])) -> Result<(), Error> {
        there.require(MANAGE)?;
        require_bringing(tx, there, self.settings.keys_bring).await?;
        let before = match users::find_by_email(tx, email).await? {
            None => Member { user: stranger(email, ctx.now)?, own: None, inherited: None },
            Some(user) => {
                let known = find_in(tx, &there.place, user.id).await?;
                known.unwrap_or(Member { user, own: None, inherited: None })
            }
        };
        self.check_giving(there, ctx, &before, roles)
    }
}

/// Each organization once, with all of its roles; without any, the inviting one with none.
fn merged(home: OrganizationId, grants: Vec<RolesIn>) -> Vec<RolesIn> {
    let mut merged: BTreeMap<OrganizationId, BTreeSet<String>> = BTreeMap::new();
    for RolesIn { organization_id, roles } in grants {
        merged.entry(organization_id).or_default().extend(roles);
    }
    if merged.is_empty() {
        merged.insert(home, BTreeSet::new());
    }
    merged.into_iter().map(|(organization_id, roles)| RolesIn { organization_id, roles: roles.into_iter().collect() }).collect()
}

/// Stands for "a member without a role" where a role must stand. No catalog can have it: a role's key is made of lower-case
/// letters, digits, and `.`, `-`, `_`.
const NO_ROLE: &str = "*";

pub(crate) async fn grants_of(tx: &mut Tx, id: InvitationId) -> Result<Vec<RolesIn>, Error> {
    let mut grants = invitations::list_roles(tx, id).await?;
    for grant in &mut grants {
        grant.roles.retain(|role| role != NO_ROLE);
    }
    Ok(grants)
}

/// The pending invitation of an address that an organization may send again or take back: a root all of its tree's, a
/// sub-organization those that bring something to it and nothing elsewhere.
async fn find(tx: &mut Tx, place: &OrganizationRow, email: &str) -> Result<InvitationRow, Error> {
    let row = invitations::find_pending(tx, place.root_id, email).await?.ok_or(INVITATION)?;
    let (here, elsewhere): (Vec<_>, Vec<_>) = grants_of(tx, row.id).await?.into_iter().partition(|grant| grant.organization_id == place.id);
    if place.is_root() || elsewhere.is_empty() {
        return Ok(row);
    }
    if here.is_empty() {
        return Err(INVITATION);
    }
    Err(Forbidden::because("this invitation brings roles in other organizations too; ask whoever manages the members of the root").into())
}

/// Whoever is a direct member already needs no invitation there.
async fn refuse_members(tx: &mut Tx, grants: &[RolesIn], email: &str) -> Result<(), Error> {
    let Some(user) = users::find_by_email(tx, email).await? else { return Ok(()) };
    for grant in grants {
        if memberships::find(tx, grant.organization_id, user.id).await?.is_some() {
            let name = organizations::find(tx, grant.organization_id).await?.map(|place| place.name).unwrap_or_default();
            return Err(Error::Conflict(format!("{email} is a member of {name} already; change the roles there instead")));
        }
    }
    Ok(())
}

fn stranger(email: &str, now: Time) -> Result<users::UserRow, Error> {
    Ok(users::UserRow { id: chance::id()?, email: email.to_owned(), name: String::new(), created_at: now, disabled_at: None })
}

pub(crate) fn by_text(by: &By) -> String {
    match by.for_log() {
        (kind, Some(id)) => format!("{kind} {id}"),
        (kind, None) => kind.to_owned(),
    }
}

/// The address of a person who invites.
async fn sender(tx: &mut Tx, by: &By) -> Result<Option<String>, Error> {
    match by {
        By::Person { id, .. } => Ok(users::find(tx, *id).await?.map(|user| user.email)),
        By::Host | By::Key { .. } | By::Operator { .. } => Ok(None),
    }
}

fn mail(row: &InvitationRow, (organization, invited_by): (&str, Option<String>), token: String) -> Mail {
    Mail::Invitation(InvitationMail { organization: organization.to_owned(), invited_by, token, expires_at: row.expires_at })
}

/// 256 random bits need no pepper: their digest tells nothing.
pub(crate) fn digest_of(secret: &str) -> [u8; 32] {
    let mut array = [0; 32];
    for (to, from) in array.iter_mut().zip(digest(&SHA256, secret.as_bytes()).as_ref()) {
        *to = *from;
    }
    array
}
