//! An organization itself: profile, sub-organizations and policy.

use super::{
    account::desk,
    form::{Form, Post},
    page::{Desk, Frame, html},
    trouble::{Problem, Trouble},
    view::{When, when},
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
use keywright_core::policy::{Allowed, Policies, Policy};
use keywright_protocol::OrganizationId;
use std::{sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Template)]
#[template(path = "console/profile.html")]
struct ProfilePage {
    frame: Frame,
    id: OrganizationId,
    made: When,
    subs: Vec<(OrganizationId, String, bool)>,
    new_name: String,
}

#[derive(Template)]
#[template(path = "console/policy.html")]
struct PolicyPage {
    frame: Frame,
    own: Shown,
    root: Option<Shown>,
}

/// A policy as its form shows it.
struct Shown {
    days: String,
    addresses: String,
    personal_keys: bool,
    members_by_keys: bool,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console", get(first))
        .route("/console/switch", post(switch))
        .route("/console/{organization}/profile", get(profile))
        .route("/console/{organization}/profile/name", post(rename))
        .route("/console/{organization}/sub-organizations", post(create_sub))
        .route("/console/{organization}/policy", get(policy).post(set_policy))
}

/// To the organization that he works in.
async fn first(visitor: Visitor) -> Result<Response, Trouble> {
    let desk = desk(visitor).await?;
    Ok(desk.visitor.see(&format!("/console/{}", desk.id())))
}

/// Goes on in another of his organizations, and comes back there.
async fn switch(Post { who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    let id: OrganizationId = form.get("organization").parse().map_err(|_| Trouble::no_such_page())?;
    who.app.core.switch_organization(&who.ctx, id).await.map_err(Trouble::of_named)?;
    Ok(who.see(&format!("/console/{id}")))
}

fn profile_page(desk: &Desk, new_name: String) -> ProfilePage {
    let subs = desk.subs().map(|of| (of.row.id, of.row.name.clone(), of.row.suspended_at.is_some())).collect();
    ProfilePage { frame: desk.frame("Profile", "profile"), id: desk.id(), made: when(desk.me.organization.row.created_at), subs, new_name }
}

async fn profile(desk: Desk, query: Query) -> Response {
    let done = match query.get("done") {
        Some("renamed") => Some("The organization has its new name."),
        Some("suspended") => Some("The sub-organization is suspended."),
        Some("resumed") => Some("The sub-organization works again."),
        Some("made") => Some("The sub-organization is created."),
        _ => None,
    };
    let mut page = profile_page(&desk, String::new());
    page.frame = page.frame.with_done(done);
    desk.visitor.answer(html(StatusCode::OK, &page))
}

async fn rename(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let id = desk.id();
    let changed = match desk.visitor.confirm(&form).await? {
        Ok(()) => desk.visitor.app.core.rename_organization(&desk.visitor.ctx, id, form.get("name")).await.map(|_| ()).map_err(Problem::about_form),
        Err(problem) => Err(Ok(problem)),
    };
    match changed {
        Ok(()) => Ok(desk.visitor.see(&format!("/console/{id}/profile?done=renamed"))),
        Err(problem) => refused(&desk, problem?, String::new()),
    }
}

fn refused(desk: &Desk, problem: Problem, new_name: String) -> Result<Response, Trouble> {
    let mut page = profile_page(desk, new_name);
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn create_sub(Post { who: desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    match desk.visitor.app.core.create_sub_organization(&desk.visitor.ctx, desk.id(), form.get("sub_name")).await {
        Ok(_) => Ok(desk.visitor.see(&format!("/console/{}/profile?done=made", desk.id()))),
        Err(error) => refused(&desk, Problem::about_form(error)?, form.get("sub_name").to_owned()),
    }
}

fn shown(policy: &Policy) -> Shown {
    Shown {
        days: policy.longest_key_life.map(|life| (life.as_secs() / DAY.as_secs()).to_string()).unwrap_or_default(),
        addresses: policy.allowed_addresses.join("\n"),
        personal_keys: policy.personal_keys == Allowed::Yes,
        members_by_keys: policy.members_by_keys == Allowed::Yes,
    }
}

fn policy_page(desk: &Desk, policies: &Policies) -> PolicyPage {
    PolicyPage { frame: desk.frame("Policy", "policy"), own: shown(&policies.own), root: policies.root.as_ref().map(shown) }
}

async fn policy(desk: Desk, query: Query) -> Result<Response, Trouble> {
    let policies = desk.visitor.app.core.get_policy(&desk.visitor.ctx, desk.id()).await?;
    let mut page = policy_page(&desk, &policies);
    page.frame = page.frame.with_done(query.get("done").map(|_| "The policy is in force.")).with_receipt(&query);
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

fn policy_of(form: &Form) -> Policy {
    let allowed = |name: &str| if form.has(name) { Allowed::Yes } else { Allowed::No };
    Policy {
        longest_key_life: form.duration("days", DAY),
        allowed_addresses: form.lines("addresses"),
        personal_keys: allowed("personal_keys"),
        members_by_keys: allowed("members_by_keys"),
    }
}

async fn set_policy(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let id = desk.id();
    let wanted = policy_of(&form);
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) if form.given("days").is_some() && wanted.longest_key_life.is_none_or(|life| life < DAY) => {
            Problem::of("Give the longest lifetime of a key as a number of days, or leave it empty.")
        }
        Ok(()) => match desk.visitor.app.core.set_policy(&desk.visitor.ctx, id, wanted.clone()).await {
            Ok(done) => return Ok(desk.see_done("policy?done=set", done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let policies = desk.visitor.app.core.get_policy(&desk.visitor.ctx, id).await?;
    let mut page = policy_page(&desk, &Policies { own: wanted, ..policies });
    page.own.days = form.get("days").to_owned();
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &page)))
}
