//! The chains of both logs, one a root, and the log of changes for people. A change is written in the transaction of what it tells
//! about; accesses come in batches (`access_log.rs`).

use crate::{Context, Error, authorize::By, chance};
use aws_lc_rs::digest::{SHA256, digest};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time};
use keywright_store::{
    StoreError, access_log, log,
    log::{EventRow, LinkKind},
    organizations::OrganizationRow,
};
use serde::Serialize;
use uuid::Uuid;

/// What was done, in the words of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An organization was made.
    OrganizationCreate,
    /// An organization was changed.
    OrganizationUpdate,
    /// An organization was suspended.
    OrganizationSuspend,
    /// A suspension was taken back.
    OrganizationResume,
    /// An organization was deleted, for ever.
    OrganizationDelete,
    /// An organization's policy was changed.
    PolicyUpdate,
    /// Keys and sessions were revoked together.
    RevokeAll,
    /// Somebody was invited.
    InviteCreate,
    /// An invitation was sent again.
    InviteReInvite,
    /// An invitation was taken back.
    InviteDelete,
    /// An invitation was accepted.
    InviteAccept,
    /// Somebody became a direct member.
    MemberAssign,
    /// A membership was ended.
    MemberRemove,
    /// A member left.
    MemberLeave,
    /// A member's roles were changed.
    MemberRoleUpdate,
    /// A Personal Access Key was made.
    PatCreate,
    /// A Personal Access Key was revoked.
    PatRevoke,
    /// A Personal Access Key got another name.
    PatRename,
    /// An API Key was made.
    ApiKeyCreate,
    /// An API Key was changed.
    ApiKeyUpdate,
    /// An API Key got another secret.
    ApiKeyRotate,
    /// An API Key was suspended.
    ApiKeySuspend,
    /// That was taken back.
    ApiKeyResume,
    /// An API Key was revoked.
    ApiKeyRevoke,
    /// An operator key was made.
    OperatorKeyCreate,
    /// An operator key got another secret.
    OperatorKeyRotate,
    /// An operator key was revoked.
    OperatorKeyRevoke,
    /// A user was added.
    UserCreate,
    /// A user was disabled.
    UserDisable,
    /// A user was enabled again.
    UserEnable,
    /// The catalog was changed.
    CatalogApply,
    /// Somebody signed in.
    Login,
    /// A session was ended.
    Logout,
    /// A session moved to another organization.
    SwitchOrganization,
    /// A password was changed, or chosen anew by a link.
    PasswordChange,
    /// A key, or a session, was exchanged for an access token, or was refused one.
    TokenExchange,
    /// Events of access are missing.
    LogGap,
}

impl Action {
    /// As it stands in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationCreate => "Organization Create",
            Self::OrganizationUpdate => "Organization Update",
            Self::OrganizationSuspend => "Organization Suspend",
            Self::OrganizationResume => "Organization Resume",
            Self::OrganizationDelete => "Organization Delete",
            Self::PolicyUpdate => "Policy Update",
            Self::RevokeAll => "Revoke All",
            Self::InviteCreate => "Invite Create",
            Self::InviteReInvite => "Invite Re-Invite",
            Self::InviteDelete => "Invite Delete",
            Self::InviteAccept => "Invite Accept",
            Self::MemberAssign => "Member Assign",
            Self::MemberRemove => "Member Remove",
            Self::MemberLeave => "Member Leave",
            Self::MemberRoleUpdate => "Member Role Update",
            Self::PatCreate => "PAT Create",
            Self::PatRevoke => "PAT Revoke",
            Self::PatRename => "PAT Rename",
            Self::ApiKeyCreate => "API Key Create",
            Self::ApiKeyUpdate => "API Key Update",
            Self::ApiKeyRotate => "API Key Rotate",
            Self::ApiKeySuspend => "API Key Suspend",
            Self::ApiKeyResume => "API Key Resume",
            Self::ApiKeyRevoke => "API Key Revoke",
            Self::OperatorKeyCreate => "Operator Key Create",
            Self::OperatorKeyRotate => "Operator Key Rotate",
            Self::OperatorKeyRevoke => "Operator Key Revoke",
            Self::UserCreate => "User Create",
            Self::UserDisable => "User Disable",
            Self::UserEnable => "User Enable",
            Self::CatalogApply => "Catalog Apply",
            Self::Login => "Login",
            Self::Logout => "Logout",
            Self::SwitchOrganization => "Switch Organization",
            Self::PasswordChange => "Password Change",
            Self::TokenExchange => "Token Exchange",
            Self::LogGap => "Log Gap",
        }
    }
}

