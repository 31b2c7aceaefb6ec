//! What `keywright admin` says to a server, or does by itself when no server runs: one JSON line each way.

use crate::{
    catalog::Document,
    ids::{KeyId, OrganizationId, UserId},
    jwk::{Algorithm, Purpose},
    mail::MailRow,
    operator::OperatorScope,
    position::Position,
    secret::KeyKind,
    time::Time,
};
use serde::{Deserialize, Serialize};

/// Roles in one organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolesIn {
    /// Where.
    pub organization_id: OrganizationId,
    /// Role keys.
    pub roles: Vec<String>,
}

/// One act of administration on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum AdminRequest {
    /// Makes the operator organization and its first Owner, with a one-time password.
    Bootstrap {
        /// The Owner's address.
        owner_email: String,
    },
    /// All organizations.
    ListOrganizations,
    /// Makes an organization.
    CreateOrganization {
        /// Its name.
        name: String,
        /// The root it belongs to; absent for a root.
        #[serde(default)]
        parent: Option<OrganizationId>,
    },
    /// Suspends an organization and what hangs under it.
    SuspendOrganization {
        /// Which.
        organization: OrganizationId,
    },
    /// Takes a suspension back.
    ResumeOrganization {
        /// Which.
        organization: OrganizationId,
    },
    /// All users.
    ListUsers,
    /// Makes a user, without a password.
    CreateUser {
        /// His address.
        email: String,
        /// His name.
        name: String,
    },
    /// Disables a user: nothing of his authenticates.
    DisableUser {
        /// Which.
        user: UserId,
    },
    /// Takes that back.
    EnableUser {
        /// Which.
        user: UserId,
    },
    /// Turns a user's second factor off, whose device and recovery codes are lost.
    ResetSecondFactor {
        /// His address.
        email: String,
    },
    /// The direct members of an organization.
    ListMembers {
        /// Of which.
        organization: OrganizationId,
    },
    /// Makes a user a direct member, or sets a member's roles anew.
    SetMember {
        /// Where.
        organization: OrganizationId,
        /// Who.
        user: UserId,
        /// Role keys; empty for none of his own.
        roles: Vec<String>,
    },
    /// Ends a direct membership.
    RemoveMember {
        /// Where.
        organization: OrganizationId,
        /// Who.
        user: UserId,
    },
    /// The keys of an organization.
    ListKeys {
        /// Of which.
        organization: OrganizationId,
    },
    /// Makes a Personal Access Key for a direct member.
    CreatePersonalAccessKey {
        /// Where.
        organization: OrganizationId,
        /// Whose.
        user: UserId,
        /// Its name.
        name: String,
        /// Absent: the default life.
        #[serde(default)]
        expires_at: Option<Time>,
    },
    /// Makes an API Key.
    CreateApiKey {
        /// Where it lives.
        organization: OrganizationId,
        /// Its name.
        name: String,
        /// What it may do, where.
        grants: Vec<RolesIn>,
        /// Absent: the default life.
        #[serde(default)]
        expires_at: Option<Time>,
    },
    /// Mail that waits to be sent, opened.
    ListOutbox,
    /// Links of a root's chain of the logs behind one, some of them; of the installation's without a root.
    ListChain {
        /// Which root.
        #[serde(default)]
        organization: Option<OrganizationId>,
        /// The number of the last link that is known; 0 for none.
        after: i64,
    },
    /// What was taken away from anybody behind a position, some of it.
    ListRevocations {
        /// The position up to which it is known.
        after: Position,
    },
    /// Gives an API Key another secret.
    RotateKey {
        /// Which.
        key: KeyId,
        /// How long the old secret goes on; absent: 24 hours. 0 ends it at once.
        #[serde(default)]
        overlap_seconds: Option<u32>,
        /// Another expiry; absent: the old one.
        #[serde(default)]
        expires_at: Option<Time>,
    },
    /// Suspends an API Key.
    SuspendKey {
        /// Which.
        key: KeyId,
    },
    /// Takes a suspension back.
    ResumeKey {
        /// Which.
        key: KeyId,
    },
    /// Revokes a key of any kind.
    RevokeKey {
        /// Which.
        key: KeyId,
    },
    /// The operator keys.
    ListOperatorKeys,
    /// Makes an operator key.
    CreateOperatorKey {
        /// Its name.
        name: String,
        /// What it may do.
        scopes: Vec<OperatorScope>,
        /// Absent: the default life.
        #[serde(default)]
        expires_at: Option<Time>,
        /// Networks that it is taken from; empty for everywhere.
        #[serde(default)]
        allowed_addresses: Vec<String>,
    },
    /// Gives an operator key another secret.
    RotateOperatorKey {
        /// Which.
        key: KeyId,
        /// How long the old secret goes on; absent: 24 hours. 0 ends it at once.
        #[serde(default)]
        overlap_seconds: Option<u32>,
        /// Another expiry; absent: the old one.
        #[serde(default)]
        expires_at: Option<Time>,
    },
    /// Revokes an operator key.
    RevokeOperatorKey {
        /// Which.
        key: KeyId,
    },
    /// What would change if a catalog came into force.
    DiffCatalog {
        /// The whole catalog, what is built in included.
        document: Document,
    },
    /// Puts a catalog in force.
    ApplyCatalog {
        /// The whole catalog, what is built in included.
        document: Document,
        /// What becomes of roles that are held and that it does not have.
        #[serde(default)]
        replace: Vec<RoleReplacement>,
    },
    /// All signing keys that ever were.
    ListSigningKeys,
    /// Makes successors of the active signing keys.
    RotateSigningKeys {
        /// Of which purpose; absent: of all.
        #[serde(default)]
        purpose: Option<Purpose>,
    },
    /// How the installation is: its position, and the processes that serve it.
    Status,
    /// Takes the trust from a signing key.
    RevokeSigningKey {
        /// Which.
        kid: String,
    },
}

