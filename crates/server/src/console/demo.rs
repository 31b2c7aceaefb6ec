//! What there is in the demo alone, for whoever stands at its machine: its people sign in by one click, its verifiers are stopped and
//! started.

use super::{
    form::{Form, Post},
    page::Desk,
    trouble::Trouble,
    visitor::Guest,
};
use crate::app::App;
use axum::{Router, response::Response, routing::post};
use http::{HeaderMap, header::HOST};
use keywright_core::{Context, Error, sessions::SignIn};
use std::{net::IpAddr, sync::Arc};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// What proxies add to a request; besides, whatever begins with `x-forwarded-`. One that adds nothing is not to be told from a browser here.
const PROXIES_SAY: [&str; 7] = ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "x-envoy-external-address"];

/// What the demo has.
pub struct Demo {
    /// Its people.
    pub people: Vec<DemoPerson>,
    /// Its verifiers.
    pub verifiers: Vec<DemoVerifier>,
}

/// Somebody of the sample data.
pub struct DemoPerson {
    /// What he is there, such as `owner`.
    pub part: String,
    /// His address.
    pub email: String,
    /// His password.
    pub password: Zeroizing<String>,
}

/// A verifier that runs beside the demo.
pub struct DemoVerifier {
    /// As receipts call it.
    pub name: String,
    /// Whether it is to run; whoever made it listens.
    pub runs: watch::Sender<bool>,
}

/// One of the demo's verifiers, as a page shows it.
pub(super) struct Switch {
    pub(super) name: String,
    pub(super) runs: bool,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/demo", post(sign_in)).route("/console/{organization}/demo-verifier", post(switch))
}

/// Whom the sign-in page offers.
pub(super) fn people<'g>(guest: &'g Guest, headers: &HeaderMap) -> &'g [DemoPerson] {
    here(&guest.app, &guest.ctx, headers).map(|demo| demo.people.as_slice()).unwrap_or_default()
}

/// The verifiers that a receipt's page can stop.
pub(super) fn switches(desk: &Desk, headers: &HeaderMap) -> Vec<Switch> {
    let demo = here(&desk.visitor.app, &desk.visitor.ctx, headers);
    let switch = |verifier: &DemoVerifier| Switch { name: verifier.name.clone(), runs: *verifier.runs.borrow() };
    demo.map(|demo| demo.verifiers.iter().map(switch).collect()).unwrap_or_default()
}

/// The demo, for its own machine at the address that it names itself: only who stands there has a loopback address, and a page elsewhere
/// whose name leads here has another host.
fn here<'a>(app: &'a App, ctx: &Context, headers: &HeaderMap) -> Option<&'a Demo> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own_host = app.core.issuer().split_once("://").is_some_and(|(_, own)| own == host);
    let is_loopback = ctx.client_ip.is_some_and(|ip| IpAddr::is_loopback(&ip.to_canonical()));
    // A proxy on this machine has that address too, whoever stands behind it.
    let is_direct = !headers.keys().any(|name| PROXIES_SAY.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-"));
    app.demo().filter(|_| is_own_host && is_loopback && is_direct)
}

async fn sign_in(headers: HeaderMap, Post { who: mut guest, form }: Post<Guest>) -> Result<Response, Trouble> {
    let attempt = here(&guest.app, &guest.ctx, &headers).and_then(|demo| attempt(demo, &form)).ok_or_else(Trouble::no_such_page)?;
    let core = Arc::clone(&guest.app.core);
    match core.sign_in(&guest.ctx, attempt).await {
        Ok(begun) => {
            guest.signed_in(&begun.value).await;
            Ok(guest.see("/console"))
        }
        // Whoever has set up a second factor here signs in with it, by the form.
        Err(Error::SecondFactorRequired) => Ok(guest.see("/console/sign-in?done=second-factor")),
        Err(error) => Err(error.into()),
    }
}

fn attempt(demo: &Demo, form: &Form) -> Option<SignIn> {
    let person = demo.people.iter().find(|person| person.part == form.get("part"))?;
    Some(SignIn { email: person.email.clone(), password: person.password.clone(), organization: None, new_password: None, code: None })
}

async fn switch(headers: HeaderMap, Post { who: desk, form }: Post<Desk>) -> Result<Response, Trouble> {
    let demo = here(&desk.visitor.app, &desk.visitor.ctx, &headers).ok_or_else(Trouble::no_such_page)?;
    let verifier = demo.verifiers.iter().find(|verifier| verifier.name == form.get("verifier")).ok_or_else(Trouble::no_such_page)?;
    verifier.runs.send_replace(form.get("runs") == "yes");
    let to = super::visitor::within_console(form.get("to"));
    Ok(desk.visitor.see(to))
}
