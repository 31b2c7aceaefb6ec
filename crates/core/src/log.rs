//! The chains of both logs, one a root, and the log of changes for people. A change is written in the transaction of what it tells
//! about; accesses come in batches (`access_log.rs`).

pub mod chain;
mod prune;

use crate::{Context, Error, authorize::By, chance, webhooks};
use chain::{FIRST, batch_hash, change_hash};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time};
use keywright_store::{
    access_log::{self, AccessRow},
    log,
    log::{EventRow, LinkKind},
    organizations::OrganizationRow,
};
pub use prune::Keeping;
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
    /// A role of an organization's own was made.
    RoleCreate,
    /// A role of an organization's own was changed.
    RoleUpdate,
    /// A role of an organization's own was deleted, for ever.
    RoleDelete,
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
    /// A webhook was made.
    WebhookCreate,
    /// A webhook was changed, suspended or resumed.
    WebhookUpdate,
    /// A webhook got another secret.
    WebhookRotate,
    /// A webhook was deleted.
    WebhookDelete,
    /// The catalog was changed.
    CatalogApply,
    /// A signing key was made, began to sign, or was removed.
    SigningKeyRotate,
    /// A signing key was revoked.
    SigningKeyRevoke,
    /// Somebody signed in.
    Login,
    /// A session was ended.
    Logout,
    /// A session moved to another organization.
    SwitchOrganization,
    /// A password was changed, or chosen anew by a link.
    PasswordChange,
    /// A second factor was turned on.
    SecondFactorEnable,
    /// A second factor was turned off by its owner.
    SecondFactorDisable,
    /// A second factor was turned off by the host.
    SecondFactorReset,
    /// Recovery codes were made in the place of others.
    RecoveryCodesCreate,
    /// A recovery code was used.
    RecoveryCodeUse,
    /// A key, or a session, was exchanged for an access token, or was refused one.
    TokenExchange,
    /// A key was judged without a token being made: it was asked about, or came to a gateway.
    KeyCheck,
    /// An access token was taken back, with all others of the same key for the same organization.
    TokenRevoke,
    /// Events of access are missing.
    LogGap,
    /// Events were removed when their time was over.
    LogPrune,
    /// The database was restored from a backup.
    Restore,
    /// The database was moved to another engine or server, or opened again where it had been.
    Move,
}

impl Action {
    /// Every one.
    pub const ALL: [Self; 56] = [
        Self::OrganizationCreate,
        Self::OrganizationUpdate,
        Self::OrganizationSuspend,
        Self::OrganizationResume,
        Self::OrganizationDelete,
        Self::PolicyUpdate,
        Self::RevokeAll,
        Self::InviteCreate,
        Self::InviteReInvite,
        Self::InviteDelete,
        Self::InviteAccept,
        Self::MemberAssign,
        Self::MemberRemove,
        Self::MemberLeave,
        Self::MemberRoleUpdate,
        Self::RoleCreate,
        Self::RoleUpdate,
        Self::RoleDelete,
        Self::PatCreate,
        Self::PatRevoke,
        Self::PatRename,
        Self::ApiKeyCreate,
        Self::ApiKeyUpdate,
        Self::ApiKeyRotate,
        Self::ApiKeySuspend,
        Self::ApiKeyResume,
        Self::ApiKeyRevoke,
        Self::OperatorKeyCreate,
        Self::OperatorKeyRotate,
        Self::OperatorKeyRevoke,
        Self::UserCreate,
        Self::UserDisable,
        Self::UserEnable,
        Self::WebhookCreate,
        Self::WebhookUpdate,
        Self::WebhookRotate,
        Self::WebhookDelete,
        Self::CatalogApply,
        Self::SigningKeyRotate,
        Self::SigningKeyRevoke,
        Self::Login,
        Self::Logout,
        Self::SwitchOrganization,
        Self::PasswordChange,
        Self::SecondFactorEnable,
        Self::SecondFactorDisable,
        Self::SecondFactorReset,
        Self::RecoveryCodesCreate,
        Self::RecoveryCodeUse,
        Self::TokenExchange,
        Self::KeyCheck,
        Self::TokenRevoke,
        Self::LogGap,
        Self::LogPrune,
        Self::Restore,
        Self::Move,
    ];

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
            Self::RoleCreate => "Role Create",
            Self::RoleUpdate => "Role Update",
            Self::RoleDelete => "Role Delete",
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
            Self::WebhookCreate => "Webhook Create",
            Self::WebhookUpdate => "Webhook Update",
            Self::WebhookRotate => "Webhook Rotate",
            Self::WebhookDelete => "Webhook Delete",
            Self::CatalogApply => "Catalog Apply",
            Self::SigningKeyRotate => "Signing Key Rotate",
            Self::SigningKeyRevoke => "Signing Key Revoke",
            Self::Login => "Login",
            Self::Logout => "Logout",
            Self::SwitchOrganization => "Switch Organization",
            Self::PasswordChange => "Password Change",
            Self::SecondFactorEnable => "Second Factor Enable",
            Self::SecondFactorDisable => "Second Factor Disable",
            Self::SecondFactorReset => "Second Factor Reset",
            Self::RecoveryCodesCreate => "Recovery Codes Create",
            Self::RecoveryCodeUse => "Recovery Code Use",
            Self::TokenExchange => "Token Exchange",
            Self::KeyCheck => "Key Check",
            Self::TokenRevoke => "Token Revoke",
            Self::LogGap => "Log Gap",
            Self::LogPrune => "Log Prune",
            Self::Restore => "Restore",
            Self::Move => "Move",
        }
    }
}

/// Where something happened.
#[derive(Debug, Clone, Copy)]
pub enum Where<'a> {
    /// In an organization.
    In(&'a OrganizationRow),
    /// In a root, by its id alone; it may be gone.
    Root(OrganizationId),
    /// In the installation as a whole: its chain has the nil id.
    Installation,
}

/// Appends an event, and hands it to the webhooks that hear of it. `subject` says to what it was done, `reason` more about it; neither may contain a secret. For an
/// operator key `reason` begins with for whom it acts.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn change(tx: &mut Tx, ctx: &Context, by: &By, place: Where<'_>, action: Action, (subject, reason): (String, String)) -> Result<(), Error> {
    let (organization_id, root_id) = match place {
        Where::In(place) => (place.id, place.root_id),
        Where::Root(root) => (root, root),
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
    webhooks::events::put(tx, action, &event).await?;
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
