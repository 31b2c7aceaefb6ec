//! The console's own files. No page loads anything from elsewhere.

use super::path::Path;
use crate::app::App;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY},
};
use std::{io::Write as _, sync::Arc, sync::LazyLock};

struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// htmx 2.0.6 is as published (Zero-Clause BSD).
const ASSETS: [Asset; 4] = [
    Asset { name: "console.css", content_type: "text/css; charset=utf-8", text: include_str!("../../assets/console/console.css") },
    Asset { name: "console.js", content_type: "text/javascript; charset=utf-8", text: include_str!("../../assets/console/console.js") },
    Asset { name: "htmx.min.js", content_type: "text/javascript; charset=utf-8", text: include_str!("../../assets/console/htmx.min.js") },
    Asset { name: "icon.svg", content_type: "image/svg+xml", text: include_str!("../../assets/console/icon.svg") },
];

/// The same, compressed once. Pages themselves are not: they have a form's token beside what others wrote.
static COMPRESSED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| ASSETS.iter().map(|asset| compressed(asset.text).unwrap_or_default()).collect());

fn compressed(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/console/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((at, asset)) = ASSETS.iter().enumerate().find(|(_, asset)| asset.name == name) else {
        return super::Trouble::no_such_page().into_response();
    };
    let takes_gzip = headers.get_all(ACCEPT_ENCODING).iter().any(|line| line.to_str().is_ok_and(|line| line.contains("gzip")));
    let small = COMPRESSED.get(at).filter(|bytes| takes_gzip && !bytes.is_empty());
    let mut response = match small {
        Some(bytes) => bytes.as_slice().into_response(),
        None => asset.text.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if small.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
