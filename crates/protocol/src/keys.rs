//! Bodies of keys in the identity API: what is listed, what is made, what changes. A secret is in the one answer that made it.
//!
//! What is sent is refused by name if it is not known; what is answered may have more members tomorrow.

use crate::{
    form::present,
    ids::{KeyId, OrganizationId, UserId},
    time::Time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyPage<T> {
    /// The keys, oldest first.
    pub data: Vec<T>,
    /// Which page, from 1.
    pub page: u32,
    /// How many a page.
    pub per_page: u32,
    /// How many there are in all.
    pub total: i64,
}

/// A Personal Access Key. Its secret is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PersonalAccessKeyItem {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub user_id: Option<UserId>,
    /// His address.
    pub email: Option<String>,
    /// `Active`, `Expired` or `Revoked`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub state: Cow<'static, str>,
    /// `ok`; `warning` when 30 days are left at most; `critical` when 7 days are left at most, or none.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub expiry_state: Cow<'static, str>,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// When it expires.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Time,
    /// When it was revoked; null if it is not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub revoked_at: Option<Time>,
    /// When it was last exchanged for a token; null if it never was. Known about a second later.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_used_at: Option<Time>,
    /// From where.
    pub last_used_address: Option<String>,
}

/// A Personal Access Key that was just made.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewPersonalAccessKey {
    /// The key itself. It is shown once.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub key: Zeroizing<String>,
    /// What a list says of it.
    #[serde(flatten)]
    pub item: PersonalAccessKeyItem,
}

/// A Personal Access Key to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersonalAccessKeyBody {
    /// What it is for: 1 to 128 characters.
    pub name: String,
    /// When it expires; without it after the default life of this installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, required = false))]
    pub expires_at: Option<Time>,
}

/// Another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NameBody {
    /// 1 to 128 characters.
    pub name: String,
}

/// What an API Key may do in one organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantBody {
    /// The key's own organization, or a sub-organization of it.
    pub organization_id: OrganizationId,
    /// Role keys, as in `/roles.json`; `owner` besides.
    pub roles: Vec<String>,
}

/// An API Key. Its secret is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyItem {
    /// Its id, the same for as long as there is the key.
    pub id: KeyId,
    /// Its name, unique among the organization's unrevoked ones.
    pub name: String,
    /// The address that stands for it in tokens and logs; no mail goes there.
    pub email: Option<String>,
    /// `Pending`, `Active`, `Expired`, `Suspended` or `Revoked`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub state: Cow<'static, str>,
    /// `ok`; `warning` when 30 days are left at most; `critical` when 7 days are left at most, or none.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub expiry_state: Cow<'static, str>,
    /// What it may do where.
    pub grants: Vec<GrantBody>,
    /// Networks that it is exchanged from; empty for everywhere.
    pub allowed_addresses: Vec<String>,
    /// What people should know about it.
    pub description: String,
    /// For the organization's own programs.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: Map<String, Value>,
    /// Whether it cannot be revoked until this is off again.
    pub delete_protection: bool,
    /// Whether it may ask about the tokens and keys of everybody at `/oauth/introspect`.
    pub introspect: bool,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// By whom: `user` and his id, or `host`.
    pub created_by: String,
    /// Not valid before.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub not_before: Time,
    /// When it expires.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Time,
    /// Since when it is suspended; null if it is not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub suspended_at: Option<Time>,
    /// When it was revoked; null if it is not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub revoked_at: Option<Time>,
    /// When it was last exchanged for a token; null if it never was. Known about a second later.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_used_at: Option<Time>,
    /// From where.
    pub last_used_address: Option<String>,
}

/// An API Key that was just made.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewApiKeyItem {
    /// The secret. It is shown once.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub secret: Zeroizing<String>,
    /// What a list says of it.
    #[serde(flatten)]
    pub item: ApiKeyItem,
}

/// An API Key to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyBody {
    /// 1 to 128 characters, unique among the organization's unrevoked API Keys.
    pub name: String,
    /// What it may do where, within one's own permissions.
    pub grants: Vec<GrantBody>,
    /// When it expires; without it after the default life of this installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, required = false))]
    pub expires_at: Option<Time>,
    /// Not valid before; without it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, required = false))]
    pub not_before: Option<Time>,
    /// Networks (CIDR) or single addresses, IPv4 and IPv6, 64 at most; empty for everywhere.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub allowed_addresses: Vec<String>,
    /// 1,000 characters at most.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub description: String,
    /// A JSON object of 4 KiB at most.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object, required = false))]
    pub metadata: Map<String, Value>,
    /// Whether it cannot be revoked until this is off again.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub delete_protection: bool,
    /// Whether it may ask about the tokens and keys of everybody at `/oauth/introspect`; for keys of the operator organization alone.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub introspect: bool,
}

/// What changes about an API Key; what is left out stays. `null` is refused, since it might mean either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyChangeBody {
    /// Another name; the earlier ones go on working.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    pub name: Option<String>,
    /// These grants and no others.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<GrantBody>, required = false))]
    pub grants: Option<Vec<GrantBody>>,
    /// Not valid before.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime, required = false))]
    pub not_before: Option<Time>,
    /// These networks and no others; an empty list for everywhere.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, required = false))]
    pub allowed_addresses: Option<Vec<String>>,
    /// Another description.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    pub description: Option<String>,
    /// Other metadata, all of it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object, required = false))]
    pub metadata: Option<Map<String, Value>>,
    /// Whether it cannot be revoked until this is off again.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = bool, required = false))]
    pub delete_protection: Option<bool>,
    /// Whether it may ask about the tokens and keys of everybody at `/oauth/introspect`; for keys of the operator organization alone.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = bool, required = false))]
    pub introspect: Option<bool>,
}

/// How an API Key is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotationBody {
    /// How long the old secret goes on, in seconds: 24 hours without it, 30 days at most, 0 to end it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub overlap_seconds: Option<u64>,
    /// Another expiry; without it the old one stays. A key that has expired needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, required = false))]
    pub expires_at: Option<Time>,
}

/// An API Key with another secret.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RotatedBody {
    /// The key's id, the same as before.
    pub id: KeyId,
    /// The new secret. It is shown once.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub secret: Zeroizing<String>,
    /// The secret's number, counted from 1.
    pub version: i64,
    /// When the key expires.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Time,
    /// Until when the old secret is taken; null if it is not any more.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub old_secret_ends_at: Option<Time>,
}
