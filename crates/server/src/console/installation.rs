//! The installation's own pages, for Owners of the operator organization: signing keys, operator keys, the catalog.

mod catalog;
mod operator_keys;

use super::{
    form::Post,
    page::{Desk, Frame, html},
    path::Path,
    trouble::{Problem, Trouble},
    view::{Badge, When, when},
};
use crate::{app::App, identity::call::Query};
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use keywright_protocol::{
    OrganizationId,
    admin::{SigningKeyRow, SigningKeyState},
};
use std::sync::Arc;

struct KeyLine {
    kid: String,
    purpose: &'static str,
    algorithm: &'static str,
    state: Badge,
    since: When,
    /// What happens at `until`.
    until_what: &'static str,
    until: Option<When>,
    can_be_revoked: bool,
}

#[derive(Template)]
#[template(path = "console/signing-keys.html")]
struct KeysPage {
    frame: Frame,
    keys: Vec<KeyLine>,
}

#[derive(Template)]
#[template(path = "console/signing-key-revoke.html")]
struct RevokePage {
    frame: Frame,
    kid: String,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/signing-keys", get(list))
        .route("/console/{organization}/signing-keys/rotate", post(rotate))
        .route("/console/{organization}/signing-keys/{kid}/revoke", get(ask_revoke).post(revoke))
        .merge(operator_keys::router())
        .merge(catalog::router())
}

/// These pages are those of the operator organization; in another one they are not there.
fn require_operator(desk: &Desk) -> Result<(), Trouble> {
    if desk.is_operator() { Ok(()) } else { Err(Trouble::no_such_page()) }
}

fn line(row: SigningKeyRow) -> KeyLine {
    let state = match row.state {
        SigningKeyState::Pending => Badge { word: "Published", tone: "" },
        SigningKeyState::Active => Badge { word: "Signs", tone: "good" },
        SigningKeyState::Retired => Badge { word: "Signs nothing new", tone: "" },
        SigningKeyState::Removed => Badge { word: "Published no more", tone: "" },
        SigningKeyState::Revoked => Badge { word: "Revoked", tone: "critical" },
    };
    KeyLine {
        can_be_revoked: matches!(row.state, SigningKeyState::Pending | SigningKeyState::Active | SigningKeyState::Retired),
        purpose: row.purpose.as_str(),
        algorithm: row.algorithm.as_str(),
        state,
        since: when(row.since),
        until_what: if row.state == SigningKeyState::Pending { "signs from" } else { "until" },
        until: row.until.map(when),
        kid: row.kid,
    }
}

async fn keys_page(desk: &Desk) -> Result<KeysPage, Trouble> {
    require_operator(desk)?;
    let keys = desk.visitor.app.core.list_signing_keys(&desk.visitor.ctx).await?;
    // Those that matter first.
    let (live, past): (Vec<_>, Vec<_>) = keys.into_iter().rev().map(line).partition(|key| key.can_be_revoked);
    Ok(KeysPage { frame: desk.frame("Signing keys", "signing-keys"), keys: live.into_iter().chain(past).collect() })
}

async fn list(desk: Desk, query: Query) -> Result<Response, Trouble> {
    let done = match query.get("done") {
        Some("rotated") => Some("The successors are published and sign after a quarter of an hour."),
        Some("revoked") => Some("Nothing that the key signed is believed any more."),
        _ => None,
    };
    let mut page = keys_page(&desk).await?;
    page.frame = page.frame.with_done(done).with_receipt(&query);
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn rotate(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.rotate_signing_keys(&desk.visitor.ctx, None).await {
            Ok(_) => return Ok(desk.visitor.see(&format!("{}/signing-keys?done=rotated", desk.base()))),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let mut page = keys_page(&desk).await?;
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn ask_revoke(desk: Desk, Path((_, kid)): Path<(OrganizationId, String)>) -> Result<Response, Trouble> {
    let known = keys_page(&desk).await?.keys.into_iter().any(|key| key.kid == kid && key.can_be_revoked);
    if !known {
        return Err(Trouble::no_such_page());
    }
    Ok(desk.visitor.answer(html(StatusCode::OK, &RevokePage { frame: desk.frame("Revoke a signing key", "signing-keys"), kid })))
}

async fn revoke(Path((_, kid)): Path<(OrganizationId, String)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let typed = form.get("confirm_kid");
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) if typed.len() < 8 || !kid.starts_with(typed) => Problem::of("Type the first eight characters of the key id as it stands here."),
        Ok(()) => match desk.visitor.app.core.revoke_signing_key(&desk.visitor.ctx, &kid).await {
            Ok(done) => return Ok(desk.see_receipt(done.position, "signing-keys?done=revoked").await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let frame = desk.frame("Revoke a signing key", "signing-keys").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &RevokePage { frame, kid })))
}
