//! Operator keys, as their own page: each look at them needs a fresh session.

use super::require_operator;
use crate::{
    app::App,
    console::{
        form::Post,
        page::{Desk, Frame, html},
        path::Path,
        trouble::{Problem, Trouble},
        view::{Badge, Day, When, on_day, when},
    },
};
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use keywright_core::{
    Error,
    keys::rotation::Rotation,
    operator::{NewOperatorKey, OperatorKey, OperatorKeyState},
};
use keywright_protocol::{KeyId, OperatorScope, OrganizationId};
use std::sync::Arc;

struct Line {
    id: KeyId,
    name: String,
    state: Badge,
    scopes: String,
    addresses: String,
    made: When,
    ends: Day,
    is_live: bool,
}

#[derive(Template)]
#[template(path = "console/operator-keys.html")]
struct ListPage {
    frame: Frame,
    /// None as long as the session is not fresh.
    keys: Option<Vec<Line>>,
}

#[derive(Template)]
#[template(path = "console/operator-key-new.html")]
struct NewPage {
    frame: Frame,
    name: String,
    expires: String,
    addresses: String,
    scopes: Vec<(&'static str, &'static str, bool)>,
}

#[derive(Template)]
#[template(path = "console/operator-key-secret.html")]
struct SecretPage {
    frame: Frame,
    name: String,
    secret: String,
}

#[derive(Template)]
#[template(path = "console/operator-key-act.html")]
struct ActPage {
    frame: Frame,
    name: String,
    rotates: bool,
}

/// What is done with a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Rotate,
    Revoke,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/operator-keys", get(list))
        .route("/console/{organization}/operator-keys/unlock", post(unlock))
        .route("/console/{organization}/operator-keys/new", get(new).post(create))
        .route("/console/{organization}/operator-keys/{key}/rotate", get(ask_rotate).post(rotate))
        .route("/console/{organization}/operator-keys/{key}/revoke", get(ask_revoke).post(revoke))
}

fn line(desk: &Desk, key: OperatorKey) -> Line {
    let state = key.state(desk.visitor.ctx.now);
    Line {
        id: key.row.id,
        state: match state {
            OperatorKeyState::Active => Badge { word: "Active", tone: "good" },
            OperatorKeyState::Expired => Badge { word: "Expired", tone: "critical" },
            OperatorKeyState::Revoked => Badge { word: "Revoked", tone: "critical" },
        },
        scopes: key.scopes.to_vec().iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", "),
        addresses: key.addresses.to_texts().join(", "),
        made: when(key.row.created_at),
        ends: on_day(key.row.expires_at),
        is_live: state != OperatorKeyState::Revoked,
        name: key.row.name,
    }
}

