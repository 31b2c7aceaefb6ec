//! The second factor of whoever is signed in: setting it up, recovery codes, taking it away.

use super::{
    account::desk,
    form::Post,
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
use keywright_core::{
    Error,
    second_factor::{SecondFactor, SetUp},
};
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
    let (visitor, mut page) = state_page(visitor).await?;
    // An address must not say what is not so.
    let is_off = query.get("done") == Some("off") && page.on.is_none() && !page.is_lost;
    let done = is_off.then_some("The second factor is off. Your password alone signs you in.");
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
    // The page first: what is shown once is not made for a page that cannot be.
    let desk = desk(who).await?;
    match desk.visitor.app.core.begin_second_factor(&desk.visitor.ctx).await {
        Ok(begun) => Ok(set_up_page(&desk, Some(&begun.value), None)),
        Err(error) => {
            let problem = Problem::about_form(error)?;
            refused(desk.visitor, problem).await
        }
    }
}

fn set_up_page(desk: &Desk, set_up: Option<&SetUp>, problem: Option<&Problem>) -> Response {
    let shown = set_up.map(|set_up| {
        let (size, path) = picture(&set_up.uri);
        Shown { secret: in_fours(&set_up.secret), size, path }
    });
    let status = problem.map_or(StatusCode::OK, |problem| problem.status);
    let frame = desk.frame("Set up the second factor", "account").with_problem(problem.map(|problem| problem.sentence.as_str()));
    desk.visitor.answer(html(status, &SetUpPage { frame, shown }))
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

fn codes_page(desk: &Desk, codes: &[Zeroizing<String>], after: After) -> Response {
    let codes = codes.iter().map(|code| code.to_string()).collect();
    desk.visitor.answer(html(StatusCode::OK, &CodesPage { frame: desk.frame("Recovery codes", "account"), codes, turned_on: after == After::TurningOn }))
}

async fn confirm(Post { who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    let desk = desk(who).await?;
    let (core, ctx) = (Arc::clone(&desk.visitor.app.core), &desk.visitor.ctx);
    match core.confirm_second_factor(ctx, form.get("code")).await {
        Ok(confirmed) => Ok(codes_page(&desk, &confirmed.value, After::TurningOn)),
        // The app has the secret: another try needs no other one.
        Err(error) => {
            let is_code = matches!(error, Error::Invalid { field: "code", .. });
            let mut problem = Problem::about_form(error)?;
            if !matches!(core.second_factor(ctx).await?, SecondFactor::Pending { .. }) {
                return refused(desk.visitor, problem).await;
            }
            if is_code {
                problem = Problem::of(
                    "That code is not right. Type the six digits that the app shows now, and see that its clock is right. If the app has no entry yet, begin anew.",
                );
            }
            Ok(set_up_page(&desk, None, Some(&problem)))
        }
    }
}

async fn renew(Post { mut who, form }: Post<Visitor>) -> Result<Response, Trouble> {
    if let Err(problem) = who.confirm(&form).await? {
        return refused(who, problem).await;
    }
    let desk = desk(who).await?;
    match desk.visitor.app.core.renew_recovery_codes(&desk.visitor.ctx, form.get("code")).await {
        Ok(renewed) => Ok(codes_page(&desk, &renewed.value, After::Renewal)),
        Err(error) => {
            let problem = Problem::about_form(error)?;
            refused(desk.visitor, problem).await
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
