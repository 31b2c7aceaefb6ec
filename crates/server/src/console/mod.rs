//! The console: pages for people, on the same operations as the identity API. It can do nothing that the API cannot.
//!
//! Pages are made here and need no script. A form is taken from its own page alone ([`form`]), dangerous ones have a page of their own
//! that says what they break, and ask for the password unless it was given just now.

mod account;
mod activity;
mod api_keys;
mod assets;
mod cookies;
mod custom_roles;
mod dangers;
mod demo;
mod doors;
mod form;
mod installation;
mod invitation;
mod key_usage;
mod overview;
mod page;
mod path;
mod personal_keys;
mod places;
mod receipt;
mod roles;
mod second_factor;
mod sign_in;
mod team;
mod trouble;
mod view;
mod visitor;

pub use demo::{Demo, DemoPerson, DemoVerifier};

use crate::{app::App, error::ApiError};
use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::get,
};
use std::sync::Arc;
use trouble::Trouble;

/// All pages.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(async || axum::response::Redirect::to("/console")))
        .merge(assets::router())
        .merge(sign_in::router())
        .merge(doors::router())
        .merge(invitation::router())
        .merge(account::router())
        .merge(second_factor::router())
        .merge(overview::router())
        .merge(custom_roles::router())
        .merge(places::router())
        .merge(dangers::router())
        .merge(personal_keys::router())
        .merge(api_keys::router())
        .merge(key_usage::router())
        .merge(team::router())
        .merge(activity::router())
        .merge(installation::router())
        .merge(roles::router())
        .merge(receipt::router())
        .merge(demo::router())
        .method_not_allowed_fallback(async || Trouble::no_such_page().into_response())
}

/// What stands where no route is: under the console a page, elsewhere the error of the API.
pub(crate) async fn nothing(uri: http::Uri) -> Response {
    if uri.path().starts_with("/console") { Trouble::no_such_page().into_response() } else { ApiError::NoSuchPath.into_response() }
}