/// A role that takes another one's place for everybody who holds that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleReplacement {
    /// The key of the role that vanishes.
    pub old: String,
    /// The key of a role that the new catalog has.
    pub new: String,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum AdminReply {
    /// Done; nothing more to say.
    Done {
        /// The position of the change.
        revision: String,
    },
    /// The operator organization stands.
    Bootstrapped {
        /// Its id.
        organization_id: OrganizationId,
        /// The Owner's id.
        user_id: UserId,
        /// Shown once.
        one_time_password: String,
    },
    /// An organization was made.
    Organization(OrganizationRow),
    /// Organizations.
    Organizations {
        /// In the order they were made.
        organizations: Vec<OrganizationRow>,
    },
    /// A user was made.
    User(UserRow),
    /// Users.
    Users {
        /// In the order they were made.
        users: Vec<UserRow>,
    },
    /// Members.
    Members {
        /// In the order they joined.
        members: Vec<MemberRow>,
    },
    /// Keys.
    Keys {
        /// In the order they were made.
        keys: Vec<KeyRow>,
    },
    /// Operator keys.
    OperatorKeys {
        /// In the order they were made.
        keys: Vec<OperatorKeyRow>,
    },
    /// Links of a chain; none at its end.
    Chain {
        /// In order.
        links: Vec<serde_json::Value>,
    },
    /// What was taken away; none if nothing has changed since.
    Revocations {
        /// One stretch of the log of changes.
        section: Option<serde_json::Value>,
    },
    /// Mail that waits, or was given up.
    Outbox {
        /// Oldest first.
        mail: Vec<MailRow>,
    },
    /// A key was made.
    KeyCreated {
        /// Its id.
        id: KeyId,
        /// The secret, shown once.
        secret: String,
        /// When it expires.
        expires_at: Time,
    },
    /// A key has another secret.
    KeyRotated {
        /// Its id.
        id: KeyId,
        /// The secret, shown once.
        secret: String,
        /// When the key expires.
        expires_at: Time,
        /// Until when the old secret is taken, if it is.
        old_secret_ends_at: Option<Time>,
    },
    /// What would change.
    CatalogDiff {
        /// All of it.
        diff: CatalogDiff,
    },
    /// A catalog is in force.
    CatalogApplied {
        /// The position of the change.
        revision: String,
        /// What changed.
        diff: CatalogDiff,
    },
    /// Signing keys.
    SigningKeys {
        /// Oldest first.
        keys: Vec<SigningKeyRow>,
    },
    /// How the installation is.
    Status(crate::installation::InstallationStatus),
    /// It was refused, with a sentence that says what to do.
    Refused {
        /// A stable code.
        error: String,
        /// The sentence.
        message: String,
    },
}

