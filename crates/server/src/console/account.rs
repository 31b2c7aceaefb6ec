//! A person's own pages: sessions and password.

use super::{
    form::Post,
    page::{Desk, Frame, html},
    path::Path,
    trouble::{Problem, Trouble},
    view::{When, browser, or_dash, when},
    visitor::Visitor,
};
use crate::{app::App, identity::call::Query};
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use keywright_core::{organizations::Organization, second_factor::SecondFactor, sessions::SessionRow};
use keywright_protocol::SessionId;
use std::sync::Arc;
use zeroize::Zeroizing;

struct SessionLine {
    id: SessionId,
    is_this: bool,
    began: When,
    used: When,
    address: String,
    /// Its name, and all that it says of itself.
    browser: String,
    user_agent: String,
}

#[derive(Template)]
#[template(path = "console/sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<SessionLine>,
}

#[derive(Template)]
#[template(path = "console/account.html")]
struct AccountPage {
    frame: Frame,
    name: String,
    second_factor: &'static str,
}

#[derive(Template)]
#[template(path = "console/password.html")]
struct PasswordPage {
    frame: Frame,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/account", get(account))
        .route("/console/account/password", get(password).post(change_password))
        .route("/console/account/sessions", get(sessions))
        .route("/console/account/sessions/{id}/end", post(end))
        .route("/console/account/sessions/end-others", post(end_others))
}

/// What was done before this page.
fn done(query: &Query) -> Option<&'static str> {
    match query.get("done")? {
        "password" => Some("Your password is changed, and all of your other sessions have ended."),
        "ended" => Some("The session has ended."),
        "others" => Some("All of your other sessions have ended."),
        _ => None,
    }
}

/// The frame of these pages is that of the organization that the session is in.
pub(super) async fn desk(visitor: Visitor) -> Result<Desk, Trouble> {
    let own = visitor.app.core.list_organizations(&visitor.ctx).await?;
    let works = |of: &&Organization| of.row.suspended_at.is_none();
    let current = visitor.session.organization_id.filter(|id| own.iter().filter(works).any(|of| of.row.id == *id));
    let first = current.or_else(|| own.iter().find(works).or(own.first()).map(|of| of.row.id));
    let first = first.ok_or_else(|| Trouble::forbidden("You are a member of no organization any more. Ask an Owner of one to invite you.".to_owned()))?;
    Desk::at(visitor, first).await
}

async fn account(visitor: Visitor, query: Query) -> Result<Response, Trouble> {
    let second_factor = match visitor.app.core.second_factor(&visitor.ctx).await? {
        SecondFactor::On { .. } => "On",
        SecondFactor::Off | SecondFactor::Pending { .. } => "Off",
        SecondFactor::Lost => "Lost",
    };
    let desk = desk(visitor).await?;
    let page = AccountPage { frame: desk.frame("Your account", "account").with_done(done(&query)), name: desk.me.name.clone(), second_factor };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn sessions(visitor: Visitor, query: Query) -> Result<Response, Trouble> {
    let own = visitor.session.id;
    let rows = visitor.app.core.list_sessions(&visitor.ctx).await?;
    let line = |row: SessionRow| SessionLine {
        id: row.id,
        is_this: row.id == own,
        began: when(row.created_at),
        used: when(row.used_at),
        address: or_dash(&row.address).to_owned(),
        browser: browser(&row.user_agent),
        user_agent: or_dash(&row.user_agent).to_owned(),
    };
    let desk = desk(visitor).await?;
    let page = SessionsPage { frame: desk.frame("Sessions", "sessions").with_done(done(&query)), sessions: rows.into_iter().rev().map(line).collect() };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn end(Path(id): Path<SessionId>, Post { mut who, .. }: Post<Visitor>) -> Result<Response, Trouble> {
    who.app.core.end_session(&who.ctx, id).await?;
    if id == who.session.id {
        who.forget();
        return Ok(who.see("/console/sign-in?done=signed-out"));
    }
    Ok(who.see("/console/account/sessions?done=ended"))
}

async fn end_others(Post { who, .. }: Post<Visitor>) -> Result<Response, Trouble> {
    who.app.core.end_other_sessions(&who.ctx).await?;
    Ok(who.see("/console/account/sessions?done=others"))
}

async fn password(visitor: Visitor) -> Result<Response, Trouble> {
    let desk = desk(visitor).await?;
    let page = PasswordPage { frame: desk.frame("Change your password", "account") };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn change_password(Post { mut who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    let secret = |name: &str| Zeroizing::new(form.exact(name).to_owned());
    match who.app.core.change_password(&who.ctx, secret("current_password"), secret("new_password")).await {
        Ok(changed) => {
            who.renewed(&changed.value);
            Ok(who.see("/console/account?done=password"))
        }
        Err(error) => {
            let problem = Problem::about_form(error)?;
            let desk = desk(who).await?;
            let page = PasswordPage { frame: desk.frame("Change your password", "account").with_problem(Some(&problem.sentence)) };
            Ok(desk.visitor.answer(html(problem.status, &page)))
        }
    }
}
