//! `POST /oauth/revoke` (RFC 7009): whoever holds a token or a key may give it up.

use super::{
    client::credentials,
    docs::{AlwaysAnswers, QuestionAnswers, RevokeForm},
    error::{As, OAuthError, of_core},
};
use crate::{
    app::App,
    auth::token::{context, read},
    caller::{held_token, user_agent},
    error::ApiError,
    json::with_revision,
    outer::RequestInfo,
};
use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{Request, StatusCode};
use keywright_core::{Actor, Context, Error, usage::Way};
use keywright_protocol::{KeyKind, secret};
use keywright_verify::VerifyError;
use std::sync::Arc;

const EXAMPLE: &str = "token=eyJhbGciOiJFUzI1NiIs...";

/// `POST /oauth/revoke`.
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    operation_id = "revokeToken",
    tag = "OAuth",
    summary = "Take a token or a key back",
    description = "An access token: it is taken back everywhere, and with it every other token of the same secret for the same organization; for a root also those for its sub-organizations, which may have been made from it (RFC 7009). The key stays, and its next exchange gives another token. A raw Personal Access Key or API Key: the key is revoked, for ever. Whoever has it may do that; nobody needs to say who he is, and whoever does must be right. What is not known, or was taken back before, changes nothing and is 200 too.",
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It opens nothing any more. Without a body.",
        headers(("Keywright-Revision" = String, description = "The revision of the change, if there was one. Receipts are found by it."))), QuestionAnswers, AlwaysAnswers)
)]
pub(crate) async fn revoke(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let form = read(request, &["token", "client_secret"], EXAMPLE).await?;
    let fields = form.fields()?;
    let mut ctx = context(&app, &info, user_agent(&headers), Way::ClientCredentials);
    let client = match credentials(&headers, &fields)? {
        Some(client) => Some(app.core.authenticate(&ctx, client.credential()).await.map_err(|error| of_core(error, As::Client))?),
        None => None,
    };
    let missing = || ApiError::BadRequest(format!("the parameter token is missing or empty; send a form such as {EXAMPLE}"));
    let token = fields.one_of(&["token"], "token")?.ok_or_else(missing)?;
    let done = match secret::recognize(token) {
        Some(KeyKind::PersonalAccessKey | KeyKind::ApiKey) => app.core.revoke_presented_key(&ctx, token).await.map_err(|error| of_core(error, As::Subject))?,
        Some(KeyKind::Session | KeyKind::OperatorKey) => {
            let sentence = "a session is ended by DELETE at /auth/v1/sessions/current, an operator key is revoked by whoever made it";
            return Err(OAuthError::request("unsupported_token_type", sentence));
        }
        None => {
            let verified = match app.audiences.verify(token, ctx.now).await {
                Ok(verified) => verified,
                Err(error) if error.is_outage() => return Err(ApiError::Core(Error::Unavailable)),
                Err(VerifyError::Revoked) => {
                    app.core.wait_for_what_was_taken_back().await.map_err(ApiError::Core)?;
                    return Ok(StatusCode::OK.into_response());
                }
                // Not good for anything: nothing is to be done.
                Err(_refused) => return Ok(StatusCode::OK.into_response()),
            };
            if client.is_some_and(|client| client.key_id != verified.claims.key_id) {
                return Err(OAuthError::request("unauthorized_client", "this token was not made from that API Key; send the token alone, or with its own key"));
            }
            let held = held_token(&verified);
            ctx = Context { actor: Actor::Token(held.actor.clone()), ..ctx };
            Some(app.core.revoke_token(&ctx, &held).await?)
        }
    };
    let response = StatusCode::OK.into_response();
    Ok(match done {
        Some(committed) => with_revision(committed.position, response),
        None => response,
    })
}
