//! What came in by a key: invitations, members, roles and sub-organizations that were made with its tokens. It is noted when it is
//! made, so that with the key everything that it brought can be taken back.

use crate::{
    Context, Core, Error,
    authorize::By,
    keys::KEY,
    log::{self, Action, Where},
    members::{MANAGE, Member, end_roles},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{InvitationId, KeyId, MembershipId, OrganizationId, Time, catalog::OWNER};
pub use keywright_store::brought_in::{BroughtInRow, Kind};
use keywright_store::{StoreError, brought_in, invitations, keys, managed_keys, memberships, organizations};
use std::{collections::BTreeMap, sync::Arc};

/// What became of what a key had brought in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone {
    /// Taken back.
    pub taken_back: Vec<BroughtInRow>,
    /// Left as it is: sub-organizations, whoever is Owner by now, whoever takes back himself, and what is where he may not; and the API
    /// Keys and invitations that those made in turn who came in by it: they stand without their makers.
    pub kept: Vec<BroughtInRow>,
}

impl Core {
    /// What came in by a key, oldest first, and whether it still stands; then the API Keys and invitations that those made in turn who
    /// came in by it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn list_brought_in(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<Vec<BroughtInRow>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    authority.require(crate::keys::api::MANAGE)?;
                    managed_keys::find(tx, id, organization).await?.ok_or(KEY)?;
                    let mut rows = brought_in::list(tx, id).await?;
                    let mut in_turn = made_in_turn(tx, authority.place.root_id, &rows).await?;
                    rows.append(&mut in_turn);
                    Ok(rows)
                })
            })
            .await
    }

    /// Revokes an API Key for ever and takes back what came in by it and still stands: invitations that are pending, memberships, and
    /// roles. Sub-organizations stay, and so do whoever has been made Owner since and the actor himself.
    ///
    /// # Errors
    /// As [`Core::revoke_api_key`]; [`Error::Forbidden`] also for keys, and for whoever may not manage members; [`Error::NotFresh`].
    pub async fn revoke_api_key_and_undo(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, id: KeyId) -> Result<Committed<Undone>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                authority.require(crate::keys::api::MANAGE)?;
                authority.require(MANAGE)?;
                authority.require_fresh_person(ctx.now, "taking back what came in by a key")?;
                core.revoke_in(tx, &ctx, &authority, (id, Some(keywright_protocol::KeyKind::ApiKey))).await?;
                let mut undone = Undone::default();
                let rows = brought_in::list(tx, id).await?;
                let mut in_turn = made_in_turn(tx, authority.place.root_id, &rows).await?;
                for row in rows.into_iter().filter(|row| row.stands) {
                    // That the key is dead must not depend on what can be taken back.
                    match core.take_back(tx, &ctx, &row).await {
                        Ok(true) => undone.taken_back.push(row),
                        Ok(false) | Err(Error::NotFound(_) | Error::Forbidden(_) | Error::Conflict(_)) => undone.kept.push(row),
                        Err(error) => return Err(error),
                    }
                }
                undone.kept.append(&mut in_turn);
                Ok(undone)
            })
        })
        .await
    }

    /// Whether it was taken back. What refuses it refuses before anything is written.
    async fn take_back(&self, tx: &mut Tx, ctx: &Context, row: &BroughtInRow) -> Result<bool, Error> {
        if matches!(row.kind, Kind::Organization | Kind::ApiKey) {
            return Ok(false);
        }
        let there = &self.authority(tx, ctx, row.organization_id).await?;
        there.require(MANAGE)?;
        match row.kind {
            Kind::Organization | Kind::ApiKey => Ok(false),
            Kind::Invitation => {
                match invitations::revoke(tx, InvitationId::from(row.subject), ctx.now).await {
                    // It went with a membership that was taken back before.
                    Err(StoreError::NotFound) => return Ok(true),
                    revoked => revoked?,
                }
                let told = (row.name.clone(), "came in by a key that was revoked".to_owned());
                log::change(tx, ctx, &there.by, Where::In(&there.place), Action::InviteDelete, told).await?;
                Ok(true)
            }
            Kind::Member | Kind::Role => {
                // An earlier row may have taken it back with the membership.
                let Some(member) = memberships::find_by_id(tx, MembershipId::from(row.subject)).await? else { return Ok(true) };
                if there.by.is(member.user_id) || member.roles.iter().any(|role| role == OWNER) {
                    return Ok(false);
                }
                if row.kind == Kind::Member {
                    self.end_membership(tx, ctx, there, (member.user_id, Action::MemberRemove)).await?;
                } else {
                    end_roles(self, tx, ctx, there, (member.user_id, std::slice::from_ref(&row.role))).await?;
                }
                Ok(true)
            }
        }
    }
}