async fn keys(desk: &Desk) -> Result<Option<Vec<Line>>, Trouble> {
    require_operator(desk)?;
    match desk.visitor.app.core.list_operator_keys(&desk.visitor.ctx).await {
        Ok(keys) => Ok(Some(keys.into_iter().map(|key| line(desk, key)).collect())),
        Err(Error::NotFresh(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn list(desk: Desk) -> Result<Response, Trouble> {
    let keys = keys(&desk).await?;
    let mut frame = desk.frame("Operator keys", "operator-keys");
    frame.asks_password |= keys.is_none();
    Ok(desk.visitor.answer(html(StatusCode::OK, &ListPage { frame, keys })))
}

async fn unlock(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    match desk.visitor.confirm(&form).await? {
        Ok(()) => Ok(desk.visitor.see(&format!("{}/operator-keys", desk.base()))),
        Err(problem) => {
            let mut frame = desk.frame("Operator keys", "operator-keys").with_problem(Some(&problem.sentence));
            frame.asks_password = true;
            Ok(desk.visitor.answer(html(problem.status, &ListPage { frame, keys: None })))
        }
    }
}

const fn words(scope: OperatorScope) -> &'static str {
    match scope {
        OperatorScope::Organizations => "Create, change, suspend and resume organizations, and set their limits",
        OperatorScope::Users => "Add, disable and enable users",
        OperatorScope::Members => "Create and remove members and give roles, Owner included",
        OperatorScope::Keys => "Create, change, rotate, suspend and revoke API Keys, with whatever roles; revoke Personal Access Keys",
    }
}

fn scopes(ticked: &[OperatorScope]) -> Vec<(&'static str, &'static str, bool)> {
    OperatorScope::ALL.iter().map(|scope| (scope.as_str(), words(*scope), ticked.contains(scope))).collect()
}

async fn new(desk: Desk) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let frame = desk.frame("Create an operator key", "operator-keys");
    let page = NewPage { frame, name: String::new(), expires: String::new(), addresses: String::new(), scopes: scopes(&[]) };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn create(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let ticked: Vec<OperatorScope> = OperatorScope::ALL.into_iter().filter(|scope| form.all("scope").any(|value| value == scope.as_str())).collect();
    let problem = match (desk.visitor.confirm(&form).await?, form.end_of_day("expires")) {
        (Err(problem), _) => problem,
        (Ok(()), Err(sentence)) => Problem::of(sentence),
        (Ok(()), Ok(expires_at)) => {
            let new = NewOperatorKey { name: form.get("name").to_owned(), scopes: ticked.clone(), expires_at, allowed_addresses: form.lines("addresses") };
            match desk.visitor.app.core.create_operator_key(&desk.visitor.ctx, new).await {
                Ok(made) => {
                    let (key, secret) = made.value;
                    let page = SecretPage { frame: desk.frame("The secret", "operator-keys"), name: key.row.name, secret: secret.reveal().to_owned() };
                    return Ok(desk.visitor.answer(html(StatusCode::OK, &page)));
                }
                Err(error) => Problem::about_form(error)?,
            }
        }
    };
    let frame = desk.frame("Create an operator key", "operator-keys").with_problem(Some(&problem.sentence));
    let page = NewPage {
        frame,
        name: form.get("name").to_owned(),
        expires: form.get("expires").to_owned(),
        addresses: form.exact("addresses").to_owned(),
        scopes: scopes(&ticked),
    };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

/// The page of an act on one key; whoever is not fresh is sent to the list, which asks for the password.
async fn ask(desk: Desk, id: KeyId, act: Act) -> Result<Response, Trouble> {
    let Some(keys) = keys(&desk).await? else { return Ok(desk.visitor.see(&format!("{}/operator-keys", desk.base()))) };
    let key = keys.into_iter().find(|key| key.id == id).ok_or_else(Trouble::no_such_page)?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &ActPage { frame: desk.frame(&key.name, "operator-keys"), name: key.name, rotates: act == Act::Rotate })))
}

async fn ask_rotate(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>) -> Result<Response, Trouble> {
    ask(desk, id, Act::Rotate).await
}

async fn ask_revoke(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>) -> Result<Response, Trouble> {
    ask(desk, id, Act::Revoke).await
}

async fn rotate(Path((_, id)): Path<(OrganizationId, KeyId)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let problem = match (desk.visitor.confirm(&form).await?, form.overlap()) {
        (Err(problem), _) => problem,
        (Ok(()), Err(sentence)) => Problem::of(sentence),
        (Ok(()), Ok(overlap)) => match desk.visitor.app.core.rotate_operator_key(&desk.visitor.ctx, id, Rotation { overlap, expires_at: None }).await {
            Ok(rotated) => {
                let page =
                    SecretPage { frame: desk.frame("The secret", "operator-keys"), name: "the key".to_owned(), secret: rotated.secret.reveal().to_owned() };
                return Ok(desk.visitor.answer(html(StatusCode::OK, &page)));
            }
            Err(error) => Problem::about_form(error)?,
        },
    };
    refused(&desk, &problem, Act::Rotate)
}

async fn revoke(Path((_, id)): Path<(OrganizationId, KeyId)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.revoke_operator_key(&desk.visitor.ctx, id).await {
            Ok(_) => return Ok(desk.visitor.see(&format!("{}/operator-keys", desk.base()))),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    refused(&desk, &problem, Act::Revoke)
}

fn refused(desk: &Desk, problem: &Problem, act: Act) -> Result<Response, Trouble> {
    let frame = desk.frame("Operator key", "operator-keys").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &ActPage { frame, name: "the key".to_owned(), rotates: act == Act::Rotate })))
}
