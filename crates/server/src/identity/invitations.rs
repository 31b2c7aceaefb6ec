//! Invitations: send, send again, take back, look up, accept.

use super::{
    bodies::{self, Acceptance, Accepted, Done, InvitationOffer, InvitationToken},
    call::{Caller, Named, Query, Stranger, answer, changed, parse, read, told},
    docs::{ChangeRefusals, Refusals},
};
use crate::{
    app::App,
    auth::sessions::docs::{BodyRefusals, Nowhere, PublicRefusals},
    error::ApiError,
    json::secret_json,
    limits::LimitedAnswer,
};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use keywright_protocol::{
    admin::RolesIn,
    identity::{InvitationItem, NewInvitation, UserEmail},
};
use std::sync::Arc;
use zeroize::Zeroizing;

const EMAIL: &str = r#"{"userEmail": "person@example.com"}"#;
const INVITATION: &str = r#"{"userEmail": "person@example.com", "organizationsAndRoles": [{"organizationId": "...", "roles": ["view-build"]}]}"#;

/// `PATCH /identity/v1/users?action=invite|re-invite&organizationId=`.
#[utoipa::path(
    patch,
    path = "/identity/v1/users",
    tag = "Invitations",
    operation_id = "invite",
    summary = "Invite somebody, or send an invitation again",
    description = "With `action=invite` the body says who gets what where; with `action=re-invite` the address is in the body or in `userEmail`. The mail is sent as soon as the mail server takes it.",
    params(
        ("action" = String, Query, description = "`invite` or `re-invite`.", example = "invite"),
        ("organizationId" = Option<String>, Query, description = "The organization's id; without it the token's.", example = "6f9619ff-8b86-4011-b42d-00c04fc964ff"),
        ("userEmail" = Option<String>, Query, description = "For `re-invite`: the address, if there is no body.", example = "person@example.com")
    ),
    security(("token" = [])),
    request_body(content = Option<NewInvitation>, example = json!({"userEmail": "person@example.com",
        "organizationsAndRoles": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "roles": ["view-build"]}]})),
    responses((status = 200, description = "The invitation is on its way.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the invitation is on its way"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn invite(State(app): State<Arc<App>>, caller: Caller, query: Query, request: Request<Body>) -> Result<Response, ApiError> {
    let action = query.require_action(&["invite", "re-invite"])?;
    let organization = match query.get("organizationId") {
        Some(id) => id.parse().map_err(|_| ApiError::NotAGuid)?,
        None => caller.current()?,
    };
    let body = read(request.into_body()).await?;
    let sent = if action == "invite" {
        let new: NewInvitation = parse(&body, INVITATION)?;
        let grants = new.organizations_and_roles.into_iter().map(|there| RolesIn { organization_id: there.organization_id, roles: there.roles }).collect();
        told(app.core.invite(&caller.ctx, organization, &new.user_email, grants).await)?
    } else {
        told(app.core.re_invite(&caller.ctx, organization, &email_in(&query, &body)?).await)?
    };
    Ok(changed(sent.position, &Done { message: "the invitation is on its way" }))
}

/// `GET /identity/v1/organizations/{id}/invitations`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/invitations",
    tag = "Invitations",
    operation_id = "listInvitations",
    summary = "Pending invitations",
    description = "For a root all of its tree's, otherwise those that bring something to the organization. A bare array.",
    params(("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "The invitations.", body = Vec<InvitationItem>, example = json!([{"userEmail": "person@example.com",
        "rootOrganizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "status": "Pending",
        "organizationsAndRoles": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "roles": ["view-build"]}],
        "expiresAt": "2026-12-01T09:00:00.000Z"}])), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let pending = told(app.core.list_invitations(&caller.ctx, caller.named(&id)?).await)?;
    Ok(answer(StatusCode::OK, &pending.into_iter().map(bodies::invitation).collect::<Vec<_>>()))
}

