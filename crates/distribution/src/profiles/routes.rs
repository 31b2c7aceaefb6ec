//! The routes of profiles: parse, one operation, render.

use super::{
    Change, Listing, VIEW_AUTHENTICATION,
    shapes::{Authentication, FlatSettings, FlatSettingsPatch, NewProfile, ProfileDetails, ProfileOut, ProfilePatch},
};
use crate::{
    App, Error,
    body::JsonBody,
    error::{Thing, id},
    names::Name,
    routes::{Deleted, Pairs, TOTAL_COUNT, one, pairs},
};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use keywright_protocol::ProfileId;
use keywright_verify::{Require, Verified, permission};
use utoipa_axum::{router::OpenApiRouter, routes};

permission!(pub(crate) ViewProfiles = "distribution.profile.view");
permission!(pub(crate) ManageProfiles = "distribution.profile.manage");

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete)).routes(routes!(get_settings, update_settings))
}

fn authentication(caller: &Verified) -> Authentication {
    if caller.may(VIEW_AUTHENTICATION) { Authentication::Shown } else { Authentication::TypeOnly }
}

fn profile_id(path: Result<Path<String>, PathRejection>) -> Result<ProfileId, Error> {
    id(&one(path), Thing::Profile)
}

/// List the organization's profiles
///
/// A bare array in order of creation: all of them, unless `Page` or `Size` ask for a part. Names of parameters are read in any case.
#[utoipa::path(get, path = "/profiles", operation_id = "listProfiles", tag = "profiles",
    params(
        ("Page" = Option<u32>, Query, minimum = 1, description = "Which page, from 1 on; pages have 25 elements unless `Size` says otherwise.", example = 1),
        ("Size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many elements a page has.", example = 50),
        ("search" = Option<String>, Query, max_length = 128, description = "A part of the name, in any case.", example = "Acme"),
    ),
    responses((status = 200, description = "The profiles, none left out unless asked for.", body = Vec<ProfileOut>,
        headers(("X-Total-Count" = i64, description = "How many there are on all pages together.")),
        example = json!([crate::openapi::listed_profile()]))))]
pub(crate) async fn list(Require(caller, _): Require<ViewProfiles>, State(app): State<App>, query: Pairs) -> Result<impl IntoResponse, Error> {
    let (profiles, total) = app.profiles.list(caller.organization_id(), Listing::from_query(pairs(query)?)?).await?;
    let shown = authentication(&caller);
    let body: Vec<ProfileOut> = profiles.into_iter().map(|profile| ProfileOut::new(profile, shown)).collect();
    Ok(([(TOTAL_COUNT, total.to_string())], Json(body)))
}

/// Make a profile
///
/// Members other than `name` are ignored; the profile belongs to the organization that the token is for.
#[utoipa::path(post, path = "/profiles", operation_id = "createProfile", tag = "profiles",
    request_body(content = NewProfile, description = "Read as JSON whatever its content type says.", example = json!({"name": "Nightly builds"})),
    responses((status = 200, description = "The new profile.", body = ProfileDetails, example = json!(crate::openapi::new_profile()))))]
pub(crate) async fn create(
    Require(caller, _): Require<ManageProfiles>,
    State(app): State<App>,
    JsonBody(new): JsonBody<NewProfile>,
) -> Result<Json<ProfileDetails>, Error> {
    let profile = app.profiles.insert(caller.organization_id(), Name::new(&new.name)?, app.clock.now()).await?;
    Ok(Json(ProfileDetails::new(profile, Vec::new(), authentication(&caller))))
}

/// Get a profile
///
/// With its app versions.
#[utoipa::path(get, path = "/profiles/{id}", operation_id = "getProfile", tag = "profiles",
    params(("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21")),
    responses((status = 200, description = "The profile.", body = ProfileDetails, example = json!(crate::openapi::profile()))))]
