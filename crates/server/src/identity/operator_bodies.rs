//! Bodies of what operator keys do, and of what is done with them. They are our own: what is unknown in them is refused by name.

use crate::error::ApiError;
use keywright_core::{
    Error,
    keys::rotation::{DEFAULT_OVERLAP, RotatedKey, Rotation},
    operator::{NewOperatorKey, OperatorKey},
    provisioning::{NewRoot, RootChange, RootRow, UserRow},
    secret::KeySecret,
    tree_limits::{Allowance, Allowances, TreeLimits},
};
use keywright_protocol::{KeyId, OperatorScope, OrganizationId, Time, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// An operator key to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewOperatorKeyBody {
    /// Its name.
    name: String,
    /// What it may do, one at least.
    scopes: Vec<OperatorScope>,
    /// When it expires; without it after the default life.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
    /// Networks (CIDR) or addresses that it is taken from; none for everywhere.
    #[serde(default)]
    allowed_addresses: Vec<String>,
}

impl From<NewOperatorKeyBody> for NewOperatorKey {
    fn from(NewOperatorKeyBody { name, scopes, expires_at, allowed_addresses }: NewOperatorKeyBody) -> Self {
        Self { name, scopes, expires_at, allowed_addresses }
    }
}

/// An operator key, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperatorKeyItem {
    /// Its id.
    id: KeyId,
    /// Its name.
    name: String,
    /// What it may do.
    scopes: Vec<OperatorScope>,
    /// Networks that it is taken from; none for everywhere.
    allowed_addresses: Vec<String>,
    /// `Active`, `Expired` or `Revoked`.
    state: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// By whom.
    created_by: String,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// When it was revoked; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Time>,
}

impl OperatorKeyItem {
    pub(crate) fn new(key: OperatorKey, now: Time) -> Self {
        Self {
            state: key.state(now).as_str(),
            id: key.row.id,
            scopes: key.scopes.to_vec(),
            allowed_addresses: key.addresses.to_texts(),
            created_at: key.row.created_at,
            expires_at: key.row.expires_at,
            revoked_at: key.row.revoked_at,
            created_by: key.row.created_by,
            name: key.row.name,
        }
    }
}

/// An operator key just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeOperatorKey {
    /// What a list says of it.
    #[serde(flatten)]
    item: OperatorKeyItem,
    /// Its secret. It is in this answer and in no other.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
}

impl MadeOperatorKey {
    pub(crate) fn new((key, secret): (OperatorKey, KeySecret), now: Time) -> Self {
        Self { item: OperatorKeyItem::new(key, now), secret: Zeroizing::new(secret.reveal().to_owned()) }
    }
}

/// How an operator key is rotated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct OperatorKeyRotation {
    /// How long the old secret goes on, in seconds: 24 hours without it, 30 days at most, 0 to end it at once.
    overlap_seconds: Option<u64>,
    /// Another expiry; without it the old one stays. A key that has expired needs one.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
}

impl From<OperatorKeyRotation> for Rotation {
    fn from(OperatorKeyRotation { overlap_seconds, expires_at }: OperatorKeyRotation) -> Self {
        Self { overlap: overlap_seconds.map_or(DEFAULT_OVERLAP, Duration::from_secs), expires_at }
    }
}

/// An operator key with another secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RotatedOperatorKey {
    /// The key's id, the same as before.
    id: KeyId,
    /// The new secret. It is in this answer and in no other.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// When the key expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// Until when the old secret is taken; null if it is not any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    old_secret_ends_at: Option<Time>,
}

impl RotatedOperatorKey {
    pub(crate) fn new(id: KeyId, key: &RotatedKey) -> Self {
        let secret = Zeroizing::new(key.secret.reveal().to_owned());
        Self { id, secret, expires_at: key.expires_at, old_secret_ends_at: key.old_secret_ends_at }
    }
}

/// Limits of a root with its sub-organizations. What is null or left out is as the installation has it.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct LimitsBody {
    /// Unrevoked API Keys.
    api_keys: Option<u32>,
    /// People who are direct members of any of these organizations.
    members: Option<u32>,
    /// Sub-organizations.
    sub_organizations: Option<u32>,
}

