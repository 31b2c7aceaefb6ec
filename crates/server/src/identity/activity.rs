//! What happened: the log as pages, as a file, and as a chain that anybody can check.

use super::{
    call::{Caller, Named, Query, answer, told},
    docs::Refusals,
    export::cell,
};
use crate::{app::App, error::ApiError};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::stream;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use keywright_core::{
    Context, Error,
    activity::{Activity, Filter, Log, Told},
};
use keywright_protocol::{
    OrganizationId,
    activity::{ActivityPage, ActorItem, EventItem},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Events of one page of an export.
const EXPORTED_AT_ONCE: usize = 1_000;

/// Its routes.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/identity/v1/organizations/{id}/activity", get(list))
        .route("/identity/v1/organizations/{id}/activity/export", get(export))
        .route("/identity/v1/organizations/{id}/activity/head", get(head))
        .route("/identity/v1/organizations/{id}/activity/chain", get(chain))
}

/// Which events are asked for; what is given must hold together.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the spec; what is read is in `filter`")]
pub(crate) struct FilterParameters {
    /// `changes` or `access`; both without it.
    #[param(example = "changes")]
    log: Option<String>,
    /// Events from this time on (RFC 3339).
    #[param(format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<String>,
    /// Events before this time (RFC 3339).
    #[param(format = DateTime, example = "2026-12-01T00:00:00Z")]
    until: Option<String>,
    /// Also those of the sub-organizations; for Owners of a root.
    #[param(rename = "subOrganizations", example = true)]
    sub_organizations: Option<bool>,
    /// What was done, in the words of the log.
    #[param(example = "API Key Create")]
    action: Option<String>,
    /// A part of the name or the e-mail address of whoever did it, in any case of letters, or his id.
    #[param(example = "owner")]
    actor: Option<String>,
    /// `done`, `issued`, `refused` or `lost`.
    #[param(example = "done")]
    outcome: Option<String>,
}

/// What happened, as a list says it.
fn event(told: Told) -> EventItem {
    let Told { event, actor, organization } = told;
    EventItem {
        id: event.id,
        sequence: event.sequence,
        at: event.at,
        organization_id: event.organization_id,
        organization,
        actor: ActorItem { kind: event.actor_kind, id: event.actor_id, name: actor.name, email: actor.email },
        action: event.action,
        subject: event.subject,
        outcome: event.outcome,
        reason: event.reason,
        address: event.address,
        user_agent: event.user_agent,
        request_id: event.request_id,
        revision: event.revision,
    }
}

/// `GET /identity/v1/organizations/{id}/activity`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/activity",
    tag = "Activity",
    operation_id = "listActivity",
    summary = "What happened",
    description = "Both logs, latest first, in the order in which they were written: changes with sign-ins, and accesses (exchanges of keys, refusals of known ones, gaps). An access is there at most a second after it happened, as long as the database answers. A page looks through a bounded part of the log: with a filter that little matches it may hold few events or none, and the list goes on as long as there is a `nextCursor`.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        FilterParameters,
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "How many events at most; 50 by default.", example = 50),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of an earlier page of the same list.")
    ),
    security(("token" = [])),
    responses((status = 200, description = "A page.", body = ActivityPage, example = json!({"events": [{
        "id": "3d0ab0f1-52a5-4bd4-a3b8-0ad4bd7d4c5e", "sequence": 17, "at": "2026-11-24T09:00:00.000Z",
        "organizationId": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "organization": "Acme",
        "actor": {"kind": "user", "id": "220db5b0-66ba-4bda-8105-e8db034bb058", "name": "Olivia Owner", "email": "owner@acme.example"},
        "action": "API Key Create", "subject": "nightly", "outcome": "done", "reason": "", "address": "203.0.113.7", "userAgent": "curl/8.14.1",
        "requestId": "8a0a5f2a-6a52-4a0c-a2ab-2a4a1de0e1a4", "revision": 42}], "nextCursor": null})), Refusals)
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, query: Query) -> Result<Response, ApiError> {
    query.require_known(&["log", "from", "until", "subOrganizations", "action", "actor", "outcome", "limit", "cursor"])?;
    let (organization, filter) = (caller.named(&id)?, filter(&query)?);
    let limit = query.number("limit", 50, 1..=200)?;
    let page = told(app.core.activity(&caller.ctx, Some(organization), filter, query.get("cursor"), limit).await)?;
    let events = page.events.into_iter().map(event).collect();
    Ok(answer(StatusCode::OK, &ActivityPage { events, next_cursor: page.next }))
}

