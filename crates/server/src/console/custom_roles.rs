//! Roles of an organization's own: made by its Owners from permissions of the catalog.

use super::{
    form::{Form, Post},
    page::{Desk, Frame, html},
    path::Path,
    trouble::{Problem, Trouble},
    view::counted,
};
use crate::app::App;
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::custom_roles::{NewRole, Role, RoleUpdate};
use keywright_protocol::OrganizationId;
use std::sync::Arc;

/// A permission that can be ticked.
struct Tick {
    id: String,
    text: String,
    ticked: bool,
}

/// Permissions of one area.
struct Area {
    title: String,
    ticks: Vec<Tick>,
    any: bool,
}

/// What the form has in it.
struct Typed {
    name: String,
    description: String,
}

#[derive(Template)]
#[template(path = "console/custom-role.html")]
struct RolePage {
    frame: Frame,
    /// The key of one that there is.
    key: Option<String>,
    typed: Typed,
    areas: Vec<Area>,
}

#[derive(Template)]
#[template(path = "console/custom-role-delete.html")]
struct DeletePage {
    frame: Frame,
    name: String,
    held: String,
    others: Vec<(String, String)>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/roles/new", get(ask_new).post(create))
        .route("/console/{organization}/roles/{key}", get(ask).post(update))
        .route("/console/{organization}/roles/{key}/delete", get(ask_delete).post(delete))
}

fn areas(desk: &Desk, ticked: &[String]) -> Vec<Area> {
    let catalog = desk.visitor.app.core.catalog();
    let mut areas: Vec<Area> = Vec::new();
    for (api, of) in &catalog.catalog.document().apis {
        for (id, text) in &of.permissions {
            let area = id.split('.').next().unwrap_or(api);
            let tick = Tick { id: id.clone(), text: text.clone(), ticked: ticked.contains(id) };
            match areas.iter_mut().find(|known| known.title == area) {
                Some(known) => {
                    known.any |= tick.ticked;
                    known.ticks.push(tick);
                }
                None => areas.push(Area { title: area.to_owned(), any: tick.ticked, ticks: vec![tick] }),
            }
        }
    }
    areas
}

fn ticked(form: &Form) -> Vec<String> {
    form.all("permission").map(str::to_owned).collect()
}

fn page(desk: &Desk, key: Option<&str>, typed: Typed, permissions: &[String]) -> RolePage {
    let title = if key.is_some() { "Change a role" } else { "New role" };
    RolePage { frame: desk.frame(title, "roles"), key: key.map(str::to_owned), typed, areas: areas(desk, permissions) }
}

fn refused(desk: &Desk, problem: &Problem, page: RolePage) -> Response {
    let page = RolePage { frame: page.frame.with_problem(Some(&problem.sentence)), ..page };
    desk.visitor.answer(html(problem.status, &page))
}

/// Roles are the root's, and made by its Owners.
fn must_make(desk: &Desk) -> Result<(), Trouble> {
    if desk.me.organization.row.is_root() { desk.must_own() } else { Err(Trouble::no_such_page()) }
}

async fn find(desk: &Desk, key: &str) -> Result<Role, Trouble> {
    desk.visitor.app.core.get_custom_role(&desk.visitor.ctx, desk.id(), key).await.map_err(Trouble::of_named)
}

async fn ask_new(desk: Desk) -> Result<Response, Trouble> {
    must_make(&desk)?;
    let typed = Typed { name: String::new(), description: String::new() };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page(&desk, None, typed, &[]))))
}

fn typed(form: &Form) -> Typed {
    Typed { name: form.get("name").to_owned(), description: form.get("description").to_owned() }
}

async fn create(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let new = NewRole { slug: None, name: form.get("name").to_owned(), description: form.get("description").to_owned(), permissions: ticked(&form) };
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.create_custom_role(&desk.visitor.ctx, desk.id(), new).await {
            Ok(_) => return Ok(desk.visitor.see(&format!("{}/roles?done=made", desk.base()))),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    Ok(refused(&desk, &problem, page(&desk, None, typed(&form), &ticked(&form))))
}

async fn ask(desk: Desk, Path((_, key)): Path<(OrganizationId, String)>) -> Result<Response, Trouble> {
    must_make(&desk)?;
    let role = find(&desk, &key).await?;
    let typed = Typed { name: role.row.name, description: role.row.description };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page(&desk, Some(&key), typed, &role.row.role.permissions))))
}

async fn update(Path((_, key)): Path<(OrganizationId, String)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    find(&desk, &key).await?;
    let update =
        RoleUpdate { name: Some(form.get("name").to_owned()), description: Some(form.get("description").to_owned()), permissions: Some(ticked(&form)) };
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.update_custom_role(&desk.visitor.ctx, desk.id(), &key, update).await {
            Ok(done) => return Ok(desk.see_done("roles?done=changed", done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    Ok(refused(&desk, &problem, page(&desk, Some(&key), typed(&form), &ticked(&form))))
}

async fn delete_page(desk: &Desk, key: &str) -> Result<DeletePage, Trouble> {
    let role = find(desk, key).await?;
    let held = role.held;
    let told = match (held.memberships, held.keys, held.invitations) {
        (0, 0, 0) => String::new(),
        (members, keys, invitations) => format!("{}, {} and {}", counted(members, "member"), counted(keys, "key"), counted(invitations, "invitation")),
    };
    let others = desk.all_roles().into_iter().filter(|(known, _)| known != key).collect();
    Ok(DeletePage { frame: desk.frame("Delete a role", "roles"), name: role.row.name, held: told, others })
}

async fn ask_delete(desk: Desk, Path((_, key)): Path<(OrganizationId, String)>) -> Result<Response, Trouble> {
    must_make(&desk)?;
    let page = delete_page(&desk, &key).await?;
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn delete(Path((_, key)): Path<(OrganizationId, String)>, Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let mut page = delete_page(&desk, &key).await?;
    let problem = match desk.visitor.confirm(&form).await? {
        Ok(()) => match desk.visitor.app.core.delete_custom_role(&desk.visitor.ctx, desk.id(), &key, form.given("replace")).await {
            Ok(done) => return Ok(desk.see_done("roles?done=deleted", done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
        Err(problem) => problem,
    };
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &page)))
}