/// Notes what an actor gives somebody: a new membership, and roles that he did not have.
pub(crate) async fn note_roles(
    tx: &mut Tx,
    by: &By,
    (membership, before, roles): (MembershipId, &Member, &[String]),
    organization: OrganizationId,
    now: Time,
) -> Result<(), Error> {
    let By::Key { id, .. } = by else { return Ok(()) };
    note_membership(tx, *id, (membership, before, roles), organization, now).await
}

/// The same for what is accepted by an invitation that came in by a key.
pub(crate) async fn note_accepted(
    tx: &mut Tx,
    invitation: InvitationId,
    gained: (MembershipId, &Member, &[String]),
    organization: OrganizationId,
    now: Time,
) -> Result<(), Error> {
    match brought_in::find_key(tx, invitation).await? {
        Some(key) => note_membership(tx, key, gained, organization, now).await,
        None => Ok(()),
    }
}

async fn note_membership(
    tx: &mut Tx,
    key: KeyId,
    (membership, before, roles): (MembershipId, &Member, &[String]),
    organization: OrganizationId,
    now: Time,
) -> Result<(), Error> {
    let subject = membership.as_uuid();
    let own = before.own.as_deref().unwrap_or_default();
    if before.own.is_none() {
        brought_in::insert(tx, key, (Kind::Member, subject, ""), organization, now).await?;
    }
    for role in roles.iter().filter(|role| !own.contains(role)) {
        brought_in::insert(tx, key, (Kind::Role, subject, role), organization, now).await?;
    }
    Ok(())
}

/// API Keys and invitations that people made since they came in, by themselves or with a Personal Access Key.
async fn made_in_turn(tx: &mut Tx, root: OrganizationId, rows: &[BroughtInRow]) -> Result<Vec<BroughtInRow>, Error> {
    let mut since: BTreeMap<String, Time> = BTreeMap::new();
    for row in rows {
        let Some(user) = row.user_id else { continue };
        let keys = keys::list_ids_of_membership(tx, MembershipId::from(row.subject)).await?;
        for maker in keys.into_iter().map(|key| format!("key {key}")).chain([format!("user {user}")]) {
            // The rows come oldest first.
            since.entry(maker).or_insert(row.at);
        }
    }
    let mut made = Vec::new();
    for (maker, since) in since {
        let known = |row: &BroughtInRow| rows.iter().any(|other| other.kind == row.kind && other.subject == row.subject);
        made.extend(brought_in::list_made(tx, &maker, root, since).await?.into_iter().filter(|row| !known(row)));
    }
    Ok(made)
}

/// Notes who sent an invitation last, if he sent it by a key.
pub(crate) async fn note_invitation(tx: &mut Tx, by: &By, id: InvitationId, organization: OrganizationId, now: Time) -> Result<(), Error> {
    brought_in::delete_invitation(tx, id).await?;
    let By::Key { id: key, .. } = by else { return Ok(()) };
    Ok(brought_in::insert(tx, *key, (Kind::Invitation, id.as_uuid(), ""), organization, now).await?)
}

/// Notes a sub-organization.
pub(crate) async fn note_organization(tx: &mut Tx, by: &By, row: &organizations::OrganizationRow, now: Time) -> Result<(), Error> {
    let By::Key { id: key, .. } = by else { return Ok(()) };
    Ok(brought_in::insert(tx, *key, (Kind::Organization, row.id.as_uuid(), ""), row.id, now).await?)
}
