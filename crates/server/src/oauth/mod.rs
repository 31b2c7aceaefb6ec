//! The OAuth 2.0 endpoints: the canonical way in for any client of these standards.

mod client;
mod docs;
mod error;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod revoke;
pub(crate) mod token;

pub(crate) use error::OAuthError;

use crate::app::App;
use axum::{
    Router,
    routing::{get, post},
};
use keywright_protocol::paths;
use std::sync::Arc;

/// All of them.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route(paths::OAUTH_TOKEN, post(token::token))
        .route(paths::OAUTH_INTROSPECT, post(introspect::introspect))
        .route(paths::OAUTH_REVOKE, post(revoke::revoke))
        .route(paths::OAUTH_METADATA, get(metadata::server))
        .route(paths::OPENID_CONFIGURATION, get(metadata::openid))
        .route(paths::RESOURCE_METADATA, get(metadata::resource))
}
