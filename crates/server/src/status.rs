//! What was taken back, for verifiers: status lists, the feed of changes to them, and how far its readers are.

use crate::{
    app::App,
    error::ApiError,
    identity::call::Query,
    json::{answer, parse},
    outer::RequestInfo,
};
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use keywright_core::{Core, Error, status::readers::Introduction};
use keywright_protocol::{
    ErrorBody, Position, paths,
    status::{Report, StreamOpened},
};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::watch;
use utoipa::IntoParams;
use uuid::Uuid;

/// Longest name of a verifier, and longest name of its program, in characters.
const LONGEST_NAME: usize = 128;
const MAX_AGE: &str = "maxAgeMilliseconds";
/// A day.
const LONGEST_AGE: i64 = 86_400_000;
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Its routes.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/status/v1/lists/{number}", get(list))
        .route(paths::STATUS_CHANGES, get(changes))
        .route(paths::STATUS_STREAM, get(follow))
        .route(paths::STATUS_REPORTS, post(report))
}

/// `GET /status/v1/lists/{number}`.
#[utoipa::path(
    get,
    path = "/status/v1/lists/{number}",
    tag = "Verification",
    operation_id = "statusList",
    summary = "A status list",
    description = "A Token Status List (draft-ietf-oauth-status-list): one bit for each of 1,048,576 entries, 1 for tokens that were taken back. A token names its entry in the claim `status`. Signed by a key of purpose `status-list`; besides the draft's claims it has `position` (every change up to there is in it), `time` (milliseconds, when that was so) and `revoked_keys` (signing keys that must not be believed, whatever a cached key set says). It is never to be cached.",
    params(("number" = String, Path, description = "The list's number.", example = "0")),
    responses(
        (status = 200, description = "The list.", body = String, content_type = "application/statuslist+jwt", example = "eyJhbGciOiJFUzI1NiIs..."),
        (status = 404, description = "No token names this list.", body = ErrorBody, example = json!({"error": "not_found",
            "error_description": "there is no status list with that id", "message": "there is no status list with that id"}))
    )
)]
pub(crate) async fn list(State(app): State<Arc<App>>, Path(number): Path<String>) -> Result<Response, ApiError> {
    let canonical = number.parse::<u64>().ok().filter(|parsed| parsed.to_string() == number);
    let signed = app.core.signed_status_list(canonical.ok_or(Error::NotFound("status list"))?).await?;
    Ok(document("application/statuslist+jwt", signed.as_ref().to_owned()))
}

/// From where on something is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the spec; what is read is in `Asked`")]
pub(crate) struct AfterParameter {
    /// The position up to which everything is known. Without it the answer says only how far the server is.
    #[param(example = "1.2")]
    after: Option<String>,
}

/// `GET /status/v1/changes`.
#[utoipa::path(
    get,
    path = "/status/v1/changes",
    tag = "Verification",
    operation_id = "statusChanges",
    summary = "What was taken back since a position",
    description = "A JWS of type `keywright-status+jwt`, by a key of purpose `status-list`. Its payload has `position`, `after` (absent: begin anew, fetching the lists that are needed), `time`, `ended` (indices: list number times 1,048,576 plus entry), `revoked_keys`, `keys_at` and `catalog_at` (positions of the last change to key set and catalog).",
    params(AfterParameter),
    responses(
        (status = 200, description = "The news.", body = String, content_type = "application/jwt", example = "eyJhbGciOiJFUzI1NiIs...")
    )
)]
pub(crate) async fn changes(State(app): State<Arc<App>>, query: Query) -> Result<Response, ApiError> {
    let news = app.core.status_news(Asked::read(&query)?.after)?;
    Ok(document("application/jwt", news.text.as_ref().to_owned()))
}

/// Who follows the feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the spec; what is read is in `Asked`")]
pub(crate) struct ReaderParameters {
    /// The position up to which everything is known.
    #[param(example = "1.2")]
    after: Option<String>,
    /// A GUID that the verifier made at its start and keeps to itself. With it, it stands in receipts.
    #[param(format = Uuid, example = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")]
    instance: Option<String>,
    /// What receipts call it.
    #[param(example = "reports-api")]
    name: Option<String>,
    /// Its program and version.
    #[param(example = "keywright-verify/0.1.0")]
    version: Option<String>,
    /// After how many milliseconds without news it refuses tokens; absent if it accepts them until they expire.
    #[param(rename = "maxAgeMilliseconds", example = 60000)]
    max_age: Option<i64>,
}

