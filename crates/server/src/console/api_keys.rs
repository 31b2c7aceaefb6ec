//! API Keys of an organization: the list, one key, and what is done with it.

mod acts;
mod making;

use super::{
    page::{Desk, Frame, html},
    path::Path,
    trouble::Trouble,
    view::{Badge, Ending, When, ending, state, when},
};
use crate::{app::App, console::key_usage::Bars, identity::call::Query};
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::{
    Part,
    keys::api::ApiKey,
    usage::{SecretState, SecretUse},
};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, admin::RolesIn};
use std::sync::Arc;

/// Keys on a page: each has a picture of its own.
const PAGE: u32 = 25;

/// A key as a list shows it.
struct KeyLine {
    id: KeyId,
    name: String,
    state: Badge,
    ending: Ending,
    used: Option<(When, String)>,
    bars: Bars,
}

/// What a key may do in one organization.
struct Grant {
    place: String,
    roles: Vec<String>,
}

/// One of a key's secrets.
struct SecretLine {
    version: i64,
    state: Badge,
    made: When,
    ends: Option<When>,
    used: Option<(When, String)>,
    uses: i64,
    verdict: Option<&'static str>,
}

/// A key with everything that its page shows.
struct KeyCard {
    id: KeyId,
    name: String,
    identity: String,
    description: String,
    addresses: Vec<String>,
    state: Badge,
    made: When,
    made_by: String,
    not_before: Option<When>,
    ending: Ending,
    used: Option<(When, String)>,
    is_live: bool,
    is_suspended: bool,
    is_protected: bool,
    grants: Vec<Grant>,
}

#[derive(Template)]
#[template(path = "console/api-keys.html")]
struct ListPage {
    frame: Frame,
    keys: Vec<KeyLine>,
    page: u32,
    pages: u32,
}

#[derive(Template)]
#[template(path = "console/api-key.html")]
struct KeyPage {
    frame: Frame,
    key: KeyCard,
    secrets: Vec<SecretLine>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/api-keys", get(list))
        .route("/console/{organization}/api-keys/{key}", get(show))
        .merge(making::router())
        .merge(acts::router())
}

async fn list(desk: Desk, query: Query) -> Result<Response, Trouble> {
    let (core, ctx, now) = (&desk.visitor.app.core, &desk.visitor.ctx, desk.visitor.ctx.now);
    let number = query.number("page", 1, 1..=100_000)?;
    let found = core.list_api_keys(ctx, desk.id(), Part::page(number, PAGE)).await?;
    let mut keys = Vec::with_capacity(found.rows.len());
    for ApiKey { record: key, .. } in found.rows {
        let bars = Bars::of(&desk, (key.id, KeyKind::ApiKey)).await?;
        let used = key.last_used_at.map(|at| (when(at), key.last_used_address.clone().unwrap_or_default()));
        keys.push(KeyLine { id: key.id, state: state(&key, now), ending: ending(key.expires_at, now), used, bars, name: key.name });
    }
    let pages = u32::try_from(found.total).unwrap_or(u32::MAX).div_ceil(PAGE);
    Ok(desk.visitor.answer(html(StatusCode::OK, &ListPage { frame: desk.frame("API Keys", "api-keys"), keys, page: number, pages })))
}

/// One of those that he sees here.
async fn find(desk: &Desk, id: KeyId) -> Result<ApiKey, Trouble> {
    desk.visitor.app.core.get_api_key(&desk.visitor.ctx, desk.id(), id).await.map_err(Trouble::of_named)
}

fn card(desk: &Desk, key: &ApiKey) -> KeyCard {
    let (record, now) = (&key.record, desk.visitor.ctx.now);
    let grant = |of: &RolesIn| Grant { place: desk.name_of(of.organization_id), roles: desk.role_names(&of.roles) };
    KeyCard {
        id: record.id,
        name: record.name.clone(),
        identity: record.email.clone().unwrap_or_default(),
        description: record.description.clone(),
        addresses: key.allowed_addresses().map(str::to_owned).collect(),
        state: state(record, now),
        made: when(record.created_at),
        made_by: record.created_by.clone(),
        not_before: (record.not_before > record.created_at).then(|| when(record.not_before)),
        ending: ending(record.expires_at, now),
        used: record.last_used_at.map(|at| (when(at), record.last_used_address.clone().unwrap_or_default())),
        is_live: record.revoked_at.is_none(),
        is_suspended: record.suspended_at.is_some(),
        is_protected: record.protected_at.is_some(),
        grants: key.grants.iter().map(grant).collect(),
    }
}

fn secret_line(SecretUse { secret, state, total, drain }: SecretUse) -> SecretLine {
    let verdict = drain.filter(|_| state == SecretState::Overlapping).map(|drain| {
        if drain.is_drained {
            "Drained: nobody seems to use it any more."
        } else if drain.unused_for.is_some() {
            "Still used beside the newer one."
        } else {
            "The newer one has not been used yet."
        }
    });
    let state = match state {
        SecretState::Current => Badge { word: "Current", tone: "good" },
        SecretState::Overlapping => Badge { word: "Old, still taken", tone: "warning" },
        SecretState::Ended => Badge { word: "Not taken any more", tone: "" },
    };
    SecretLine {
        version: secret.version,
        state,
        made: when(secret.created_at),
        ends: secret.ended_at.or(secret.ends_at).map(when),
        used: total.last_use.map(|contact| (when(contact.at), contact.address)),
        uses: total.issued,
        verdict,
    }
}

async fn key_page(desk: &Desk, id: KeyId) -> Result<KeyPage, Trouble> {
    let key = find(desk, id).await?;
    let secrets = desk.visitor.app.core.list_api_key_secrets(&desk.visitor.ctx, desk.id(), id).await?;
    let secrets = secrets.secrets.into_iter().rev().map(secret_line).collect();
    Ok(KeyPage { frame: desk.frame(&key.record.name, "api-keys"), key: card(desk, &key), secrets })
}

async fn show(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>, query: Query) -> Result<Response, Trouble> {
    let done = match query.get("done") {
        Some("roles") => Some("The key has its new roles. Tokens that may do more than that are taken back."),
        Some("settings") => Some("The settings are in force."),
        Some("resumed") => Some("The key works again."),
        _ => None,
    };
    let mut page = key_page(&desk, id).await?;
    page.frame = page.frame.with_done(done);
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}
