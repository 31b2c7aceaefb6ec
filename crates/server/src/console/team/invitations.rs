//! Who is invited, and inviting.

use crate::console::{
    form::Post,
    page::{Desk, Frame, html},
    team::team_page,
    trouble::{Problem, Trouble},
    view::{Badge, Day, Owners, PlaceTicks, on_day},
};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use keywright_core::{Error, invitations::Invitation};
use keywright_protocol::admin::RolesIn;

/// An invitation as the list shows it.
pub(super) struct InvitationLine {
    pub(super) email: String,
    pub(super) state: Badge,
    pub(super) until: Day,
    pub(super) grants: Vec<(String, Vec<String>)>,
}

#[derive(Template)]
#[template(path = "console/invite.html")]
struct InvitePage {
    frame: Frame,
    pub(super) email: String,
    places: Vec<PlaceTicks>,
}

impl InvitationLine {
    pub(super) fn of(desk: &Desk, invitation: Invitation) -> Self {
        let state =
            if invitation.row.expires_at <= desk.visitor.ctx.now { Badge { word: "Expired", tone: "critical" } } else { Badge { word: "Waiting", tone: "" } };
        let grants = invitation.grants.iter().map(|grant| (desk.name_of(grant.organization_id), desk.role_names(&grant.roles)));
        Self { grants: grants.collect(), email: invitation.row.email, state, until: on_day(invitation.row.expires_at) }
    }
}

fn page(desk: &Desk, email: &str, held: &[RolesIn]) -> InvitePage {
    let owners = if desk.is_owner() { Owners::With } else { Owners::Without };
    InvitePage { frame: desk.frame("Invite a member", "team"), email: email.to_owned(), places: desk.places(held, owners) }
}

pub(super) async fn ask(desk: Desk) -> Result<Response, Trouble> {
    desk.must("organization.member.manage")?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &page(&desk, "", &[]))))
}

pub(super) async fn invite(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) if form.grants().is_empty() => Problem::of("Tick at least one role, here or in a sub-organization."),
        Ok(()) => match desk.visitor.app.core.invite(&desk.visitor.ctx, desk.id(), form.get("email"), form.grants()).await {
            Ok(_) => return Ok(desk.visitor.see(&format!("{}/team?done=invited", desk.base()))),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let page = page(&desk, form.get("email"), &form.grants());
    let page = InvitePage { frame: page.frame.with_problem(Some(&problem.sentence)), ..page };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn told<T>(desk: Desk, done: Result<T, Error>, word: &str) -> Result<Response, Trouble> {
    match done {
        Ok(_) => Ok(desk.visitor.see(&format!("{}/team?done={word}", desk.base()))),
        Err(error) => {
            let problem = Problem::about_form(error)?;
            let page = team_page(&desk, 1).await?;
            let page = super::TeamPage { frame: page.frame.with_problem(Some(&problem.sentence)), ..page };
            Ok(desk.visitor.answer(html(problem.status, &page)))
        }
    }
}

pub(super) async fn resend(Post { who: desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let done = desk.visitor.app.core.re_invite(&desk.visitor.ctx, desk.id(), form.get("email")).await;
    told(desk, done, "resent").await
}

pub(super) async fn revoke(Post { who: desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let done = desk.visitor.app.core.revoke_invitation(&desk.visitor.ctx, desk.id(), form.get("email")).await;
    told(desk, done, "revoked").await
}
