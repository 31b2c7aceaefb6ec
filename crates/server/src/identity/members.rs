//! Members and their roles.

use super::{
    bodies::{self, Place},
    call::{Caller, Named, Query, answer, changed, json, parse, read, told, user},
    docs::{ChangeRefusals, Refusals},
};
use crate::{
    app::App,
    error::{ApiError, render},
};
use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, Request, StatusCode};
use keywright_core::{Part, members::RoleChange};
use keywright_protocol::{
    ErrorBody,
    identity::{Roles, UserItem, UserRoles},
};
use std::sync::Arc;

const EXAMPLE: &str = r#"{"roles": ["view-build"]}"#;
const MAX_PAGE: u32 = 1_000_000;
const MAX_PAGE_SIZE: u32 = 200;
const DEFAULT_PAGE_SIZE: u32 = 25;

/// `GET /identity/v1/organizations/{id}/users`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/users",
    tag = "Members",
    operation_id = "listMembers",
    summary = "The members of an organization",
    description = "Direct ones first; for a sub-organization then those who are members of its root alone. A bare array: all of them, unless `Page` or `Size` ask for a part.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("Page" = Option<u32>, Query, minimum = 1, description = "Which page, from 1; pages have 25 members unless `Size` says otherwise.", example = 1),
        ("Size" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many a page.", example = 50)
    ),
    security(("token" = [])),
    responses((status = 200, description = "The members.", body = Vec<UserItem>,
        headers(("X-Total-Count" = i64, description = "How many there are on all pages together.")), example = json!([{"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "username": "owner@acme.example", "email": "owner@acme.example", "fullName": "owner"}])), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, query: Query) -> Result<Response, ApiError> {
    let part = part(&query)?;
    let page = told(app.core.list_members_page(&caller.ctx, caller.named(&id)?, part).await)?;
    let total = HeaderValue::from(page.total);
    let mut response = answer(StatusCode::OK, &page.map(bodies::member).rows);
    response.headers_mut().insert("X-Total-Count", total);
    Ok(response)
}

/// The whole list, unless a part is asked for.
fn part(query: &Query) -> Result<Part, ApiError> {
    if query.get("Page").is_none() && query.get("Size").is_none() {
        return Ok(Part::ALL);
    }
    let (page, size) = (query.number("Page", 1, 1..=MAX_PAGE)?, query.number("Size", DEFAULT_PAGE_SIZE, 1..=MAX_PAGE_SIZE)?);
    Ok(Part::page(page, size))
}

/// `GET /identity/v1/organizations/{id}/users/{user}/roles`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/users/{user}/roles",
    tag = "Members",
    operation_id = "getMemberRoles",
    summary = "A member's roles",
    description = "400 with `error` `inherited_member` says that he is a member of the root alone, without roles of his own here.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("user" = String, Path, description = "The user's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")
    ),
    security(("token" = [])),
    responses((status = 200, description = "His roles.", body = UserRoles,
        example = json!({"roles": ["view-build"], "inheritedRoles": [], "isSubOrganizationMember": false})), Refusals)
)]
pub(crate) async fn roles(State(app): State<Arc<App>>, caller: Caller, Named((id, member)): Named<(String, String)>) -> Result<Response, ApiError> {
    let (organization, member) = (caller.named(&id)?, user(&member)?);
    let (place, member) = told(app.core.get_member(&caller.ctx, organization, member).await)?;
    if member.own.is_none() {
        let sentence = "this user is a member of the root organization alone: he has its roles here, and none of his own";
        return Ok(render(StatusCode::BAD_REQUEST, &ErrorBody::new("inherited_member", sentence)));
    }
    let place = if place.is_root() { Place::Root } else { Place::SubOrganization };
    Ok(answer(StatusCode::OK, &bodies::member_roles(member, place)))
}

/// `PUT` on a member's roles.
#[utoipa::path(
    put,
    path = "/identity/v1/organizations/{id}/users/{user}/roles",
    tag = "Members",
    operation_id = "replaceMemberRoles",
    summary = "Set a member's roles",
    description = "These and no others; an empty list clears them. In a sub-organization a member without roles of his own has the root's. Nobody gives Owner by a key.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("user" = String, Path, description = "The user's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")
    ),
    security(("token" = [])),
    request_body(content = Roles, example = json!({"roles": ["view-build"]})),
    responses((status = 200, description = "His own roles now.", body = Roles,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"roles": ["view-build"]})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn replace_roles(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(place): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let Roles { roles } = json(request.into_body(), EXAMPLE).await?;
    change(&app, &caller, &place, RoleChange::Replace(roles)).await
}

/// `POST` on a member's roles.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/users/{user}/roles",
    tag = "Members",
    operation_id = "addMemberRoles",
    summary = "Give a member more roles",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("user" = String, Path, description = "The user's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")
    ),
    security(("token" = [])),
    request_body(content = Roles, example = json!({"roles": ["view-build"]})),
    responses((status = 200, description = "His own roles now.", body = Roles,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"roles": ["view-build", "view-codepush"]})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn add_roles(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(place): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let Roles { roles } = json(request.into_body(), EXAMPLE).await?;
    change(&app, &caller, &place, RoleChange::Add(roles)).await
}

/// `DELETE` on a member's roles.
#[utoipa::path(
    delete,
    path = "/identity/v1/organizations/{id}/users/{user}/roles",
    tag = "Members",
    operation_id = "removeMemberRoles",
    summary = "Take roles from a member",
    description = "Those in the body; without a body all of them.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("user" = String, Path, description = "The user's id.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff")
    ),
    security(("token" = [])),
    request_body(content = Option<Roles>, example = json!({"roles": ["view-build"]})),
    responses((status = 200, description = "His own roles now.", body = Roles,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"roles": []})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn remove_roles(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(place): Named<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let body = read(request.into_body()).await?;
    let removal = if body.trim_ascii().is_empty() { RoleChange::Clear } else { RoleChange::Remove(parse::<Roles>(&body, EXAMPLE)?.roles) };
    change(&app, &caller, &place, removal).await
}

async fn change(app: &Arc<App>, caller: &Caller, (id, member): &(String, String), change: RoleChange) -> Result<Response, ApiError> {
    let (organization, member) = (caller.named(id)?, user(member)?);
    let changed_member = told(app.core.change_roles(&caller.ctx, organization, member, change).await)?;
    Ok(changed(changed_member.position, &Roles { roles: changed_member.value.own.unwrap_or_default() }))
}