/// `GET /status/v1/stream`.
#[utoipa::path(
    get,
    path = "/status/v1/stream",
    tag = "Verification",
    operation_id = "statusStream",
    summary = "The same as a stream",
    description = "Server-sent events. With `instance`, the first one is `opened`, whose data has `stream`: the name to report under. Then `news`, whose id is a position and whose data is what `/status/v1/changes` answers: at once when something was taken back, and each second as a heartbeat. Whoever hears nothing for three seconds should ask elsewhere.",
    params(ReaderParameters),
    responses(
        (status = 200, description = "Events, until the connection ends.", body = String, content_type = "text/event-stream",
            example = "event: opened\ndata: {\"stream\":\"q83vEjRWeJCrze8SNFZ4kA\"}\n\nid: 1.42\nevent: news\ndata: eyJhbGciOiJFUzI1NiIs...\n\n"),
        (status = 429, description = "Too many follow already; poll `/status/v1/changes`.", body = ErrorBody, example = json!({"error": "too_many_requests",
            "error_description": "too many verifiers follow the stream here; ask /status/v1/changes every few seconds instead",
            "message": "too many verifiers follow the stream here; ask /status/v1/changes every few seconds instead"}))
    )
)]
pub(crate) async fn follow(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, query: Query) -> Result<Response, ApiError> {
    let asked = Asked::read(&query)?;
    let core = Arc::clone(&app.core);
    let moves = core.status_moves();
    // Whether it can be served at all is said before the stream begins.
    core.status_news(asked.after)?;
    let reader = asked.introduction.map(|who| Reader::enter(&core, who, info)).transpose()?;
    let opened =
        reader.as_ref().map(|reader| event(None, "opened", &serde_json::to_string(&StreamOpened { stream: reader.stream.clone() }).unwrap_or_default()));
    let state = Following { core, moves, after: asked.after, reader, opened };
    let mut response = Body::from_stream(stream::unfold(state, Following::next)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers answers would make old what is new.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// `POST /status/v1/reports`.
#[utoipa::path(
    post,
    path = "/status/v1/reports",
    tag = "Verification",
    operation_id = "reportStatus",
    summary = "How far a verifier is",
    description = "Said by whoever reads a stream, under the name that its first event gave it; it stands in receipts (`/identity/v1/revocations/{revision}`).",
    request_body(content = Report, example = json!({"stream": "q83vEjRWeJCrze8SNFZ4kA", "position": "1.42"})),
    responses(
        (status = 200, description = "Noted.", body = Report, example = json!({"stream": "q83vEjRWeJCrze8SNFZ4kA", "position": "1.42"})),
        (status = 400, description = "No such position, or no JSON.", body = ErrorBody, example = json!({"error": "invalid_request",
            "error_description": "position: must be a revision of the form history.n, for example 1.42",
            "message": "position: must be a revision of the form history.n, for example 1.42"})),
        (status = 404, description = "There is no such stream any more.", body = ErrorBody, example = json!({"error": "not_found",
            "error_description": "there is no such stream any more; open another one and report its name",
            "message": "there is no such stream any more; open another one and report its name"}))
    )
)]
pub(crate) async fn report(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, ApiError> {
    let report: Report = parse(&body, r#"{"stream": "q83vEjRWeJCrze8SNFZ4kA", "position": "1.42"}"#)?;
    let position: Position = report.position.parse().map_err(|error| ApiError::BadRequest(format!("position: {error}")))?;
    app.core.confirm_status(&report.stream, position)?;
    Ok(answer(StatusCode::OK, &report))
}

fn document(content_type: &'static str, body: String) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(content_type)), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, body).into_response()
}

fn event(id: Option<Position>, name: &str, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n")
}

/// What is asked for in a query.
struct Asked {
    after: Option<Position>,
    introduction: Option<Introduction>,
}

impl Asked {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let wrong = |what: &str, why: &str| ApiError::BadRequest(format!("{what}: {why}"));
        let after = query.get("after").map(|text| text.parse::<Position>().map_err(|error| wrong("after", &error.to_string()))).transpose()?;
        let instance = query.get("instance").map(|text| text.parse::<Uuid>().map_err(|_| wrong("instance", "must be a GUID"))).transpose()?;
        let max_age = query.get(MAX_AGE).map(|_| query.number(MAX_AGE, 0, 0..=LONGEST_AGE)).transpose()?;
        let named = |name| plain(query.get(name).unwrap_or_default());
        let introduction = instance.map(|instance| Introduction { instance, name: named("name"), version: named("version"), max_age });
        Ok(Self { after, introduction })
    }
}

/// A name as it may stand in lists of people.
fn plain(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(LONGEST_NAME).collect()
}

/// A verifier that is there, as long as this lives.
struct Reader {
    core: Arc<Core>,
    stream: String,
}

impl Reader {
    fn enter(core: &Arc<Core>, who: Introduction, info: RequestInfo) -> Result<Self, ApiError> {
        let address = info.client_ip.map(|address| address.to_string()).unwrap_or_default();
        let stream = core.open_status_stream(who, address)?;
        Ok(Self { core: Arc::clone(core), stream })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.core.close_status_stream(&self.stream);
    }
}

/// A stream on its way.
struct Following {
    core: Arc<Core>,
    moves: watch::Receiver<u64>,
    after: Option<Position>,
    reader: Option<Reader>,
    opened: Option<String>,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(opened) = self.opened.take() {
            self.moves.mark_changed();
            return Some((Ok(opened.into()), self));
        }
        self.moves.changed().await.ok()?;
        // Silence, when this server cannot know or has nothing right to say: its reader goes elsewhere.
        let news = self.core.status_news(self.after).ok()?;
        self.after = Some(news.position);
        if let Some(reader) = &self.reader {
            self.core.sent_status_news(&reader.stream);
        }
        Some((Ok(event(Some(news.position), "news", &news.text).into()), self))
    }
}
