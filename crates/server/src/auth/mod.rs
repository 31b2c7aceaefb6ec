//! The auth API: exchange of keys, who holds a token, and sign-in of people.

mod docs;
pub(crate) mod form;
pub(crate) mod passwords;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod token;
pub(crate) mod userinfo;

use crate::{app::App, limits::tell_people};
use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{delete, get, post},
};
use std::sync::Arc;

/// The routes of people: sessions, passwords and second factors.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let limited = || from_fn_with_state(Arc::clone(app), tell_people);
    let current = get(sessions::current).patch(sessions::switch).delete(sessions::sign_out);
    Router::new()
        .route("/auth/v1/sessions", post(sessions::sign_in).layer(limited()).get(sessions::list).delete(sessions::end_others))
        .route("/auth/v1/sessions/current", current)
        .route("/auth/v1/sessions/current/confirm", post(sessions::confirm).layer(limited()))
        .route("/auth/v1/sessions/current/token", post(sessions::token))
        .route("/auth/v1/sessions/{id}", delete(sessions::end))
        .route("/auth/v1/password", post(passwords::change).layer(limited()))
        .route("/auth/v1/password-resets", post(passwords::request_reset).layer(limited()))
        .route("/auth/v1/password-resets/confirm", post(passwords::reset).layer(limited()))
        .route("/auth/v1/second-factor", get(second_factor::get).post(second_factor::begin))
        .route("/auth/v1/second-factor/confirm", post(second_factor::confirm).layer(limited()))
        .route("/auth/v1/second-factor/remove", post(second_factor::remove).layer(limited()))
        .route("/auth/v1/second-factor/recovery-codes", post(second_factor::renew_recovery_codes).layer(limited()))
}
