//! When something has leaked: all keys and sessions in one call.

use crate::{
    Actor, Context, Core, Error,
    error::Forbidden,
    keys::KeyRecord,
    log::{self, Action, Where},
};
use keywright_db::Committed;
use keywright_protocol::{KeyKind, OrganizationId, SessionId, Time, UserId, catalog::OWNER};
use keywright_store::{
    changes::{self, ChangeKind},
    generations, keys, managed_keys, memberships, sessions,
};
use std::sync::Arc;

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The keys and sessions of one member alone.
    pub user: Option<UserId>,
    /// What was made since then; without it, everything.
    pub since: Option<Time>,
}

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedAll {
    /// The keys, as they were before.
    pub keys: Vec<KeyRecord>,
    /// How many sessions.
    pub sessions: u64,
}

impl Core {
    /// Revokes keys for ever and ends sessions: those of an organization and of what hangs under it, or one member's there. Protected
    /// keys too. The session of whoever asks goes on. A member's sessions end wherever he works; he can sign in again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] for everybody but Owners, [`Error::NotFresh`].
    pub async fn revoke_all(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, reach: Reach) -> Result<Committed<RevokedAll>, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                let authority = core.authority(tx, &ctx, organization).await?;
                if !authority.is_owner() {
                    let reason = format!("only an Owner of {} revokes everything at once", authority.place.name);
                    return Err(Forbidden { reason, permission: None, roles: vec![OWNER.to_owned()] }.into());
                }
                authority.require_fresh_person(ctx.now, "revoking everything")?;
                let since = reach.since.unwrap_or(Time::from_millis(0));
                if let Some(user) = reach.user {
                    require_member(tx, &authority.place, user).await?;
                }
                let mut found = managed_keys::list_living_since(tx, organization, since).await?;
                found.retain(|key| reach.user.is_none_or(|user| key.user_id == Some(user)));
                for key in &found {
                    keys::revoke(tx, key.id, ctx.now).await?;
                    let action = if key.kind == KeyKind::ApiKey { Action::ApiKeyRevoke } else { Action::PatRevoke };
                    log::change(tx, &ctx, &authority.by, Where::In(&authority.place), action, (key.id.to_string(), key.name.clone())).await?;
                }
                let own = own_session(&ctx);
                let sessions = match reach.user {
                    // A member of the root is none of a sub-organization's to sign out.
                    Some(user) if !authority.place.is_root() && memberships::find(tx, authority.place.root_id, user).await?.is_some() => 0,
                    Some(user) => sessions::end_since(tx, user, own, since, ctx.now).await?,
                    None => sessions::end_of_members_since(tx, organization, own, since, ctx.now).await?,
                };
                let mut bits = generations::end_of_revoked(tx, organization, ctx.now).await?;
                bits.append(&mut match reach.user {
                    Some(user) => generations::end_of_sessions(tx, user, ctx.now).await?,
                    None => generations::end_of_all_sessions(tx, ctx.now).await?,
                });
                changes::insert(tx, ChangeKind::Organization, organization.as_uuid(), &bits).await?;
                let told = (authority.place.name.clone(), told_of(reach, found.len(), sessions));
                log::change(tx, &ctx, &authority.by, Where::In(&authority.place), Action::RevokeAll, told).await?;
                Ok(RevokedAll { keys: found, sessions })
            })
        })
        .await
    }
}

/// A stranger's sessions are none of an organization's business.
async fn require_member(tx: &mut keywright_db::Tx, place: &keywright_store::organizations::OrganizationRow, user: UserId) -> Result<(), Error> {
    for row in keywright_store::organizations::list_tree(tx, place.id).await? {
        if memberships::find(tx, row.id, user).await?.is_some() {
            return Ok(());
        }
    }
    Err(Error::NotFound("direct member"))
}

fn own_session(ctx: &Context) -> SessionId {
    match &ctx.actor {
        Actor::Person(person) => person.session_id,
        Actor::Anonymous | Actor::Token(_) | Actor::Operator(_) | Actor::System => SessionId::from(uuid::Uuid::nil()),
    }
}

fn told_of(reach: Reach, keys: usize, sessions: u64) -> String {
    let whose = reach.user.map_or_else(|| "of everybody".to_owned(), |user| format!("of user {user}"));
    let since = reach.since.map_or_else(String::new, |since| format!(" made since {since}"));
    format!("{keys} keys and {sessions} sessions {whose}{since}")
}
