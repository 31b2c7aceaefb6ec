//! `POST /oauth/token`: a key, or a token, for a token.

use super::{
    client::{ClientCredentials, credentials},
    docs::{AlwaysAnswers, TokenAnswers, TokenForm},
    error::{As, OAuthError, of_core, of_verify},
};
use crate::{
    app::App,
    auth::{
        form::Fields,
        token::{context, read},
    },
    caller::{held_token, user_agent},
    error::ApiError,
    json::answer,
    limits,
    outer::RequestInfo,
};
use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Request, StatusCode};
use keywright_core::{Context, Credential, Error, ScopedToken, Wanted, usage::Way};
use keywright_protocol::oauth::{self, OAuthTokenResponse};
use std::sync::Arc;

const EXAMPLE: &str = "grant_type=client_credentials&client_id=acme-ci&client_secret=kw_api_...";

const GUID: &str = "organization_id must be a GUID, such as 6f9619ff-8b86-4011-b42d-00c04fc964ff";

/// What a request is about, as it came.
struct Asked<'a> {
    app: &'a Arc<App>,
    ctx: Context,
    headers: &'a HeaderMap,
    fields: &'a Fields<'a>,
    wanted: Wanted<'a>,
}

/// `POST /oauth/token`.
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "oauthToken",
    tag = "OAuth",
    summary = "Get an access token",
    description = "For an API Key as a client (`client_credentials`, RFC 6749 section 4.4), with its id or name and its secret by HTTP Basic or in the body; or for what `subject_token` is (token exchange, RFC 8693): a Personal Access Key, an API Key by its secret alone, or an access token, which can be narrowed that way in what it may do, in time, or to a sub-organization of its own. A token made from a token never may do more, never lives longer, and is taken back with it. `scope` names permissions; one that does not exist, or that the key does not have there, is refused. Unknown parameters are ignored.",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(TokenAnswers, AlwaysAnswers)
)]
pub(crate) async fn token(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let form = read(request, &["client_secret", "subject_token"], EXAMPLE).await?;
    let fields = form.fields()?;
    let grant_type = fields.one_of(&["grant_type"], "grant_type")?;
    let way = if grant_type == Some(oauth::CLIENT_CREDENTIALS) { Way::ClientCredentials } else { Way::SubjectToken };
    let ctx = context(&app, &info, user_agent(&headers), way);
    let asked = Asked { app: &app, ctx, headers: &headers, fields: &fields, wanted: wanted(&fields)? };
    match grant_type {
        Some(oauth::CLIENT_CREDENTIALS) => asked.client_credentials().await,
        Some(oauth::TOKEN_EXCHANGE) => asked.token_exchange().await,
        Some(_) => {
            let (one, other) = (oauth::CLIENT_CREDENTIALS, oauth::TOKEN_EXCHANGE);
            Err(OAuthError::request("unsupported_grant_type", format!("grant_type must be {one} or {other}")))
        }
        None => Err(ApiError::BadRequest(format!("the parameter grant_type is missing; send a form such as {EXAMPLE}"))),
    }
}

/// What is asked for, without what it is asked by.
fn wanted<'a>(fields: &'a Fields<'_>) -> Result<Wanted<'a>, ApiError> {
    let organization_id =
        fields.one_of(&["organization_id"], "organization_id")?.map(|id| id.parse().map_err(|_| ApiError::BadRequest(GUID.to_owned()))).transpose()?;
    let seconds = || ApiError::BadRequest("expires_in must be a whole number of seconds, 1 at least".to_owned());
    let expires_in = fields.one_of(&["expires_in"], "expires_in")?.map(|text| text.parse::<i64>().ok().filter(|seconds| *seconds > 0).ok_or_else(seconds));
    Ok(Wanted {
        organization_id,
        audience: fields.one_of(&["resource", "audience"], "resource")?,
        scope: fields.one_of(&["scope"], "scope")?,
        expires_in: expires_in.transpose()?,
    })
}

impl Asked<'_> {
    async fn client_credentials(&self) -> Result<Response, ApiError> {
        let missing = || OAuthError::client("send the API Key's id or name and its secret, by HTTP Basic or as client_id and client_secret in the body", None);
        let client: ClientCredentials = credentials(self.headers, self.fields)?.ok_or_else(missing)?;
        let issued = self.app.core.exchange_for(&self.ctx, client.credential(), self.wanted).await;
        self.told("client_credentials", issued, As::Client, None)
    }

    async fn token_exchange(&self) -> Result<Response, ApiError> {
        let field = |name: &'static str| self.fields.one_of(&[name], name);
        if field("actor_token")?.is_some() {
            return Err(ApiError::BadRequest("actor_token is not taken here: nobody acts for somebody else".to_owned()));
        }
        if field("requested_token_type")?.is_some_and(|kind| kind != oauth::ACCESS_TOKEN && kind != oauth::JWT) {
            return Err(ApiError::BadRequest(format!("requested_token_type must be {}, or left out", oauth::ACCESS_TOKEN)));
        }
        let missing = |name: &str, what: &str| ApiError::BadRequest(format!("the parameter {name} is missing or empty; send {what} in it"));
        let subject = field("subject_token")?.ok_or_else(|| missing("subject_token", "the key or the access token"))?;
        let kinds = format!("{}, {} or {}", oauth::PERSONAL_ACCESS_KEY, oauth::API_KEY, oauth::ACCESS_TOKEN);
        let kind = field("subject_token_type")?.ok_or_else(|| missing("subject_token_type", &kinds))?;
        // Whoever says that it is a client must be one; what is exchanged speaks for itself.
        if let Some(client) = credentials(self.headers, self.fields)? {
            self.app.core.authenticate(&self.ctx, client.credential()).await.map_err(|error| of_core(error, As::Client))?;
        }
        let core = &self.app.core;
        let issued = match kind {
            oauth::PERSONAL_ACCESS_KEY => core.exchange_for(&self.ctx, Credential::PersonalAccessKey(subject), self.wanted).await,
            oauth::API_KEY => core.exchange_for(&self.ctx, Credential::ApiKeySecret(subject), self.wanted).await,
            oauth::ACCESS_TOKEN | oauth::JWT => {
                let verified = self.app.audiences.verify(subject, self.ctx.now).await.map_err(of_verify)?;
                core.narrow(&self.ctx, &held_token(&verified), self.wanted).await
            }
            _ => return Err(ApiError::BadRequest(format!("subject_token_type must be {kinds}"))),
        };
        self.told("token_exchange", issued, As::Subject, Some(oauth::ACCESS_TOKEN))
    }

    fn told(&self, endpoint: &'static str, issued: Result<ScopedToken, Error>, refused: As, issued_token_type: Option<&str>) -> Result<Response, ApiError> {
        self.app.metrics.exchanged(endpoint, issued.as_ref().map_or_else(Error::code, |_| "issued"));
        let left = matches!(issued, Err(Error::Refused(_))).then(|| self.app.core.limits().refused_keys_left(self.ctx.client_ip)).flatten();
        let answered = issued.map(|ScopedToken { token, scope }| {
            let body = OAuthTokenResponse {
                access_token: token.access_token,
                token_type: "Bearer".to_owned(),
                expires_in: token.expires_in,
                scope,
                issued_token_type: issued_token_type.map(str::to_owned),
            };
            answer(StatusCode::OK, &body)
        });
        let mut response = answered.map_err(|error| of_core(error, refused)).into_response();
        if let Some(left) = left {
            limits::tell(response.headers_mut(), &left);
        }
        Ok(response)
    }
}
