//! What happened in an organization: changes, and how keys were used. The filters are the address.

use super::{
    page::{Desk, Frame, html},
    trouble::Trouble,
    view::{When, browser, when},
};
use crate::{
    app::App,
    identity::{
        activity::{self, Format},
        call::Query,
    },
};
use askama::Template;
use axum::{Router, response::Response, routing::get};
use http::StatusCode;
use keywright_core::{
    activity::{Activity, Filter, Log, Told},
    log::Action,
};
use std::sync::Arc;

const PAGE: usize = 50;
/// Fields of the form that are days.
const DAYS: [(&str, &str); 2] = [("from", "T00:00:00Z"), ("until", "T00:00:00Z")];

struct Line {
    at: When,
    actor: String,
    actor_kind: String,
    action: String,
    subject: String,
    outcome: String,
    is_refused: bool,
    reason: String,
    place: Option<String>,
    address: String,
    user_agent: String,
    browser: String,
    revision: Option<i64>,
}

/// The filters as they were typed.
struct Typed {
    from: String,
    until: String,
    action: String,
    actor: String,
    outcome: String,
    subs: bool,
}

#[derive(Template)]
#[template(path = "console/activity.html")]
struct ActivityPage {
    frame: Frame,
    is_access: bool,
    here: String,
    typed: Typed,
    actions: Vec<&'static str>,
    can_see_subs: bool,
    lines: Vec<Line>,
    /// The address of the rest of the list.
    next: Option<String>,
    csv: String,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/activity", get(changes))
        .route("/console/{organization}/activity.csv", get(changes_csv))
        .route("/console/{organization}/auth-activity", get(access))
        .route("/console/{organization}/auth-activity.csv", get(access_csv))
}

/// The fields of the form as parameters of the API: days become times.
fn parameters(query: &Query) -> Query {
    let names = ["action", "actor", "outcome", "subOrganizations"];
    let mut fields: Vec<(String, String)> = names.iter().filter_map(|name| Some(((*name).to_owned(), query.get(name)?.to_owned()))).collect();
    for (name, rest) in DAYS {
        fields.extend(query.get(name).map(|day| (name.to_owned(), if day.contains('T') { day.to_owned() } else { format!("{day}{rest}") })));
    }
    Query::of(fields)
}

fn filter(query: &Query, log: Log) -> Result<Filter, Trouble> {
    let mut filter = activity::filter(&parameters(query))?;
    filter.log = Some(log);
    // The last day that is named is shown too.
    filter.until = filter.until.map(|until| until.plus(std::time::Duration::from_secs(24 * 60 * 60)));
    Ok(filter)
}

fn line(desk: &Desk, Told { event, actor, organization }: Told) -> Line {
    Line {
        at: when(event.at),
        actor: match (actor.name.is_empty(), actor.email.is_empty()) {
            (false, false) => format!("{} ({})", actor.name, actor.email),
            (false, true) => actor.name,
            (true, false) => actor.email,
            (true, true) => event.actor_id.map(|id| id.to_string()).unwrap_or_default(),
        },
        actor_kind: event.actor_kind,
        action: event.action,
        subject: event.subject,
        is_refused: matches!(event.outcome.as_str(), "refused" | "lost"),
        outcome: event.outcome,
        reason: event.reason,
        place: (event.organization_id != desk.id()).then_some(organization),
        address: event.address,
        browser: if event.user_agent.is_empty() { String::new() } else { browser(&event.user_agent) },
        user_agent: event.user_agent,
        revision: Some(event.revision).filter(|revision| *revision > 0),
    }
}

async fn page(desk: Desk, query: Query, log: Log) -> Result<Response, Trouble> {
    desk.must("organization.activity.view")?;
    let is_access = log == Log::Access;
    let (title, key) = if is_access { ("Auth activity", "auth-activity") } else { ("Organization activity", "activity") };
    let here = format!("{}/{key}", desk.base());
    let found = match filter(&query, log) {
        Ok(filter) => Ok(desk.visitor.app.core.activity(&desk.visitor.ctx, Some(desk.id()), filter, query.get("cursor"), PAGE).await?),
        Err(trouble) => Err(trouble),
    };
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let (found, problem) = match found {
        Ok(found) => (found, None),
        Err(trouble) => (Activity { events: Vec::new(), next: None }, Some(trouble.sentence().to_owned())),
    };
    let typed = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let typed = Typed {
        from: typed("from"),
        until: typed("until"),
        action: typed("action"),
        actor: typed("actor"),
        outcome: typed("outcome"),
        subs: query.get("subOrganizations") == Some("true"),
    };
    let fields: Vec<(&str, &str)> =
        ["from", "until", "action", "actor", "outcome", "subOrganizations"].iter().filter_map(|name| Some((*name, query.get(name)?))).collect();
    let with =
        |more: Option<&str>| form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).extend_pairs(more.map(|cursor| ("cursor", cursor))).finish();
    let page = ActivityPage {
        frame: desk.frame(title, key).with_problem(problem.as_deref()),
        is_access,
        csv: format!("{here}.csv?{}", with(None)),
        next: found.next.as_deref().map(|cursor| format!("{here}?{}", with(Some(cursor)))),
        here,
        typed,
        actions: Action::ALL.iter().map(|action| action.as_str()).collect(),
        can_see_subs: desk.is_owner() && desk.me.organization.row.is_root(),
        lines: found.events.into_iter().map(|told| line(&desk, told)).collect(),
    };
    Ok(desk.visitor.answer(html(status, &page)))
}

async fn changes(desk: Desk, query: Query) -> Result<Response, Trouble> {
    page(desk, query, Log::Changes).await
}

async fn access(desk: Desk, query: Query) -> Result<Response, Trouble> {
    page(desk, query, Log::Access).await
}

async fn csv(desk: Desk, query: Query, log: Log) -> Result<Response, Trouble> {
    desk.must("organization.activity.view")?;
    let wanted = (desk.id(), filter(&query, log)?);
    let file = activity::file(Arc::clone(&desk.visitor.app), desk.visitor.ctx.clone(), wanted, Format::Csv).await?;
    Ok(desk.visitor.answer(file))
}

async fn changes_csv(desk: Desk, query: Query) -> Result<Response, Trouble> {
    csv(desk, query, Log::Changes).await
}

async fn access_csv(desk: Desk, query: Query) -> Result<Response, Trouble> {
    csv(desk, query, Log::Access).await
}
