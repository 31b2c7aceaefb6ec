//! The second factor of whoever is signed in: setting it up, recovery codes, taking it away.

use super::{
    account::desk,
    form::Post,
    page::{Frame, html},
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
use keywright_core::second_factor::{SecondFactor, SetUp};
use qrcodegen::{QrCode, QrCodeEcc};
use std::{fmt::Write as _, sync::Arc};
use zeroize::Zeroizing;

/// Of the picture's edge: a camera needs it to find the code.
const QUIET: i32 = 4;

#[derive(Template)]
#[template(path = "console/second-factor.html")]
struct StatePage {
    frame: Frame,
    on: Option<(When, usize)>,
    is_lost: bool,
}

#[derive(Template)]
#[template(path = "console/second-factor-set-up.html")]
struct SetUpPage {
    frame: Frame,
    /// None when it was shown already, and the code is asked for again.
    shown: Option<Shown>,
}

/// The secret, the one time that it is shown, and the same as a picture.
struct Shown {
    secret: String,
    size: i32,
    path: String,
}

#[derive(Template)]
#[template(path = "console/recovery-codes.html")]
struct CodesPage {
    frame: Frame,
    codes: Vec<String>,
    turned_on: bool,
}

/// What the recovery codes come of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    TurningOn,
    Renewal,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/account/second-factor", get(show))
        .route("/console/account/second-factor/set-up", post(begin))
        .route("/console/account/second-factor/confirm", post(confirm))
        .route("/console/account/second-factor/recovery-codes", post(renew))
        .route("/console/account/second-factor/remove", post(remove))
}

async fn state_page(visitor: Visitor) -> Result<(Visitor, StatePage), Trouble> {
    let state = visitor.app.core.second_factor(&visitor.ctx).await?;
    let on = match state {
        SecondFactor::On { since, recovery_codes_left } => Some((when(since), recovery_codes_left)),
        SecondFactor::Off | SecondFactor::Pending { .. } | SecondFactor::Lost => None,
    };
    let desk = desk(visitor).await?;
    let frame = desk.frame("Second factor", "account");
    Ok((desk.visitor, StatePage { frame, on, is_lost: state == SecondFactor::Lost }))
}

async fn show(visitor: Visitor, query: Query) -> Result<Response, Trouble> {
    let done = query.get("done").map(|_| "The second factor is off. Your password alone signs you in.");
    let (visitor, mut page) = state_page(visitor).await?;
    page.frame = page.frame.with_done(done);
    Ok(visitor.answer(html(StatusCode::OK, &page)))
}

async fn refused(visitor: Visitor, problem: Problem) -> Result<Response, Trouble> {
    let (visitor, mut page) = state_page(visitor).await?;
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(visitor.answer(html(problem.status, &page)))
}

async fn begin(Post { mut who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    if let Err(problem) = who.confirm(&form).await? {
        return refused(who, problem).await;
    }
    match who.app.core.begin_second_factor(&who.ctx).await {
        Ok(begun) => set_up_page(who, Some(&begun.value), None).await,
        Err(error) => {
            let problem = Problem::about_form(error)?;
            refused(who, problem).await
        }
    }
}

async fn set_up_page(visitor: Visitor, set_up: Option<&SetUp>, problem: Option<Problem>) -> Result<Response, Trouble> {
    let shown = set_up.map(|set_up| {
        let (size, path) = picture(&set_up.uri);
        Shown { secret: in_fours(&set_up.secret), size, path }
    });
    let desk = desk(visitor).await?;
    let status = problem.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let frame = desk.frame("Set up the second factor", "account").with_problem(problem.as_ref().map(|problem| problem.sentence.as_str()));
    Ok(desk.visitor.answer(html(status, &SetUpPage { frame, shown })))
}

/// The dark squares of a QR code as one path, and how wide it is. A text that is too long for one gives an empty picture; the secret stands
/// beside it.
fn picture(text: &str) -> (i32, String) {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return (0, String::new()) };
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    (code.size() + 2 * QUIET, path)
}

fn in_fours(secret: &str) -> String {
    secret.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

async fn codes_page(visitor: Visitor, codes: Vec<Zeroizing<String>>, after: After) -> Result<Response, Trouble> {
    let desk = desk(visitor).await?;
    let codes = codes.iter().map(|code| code.to_string()).collect();
    Ok(desk.visitor.answer(html(StatusCode::OK, &CodesPage { frame: desk.frame("Recovery codes", "account"), codes, turned_on: after == After::TurningOn })))
}

async fn confirm(Post { who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    match who.app.core.confirm_second_factor(&who.ctx, form.get("code")).await {
        Ok(confirmed) => codes_page(who, confirmed.value, After::TurningOn).await,
        // The app has the secret: another try needs no other one.
        Err(error) => {
            let problem = Problem::about_form(error)?;
            let pending = matches!(who.app.core.second_factor(&who.ctx).await?, SecondFactor::Pending { .. });
            if pending { set_up_page(who, None, Some(problem)).await } else { refused(who, problem).await }
        }
    }
}

async fn renew(Post { mut who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    if let Err(problem) = who.confirm(&form).await? {
        return refused(who, problem).await;
    }
    match who.app.core.renew_recovery_codes(&who.ctx, form.get("code")).await {
        Ok(renewed) => codes_page(who, renewed.value, After::Renewal).await,
        Err(error) => {
            let problem = Problem::about_form(error)?;
            refused(who, problem).await
        }
    }
}

async fn remove(Post { mut who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    if let Err(problem) = who.confirm(&form).await? {
        return refused(who, problem).await;
    }
    match who.app.core.remove_second_factor(&who.ctx, form.get("code")).await {
        Ok(_) => Ok(who.see("/console/account/second-factor?done=off")),
        Err(error) => {
            let problem = Problem::about_form(error)?;
            refused(who, problem).await
        }
    }
}
