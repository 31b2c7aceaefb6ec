//! What a form of the console sends, and that it was ours.

use super::{
    page::{Desk, organization_of},
    trouble::Trouble,
    visitor::{Guest, Visitor},
};
use crate::{app::App, auth::form::read_body};
use axum::{
    extract::{FromRequest, FromRequestParts as _, Request},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header::ORIGIN};
use keywright_protocol::{OrganizationId, Time, admin::RolesIn};
use std::{sync::Arc, time::Duration};
use url::Url;

/// The field that a form's token stands in.
pub(crate) const TOKEN: &str = "form_token";
/// Longest body, in bytes: a form with the roles of many organizations.
const MAX_BODY: usize = 64 * 1024;
const MAX_FIELDS: usize = 2_000;
/// Begins the name of a box that gives a role in an organization: `role:<organization>`, with the role as its value.
const ROLE: &str = "role:";

/// The fields of a form, in their order.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// What tells a form that is sent again from another one of the same page: everything in it but the password.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(|(name, _)| name != "password").flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
    }

    /// A field without spaces around; empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.exact(name).trim()
    }

    /// A field as it was typed, for passwords.
    pub(crate) fn exact(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A field that is not empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// Whether a box was ticked.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// All values of a name, as of several boxes.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Fields whose names begin so, each with the rest of its name.
    pub(crate) fn prefixed<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// The lines of a field that has several, without empty ones.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.exact(name).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// A day, as a browser's date field sends it: its end in UTC, so that the named day is the last one.
    pub(crate) fn end_of_day(&self, name: &str) -> Result<Option<Time>, String> {
        day(self.get(name), "T23:59:59Z")
    }

    /// The same: its beginning.
    pub(crate) fn begin_of_day(&self, name: &str) -> Result<Option<Time>, String> {
        day(self.get(name), "T00:00:00Z")
    }

    /// The roles that were ticked, by organization, in the order of the form.
    pub(crate) fn grants(&self) -> Vec<RolesIn> {
        let mut grants: Vec<RolesIn> = Vec::new();
        for (name, role) in &self.0 {
            let Some(organization_id) = name.strip_prefix(ROLE).and_then(|id| id.parse::<OrganizationId>().ok()) else { continue };
            match grants.iter_mut().find(|grant| grant.organization_id == organization_id) {
                Some(grant) => grant.roles.push(role.clone()),
                None => grants.push(RolesIn { organization_id, roles: vec![role.clone()] }),
            }
        }
        grants
    }

    /// How long an old secret goes on, in hours.
    pub(crate) fn overlap(&self) -> Result<Duration, String> {
        self.duration("overlap_hours", HOUR).ok_or_else(|| "Say how long the old secret is to go on.".to_owned())
    }

    /// A whole number of units, as seconds.
    pub(crate) fn duration(&self, name: &str, unit: Duration) -> Option<Duration> {
        self.get(name).parse::<u32>().ok().map(|count| unit.saturating_mul(count))
    }
}

/// An hour.
const HOUR: Duration = Duration::from_secs(60 * 60);

fn day(text: &str, rest: &str) -> Result<Option<Time>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    format!("{text}{rest}").parse().map(Some).map_err(|_| "Give the day as year-month-day, such as 2027-05-31.".to_owned())
}

/// A form that came from a page of ours, with whoever sent it.
pub(crate) struct Post<W = Visitor> {
    /// Who.
    pub(crate) who: W,
    /// What.
    pub(crate) form: Form,
}

impl FromRequest<Arc<App>> for Post<Visitor> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        require_own_origin(&parts.headers, app.core.issuer()).map_err(Trouble::into_response)?;
        let mut who = Visitor::from_request_parts(&mut parts, app).await?;
        let form = read(body, &parts.headers).await.map_err(Trouble::into_response)?;
        require_token(app, &who.form_holder(), &form).map_err(Trouble::into_response)?;
        who.sent_once(&form, parts.uri.path());
        Ok(Self { who, form })
    }
}

impl FromRequest<Arc<App>> for Post<Desk> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let id = organization_of(request.uri().path()).ok_or_else(|| Trouble::no_such_page().into_response())?;
        let Post { who, form } = Post::<Visitor>::from_request(request, app).await?;
        let who = Desk::at(who, id).await.map_err(Trouble::into_response)?;
        Ok(Self { who, form })
    }
}

impl FromRequest<Arc<App>> for Post<Guest> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        require_own_origin(&parts.headers, app.core.issuer()).map_err(Trouble::into_response)?;
        let who = Guest::from_request_parts(&mut parts, app).await?;
        let form = read(body, &parts.headers).await.map_err(Trouble::into_response)?;
        require_token(app, who.form_holder(), &form).map_err(Trouble::into_response)?;
        Ok(Self { who, form })
    }
}

async fn read(body: axum::body::Body, headers: &HeaderMap) -> Result<Form, Trouble> {
    let bytes = read_body(headers, body, "name=value", MAX_BODY).await?;
    let fields: Vec<(String, String)> =
        form_urlencoded::parse(&bytes).take(MAX_FIELDS + 1).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    if fields.len() > MAX_FIELDS {
        return Err(Trouble::bad_request(format!("The form has more than {MAX_FIELDS} fields, which is the limit.")));
    }
    Ok(Form(fields))
}

/// Forms come from our own pages alone. A browser says with each where it comes from (RFC 6454, section 7).
fn require_own_origin(headers: &HeaderMap, issuer: &str) -> Result<(), Trouble> {
    let own = Url::parse(issuer).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin.as_bytes() == own.as_bytes() => Ok(()),
        _ => Err(Trouble::forbidden(format!("This form did not come from a page of this console. Open {issuer}/console and send it from there."))),
    }
}

fn require_token(app: &App, holder: &[u8], form: &Form) -> Result<(), Trouble> {
    use base64::Engine as _;
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(form.get(TOKEN)).unwrap_or_default();
    if app.core.is_form_token(holder, &token) {
        Ok(())
    } else {
        let sentence =
            "This page was open for longer than your session, or for somebody else. Nothing was changed. Go back, load the page anew, and send the form again.";
        Err(Trouble::forbidden(sentence.to_owned()))
    }
}
