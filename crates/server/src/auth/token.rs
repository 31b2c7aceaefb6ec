//! Exchange: form in, token out. The compatibility spellings of the contract end here; beyond is one operation.

use super::{
    docs::{ApiKeyForm, ExchangeAnswers, LegacyAnswers, PatForm, PersonalAccessKeyForm},
    form::{Fields, Form},
};
use crate::{app::App, caller::user_agent, config::LegacyEndpoints, error::ApiError, limits, outer::RequestInfo};
use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Request, header::CONTENT_TYPE, header::LINK};
use keywright_core::{
    Context, Credential, Error, IssuedToken,
    usage::{Spelling, Way},
};
use keywright_protocol::{OrganizationId, paths};
use std::sync::Arc;

/// Every spelling of the key, the one for errors first. All are taken on all versions.
const KEY_SPELLINGS: [&str; 3] = [Spelling::PersonalAccessKey.as_str(), Spelling::Pat.as_str(), Spelling::Hyphenated.as_str()];
/// Every spelling of the organization asked for.
const ORGANIZATION_SPELLINGS: [&str; 3] = ["subOrganization", "subOrganizationId", "organizationId"];
/// When v1 and v2 became old: the day of the new name, as a structured date (RFC 9745).
const DEPRECATED_SINCE: HeaderValue = HeaderValue::from_static("@1758844800");
const SUCCESSOR: HeaderValue = HeaderValue::from_static("</auth/v3/token>; rel=\"successor-version\"");

/// `POST /auth/v3/token`.
#[utoipa::path(
    post,
    path = "/auth/v3/token",
    operation_id = "exchangePersonalAccessKey",
    tag = "Compatibility",
    summary = "Exchange a Personal Access Key",
    description = "Gives a signed access token for the key's organization, or for a sub-organization of it. The spellings `pat`, `personal-access-key`, `subOrganizationId` and `organizationId` are taken too.",
    request_body(content = PersonalAccessKeyForm, content_type = "application/x-www-form-urlencoded"),
    responses(ExchangeAnswers)
)]
pub(crate) async fn v3(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>) -> Result<Response, ApiError> {
    personal_access_key(&app, &info, request, (Way::V3, Spelling::PersonalAccessKey)).await
}

/// `POST /auth/v2/token`.
#[utoipa::path(
    post,
    path = "/auth/v2/token",
    operation_id = "exchangePersonalAccessKeyV2",
    tag = "Compatibility",
    summary = "Exchange a Personal Access Key (older form)",
    description = "The same as `/auth/v3/token` with older names. Answers carry `Deprecation` and `Link`.",
    request_body(content = PatForm, content_type = "application/x-www-form-urlencoded"),
    responses(ExchangeAnswers, LegacyAnswers)
)]
pub(crate) async fn v2(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>) -> Response {
    legacy(&app, &info, request, Way::V2).await
}

/// `POST /auth/v1/token`.
#[utoipa::path(
    post,
    path = "/auth/v1/token",
    operation_id = "exchangePersonalAccessKeyV1",
    tag = "Compatibility",
    summary = "Exchange a Personal Access Key (oldest form)",
    description = "The same as `/auth/v3/token` with older names. Answers carry `Deprecation` and `Link`.",
    request_body(content = PatForm, content_type = "application/x-www-form-urlencoded"),
    responses(ExchangeAnswers, LegacyAnswers)
)]
pub(crate) async fn v1(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>) -> Response {
    legacy(&app, &info, request, Way::V1).await
}

/// The same as v3 with other names, marked as old.
async fn legacy(app: &Arc<App>, info: &RequestInfo, request: Request<Body>, endpoint: fn(Spelling) -> Way) -> Response {
    match app.legacy_endpoints {
        LegacyEndpoints::On => {}
        LegacyEndpoints::Warn => {
            let user_agent = user_agent(request.headers()).unwrap_or_default();
            tracing::warn!(path = request.uri().path(), client = ?info.client_ip, user_agent = &*user_agent, "an old endpoint is in use");
        }
        LegacyEndpoints::Off => return ApiError::Gone(paths::TOKEN_V3).into_response(),
    }
    let mut response = personal_access_key(app, info, request, (endpoint, Spelling::Pat)).await.into_response();
    response.headers_mut().insert("Deprecation", DEPRECATED_SINCE);
    response.headers_mut().insert(LINK, SUCCESSOR);
    response
}

