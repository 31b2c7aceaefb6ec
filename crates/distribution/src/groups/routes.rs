//! The routes of testing groups: parse, one operation, render.

use super::{
    Testers, VIEW_TESTERS,
    shapes::{GroupDetails, GroupOut, NewGroup, Shown},
};
use crate::{
    App, Error,
    body::JsonBody,
    error::{Thing, id},
    ids::GroupId,
    names::Name,
    profiles::Listing,
    routes::{Deleted, Pairs, TOTAL_COUNT, one, pairs},
};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use keywright_verify::{Require, Verified, permission};
use utoipa_axum::{router::OpenApiRouter, routes};

permission!(pub(crate) ViewGroups = "distribution-group.group.view");
permission!(pub(crate) ManageGroups = "distribution-group.group.manage");
permission!(pub(crate) ManageTesters = "distribution-group.tester.manage");

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, rename, delete)).routes(routes!(add_testers, remove_testers))
}

fn shown(caller: &Verified) -> Shown {
    if caller.may(VIEW_TESTERS) { Shown::Testers } else { Shown::Nobody }
}

fn group(path: Result<Path<String>, PathRejection>) -> Result<GroupId, Error> {
    id(&one(path), Thing::TestingGroup)
}

/// List the organization's testing groups
///
/// A bare array in order of creation: all of them, unless `Page` or `Size` ask for a part.
#[utoipa::path(get, path = "/testing-groups", operation_id = "listTestingGroups", tag = "testing groups",
    params(
        ("Page" = Option<u32>, Query, minimum = 1, description = "Which page, from 1 on; pages have 25 elements unless `Size` says otherwise.", example = 1),
        ("Size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many elements a page has.", example = 50),
    ),
    responses((status = 200, description = "The testing groups, none left out unless asked for.", body = Vec<GroupOut>,
        headers(("X-Total-Count" = i64, description = "How many there are on all pages together.")),
        example = json!([crate::openapi::listed_group()]))))]
pub(crate) async fn list(Require(caller, _): Require<ViewGroups>, State(app): State<App>, query: Pairs) -> Result<impl IntoResponse, Error> {
    let (groups, total) = app.groups.list(caller.organization_id(), Listing::from_query(pairs(query)?)?).await?;
    let body: Vec<GroupOut> = groups.into_iter().map(GroupOut::from).collect();
    Ok(([(TOTAL_COUNT, total.to_string())], Json(body)))
}

/// Make a testing group
#[utoipa::path(post, path = "/testing-groups", operation_id = "createTestingGroup", tag = "testing groups",
    request_body(content = NewGroup, description = "Read as JSON whatever its content type says.", example = json!({"name": "Friends"})),
    responses((status = 200, description = "The new testing group.", body = GroupDetails, example = json!(crate::openapi::new_group()))))]
pub(crate) async fn create(
    Require(caller, _): Require<ManageGroups>,
    State(app): State<App>,
    JsonBody(new): JsonBody<NewGroup>,
) -> Result<Json<GroupDetails>, Error> {
    let group = app.groups.insert(caller.organization_id(), Name::new(&new.name)?, app.clock.now()).await?;
    Ok(Json(GroupDetails::new(group, shown(&caller))))
}

/// Get a testing group
///
/// With who is in it.
#[utoipa::path(get, path = "/testing-groups/{id}", operation_id = "getTestingGroup", tag = "testing groups",
    params(("id" = Uuid, Path, description = "The testing group's id, from the list.", example = "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55")),
    responses((status = 200, description = "The testing group.", body = GroupDetails, example = json!(crate::openapi::group()))))]
pub(crate) async fn get(
    Require(caller, _): Require<ViewGroups>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<GroupDetails>, Error> {
    let group = app.groups.get(caller.organization_id(), group(path)?).await?;
    Ok(Json(GroupDetails::new(group, shown(&caller))))
}

/// Rename a testing group
#[utoipa::path(patch, path = "/testing-groups/{id}", operation_id = "updateTestingGroup", tag = "testing groups",
    params(("id" = Uuid, Path, description = "The testing group's id, from the list.", example = "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55")),
    request_body(content = NewGroup, description = "Read as JSON whatever its content type says.", example = json!({"name": "Friends"})),
    responses((status = 200, description = "The testing group as it is now.", body = GroupDetails, example = json!(crate::openapi::group()))))]
pub(crate) async fn rename(
    Require(caller, _): Require<ManageGroups>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    JsonBody(new): JsonBody<NewGroup>,
) -> Result<Json<GroupDetails>, Error> {
    let group = app.groups.rename(caller.organization_id(), group(path)?, Name::new(&new.name)?, app.clock.now()).await?;
    Ok(Json(GroupDetails::new(group, shown(&caller))))
}

/// Delete a testing group
///
/// Profiles are not shared with it any more.
#[utoipa::path(delete, path = "/testing-groups/{id}", operation_id = "deleteTestingGroup", tag = "testing groups",
    params(("id" = Uuid, Path, description = "The testing group's id, from the list.", example = "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55")),
    responses((status = 200, description = "It is deleted.", body = Deleted, example = json!({"id": "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55"}))))]
pub(crate) async fn delete(
    Require(caller, _): Require<ManageGroups>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Deleted>, Error> {
    let id = group(path)?;
    app.groups.delete(caller.organization_id(), id).await?;
    Ok(Deleted::json(id.as_uuid()))
}

/// Add testers
///
/// By their e-mail addresses. Who is in the group already stays in it.
#[utoipa::path(post, path = "/testing-groups/{id}/testers", operation_id = "addTesters", tag = "testing groups",
    params(("id" = Uuid, Path, description = "The testing group's id, from the list.", example = "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55")),
    request_body(content = Vec<String>, description = "An array of e-mail addresses, read as JSON whatever its content type says.", example = json!(["qa@example.com"])),
    responses((status = 200, description = "The testing group as it is now.", body = GroupDetails, example = json!(crate::openapi::group()))))]
pub(crate) async fn add_testers(
    Require(caller, _): Require<ManageTesters>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    JsonBody(addresses): JsonBody<Vec<String>>,
) -> Result<Json<GroupDetails>, Error> {
    let group = app.groups.change_testers(caller.organization_id(), group(path)?, Testers::Add, addresses, app.clock.now()).await?;
    Ok(Json(GroupDetails::new(group, shown(&caller))))
}

/// Remove testers
///
/// By their e-mail addresses, in the body of the `DELETE`. Who is not in the group is not missed.
#[utoipa::path(delete, path = "/testing-groups/{id}/testers", operation_id = "removeTesters", tag = "testing groups",
    params(("id" = Uuid, Path, description = "The testing group's id, from the list.", example = "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55")),
    request_body(content = Vec<String>, description = "An array of e-mail addresses, read as JSON whatever its content type says.", example = json!(["qa@example.com"])),
    responses((status = 200, description = "The testing group as it is now.", body = GroupDetails, example = json!(crate::openapi::group()))))]
pub(crate) async fn remove_testers(
    Require(caller, _): Require<ManageTesters>,
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    JsonBody(addresses): JsonBody<Vec<String>>,
) -> Result<Json<GroupDetails>, Error> {
    let group = app.groups.change_testers(caller.organization_id(), group(path)?, Testers::Remove, addresses, app.clock.now()).await?;
    Ok(Json(GroupDetails::new(group, shown(&caller))))
}
