//! From what the service knows of keys to their bodies, and back.

use keywright_core::{
    Error, Page,
    keys::{
        CreatedKey, ExpiryState, KeyRecord, KeyState,
        api::{ApiKey, ApiKeyChange, Introspection, NewApiKey, Protection},
        rotation::{self, RotatedKey, Rotation},
    },
};
use keywright_protocol::{
    KeyId, Time,
    admin::RolesIn,
    keys::{
        ApiKeyBody, ApiKeyChangeBody, ApiKeyItem, GrantBody, KeyPage, NewApiKeyItem, NewPersonalAccessKey, PersonalAccessKeyItem, RotatedBody, RotationBody,
    },
};
use serde::{Deserialize, Deserializer};
use std::time::Duration;
use zeroize::Zeroizing;

/// What is empty is not known.
fn known(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A page of keys.
pub(crate) fn key_page<K, T>(keys: Page<K>, (page, per_page): (u32, u32), item: impl FnMut(K) -> Result<T, Error>) -> Result<KeyPage<T>, Error> {
    let total = keys.total;
    Ok(KeyPage { data: keys.rows.into_iter().map(item).collect::<Result<_, _>>()?, page, per_page, total })
}

/// What a list says of a Personal Access Key.
pub(crate) fn personal_access_key(key: KeyRecord, now: Time) -> PersonalAccessKeyItem {
    PersonalAccessKeyItem {
        state: KeyState::of(&key, now).as_str().into(),
        expiry_state: ExpiryState::of(key.expires_at, now).as_str().into(),
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

/// A Personal Access Key that was just made, with its secret.
pub(crate) fn new_personal_access_key(made: CreatedKey, now: Time) -> NewPersonalAccessKey {
    NewPersonalAccessKey { key: Zeroizing::new(made.secret.reveal().to_owned()), item: personal_access_key(made.record, now) }
}

fn grants(bodies: Vec<GrantBody>) -> Vec<RolesIn> {
    bodies.into_iter().map(|GrantBody { organization_id, roles }| RolesIn { organization_id, roles }).collect()
}

/// What a list says of an API Key.
pub(crate) fn api_key(key: ApiKey, now: Time) -> Result<ApiKeyItem, Error> {
    let allowed_addresses = key.allowed_addresses().map(str::to_owned).collect();
    let ApiKey { record: key, grants } = key;
    Ok(ApiKeyItem {
        state: KeyState::of(&key, now).as_str().into(),
        expiry_state: ExpiryState::of(key.expires_at, now).as_str().into(),
        grants: grants.into_iter().map(|RolesIn { organization_id, roles }| GrantBody { organization_id, roles }).collect(),
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

/// An API Key that was just made, with its secret.
pub(crate) fn new_api_key(made: CreatedKey, now: Time) -> Result<NewApiKeyItem, Error> {
    let secret = Zeroizing::new(made.secret.reveal().to_owned());
    Ok(NewApiKeyItem { secret, item: api_key(ApiKey { record: made.record, grants: made.grants }, now)? })
}

/// What is to be made.
pub(crate) fn api_key_to_make(body: ApiKeyBody) -> NewApiKey {
    NewApiKey {
        name: body.name,
        grants: grants(body.grants),
        expires_at: body.expires_at,
        not_before: body.not_before,
        allowed_addresses: body.allowed_addresses,
        description: body.description,
        metadata: body.metadata,
        protection: if body.delete_protection { Protection::On } else { Protection::Off },
        introspection: if body.introspect { Introspection::Everything } else { Introspection::OwnTree },
    }
}

/// What is to change.
pub(crate) fn api_key_change(body: ApiKeyChangeBody) -> ApiKeyChange {
    ApiKeyChange {
        name: body.name,
        grants: body.grants.map(grants),
        not_before: body.not_before,
        allowed_addresses: body.allowed_addresses,
        description: body.description,
        metadata: body.metadata,
        protection: body.delete_protection.map(|on| if on { Protection::On } else { Protection::Off }),
        introspection: body.introspect.map(|on| if on { Introspection::Everything } else { Introspection::OwnTree }),
    }
}

/// Reads a member that may be left out, and is no `null` if it is there.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// How a key is to be rotated.
pub(crate) fn rotation(body: &RotationBody) -> Rotation {
    Rotation { overlap: body.overlap_seconds.map_or(rotation::DEFAULT_OVERLAP, Duration::from_secs), expires_at: body.expires_at }
}

/// An API Key with another secret.
pub(crate) fn rotated(id: KeyId, key: &RotatedKey) -> RotatedBody {
    let secret = Zeroizing::new(key.secret.reveal().to_owned());
    RotatedBody { id, secret, version: key.version, expires_at: key.expires_at, old_secret_ends_at: key.old_secret_ends_at }
}