/// `PATCH /identity/v1/organizations/{id}/invitations?action=re-invite`.
#[utoipa::path(
    patch,
    path = "/identity/v1/organizations/{id}/invitations",
    tag = "Invitations",
    operation_id = "reInvite",
    summary = "Send an invitation again",
    description = "With another link; the old one stops working.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("action" = String, Query, description = "`re-invite`.", example = "re-invite")
    ),
    security(("token" = [])),
    request_body(content = UserEmail, example = json!({"userEmail": "person@example.com"})),
    responses((status = 200, description = "It is on its way again.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the invitation is on its way again"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn re_invite(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    query: Query,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    query.require_action(&["re-invite"])?;
    let organization = caller.named(&id)?;
    let email = email_in(&query, &read(request.into_body()).await?)?;
    let sent = told(app.core.re_invite(&caller.ctx, organization, &email).await)?;
    Ok(changed(sent.position, &Done { message: "the invitation is on its way again" }))
}

/// `DELETE /identity/v1/organizations/{id}/invitations`.
#[utoipa::path(
    delete,
    path = "/identity/v1/organizations/{id}/invitations",
    tag = "Invitations",
    operation_id = "revokeInvitation",
    summary = "Take an invitation back",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("userEmail" = Option<String>, Query, description = "The address, if there is no body.", example = "person@example.com")
    ),
    security(("token" = [])),
    request_body(content = Option<UserEmail>, example = json!({"userEmail": "person@example.com"})),
    responses((status = 200, description = "Its link does not work any more.", body = Done,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"message": "the invitation was taken back"})),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    query: Query,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let organization = caller.named(&id)?;
    let email = email_in(&query, &read(request.into_body()).await?)?;
    let revoked = told(app.core.revoke_invitation(&caller.ctx, organization, &email).await)?;
    Ok(changed(revoked.position, &Done { message: "the invitation was taken back" }))
}

/// The address in a body or, for older clients, in the query.
fn email_in(query: &Query, body: &[u8]) -> Result<String, ApiError> {
    match query.get("userEmail") {
        Some(email) if body.trim_ascii().is_empty() => Ok(email.to_owned()),
        _ => Ok(parse::<UserEmail>(body, EMAIL)?.user_email),
    }
}

/// `POST /identity/v1/invitations/lookup`.
#[utoipa::path(
    post,
    path = "/identity/v1/invitations/lookup",
    tag = "Invitations",
    operation_id = "lookUpInvitation",
    summary = "What an invitation's link offers",
    description = "Needs no access token. The link's secret travels in the body, so that it is in no log.",
    request_body(content = InvitationToken, example = json!({"token": "q2Jx..."})),
    responses((status = 200, description = "The offer.", body = InvitationOffer, example = json!({"userEmail": "person@example.com",
        "organizations": ["Acme"], "organizationsAndRoles": [{"organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "roles": ["view-build"]}], "expiresAt": "2026-12-01T09:00:00.000Z", "hasAccount": false})), PublicRefusals, BodyRefusals, Nowhere, LimitedAnswer)
)]
pub(crate) async fn look_up(State(app): State<Arc<App>>, Stranger(ctx): Stranger, request: Request<Body>) -> Result<Response, ApiError> {
    let InvitationToken { token } = secret_json(request.into_body(), r#"{"token": "..."}"#).await?;
    let offer = told(app.core.look_up_invitation(&ctx, &token).await)?;
    Ok(answer(StatusCode::OK, &InvitationOffer::from(offer)))
}

/// `POST /identity/v1/invitations/accept`.
#[utoipa::path(
    post,
    path = "/identity/v1/invitations/accept",
    tag = "Invitations",
    operation_id = "acceptInvitation",
    summary = "Accept an invitation",
    description = "Once, within seven days. Needs no access token. If the address has an account with a password, `password` is that; an account without one gets it; without an account one is made with `name` and `password`.",
    request_body(content = Acceptance, example = json!({"token": "q2Jx...", "name": "Person", "password": "a password of your own"})),
    responses((status = 200, description = "A member now.", body = Accepted,
        headers(("Keywright-Revision" = String, description = "The revision of the change.")), example = json!({"userId": "6f9619ff-8b86-4011-b42d-00c04fc964ff"})),
        Refusals, ChangeRefusals, LimitedAnswer)
)]
pub(crate) async fn accept(State(app): State<Arc<App>>, Stranger(ctx): Stranger, request: Request<Body>) -> Result<Response, ApiError> {
    let Acceptance { token, name, password } = secret_json(request.into_body(), r#"{"token": "...", "name": "...", "password": "..."}"#).await?;
    let accepted = app.core.accept_invitation(&ctx, &token, name.as_deref(), Zeroizing::new(password)).await?;
    Ok(changed(accepted.position, &Accepted { user_id: accepted.value }))
}
