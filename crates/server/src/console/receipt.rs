//! What became of something that was taken back: who has heard of it, live.

use super::{
    demo::{self, Switch},
    page::{Desk, Frame, html},
    path::Path,
    trouble::Trouble,
    view::{When, when},
};
use crate::app::App;
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::{HeaderMap, StatusCode};
use keywright_protocol::{
    OrganizationId, Position,
    status::receipt::{Receipt, ReceiptState},
};
use std::sync::Arc;

/// Verifiers that are listed by name.
const SHOWN: usize = 50;

struct Line {
    who: String,
    state: &'static str,
    tone: &'static str,
    took: Option<i64>,
    until: Option<When>,
}

/// The part that is looked at again and again.
#[derive(Template)]
#[template(path = "console/receipt-part.html")]
struct Part {
    base: String,
    revision: String,
    summary: String,
    tone: &'static str,
    lines: Vec<Line>,
    more: usize,
    worst: Option<When>,
    without_feed: When,
    goes_on: bool,
}

#[derive(Template)]
#[template(path = "console/receipt.html")]
struct ReceiptPage {
    frame: Frame,
    at: When,
    part: Part,
    demo: Vec<Switch>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/{organization}/receipts/{revision}", get(show)).route("/console/{organization}/receipts/{revision}/part", get(part))
}

async fn read(desk: &Desk, revision: &str) -> Result<Receipt, Trouble> {
    let revision: Position = revision.parse().map_err(|_| Trouble::no_such_page())?;
    Ok(desk.visitor.app.core.receipt(&desk.visitor.ctx, revision).await?.0)
}

async fn show(desk: Desk, headers: HeaderMap, Path((_, revision)): Path<(OrganizationId, String)>) -> Result<Response, Trouble> {
    let receipt = read(&desk, &revision).await?;
    let page = ReceiptPage {
        frame: desk.frame("Taken back", "receipt"),
        at: when(receipt.changed_at),
        part: of(&desk, receipt),
        demo: demo::switches(&desk, &headers),
    };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn part(desk: Desk, Path((_, revision)): Path<(OrganizationId, String)>) -> Result<Response, Trouble> {
    let receipt = read(&desk, &revision).await?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &of(&desk, receipt))))
}

const fn words(state: ReceiptState) -> (&'static str, &'static str) {
    match state {
        ReceiptState::Confirmed => ("knows", "good"),
        ReceiptState::Waiting => ("waiting for it", "warning"),
        ReceiptState::Away => ("away", "critical"),
    }
}

fn of(desk: &Desk, receipt: Receipt) -> Part {
    let knows = |state: ReceiptState| state == ReceiptState::Confirmed;
    let replicas = receipt.replicas.iter().filter(|line| knows(line.state)).count();
    let verifiers = receipt.verifiers.iter().filter(|line| knows(line.state)).count();
    let all = replicas == receipt.replicas.len() && verifiers == receipt.verifiers.len() && receipt.more_verifiers == 0;
    let slowest = receipt.replicas.iter().map(|line| line.milliseconds).chain(receipt.verifiers.iter().map(|line| line.milliseconds)).flatten().max();
    let mut summary =
        format!("Dead at {replicas} of {} replicas, {verifiers} of {} verifiers", receipt.replicas.len(), receipt.verifiers.len() + receipt.more_verifiers);
    if let Some(slowest) = slowest {
        summary.push_str(&format!(", {slowest} ms"));
    }
    let line = |who: String, state: ReceiptState, took: Option<i64>, until: Option<When>| {
        let (state, tone) = words(state);
        Line { who, state, tone, took, until }
    };
    let servers = receipt.replicas.iter().enumerate().map(|(at, of)| line(format!("Server {}", at + 1), of.state, of.milliseconds, None));
    let others = receipt.verifiers.iter().take(SHOWN).map(|of| {
        let until = of.could_accept_until.filter(|_| !knows(of.state)).map(when);
        line(of.name.clone(), of.state, of.milliseconds, until)
    });
    let waits =
        receipt.verifiers.iter().any(|line| line.state == ReceiptState::Waiting) || receipt.replicas.iter().any(|line| line.state == ReceiptState::Waiting);
    Part {
        base: format!("/console/{}", desk.id()),
        lines: servers.chain(others).collect(),
        revision: receipt.revision,
        summary,
        tone: if all { "good" } else { "warning" },
        more: receipt.more_verifiers + receipt.verifiers.len().saturating_sub(SHOWN),
        worst: receipt.at_worst.known_verifiers.map(when),
        without_feed: when(receipt.at_worst.without_feed),
        goes_on: waits || !all,
    }
}
