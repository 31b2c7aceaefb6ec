//! Where a webhook leads: its URL is read once, its host is resolved once for each attempt, every address that comes back is checked,
//! and the connection goes to these addresses and no others.

use super::addresses::{is_in, is_public};
use futures_util::future::BoxFuture;
use http::uri::PathAndQuery;
use ipnet::IpNet;
use rustls_pki_types::ServerName;
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use url::{Host, Url};

/// Longest URL, in characters.
const MAX_CHARS: usize = 2_000;
/// Addresses of one host that are tried.
const MAX_ADDRESSES: usize = 8;

/// Finds the addresses of a host. Besides the system's there is the tests' own, which answers differently each time.
pub trait Names: Send + Sync {
    /// All of them, each with the port.
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// As the system finds them.
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// How the way there is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    Http,
}

/// A URL that can be sent to, as far as its text says.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) scheme: Scheme,
    /// As it stands in the `Host` header.
    pub(super) authority: String,
    /// What the request asks for.
    pub(super) target: PathAndQuery,
    /// In its normal form.
    pub(super) text: String,
    host: Host,
    port: u16,
}

impl Destination {
    /// Reads a URL as browsers do (WHATWG), so that `0x7f.1` is the address that it is taken for.
    ///
    /// # Errors
    /// A sentence that says what a usable one is.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > MAX_CHARS {
            return Err(format!("must have {MAX_CHARS} characters at most"));
        }
        if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err("must not contain spaces or control characters".to_owned());
        }
        let url = Url::parse(text).map_err(|_| "must be a URL such as https://hooks.example.com/keywright".to_owned())?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err("must begin with https://".to_owned()),
        };
        if !url.username().is_empty() || url.password().is_some() || has_userinfo(text) {
            return Err("must not contain a user or a password; the receiver knows this server by the signature".to_owned());
        }
        if url.fragment().is_some() {
            return Err("must not contain a fragment, which is sent nowhere".to_owned());
        }
        let host = url.host().ok_or("must name a host")?.to_owned();
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or("must have a port from 1 to 65535, or none")?;
        let authority = url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let target = target.parse().map_err(|_| "must have a path of URL characters alone".to_owned())?;
        if url.as_str().chars().count() > MAX_CHARS {
            return Err(format!("must have {MAX_CHARS} characters at most, percent-encoded"));
        }
        Ok(Self { scheme, authority, target, text: url.into(), host, port })
    }

    /// The name that the receiver's certificate must have.
    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.host {
            // Certificates name hosts without the dot at the end.
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
            Host::Ipv4(address) => Some(ServerName::from(IpAddr::V4(*address))),
            Host::Ipv6(address) => Some(ServerName::from(IpAddr::V6(*address))),
        }
    }

    /// The addresses to connect to, all of them checked.
    ///
    /// # Errors
    /// A sentence that says why there are none. It names no address: what a name stands for inside is nobody's business.
    pub(super) async fn resolve(&self, names: &dyn Names, allowed: &[IpNet]) -> Result<Vec<SocketAddr>, String> {
        let found = match &self.host {
            Host::Ipv4(address) => vec![SocketAddr::from((*address, self.port))],
            Host::Ipv6(address) => vec![SocketAddr::from((*address, self.port))],
            Host::Domain(name) => names.look_up(name, self.port).await.unwrap_or_default(),
        };
        if found.is_empty() {
            return Err(format!("the host {} is not found; look at how it is written, and at its DNS", self.host));
        }
        for address in &found {
            let is_allowed = is_in(address.ip(), allowed);
            if !is_allowed && !is_public(address.ip()) {
                let what = format!("the host {} leads to an address that is not public", self.host);
                return Err(format!("{what}; name a public one, or ask the operator to allow its network (webhooks.allow_networks)"));
            }
            if !is_allowed && self.scheme == Scheme::Http {
                return Err("must begin with https://; without TLS webhooks go to networks alone that the operator allows (webhooks.allow_networks)".to_owned());
            }
        }
        // The port is this URL's, whatever answered.
        Ok(found.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address.ip(), self.port)).collect())
    }
}

/// `https://@host/` has an empty user, of which the parser leaves no trace.
fn has_userinfo(text: &str) -> bool {
    let rest = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    rest.split(['/', '\\', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_once_and_kept_in_its_normal_form() {
        for (text, authority, target, normal) in [
            ("https://hooks.example.com", "hooks.example.com", "/", "https://hooks.example.com/"),
            ("HTTPS://Hooks.Example.com:443/a/../b?c=d|e", "hooks.example.com", "/b?c=d|e", "https://hooks.example.com/b?c=d|e"),
            ("https://bücher.example:8443/ü?x", "xn--bcher-kva.example:8443", "/%C3%BC?x", "https://xn--bcher-kva.example:8443/%C3%BC?x"),
            ("https://[2606:4700::1111]/", "[2606:4700::1111]", "/", "https://[2606:4700::1111]/"),
            ("https://0x1.1/{a}", "1.0.0.1", "/%7Ba%7D", "https://1.0.0.1/%7Ba%7D"),
            (r"https:\\hooks.example.com\x", "hooks.example.com", "/x", "https://hooks.example.com/x"),
        ] {
            let read = Destination::parse(text).unwrap();
            assert_eq!((read.authority.as_str(), read.target.as_str(), read.text.as_str()), (authority, target, normal), "{text}");
            assert_eq!(Destination::parse(&read.text).unwrap().text, read.text);
        }
    }

    #[test]
    fn what_is_no_usable_url_is_told_in_a_sentence() {
        let long = format!("https://hooks.example.com/{}", "x".repeat(2_000));
        let longer = format!("https://hooks.example.com/{}", "ü".repeat(400));
        for (text, part) in [
            ("", "must be a URL"),
            ("hooks.example.com", "must be a URL"),
            ("https://", "must be a URL"),
            ("https:///", "must be a URL"),
            ("//hooks.example.com", "must be a URL"),
            ("https://a b/", "spaces"),
            ("https://a\n.example/", "control"),
            (" https://a.example/", "spaces"),
            ("ftp://hooks.example.com/", "https://"),
            ("file:///etc/passwd", "https://"),
            ("javascript:alert(1)", "https://"),
            ("https://user@hooks.example.com/", "user"),
            ("https://user:word@hooks.example.com/", "user"),
            ("https://@hooks.example.com/", "user"),
            ("https://:@hooks.example.com/", "user"),
            (r"https:/\@hooks.example.com/", "user"),
            ("https://hooks.example.com/#x", "fragment"),
            ("https://hooks.example.com/#", "fragment"),
            ("https://hooks.example.com:0/", "port"),
            ("https://hooks.example.com:65536/", "must be a URL"),
            ("https://[::1", "must be a URL"),
            ("https://1.2.3.4.5/", "must be a URL"),
            ("https://256.1.1.1/", "must be a URL"),
            (&long, "2000"),
            (&longer, "2000"),
        ] {
            let told = Destination::parse(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
        assert!(Destination::parse("https://hooks.example.com/@user?mail=a@b.example").is_ok(), "an @ behind the host is none");
    }
}
