//! The route table: which permission a request needs, by method, host and path.

use crate::config::{ConfigError, explain};
use figment::{
    Figment,
    providers::{Format as _, Toml},
};
use http::{HeaderName, Method};
use ipnet::IpNet;
use keywright_core::catalog::{Preset, assemble};
use keywright_protocol::Catalog;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, net::IpAddr, path::Path};

/// Checks for gateways, as an operator writes them: `[gateway]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The gateways: who may ask, and whose word about a request counts.
    pub peers: Vec<IpNet>,
    /// A header besides `Authorization` in which raw keys come in.
    pub key_header: Option<String>,
    /// In order; the first one that fits decides.
    pub routes: Vec<GatewayRoute>,
}

/// One route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayRoute {
    /// Name without a port; absent: any.
    pub host: Option<String>,
    /// Absent: any. `GET` includes `HEAD`.
    pub methods: Option<Vec<String>>,
    /// A pattern such as `/invoices/{id}` or `/invoices/{*rest}`.
    pub path: String,
    /// What whoever asks must be permitted.
    pub permission: String,
    /// Whether raw keys are taken besides access tokens.
    pub accept_keys: bool,
    /// `aud` of the identity token; absent: the audience of the API that has the permission.
    pub upstream: Option<String>,
}

/// A file that has a route table, and maybe more.
#[derive(Deserialize)]
struct File {
    gateway: Gateway,
}

impl Gateway {
    /// Reads the section of a TOML file that has it, such as the server's own.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, ConfigError> {
        if !path.is_file() {
            return Err(ConfigError(format!("there is no file {}", path.display())));
        }
        let file: File = Figment::from(Toml::file_exact(path)).extract().map_err(|error| ConfigError(explain(&error)))?;
        Ok(file.gateway)
    }

    /// What can be used and will hardly be meant, in sentences, by the catalog that the next start puts in force.
    ///
    /// # Errors
    /// [`ConfigError`] if table or catalog cannot be used.
    pub fn doubts(&self, preset: Option<Preset>, own_catalog: Option<&str>) -> Result<Vec<String>, ConfigError> {
        let unusable = |error: &dyn std::fmt::Display| ConfigError(error.to_string());
        let document = assemble(preset, own_catalog).map_err(|error| unusable(&error))?;
        let (catalog, table) = (Catalog::new(document).map_err(|error| unusable(&error))?, self.table()?);
        let unknown = |permission| format!("gateway: the catalog does not have the permission {permission}; its routes let nobody through");
        let mut doubts: Vec<String> = table.unknown_permissions(&catalog).map(unknown).collect();
        if self.peers.is_empty() && !self.routes.is_empty() {
            doubts.push("gateway: peers is empty, so that nobody may ask; name the addresses of your gateways".to_owned());
        }
        Ok(doubts)
    }

    /// Checks it and makes a table of it.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing that is wrong.
    pub fn table(&self) -> Result<Table, ConfigError> {
        let mut routes: Vec<Route> = Vec::with_capacity(self.routes.len());
        for (at, route) in self.routes.iter().enumerate() {
            let read = Route::read(route).map_err(|what| ConfigError(format!("gateway.routes[{at}]: {what}")))?;
            if let Some(same) = routes.iter().position(|known| known.covers(&read)) {
                return Err(ConfigError(format!(
                    "gateway.routes[{at}] would never be reached: routes[{same}] has the same path, for its host and methods too"
                )));
            }
            routes.push(read);
        }
        Ok(Table { peers: self.peers.clone(), key_header: self.key_header.as_deref().map(key_header).transpose()?, routes })
    }
}

/// Headers that mean something already.
const TAKEN: [&str; 7] = ["authorization", "connection", "content-length", "cookie", "host", "proxy-authorization", "transfer-encoding"];

fn key_header(name: &str) -> Result<HeaderName, ConfigError> {
    let wrong = |what: &str| ConfigError(format!("gateway.key_header: `{name}` {what}; take a header of its own, such as X-API-Key"));
    let header: HeaderName = name.parse().map_err(|_| wrong("is no name of a header"))?;
    let text = header.as_str();
    if TAKEN.contains(&text) || super::headers::is_ours(text) || text.contains('_') {
        return Err(wrong("means something else already"));
    }
    Ok(header)
}

/// A checked route table.
#[derive(Debug, Default)]
pub struct Table {
    peers: Vec<IpNet>,
    key_header: Option<HeaderName>,
    routes: Vec<Route>,
}

/// A checked route.
#[derive(Debug)]
pub(crate) struct Route {
    host: Option<String>,
    methods: Option<Vec<Method>>,
    pattern: Vec<Part>,
    /// What whoever asks must be permitted.
    pub(crate) permission: String,
    /// Whether raw keys are taken.
    pub(crate) accept_keys: bool,
    /// Of the identity token.
    pub(crate) upstream: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    One,
    Rest,
}

