//! Profiles on the wire.

use super::Profile;
use crate::{
    body::Shape,
    versions::{VersionOut, VersionRow},
};
use keywright_protocol::{ProfileId, Time};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use utoipa::ToSchema;
use uuid::Uuid;

/// A distribution profile as it stands in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Profile)]
pub(crate) struct ProfileOut {
    /// Never changes.
    id: ProfileId,
    /// Unique within the organization.
    name: String,
    /// Shown before the others.
    pinned: bool,
    /// Version of the newest iOS app, as its file's name tells it; null if there is none, or it tells none.
    #[serde(rename = "iOSVersion")]
    ios_version: Option<String>,
    /// The same for Android.
    android_version: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    create_date: Time,
    /// When it was last changed itself; uploads do not count.
    #[schema(value_type = String, format = DateTime)]
    update_date: Time,
    /// When an app version was last shared with testers: null, since nothing is sent from here.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_app_version_shared_date: Option<Time>,
    settings: SettingsOut,
    /// The testing groups it is shared with; null when there are none, never an empty array.
    testing_group_ids: Option<Vec<Uuid>>,
}

/// Settings of a profile. The password is never among them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProfileSettings)]
pub(crate) struct SettingsOut {
    /// How testers authenticate: 1 none, 2 individual, 3 static user name and password, 4 LDAP, 5 SSO.
    #[schema(minimum = 1, maximum = 5)]
    authentication_type: i64,
    /// The static user name. Only for callers with `distribution.auth.view`, and only if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    /// Whether testers are to get new app versions by themselves. It is kept; nothing is sent from here.
    auto_send_enabled: bool,
}

/// A distribution profile and its app versions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProfileWithAppVersions)]
pub(crate) struct ProfileDetails {
    #[serde(flatten)]
    profile: ProfileOut,
    /// The newest first, at most 100; empty as long as nothing was uploaded.
    app_versions: Vec<VersionOut>,
}

/// Settings of a profile by themselves.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProfileSettingsWithTestingGroups)]
pub(crate) struct FlatSettings {
    #[serde(flatten)]
    settings: SettingsOut,
    /// The testing groups it is shared with; null when there are none, never an empty array.
    testing_group_ids: Option<Vec<Uuid>>,
}

impl FlatSettings {
    pub(super) fn new(profile: Profile, authentication: Authentication) -> Self {
        let ProfileOut { settings, testing_group_ids, .. } = ProfileOut::new(profile, authentication);
        Self { settings, testing_group_ids }
    }
}

/// Whether the caller sees more of a profile's authentication than its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authentication {
    TypeOnly,
    Shown,
}

impl ProfileOut {
    pub(super) fn new(profile: Profile, authentication: Authentication) -> Self {
        let Profile { row, testing_groups } = profile;
        Self {
            id: row.id,
            name: row.name,
            pinned: row.pinned,
            ios_version: row.ios_version,
            android_version: row.android_version,
            create_date: row.created_at,
            update_date: row.updated_at,
            last_app_version_shared_date: None,
            settings: SettingsOut {
                authentication_type: row.authentication_type,
                username: row.username.filter(|_| authentication == Authentication::Shown),
                auto_send_enabled: row.auto_send_enabled,
            },
            testing_group_ids: Some(testing_groups).filter(|groups| !groups.is_empty()),
        }
    }
}

impl ProfileDetails {
    pub(super) fn new(profile: Profile, versions: Vec<VersionRow>, authentication: Authentication) -> Self {
        Self { profile: ProfileOut::new(profile, authentication), app_versions: versions.into_iter().map(VersionOut::from).collect() }
    }
}

/// A profile to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewProfile {
    /// 1 to 128 characters, no control characters or invisible ones; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 128)]
    pub(super) name: String,
}

impl Shape for NewProfile {
    const EXAMPLE: &'static str = r#"{"name": "Nightly builds"}"#;
}

/// What is to be changed of a profile; a member that is not there, or null, stays as it is, but for `testingGroupIds`. Unknown members are
/// ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfilePatch {
    /// 1 to 128 characters, no control characters or invisible ones; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 128)]
    pub(super) name: Option<String>,
    pub(super) pinned: Option<bool>,
    /// All testing groups it is to be shared with, at most 100; null or an empty array for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Uuid>>)]
    pub(super) testing_group_ids: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "object")]
    pub(super) settings: Option<SettingsPatch>,
}

/// What is to be changed of a profile's settings; a member that is not there, or null, stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProfileSettingsPatch)]
pub(crate) struct SettingsPatch {
    /// 1 none, 2 individual, 3 static user name and password, 4 LDAP, 5 SSO.
    #[schema(minimum = 1, maximum = 5)]
    pub(super) authentication_type: Option<i64>,
    /// For static authentication; at most 128 characters, an empty text takes it away.
    #[schema(max_length = 128)]
    pub(super) username: Option<String>,
    /// For static authentication; at most 1024 bytes, an empty text takes it away. Never given out again.
    #[schema(max_length = 1024, write_only)]
    pub(super) password: Option<String>,
    pub(super) auto_send_enabled: Option<bool>,
}

impl Shape for ProfilePatch {
    const EXAMPLE: &'static str = r#"{"pinned": true, "settings": {"authenticationType": 3, "username": "qa", "password": "..."}}"#;
}

/// What is to be changed of a profile's settings by themselves; a member that is not there, or null, stays as it is, but for
/// `testingGroupIds`. Unknown members are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProfileSettingsWithTestingGroupsPatch)]
pub(crate) struct FlatSettingsPatch {
    /// All testing groups it is to be shared with, at most 100; null or an empty array for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Uuid>>)]
    testing_group_ids: Option<Option<Vec<String>>>,
    /// 1 none, 2 individual, 3 static user name and password, 4 LDAP, 5 SSO.
    #[schema(minimum = 1, maximum = 5)]
    authentication_type: Option<i64>,
    /// For static authentication; at most 128 characters, an empty text takes it away.
    #[schema(max_length = 128)]
    username: Option<String>,
    /// For static authentication; at most 1024 bytes, an empty text takes it away. Never given out again.
    #[schema(max_length = 1024, write_only)]
    password: Option<String>,
    auto_send_enabled: Option<bool>,
}

impl From<FlatSettingsPatch> for ProfilePatch {
    fn from(patch: FlatSettingsPatch) -> Self {
        let FlatSettingsPatch { testing_group_ids, authentication_type, username, password, auto_send_enabled } = patch;
        Self { name: None, pinned: None, testing_group_ids, settings: Some(SettingsPatch { authentication_type, username, password, auto_send_enabled }) }
    }
}

impl Shape for FlatSettingsPatch {
    const EXAMPLE: &'static str = r#"{"autoSendEnabled": true, "testingGroupIds": []}"#;
}

/// An object or null: serde would take an array for a struct, member by member.
fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let members = Option::<serde_json::Map<String, serde_json::Value>>::deserialize(deserializer)?;
    members.map(|members| serde_json::from_value(members.into())).transpose().map_err(D::Error::custom)
}

/// Tells a null from a member that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
