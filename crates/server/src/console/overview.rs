//! An organization's first page: what needs attention.

use super::{
    page::{Desk, Frame, html},
    trouble::Trouble,
    view::{When, or_dash, when},
};
use crate::app::App;
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::{
    Error,
    attention::{AtOldEndpoints, Attention, NoticedKey, Orphan, Urgency},
};
use keywright_protocol::KeyKind;
use std::sync::Arc;

/// Keys that a list shows.
const SHOWN: usize = 20;

/// A key in a list.
struct Line {
    name: String,
    of: String,
    /// Its page.
    at: String,
    what: String,
    since: Option<When>,
    tone: &'static str,
    /// Who comes to an old endpoint: address, program, endpoint, times.
    clients: Vec<String>,
    /// A line to paste in the place of what they send.
    line: Option<String>,
}

/// Keys with the same trouble.
struct List {
    title: &'static str,
    advice: &'static str,
    lines: Vec<Line>,
    more: i64,
}

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    frame: Frame,
    /// None for whoever is not told.
    lists: Option<Vec<List>>,
    roles: Vec<String>,
    /// Numbers of what he may see here, with where it is.
    tiles: Vec<(i64, &'static str, &'static str)>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/{organization}", get(show))
}

async fn show(desk: Desk) -> Result<Response, Trouble> {
    let (core, ctx) = (Arc::clone(&desk.visitor.app.core), &desk.visitor.ctx);
    let lists = match core.attention(ctx, desk.id()).await {
        Ok(attention) => Some(lists(&desk, attention)),
        Err(Error::Forbidden(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let tiles = tiles(&desk).await?;
    let roles = desk.role_names(&desk.me.roles);
    Ok(desk.visitor.answer(html(StatusCode::OK, &OverviewPage { frame: desk.frame("Overview", "overview"), lists, roles, tiles })))
}

async fn tiles(desk: &Desk) -> Result<Vec<(i64, &'static str, &'static str)>, Trouble> {
    let counts = desk.visitor.app.core.counts(&desk.visitor.ctx, desk.id()).await?;
    let tile = |count: Option<i64>, what, at| count.map(|count| (count, what, at));
    let all = [
        tile(Some(counts.personal_access_keys), "Personal Access Keys", "personal-keys"),
        tile(counts.api_keys, "API Keys", "api-keys"),
        tile(counts.members, "Members", "team"),
    ];
    Ok(all.into_iter().flatten().collect())
}

fn line(desk: &Desk, key: &NoticedKey, what: String, since: Option<When>) -> Line {
    let at = match key.kind {
        KeyKind::ApiKey => format!("{}/api-keys/{}", desk.base(), key.id),
        KeyKind::PersonalAccessKey | KeyKind::OperatorKey | KeyKind::Session => format!("{}/personal-keys/{}/usage", desk.base(), key.id),
    };
    let of = key.holder.as_ref().map_or_else(|| "API Key".to_owned(), |(_, email)| email.clone());
    Line { name: key.name.clone(), of, at, what, since, tone: "warning", clients: Vec::new(), line: None }
}

fn old(desk: &Desk, row: &AtOldEndpoints) -> Line {
    let issuer = desk.visitor.app.core.issuer();
    let clients = row.clients.iter().map(|client| {
        let endpoint = client.way.split(' ').next().unwrap_or_default();
        format!("{endpoint} by {} from {}, {} times", or_dash(&client.user_agent), or_dash(&client.address), client.uses)
    });
    Line {
        clients: clients.collect(),
        line: Some(format!("curl -X POST \"{issuer}/auth/v3/token\" -d \"personalAccessKey=$KEY\"")),
        ..line(desk, &row.key, format!("{} exchanges in 30 days, the last", row.uses), Some(when(row.last_used_at)))
    }
}

fn orphan(desk: &Desk, row: &Orphan) -> Line {
    let maker = row.maker.as_ref().map_or_else(|| "somebody whose account is deleted".to_owned(), |maker| maker.email.clone());
    line(desk, &row.key, format!("created by {maker}, on"), Some(when(row.key.created_at)))
}

/// Those lists that have something in them, the most urgent first.
fn lists(desk: &Desk, found: Attention) -> Vec<List> {
    let list = |title, advice, total: i64, lines: Vec<Line>| List { title, advice, more: total - i64::try_from(lines.len()).unwrap_or(0), lines };
    let expiring = found.expiring.rows.iter().take(SHOWN).map(|(key, urgency)| Line {
        tone: if *urgency == Urgency::Critical { "critical" } else { "warning" },
        ..line(desk, key, "ends".to_owned(), Some(when(key.expires_at)))
    });
    let refused = found.refused.rows.iter().take(SHOWN).map(|(key, times, (at, address, _), reason)| {
        let from = or_dash(address);
        line(desk, key, format!("{times} times in 7 days, `{reason}` from {from}, the last"), Some(when(*at)))
    });
    let secrets = found
        .old_secrets
        .rows
        .iter()
        .take(SHOWN)
        .map(|(key, version, ends_at, _)| line(desk, key, format!("secret {version} is still used; it works until"), Some(when(*ends_at))));
    let unused = found.unused.rows.iter().take(SHOWN).map(|(key, at)| line(desk, key, "last used".to_owned(), Some(when(*at))));
    let never = found.never_used.rows.iter().take(SHOWN).map(|key| line(desk, key, "created".to_owned(), Some(when(key.created_at))));
    let all = [
        list("Ends soon", "Rotate it, or create another one, before whatever uses it stops.", found.expiring.total, expiring.collect()),
        list("Old secret still in use", "Put the new secret in place before the overlap is over.", found.old_secrets.total, secrets.collect()),
        list("Refused often", "Something goes on with a key that does not work. Its page says from where and why.", found.refused.total, refused.collect()),
        list(
            "Old endpoints",
            "These programs send their key to an endpoint of the past. Change their line to the one shown.",
            found.old_endpoints.total,
            found.old_endpoints.rows.iter().take(SHOWN).map(|row| old(desk, row)).collect(),
        ),
        list(
            "Created by people who have left",
            "API Keys live on without whoever created them. See that somebody knows what they are for.",
            found.orphans.total,
            found.orphans.rows.iter().take(SHOWN).map(|row| orphan(desk, row)).collect(),
        ),
        list("Unused for 90 days", "A key that nobody uses can only be stolen. Delete it.", found.unused.total, unused.collect()),
        list("Never used", "Created more than a week ago. If it is not needed, delete it.", found.never_used.total, never.collect()),
    ];
    all.into_iter().filter(|list| !list.lines.is_empty()).collect()
}