/// Where a signing key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SigningKeyState {
    /// Published, and signs later.
    Pending,
    /// Signs.
    Active,
    /// Signs nothing new, and is published until the last token that it signed has expired.
    Retired,
    /// Published no more.
    Removed,
    /// Nothing that it signed is believed.
    Revoked,
}

impl SigningKeyState {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
        }
    }
}

/// A signing key in a list, without its private part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyRow {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs.
    pub purpose: Purpose,
    /// How.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: SigningKeyState,
    /// Since when it is in that state.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: Time,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// When it goes on to the next state, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Time>,
}

/// An organization in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationRow {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// The root it belongs to; itself for a root.
    pub root_id: OrganizationId,
    /// When it was made.
    pub created_at: Time,
    /// When it was suspended, if it is.
    pub suspended_at: Option<Time>,
}

/// A user in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRow {
    /// His id.
    pub id: UserId,
    /// His address.
    pub email: String,
    /// His name.
    pub name: String,
    /// When he was disabled, if he is.
    pub disabled_at: Option<Time>,
}

/// A direct member in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRow {
    /// Who.
    pub user_id: UserId,
    /// His address.
    pub email: String,
    /// His own roles here.
    pub roles: Vec<String>,
}

/// A key in a list. Never its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Its name.
    pub name: String,
    /// Whose it is, for a Personal Access Key.
    pub user_id: Option<UserId>,
    /// When it was made.
    pub created_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When it was suspended, if it is.
    #[serde(default)]
    pub suspended_at: Option<Time>,
    /// When it was revoked, if it is.
    pub revoked_at: Option<Time>,
}

/// An operator key in a list. Never its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorKeyRow {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<OperatorScope>,
    /// Networks that it is taken from; empty for everywhere.
    pub allowed_addresses: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When it was revoked, if it is.
    pub revoked_at: Option<Time>,
}

/// What changes from the catalog in force to another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CatalogDiff {
    /// Whether the two say the same in everything, titles and order included.
    pub identical: bool,
    /// Ids of permissions. One is changed when its words, its API, its audience or its conditions are others.
    pub permissions: NamesDiff,
    /// Keys of roles. One is changed when its name, its place or its permissions are others.
    pub roles: NamesDiff,
    /// Audience of tokens when nobody asks for another one, if that changes.
    pub default_audience: Option<AudienceChange>,
    /// Roles that somebody holds and whose holders gain or lose something, or that vanish; by key.
    pub held: Vec<HeldRole>,
    /// Roles of organizations' own that hold more or less than before, whether anybody has them or not.
    #[serde(default)]
    pub custom_roles: Vec<CustomRoleDiff>,
    /// Generations that end because their tokens say more than their holder may from then on.
    pub generations_ended: u64,
}

/// Names of one kind, each list in alphabetical order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NamesDiff {
    /// Only the new catalog has them.
    pub added: Vec<String>,
    /// Only the old one has them.
    pub removed: Vec<String>,
    /// Both have them, not alike.
    pub changed: Vec<String>,
}

/// An audience before and after; absent for the issuer itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AudienceChange {
    /// Before.
    pub before: Option<String>,
    /// After.
    pub after: Option<String>,
}

/// A role that somebody holds, and what its holders gain and lose. Who keeps a permission by another role loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeldRole {
    /// Its key.
    pub role: String,
    /// Whether the new catalog has it no more.
    pub vanishes: bool,
    /// The role that takes its place.
    pub replaced_by: Option<String>,
    /// Ids of permissions that some of its holders have only afterwards.
    pub gains: Vec<String>,
    /// Ids of permissions that some of its holders have no more.
    pub loses: Vec<String>,
    /// Everybody who holds it as a role of his own, by organization. Whoever inherits it is not counted again.
    pub holders: Vec<HoldersIn>,
}

/// A role of an organization's own, with ids of permissions that only one of two catalogs has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CustomRoleDiff {
    /// The root organization that made it.
    pub organization_id: OrganizationId,
    /// Its name.
    pub organization_name: String,
    /// The role's key.
    pub role: String,
    /// What gives something only afterwards.
    pub gains: Vec<String>,
    /// What gives nothing any more.
    pub loses: Vec<String>,
}

/// How many hold a role in one organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HoldersIn {
    /// Where.
    pub organization_id: OrganizationId,
    /// Its name.
    pub organization_name: String,
    /// Direct members.
    pub memberships: u64,
    /// Unrevoked API Keys.
    pub keys: u64,
    /// Invitations that may still be accepted.
    pub invitations: u64,
}
