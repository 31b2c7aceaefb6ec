//! What cannot be undone, or stops everything: each on a page of its own.

use super::{
    form::{Form, Post},
    page::{Desk, Frame, html},
    path::Path,
    trouble::{Problem, Trouble},
};
use crate::app::App;
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::revoke_all::Reach;
use keywright_protocol::OrganizationId;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "console/organization-delete.html")]
struct DeletePage {
    frame: Frame,
    subs: usize,
}

#[derive(Template)]
#[template(path = "console/revoke-all.html")]
struct RevokeAllPage {
    frame: Frame,
    since: String,
}

/// Which way a sub-organization is turned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Suspend,
    Resume,
}

#[derive(Template)]
#[template(path = "console/organization-turn.html")]
struct TurnPage {
    frame: Frame,
    name: String,
    suspends: bool,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/delete", get(ask_delete).post(delete))
        .route("/console/{organization}/revoke-all", get(ask_revoke_all).post(revoke_all))
        .route("/console/{organization}/sub-organizations/{sub}/suspend", get(ask_suspend).post(suspend))
        .route("/console/{organization}/sub-organizations/{sub}/resume", get(ask_resume).post(resume))
}

fn delete_page(desk: &Desk) -> DeletePage {
    DeletePage { frame: desk.frame("Delete the organization", "profile"), subs: desk.subs().count() }
}

async fn ask_delete(desk: Desk) -> Result<Response, Trouble> {
    desk.must_own()?;
    if desk.is_operator() {
        return Err(Trouble::forbidden("The operator organization is the installation's own and stays.".to_owned()));
    }
    Ok(desk.visitor.answer(html(StatusCode::OK, &delete_page(&desk))))
}

async fn delete(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.delete_organization(&desk.visitor.ctx, desk.id(), form.get("confirm_name")).await {
            // What became of a sub-organization is seen from its root; of a root there is nobody left to see.
            Ok(done) if !desk.me.organization.row.is_root() && desk.is_in(desk.me.organization.row.root_id) => {
                let to = format!("/console/{}/receipts/{}", desk.me.organization.row.root_id, done.position);
                return Ok(desk.visitor.see(&to));
            }
            Ok(_) => return Ok(desk.visitor.see("/console")),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let mut page = delete_page(&desk);
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn ask_revoke_all(desk: Desk) -> Result<Response, Trouble> {
    desk.must_own()?;
    let page = RevokeAllPage { frame: desk.frame("Revoke all keys", "policy"), since: String::new() };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

fn reach(form: &Form) -> Result<Reach, String> {
    Ok(Reach { user: None, since: form.begin_of_day("since")? })
}

async fn revoke_all(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let problem = match (desk.visitor.confirm(&form).await?, reach(&form)) {
        (Err(problem), _) => problem,
        (Ok(()), Err(sentence)) => Problem::of(sentence),
        (Ok(()), Ok(_)) if form.get("confirm_name") != desk.me.organization.row.name => Problem::of("Type the organization's name as it stands here."),
        (Ok(()), Ok(reach)) => match desk.visitor.app.core.revoke_all(&desk.visitor.ctx, desk.id(), reach).await {
            Ok(done) => return Ok(desk.see_receipt(done.position, "policy").await),
            Err(error) => Problem::about_form(error)?,
        },
    };
    let frame = desk.frame("Revoke all keys", "policy").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &RevokeAllPage { frame, since: form.get("since").to_owned() })))
}

/// What it takes to suspend and resume one.
const MANAGE_SUBS: &str = "organization.sub-organization.manage";

/// A sub-organization of this one.
fn sub(desk: &Desk, id: OrganizationId) -> Result<String, Trouble> {
    desk.subs().find(|of| of.row.id == id).map(|of| of.row.name.clone()).ok_or_else(Trouble::no_such_page)
}

fn turn_page(desk: &Desk, id: OrganizationId, turn: Turn) -> Result<TurnPage, Trouble> {
    Ok(TurnPage { frame: desk.frame("Sub-organization", "profile"), name: sub(desk, id)?, suspends: turn == Turn::Suspend })
}

async fn ask_suspend(desk: Desk, Path((_, id)): Path<(OrganizationId, OrganizationId)>) -> Result<Response, Trouble> {
    desk.must(MANAGE_SUBS)?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &turn_page(&desk, id, Turn::Suspend)?)))
}

async fn ask_resume(desk: Desk, Path((_, id)): Path<(OrganizationId, OrganizationId)>) -> Result<Response, Trouble> {
    desk.must(MANAGE_SUBS)?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &turn_page(&desk, id, Turn::Resume)?)))
}

async fn turn(Post { who: mut desk, form }: Post<Desk>, id: OrganizationId, turn: Turn) -> Result<Response, Trouble> {
    sub(&desk, id)?;
    let core = Arc::clone(&desk.visitor.app.core);
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => {
            let turned = match turn {
                Turn::Suspend => core.suspend_organization(&desk.visitor.ctx, id).await,
                Turn::Resume => core.resume_organization(&desk.visitor.ctx, id).await,
            };
            match (turned, turn) {
                (Ok(done), Turn::Suspend) => return Ok(desk.see_receipt(done.position, "profile?done=suspended").await),
                (Ok(_), Turn::Resume) => return Ok(desk.visitor.see(&format!("{}/profile?done=resumed", desk.base()))),
                (Err(error), _) => Problem::about_form(error)?,
            }
        }
        Err(problem) => problem,
    };
    let mut page = turn_page(&desk, id, turn)?;
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn suspend(Path((_, id)): Path<(OrganizationId, OrganizationId)>, post: Post<Desk>) -> Result<Response, Trouble> {
    turn(post, id, Turn::Suspend).await
}

async fn resume(Path((_, id)): Path<(OrganizationId, OrganizationId)>, post: Post<Desk>) -> Result<Response, Trouble> {
    turn(post, id, Turn::Resume).await
}