/// Where something happened.
#[derive(Debug, Clone, Copy)]
pub enum Where<'a> {
    /// In an organization.
    In(&'a OrganizationRow),
    /// In the installation as a whole: its chain has the nil id.
    Installation,
}

/// Appends an event. `subject` says to what it was done, `reason` more about it; neither may contain a secret. For an
/// operator key `reason` begins with for whom it acts.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn change(tx: &mut Tx, ctx: &Context, by: &By, place: Where<'_>, action: Action, (subject, reason): (String, String)) -> Result<(), Error> {
    let (organization_id, root_id) = match place {
        Where::In(place) => (place.id, place.root_id),
        Where::Installation => (OrganizationId::from(Uuid::nil()), OrganizationId::from(Uuid::nil())),
    };
    let (sequence, previous) = next_link(tx, root_id).await?;
    let (actor_kind, actor_id) = by.for_log();
    let event = EventRow {
        id: chance::id()?,
        root_id,
        sequence,
        at: ctx.now,
        organization_id,
        actor_kind: actor_kind.to_owned(),
        actor_id,
        action: action.as_str().to_owned(),
        subject,
        outcome: "done".to_owned(),
        reason: by.told(reason),
        address: ctx.address_text(),
        user_agent: ctx.user_agent_text(),
        request_id: ctx.request_id,
        revision: tx.position().n,
    };
    let hash = change_hash(&previous, &event)?;
    log::insert_change(tx, &event, &previous, &hash).await?;
    tx.on_commit(move || tell(action, &event));
    Ok(())
}

/// The line of the process's log. Subject and reason may name people, and stay out of it.
fn tell(action: Action, event: &EventRow) {
    let (organization_id, actor, request_id) = (event.organization_id, event.actor_kind.as_str(), event.request_id);
    let actor_id = event.actor_id.map(tracing::field::display);
    tracing::info!(action = action.as_str(), %organization_id, actor, actor_id, %request_id, revision = event.revision, "a change was made");
}

/// Appends a link that stands for several events of one root, and numbers them with it; whoever calls this inserts them afterwards.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn append(tx: &mut Tx, (root, kind): (OrganizationId, LinkKind), at: Time, events: &mut [EventRow]) -> Result<(), Error> {
    let (sequence, previous) = next_link(tx, root).await?;
    for event in &mut *events {
        event.sequence = sequence;
    }
    let hash = batch_hash(&previous, (kind, sequence, at), events)?;
    log::insert_link(tx, (root, sequence), kind, at, (&previous, &hash)).await?;
    Ok(())
}

/// The number of a chain's next link and the hash that it follows.
async fn next_link(tx: &mut Tx, root: OrganizationId) -> Result<(i64, Vec<u8>), Error> {
    let head = log::find_head(tx, root).await?;
    Ok(head.map_or_else(|| (1, FIRST.to_vec()), |head| (head.sequence + 1, head.hash)))
}

/// What the first link of a chain follows.
const FIRST: [u8; 32] = [0; 32];

/// The hash of a change: SHA-256 over the hash before it and the event as JSON.
fn change_hash(previous: &[u8], event: &EventRow) -> Result<Vec<u8>, Error> {
    hash(previous, &members(event))
}

