//! What the routes share: reading paths and queries as leniently as clients need it.

use crate::Error;
use axum::{
    Json,
    extract::{
        Path, Query,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_LENGTH},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// How many a list has on all pages together.
pub(crate) const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// The pairs of a query.
pub(crate) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// # Errors
/// [`Error::Invalid`].
pub(crate) fn pairs(query: Pairs) -> Result<Vec<(String, String)>, Error> {
    query.map(|Query(pairs)| pairs).map_err(|_| Error::Invalid("the query cannot be read; percent-encode it as UTF-8".to_owned()))
}

/// A value of a query by its name in any case; an empty one is none.
///
/// # Errors
/// [`Error::Invalid`] if there are several.
pub(crate) fn value<'a>(pairs: &'a [(String, String)], wanted: &str) -> Result<Option<&'a str>, Error> {
    let mut found = pairs.iter().filter(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_empty()).map(|(_, value)| value.as_str());
    let first = found.next();
    if found.next().is_some() {
        return Err(Error::Invalid(format!("{wanted} may stand in the query once; leave the others out")));
    }
    Ok(first)
}

/// The one id of a path; what cannot be read is an id that nobody has.
pub(crate) fn one(path: Result<Path<String>, PathRejection>) -> String {
    path.map(|Path(text)| text).unwrap_or_default()
}

/// The two ids of a path.
pub(crate) fn two(path: Result<Path<(String, String)>, PathRejection>) -> (String, String) {
    path.map(|Path(texts)| texts).unwrap_or_default()
}

/// The length that a body declares.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes).and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.trim().parse().ok())
}

/// What was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deleted {
    /// Its id, which nothing else ever has.
    id: Uuid,
}

impl Deleted {
    pub(crate) fn json(id: Uuid) -> Json<Self> {
        Json(Self { id })
    }
}