impl From<LimitsBody> for TreeLimits {
    fn from(body: LimitsBody) -> Self {
        Self { api_keys: body.api_keys.map(i64::from), members: body.members.map(i64::from), sub_organizations: body.sub_organizations.map(i64::from) }
    }
}

impl From<TreeLimits> for LimitsBody {
    fn from(limits: TreeLimits) -> Self {
        let shown = |limit: Option<i64>| limit.and_then(|limit| u32::try_from(limit).ok());
        Self { api_keys: shown(limits.api_keys), members: shown(limits.members), sub_organizations: shown(limits.sub_organizations) }
    }
}

/// One limit with what there is.
#[derive(Serialize, ToSchema)]
pub(crate) struct AllowanceBody {
    /// As it was set for this root; null if the installation's setting holds.
    own: Option<i64>,
    /// What holds; null for any number.
    limit: Option<i64>,
    /// How many there are.
    used: i64,
}

impl From<Allowance> for AllowanceBody {
    fn from(Allowance { own, limit, used }: Allowance) -> Self {
        Self { own, limit, used }
    }
}

/// Limits and use of a root with its sub-organizations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AllowancesBody {
    /// Unrevoked API Keys.
    api_keys: AllowanceBody,
    /// People who are direct members of any of these organizations.
    members: AllowanceBody,
    /// Sub-organizations.
    sub_organizations: AllowanceBody,
}

impl From<Allowances> for AllowancesBody {
    fn from(all: Allowances) -> Self {
        Self { api_keys: all.api_keys.into(), members: all.members.into(), sub_organizations: all.sub_organizations.into() }
    }
}

/// A root organization to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewRootBody {
    /// Its name.
    name: String,
    /// Your own id for it, unique for ever: 1 to 128 visible ASCII characters.
    #[serde(default)]
    external_id: Option<String>,
    /// A JSON object for your own programs, 4 kB at most.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// What it may have with its sub-organizations.
    #[serde(default)]
    limits: LimitsBody,
}

impl From<NewRootBody> for NewRoot {
    fn from(NewRootBody { name, external_id, metadata, limits }: NewRootBody) -> Self {
        Self { name, external_id, metadata, limits: limits.into() }
    }
}

/// What a root organization is to be. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootBody {
    /// Its name.
    name: String,
    /// A JSON object for your own programs, 4 kB at most; it takes the place of the one before.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// What it may have with its sub-organizations, all of it: what is null or left out in here is as the installation has it.
    #[serde(default)]
    limits: Option<LimitsBody>,
}

impl From<RootBody> for RootChange {
    fn from(RootBody { name, metadata, limits }: RootBody) -> Self {
        Self { name, metadata, limits: limits.map(TreeLimits::from) }
    }
}

/// A root organization as its operator's programs see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RootItem {
    /// Its id.
    id: OrganizationId,
    /// Its name.
    name: String,
    /// Your own id for it.
    external_id: Option<String>,
    /// What you noted about it.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// The limits that were set for it.
    limits: LimitsBody,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it was suspended; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    suspended_at: Option<Time>,
}

impl TryFrom<RootRow> for RootItem {
    type Error = ApiError;

    fn try_from(row: RootRow) -> Result<Self, ApiError> {
        let metadata = serde_json::from_str(&row.metadata).map_err(|_| Error::Internal("an organization's metadata cannot be read"))?;
        Ok(Self {
            id: row.organization.id,
            name: row.organization.name,
            external_id: row.external_id,
            metadata,
            limits: row.limits.into(),
            created_at: row.organization.created_at,
            suspended_at: row.organization.suspended_at,
        })
    }
}

/// A user to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// His address.
    pub(crate) email: String,
    /// His name.
    pub(crate) name: String,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddedUser {
    /// His id.
    id: UserId,
    /// His address, in small letters.
    email: String,
    /// His name.
    name: String,
    /// When he was disabled; null if he is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Time>,
}

impl From<UserRow> for AddedUser {
    fn from(row: UserRow) -> Self {
        Self { id: row.id, email: row.email, name: row.name, disabled_at: row.disabled_at }
    }
}
