//! How a key is used: counts by day, as a picture that is made here.

use super::{
    page::{Desk, Frame, html},
    path::Path,
    trouble::Trouble,
    view::{When, counted, or_dash, when},
};
use crate::app::App;
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::{
    pages::UsedApiKeys,
    usage::{Period, Usage, UsageQuery},
};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Time};
use std::{fmt::Write as _, sync::Arc, time::Duration};

const DAYS: usize = 30;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// Of a picture, in its own units.
const HEIGHT: i64 = 100;

/// Thirty days of use.
pub(super) struct Bars {
    /// The bars as one path each, in units of the picture: 300 wide, 100 high.
    pub(super) issued: String,
    pub(super) refused: String,
    /// The highest day, and all together.
    pub(super) most: i64,
    pub(super) total: i64,
    /// The same in words.
    pub(super) summary: String,
    pub(super) is_empty: bool,
}

/// One day in words.
struct DayLine {
    day: String,
    issued: i64,
    refused: i64,
}

/// By which way and with which secret it was used.
struct WayLine {
    way: String,
    version: i64,
    issued: i64,
    refused: i64,
    used: Option<(When, String, String)>,
    refusal: Option<(When, String, String)>,
}

#[derive(Template)]
#[template(path = "console/usage.html")]
struct UsagePage {
    frame: Frame,
    name: String,
    back: String,
    bars: Bars,
    first: String,
    last: String,
    days: Vec<DayLine>,
    ways: Vec<WayLine>,
    as_of: When,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/api-keys/{key}/usage", get(of_api_key))
        .route("/console/{organization}/personal-keys/{key}/usage", get(of_personal_key))
}

async fn read(desk: &Desk, key: (KeyId, KeyKind)) -> Result<Usage, Trouble> {
    let query = UsageQuery { from: None, until: None, by: Period::Day };
    desk.visitor.app.core.key_usage(&desk.visitor.ctx, desk.id(), key, query).await.map_err(Trouble::of_named)
}

/// The days of the picture before today.
pub(super) const LIFE: Duration = Duration::from_secs(29 * 24 * 60 * 60);

/// Tokens issued and exchanges refused, by day, oldest first; days without any too.
fn by_day(from: Time, counts: impl IntoIterator<Item = (Time, i64, i64)>) -> Vec<(Time, i64, i64)> {
    let first = from.as_millis();
    let mut days: Vec<(Time, i64, i64)> = (0..DAYS).map(|at| (Time::from_millis(first + i64::try_from(at).unwrap_or(0) * DAY_MILLIS), 0, 0)).collect();
    for (begins_at, more_issued, more_refused) in counts {
        let at = usize::try_from((begins_at.as_millis() - first) / DAY_MILLIS).unwrap_or(usize::MAX);
        if let Some((_, issued, refused)) = days.get_mut(at) {
            *issued += more_issued;
            *refused += more_refused;
        }
    }
    days
}

impl Bars {
    /// Of a key in a list that was read with its use.
    pub(super) fn of(found: &UsedApiKeys, key: KeyId) -> Self {
        let days = found.days.get(&key).into_iter().flatten();
        Self::drawn(&by_day(found.since, days.map(|day| (day.begins_at, day.issued, day.refused))))
    }

    fn drawn(days: &[(Time, i64, i64)]) -> Self {
        let most = days.iter().map(|(_, issued, refused)| issued + refused).max().unwrap_or(0).max(1);
        // What is there at all is seen.
        let height = |count: i64| if count == 0 { 0 } else { (count * HEIGHT / most).max(3) };
        let (mut issued_path, mut refused_path) = (String::new(), String::new());
        for (at, (_, issued, refused)) in days.iter().enumerate() {
            let (x, above) = (at * 10 + 1, HEIGHT - height(*issued));
            for (path, from, count) in [(&mut issued_path, HEIGHT, *issued), (&mut refused_path, above, *refused)] {
                if count > 0 {
                    let _ = write!(path, "M{x} {from}v-{}h8V{from}z", height(count).min(from));
                }
            }
        }
        let (issued, refused) = days.iter().fold((0, 0), |(issued, refused), day| (issued + day.1, refused + day.2));
        Self {
            issued: issued_path,
            refused: refused_path,
            summary: format!("{} issued, {} refused in 30 days", counted(issued, "token"), counted(refused, "exchange")),
            most,
            total: issued + refused,
            is_empty: issued + refused == 0,
        }
    }
}

fn way_name(name: &str) -> String {
    match name.split_once(' ') {
        Some((endpoint, "personalAccessKey")) => endpoint.to_owned(),
        Some((endpoint, field)) => format!("{endpoint} ({field})"),
        None => name.to_owned(),
    }
}

async fn page(desk: Desk, (id, kind): (KeyId, KeyKind), name: String, (here, back): (&'static str, String)) -> Result<Response, Trouble> {
    let usage = read(&desk, (id, kind)).await?;
    let days = by_day(usage.from, usage.counts.iter().map(|count| (count.begins_at, count.issued, count.refused)));
    let edge = |of: Option<&(Time, i64, i64)>| of.map(|(at, ..)| super::view::day(*at)).unwrap_or_default();
    let lines = days.iter().rev().filter(|(_, issued, refused)| issued + refused > 0);
    let lines = lines.map(|(day, issued, refused)| DayLine { day: super::view::day(*day), issued: *issued, refused: *refused }).collect();
    let ways = usage.ways.iter().map(|row| WayLine {
        way: way_name(&row.way),
        version: row.version,
        issued: row.issued,
        refused: row.refused,
        used: row.last_use.as_ref().map(|of| (when(of.at), or_dash(&of.address).to_owned(), or_dash(&of.user_agent).to_owned())),
        refusal: row.last_refusal.as_ref().map(|of| (when(of.contact.at), or_dash(&of.contact.address).to_owned(), of.reason.clone())),
    });
    let page = UsagePage {
        frame: desk.frame(&format!("Usage of {name}"), here),
        back,
        bars: Bars::drawn(&days),
        first: edge(days.first()),
        last: edge(days.last()),
        days: lines,
        ways: ways.collect(),
        as_of: when(usage.as_of),
        name,
    };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

async fn of_api_key(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>) -> Result<Response, Trouble> {
    let key = desk.visitor.app.core.get_api_key(&desk.visitor.ctx, desk.id(), id).await.map_err(Trouble::of_named)?;
    let back = format!("{}/api-keys/{id}", desk.base());
    page(desk, (id, KeyKind::ApiKey), key.record.name, ("api-keys", back)).await
}

async fn of_personal_key(desk: Desk, Path((_, id)): Path<(OrganizationId, KeyId)>) -> Result<Response, Trouble> {
    let key = desk.visitor.app.core.get_personal_access_key(&desk.visitor.ctx, desk.id(), id).await.map_err(Trouble::of_named)?;
    let back = format!("{}/personal-keys", desk.base());
    page(desk, (id, KeyKind::PersonalAccessKey), key.name, ("personal-keys", back)).await
}
