//! What each role may do: one table a module.

use super::page::{Desk, Frame, html};
use crate::app::App;
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_protocol::{
    Catalog,
    catalog::{OWNER, PermissionSet},
    roles::role_groups,
};
use std::sync::Arc;

/// One permission, and which of the module's roles have it.
struct Row {
    id: String,
    text: String,
    has: Vec<bool>,
}

/// The roles of a module, and what they permit.
struct Table {
    title: String,
    roles: Vec<(String, bool)>,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "console/roles.html")]
struct RolesPage {
    frame: Frame,
    tables: Vec<Table>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/{organization}/roles", get(show))
}

/// A permission stands in a module's table if one of the module's roles has it. Conditions beyond roles are not shown.
fn tables(catalog: &Catalog, own: &[String]) -> Vec<Table> {
    let document = catalog.document();
    let table = |group: keywright_protocol::roles::RoleGroup| {
        let sets: Vec<PermissionSet> = group.roles.iter().map(|role| catalog.permissions(&[&role.key])).collect();
        let rows = document.apis.values().flat_map(|api| &api.permissions).filter_map(|(id, text)| {
            let index = catalog.index(id)?;
            let has: Vec<bool> = sets.iter().map(|set| set.contains(index)).collect();
            has.contains(&true).then(|| Row { id: id.clone(), text: text.clone(), has })
        });
        let roles = group.roles.iter().map(|role| (role.name.clone(), own.iter().any(|held| *held == role.key || held == OWNER))).collect();
        Table { title: group.title, roles, rows: rows.collect() }
    };
    role_groups(document).into_iter().map(table).collect()
}

async fn show(desk: Desk) -> Response {
    let catalog = desk.visitor.app.core.catalog();
    let page = RolesPage { frame: desk.frame("Roles", "roles"), tables: tables(&catalog.catalog, &desk.me.roles) };
    desk.visitor.answer(html(StatusCode::OK, &page))
}
