//! The members of an organization, their roles, and who is invited.

mod invitations;

use super::{
    form::Post,
    page::{Desk, Frame, html},
    path::Path,
    trouble::{Problem, Trouble},
    view::{Owners, TickGroup},
};
use crate::{
    app::App,
    identity::{call::Query, export},
};
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use invitations::InvitationLine;
use keywright_core::{
    Part,
    members::{Member, RoleChange},
};
use keywright_protocol::{OrganizationId, UserId};
use std::sync::Arc;

const PAGE: u32 = 50;

/// A member as the list shows him.
struct MemberLine {
    id: UserId,
    name: String,
    email: String,
    is_inherited: bool,
    is_disabled: bool,
    is_self: bool,
    roles: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/team.html")]
struct TeamPage {
    frame: Frame,
    members: Vec<MemberLine>,
    total: i64,
    page: u32,
    pages: u32,
    invitations: Vec<InvitationLine>,
}

#[derive(Template)]
#[template(path = "console/member.html")]
struct MemberPage {
    frame: Frame,
    member: MemberLine,
    groups: Vec<TickGroup>,
}

#[derive(Template)]
#[template(path = "console/member-remove.html")]
struct RemovePage {
    frame: Frame,
    member: MemberLine,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/team", get(team))
        .route("/console/{organization}/team/members.csv", get(csv))
        .route("/console/{organization}/team/leave", get(ask_leave).post(leave))
        .route("/console/{organization}/team/{user}", get(member).post(set_roles))
        .route("/console/{organization}/team/{user}/remove", get(ask_remove).post(remove))
        .route("/console/{organization}/invitations/new", get(invitations::ask).post(invitations::invite))
        .route("/console/{organization}/invitations/resend", post(invitations::resend))
        .route("/console/{organization}/invitations/revoke", post(invitations::revoke))
}

fn line(desk: &Desk, member: &Member) -> MemberLine {
    MemberLine {
        id: member.user.id,
        name: member.user.name.clone(),
        email: member.user.email.clone(),
        is_inherited: member.own.as_ref().is_none_or(Vec::is_empty) && member.inherited.is_some(),
        is_disabled: member.user.disabled_at.is_some(),
        is_self: member.user.id == desk.visitor.session.user_id,
        roles: desk.role_names(member.effective_roles()),
    }
}

async fn team(desk: Desk, query: Query) -> Result<Response, Trouble> {
    let done = match query.get("done") {
        Some("roles") => Some("The member has the new roles. Tokens that permit more than that are revoked."),
        Some("removed") => Some("The member is removed, and their keys here no longer work."),
        Some("invited") => Some("The invitation is on its way."),
        Some("resent") => Some("The invitation is sent again; the earlier link does not work any more."),
        Some("revoked") => Some("The invitation is withdrawn."),
        _ => None,
    };
    let page = team_page(&desk, query.number("page", 1, 1..=100_000)?).await?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &TeamPage { frame: page.frame.with_done(done).with_receipt(&query), ..page })))
}

async fn team_page(desk: &Desk, number: u32) -> Result<TeamPage, Trouble> {
    let (core, ctx) = (&desk.visitor.app.core, &desk.visitor.ctx);
    let found = core.list_members_page(ctx, desk.id(), Part::page(number, PAGE)).await?;
    let invitations = core.list_invitations(ctx, desk.id()).await?;
    Ok(TeamPage {
        frame: desk.frame("Team", "team"),
        total: found.total,
        pages: u32::try_from(found.total).unwrap_or(u32::MAX).div_ceil(PAGE),
        members: found.rows.iter().map(|member| line(desk, member)).collect(),
        page: number,
        invitations: invitations.into_iter().map(|invitation| InvitationLine::of(desk, invitation)).collect(),
    })
}

async fn csv(desk: Desk) -> Result<Response, Trouble> {
    let members = desk.visitor.app.core.export_members(&desk.visitor.ctx, desk.id()).await?;
    Ok(desk.visitor.answer(export::as_file(&members)))
}

async fn find(desk: &Desk, user: UserId) -> Result<Member, Trouble> {
    desk.visitor.app.core.get_member(&desk.visitor.ctx, desk.id(), user).await.map(|(_, member)| member).map_err(Trouble::of_named)
}

fn member_page(desk: &Desk, member: &Member, held: &[String]) -> MemberPage {
    MemberPage { frame: desk.frame(&member.user.name, "team"), member: line(desk, member), groups: desk.ticks(held, Owners::With) }
}

async fn member(desk: Desk, Path((_, user)): Path<(OrganizationId, UserId)>) -> Result<Response, Trouble> {
    desk.must("organization.member.assign-role")?;
    let member = find(&desk, user).await?;
    let page = member_page(&desk, &member, member.own.as_deref().unwrap_or_default());
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn set_roles(Path((_, user)): Path<(OrganizationId, UserId)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let member = find(&desk, user).await?;
    let roles: Vec<String> = form.all("role").map(str::to_owned).collect();
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.change_roles(&desk.visitor.ctx, desk.id(), user, RoleChange::Replace(roles.clone())).await {
            Ok(done) => return Ok(desk.see_done("team?done=roles", done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let page = member_page(&desk, &member, &roles);
    let page = MemberPage { frame: page.frame.with_problem(Some(&problem.sentence)), ..page };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn ask_remove(desk: Desk, Path((_, user)): Path<(OrganizationId, UserId)>) -> Result<Response, Trouble> {
    desk.must("organization.member.manage")?;
    let member = line(&desk, &find(&desk, user).await?);
    Ok(desk.visitor.answer(html(StatusCode::OK, &RemovePage { frame: desk.frame("Remove a member", "team"), member })))
}

async fn remove(Path((_, user)): Path<(OrganizationId, UserId)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let member = line(&desk, &find(&desk, user).await?);
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.remove_member(&desk.visitor.ctx, desk.id(), user).await {
            Ok(done) => return Ok(desk.see_done("team?done=removed", done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let frame = desk.frame("Remove a member", "team").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &RemovePage { frame, member })))
}

#[derive(Template)]
#[template(path = "console/leave.html")]
struct LeavePage {
    frame: Frame,
}

async fn ask_leave(desk: Desk) -> Response {
    desk.visitor.answer(html(StatusCode::OK, &LeavePage { frame: desk.frame("Leave the organization", "team") }))
}

async fn leave(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.leave_organization(&desk.visitor.ctx, desk.id()).await {
            Ok(_) => return Ok(desk.visitor.see("/console")),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let frame = desk.frame("Leave the organization", "team").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &LeavePage { frame })))
}
