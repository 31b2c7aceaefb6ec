//! The guide: the pages of `docs/guide`, with this server's own address in them, at `/docs`.

mod markdown;

use crate::error::ApiError;
use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::Bytes,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY},
};
use keywright_protocol::paths;
use std::sync::Arc;

/// What stands in the pages where the address of the server belongs.
const PLACEHOLDER: &str = "https://auth.example.com";
/// The page that has every code of an error.
const ERRORS: &str = "errors";
/// The page runs nothing, and loads nothing but its stylesheet.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The pages in the order of the navigation, by their slugs; the first one stands at `/docs` itself.
const SOURCES: [(&str, &str); 15] = [
    ("", include_str!("../../../../docs/guide/index.md")),
    ("authentication", include_str!("../../../../docs/guide/authentication.md")),
    ("personal-access-keys", include_str!("../../../../docs/guide/personal-access-keys.md")),
    ("api-keys", include_str!("../../../../docs/guide/api-keys.md")),
    ("organizations-and-roles", include_str!("../../../../docs/guide/organizations-and-roles.md")),
    ("signing-in", include_str!("../../../../docs/guide/signing-in.md")),
    ("console", include_str!("../../../../docs/guide/console.md")),
    ("your-own-permissions", include_str!("../../../../docs/guide/your-own-permissions.md")),
    ("protect-your-api", include_str!("../../../../docs/guide/protect-your-api.md")),
    ("gateways", include_str!("../../../../docs/guide/gateways.md")),
    ("taking-back", include_str!("../../../../docs/guide/taking-back.md")),
    ("uploading", include_str!("../../../../docs/guide/uploading.md")),
    ("migrating", include_str!("../../../../docs/guide/migrating.md")),
    ("operating", include_str!("../../../../docs/guide/operating.md")),
    (ERRORS, include_str!("../../../../docs/guide/errors.md")),
];

/// A page of the guide, without what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its first heading, as text.
    pub title: String,
    /// The last segment of its path; empty for the page at `/docs` itself.
    pub slug: &'static str,
    /// What it says, as HTML that has no script, no style and no tag that the page's text wrote.
    pub html: String,
}

impl Page {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> String {
        path(self.slug)
    }
}

fn path(slug: &str) -> String {
    if slug.is_empty() { paths::GUIDE.to_owned() } else { format!("{}/{slug}", paths::GUIDE) }
}

/// All pages, rendered.
#[derive(Debug, Clone)]
pub struct Guide {
    pages: Vec<Page>,
}

impl Guide {
    /// For the server that calls itself so.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        let page = |(slug, source): &(&'static str, &str)| {
            let rendered = markdown::render(&source.replace(PLACEHOLDER, issuer));
            Page { title: rendered.title, slug, html: rendered.html }
        };
        Self { pages: SOURCES.iter().map(page).collect() }
    }

    /// In the order of the navigation.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }
}

/// Where the code of an error is explained.
#[must_use]
pub fn url_of_code(issuer: &str, code: &str) -> String {
    format!("{issuer}{}#{}", path(ERRORS), markdown::anchor(code))
}

/// A whole document.
#[derive(Template)]
#[template(path = "guide.html")]
struct Layout<'a> {
    title: &'a str,
    html: &'a str,
    /// The page that is shown; none where there is no page.
    slug: Option<&'a str>,
    pages: &'a [Page],
}

/// A document as it is sent.
#[derive(Clone)]
struct Document {
    slug: &'static str,
    bytes: Bytes,
    tag: HeaderValue,
}

impl Document {
    fn new(page: &Page, pages: &[Page]) -> Self {
        let layout = Layout { title: &page.title, html: &page.html, slug: Some(page.slug), pages };
        let bytes = Bytes::from(layout.render().unwrap_or_default());
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, &bytes));
        let tag = HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { slug: page.slug, bytes, tag }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
        let mut response = if known.split(',').any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == self.tag.as_bytes()) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            html(StatusCode::OK, self.bytes.clone())
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(ETAG, self.tag.clone());
        response
    }
}

