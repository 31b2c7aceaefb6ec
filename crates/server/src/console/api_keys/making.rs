//! A new API Key, in steps: what it is, what it may do, and its secret once.

use super::MANAGE;
use crate::{
    app::App,
    console::{
        form::{Form, Post},
        page::{Desk, Frame, html},
        trouble::{Problem, Trouble},
        view::{Owners, PlaceTicks},
    },
    identity::call::Query,
};
use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use keywright_core::{Error, keys::api::NewApiKey};
use std::{sync::Arc, time::Duration};

/// What the form proposes.
const USUAL_LIFE: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// What the first step asks for; the second one carries it along.
struct Basics {
    name: String,
    description: String,
    expires: String,
    not_before: String,
    addresses: String,
}

impl Basics {
    /// Leads back to the first step, as it was filled in.
    fn query(&self) -> String {
        let fields = [
            ("name", &self.name),
            ("description", &self.description),
            ("expires", &self.expires),
            ("not_before", &self.not_before),
            ("addresses", &self.addresses),
        ];
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }
}

#[derive(Template)]
#[template(path = "console/api-key-new.html")]
struct FirstPage {
    frame: Frame,
    basics: Basics,
    /// The last day that there is.
    latest: String,
}

#[derive(Template)]
#[template(path = "console/api-key-new-roles.html")]
struct SecondPage {
    frame: Frame,
    basics: Basics,
    /// Whether what the first step asked for is to be mended.
    mends: bool,
    /// The last day that there is.
    latest: String,
    places: Vec<PlaceTicks>,
}

/// A key's secret, the one time that it is shown.
#[derive(Template)]
#[template(path = "console/api-key-secret.html")]
pub(super) struct SecretPage {
    pub(super) frame: Frame,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) secret: String,
    pub(super) old_ends: Option<crate::console::view::When>,
    pub(super) rotated: bool,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{organization}/api-keys/new", get(first))
        .route("/console/{organization}/api-keys/new/roles", get(second))
        .route("/console/{organization}/api-keys", post(create))
}

fn basics(of: impl Fn(&str) -> String) -> Basics {
    Basics { name: of("name"), description: of("description"), expires: of("expires"), not_before: of("not_before"), addresses: of("addresses") }
}

async fn first(desk: Desk, query: Query) -> Result<Response, Trouble> {
    desk.must(MANAGE)?;
    let (usual, latest) = desk.last_days(USUAL_LIFE).await?;
    let mut basics = basics(|name| query.get(name).unwrap_or_default().to_owned());
    if basics.expires.is_empty() {
        basics.expires = usual;
    }
    Ok(desk.visitor.answer(html(StatusCode::OK, &FirstPage { frame: desk.frame("New API Key", "api-keys"), basics, latest })))
}

async fn second(desk: Desk, query: Query) -> Result<Response, Trouble> {
    desk.must(MANAGE)?;
    let basics = basics(|name| query.get(name).unwrap_or_default().to_owned());
    let page =
        SecondPage { frame: desk.frame("New API Key", "api-keys"), basics, mends: false, latest: String::new(), places: desk.places(&[], Owners::Without) };
    Ok(desk.visitor.answer(html(StatusCode::OK, &page)))
}

fn wanted(form: &Form) -> Result<NewApiKey, String> {
    Ok(NewApiKey {
        name: form.get("name").to_owned(),
        grants: form.grants(),
        expires_at: form.end_of_day("expires")?,
        not_before: form.begin_of_day("not_before")?,
        allowed_addresses: form.lines("addresses"),
        description: form.get("description").to_owned(),
        ..NewApiKey::default()
    })
}

async fn create(Post { who: mut desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let mut mends = false;
    let problem = match (desk.visitor.confirm(&form).await?, wanted(&form)) {
        (Err(problem), _) => problem,
        (Ok(()), Err(sentence)) => {
            mends = true;
            Problem::of(sentence)
        }
        (Ok(()), Ok(new)) if new.grants.is_empty() => Problem::of("Tick at least one role: a key without one opens nothing."),
        (Ok(()), Ok(new)) => match desk.visitor.app.core.make_api_key(&desk.visitor.ctx, desk.id(), new).await {
            Ok(made) => {
                let page = SecretPage {
                    frame: desk.frame("The secret of your new key", "api-keys"),
                    id: made.record.id.to_string(),
                    name: made.record.name,
                    secret: made.secret.reveal().to_owned(),
                    old_ends: None,
                    rotated: false,
                };
                return Ok(desk.visitor.answer(html(StatusCode::OK, &page)));
            }
            Err(error) => {
                mends = matches!(&error, Error::Invalid { field, .. } if *field != "grants") || matches!(error, Error::Conflict(_));
                Problem::about_form(error)?
            }
        },
    };
    let frame = desk.frame("New API Key", "api-keys").with_problem(Some(&problem.sentence));
    let (_, latest) = desk.last_days(USUAL_LIFE).await?;
    let page = SecondPage { frame, basics: basics(|name| form.exact(name).to_owned()), mends, latest, places: desk.places(&form.grants(), Owners::Without) };
    Ok(desk.visitor.answer(html(problem.status, &page)))
}
