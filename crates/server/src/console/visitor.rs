//! Who looks at the console: a person by the session in his cookie, or somebody who has none yet.

use super::{
    cookies::{Cookie, Cookies},
    form::Form,
    trouble::{Problem, Trouble},
};
use crate::{app::App, caller::anonymous, error::ApiError};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderValue, Method,
    header::{SET_COOKIE, STRICT_TRANSPORT_SECURITY},
    request::Parts,
};
use keywright_core::{
    Actor, Context, Error, PersonActor,
    authorize::FRESH,
    chance,
    idempotency::Asked,
    sessions::{LIFE, SessionRow, SessionSecret},
};
use keywright_protocol::SessionId;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where people sign in.
pub(crate) const SIGN_IN: &str = "/console/sign-in";
/// How long somebody without a session may leave a form open.
const VISIT: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// A person with a session that lives.
pub(crate) struct Visitor {
    /// For handlers.
    pub(crate) app: Arc<App>,
    /// For operations.
    pub(crate) ctx: Context,
    /// The session.
    pub(crate) session: SessionRow,
    cookies: Cookies,
    /// To be set with whatever is answered.
    set: Vec<HeaderValue>,
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let mut ctx = anonymous(parts, app).map_err(|error| Trouble::from(error).into_response())?;
        let cookies = Cookies::of(app.core.issuer());
        let Some(secret) = cookies.read(&parts.headers, Cookie::Session) else { return Err(sign_in_first(parts)) };
        let session = match app.core.find_session(ctx.now, secret).await {
            Ok(session) => session,
            Err(Error::Refused(_)) => return Err(sign_in_first(parts)),
            Err(error) => return Err(Trouble::from(error).into_response()),
        };
        ctx.actor = Actor::Person(PersonActor { user_id: session.user_id, session_id: session.id, confirmed_at: session.confirmed_at });
        Ok(Self { app: Arc::clone(app), ctx, session, cookies, set: Vec::new() })
    }
}

/// To the sign-in page, and back to where he wanted to go; what a form would have done is not done.
fn sign_in_first(parts: &Parts) -> Response {
    let wanted = parts.uri.path_and_query().map_or("/console", http::uri::PathAndQuery::as_str);
    let to = if parts.method == Method::GET { wanted } else { "/console" };
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
    Redirect::to(&format!("{SIGN_IN}?{query}")).into_response()
}

impl Visitor {
    /// What his forms are bound to.
    pub(crate) fn form_holder(&self) -> Vec<u8> {
        holder_of(self.session.id)
    }

    /// The token for his forms.
    pub(crate) fn form_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.app.core.form_token(&self.form_holder()))
    }

    /// Whether he gave his password just now.
    pub(crate) fn is_fresh(&self) -> bool {
        // A form that is shown now is sent a little later.
        const MARGIN: std::time::Duration = std::time::Duration::from_secs(60);
        self.ctx.now < self.session.confirmed_at.plus(FRESH - MARGIN)
    }

    /// A form is carried out once, however often it is sent; another one of the same page is another one.
    pub(crate) fn sent_once(&mut self, form: &Form, path: &str) {
        let shown = form.get("once");
        if shown.is_empty() {
            return;
        }
        let parts: Vec<&[u8]> = std::iter::once(path.as_bytes()).chain(form.parts()).collect();
        let asked = Asked::new(shown, &parts).map(|asked| Asked { key: format!("{shown}.{}", URL_SAFE_NO_PAD.encode(asked.fingerprint)), ..asked });
        self.ctx.once = asked.ok().and_then(|asked| self.ctx.by_once(asked));
    }

    /// Makes the session fresh if the form brings the password.
    pub(crate) async fn confirm(&mut self, form: &Form) -> Result<Result<(), Problem>, Trouble> {
        let password = form.exact("password");
        if password.is_empty() {
            return Ok(Ok(()));
        }
        match self.app.core.confirm(&self.ctx, Zeroizing::new(password.to_owned())).await {
            Ok(renewed) => {
                self.renewed(&renewed.value);
                Ok(Ok(()))
            }
            Err(Error::Invalid { .. }) => Ok(Err(Problem::of("That is not your password. If you have forgotten it, sign out and choose a new one by a mail."))),
            Err(error) => Ok(Err(Problem::about_form(error)?)),
        }
    }

    /// Goes on with another secret of the same session.
    pub(crate) fn renewed(&mut self, renewed: &SessionSecret) {
        self.session.confirmed_at = self.ctx.now;
        if let Actor::Person(person) = &mut self.ctx.actor {
            person.confirmed_at = self.ctx.now;
        }
        self.set.extend(self.cookies.set(Cookie::Session, renewed.secret.reveal(), LIFE));
    }

    /// Signs out here: the browser forgets the session.
    pub(crate) fn forget(&mut self) {
        self.set.extend(self.cookies.remove(Cookie::Session));
    }

    /// An answer, with the cookies that go along.
    pub(crate) fn answer(&self, answer: impl IntoResponse) -> Response {
        dressed(answer.into_response(), self.cookies, &self.set)
    }

    /// To another page of the console.
    pub(crate) fn see(&self, path: &str) -> Response {
        self.answer(Redirect::to(path))
    }
}