/// The hash of a link that stands for several events: over the hash before it and, as JSON, kind, number and time of the link and all
/// of its events, in order.
fn batch_hash(previous: &[u8], (kind, sequence, at): (LinkKind, i64, Time), events: &[EventRow]) -> Result<Vec<u8>, Error> {
    let events: Vec<_> = events.iter().map(members).collect();
    hash(previous, &(kind.as_str(), sequence, at, events))
}

/// An event's members, in a fixed order.
fn members(event: &EventRow) -> impl Serialize {
    (
        event.id,
        event.root_id,
        event.sequence,
        event.at,
        event.organization_id,
        &event.actor_kind,
        event.actor_id,
        &event.action,
        &event.subject,
        &event.outcome,
        &event.reason,
        &event.address,
        &event.user_agent,
        event.request_id,
        event.revision,
    )
}

fn hash(previous: &[u8], linked: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut text = previous.to_vec();
    serde_json::to_writer(&mut text, linked).map_err(|_| Error::Internal("an event cannot be written"))?;
    Ok(digest(&SHA256, &text).as_ref().to_vec())
}

/// Whether a chain is whole: each link follows the one before it, and stands for its events, unaltered, without a gap. All of the
/// chain is read into memory.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Internal`].
pub async fn is_whole(tx: &mut Tx, root: OrganizationId) -> Result<bool, Error> {
    let links = log::list_links(tx, root).await?;
    let changes = log::list_changes(tx, root).await?;
    let accesses = match access_log::list(tx, root).await {
        // What cannot be read any more was altered.
        Err(StoreError::Corrupt) => return Ok(false),
        accesses => accesses?,
    };
    let (mut changes, mut accesses) = (changes.as_slice(), accesses.as_slice());
    let mut previous = FIRST.to_vec();
    for (expected, link) in (1..).zip(&links) {
        let (here, batch) = (take_of(&mut changes, expected), take_of(&mut accesses, expected));
        let hash = match (link.kind, here, batch) {
            (Some(LinkKind::Change), [event], []) if event.at == link.at => change_hash(&previous, event)?,
            (Some(kind @ (LinkKind::Access | LinkKind::Gap)), [], [_, ..]) => batch_hash(&previous, (kind, expected, link.at), batch)?,
            (None | Some(LinkKind::Change | LinkKind::Access | LinkKind::Gap), _, _) => return Ok(false),
        };
        if link.sequence != expected || link.previous != previous || link.hash != hash {
            return Ok(false);
        }
        previous = hash;
    }
    Ok(changes.is_empty() && accesses.is_empty())
}

/// Takes a link's events off the front.
fn take_of<'a>(events: &mut &'a [EventRow], sequence: i64) -> &'a [EventRow] {
    let count = events.iter().take_while(|event| event.sequence == sequence).count();
    events.split_off(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> EventRow {
        let id = |n: u128| Uuid::from_u128(n);
        EventRow {
            id: id(1),
            root_id: id(2).into(),
            sequence: 7,
            at: Time::from_millis(1_800_000_000_123),
            organization_id: id(3).into(),
            actor_kind: "host".to_owned(),
            actor_id: None,
            action: "Login".to_owned(),
            subject: "a \"quoted\" subject\u{1}\u{20ac}".to_owned(),
            outcome: "done".to_owned(),
            reason: String::new(),
            address: "192.0.2.1".to_owned(),
            user_agent: "curl/8".to_owned(),
            request_id: id(4).into(),
            revision: 42,
        }
    }

    /// Chains that exist must stay whole: what is hashed of a change never changes.
    #[test]
    fn the_hash_of_a_change_stays_what_it_is() {
        let hash: String = change_hash(&FIRST, &event()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "5342ea3eb170f73af0032b73bf30782a131e74b23715cd95f91cb4c83a03a0f0");
    }
}
