//! What became of something that was taken back: who has heard of it, live.

use super::{
    demo::{self, Switch},
    page::{Desk, Frame, html},
    path::Path,
    trouble::Trouble,
    view::{When, exactly},
};
use crate::app::App;
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::{HeaderMap, StatusCode};
use keywright_core::status::receipts::ReceiptOf;
use keywright_protocol::{
    OrganizationId, Position,
    status::receipt::{ReceiptState, VerifierLine},
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
    /// Whether that is over: it was away, and accepts nothing from before any more.
    is_over: bool,
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
    /// None where no token was out.
    without_feed: Option<When>,
    goes_on: bool,
}

#[derive(Template)]
#[template(path = "console/receipt.html")]
struct ReceiptPage {
    frame: Frame,
    /// What was done, as the activity says it.
    what: String,
    at: When,
    part: Part,
    demo: Vec<Switch>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/{organization}/receipts/{revision}", get(show)).route("/console/{organization}/receipts/{revision}/part", get(part))
}

async fn read(desk: &Desk, revision: &str) -> Result<ReceiptOf, Trouble> {
    let revision: Position = revision.parse().map_err(|_| Trouble::no_such_page())?;
    desk.visitor.app.core.receipt(&desk.visitor.ctx, revision).await.map_err(Trouble::of_named)
}

async fn show(desk: Desk, headers: HeaderMap, Path((_, revision)): Path<(OrganizationId, String)>) -> Result<Response, Trouble> {
    let found = read(&desk, &revision).await?;
    let about = if found.reason.is_empty() { &found.subject } else { &found.reason };
    let page = ReceiptPage {
        frame: desk.frame("Revocation receipt", "receipt"),
        what: format!("{}: {about}", found.action),
        at: exactly(found.receipt.changed_at),
        part: of(&desk, found),
        demo: demo::switches(&desk, &headers),
    };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn part(desk: Desk, Path((_, revision)): Path<(OrganizationId, String)>) -> Result<Response, Trouble> {
    let found = read(&desk, &revision).await?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &of(&desk, found))))
}

const fn words(state: ReceiptState) -> (&'static str, &'static str) {
    match state {
        ReceiptState::Confirmed => ("Confirmed", "good"),
        ReceiptState::Waiting => ("Waiting", "warning"),
        ReceiptState::Away => ("Away", "critical"),
    }
}

fn of(desk: &Desk, ReceiptOf { receipt, concerns_tokens, .. }: ReceiptOf) -> Part {
    let knows = |state: ReceiptState| state == ReceiptState::Confirmed;
    let replicas = receipt.replicas.iter().filter(|line| knows(line.state)).count();
    let verifiers = receipt.verifiers.iter().filter(|line| knows(line.state)).count();
    let (now, more) = (receipt.as_of, receipt.more_verifiers + receipt.verifiers.len().saturating_sub(SHOWN));
    let is_over = |of: &VerifierLine| of.state == ReceiptState::Away && of.could_accept_until.is_some_and(|until| until <= now);
    let all = replicas == receipt.replicas.len() && receipt.verifiers.iter().all(|of| knows(of.state) || is_over(of)) && receipt.more_verifiers == 0;
    let slowest = receipt.replicas.iter().map(|line| line.milliseconds).chain(receipt.verifiers.iter().map(|line| line.milliseconds)).flatten().max();
    let (all_replicas, all_verifiers) = (receipt.replicas.len(), receipt.verifiers.len() + receipt.more_verifiers);
    let mut summary = format!("Dead at {replicas} of {all_replicas} replicas, {verifiers} of {all_verifiers} verifiers");
    if all_verifiers == 0 {
        summary =
            format!("Dead at {replicas} of {all_replicas} replicas; {}", if concerns_tokens { "no verifier had to hear of it" } else { "no token was out" });
    }
    let over = receipt.verifiers.iter().filter(|of| is_over(of)).count();
    if over > 0 {
        summary.push_str(&format!("; {over} away, accepting nothing from before any more"));
    }
    if let Some(slowest) = slowest {
        summary.push_str(&format!(", {slowest} ms"));
    }
    let servers = receipt.replicas.iter().enumerate().map(|(at, of)| {
        let (state, tone) = words(of.state);
        let who = of.address.clone().unwrap_or_else(|| format!("Replica {}", at + 1));
        Line { who, state, tone, took: of.milliseconds, until: None, is_over: false }
    });
    let others = receipt.verifiers.iter().take(SHOWN).map(|of| {
        let (state, tone) = words(of.state);
        let until = of.could_accept_until.filter(|_| !knows(of.state)).map(exactly);
        Line { who: of.name.clone(), state, tone: if is_over(of) { "" } else { tone }, took: of.milliseconds, until, is_over: is_over(of) }
    });
    Part {
        base: format!("/console/{}", desk.id()),
        lines: servers.chain(others).collect(),
        revision: receipt.revision,
        summary,
        tone: if all { "good" } else { "warning" },
        more,
        worst: receipt.at_worst.known_verifiers.filter(|until| *until > now).map(exactly),
        without_feed: concerns_tokens.then(|| exactly(receipt.at_worst.without_feed)),
        goes_on: !all,
    }
}
