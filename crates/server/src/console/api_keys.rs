//! API Keys of an organization: the list, one key, and what is done with it.

mod acts;
mod making;

use super::{
    page::{Desk, Frame, html},
    path::Path,
    trouble::Trouble,
    view::{Badge, Day, Ending, LastUse, When, ending, last_use, on_day, state, when},
};
use crate::{
    app::App,
    console::key_usage::{self, Bars},
    identity::call::Query,
};
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::{
    Error, Part,
    keys::api::ApiKey,
    usage::{SecretState, SecretUse},
};
use keywright_protocol::{KeyId, OrganizationId, UserId, admin::RolesIn};
use std::sync::Arc;

/// Keys on a page: each has a picture of its own, of thirty rows, and a page is to cost the server less than five milliseconds.
const PAGE: u32 = 12;

/// What it takes to make and to change one.
const MANAGE: &str = "organization.api-key.manage";

/// A key as a list shows it.
struct KeyLine {
    id: KeyId,
    name: String,
    state: Badge,
    ending: Ending,
    used: LastUse,
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
    used: LastUse,
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
    revoked: Option<When>,
    not_before: Option<Day>,
    ending: Ending,
    used: LastUse,
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
    /// Who made it, for people.
    made_by: String,
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
    let found = core.list_used_api_keys(ctx, desk.id(), (Part::page(number, PAGE), key_usage::LIFE)).await?;
    let mut keys = Vec::with_capacity(found.keys.rows.len());
    for ApiKey { record: key, .. } in &found.keys.rows {
        let bars = Bars::of(&found, key.id);
        let used = last_use(key.last_used_at, key.last_used_address.as_deref());
        keys.push(KeyLine { id: key.id, state: state(key, now), ending: ending(key.expires_at, now), used, bars, name: key.name.clone() });
    }
    let pages = u32::try_from(found.keys.total).unwrap_or(u32::MAX).div_ceil(PAGE);
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
        not_before: (record.not_before > record.created_at).then(|| on_day(record.not_before)),
        ending: ending(record.expires_at, now),
        used: last_use(record.last_used_at, record.last_used_address.as_deref()),
        revoked: record.revoked_at.map(when),
        is_live: record.revoked_at.is_none(),
        is_suspended: record.suspended_at.is_some(),
        is_protected: record.protected_at.is_some(),
        grants: key.grants.iter().map(grant).collect(),
    }
}

/// Whoever made a key, as people call him.
async fn maker(desk: &Desk, made_by: &str) -> Result<String, Trouble> {
    let (kind, id) = made_by.split_once(' ').unwrap_or((made_by, ""));
    let told = match kind {
        "host" => "the server's command line".to_owned(),
        "operator-key" => "an operator key".to_owned(),
        "key" => "a key".to_owned(),
        "user" => match id.parse::<UserId>() {
            Ok(user) => match desk.visitor.app.core.get_member(&desk.visitor.ctx, desk.id(), user).await {
                Ok((_, member)) => member.user.name,
                Err(Error::NotFound(_)) => "somebody who is no member any more".to_owned(),
                Err(Error::Forbidden(_)) => "a member".to_owned(),
                Err(error) => return Err(error.into()),
            },
            Err(_) => made_by.to_owned(),
        },
        _ => made_by.to_owned(),
    };
    Ok(told)
}

fn secret_line(SecretUse { secret, state, total, drain }: SecretUse) -> SecretLine {
    let verdict = drain.filter(|_| state == SecretState::Overlapping).map(|drain| {
        if drain.is_drained {
            "Drained: nothing uses it any more."
        } else if drain.unused_for.is_some() {
            "Still used beside the newer one."
        } else {
            "The newer one has not been used yet."
        }
    });
    let state = match state {
        SecretState::Current => Badge { word: "Current", tone: "good" },
        SecretState::Overlapping => Badge { word: "Old, still accepted", tone: "warning" },
        SecretState::Ended => Badge { word: "No longer accepted", tone: "" },
    };
    SecretLine {
        version: secret.version,
        state,
        made: when(secret.created_at),
        ends: secret.ended_at.or(secret.ends_at).map(when),
        used: last_use(total.last_use.as_ref().map(|contact| contact.at), total.last_use.as_ref().map(|contact| contact.address.as_str())),
        uses: total.issued,
        verdict,
    }
}

async fn key_page(desk: &Desk, id: KeyId) -> Result<KeyPage, Trouble> {
    let key = find(desk, id).await?;
    let secrets = desk.visitor.app.core.list_api_key_secrets(&desk.visitor.ctx, desk.id(), id).await?;
    let is_live = key.record.revoked_at.is_none();
    let now = |state| if is_live { state } else { SecretState::Ended };
    let secrets = secrets.secrets.into_iter().rev().map(|of| secret_line(SecretUse { state: now(of.state), ..of })).collect();
    let made_by = maker(desk, &key.record.created_by).await?;
    Ok(KeyPage { frame: desk.frame(&key.record.name, "api-keys"), key: card(desk, &key), made_by, secrets })
}

async fn show(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>, query: Query) -> Result<Response, Trouble> {
    let done = match query.get("done") {
        Some("roles") => Some("The key has its new roles. Tokens that permit more than that are revoked."),
        Some("settings") => Some("The settings are in force."),
        Some("resumed") => Some("The key works again."),
        _ => None,
    };
    let mut page = key_page(&desk, id).await?;
    page.frame = page.frame.with_done(done).with_receipt(&query);
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}