/// `POST /auth/v1/api-key/token`.
#[utoipa::path(
    post,
    path = "/auth/v1/api-key/token",
    operation_id = "exchangeApiKey",
    tag = "Compatibility",
    summary = "Exchange an API Key",
    description = "Gives a signed access token for the key's organization, or for a sub-organization that its roles cover. The secret selects the key; the name is checked.",
    request_body(content = ApiKeyForm, content_type = "application/x-www-form-urlencoded"),
    responses(ExchangeAnswers)
)]
pub(crate) async fn api_key(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>) -> Result<Response, ApiError> {
    let agent = user_agent(request.headers());
    let form = read(request, &["name", "secret"], "name=acme-ci&secret=kw_api_...").await?;
    let fields = form.fields()?;
    let name = required(&fields, &["name"], "name", "the API Key's name")?;
    let secret = required(&fields, &["secret"], "secret", "the API Key's secret")?;
    let target = target(&fields, &ORGANIZATION_SPELLINGS)?;
    exchange(&app, &context(&app, &info, agent, Way::ApiKey), Credential::ApiKey { name, secret }, target, "api-key").await
}

/// By an endpoint; errors name one spelling of the field.
async fn personal_access_key(
    app: &Arc<App>,
    info: &RequestInfo,
    request: Request<Body>,
    (endpoint, shown): (fn(Spelling) -> Way, Spelling),
) -> Result<Response, ApiError> {
    let agent = user_agent(request.headers());
    let form = read(request, &KEY_SPELLINGS, "personalAccessKey=kw_pak_...").await?;
    let fields = form.fields()?;
    let key = required(&fields, &KEY_SPELLINGS, shown.as_str(), "your Personal Access Key")?;
    let way = endpoint(fields.spelling(&KEY_SPELLINGS).and_then(Spelling::of).unwrap_or(shown));
    let target = target(&fields, &ORGANIZATION_SPELLINGS)?;
    exchange(app, &context(app, info, agent, way), Credential::PersonalAccessKey(key), target, "personal-access-key").await
}

/// Of an exchange; to be made when the form has been read, since it says what is now.
pub(crate) fn context(app: &App, info: &RequestInfo, user_agent: Option<Arc<str>>, way: Way) -> Context {
    Context { user_agent, way, ..info.context(app.core.clock()) }
}

async fn exchange(
    app: &Arc<App>,
    ctx: &Context,
    credential: Credential<'_>,
    target: Option<OrganizationId>,
    endpoint: &'static str,
) -> Result<Response, ApiError> {
    let exchanged = app.core.exchange(ctx, credential, target).await;
    app.metrics.exchanged(endpoint, exchanged.as_ref().map_or_else(Error::code, |_| "issued"));
    let refused = matches!(exchanged, Err(Error::Refused(_)));
    let mut response = exchanged.map(|issued| render(&issued)).map_err(ApiError::from).into_response();
    if refused && let Some(left) = app.core.limits().refused_keys_left(ctx.client_ip) {
        limits::tell(response.headers_mut(), &left);
    }
    Ok(response)
}

/// The form of a request; a secret in the URL is refused, it would end in logs.
pub(crate) async fn read(request: Request<Body>, secrets: &[&str], example: &'static str) -> Result<Form, ApiError> {
    let (head, body) = request.into_parts();
    if let Some(query) = head.uri.query()
        && let Some((name, _)) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| secrets.contains(&name.as_ref()))
    {
        return Err(ApiError::BadRequest(format!(
            "send {name} in the body, not in the URL: URLs end up in logs; and replace this key, it may be there already"
        )));
    }
    Form::read(&head.headers, body, example).await
}

fn required<'a>(fields: &'a Fields<'_>, spellings: &[&str], shown: &str, what: &str) -> Result<&'a str, ApiError> {
    fields
        .one_of(spellings, shown)?
        .ok_or_else(|| ApiError::BadRequest(format!("the parameter {shown} is missing or empty; send {what} in it, as a form field")))
}

fn target(fields: &Fields<'_>, spellings: &[&str]) -> Result<Option<OrganizationId>, ApiError> {
    let shown = spellings.first().copied().unwrap_or_default();
    fields.one_of(spellings, shown)?.map(|id| id.parse().map_err(|_| ApiError::NotAGuid)).transpose()
}

fn render(issued: &IssuedToken) -> Response {
    // A token is base64url and dots: nothing to escape.
    let body = format!(r#"{{"access_token":"{}","token_type":"Bearer","expires_in":{}}}"#, issued.access_token, issued.expires_in);
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, body).into_response()
}
