//! Personal Access Keys: one's own, and for Owners those of the members.

use super::{
    form::Post,
    page::{Desk, Frame, html},
    path::Path,
    trouble::{Problem, Trouble},
    view::{Badge, Ending, LastUse, ending, last_use, state},
};
use crate::{app::App, identity::call::Query};
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use keywright_core::{Part, keys::KeyRecord, policy::Allowed};
use keywright_protocol::{KeyId, OrganizationId, Time};
use std::{sync::Arc, time::Duration};

const PAGE: u32 = 50;
/// What the form proposes.
const USUAL_LIFE: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// A key as the list shows it.
pub(super) struct KeyLine {
    pub(super) id: KeyId,
    pub(super) name: String,
    pub(super) holder: String,
    pub(super) is_own: bool,
    pub(super) is_live: bool,
    pub(super) state: Badge,
    pub(super) ending: Ending,
    pub(super) used: LastUse,
}

#[derive(Template)]
#[template(path = "console/personal-keys.html")]
struct ListPage {
    frame: Frame,
    keys: Vec<KeyLine>,
    /// Whether the policy takes such keys.
    allowed: bool,
    page: u32,
    pages: u32,
}

#[derive(Template)]
#[template(path = "console/personal-key-new.html")]
struct NewPage {
    frame: Frame,
    name: String,
    expires: String,
    /// The last day that there is.
    latest: String,
}

#[derive(Template)]
#[template(path = "console/personal-key-made.html")]
struct MadePage {
    frame: Frame,
    key: KeyLine,
    secret: String,
}

#[derive(Template)]
#[template(path = "console/personal-key-delete.html")]
struct DeletePage {
    frame: Frame,
    key: KeyLine,
}

#[derive(Template)]
#[template(path = "console/personal-key-rename.html")]
struct RenamePage {
    frame: Frame,
    key: KeyLine,
    name: String,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/personal-keys", get(list))
        .route("/console/{organization}/personal-keys/new", get(new).post(create))
        .route("/console/{organization}/personal-keys/{key}/rename", get(ask_name).post(rename))
        .route("/console/{organization}/personal-keys/{key}/delete", get(ask_delete))
        .route("/console/{organization}/personal-keys/{key}/delete", post(delete))
}

pub(super) fn line(desk: &Desk, key: KeyRecord) -> KeyLine {
    let now = desk.visitor.ctx.now;
    KeyLine {
        id: key.id,
        state: state(&key, now),
        is_own: key.user_id == Some(desk.visitor.session.user_id),
        is_live: key.revoked_at.is_none(),
        ending: ending(key.expires_at, now),
        used: last_use(key.last_used_at, key.last_used_address.as_deref()),
        holder: key.user_email.unwrap_or_default(),
        name: key.name,
    }
}

async fn list(desk: Desk, query: Query) -> Result<Response, Trouble> {
    let number = query.number("page", 1, 1..=100_000)?;
    let found = desk.visitor.app.core.list_personal_access_keys(&desk.visitor.ctx, desk.id(), Part::page(number, PAGE)).await?;
    let done = query.get("done").map(|_| "The key has its new name.");
    let pages = u32::try_from(found.total).unwrap_or(u32::MAX).div_ceil(PAGE);
    let keys = found.rows.into_iter().map(|key| line(&desk, key)).collect();
    let allowed = are_allowed(&desk).await?;
    let page = ListPage { frame: desk.frame("Personal Access Keys", "personal-keys").with_done(done), allowed, keys, page: number, pages };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

/// Whether the policies here take Personal Access Keys.
async fn are_allowed(desk: &Desk) -> Result<bool, Trouble> {
    let policies = desk.visitor.app.core.get_policy(&desk.visitor.ctx, desk.id()).await?;
    Ok([Some(&policies.own), policies.root.as_ref()].into_iter().flatten().all(|policy| policy.personal_keys == Allowed::Yes))
}

/// One of those that he sees here.
async fn find(desk: &Desk, id: KeyId) -> Result<KeyLine, Trouble> {
    let found = desk.visitor.app.core.get_personal_access_key(&desk.visitor.ctx, desk.id(), id).await;
    found.map(|key| line(desk, key)).map_err(Trouble::of_named)
}

async fn new(desk: Desk) -> Result<Response, Trouble> {
    if !are_allowed(&desk).await? {
        return Err(Trouble::forbidden("The policy of this organization does not allow Personal Access Keys.".to_owned()));
    }
    let (expires, latest) = desk.last_days(USUAL_LIFE).await?;
    let page = NewPage { frame: desk.frame("New Personal Access Key", "personal-keys"), name: String::new(), expires, latest };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn create(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let id = desk.id();
    let problem = match (desk.visitor.confirm(&form).await?, form.end_of_day("expires")) {
        (Ok(()), Ok(expires)) => {
            let expires: Option<Time> = expires;
            match desk.visitor.app.core.create_own_personal_access_key(&desk.visitor.ctx, id, form.get("name"), expires).await {
                Ok(made) => {
                    let page =
                        MadePage { frame: desk.frame("Your new key", "personal-keys"), secret: made.secret.reveal().to_owned(), key: line(&desk, made.record) };
                    return Ok(desk.visitor.answer(html(StatusCode::OK, &page)));
                }
                Err(error) => Problem::about_form(error)?,
            }
        }
        (Err(problem), _) => problem,
        (Ok(()), Err(sentence)) => Problem::of(sentence),
    };
    let frame = desk.frame("New Personal Access Key", "personal-keys").with_problem(Some(&problem.sentence));
    let (_, latest) = desk.last_days(USUAL_LIFE).await?;
    let page = NewPage { frame, name: form.get("name").to_owned(), expires: form.get("expires").to_owned(), latest };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn ask_name(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>) -> Result<Response, Trouble> {
    let key = find(&desk, id).await?;
    let page = RenamePage { frame: desk.frame("Rename a key", "personal-keys"), name: key.name.clone(), key };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn rename(Path((_, id)): Path<(OrganizationId, KeyId)>, Post { who: desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let key = find(&desk, id).await?;
    match desk.visitor.app.core.rename_personal_access_key(&desk.visitor.ctx, desk.id(), id, form.get("name")).await {
        Ok(_) => Ok(desk.visitor.see(&format!("/console/{}/personal-keys?done=renamed", desk.id()))),
        Err(error) => {
            let problem = Problem::about_form(error)?;
            let frame = desk.frame("Rename a key", "personal-keys").with_problem(Some(&problem.sentence));
            Ok(desk.visitor.answer(html(problem.status, &RenamePage { frame, key, name: form.get("name").to_owned() })))
        }
    }
}

async fn ask_delete(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>) -> Result<Response, Trouble> {
    let key = find(&desk, id).await?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &DeletePage { frame: desk.frame("Delete a key", "personal-keys"), key })))
}

async fn delete(Path((_, id)): Path<(OrganizationId, KeyId)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let key = find(&desk, id).await?;
    let organization = desk.id();
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.revoke_personal_access_key(&desk.visitor.ctx, organization, id).await {
            Ok(done) => return Ok(desk.see_receipt(done.position, "personal-keys").await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let frame = desk.frame("Delete a key", "personal-keys").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &DeletePage { frame, key })))
}
