//! What all pages have: their frame, and the headers they are sent with.

use super::{
    trouble::Trouble,
    view::{self, Owners, PlaceTicks, TickGroup},
    visitor::Visitor,
};
use crate::{app::App, identity::call::Query};
use askama::Template;
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS},
    request::Parts,
};
use keywright_core::{Error, chance, explain::Me, organizations::Organization, pages::Surroundings};
use keywright_protocol::{OrganizationId, Position, admin::RolesIn, catalog::OWNER};
use std::{sync::Arc, time::Duration};

/// What a page may load and do: its own files and forms, nothing inline and nothing from elsewhere (Content Security Policy Level 3).
const POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A page as an answer.
pub(crate) fn html(status: StatusCode, template: &impl Template) -> Response {
    let text = match template.render() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// The frame of a page without an organization.
pub(crate) struct Plain {
    /// As it stands in the browser's title.
    pub(crate) title: &'static str,
}

impl Plain {
    /// With a title.
    pub(crate) const fn titled(title: &'static str) -> Self {
        Self { title }
    }
}

/// An organization as the switcher lists it.
pub(crate) struct Choice {
    pub(crate) id: OrganizationId,
    pub(crate) name: String,
    /// Whether it stands under the one before it that is not.
    pub(crate) is_sub: bool,
    pub(crate) is_current: bool,
    pub(crate) is_suspended: bool,
}

/// A person in one of his organizations.
pub(crate) struct Desk {
    /// Who.
    pub(crate) visitor: Visitor,
    /// Himself there.
    pub(crate) me: Me,
    choices: Vec<Organization>,
    is_operator: bool,
    /// Keys and names of the organization's own roles.
    custom: Vec<(String, String)>,
}

impl FromRequestParts<Arc<App>> for Desk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        let id = organization_of(parts.uri.path()).ok_or_else(|| Trouble::no_such_page().into_response())?;
        Self::at(visitor, id).await.map_err(|trouble| trouble.into_response())
    }
}

/// The organization that a page is about, by its path.
pub(crate) fn organization_of(path: &str) -> Option<OrganizationId> {
    path.split('/').nth(2).and_then(|text| text.parse().ok())
}

impl Desk {
    /// In an organization; one that is not his is no page.
    pub(crate) async fn at(visitor: Visitor, id: OrganizationId) -> Result<Self, Trouble> {
        let core = Arc::clone(&visitor.app.core);
        let Surroundings { me, organizations: choices, is_operator, custom_roles: custom } = core.surroundings(&visitor.ctx, id).await?;
        let me = me.map_err(|error| match choices.iter().find(|of| of.row.id == id && of.row.suspended_at.is_some()) {
            Some(suspended) if matches!(error, Error::NotFound(_)) => Trouble::suspended(suspended),
            _ => Trouble::of_named(error),
        })?;
        Ok(Self { visitor, me, choices, is_operator, custom })
    }

    /// Lets him on who may do what the page is for. The operation asks again; this spares him a form that would be refused.
    pub(crate) fn must(&self, permission: &str) -> Result<(), Trouble> {
        if self.may(permission) { Ok(()) } else { Err(Trouble::lacking(permission)) }
    }

