//! What is done with an API Key: each act has a page that says what it breaks.

use super::{KeyCard, KeyPage, MANAGE, card, find, key_page, making::SecretPage};
use crate::{
    app::App,
    console::{
        form::Post,
        page::{Desk, Frame, html},
        path::Path,
        trouble::{Problem, Trouble},
        view::{Owners, PlaceTicks, When, when},
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
    brought_in::{BroughtInRow, Kind},
    keys::{
        api::{ApiKey, ApiKeyChange, Protection},
        rotation::Rotation,
    },
};
use keywright_protocol::{KeyId, OrganizationId};
use std::sync::Arc;

/// What came in by a key.
struct Brought {
    what: &'static str,
    name: String,
    place: String,
    at: When,
    stands: bool,
}

#[derive(Template)]
#[template(path = "console/api-key-roles.html")]
struct RolesPage {
    frame: Frame,
    key: KeyCard,
    places: Vec<PlaceTicks>,
}

#[derive(Template)]
#[template(path = "console/api-key-settings.html")]
struct SettingsPage {
    frame: Frame,
    key: KeyCard,
    name: String,
    description: String,
    addresses: String,
    protected: bool,
}

#[derive(Template)]
#[template(path = "console/api-key-rotate.html")]
struct RotatePage {
    frame: Frame,
    key: KeyCard,
    expires: String,
}

#[derive(Template)]
#[template(path = "console/api-key-suspend.html")]
struct SuspendPage {
    frame: Frame,
    key: KeyCard,
}

#[derive(Template)]
#[template(path = "console/api-key-delete.html")]
struct DeletePage {
    frame: Frame,
    key: KeyCard,
    brought: Vec<Brought>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/api-keys/{key}/roles", get(ask_roles).post(set_roles))
        .route("/console/{organization}/api-keys/{key}/settings", get(ask_settings).post(set_settings))
        .route("/console/{organization}/api-keys/{key}/rotate", get(ask_rotate).post(rotate))
        .route("/console/{organization}/api-keys/{key}/suspend", get(ask_suspend).post(suspend))
        .route("/console/{organization}/api-keys/{key}/resume", post(resume))
        .route("/console/{organization}/api-keys/{key}/delete", get(ask_delete).post(delete))
}

type Ids = Path<(OrganizationId, KeyId)>;

fn to_key(desk: &Desk, id: KeyId, done: &str) -> Response {
    desk.visitor.see(&format!("{}/api-keys/{id}?done={done}", desk.base()))
}

/// A key that something can still be done with.
async fn find_living(desk: &Desk, id: KeyId) -> Result<ApiKey, Trouble> {
    let key = find(desk, id).await?;
    if key.record.revoked_at.is_some() {
        return Err(Trouble::forbidden("This key was revoked, for ever. Create another one.".to_owned()));
    }
    Ok(key)
}

async fn ask_roles(desk: Desk, Path((_, id)): Ids) -> Result<Response, Trouble> {
    desk.must(MANAGE)?;
    let key = find_living(&desk, id).await?;
    let page = RolesPage { frame: desk.frame("Roles of a key", "api-keys"), places: desk.places(&key.grants, Owners::Without), key: card(&desk, &key) };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn set_roles(Path((_, id)): Ids, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let key = find(&desk, id).await?;
    let change = ApiKeyChange { grants: Some(form.grants()), ..ApiKeyChange::default() };
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) if form.grants().is_empty() => Problem::of("Tick at least one role. To stop the key, suspend or delete it."),
        Ok(()) => match desk.visitor.app.core.update_api_key(&desk.visitor.ctx, desk.id(), id, change).await {
            Ok(done) => return Ok(desk.see_done(&format!("api-keys/{id}?done=roles"), done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let frame = desk.frame("Roles of a key", "api-keys").with_problem(Some(&problem.sentence));
    let page = RolesPage { frame, places: desk.places(&form.grants(), Owners::Without), key: card(&desk, &key) };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn ask_settings(desk: Desk, Path((_, id)): Ids) -> Result<Response, Trouble> {
    desk.must(MANAGE)?;
    let key = card(&desk, &find_living(&desk, id).await?);
    let page = SettingsPage {
        frame: desk.frame("Settings of a key", "api-keys"),
        name: key.name.clone(),
        description: key.description.clone(),
        addresses: key.addresses.join("\n"),
        protected: key.is_protected,
        key,
    };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn set_settings(Path((_, id)): Ids, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let key = card(&desk, &find(&desk, id).await?);
    let changed = |new: &str, old: &str| (new != old).then(|| new.to_owned());
    let addresses = form.lines("addresses");
    let protected = form.has("protected");
    let change = ApiKeyChange {
        name: changed(form.get("name"), &key.name),
        description: changed(form.get("description"), &key.description),
        allowed_addresses: (addresses != key.addresses).then(|| addresses.clone()),
        protection: (protected != key.is_protected).then_some(if protected { Protection::On } else { Protection::Off }),
        ..ApiKeyChange::default()
    };
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.update_api_key(&desk.visitor.ctx, desk.id(), id, change).await {
            Ok(done) => return Ok(desk.see_done(&format!("api-keys/{id}?done=settings"), done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let page = SettingsPage {
        frame: desk.frame("Settings of a key", "api-keys").with_problem(Some(&problem.sentence)),
        name: form.get("name").to_owned(),
        description: form.get("description").to_owned(),
        addresses: addresses.join("\n"),
        protected,
        key,
    };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn ask_rotate(desk: Desk, Path((_, id)): Ids) -> Result<Response, Trouble> {
    desk.must(MANAGE)?;
    let key = card(&desk, &find_living(&desk, id).await?);
    Ok(desk.visitor.answer(html(StatusCode::OK, &RotatePage { frame: desk.frame("Rotate a key", "api-keys"), key, expires: String::new() })))
}

async fn rotate(Path((_, id)): Ids, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let key = card(&desk, &find(&desk, id).await?);
    let wanted = form.overlap().and_then(|overlap| Ok(Rotation { overlap, expires_at: form.end_of_day("expires")? }));
    let problem = match (desk.visitor.confirm(&form).await?, wanted) {
        (Err(problem), _) => problem,
        (Ok(()), Err(sentence)) => Problem::of(sentence),
        (Ok(()), Ok(wanted)) => match desk.visitor.app.core.rotate_api_key(&desk.visitor.ctx, desk.id(), id, wanted).await {
            Ok(rotated) => {
                let page = SecretPage {
                    frame: desk.frame("The new secret of your key", "api-keys"),
                    id: id.to_string(),
                    name: key.name,
                    secret: rotated.secret.reveal().to_owned(),
                    old_ends: rotated.old_secret_ends_at.map(when),
                    rotated: true,
                };
                return Ok(desk.visitor.answer(html(StatusCode::OK, &page)));
            }
            Err(error) => Problem::about_form(error)?,
        },
    };
    let frame = desk.frame("Rotate a key", "api-keys").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &RotatePage { frame, key, expires: form.get("expires").to_owned() })))
}

async fn ask_suspend(desk: Desk, Path((_, id)): Ids) -> Result<Response, Trouble> {
    desk.must(MANAGE)?;
    let key = card(&desk, &find_living(&desk, id).await?);
    Ok(desk.visitor.answer(html(StatusCode::OK, &SuspendPage { frame: desk.frame("Suspend a key", "api-keys"), key })))
}

async fn suspend(Path((_, id)): Ids, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let key = card(&desk, &find(&desk, id).await?);
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.suspend_api_key(&desk.visitor.ctx, desk.id(), id).await {
            Ok(done) => return Ok(desk.see_receipt(done.position, &format!("api-keys/{id}")).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let frame = desk.frame("Suspend a key", "api-keys").with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &SuspendPage { frame, key })))
}

async fn resume(Path((_, id)): Ids, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.resume_api_key(&desk.visitor.ctx, desk.id(), id).await {
            Ok(_) => return Ok(to_key(&desk, id, "resumed")),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    let page: KeyPage = key_page(&desk, id).await?;
    let page = KeyPage { frame: page.frame.with_problem(Some(&problem.sentence)), ..page };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}

async fn brought(desk: &Desk, id: KeyId) -> Result<Vec<Brought>, Trouble> {
    let rows = desk.visitor.app.core.list_brought_in(&desk.visitor.ctx, desk.id(), id).await?;
    let line = |row: BroughtInRow| Brought {
        what: match row.kind {
            Kind::Member => "member",
            Kind::Role => "role",
            Kind::Invitation => "invitation",
            Kind::Organization => "sub-organization",
            Kind::ApiKey => "API Key",
        },
        name: row.name,
        place: desk.name_of(row.organization_id),
        at: when(row.at),
        stands: row.stands,
    };
    Ok(rows.into_iter().map(line).collect())
}

async fn ask_delete(desk: Desk, Path((_, id)): Ids) -> Result<Response, Trouble> {
    desk.must(MANAGE)?;
    let key = card(&desk, &find_living(&desk, id).await?);
    let page = DeletePage { frame: desk.frame("Delete a key", "api-keys"), key, brought: brought(&desk, id).await? };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn delete(Path((_, id)): Ids, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let key = card(&desk, &find(&desk, id).await?);
    let (core, organization) = (Arc::clone(&desk.visitor.app.core), desk.id());
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) if form.get("confirm_name") != key.name => Problem::of("Type the key's name as it stands here, so that it is this one that you mean."),
        Ok(()) => {
            let done = if form.has("undo") {
                core.revoke_api_key_and_undo(&desk.visitor.ctx, organization, id).await.map(|undone| undone.position)
            } else {
                core.revoke_api_key(&desk.visitor.ctx, organization, id).await.map(|done| done.position)
            };
            match done {
                Ok(position) => return Ok(desk.see_receipt(position, "api-keys").await),
                Err(error) => Problem::about_form(error)?,
            }
        }
        Err(problem) => problem,
    };
    let frame = desk.frame("Delete a key", "api-keys").with_problem(Some(&problem.sentence));
    let page = DeletePage { frame, key, brought: brought(&desk, id).await? };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}