/// The guide at `/docs`.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(issuer: &str) -> Router<S> {
    let guide = Guide::new(issuer);
    let documents: Arc<[Document]> = guide.pages.iter().map(|page| Document::new(page, &guide.pages)).collect();
    let nothing = Bytes::from(
        Layout {
            title: "No such page",
            html: "<h1>No such page</h1>\n<p>There is no page of this name; the list has those there are.</p>\n",
            slug: None,
            pages: &guide.pages,
        }
        .render()
        .unwrap_or_default(),
    );
    let find = move |slug: &str, headers: &HeaderMap| match documents.iter().find(|document| document.slug == slug) {
        Some(document) => document.answer(headers),
        None => no_such_page(&nothing, headers),
    };
    let first = find.clone();
    Router::new()
        .route(paths::GUIDE, get(async move |headers: HeaderMap| first("", &headers)))
        .route(&format!("{}/", paths::GUIDE), get(async || Redirect::permanent(paths::GUIDE)))
        .route(&format!("{}/{{page}}", paths::GUIDE), get(async move |Path(slug): Path<String>, headers: HeaderMap| find(&slug, &headers)))
}

/// In the look of the guide for whoever looks, in that of all errors for whoever does not.
fn no_such_page(page: &Bytes, headers: &HeaderMap) -> Response {
    let mut response = if is_browser(headers) { html(StatusCode::NOT_FOUND, page.clone()) } else { ApiError::NoSuchPath.into_response() };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// Whether HTML is asked for by its name (RFC 9110, section 12.5.1).
fn is_browser(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    accepted.filter_map(|range| range.split(';').next()).any(|range| range.trim().eq_ignore_ascii_case("text/html"))
}

fn html(status: StatusCode, bytes: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (status, headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs};

    const ISSUER: &str = "https://login.acme.example:8443";

    fn guide() -> Guide {
        Guide::new(ISSUER)
    }

    /// What stands between two marks, each time.
    fn between<'a>(text: &'a str, begin: &str, end: char) -> Vec<&'a str> {
        text.split(begin).skip(1).map(|rest| rest.split(end).next().unwrap()).collect()
    }

    #[test]
    fn every_page_in_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide");
        let there: BTreeSet<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let served = SOURCES.iter().map(|(slug, _)| format!("{}.md", if slug.is_empty() { "index" } else { slug }));
        assert_eq!(there, served.collect());
    }

    /// Reddens when a page leads somewhere that is not there, or to a file that is not served.
    #[test]
    fn every_link_leads_somewhere() {
        let guide = guide();
        let anchors: BTreeSet<String> = guide
            .pages()
            .iter()
            .flat_map(|page| between(&page.html, " id=\"", '"').into_iter().map(|id| format!("{}#{id}", page.path())).chain([page.path()]))
            .collect();
        for page in guide.pages() {
            for link in between(&page.html, "href=\"", '"') {
                let own = if link.starts_with('#') { format!("{}{link}", page.path()) } else { link.to_owned() };
                let outside = link.starts_with("https://") && !link.contains(PLACEHOLDER);
                assert!(anchors.contains(&own) || outside, "{}: {link}", page.slug);
            }
        }
    }

    #[test]
    fn a_page_has_the_address_of_its_server_and_an_id_for_each_heading_once() {
        for page in guide().pages() {
            assert!(!page.html.contains(PLACEHOLDER) && !page.title.is_empty(), "{}", page.slug);
            let ids = between(&page.html, " id=\"", '"');
            assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{}: {ids:?}", page.slug);
            assert_eq!(page.html.matches("<h1").count(), 1, "{}", page.slug);
            for forbidden in ["<script", "style=", "<img", " on"] {
                assert!(between(&page.html, "<", '>').iter().all(|tag| !format!("<{tag}").contains(forbidden)), "{}: {forbidden}", page.slug);
            }
        }
        assert!(guide().pages().iter().any(|page| page.html.contains(&format!("curl -sS {ISSUER}/oauth/token"))));
    }

    #[test]
    fn a_browser_asks_for_html_by_its_name() {
        let asks = |accept: &'static str| is_browser(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]));
        for browser in ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json, TEXT/HTML;q=0.5"] {
            assert!(asks(browser), "{browser}");
        }
        for program in ["", "*/*", "application/json", "text/*", "text/htmlx"] {
            assert!(!asks(program), "{program}");
        }
        assert!(!is_browser(&HeaderMap::new()));
    }
}
