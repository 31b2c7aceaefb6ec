//! What happens to every request before routing, and to every answer after it.

use crate::{
    Metrics,
    documentation::Documentation,
    error::{ApiError, no_such_method, render},
    gateway,
    long_request::{self, BringsFiles},
    unread,
};
use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, HOST, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use ipnet::IpNet;
use keywright_core::{Actor, Context, Core, usage::Way};
use keywright_protocol::{Clock, ErrorBody, RequestId, paths};
use std::{
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tower::Service as _;

/// Longest headers, names and values together, in bytes.
const MAX_HEADERS: usize = 16 * 1024;
/// A request with its whole body, from the end of its headers to the headers of its answer. Most often it is the body that is late.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The rest of a file whose request is answered already.
const REST_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const FORWARDED_FOR: &str = "x-forwarded-for";

/// What handlers are told about a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestInfo {
    /// As in `X-Request-Id`.
    pub request_id: RequestId,
    /// Where it came from, through the trusted proxies.
    pub client_ip: Option<IpAddr>,
    /// Who is connected, proxy or not; absent on a socket of this machine.
    pub peer: Option<IpAddr>,
}

impl RequestInfo {
    /// The context of an operation by somebody who has not been verified yet.
    #[must_use]
    pub fn context(&self, clock: &Clock) -> Context {
        Context {
            now: clock.now(),
            actor: Actor::Anonymous,
            request_id: self.request_id,
            client_ip: self.client_ip,
            user_agent: None,
            once: None,
            way: Way::default(),
        }
    }
}

/// What is set for all requests.
pub struct Outer {
    /// Whose lease must run before anything is answered; a server without one answers at any time.
    pub lease: Option<Arc<Core>>,
    /// The routes.
    pub router: Router,
    /// Requests that have [`REQUEST_TIMEOUT`] for each of their bytes, and not for all together.
    pub brings_files: Vec<BringsFiles>,
    /// Counted here.
    pub metrics: Arc<Metrics>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call this server.
    pub cors_origins: Vec<String>,
    /// Where errors are documented; stands in every error body.
    pub documentation: Documentation,
}

