//! What each role may do: one table a module.

use super::{
    page::{Desk, Frame, html},
    trouble::Trouble,
    view::counted,
};
use crate::{app::App, identity::call::Query};
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::{Error, custom_roles::Role};
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

/// A role of the organization's own.
struct Custom {
    key: String,
    name: String,
    description: String,
    permissions: Vec<String>,
    held: String,
}

#[derive(Template)]
#[template(path = "console/roles.html")]
struct RolesPage {
    frame: Frame,
    custom: Vec<Custom>,
    can_make: bool,
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

async fn show(desk: Desk, query: Query) -> Result<Response, Trouble> {
    let core = &desk.visitor.app.core;
    let done = match query.get("done") {
        Some("made") => Some("The role is created. Give it to members and keys."),
        Some("changed") => Some("The role is changed. Tokens that permit more than it does now are revoked."),
        Some("deleted") => Some("The role is deleted."),
        _ => None,
    };
    let custom = match core.list_custom_roles(&desk.visitor.ctx, desk.id()).await {
        Ok(roles) => roles,
        Err(Error::Forbidden(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let custom = custom.into_iter().map(|Role { row, held }| Custom {
        key: row.role.key,
        name: row.name,
        description: row.description,
        permissions: row.role.permissions,
        held: format!("{}, {}", counted(held.memberships, "member"), counted(held.keys, "key")),
    });
    let catalog = core.catalog();
    let page = RolesPage {
        custom: custom.collect(),
        can_make: desk.is_owner() && desk.me.organization.row.is_root(),
        tables: tables(&catalog.catalog, &desk.me.roles),
        frame: desk.frame("Roles", "roles").with_done(done).with_receipt(&query),
    };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}
