//! Bodies of keys. They are our own: what they do not know is refused by name.

use keywright_core::{
    Error, Page,
    keys::{
        CreatedKey, ExpiryState, KeyRecord, KeyState,
        api::{ApiKey, ApiKeyChange, Introspection, NewApiKey, Protection},
        rotation::{self, RotatedKey, Rotation},
    },
};
use keywright_protocol::{KeyId, OrganizationId, Time, UserId, admin::RolesIn};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// What is empty is not known.
fn known(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyPage<T> {
    /// The keys, oldest first.
    data: Vec<T>,
    /// Which page, from 1.
    page: u32,
    /// How many a page.
    per_page: u32,
    /// How many there are in all.
    total: i64,
}

impl<T> KeyPage<T> {
    pub(crate) fn new<K>(keys: Page<K>, (page, per_page): (u32, u32), item: impl FnMut(K) -> Result<T, Error>) -> Result<Self, Error> {
        let total = keys.total;
        Ok(Self { data: keys.rows.into_iter().map(item).collect::<Result<_, _>>()?, page, per_page, total })
    }
}

/// A Personal Access Key. Its secret is nowhere.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonalAccessKeyItem {
    /// Its id.
    id: KeyId,
    /// Its name.
    name: String,
    /// Whose it is.
    user_id: Option<UserId>,
    /// His address.
    email: Option<String>,
    /// `Active`, `Expired` or `Revoked`.
    state: &'static str,
    /// `ok`; `warning` when 30 days are left at most; `critical` when 7 days are left at most, or none.
    expiry_state: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// When it was revoked; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Time>,
    /// When it was last exchanged for a token; null if it never was. Known about a second later.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Time>,
    /// From where.
    last_used_address: Option<String>,
}

impl PersonalAccessKeyItem {
    pub(crate) fn new(key: KeyRecord, now: Time) -> Self {
        Self {
            state: KeyState::of(&key, now).as_str(),
            expiry_state: ExpiryState::of(key.expires_at, now).as_str(),
            id: key.id,
            name: key.name,
            user_id: key.user_id,
            email: key.user_email,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            last_used_address: known(key.last_used_address),
        }
    }
}

/// A Personal Access Key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewPersonalAccessKey {
    /// The key itself. It is shown once.
    #[schema(value_type = String)]
    key: Zeroizing<String>,
    /// What a list says of it.
    #[serde(flatten)]
    item: PersonalAccessKeyItem,
}

impl NewPersonalAccessKey {
    pub(crate) fn new(made: CreatedKey, now: Time) -> Self {
        Self { key: Zeroizing::new(made.secret.reveal().to_owned()), item: PersonalAccessKeyItem::new(made.record, now) }
    }
}

/// A Personal Access Key to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PersonalAccessKeyBody {
    /// What it is for: 1 to 128 characters.
    pub(crate) name: String,
    /// When it expires; without it after the default life of this installation.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub(crate) expires_at: Option<Time>,
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameBody {
    /// 1 to 128 characters.
    pub(crate) name: String,
}

/// What an API Key may do in one organization.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrantBody {
    /// The key's own organization, or a sub-organization of it.
    organization_id: OrganizationId,
    /// Role keys, as in `/roles.json`; `owner` besides.
    roles: Vec<String>,
}

impl From<RolesIn> for GrantBody {
    fn from(RolesIn { organization_id, roles }: RolesIn) -> Self {
        Self { organization_id, roles }
    }
}

fn grants(bodies: Vec<GrantBody>) -> Vec<RolesIn> {
    bodies.into_iter().map(|GrantBody { organization_id, roles }| RolesIn { organization_id, roles }).collect()
}

/// An API Key. Its secret is nowhere.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyItem {
    /// Its id, the same for as long as there is the key.
    id: KeyId,
    /// Its name, unique among the organization's unrevoked ones.
    name: String,
    /// The address that stands for it in tokens and logs; no mail goes there.
    email: Option<String>,
    /// `Pending`, `Active`, `Expired`, `Suspended` or `Revoked`.
    state: &'static str,
    /// `ok`; `warning` when 30 days are left at most; `critical` when 7 days are left at most, or none.
    expiry_state: &'static str,
    /// What it may do where.
    grants: Vec<GrantBody>,
    /// Networks that it is exchanged from; empty for everywhere.
    allowed_addresses: Vec<String>,
    /// What people should know about it.
    description: String,
    /// For the organization's own programs.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// Whether it cannot be revoked until this is off again.
    delete_protection: bool,
    /// Whether it may ask about the tokens and keys of everybody at `/oauth/introspect`.
    introspect: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// By whom: `user` and his id, or `host`.
    created_by: String,
    /// Not valid before.
    #[schema(value_type = String, format = DateTime)]
    not_before: Time,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// Since when it is suspended; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    suspended_at: Option<Time>,
    /// When it was revoked; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Time>,
    /// When it was last exchanged for a token; null if it never was. Known about a second later.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Time>,
    /// From where.
    last_used_address: Option<String>,
}