fn holder_of(session: SessionId) -> Vec<u8> {
    [b"session ".as_slice(), session.as_uuid().as_bytes()].concat()
}

/// Somebody before he signs in.
pub(crate) struct Guest {
    /// For handlers.
    pub(crate) app: Arc<App>,
    /// For operations.
    pub(crate) ctx: Context,
    /// The session that his browser has all the same.
    pub(crate) session: Option<SessionRow>,
    cookies: Cookies,
    id: String,
    set: Vec<HeaderValue>,
}

impl FromRequestParts<Arc<App>> for Guest {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let broken = |error: ApiError| Trouble::from(error).into_response();
        let ctx = anonymous(parts, app).map_err(broken)?;
        let cookies = Cookies::of(app.core.issuer());
        let mut set = Vec::new();
        let id = match cookies.read(&parts.headers, Cookie::Visitor).filter(|id| id.len() == 43) {
            Some(id) => id.to_owned(),
            None => {
                let id = URL_SAFE_NO_PAD.encode(chance::bytes::<32>().map_err(|error| broken(error.into()))?);
                set.extend(cookies.set(Cookie::Visitor, &id, VISIT));
                id
            }
        };
        let session = match cookies.read(&parts.headers, Cookie::Session) {
            Some(secret) => app.core.find_session(ctx.now, secret).await.ok(),
            None => None,
        };
        Ok(Self { app: Arc::clone(app), ctx, session, cookies, id, set })
    }
}

impl Guest {
    /// What his forms are bound to.
    pub(crate) fn form_holder(&self) -> &[u8] {
        self.id.as_bytes()
    }

    /// The token for his forms.
    pub(crate) fn form_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.app.core.form_token(self.form_holder()))
    }

    /// Has a session from now on; the one that his browser had ends.
    pub(crate) async fn signed_in(&mut self, session: &SessionSecret) {
        if let Some(old) = self.session.take() {
            let mut ctx = self.ctx.clone();
            ctx.actor = Actor::Person(PersonActor { user_id: old.user_id, session_id: old.id, confirmed_at: old.confirmed_at });
            // One that ended meanwhile is what was wanted.
            if let Err(error) = self.app.core.end_session(&ctx, old.id).await {
                tracing::debug!(code = error.code(), "the session before this one could not be ended");
            }
        }
        self.set.clear();
        self.set.extend(self.cookies.set(Cookie::Session, session.secret.reveal(), LIFE));
        self.set.extend(self.cookies.remove(Cookie::Visitor));
    }

    /// An answer, with the cookies that go along.
    pub(crate) fn answer(&self, answer: impl IntoResponse) -> Response {
        dressed(answer.into_response(), self.cookies, &self.set)
    }

    /// To a page of the console.
    pub(crate) fn see(&self, path: &str) -> Response {
        self.answer(Redirect::to(path))
    }
}

/// With the cookies that are set. Where people come by https they are to come by nothing else for a year (RFC 6797).
fn dressed(mut response: Response, cookies: Cookies, set: &[HeaderValue]) -> Response {
    if cookies == Cookies::Secure {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    for cookie in set {
        response.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    response
}

/// A place within the console that somebody is sent on to; anything else is its first page.
pub(crate) fn within_console(to: &str) -> &str {
    let rest = to.strip_prefix("/console");
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && !text.contains("//");
    if rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with(['/', '?']) && plain(rest))) { to } else { "/console" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for fine in ["/console", "/console/account", "/console?x=y", "/console/a/b?c=d%20e"] {
            assert_eq!(within_console(fine), fine);
        }
        for elsewhere in [
            "",
            "/",
            "//evil.example",
            "https://evil.example",
            "/consoles",
            "/console.evil.example",
            "/console@evil.example",
            "/console//evil.example",
            "/console/\\evil",
            "/console/a b",
            "/console/\r\nx",
            "javascript:x",
            "/console\u{e9}",
        ] {
            assert_eq!(within_console(elsewhere), "/console", "{elsewhere}");
        }
    }
}
