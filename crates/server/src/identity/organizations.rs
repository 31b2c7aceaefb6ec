//! Organizations: list, look at one, make sub-organizations.

use super::{
    bodies::{self, NewSubOrganization},
    call::{Caller, Named, Query, answer, changed, json, told},
    docs::{ChangeRefusals, Refusals},
};
use crate::{app::App, error::ApiError};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use keywright_protocol::identity::{OrganizationDetail, OrganizationItem, OrganizationPage};
use std::sync::Arc;

/// Most organizations a page.
const MAX_PER_PAGE: usize = 200;

/// `GET /identity/v1/organizations`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations",
    tag = "Organizations",
    operation_id = "listOrganizations",
    summary = "The organizations of this token",
    description = "The token's organization and, if that is a root, its sub-organizations.",
    params(
        ("page" = Option<usize>, Query, description = "Which page, from 1.", example = 1),
        ("perPage" = Option<usize>, Query, description = "How many a page, 200 at most and by default.", example = 50),
        ("search" = Option<String>, Query, description = "A part of the name, in any case.", example = "mobile")
    ),
    security(("token" = [])),
    responses((status = 200, description = "A page.", body = OrganizationPage, example = json!({"data": [{"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11",
        "name": "Acme Mobile", "givenId": null, "ssoEnabled": false, "disabled": false, "rootOrganizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "rootOrganizationName": "Acme", "createdDate": "2026-11-24T09:00:00.000Z"}], "page": 1, "perPage": 200, "total": 1})), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, query: Query) -> Result<Response, ApiError> {
    let (page, per_page) = (query.number("page", 1_usize, 1..=1_000_000)?, query.number("perPage", MAX_PER_PAGE, 1..=MAX_PER_PAGE)?);
    let wanted = query.get("search").unwrap_or_default().to_lowercase();
    let all = told(app.core.list_organizations(&caller.ctx).await)?;
    let found: Vec<OrganizationItem> =
        all.into_iter().filter(|organization| organization.row.name.to_lowercase().contains(&wanted)).map(bodies::organization).collect();
    let total = found.len();
    let data = found.into_iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
    Ok(answer(StatusCode::OK, &OrganizationPage { data, page, per_page, total }))
}

/// `GET /identity/v1/organizations/{id}`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}",
    tag = "Organizations",
    operation_id = "getOrganization",
    summary = "One organization",
    params(("id" = String, Path, description = "Its id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "The organization.", body = OrganizationDetail, example = json!({"id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "name": "Acme",
        "givenId": null, "ssoEnabled": false, "disabled": false, "rootOrganizationId": null, "rootOrganizationName": null,
        "createdDate": "2026-11-24T09:00:00.000Z", "memberCount": 3, "logoUrl": null})), Refusals)
)]
pub(crate) async fn get(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let (organization, members) = told(app.core.get_organization(&caller.ctx, caller.named(&id)?).await)?;
    Ok(answer(StatusCode::OK, &bodies::organization_detail(organization, members)))
}

/// `POST /identity/v1/organizations/{id}/sub-organizations`.
#[utoipa::path(
    post,
    path = "/identity/v1/organizations/{id}/sub-organizations",
    tag = "Organizations",
    operation_id = "createSubOrganization",
    summary = "Make a sub-organization",
    description = "Of a root. The root's members are its members too, with the same roles.",
    params(("id" = String, Path, description = "The root's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    request_body(content = NewSubOrganization, example = json!({"name": "Acme Mobile"})),
    responses((status = 200, description = "It was made.", body = OrganizationItem,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")),
        example = json!({"id": "0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "name": "Acme Mobile", "givenId": null, "ssoEnabled": false, "disabled": false,
        "rootOrganizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "rootOrganizationName": null, "createdDate": "2026-11-24T09:00:00.000Z"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn create_sub(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, request: Request<Body>) -> Result<Response, ApiError> {
    let parent = caller.named(&id)?;
    let new: NewSubOrganization = json(request.into_body(), r#"{"name": "Acme Mobile"}"#).await?;
    let made = told(app.core.create_sub_organization(&caller.ctx, parent, &new.name).await)?;
    let organization = keywright_core::organizations::Organization { row: made.value, root_name: None };
    Ok(changed(made.position, &bodies::organization(organization)))
}
