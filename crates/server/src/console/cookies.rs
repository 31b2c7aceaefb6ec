//! The console's cookies: the session, and before there is one, whom a form was shown to.

use http::{HeaderMap, HeaderValue, header::COOKIE};
use std::time::Duration;

/// What the cookies of this installation are called and how they are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookies {
    /// Over https: by prefix and marks a browser sends them to this host alone and never in clear (RFC 6265bis, section 4.1.3.2).
    Secure,
    /// Over plain http, which a server speaks on its own machine alone. Safari keeps no `Secure` cookie then.
    Plain,
}

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The session's secret.
    Session,
    /// Whoever has no session yet, for the forms that he is shown.
    Visitor,
}

impl Cookies {
    /// By the address that people use.
    pub(crate) fn of(issuer: &str) -> Self {
        if issuer.starts_with("https://") { Self::Secure } else { Self::Plain }
    }

    /// As it is called.
    pub(crate) const fn name(self, cookie: Cookie) -> &'static str {
        match (self, cookie) {
            (Self::Secure, Cookie::Session) => "__Host-kw_session",
            (Self::Plain, Cookie::Session) => "kw_session",
            (Self::Secure, Cookie::Visitor) => "__Host-kw_visitor",
            (Self::Plain, Cookie::Visitor) => "kw_visitor",
        }
    }

    /// What a request brings of it. One that stands there several times is none: somebody else has set one of them.
    pub(crate) fn read(self, headers: &HeaderMap, cookie: Cookie) -> Option<&str> {
        let name = self.name(cookie);
        let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(known, _)| *known == name).map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() { None } else { value }
    }

    /// The header that sets it. `value` is of characters that a cookie may have (RFC 6265, section 4.1.1).
    pub(crate) fn set(self, cookie: Cookie, value: &str, life: Duration) -> Option<HeaderValue> {
        let secure = match self {
            Self::Secure => "; Secure",
            Self::Plain => "",
        };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", self.name(cookie), life.as_secs());
        HeaderValue::from_str(&text).ok()
    }

    /// The header that removes it.
    pub(crate) fn remove(self, cookie: Cookie) -> Option<HeaderValue> {
        self.set(cookie, "", Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_counts_if_it_stands_there_once() {
        let read = |lines: &[&'static str]| Cookies::Plain.read(&headers(lines), Cookie::Session).map(str::to_owned);
        assert_eq!(read(&["a=b; kw_session=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(read(&["kw_session=x", "a=b"]).as_deref(), Some("x"));
        assert_eq!(read(&["kw_session=x; kw_session=y"]), None);
        assert_eq!(read(&["kw_session=x", "kw_session=x"]), None);
        assert_eq!(read(&["__Host-kw_session=x"]), None, "the other form's");
        assert_eq!(Cookies::Secure.read(&headers(&["kw_session=x"]), Cookie::Session), None, "nothing without the prefix");
    }

    #[test]
    fn both_forms_are_marked() {
        let plain = Cookies::of("http://127.0.0.1:8080").set(Cookie::Session, "x", Duration::from_secs(60)).unwrap();
        assert_eq!(plain, "kw_session=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        let secure = Cookies::of("https://auth.example.com").set(Cookie::Session, "x", Duration::from_secs(60)).unwrap();
        assert_eq!(secure, "__Host-kw_session=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
        assert_eq!(Cookies::Secure.remove(Cookie::Visitor).unwrap(), "__Host-kw_visitor=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure");
    }
}
