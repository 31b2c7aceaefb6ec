//! Signing in and out.

use super::{
    demo::{self, DemoPerson},
    form::Post,
    page::{Plain, html},
    trouble::{Problem, Trouble},
    visitor::{Guest, SIGN_IN, Visitor, within_console},
};
use crate::{app::App, identity::call::Query};
use askama::Template;
use axum::{
    Router,
    extract::Request,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use keywright_core::{Error, sessions::SignIn};
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "console/sign-in.html")]
struct SignInPage<'a> {
    frame: Plain,
    form_token: String,
    email: &'a str,
    to: &'a str,
    asks_code: bool,
    asks_new: bool,
    problem: Option<String>,
    done: Option<&'static str>,
    people: &'a [DemoPerson],
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route(SIGN_IN, get(show).post(sign_in)).route("/console/sign-out", post(sign_out))
}

async fn show(guest: Guest, query: Query, request: Request) -> Response {
    let done = match query.get("done") {
        Some("second-factor") => Some("This person has a second factor now: sign in by address, password and code."),
        Some("signed-out") => Some("You are signed out."),
        Some("password") => Some("Your password is changed. Sign in with the new one."),
        Some("joined") => Some("You have joined. Sign in with your address and password."),
        _ => None,
    };
    let people = demo::people(&guest, request.headers());
    let page = SignInPage {
        frame: Plain::titled("Sign in"),
        form_token: guest.form_token(),
        email: "",
        to: within_console(query.get("to").unwrap_or_default()),
        asks_code: query.get("done") == Some("second-factor"),
        asks_new: false,
        problem: None,
        done,
        people,
    };
    guest.answer(html(StatusCode::OK, &page))
}

async fn sign_in(headers: HeaderMap, Post { who: mut guest, form }: Post<Guest>) -> Result<Response, Trouble> {
    let secret = |name: &str| Some(form.exact(name)).filter(|value| !value.is_empty()).map(|value| Zeroizing::new(value.to_owned()));
    let (email, new_password) = (form.get("email"), secret("new_password"));
    let attempt = SignIn { email: email.to_owned(), password: secret("password").unwrap_or_default(), organization: None, new_password, code: secret("code") };
    let core = Arc::clone(&guest.app.core);
    match core.sign_in(&guest.ctx, attempt).await {
        Ok(begun) => {
            guest.signed_in(&begun.value).await;
            Ok(guest.see(within_console(form.get("to"))))
        }
        Err(error) => {
            let asks_code = matches!(error, Error::SecondFactorRequired | Error::WrongSecondFactor) || form.has("code");
            let asks_new = error == Error::PasswordMustChange || form.has("new_password");
            let problem = Problem::about_form(error)?;
            let page = SignInPage {
                frame: Plain::titled("Sign in"),
                form_token: guest.form_token(),
                email,
                to: within_console(form.get("to")),
                asks_code,
                asks_new,
                problem: Some(problem.sentence),
                done: None,
                people: demo::people(&guest, &headers),
            };
            Ok(guest.answer(html(problem.status, &page)))
        }
    }
}

async fn sign_out(Post { mut who, .. }: Post<Visitor>) -> Result<Response, Trouble> {
    who.app.core.end_session(&who.ctx, who.session.id).await?;
    who.forget();
    Ok(who.see("/console/sign-in?done=signed-out"))
}
