//! Accepting an invitation, with and without an account.

use super::{
    form::Post,
    page::{Plain, html},
    trouble::{Problem, Trouble},
    view::{When, role_names, when},
    visitor::Guest,
};
use crate::app::App;
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use keywright_core::{Error, acceptance::Offer};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What somebody is offered, for a page.
struct Shown {
    email: String,
    places: Vec<(String, Vec<String>)>,
    until: When,
    has_account: bool,
}

#[derive(Template)]
#[template(path = "console/invitation.html")]
struct InvitationPage<'a> {
    frame: Plain,
    form_token: String,
    code: &'a str,
    name: &'a str,
    offer: Option<Shown>,
    problem: Option<String>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/invitation", get(ask).post(look)).route("/console/invitation/accept", post(accept))
}

fn page<'a>(guest: &Guest, (code, name): (&'a str, &'a str), offer: Option<Offer>, problem: Option<Problem>) -> Response {
    let catalog = guest.app.core.catalog();
    let shown = offer.map(|offer| Shown {
        places: offer
            .organizations
            .into_iter()
            .zip(offer.grants)
            .map(|(place, grant)| (place, role_names(catalog.catalog.document(), &offer.custom_roles, &grant.roles)))
            .collect(),
        email: offer.email,
        until: when(offer.expires_at),
        has_account: offer.has_account,
    });
    let status = problem.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let problem = problem.map(|problem| problem.sentence);
    let page = InvitationPage { frame: Plain::titled("Invitation"), form_token: guest.form_token(), code, name, offer: shown, problem };
    guest.answer(html(status, &page))
}

async fn ask(guest: Guest) -> Response {
    page(&guest, ("", ""), None, None)
}

/// A link that does not work is no missing page but something about the form.
fn about_link(error: Error) -> Result<Problem, Trouble> {
    if matches!(error, Error::NotFound(_) | Error::Absent(_)) {
        return Ok(Problem::of(
            "This code does not work. See that it is whole. If it is, the invitation was accepted, withdrawn or sent again, or is older than seven days: ask for another one.",
        ));
    }
    Problem::about_form(error)
}

async fn look(Post { who: guest, form }: Post<Guest>) -> Result<Response, Trouble> {
    let code = form.get("code");
    match guest.app.core.look_up_invitation(&guest.ctx, code).await {
        Ok(offer) => Ok(page(&guest, (code, ""), Some(offer), None)),
        Err(error) => Ok(page(&guest, (code, ""), None, Some(about_link(error)?))),
    }
}

async fn accept(Post { who: guest, form }: Post<Guest>) -> Result<Response, Trouble> {
    let (code, name, password) = (form.get("code"), form.get("name"), Zeroizing::new(form.exact("password").to_owned()));
    let core = &guest.app.core;
    match core.accept_invitation(&guest.ctx, code, form.given("name"), password).await {
        Ok(_) => Ok(guest.see("/console/sign-in?done=joined")),
        Err(error) => {
            let problem = about_link(error)?;
            let offer = core.look_up_invitation(&guest.ctx, code).await.ok();
            Ok(page(&guest, (code, name), offer, Some(problem)))
        }
    }
}