pub(crate) async fn get(
    Require(caller, _): Require<ViewProfiles>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ProfileDetails>, Error> {
    let (profile, versions) = app.profiles.get_whole(caller.organization_id(), profile_id(path)?).await?;
    Ok(Json(ProfileDetails::new(profile, versions, authentication(&caller))))
}

/// Change a profile
///
/// What is not sent stays as it is. A value that becomes another one needs its permission: `name` and `pinned`
/// `distribution.profile.manage`; `testingGroupIds`, `autoSendEnabled`, `username` and `password` `distribution.profile.settings`;
/// `authenticationType` `distribution.auth.select`. A password that is sent always counts as another one.
#[utoipa::path(patch, path = "/profiles/{id}", operation_id = "updateProfile", tag = "profiles",
    params(("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21")),
    request_body(content = ProfilePatch, description = "Read as JSON whatever its content type says.", example = json!(crate::openapi::patch())),
    responses((status = 200, description = "The whole profile as it is now.", body = ProfileDetails, example = json!(crate::openapi::profile()))))]
pub(crate) async fn update(
    Require(caller, _): Require<ViewProfiles>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    JsonBody(patch): JsonBody<ProfilePatch>,
) -> Result<Json<ProfileDetails>, Error> {
    let id = profile_id(path)?;
    let (shown, organization) = (authentication(&caller), caller.organization_id());
    app.profiles.update(caller, id, Change::from_patch(patch)?, app.clock.now()).await?;
    let (profile, versions) = app.profiles.get_whole(organization, id).await?;
    Ok(Json(ProfileDetails::new(profile, versions, shown)))
}

/// Delete a profile
///
/// With its app versions and their files, and with uploads that are under way.
#[utoipa::path(delete, path = "/profiles/{id}", operation_id = "deleteProfile", tag = "profiles",
    params(("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21")),
    responses((status = 200, description = "It is deleted.", body = Deleted, example = json!({"id": "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21"}))))]
pub(crate) async fn delete(
    Require(caller, _): Require<ManageProfiles>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Deleted>, Error> {
    let id = profile_id(path)?;
    app.profiles.delete(caller.organization_id(), id, app.clock.now()).await?;
    Ok(Deleted::json(id.as_uuid()))
}

/// Get a profile's settings
#[utoipa::path(get, path = "/profiles/{id}/settings", operation_id = "getProfileSettings", tag = "profiles",
    params(("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21")),
    responses((status = 200, description = "The settings.", body = FlatSettings, example = json!(crate::openapi::settings()))))]
pub(crate) async fn get_settings(
    Require(caller, _): Require<ViewProfiles>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<FlatSettings>, Error> {
    let profile = app.profiles.get(caller.organization_id(), profile_id(path)?).await?;
    Ok(Json(FlatSettings::new(profile, authentication(&caller))))
}

/// Change a profile's settings
///
/// As with the profile itself: what is not sent stays as it is, and a value that becomes another one needs its permission.
#[utoipa::path(patch, path = "/profiles/{id}/settings", operation_id = "updateProfileSettings", tag = "profiles",
    params(("id" = Uuid, Path, description = "The profile's id, from the list.", example = "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21")),
    request_body(content = FlatSettingsPatch, description = "Read as JSON whatever its content type says.", example = json!({"autoSendEnabled": true})),
    responses((status = 200, description = "The settings as they are now.", body = FlatSettings, example = json!(crate::openapi::settings()))))]
pub(crate) async fn update_settings(
    Require(caller, _): Require<ViewProfiles>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    JsonBody(patch): JsonBody<FlatSettingsPatch>,
) -> Result<Json<FlatSettings>, Error> {
    let (id, shown) = (profile_id(path)?, authentication(&caller));
    let profile = app.profiles.update(caller, id, Change::from_patch(patch.into())?, app.clock.now()).await?;
    Ok(Json(FlatSettings::new(profile, shown)))
}