/// `GET /identity/v1/organizations/{id}/activity/export`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/activity/export",
    tag = "Activity",
    operation_id = "exportActivity",
    summary = "What happened, as a file",
    description = "All events that the filters of the list let through, latest first, as CSV (RFC 4180; a cell that a spreadsheet would take for a formula has an apostrophe before it) or as JSON lines. It is sent while it is read; if it cannot be read to the end, the connection breaks off, so that a file that ended in good order is whole.",
    params(
        ("id" = String, Path, description = "The organization's id, or `current` for the token's.", example = "current"),
        ("format" = Option<String>, Query, description = "`csv`, the default, or `jsonl`.", example = "jsonl"),
        FilterParameters
    ),
    security(("token" = [])),
    responses((status = 200, description = "The file.", content(
        (String = "text/csv", example = "at,organization,actor kind,actor,action,subject,outcome,reason,address,user agent,request,revision\r\n"),
        (String = "application/jsonl"))), Refusals)
)]
pub(crate) async fn export(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, query: Query) -> Result<Response, ApiError> {
    query.require_known(&["log", "from", "until", "subOrganizations", "action", "actor", "outcome", "format"])?;
    let (organization, filter) = (caller.named(&id)?, filter(&query)?);
    let format = match query.get("format").unwrap_or("csv") {
        "csv" => Format::Csv,
        "jsonl" => Format::JsonLines,
        _ => return Err(ApiError::BadRequest("format must be csv or jsonl".to_owned())),
    };
    file(app, caller.ctx, (organization, filter), format).await
}

/// The events as a file to keep. What refuses does so before anything is sent.
pub(crate) async fn file(app: Arc<App>, ctx: Context, (organization, filter): (OrganizationId, Filter), format: Format) -> Result<Response, ApiError> {
    let name = if filter.log == Some(Log::Access) { "auth-activity" } else { "activity" };
    let reader = Reader { app, ctx, organization, filter };
    let first = told(reader.page(None).await)?;
    let head = match format {
        Format::Csv => "at,organization,actor kind,actor,action,subject,outcome,reason,address,user agent,request,revision\r\n",
        Format::JsonLines => "",
    };
    let pages = stream::try_unfold((reader, Some(first)), move |(reader, page)| async move {
        let Some(Activity { events, next }) = page else { return Ok(None) };
        let text: String = events.into_iter().map(|event| format.line(event)).collect();
        let page = match next {
            Some(next) => Some(reader.page(Some(&next)).await?),
            None => None,
        };
        Ok::<_, Error>(Some((Bytes::from(text), (reader, page))))
    });
    let body = stream::StreamExt::chain(stream::iter([Ok(Bytes::from_static(head.as_bytes()))]), pages);
    Ok((format.headers(name)?, Body::from_stream(body)).into_response())
}

/// `GET /identity/v1/organizations/{id}/activity/head`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/activity/head",
    tag = "Activity",
    operation_id = "getActivityHead",
    summary = "The end of the chain",
    description = "Number and hash of the last link. Note it where nobody who writes the database writes: `keywright audit verify --head <sequence>:<hash>` finds by it that a chain was cut off or written anew since. For Owners of a root.",
    params(("id" = String, Path, description = "The root's id, or `current` for the token's.", example = "current")),
    security(("token" = [])),
    responses((status = 200, description = "The head; `null` before the first event.", body = Option<HeadItem>,
        example = json!({"sequence": 17, "hash": "5342ea3eb170f73af0032b73bf30782a131e74b23715cd95f91cb4c83a03a0f0"})), Refusals)
)]
pub(crate) async fn head(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<Response, ApiError> {
    let head = told(app.core.chain_head(&caller.ctx, Some(caller.named(&id)?)).await)?;
    Ok(answer(StatusCode::OK, &head.map(|head| HeadItem { sequence: head.sequence, hash: head.hash.to_string() })))
}

/// The end of a chain.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivityHead)]
pub(crate) struct HeadItem {
    /// The number of the last link.
    sequence: i64,
    /// Its hash: SHA-256, 64 hexadecimal digits.
    hash: String,
}

/// `GET /identity/v1/organizations/{id}/activity/chain`.
#[utoipa::path(
    get,
    path = "/identity/v1/organizations/{id}/activity/chain",
    tag = "Activity",
    operation_id = "exportActivityChain",
    summary = "The chain, to be checked",
    description = "Every link of the root's hash chain with all that it stands for, as JSON lines, oldest first. `keywright audit verify <file>` checks it without the server and finds what was altered, dropped, put in or moved. For Owners of a root.",
    params(
        ("id" = String, Path, description = "The root's id, or `current` for the token's.", example = "current"),
        ("after" = Option<i64>, Query, minimum = 0, description = "Only links behind this one, to go on with an earlier export.", example = 0)
    ),
    security(("token" = [])),
    responses((status = 200, description = "The links.", content((String = "application/jsonl"))), Refusals)
)]
pub(crate) async fn chain(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>, query: Query) -> Result<Response, ApiError> {
    query.require_known(&["after"])?;
    let (root, after) = (caller.named(&id)?, query.number("after", 0, 0..=i64::MAX)?);
    let ctx = caller.ctx;
    let first = told(app.core.chain(&ctx, Some(root), after).await)?;
    let links = stream::try_unfold((app, ctx, first), move |(app, ctx, links)| async move {
        let Some(last) = links.last().map(|link| link.sequence) else { return Ok(None) };
        let mut text = Vec::new();
        for link in &links {
            serde_json::to_writer(&mut text, link).map_err(|_| Error::Internal("a link cannot be written"))?;
            text.push(b'\n');
        }
        let next = app.core.chain(&ctx, Some(root), last).await?;
        Ok::<_, Error>(Some((Bytes::from(text), (app, ctx, next))))
    });
    Ok((Format::JsonLines.headers("activity")?, Body::from_stream(links)).into_response())
}

