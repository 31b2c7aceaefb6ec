//! What a gateway says about the request that it asks about, and which headers make it one that is not decided about.

use super::{
    answer::Refused,
    path::{self, Ambiguity},
    table::Table,
};
use axum::http::request::Parts;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, HOST},
};
use keywright_protocol::paths::GATEWAY_CHECK;
use keywright_verify::{Malformation, VerifyError, bearer_token};
use std::{borrow::Cow, net::IpAddr};

const METHOD: &str = "x-forwarded-method";
const FORWARDED_HOST: &str = "x-forwarded-host";
const URI: &str = "x-forwarded-uri";
/// What begins like this is read here, or handed to what stands behind the gateway.
const OURS: [&str; 5] = ["x-forwarded-", "x-identity-", "x-keywright-", "x-original-", "x-rewrite-"];
/// Headers by which frameworks serve another path, or another method, than the request's own.
const OVERRIDES: [&str; 5] = ["x-http-method", "x-http-method-override", "x-method-override", "x-original-", "x-rewrite-"];
const MANY_CREDENTIALS: &str = "there is more than one credential; send one, in one header";

/// Whether a header, in small letters, is one that clients must not choose.
pub(crate) fn is_ours(name: &str) -> bool {
    name == "forwarded" || OURS.iter().chain(&OVERRIDES).any(|prefix| name.starts_with(prefix))
}

/// The request that is asked about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked<'r> {
    pub(crate) method: Method,
    /// Without a port.
    pub(crate) host: String,
    pub(crate) segments: Vec<Cow<'r, str>>,
}

/// Reads it: at the bare path from the headers that the gateway sets, below it from this very request. Only gateways are told anything; `peer`
/// is who is connected, absent on a socket of this machine.
pub(crate) fn asked<'r>(parts: &'r Parts, peer: Option<IpAddr>, table: &Table) -> Result<Asked<'r>, Refused> {
    if peer.is_some_and(|peer| !table.is_peer(peer)) {
        return Err(Refused::forbidden("unknown_peer", "only gateways may ask, and this address is none of theirs; name its network in gateway.peers"));
    }
    check_names(&parts.headers, table)?;
    let rest = parts.uri.path().strip_prefix(GATEWAY_CHECK).unwrap_or_default();
    let (method, host, target) = if rest.is_empty() {
        let method = once(&parts.headers, METHOD)?.parse().map_err(|_| Refused::forbidden("ambiguous_method", "X-Forwarded-Method is no method"))?;
        (method, once(&parts.headers, FORWARDED_HOST)?, once(&parts.headers, URI)?)
    } else {
        (parts.method.clone(), own_host(parts)?, rest)
    };
    let ambiguous = |what: Ambiguity| Refused::forbidden("ambiguous_path", what.to_string());
    Ok(Asked { method, host: bare_host(host)?, segments: path::segments(target).map_err(ambiguous)? })
}

/// Refuses what some take for another header than it is, and what would have another request served than is decided about.
fn check_names(headers: &HeaderMap, table: &Table) -> Result<(), Refused> {
    for name in headers.keys().map(http::HeaderName::as_str) {
        if OVERRIDES.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(Refused::forbidden(
                "ambiguous_header",
                "a header asks for another path or method than the request's own; leave X-Original-.., X-Rewrite-.. and X-HTTP-Method-Override out",
            ));
        }
        // As CGI and what follows it read names: all but letters and digits alike.
        let plain: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
        let is_read = || plain == AUTHORIZATION.as_str() || plain == HOST.as_str() || table.key_header().is_some_and(|header| plain == header.as_str());
        if plain != name && (is_ours(&plain) || is_read()) {
            return Err(Refused::forbidden("ambiguous_header", "a header's name would pass for another one's where `_` and `-` are the same; leave it out"));
        }
    }
    Ok(())
}

/// The value of a header that must be there exactly once.
fn once<'r>(headers: &'r HeaderMap, name: &'static str) -> Result<&'r str, Refused> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| {
        Refused::forbidden("forwarded_headers", "the gateway must set X-Forwarded-Method, X-Forwarded-Host and X-Forwarded-Uri, each exactly once")
    })
}

/// `Host`, and `:authority` where there is one: if there are both, they must be the same.
fn own_host(parts: &Parts) -> Result<&str, Refused> {
    let ambiguous = || Refused::forbidden("ambiguous_host", "the request must name one host");
    let mut values = parts.headers.get_all(HOST).iter();
    let (named, second) = (values.next(), values.next());
    let named = named.map(|value| value.to_str().map_err(|_| ambiguous())).transpose()?;
    match (named, parts.uri.authority().map(http::uri::Authority::as_str), second) {
        (Some(host), None, None) => Ok(host),
        (Some(host), Some(authority), None) if host.eq_ignore_ascii_case(authority) => Ok(host),
        (None, Some(authority), None) => Ok(authority),
        _ => Err(ambiguous()),
    }
}

/// A name or address without its port.
fn bare_host(text: &str) -> Result<String, Refused> {
    let bare = match text.rsplit_once(':') {
        Some((bare, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => text,
    };
    // `a.example.` is `a.example` to some, and another name to others.
    let is_name = |text: &str| {
        text.split('.').all(|label| !label.is_empty()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    let inside = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = inside.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok());
    if is_name(bare) || is_address {
        Ok(bare.to_ascii_lowercase())
    } else {
        Err(Refused::forbidden("ambiguous_host", "the request must name one host, by its name or address"))
    }
}

/// What is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'r> {
    /// In `Authorization`.
    Bearer(&'r str),
    /// In the header for keys.
    Key(&'r str),
}

/// The one credential of a request.
///
/// # Errors
/// [`VerifyError`] as a verifier has it, or a refusal of two.
pub(crate) fn presented<'r>(headers: &'r HeaderMap, table: &Table) -> Result<Presented<'r>, Credentials> {
    let authorization = only(headers.get_all(AUTHORIZATION).iter())?;
    let key = match table.key_header() {
        Some(name) => only(headers.get_all(name).iter())?,
        None => None,
    };
    match (authorization, key) {
        (Some(_), Some(_)) => Err(Credentials::Many),
        (_, Some(key)) => match bearer_token(Some(key.as_bytes())) {
            Ok(text) if text.len() == key.as_bytes().trim_ascii().len() => Ok(Presented::Key(text)),
            Ok(_) | Err(VerifyError::Malformed(_)) => Err(Credentials::Refused(VerifyError::Malformed(Malformation::Characters))),
            Err(error) => Err(Credentials::Refused(error)),
        },
        (authorization, None) => bearer_token(authorization.map(HeaderValue::as_bytes)).map(Presented::Bearer).map_err(Credentials::Refused),
    }
}

/// Why there is no one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// More than one.
    Many,
    /// None, or one that cannot be read.
    Refused(VerifyError),
}

impl Credentials {
    pub(crate) const fn message(self) -> Option<&'static str> {
        match self {
            Self::Many => Some(MANY_CREDENTIALS),
            Self::Refused(_) => None,
        }
    }
}

fn only<'r>(mut values: impl Iterator<Item = &'r HeaderValue>) -> Result<Option<&'r HeaderValue>, Credentials> {
    let first = values.next();
    if values.next().is_some() { Err(Credentials::Many) } else { Ok(first) }
}