impl Outer {
    /// Answers one request. Whatever happens inside, there is an answer.
    pub async fn answer(&self, mut request: Request<Body>, peer: Option<IpAddr>) -> Response {
        let started = tokio::time::Instant::now();
        // A gateway asks about the path as it stands, and its client's preflight is no preflight here.
        let by_gateway = gateway::is_check(request.uri().path());
        if !by_gateway && let Some(uri) = without_double_slashes(request.uri()).filter(|uri| !gateway::is_check(uri.path())) {
            *request.uri_mut() = uri;
        }
        let mut request = unread::read_on(request, |request| if self.may_bring_a_file(request) { REST_TIMEOUT } else { REQUEST_TIMEOUT });
        let allow_origin = if by_gateway { None } else { self.allow_origin(&request) };
        let method = request.method().clone();
        let Ok(request_id) = request_id(request.headers()) else {
            return ApiError::Broken.into_response();
        };
        let client = client_ip(peer, request.headers(), &self.trusted_proxies);
        let info = RequestInfo { request_id, client_ip: client.unwrap_or_default(), peer };
        let mut response = if client.is_err() {
            ApiError::BadRequest(UNREADABLE_HOP.to_owned()).into_response()
        } else if !by_gateway && request.headers().get_all(HOST).iter().nth(1).is_some() {
            ApiError::BadRequest("the request names two hosts; send one Host header (RFC 9112, section 3.2)".to_owned()).into_response()
        } else if header_bytes(request.headers()) > MAX_HEADERS {
            ApiError::HeadersTooLarge(MAX_HEADERS).into_response()
        } else if let Some(preflight) = preflight(&request, allow_origin.as_ref()) {
            preflight
        } else if let Err(error) = self.hold_lease(request.uri().path()).await {
            error.into_response()
        } else {
            request.extensions_mut().insert(info);
            self.route_in_time(request).await
        };
        if by_gateway {
            gateway::answer::plain(&mut response);
        } else {
            self.document(&mut response, &method);
        }
        dress(&mut response, info.request_id, allow_origin);
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id = %info.request_id, "a request was answered with an internal error; the lines before this one say why");
        }
        self.metrics.answered(response.status().as_u16(), started.elapsed());
        response
    }

    /// Nothing is looked at before it is sure that this process has heard of every change that anybody was told of.
    async fn hold_lease(&self, path: &str) -> Result<(), ApiError> {
        match &self.lease {
            Some(core) if !is_the_same_for_ever(path) => Ok(core.hold_lease().await?),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether it may bring a file, and take long for it.
    fn may_bring_a_file(&self, request: &Request<Body>) -> bool {
        self.brings_files.iter().any(|brings| brings(request.method(), request.uri()))
    }

    async fn route_in_time(&self, request: Request<Body>) -> Response {
        if self.may_bring_a_file(&request) {
            return long_request::answer(request, REQUEST_TIMEOUT, |request| self.route(request)).await;
        }
        tokio::time::timeout(REQUEST_TIMEOUT, self.route(request)).await.unwrap_or_else(|_late| ApiError::TooLate.into_response())
    }

    async fn route(&self, request: Request<Body>) -> Response {
        let mut router = self.router.clone();
        match AssertUnwindSafe(router.call(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_panic) => {
                tracing::error!("a handler panicked");
                ApiError::Broken.into_response()
            }
        }
    }

    /// Says in an error where it is documented, and which methods a path takes instead.
    fn document(&self, response: &mut Response, method: &Method) {
        let Some(mut body) = response.extensions_mut().remove::<ErrorBody>() else { return };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED
            && let Some(allow) = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok())
        {
            body = no_such_method(method, allow);
        }
        let doc = self.documentation.url(&body);
        *response.body_mut() = render(StatusCode::OK, &body.with_doc(doc)).into_body();
        // The router wrote the length of the body before.
        response.headers_mut().remove(CONTENT_LENGTH);
    }

    /// Which page may read the answer (CORS): any, for public documents, otherwise those of configured origins.
    fn allow_origin(&self, request: &Request<Body>) -> Option<HeaderValue> {
        let origin = request.headers().get(ORIGIN)?;
        if is_public(request.uri().path()) {
            return Some(HeaderValue::from_static("*"));
        }
        self.cors_origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

/// The headers that every answer has.
fn dress(response: &mut Response, request_id: RequestId, allow_origin: Option<HeaderValue>) {
    let headers = response.headers_mut();
    let mut text = [0; 36];
    if let Ok(value) = HeaderValue::from_str(request_id.as_uuid().hyphenated().encode_lower(&mut text)) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.append(VARY, HeaderValue::from_static("Authorization, Origin"));
    if let Some(allowed) = allow_origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let exposed = "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Deprecation, Link, X-Total-Count, Keywright-Revision, Idempotency-Replayed";
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    }
}

/// The answer to a browser that asks first (CORS preflight), if its page is allowed. Credentials are never allowed: tokens
/// travel in a header.
fn preflight(request: &Request<Body>, allow_origin: Option<&HeaderValue>) -> Option<Response> {
    let asks = request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks || allow_origin.is_none() {
        return None;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, Accept, X-Request-Id, Keywright-Min-Revision, Idempotency-Key"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(response)
}

/// What no revocation changes, or what says itself how old it may be; and what is asked to see how this process is.
fn is_the_same_for_ever(path: &str) -> bool {
    let is_below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    [paths::HEALTH, paths::READY, paths::METRICS, paths::ROLES].contains(&path)
        || ["/.well-known", "/openapi", paths::GUIDE, "/console/assets"].iter().any(|root| is_below(root))
}

/// Documents that any page may read.
fn is_public(path: &str) -> bool {
    path.starts_with("/.well-known/") || (path.starts_with("/openapi/") && path.ends_with(".json"))
}

fn request_id(headers: &HeaderMap) -> Result<RequestId, keywright_core::Error> {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    given.map_or_else(keywright_core::chance::id, Ok)
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

pub(crate) const UNREADABLE_HOP: &str = "X-Forwarded-For, as the trusted proxy sent it, does not end in the IP address of a client; have the proxy append the address of whoever it got the request from";

/// An entry of `X-Forwarded-For` that would have to be the client's and is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnreadableHop;

/// The last address in `X-Forwarded-For` that is no trusted proxy, if the peer itself is one. Entries are read from the right, each
/// for itself: what a client wrote to the left of what a proxy appended is never looked at. Where a proxy's own entry cannot be read,
/// the proxy's address must not pass for the client's.
pub(crate) fn client_ip(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Result<Option<IpAddr>, UnreadableHop> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    let Some(mut client) = peer.map(|address| address.to_canonical()) else { return Ok(None) };
    let lines: Vec<&HeaderValue> = headers.get_all(FORWARDED_FOR).iter().collect();
    let mut hops = lines.into_iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while is_trusted(&client)
        && let Some(hop) = hops.next()
    {
        client = hop_address(hop).ok_or(UnreadableHop)?.to_canonical();
    }
    Ok(Some(client))
}

/// An address, with or without a port (`198.51.100.7:4711`, `[2001:db8::1]:4711`, `[2001:db8::1]`).
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']'))?.parse().ok().map(IpAddr::V6);
    text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip())).or_else(bare)
}

