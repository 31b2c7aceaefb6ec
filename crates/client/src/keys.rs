//! Personal Access Keys and API Keys. Making, widening, rotating and resuming one takes a person whose session is fresh.

use crate::{Authorized, Changed, ClientError, Place};
use keywright_protocol::{
    KeyId, Time,
    keys::{
        ApiKeyBody, ApiKeyChangeBody, ApiKeyItem, KeyPage, NameBody, NewApiKeyItem, NewPersonalAccessKey, PersonalAccessKeyBody, PersonalAccessKeyItem,
        RotatedBody, RotationBody,
    },
    sessions::SentenceBody,
};
use reqwest::Method;
use std::time::Duration;

/// How a key is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotation {
    /// How long the old secret goes on, in whole seconds; 24 hours without it.
    pub overlap: Option<Duration>,
    /// When the key expires from now on; as before without it.
    pub expires_at: Option<Time>,
}

impl Authorized {
    /// A page of API Keys in whatever state, oldest first, counted from 1.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn api_keys(&self, place: impl Into<Place>, page: u32) -> Result<KeyPage<ApiKeyItem>, ClientError> {
        self.get(&api_keys(place.into()), &[("page", &page.to_string())]).await
    }

    /// One API Key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn api_key(&self, place: impl Into<Place>, key: KeyId) -> Result<ApiKeyItem, ClientError> {
        self.get(&api_key(place.into(), key), &[]).await
    }

    /// Makes an API Key. Its secret is in this answer alone.
    ///
    /// # Errors
    /// [`ClientError`]: 403 `session_not_fresh` when the password must be confirmed first.
    pub async fn create_api_key(&self, place: impl Into<Place>, new: &ApiKeyBody) -> Result<Changed<NewApiKeyItem>, ClientError> {
        self.change(Method::POST, &api_keys(place.into()), &[], Some(new)).await
    }

    /// Changes an API Key; what is `None` stays.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update_api_key(&self, place: impl Into<Place>, key: KeyId, change: &ApiKeyChangeBody) -> Result<Changed<ApiKeyItem>, ClientError> {
        self.change(Method::PATCH, &api_key(place.into(), key), &[], Some(change)).await
    }

    /// Gives an API Key another secret, which is in this answer alone.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rotate_api_key(&self, place: impl Into<Place>, key: KeyId, how: Rotation) -> Result<Changed<RotatedBody>, ClientError> {
        let body = RotationBody { overlap_seconds: how.overlap.map(|overlap| overlap.as_secs()), expires_at: how.expires_at };
        self.change(Method::POST, &format!("{}/rotate", api_key(place.into(), key)), &[], Some(&body)).await
    }

    /// Suspends an API Key until it is resumed; its tokens are taken back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn suspend_api_key(&self, place: impl Into<Place>, key: KeyId) -> Result<Changed<SentenceBody>, ClientError> {
        self.change(Method::POST, &format!("{}/suspend", api_key(place.into(), key)), &[], None::<&()>).await
    }

    /// Takes the suspension of an API Key back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resume_api_key(&self, place: impl Into<Place>, key: KeyId) -> Result<Changed<SentenceBody>, ClientError> {
        self.change(Method::POST, &format!("{}/resume", api_key(place.into(), key)), &[], None::<&()>).await
    }

    /// Revokes an API Key for ever.
    ///
    /// # Errors
    /// [`ClientError`]: 409 for one that is protected.
    pub async fn revoke_api_key(&self, place: impl Into<Place>, key: KeyId) -> Result<Changed<SentenceBody>, ClientError> {
        self.change(Method::DELETE, &api_key(place.into(), key), &[], None::<&()>).await
    }

    /// A page of Personal Access Keys in whatever state, oldest first, counted from 1: one's own, or everybody's for whoever may see them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn personal_access_keys(&self, place: impl Into<Place>, page: u32) -> Result<KeyPage<PersonalAccessKeyItem>, ClientError> {
        self.get(&personal_access_keys(place.into()), &[("page", &page.to_string())]).await
    }

    /// Makes a Personal Access Key for oneself. The key is in this answer alone.
    ///
    /// # Errors
    /// As [`Authorized::create_api_key`].
    pub async fn create_personal_access_key(&self, place: impl Into<Place>, new: &PersonalAccessKeyBody) -> Result<Changed<NewPersonalAccessKey>, ClientError> {
        self.change(Method::POST, &personal_access_keys(place.into()), &[], Some(new)).await
    }

    /// Gives one's own Personal Access Key another name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rename_personal_access_key(&self, place: impl Into<Place>, key: KeyId, name: &str) -> Result<Changed<PersonalAccessKeyItem>, ClientError> {
        self.change(Method::PATCH, &personal_access_key(place.into(), key), &[], Some(&NameBody { name: name.to_owned() })).await
    }

    /// Revokes a Personal Access Key for ever.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke_personal_access_key(&self, place: impl Into<Place>, key: KeyId) -> Result<Changed<SentenceBody>, ClientError> {
        self.change(Method::DELETE, &personal_access_key(place.into(), key), &[], None::<&()>).await
    }
}

fn api_keys(place: Place) -> String {
    format!("/identity/v1/organizations/{place}/api-keys")
}

fn api_key(place: Place, key: KeyId) -> String {
    format!("{}/{key}", api_keys(place))
}

fn personal_access_keys(place: Place) -> String {
    format!("/identity/v1/organizations/{place}/personal-access-keys")
}

fn personal_access_key(place: Place, key: KeyId) -> String {
    format!("{}/{key}", personal_access_keys(place))
}
