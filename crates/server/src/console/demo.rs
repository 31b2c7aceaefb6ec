//! The demo's people sign in by one click: on the machine itself alone.

use super::{form::Post, trouble::Trouble, visitor::Guest};
use crate::{app::App, outer::RequestInfo};
use axum::{Extension, Router, response::Response, routing::post};
use http::{HeaderMap, header::HOST};
use keywright_core::sessions::SignIn;
use std::{net::IpAddr, sync::Arc};
use zeroize::Zeroizing;

/// Somebody of the sample data.
pub struct DemoPerson {
    /// What he is there, such as `owner`.
    pub part: String,
    /// His address.
    pub email: String,
    /// His password.
    pub password: Zeroizing<String>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/demo", post(sign_in))
}

/// Whom the sign-in page offers: nobody, but for the demo's own machine at the address that the demo itself names.
pub(super) fn offered<'g>(guest: &'g Guest, headers: &HeaderMap) -> &'g [DemoPerson] {
    if is_here(guest, headers) { guest.app.demo_people() } else { &[] }
}

/// Only who stands at this machine has its loopback address; a page elsewhere whose name leads here has another host.
fn is_here(guest: &Guest, headers: &HeaderMap) -> bool {
    let issuer = guest.app.core.issuer();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own_host = issuer.split_once("://").is_some_and(|(_, own)| own == host);
    is_own_host && guest.ctx.client_ip.is_some_and(|ip| IpAddr::is_loopback(&ip.to_canonical()))
}

async fn sign_in(headers: HeaderMap, Extension(_info): Extension<RequestInfo>, Post { who: mut guest, form }: Post<Guest>) -> Result<Response, Trouble> {
    let here = is_here(&guest, &headers);
    let person = guest.app.demo_people().iter().find(|person| here && person.part == form.get("part"));
    let person = person.ok_or_else(Trouble::no_such_page)?;
    let attempt = SignIn { email: person.email.clone(), password: person.password.clone(), organization: None, new_password: None };
    let core = Arc::clone(&guest.app.core);
    let begun = core.sign_in(&guest.ctx, attempt).await?;
    guest.signed_in(&begun.value).await;
    Ok(guest.see("/console"))
}