/// What an export reads, page by page; whether its caller still may is asked for each.
struct Reader {
    app: Arc<App>,
    ctx: Context,
    organization: OrganizationId,
    filter: Filter,
}

impl Reader {
    async fn page(&self, cursor: Option<&str>) -> Result<Activity, Error> {
        // A long export takes long: what has ended meanwhile has ended.
        let ctx = Context { now: self.app.core.clock().now(), ..self.ctx.clone() };
        self.app.core.activity(&ctx, Some(self.organization), self.filter.clone(), cursor, EXPORTED_AT_ONCE).await
    }
}

/// How a file of events is written.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    /// RFC 4180.
    Csv,
    /// An object a line.
    JsonLines,
}

impl Format {
    fn headers(self, name: &str) -> Result<[(http::HeaderName, HeaderValue); 2], ApiError> {
        let (kind, ending) = match self {
            Self::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
            Self::JsonLines => ("application/jsonl", "jsonl"),
        };
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}.{ending}\"")).map_err(|_| Error::Internal("a file has no name"))?;
        Ok([(CONTENT_TYPE, HeaderValue::from_static(kind)), (CONTENT_DISPOSITION, disposition)])
    }

    fn line(self, told: Told) -> String {
        match self {
            Self::JsonLines => serde_json::to_string(&event(told)).map(|line| line + "\n").unwrap_or_default(),
            Self::Csv => {
                let Told { event, actor, organization } = told;
                let who = if actor.email.is_empty() { event.actor_id.map(|id| id.to_string()).unwrap_or_default() } else { actor.email };
                let texts = [
                    event.at.to_string(),
                    organization,
                    event.actor_kind,
                    who,
                    event.action,
                    event.subject,
                    event.outcome,
                    event.reason,
                    event.address,
                    event.user_agent,
                    event.request_id.to_string(),
                    event.revision.to_string(),
                ];
                texts.map(|text| cell(&text)).join(",") + "\r\n"
            }
        }
    }
}

/// What the query asks for.
pub(crate) fn filter(query: &Query) -> Result<Filter, ApiError> {
    let (from, until) = (query.time("from")?, query.time("until")?);
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        return Err(ApiError::BadRequest("from must be before until".to_owned()));
    }
    let log = match query.get("log") {
        None => None,
        Some("changes") => Some(Log::Changes),
        Some("access") => Some(Log::Access),
        Some(_) => return Err(ApiError::BadRequest("log must be changes or access".to_owned())),
    };
    let sub_organizations = match query.get("subOrganizations") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(ApiError::BadRequest("subOrganizations must be true or false".to_owned())),
    };
    let one_of = |name: &str, known: &[&str]| match query.get(name) {
        Some(text) if !known.iter().any(|known| known.eq_ignore_ascii_case(text)) => {
            Err(ApiError::BadRequest(format!("{name} must be one of: {}", known.join(", "))))
        }
        text => Ok(text.map(str::to_owned)),
    };
    let action = one_of("action", &keywright_core::log::Action::ALL.map(keywright_core::log::Action::as_str))?;
    let outcome = one_of("outcome", &["done", "issued", "accepted", "refused", "lost"])?;
    Ok(Filter { log, from, until, sub_organizations, action, outcome, actor: query.get("actor").map(str::to_owned) })
}