    /// Whether he may do something here.
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.me.permissions.iter().any(|known| known == permission)
    }

    /// The same for what an Owner alone does.
    pub(crate) fn must_own(&self) -> Result<(), Trouble> {
        if self.is_owner() { Ok(()) } else { Err(Trouble::forbidden("This page is for Owners of the organization.".to_owned())) }
    }

    /// The days a new key may have as its last: the one that is proposed, and the latest one.
    pub(crate) async fn last_days(&self, usual: Duration) -> Result<(String, String), Trouble> {
        let longest = self.visitor.app.core.get_policy(&self.visitor.ctx, self.id()).await?.longest_key_life;
        let latest = self.visitor.ctx.now.plus(longest).minus(DAY);
        Ok((view::day(self.visitor.ctx.now.plus(usual).min(latest)), view::day(latest)))
    }

    /// To the receipt of a change; to another of its pages if there is none, as of what touched no token.
    pub(crate) async fn see_receipt(&self, position: Position, otherwise: &str) -> Response {
        let there = if self.has_receipt(position).await { format!("receipts/{position}") } else { otherwise.to_owned() };
        self.visitor.see(&format!("{}/{there}", self.base()))
    }

    /// To a page that says what was done (`page?done=...`), and leads to the receipt if there is one.
    pub(crate) async fn see_done(&self, page: &str, position: Position) -> Response {
        let receipt = if self.has_receipt(position).await { format!("&receipt={position}") } else { String::new() };
        self.visitor.see(&format!("{}/{page}{receipt}", self.base()))
    }

    /// The change is made whatever comes of this: without an answer nobody is led there.
    async fn has_receipt(&self, position: Position) -> bool {
        self.visitor.app.core.has_receipt(&self.visitor.ctx, position).await.unwrap_or(false)
    }

    /// The organization's id.
    pub(crate) fn id(&self) -> OrganizationId {
        self.me.organization.row.id
    }

    /// Whether he is an Owner here.
    pub(crate) fn is_owner(&self) -> bool {
        self.me.roles.iter().any(|role| role == OWNER)
    }

    /// Whether the installation's pages are his.
    pub(crate) fn is_operator(&self) -> bool {
        self.is_operator && self.is_owner()
    }

    /// Whether another organization is his too.
    pub(crate) fn is_in(&self, id: OrganizationId) -> bool {
        self.choices.iter().any(|of| of.row.id == id)
    }

    /// His organizations that stand under this one.
    pub(crate) fn subs(&self) -> impl Iterator<Item = &Organization> {
        let own = &self.me.organization.row;
        self.choices.iter().filter(move |of| own.is_root() && of.row.root_id == own.id && of.row.id != own.id)
    }

    /// Roles as people read them.
    pub(crate) fn role_names(&self, roles: &[String]) -> Vec<String> {
        view::role_names(self.visitor.app.core.catalog().catalog.document(), &self.custom, roles)
    }

    /// All roles to choose from, with those ticked that are held.
    pub(crate) fn ticks(&self, held: &[String], owners: Owners) -> Vec<TickGroup> {
        view::ticks(self.visitor.app.core.catalog().catalog.document(), &self.custom, held, owners)
    }

    /// This organization and those below, with the roles to tick in each.
    pub(crate) fn places(&self, held: &[RolesIn], owners: Owners) -> Vec<PlaceTicks> {
        let place = |of: &Organization| {
            let roles = held.iter().find(|grant| grant.organization_id == of.row.id).map(|grant| grant.roles.as_slice()).unwrap_or_default();
            PlaceTicks { id: of.row.id, name: of.row.name.clone(), any: !roles.is_empty(), groups: self.ticks(roles, owners) }
        };
        [&self.me.organization].into_iter().chain(self.subs()).map(place).collect()
    }

    /// Keys and names of all roles but Owner.
    pub(crate) fn all_roles(&self) -> Vec<(String, String)> {
        let groups = self.ticks(&[], Owners::Without).into_iter();
        groups.flat_map(|group| group.ticks.into_iter().map(move |tick| (tick.key, format!("{}: {}", group.title, tick.name)))).collect()
    }

    /// The name of one of his organizations.
    pub(crate) fn name_of(&self, id: OrganizationId) -> String {
        let own = &self.me.organization.row;
        let found = self.choices.iter().map(|of| &of.row).chain([own]).find(|row| row.id == id);
        found.map_or_else(|| id.to_string(), |row| row.name.clone())
    }

    /// Its other pages' addresses begin so.
    pub(crate) fn base(&self) -> String {
        format!("/console/{}", self.id())
    }

    /// The frame of a page here. `here` is the page's place in the navigation.
    pub(crate) fn frame(&self, title: &str, here: &'static str) -> Frame {
        let own = &self.me.organization;
        let choice = |of: &Organization| Choice {
            id: of.row.id,
            name: of.row.name.clone(),
            is_sub: of.root_name.is_some(),
            is_current: of.row.id == own.row.id,
            is_suspended: of.row.suspended_at.is_some(),
        };
        let mut sorted: Vec<&Organization> = self.choices.iter().collect();
        let root_of = |of: &Organization| of.root_name.clone().unwrap_or_else(|| of.row.name.clone());
        sorted.sort_by_cached_key(|of| (root_of(of).to_lowercase(), of.row.root_id, of.root_name.is_some(), of.row.name.to_lowercase()));
        Frame {
            title: title.to_owned(),
            here,
            base: format!("/console/{}", own.row.id),
            issuer: self.visitor.app.core.issuer().to_owned(),
            organization: own.row.name.clone(),
            root: own.root_name.clone(),
            choices: sorted.into_iter().map(choice).collect(),
            email: self.visitor.session.email.clone(),
            form_token: self.visitor.form_token(),
            once: once(),
            asks_password: !self.visitor.is_fresh(),
            is_owner: self.is_owner(),
            is_operator: self.is_operator(),
            permissions: self.me.permissions.clone(),
            is_demo: self.visitor.app.demo().is_some(),
            problem: None,
            done: None,
            receipt: None,
        }
    }
}

/// What stands around every page of an organization.
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) here: &'static str,
    /// The beginning of the organization's addresses.
    pub(crate) base: String,
    pub(crate) issuer: String,
    pub(crate) organization: String,
    pub(crate) root: Option<String>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) email: String,
    pub(crate) form_token: String,
    /// Names what a form does, so that it is done once.
    pub(crate) once: String,
    /// Whether a dangerous form has to ask for the password.
    pub(crate) asks_password: bool,
    pub(crate) is_owner: bool,
    /// Whether the installation's pages are for him.
    pub(crate) is_operator: bool,
    /// Whether the server is the demonstration, whose passwords nobody has by heart.
    pub(crate) is_demo: bool,
    permissions: Vec<String>,
    /// Why a form was not taken.
    pub(crate) problem: Option<String>,
    /// What was just done.
    pub(crate) done: Option<&'static str>,
    /// Where the receipt of that is.
    pub(crate) receipt: Option<String>,
}

impl Frame {
    /// Whether he may do something here.
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|known| known == permission)
    }

    /// With why a form was not taken.
    pub(crate) fn with_problem(mut self, problem: Option<&str>) -> Self {
        self.problem = problem.map(str::to_owned);
        self
    }

    /// With what the page before this one did.
    pub(crate) fn with_done(mut self, done: Option<&'static str>) -> Self {
        self.done = done;
        self
    }

    /// With the way to the receipt of that, if the address names one.
    pub(crate) fn with_receipt(mut self, query: &Query) -> Self {
        let position: Option<Position> = query.get("receipt").and_then(|text| text.parse().ok());
        self.receipt = position.map(|position| format!("{}/receipts/{position}", self.base));
        self
    }
}

/// Names one form; where there is no randomness it is sent without.
pub(crate) fn once() -> String {
    chance::text().unwrap_or_default()
}
