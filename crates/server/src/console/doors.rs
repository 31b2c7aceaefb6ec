//! A new password by mail.

use super::{
    form::Post,
    page::{Plain, html},
    trouble::{Problem, Trouble},
    visitor::Guest,
};
use crate::{app::App, tasks};
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "console/reset-request.html")]
struct RequestPage<'a> {
    frame: Plain,
    form_token: String,
    email: &'a str,
    sent: bool,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "console/reset.html")]
struct ResetPage<'a> {
    frame: Plain,
    form_token: String,
    code: &'a str,
    problem: Option<String>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/password-reset", get(ask).post(request)).route("/console/new-password", get(choose).post(set))
}

async fn ask(guest: Guest) -> Response {
    let page = RequestPage { frame: Plain::titled("Forgot your password?"), form_token: guest.form_token(), email: "", sent: false, problem: None };
    guest.answer(html(StatusCode::OK, &page))
}

async fn request(Post { who: guest, form }: Post<Guest>) -> Result<Response, Trouble> {
    let problem = match guest.app.core.request_reset(&guest.ctx, form.get("email")) {
        Ok(work) => {
            drop(tasks::spawn(async move {
                if let Err(error) = work.await {
                    tracing::warn!(code = error.code(), "a mail for a new password could not be written");
                }
            }));
            None
        }
        Err(error) => Some(Problem::about_form(error)?),
    };
    let status = problem.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let sent = problem.is_none();
    let page = RequestPage {
        frame: Plain::titled("Forgot your password?"),
        form_token: guest.form_token(),
        email: form.get("email"),
        sent,
        problem: problem.map(|problem| problem.sentence),
    };
    Ok(guest.answer(html(status, &page)))
}

async fn choose(guest: Guest) -> Response {
    let page = ResetPage { frame: Plain::titled("Choose a new password"), form_token: guest.form_token(), code: "", problem: None };
    guest.answer(html(StatusCode::OK, &page))
}

async fn set(Post { who: guest, form }: Post<Guest>) -> Result<Response, Trouble> {
    let new = Zeroizing::new(form.exact("new_password").to_owned());
    match guest.app.core.reset_password(&guest.ctx, form.get("code"), new).await {
        Ok(_) => Ok(guest.see("/console/sign-in?done=password")),
        Err(error) => {
            let problem = Problem::about_form(error)?;
            let page = ResetPage {
                frame: Plain::titled("Choose a new password"),
                form_token: guest.form_token(),
                code: form.get("code"),
                problem: Some(problem.sentence),
            };
            Ok(guest.answer(html(problem.status, &page)))
        }
    }
}
