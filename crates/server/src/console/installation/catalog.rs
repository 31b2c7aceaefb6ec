//! The catalog: as it stands, what another one would change, and putting that in force.

use super::require_operator;
use crate::{
    app::App,
    console::{
        form::{Form, Post},
        page::{Desk, Frame, html},
        trouble::{Problem, Trouble},
        view::counted,
    },
    identity::call::Query,
};
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use keywright_core::catalog::{Preset, assemble};
use keywright_protocol::{
    admin::{CatalogDiff, HeldRole, NamesDiff, RoleReplacement},
    catalog::{Document, OWNER},
};
use std::sync::Arc;

/// Names that a cell shows.
const SHOWN: usize = 12;
/// Begins the name of a field that says what takes a role's place.
const REPLACE: &str = "replace:";

struct Api {
    name: String,
    audience: Option<String>,
    permissions: Vec<(String, String)>,
}

struct Held {
    role: String,
    vanishes: bool,
    holders: String,
    gains: String,
    loses: String,
}

struct Diff {
    identical: bool,
    names: Vec<(&'static str, String)>,
    ended: String,
    held: Vec<Held>,
    /// The roles that can take the place of one that vanishes.
    roles: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/catalog.html")]
struct CatalogPage {
    frame: Frame,
    revision: String,
    apis: Vec<Api>,
    diff: Option<Diff>,
    text: String,
    preset: String,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/catalog", get(show))
        .route("/console/{organization}/catalog/diff", post(compare))
        .route("/console/{organization}/catalog/apply", post(apply))
}

fn page(desk: &Desk, form: Option<&Form>) -> CatalogPage {
    let in_force = desk.visitor.app.core.catalog();
    let apis = in_force.catalog.document().apis.iter().map(|(name, api)| Api {
        name: name.clone(),
        audience: api.audience.clone(),
        permissions: api.permissions.iter().map(|(id, text)| (id.clone(), text.clone())).collect(),
    });
    let (preset, own) = desk.visitor.app.core.configured_catalog();
    let configured = [("text", own), ("preset", preset.map(Preset::as_str))];
    let typed = |name: &str| match form {
        Some(form) => form.exact(name).to_owned(),
        None => configured.iter().find(|(of, _)| *of == name).and_then(|(_, text)| *text).unwrap_or_default().to_owned(),
    };
    CatalogPage {
        frame: desk.frame("Catalog", "catalog"),
        revision: in_force.position.to_string(),
        apis: apis.collect(),
        diff: None,
        text: typed("text"),
        preset: typed("preset"),
    }
}

async fn show(desk: Desk, query: Query) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let mut page = page(&desk, None);
    page.frame = page.frame.with_done(query.get("done").map(|_| "The catalog is in force.")).with_receipt(&query);
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn told(diff: CatalogDiff, document: &Document) -> Diff {
    let names = |what: [&'static str; 3], names: &NamesDiff| {
        what.into_iter().zip([some(&names.added), some(&names.removed), some(&names.changed)]).filter(|(_, names)| !names.is_empty()).collect::<Vec<_>>()
    };
    let mut all = names(["New permissions", "Permissions that vanish", "Permissions with another text"], &diff.permissions);
    all.extend(names(["New roles", "Roles that vanish", "Roles that change"], &diff.roles));
    let held = |held: HeldRole| Held {
        holders: held
            .holders
            .iter()
            .take(SHOWN)
            .map(|of| {
                let (members, keys, invitations) = (counted(of.memberships, "member"), counted(of.keys, "key"), counted(of.invitations, "invitation"));
                format!("{}: {members}, {keys}, {invitations}", of.organization_name)
            })
            .collect::<Vec<_>>()
            .join("; "),
        gains: some(&held.gains),
        loses: some(&held.loses),
        role: held.role,
        vanishes: held.vanishes,
    };
    Diff {
        identical: diff.identical,
        names: all,
        ended: counted(diff.generations_ended, "credential"),
        held: diff.held.into_iter().map(held).collect(),
        roles: document.roles.keys().filter(|role| *role != OWNER).cloned().collect(),
    }
}

fn document(form: &Form) -> Result<Document, keywright_core::Error> {
    let own = Some(form.exact("text")).filter(|text| !text.trim().is_empty());
    assemble(Preset::from_name(form.get("preset")), own)
}

async fn compare(Post { who: desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let mut page = page(&desk, Some(&form));
    let compared = match document(&form) {
        Ok(document) => desk.visitor.app.core.diff_catalog(&desk.visitor.ctx, document.clone()).await.map(|diff| told(diff, &document)),
        Err(error) => Err(error),
    };
    let status = match compared {
        Ok(diff) => {
            page.diff = Some(diff);
            StatusCode::OK
        }
        Err(error) => {
            let problem = Problem::about_form(error)?;
            page.frame = page.frame.with_problem(Some(&problem.sentence));
            problem.status
        }
    };
    Ok(desk.visitor.answer(html(status, &page)))
}

async fn apply(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    require_operator(&desk)?;
    let replace = form.prefixed(REPLACE).map(|(old, new)| RoleReplacement { old: old.to_owned(), new: new.to_owned() }).collect();
    let problem = match (desk.visitor.confirm(&form).await?, document(&form)) {
        (Err(problem), _) => problem,
        (Ok(()), Err(error)) => Problem::about_form(error)?,
        (Ok(()), Ok(document)) => match desk.visitor.app.core.apply_catalog(&desk.visitor.ctx, document, replace).await {
            Ok(done) => return Ok(desk.see_done("catalog?done=applied", done.position).await),
            Err(error) => Problem::about_form(error)?,
        },
    };
    let mut page = page(&desk, Some(&form));
    if let Ok(document) = document(&form) {
        page.diff = desk.visitor.app.core.diff_catalog(&desk.visitor.ctx, document.clone()).await.ok().map(|diff| told(diff, &document));
    }
    page.frame = page.frame.with_problem(Some(&problem.sentence));
    Ok(desk.visitor.answer(html(problem.status, &page)))
}
