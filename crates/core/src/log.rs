//! The chains of both logs, one a root, and the log of changes for people. A change is written in the transaction of what it tells
//! about; accesses come in batches (`access_log.rs`).

use crate::{Context, Error, authorize::By, chance};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time};
use keywright_store::{
    access_log::{self, AccessRow},
    log,
    log::{EventRow, LinkKind},
    organizations::OrganizationRow,
};
use serde::Serialize;
use std::collections::BTreeMap;
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

/// Appends a link that stands for several accesses of one root, in rows by the ids of their first ones.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn append(tx: &mut Tx, (root, kind): (OrganizationId, LinkKind), at: Time, rows: &[AccessRow]) -> Result<(), Error> {
    let (sequence, previous) = next_link(tx, root).await?;
    let hash = batch_hash(&previous, (root, kind, sequence, at), rows)?;
    log::insert_link(tx, (root, sequence), kind, at, (&previous, &hash)).await?;
    Ok(access_log::insert(tx, (root, sequence), rows).await?)
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
    let event = (
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
    );
    hash(previous, &event, &[])
}

/// The hash of a link that stands for several accesses: SHA-256 over the hash before it, then root, kind, number and time of the link
/// and id, organization and length of each row, as JSON, then the events of the rows as they are stored.
fn batch_hash(previous: &[u8], link: (OrganizationId, LinkKind, i64, Time), rows: &[AccessRow]) -> Result<Vec<u8>, Error> {
    let (root, kind, sequence, at) = link;
    let lengths: Vec<_> = rows.iter().map(|row| (row.id, row.organization_id, row.events.len())).collect();
    hash(previous, &(root, kind.as_str(), sequence, at, lengths), rows)
}

fn hash(previous: &[u8], linked: &impl Serialize, rows: &[AccessRow]) -> Result<Vec<u8>, Error> {
    let mut digest = Digest::new(&SHA256);
    digest.update(previous);
    digest.update(&serde_json::to_vec(linked).map_err(|_| Error::Internal("an event cannot be written"))?);
    rows.iter().for_each(|row| digest.update(row.events.as_bytes()));
    Ok(digest.finish().as_ref().to_vec())
}

/// Whether a chain is whole: each link follows the one before it, and stands for its events, unaltered, without a gap. All of the
/// chain is read into memory.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Internal`].
pub async fn is_whole(tx: &mut Tx, root: OrganizationId) -> Result<bool, Error> {
    let links = log::list_links(tx, root).await?;
    let changes = log::list_changes(tx, root).await?;
    let mut batches: BTreeMap<i64, Vec<AccessRow>> = BTreeMap::new();
    for (sequence, row) in access_log::list_rows(tx, root).await? {
        batches.entry(sequence).or_default().push(row);
    }
    let mut changes = changes.as_slice();
    let mut previous = FIRST.to_vec();
    for (expected, link) in (1..).zip(&links) {
        let (here, batch) = (take_of(&mut changes, expected), batches.remove(&expected));
        let hash = match (link.kind, here, batch) {
            (Some(LinkKind::Change), [event], None) if event.at == link.at => change_hash(&previous, event)?,
            (Some(kind @ (LinkKind::Access | LinkKind::Gap)), [], Some(rows)) => batch_hash(&previous, (root, kind, expected, link.at), &rows)?,
            (None | Some(LinkKind::Change | LinkKind::Access | LinkKind::Gap), _, _) => return Ok(false),
        };
        if link.sequence != expected || link.previous != previous || link.hash != hash {
            return Ok(false);
        }
        previous = hash;
    }
    Ok(changes.is_empty() && batches.is_empty())
}

/// Takes a link's change off the front.
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