impl ApiKeyItem {
    pub(crate) fn new(key: ApiKey, now: Time) -> Result<Self, Error> {
        let allowed_addresses = key.allowed_addresses().map(str::to_owned).collect();
        let ApiKey { record: key, grants } = key;
        Ok(Self {
            state: KeyState::of(&key, now).as_str(),
            expiry_state: ExpiryState::of(key.expires_at, now).as_str(),
            grants: grants.into_iter().map(GrantBody::from).collect(),
            allowed_addresses,
            metadata: serde_json::from_str(&key.metadata).map_err(|_| Error::Internal("a key's metadata cannot be read"))?,
            delete_protection: key.protected_at.is_some(),
            introspect: key.introspects_at.is_some(),
            id: key.id,
            name: key.name,
            email: key.email,
            description: key.description,
            created_at: key.created_at,
            created_by: key.created_by,
            not_before: key.not_before,
            expires_at: key.expires_at,
            suspended_at: key.suspended_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            last_used_address: known(key.last_used_address),
        })
    }
}

/// An API Key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewApiKeyItem {
    /// The secret. It is shown once.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// What a list says of it.
    #[serde(flatten)]
    item: ApiKeyItem,
}

impl NewApiKeyItem {
    pub(crate) fn new(made: CreatedKey, now: Time) -> Result<Self, Error> {
        let secret = Zeroizing::new(made.secret.reveal().to_owned());
        Ok(Self { secret, item: ApiKeyItem::new(ApiKey { record: made.record, grants: made.grants }, now)? })
    }
}

/// An API Key to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiKeyBody {
    /// 1 to 128 characters, unique among the organization's unrevoked API Keys.
    name: String,
    /// What it may do where, within one's own permissions.
    grants: Vec<GrantBody>,
    /// When it expires; without it after the default life of this installation.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    expires_at: Option<Time>,
    /// Not valid before; without it at once.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    not_before: Option<Time>,
    /// Networks (CIDR) or single addresses, IPv4 and IPv6, 64 at most; empty for everywhere.
    #[serde(default)]
    #[schema(required = false)]
    allowed_addresses: Vec<String>,
    /// 1,000 characters at most.
    #[serde(default)]
    #[schema(required = false)]
    description: String,
    /// A JSON object of 4 KiB at most.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    metadata: Map<String, Value>,
    /// Whether it cannot be revoked until this is off again.
    #[serde(default)]
    #[schema(required = false)]
    delete_protection: bool,
    /// Whether it may ask about the tokens and keys of everybody at `/oauth/introspect`; for keys of the operator organization alone.
    #[serde(default)]
    #[schema(required = false)]
    introspect: bool,
}

impl From<ApiKeyBody> for NewApiKey {
    fn from(body: ApiKeyBody) -> Self {
        Self {
            name: body.name,
            grants: grants(body.grants),
            expires_at: body.expires_at,
            not_before: body.not_before,
            allowed_addresses: body.allowed_addresses,
            description: body.description,
            metadata: body.metadata,
            protection: if body.delete_protection { Protection::On } else { Protection::Off },
            introspection: introspection(body.introspect),
        }
    }
}

/// What changes about an API Key; what is left out stays. `null` is refused, since it might mean either.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiKeyChangeBody {
    /// Another name; the earlier ones go on working.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    name: Option<String>,
    /// These grants and no others.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<GrantBody>, required = false)]
    grants: Option<Vec<GrantBody>>,
    /// Not valid before.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, format = DateTime, required = false)]
    not_before: Option<Time>,
    /// These networks and no others; an empty list for everywhere.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<String>, required = false)]
    allowed_addresses: Option<Vec<String>>,
    /// Another description.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    description: Option<String>,
    /// Other metadata, all of it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Object, required = false)]
    metadata: Option<Map<String, Value>>,
    /// Whether it cannot be revoked until this is off again.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    delete_protection: Option<bool>,
    /// Whether it may ask about the tokens and keys of everybody at `/oauth/introspect`; for keys of the operator organization alone.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    introspect: Option<bool>,
}

impl From<ApiKeyChangeBody> for ApiKeyChange {
    fn from(body: ApiKeyChangeBody) -> Self {
        Self {
            name: body.name,
            grants: body.grants.map(grants),
            not_before: body.not_before,
            allowed_addresses: body.allowed_addresses,
            description: body.description,
            metadata: body.metadata,
            protection: body.delete_protection.map(|on| if on { Protection::On } else { Protection::Off }),
            introspection: body.introspect.map(introspection),
        }
    }
}

const fn introspection(everything: bool) -> Introspection {
    if everything { Introspection::Everything } else { Introspection::OwnTree }
}

pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// How an API Key is rotated.
#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RotationBody {
    /// How long the old secret goes on, in seconds: 24 hours without it, 30 days at most, 0 to end it at once.
    #[serde(default)]
    #[schema(required = false)]
    overlap_seconds: Option<u64>,
    /// Another expiry; without it the old one stays. A key that has expired needs one.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    expires_at: Option<Time>,
}

impl From<RotationBody> for Rotation {
    fn from(body: RotationBody) -> Self {
        Self { overlap: body.overlap_seconds.map_or(rotation::DEFAULT_OVERLAP, Duration::from_secs), expires_at: body.expires_at }
    }
}

/// An API Key with another secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RotatedBody {
    /// The key's id, the same as before.
    id: KeyId,
    /// The new secret. It is shown once.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// The secret's number, counted from 1.
    version: i64,
    /// When the key expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// Until when the old secret is taken; null if it is not any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    old_secret_ends_at: Option<Time>,
}

impl RotatedBody {
    pub(crate) fn new(id: KeyId, key: &RotatedKey) -> Self {
        let secret = Zeroizing::new(key.secret.reveal().to_owned());
        Self { id, secret, version: key.version, expires_at: key.expires_at, old_secret_ends_at: key.old_secret_ends_at }
    }
}