/// The URI with runs of slashes collapsed; `None` if there are none.
fn without_double_slashes(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains("//") {
        return None;
    }
    let mut path = String::with_capacity(uri.path().len());
    for character in uri.path().chars() {
        if character != '/' || !path.ends_with('/') {
            path.push(character);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    path.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_collapse_and_the_query_stays() {
        let collapse = |text: &str| without_double_slashes(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(collapse("//auth//v1/token?a=//b").as_deref(), Some("/auth/v1/token?a=//b"));
        assert_eq!(collapse("/auth/v1/token?a=//b"), None);
    }

    #[test]
    fn only_a_trusted_proxy_says_where_a_request_comes_from() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let client = |peer: &str, forwarded: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
            }
            client_ip(Some(ip(peer)), &headers, &trusted).map(Option::unwrap)
        };
        let is = |text: &str| Ok(ip(text));
        assert_eq!(client("192.0.2.1", &[b"198.51.100.7"]), is("192.0.2.1"), "no proxy of ours");
        assert_eq!(client("192.0.2.1", &[b"\xff"]), is("192.0.2.1"), "no proxy of ours");
        assert_eq!(client("10.0.0.1", &[]), is("10.0.0.1"), "the proxy itself");
        for line in ["198.51.100.7", "198.51.100.7:4711", "203.0.113.9, 198.51.100.7, 10.0.0.2", "unknown, 198.51.100.7", ", 198.51.100.7"] {
            assert_eq!(client("10.0.0.1", &[line.as_bytes()]), is("198.51.100.7"), "{line}: what the client wrote itself is not believed");
        }
        assert_eq!(client("::ffff:10.0.0.1", &[b"198.51.100.7"]), is("198.51.100.7"));
        assert_eq!(client("10.0.0.1", &[b"[2001:db8::1]:80"]), is("2001:db8::1"));
        assert_eq!(client("10.0.0.1", &[b"[2001:db8::1], 10.0.0.2"]), is("2001:db8::1"));
        assert_eq!(client("10.0.0.1", &[b"\xff, 198.51.100.7"]), is("198.51.100.7"), "a line is not dropped for what the client wrote in it");
        assert_eq!(client("10.0.0.1", &[b"\xff", b"198.51.100.7"]), is("198.51.100.7"));
        for line in [&b"198.51.100.7, unknown"[..], b"", b"198.51.100.7,", b"198.51.100.7, \xff", b"\xff, 10.0.0.2"] {
            assert_eq!(client("10.0.0.1", &[line]), Err(UnreadableHop), "the proxy's address is not the client's");
        }
    }
}
