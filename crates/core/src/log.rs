//! The log of changes for people, hash-chained per root. An event is written in the transaction of what it tells about.

use crate::{Context, Error, authorize::By, chance};
use aws_lc_rs::digest::{SHA256, digest};
use keywright_db::Tx;
use keywright_protocol::OrganizationId;
use keywright_store::{log, log::EventRow, organizations::OrganizationRow};
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
    let head = log::find_head(tx, root_id).await?;
    let (previous, sequence) = head.map_or_else(|| (vec![0; 32], 1), |head| (head.hash, head.sequence + 1));
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
    let hash = link(&previous, &event)?;
    log::insert_change(tx, &event, &previous, &hash).await?;
    Ok(())
}

/// The hash of a link: SHA-256 over the hash before it and the event as JSON, in a fixed order of members.
fn link(previous: &[u8], event: &EventRow) -> Result<Vec<u8>, Error> {
    let event = serde_json::json!([
        event.id,
        event.root_id,
        event.sequence,
        event.at,
        event.organization_id,
        event.actor_kind,
        event.actor_id,
        event.action,
        event.subject,
        event.outcome,
        event.reason,
        event.address,
        event.user_agent,
        event.request_id,
        event.revision,
    ]);
    let mut text = previous.to_vec();
    serde_json::to_writer(&mut text, &event).map_err(|_| Error::Internal("an event cannot be written"))?;
    Ok(digest(&SHA256, &text).as_ref().to_vec())
}

/// Whether a chain is whole: each event follows the one before it, unaltered, without a gap.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Internal`].
pub async fn is_whole(tx: &mut Tx, root: OrganizationId) -> Result<bool, Error> {
    let mut previous = vec![0; 32];
    let events = log::list_changes(tx, root).await?;
    for (expected, event) in (1..).zip(&events) {
        if event.sequence != expected {
            return Ok(false);
        }
        previous = link(&previous, event)?;
    }
    Ok(log::find_head(tx, root).await?.is_none_or(|head| head.hash == previous))
}
