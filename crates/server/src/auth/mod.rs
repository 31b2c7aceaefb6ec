//! The auth API: exchange of keys, who holds a token, and sign-in of people.

mod docs;
mod form;
pub(crate) mod passwords;
pub(crate) mod sessions;
pub(crate) mod token;
pub(crate) mod userinfo;

use crate::app::App;
use axum::{
    Router,
    routing::{delete, get, post},
};
use std::sync::Arc;

/// The routes of people: sessions and passwords.
pub(crate) fn router() -> Router<Arc<App>> {
    let current = get(sessions::current).patch(sessions::switch).delete(sessions::sign_out);
    Router::new()
        .route("/auth/v1/sessions", post(sessions::sign_in).get(sessions::list).delete(sessions::end_others))
        .route("/auth/v1/sessions/current", current)
        .route("/auth/v1/sessions/current/confirm", post(sessions::confirm))
        .route("/auth/v1/sessions/current/token", post(sessions::token))
        .route("/auth/v1/sessions/{id}", delete(sessions::end))
        .route("/auth/v1/password", post(passwords::change))
        .route("/auth/v1/password-resets", post(passwords::request_reset))
        .route("/auth/v1/password-resets/confirm", post(passwords::reset))
}