impl Table {
    /// The networks of the gateways.
    #[must_use]
    pub fn peers(&self) -> &[IpNet] {
        &self.peers
    }

    /// Whether an address is a gateway's.
    pub(crate) fn is_peer(&self, address: IpAddr) -> bool {
        self.peers.iter().any(|network| network.contains(&address.to_canonical()))
    }

    pub(crate) fn key_header(&self) -> Option<&HeaderName> {
        self.key_header.as_ref()
    }

    /// The first route that fits.
    pub(crate) fn find(&self, method: &Method, host: &str, segments: &[Cow<'_, str>]) -> Option<&Route> {
        self.routes.iter().find(|route| route.fits(method, host, segments))
    }

    /// Whether somebody who reads paths less strictly (without regard to capitals, to a slash at the end, to dots and spaces at the end of a
    /// segment) would find a route with another permission: a stricter one must not be passed by a spelling of its path.
    pub(crate) fn is_ambiguous(&self, found: &Route, method: &Method, host: &str, segments: &[Cow<'_, str>]) -> bool {
        let mut loose: Vec<Cow<'_, str>> = segments.iter().map(|segment| Cow::Owned(loosely(segment))).collect();
        if loose.len() > 1 && loose.last().is_some_and(|last| last.is_empty()) {
            loose.pop();
        }
        let other = self.routes.iter().find(|route| route.fits_for(method, host) && route.fits_path_loosely(&loose));
        other.is_some_and(|other| other.permission != found.permission)
    }

    /// Writes into the log which routes let nobody through, because the catalog does not have their permission.
    pub fn warn_of_unknown_permissions(&self, catalog: &Catalog) {
        for permission in self.unknown_permissions(catalog) {
            tracing::warn!(permission, "a route of the gateway needs a permission that the catalog does not have; it lets nobody through");
        }
    }

    fn unknown_permissions<'t>(&'t self, catalog: &'t Catalog) -> impl Iterator<Item = &'t str> {
        self.routes.iter().map(|route| route.permission.as_str()).filter(|permission| catalog.index(permission).is_none())
    }
}

impl Route {
    fn read(route: &GatewayRoute) -> Result<Self, String> {
        if route.permission.is_empty() {
            return Err("permission is missing; each route needs one".to_owned());
        }
        if route.upstream.as_ref().is_some_and(String::is_empty) {
            return Err("upstream must be the audience of what stands behind the gateway, such as https://invoices.example.com".to_owned());
        }
        Ok(Self {
            host: route.host.as_deref().map(host).transpose()?,
            methods: route.methods.as_deref().map(methods).transpose()?,
            pattern: pattern(&route.path)?,
            permission: route.permission.clone(),
            accept_keys: route.accept_keys,
            upstream: route.upstream.clone(),
        })
    }

    fn fits(&self, method: &Method, host: &str, segments: &[Cow<'_, str>]) -> bool {
        self.fits_for(method, host) && self.fits_path(segments)
    }

    fn fits_for(&self, method: &Method, host: &str) -> bool {
        self.host.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(host))
            && self.methods.as_ref().is_none_or(|own| own.contains(method) || (method == Method::HEAD && own.contains(&Method::GET)))
    }

    fn fits_path_loosely(&self, loose: &[Cow<'_, str>]) -> bool {
        let mut given = loose.iter();
        for part in &self.pattern {
            let Some(segment) = given.next() else { return matches!(part, Part::Literal(text) if text.is_empty()) };
            let fits = match part {
                Part::Literal(text) => *segment == loosely(text),
                Part::One => !segment.is_empty(),
                Part::Rest => return !segment.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        given.next().is_none()
    }

    fn fits_path(&self, segments: &[Cow<'_, str>]) -> bool {
        let mut given = segments.iter();
        for part in &self.pattern {
            let Some(segment) = given.next() else { return false };
            let fits = match part {
                Part::Literal(text) => segment == text,
                Part::One => !segment.is_empty(),
                Part::Rest => return !segment.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        given.next().is_none()
    }

    /// Whether whatever fits `other` by its host and methods, on the very same path, fits this one.
    fn covers(&self, other: &Self) -> bool {
        self.pattern == other.pattern
            && (self.host.is_none() || self.host == other.host)
            && self.methods.as_ref().is_none_or(|own| other.methods.as_ref().is_some_and(|others| others.iter().all(|method| own.contains(method))))
    }
}

/// A segment as somebody reads it who overlooks what is easily overlooked.
fn loosely(segment: &str) -> String {
    let overlooked = |letter: char| letter == '.' || letter.is_whitespace() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    segment.trim_end_matches(overlooked).to_lowercase()
}

fn host(text: &str) -> Result<String, String> {
    let is_usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let sentence = || format!("host: `{text}` must be one name or IPv4 address without a port, such as invoices.example.com");
    if is_usable { Ok(text.to_ascii_lowercase()) } else { Err(sentence()) }
}

fn methods(names: &[String]) -> Result<Vec<Method>, String> {
    if names.is_empty() {
        return Err("methods is empty, so that nothing would fit; leave it out for any method".to_owned());
    }
    let read = |name: &String| match name.parse::<Method>() {
        Ok(method) if *name == name.to_ascii_uppercase() => Ok(method),
        Ok(_) | Err(_) => Err(format!("methods: `{name}` must be a method in capital letters, such as GET")),
    };
    names.iter().map(read).collect()
}

fn pattern(path: &str) -> Result<Vec<Part>, String> {
    let wrong = |what: &str| format!("path: `{path}` {what}; write it like /invoices/{{id}} or /invoices/{{*rest}}");
    let rest = path.strip_prefix('/').ok_or_else(|| wrong("must begin with a slash"))?;
    let segments: Vec<&str> = rest.split('/').collect();
    let last = segments.len().saturating_sub(1);
    let mut parts = Vec::with_capacity(segments.len());
    for (at, segment) in segments.into_iter().enumerate() {
        let name = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        let part = match (name, name.and_then(|name| name.strip_prefix('*'))) {
            (Some(_), Some(name)) if at == last && is_name(name) => Part::Rest,
            (Some(_), Some(name)) if is_name(name) => return Err(wrong("has a {*..} before its end")),
            (Some(name), None) if is_name(name) => Part::One,
            (Some(_), _) => return Err(wrong("has a name in braces that is no name: a-z, 0-9 and _ are")),
            (None, _) if segment.is_empty() && at != last => return Err(wrong("has two slashes in a row")),
            (None, _) => literal(segment).map_err(wrong)?,
        };
        parts.push(part);
    }
    Ok(parts)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn literal(segment: &str) -> Result<Part, &'static str> {
    if segment.contains('%') {
        return Err("has a percent escape; write the character itself, since paths are decoded before they are compared");
    }
    if segment.contains(['{', '}', '*']) {
        return Err("has a brace or a star within a segment; a segment is a name in braces or a word");
    }
    if matches!(segment, "." | "..") || segment.chars().any(|letter| letter.is_control() || matches!(letter, '\\' | ';' | '#' | '?')) {
        return Err("has a segment that no request could have");
    }
    Ok(Part::Literal(segment.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::path::segments;

    fn route(path: &str) -> GatewayRoute {
        GatewayRoute { path: path.to_owned(), permission: "invoices.read".to_owned(), ..GatewayRoute::default() }
    }

    fn table(routes: Vec<GatewayRoute>) -> Result<Table, String> {
        Gateway { routes, ..Gateway::default() }.table().map_err(|error| error.to_string())
    }

    #[test]
    fn patterns_fit_whole_paths() {
        for (pattern, fitting, others) in [
            ("/", &["/", "/?a=b"][..], &["/a"][..]),
            ("/invoices", &["/invoices", "/%69nvoices", "/invoices?x"], &["/invoices/", "/Invoices", "/invoices/1", "/invoicesx", "/"]),
            ("/invoices/", &["/invoices/"], &["/invoices", "/invoices/1"]),
            ("/invoices/{id}", &["/invoices/1", "/invoices/a%20b"], &["/invoices", "/invoices/", "/invoices/1/", "/invoices/1/2"]),
            ("/invoices/{*rest}", &["/invoices/1", "/invoices/1/2", "/invoices/1/"], &["/invoices", "/invoices/"]),
            ("/a/{one}/b", &["/a/x/b"], &["/a//b", "/a/b", "/a/x/c"]),
            ("/{*all}", &["/a", "/a/b/c"], &["/"]),
        ] {
            let table = table(vec![route(pattern)]).unwrap();
            let fits = |path: &str| segments(path).is_ok_and(|segments| table.find(&Method::GET, "a", &segments).is_some());
            assert!(fitting.iter().all(|path| fits(path)), "{pattern}");
            assert_eq!(others.iter().filter(|path| fits(path)).collect::<Vec<_>>(), Vec::<&&str>::new(), "{pattern}");
        }
    }

    #[test]
    fn the_first_route_that_fits_by_method_and_host_decides() {
        let own = |methods: &[&str], host: Option<&str>, permission: &str| GatewayRoute {
            methods: (!methods.is_empty()).then(|| methods.iter().map(|method| (*method).to_owned()).collect()),
            host: host.map(str::to_owned),
            permission: permission.to_owned(),
            ..route("/invoices")
        };
        let table =
            table(vec![own(&["GET"], None, "read"), own(&["POST", "PURGE"], Some("Invoices.example.com"), "write"), own(&["POST"], None, "other")]).unwrap();
        let find =
            |method: &str, host: &str| table.find(&method.parse().unwrap(), host, &segments("/invoices").unwrap()).map(|route| route.permission.as_str());
        for (method, host, expected) in [
            ("GET", "a", Some("read")),
            ("HEAD", "a", Some("read")),
            ("POST", "invoices.EXAMPLE.com", Some("write")),
            ("PURGE", "invoices.example.com", Some("write")),
            ("POST", "a", Some("other")),
            ("PURGE", "a", None),
            ("DELETE", "invoices.example.com", None),
            ("get", "a", None),
        ] {
            assert_eq!(find(method, host), expected, "{method} {host}");
        }
    }

    /// Reddens when a spelling of a strict route's path finds a laxer one.
    #[test]
    fn a_stricter_route_is_not_passed_by_another_spelling() {
        let strict = GatewayRoute { permission: "invoices.write".to_owned(), ..route("/invoices/export") };
        let table = table(vec![strict, route("/invoices/{*rest}")]).unwrap();
        let is_ambiguous = |path: &str| {
            let segments = segments(path).unwrap();
            let found = table.find(&Method::GET, "a", &segments).unwrap();
            table.is_ambiguous(found, &Method::GET, "a", &segments)
        };
        for path in ["/invoices/export/", "/invoices/EXPORT", "/invoices/export%20", "/invoices/export.", "/invoices/export%E2%80%8B"] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in ["/invoices/export", "/invoices/1", "/invoices/1/", "/invoices/export/1", "/invoices/exports"] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn what_is_hardly_meant_is_said() {
        let catalog = "[apis.invoices.permissions]\n\"invoices.read\" = \"See invoices\"\n";
        let mut gateway = Gateway { peers: vec!["127.0.0.1/32".parse().unwrap()], routes: vec![route("/a")], ..Gateway::default() };
        assert!(gateway.doubts(None, Some(catalog)).unwrap().is_empty());
        gateway.routes.push(GatewayRoute { permission: "invoices.raed".to_owned(), ..route("/b") });
        gateway.peers.clear();
        let [permission, peers] = gateway.doubts(None, Some(catalog)).unwrap().try_into().unwrap();
        assert!(permission.contains("invoices.raed") && peers.contains("nobody may ask"));
        assert!(Gateway::default().doubts(None, None).unwrap().is_empty(), "without routes nobody needs to ask");
    }

    #[test]
    fn mistakes_are_named() {
        for (route, part) in [
            (route("invoices"), "must begin with a slash"),
            (route("/a//b"), "two slashes"),
            (route("/a/{*rest}/b"), "before its end"),
            (route("/a/{}"), "no name"),
            (route("/a/x{id}"), "within a segment"),
            (route("/a/*"), "within a segment"),
            (route("/a%20b"), "percent escape"),
            (route("/a/../b"), "no request could have"),
            (route("/a;b"), "no request could have"),
            (GatewayRoute { permission: String::new(), ..route("/") }, "permission"),
            (GatewayRoute { methods: Some(Vec::new()), ..route("/") }, "methods"),
            (GatewayRoute { methods: Some(vec!["get".to_owned()]), ..route("/") }, "capital letters"),
            (GatewayRoute { methods: Some(vec!["G T".to_owned()]), ..route("/") }, "capital letters"),
            (GatewayRoute { host: Some("a.example:80".to_owned()), ..route("/") }, "without a port"),
            (GatewayRoute { host: Some("a.example,b.example".to_owned()), ..route("/") }, "one name"),
            (GatewayRoute { upstream: Some(String::new()), ..route("/") }, "upstream"),
        ] {
            let error = table(vec![GatewayRoute::default(), route.clone()].split_off(1)).unwrap_err();
            assert!(error.contains("gateway.routes[0]: ") && error.contains(part), "{route:?}: {error}");
        }
        let get = GatewayRoute { methods: Some(vec!["GET".to_owned()]), ..route("/a/{id}") };
        assert!(table(vec![route("/a/{id}"), get.clone()]).unwrap_err().contains("never be reached"));
        assert!(table(vec![get.clone(), GatewayRoute { host: Some("a".to_owned()), ..get.clone() }]).unwrap_err().contains("routes[0]"));
        assert!(table(vec![get, route("/a/{other}")]).is_ok());
        for name in ["Authorization", "X-Forwarded-Uri", "X-Identity-JWT", "X_API_Key", "a b", "Cookie", ""] {
            let gateway = Gateway { key_header: Some(name.to_owned()), ..Gateway::default() };
            assert!(gateway.table().unwrap_err().to_string().contains("gateway.key_header"), "{name}");
        }
    }
}
