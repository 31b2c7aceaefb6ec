//! Reading `application/x-www-form-urlencoded` bodies, with limits.

use crate::error::ApiError;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Limited};
use std::borrow::Cow;

/// Longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// Most fields.
const MAX_FIELDS: usize = 64;

/// The body of a form, of at most so many bytes.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body, example: &'static str, most: usize) -> Result<Bytes, ApiError> {
    if let Some(given) = headers.get(CONTENT_TYPE) {
        let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(ApiError::NotAForm(example));
        }
    }
    let body = Limited::new(body, most).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            ApiError::TooLarge(most)
        } else {
            ApiError::BadRequest("the body broke off before its end; send it again".to_owned())
        }
    })?;
    Ok(body.to_bytes())
}

/// The raw text of a form.
pub(crate) struct Form(Bytes);

impl Form {
    /// Reads a body that must be a form. No content type counts as one: there are clients that send none. `example` is shown to whoever
    /// sends something else.
    pub(crate) async fn read(headers: &HeaderMap, body: Body, example: &'static str) -> Result<Self, ApiError> {
        read_body(headers, body, example, MAX_BODY).await.map(Self)
    }

    /// Its fields: each name once, at most 64.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, ApiError> {
        let mut fields: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(4);
        for (name, value) in form_urlencoded::parse(&self.0) {
            if fields.len() == MAX_FIELDS {
                return Err(ApiError::BadRequest(format!("the form has more than {MAX_FIELDS} fields, which is the limit here")));
            }
            if fields.iter().any(|(known, _)| *known == name) {
                let shown: String = name.chars().filter(|character| !character.is_control()).take(40).collect();
                return Err(ApiError::BadRequest(format!("the field {shown} stands twice; send it once")));
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

/// The fields of a form.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Fields<'_> {
    /// Which of several spellings of a name a value stands under; the first one, if there are several.
    pub(crate) fn spelling(&self, spellings: &[&str]) -> Option<&str> {
        self.0.iter().find(|(name, value)| spellings.contains(&name.as_ref()) && !value.trim().is_empty()).map(|(name, _)| name.as_ref())
    }

    /// The value that stands under one of several spellings of a name, without spaces around. Empty counts as absent.
    /// `shown` is the spelling that errors name.
    pub(crate) fn one_of(&self, spellings: &[&str], shown: &str) -> Result<Option<&str>, ApiError> {
        let mut found: Option<(&str, &str)> = None;
        for (name, value) in &self.0 {
            let value = value.trim();
            if value.is_empty() || !spellings.contains(&name.as_ref()) {
                continue;
            }
            match found {
                Some((other, known)) if known != value => {
                    return Err(ApiError::BadRequest(format!("{other} and {name} are the same parameter and differ; send {shown} alone")));
                }
                _ => found = Some((name, value)),
            }
        }
        Ok(found.map(|(_, value)| value))
    }
}
