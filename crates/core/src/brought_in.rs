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
use keywright_protocol::{InvitationId, KeyId, KeyKind, MembershipId, OrganizationId, Time, catalog::OWNER};
pub use keywright_store::brought_in::{BroughtInRow, Kind};
use keywright_store::{StoreError, brought_in, invitations, managed_keys, memberships, organizations};
use std::{collections::BTreeSet, sync::Arc};

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
                    managed_keys::find(tx, id, organization).await?.filter(|key| key.kind == KeyKind::ApiKey).ok_or(KEY)?;
                    let mut rows = brought_in::list(tx, id).await?;
                    let mut in_turn = made_in_turn(tx, organization, &rows).await?;
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
                core.revoke_in(tx, &ctx, &authority, (id, Some(KeyKind::ApiKey))).await?;
                let mut undone = Undone::default();
                let rows = brought_in::list(tx, id).await?;
                let mut in_turn = made_in_turn(tx, organization, &rows).await?;
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
    for key in brought_in::list_keys(tx, invitation).await? {
        note_membership(tx, key, gained, organization, now).await?;
    }
    Ok(())
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

/// What those made in turn who came in so, by themselves or with a key, as far as it stands: API Keys, what came in by these, and
/// invitations; and so on, with those who came in by that. Only what is in the organization or below it: elsewhere it is not for whoever
/// asks here.
async fn made_in_turn(tx: &mut Tx, place: OrganizationId, rows: &[BroughtInRow]) -> Result<Vec<BroughtInRow>, Error> {
    let (mut told, mut makers) = (rows.to_vec(), BTreeSet::new());
    let mut next = 0;
    while let Some(row) = told.get(next).cloned() {
        next += 1;
        let mut found = Vec::new();
        if row.kind == Kind::ApiKey {
            found.append(&mut brought_in::list(tx, KeyId::from(row.subject)).await?);
        }
        let mut in_turn = Vec::new();
        if let Some(user) = row.user_id {
            in_turn.push(format!("user {user}"));
            for key in brought_in::list_keys_of_membership(tx, MembershipId::from(row.subject)).await? {
                in_turn.push(format!("key {key}"));
                found.append(&mut brought_in::list(tx, key).await?);
            }
        }
        for maker in in_turn {
            // The first row of somebody is the oldest one of what is known.
            if makers.insert(maker.clone()) {
                found.append(&mut brought_in::list_made(tx, &maker, place, row.at).await?);
            }
        }
        for row in found {
            if !told.iter().any(|known| (known.kind, known.subject, &known.role) == (row.kind, row.subject, &row.role)) {
                told.push(row);
            }
        }
    }
    Ok(told.split_off(rows.len()).into_iter().filter(|row| row.stands).collect())
}

/// Notes who sent an invitation last, if he sent it by a key. A person who sends it again answers for it, so that it does not count as
/// a key's any more; unless he came in by that key himself.
pub(crate) async fn note_invitation(tx: &mut Tx, by: &By, id: InvitationId, organization: OrganizationId, now: Time) -> Result<(), Error> {
    match by {
        By::Key { id: key, .. } => return Ok(brought_in::insert(tx, *key, (Kind::Invitation, id.as_uuid(), ""), organization, now).await?),
        By::Person { id: user, .. } if brought_in::came_by_the_same(tx, id, *user).await? => {}
        By::Person { .. } | By::Host | By::Operator { .. } => brought_in::delete_invitation(tx, id).await?,
    }
    Ok(())
}

/// Notes a sub-organization.
pub(crate) async fn note_organization(tx: &mut Tx, by: &By, row: &organizations::OrganizationRow, now: Time) -> Result<(), Error> {
    let By::Key { id: key, .. } = by else { return Ok(()) };
    Ok(brought_in::insert(tx, *key, (Kind::Organization, row.id.as_uuid(), ""), row.id, now).await?)
}
