//! JSON bodies, in and out.

use crate::error::ApiError;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Limited};
use keywright_protocol::Position;
use serde::{Serialize, de::DeserializeOwned};

/// Longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// A body read to its end, within the limit; what it claims to be does not matter.
pub(crate) async fn read(body: Body) -> Result<bytes::Bytes, ApiError> {
    read_within(body, MAX_BODY).await
}

async fn read_within(body: Body, limit: usize) -> Result<bytes::Bytes, ApiError> {
    let collected = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            ApiError::TooLarge(limit)
        } else {
            ApiError::BadRequest("the body broke off before its end; send it again".to_owned())
        }
    })?;
    Ok(collected.to_bytes())
}

/// A JSON body. `example` is shown to whoever sends something else.
pub(crate) async fn json<T: DeserializeOwned>(body: Body, example: &str) -> Result<T, ApiError> {
    parse(&read(body).await?, example)
}

/// The same of a body that may be longer than others, in bytes.
pub(crate) async fn json_within<T: DeserializeOwned>(body: Body, example: &str, limit: usize) -> Result<T, ApiError> {
    parse(&read_within(body, limit).await?, example)
}

/// The same of bytes that were read.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], example: &str) -> Result<T, ApiError> {
    deserialize(bytes).map_err(|wrong| wrong.told(example, |told| told))
}

/// A JSON body with a secret in it: what is said of a mistake names members and never quotes a value.
pub(crate) async fn secret_json<T: DeserializeOwned>(body: Body, example: &str) -> Result<T, ApiError> {
    deserialize(&read(body).await?).map_err(|wrong| {
        wrong.told(example, |told| {
            if [UNKNOWN, "missing field", "duplicate field"].iter().any(|start| told.starts_with(start)) { told } else { "is of the wrong type".to_owned() }
        })
    })
}

/// How serde begins to speak of a member that there is not.
const UNKNOWN: &str = "unknown field `";
/// What stands for what is not repeated.
const HIDDEN: &str = "...";
/// No name of ours is longer.
const LONGEST_NAME: usize = 32;

/// What may be repeated to whoever sent it: a word that looks like a member's name. A key, a password or a token may stand anywhere by
/// mistake.
fn is_plain(word: &str) -> bool {
    word.len() <= LONGEST_NAME && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

/// serde's own words, without what it quotes of the body, unless that is plain.
fn without_quotations(told: &str) -> String {
    for (start, end) in [
        (UNKNOWN, "`, expected"),
        (UNKNOWN, "`, there are"),
        ("unknown variant `", "`, expected"),
        ("invalid type: string \"", "\", expected"),
        ("invalid value: string \"", "\", expected"),
    ] {
        if let Some((quoted, rest)) = told.strip_prefix(start).and_then(|rest| rest.rsplit_once(end)) {
            return if is_plain(quoted) { told.to_owned() } else { format!("{start}{HIDDEN}{end}{rest}") };
        }
    }
    told.to_owned()
}

/// Why a body is not the object that was asked for.
enum Wrong {
    /// It is no object at all.
    NoObject,
    /// It is no JSON.
    NoJson(serde_json::Error),
    /// One of its members cannot be read.
    Member {
        /// Which, such as `grants[0].roles`; empty for the object itself.
        path: String,
        error: serde_json::Error,
    },
}

impl Wrong {
    /// In a sentence; `tell` says what of serde's own words about a member may be told.
    fn told(self, example: &str, tell: impl Fn(String) -> String) -> ApiError {
        ApiError::BadRequest(match self {
            Self::NoObject => format!("the body must be a JSON object such as {example}"),
            // serde_json quotes nothing here; where it stands is all that one can know.
            Self::NoJson(error) => format!("the body is not well-formed JSON ({error}); send an object such as {example}"),
            Self::Member { path, error } => {
                let told = tell(without_quotations(&without_position(&error)));
                // What is not named is not named by its path either.
                let nameless = path.is_empty() || told.strip_prefix(UNKNOWN).is_some_and(|rest| rest.starts_with(HIDDEN));
                let member = if nameless { told } else { format!("{path}: {told}") };
                format!("{member}; send an object such as {example}")
            }
        })
    }
}

fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Wrong> {
    // An array would be read as the members in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Wrong::NoObject);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // A path without a step is written as a dot.
        let path = error.path().iter().next().map(|_| error.path().to_string()).unwrap_or_default();
        let error = error.into_inner();
        if error.is_data() { Wrong::Member { path, error } } else { Wrong::NoJson(error) }
    })?;
    deserializer.end().map_err(Wrong::NoJson)?;
    Ok(read)
}

/// What serde_json says of a member, without line and column: the member is named.
fn without_position(error: &serde_json::Error) -> String {
    let (told, position) = (error.to_string(), format!(" at line {} column {}", error.line(), error.column()));
    told.strip_suffix(&position).map(str::to_owned).unwrap_or(told)
}

/// A body as JSON.
pub(crate) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, headers, serde_json::to_vec(body).unwrap_or_default()).into_response()
}

/// The same after a change, with its position.
pub(crate) fn changed(position: Position, body: &impl Serialize) -> Response {
    with_revision(position, answer(StatusCode::OK, body))
}

/// The same after something was made that has a path of its own.
pub(crate) fn created(position: Position, body: &impl Serialize) -> Response {
    with_revision(position, answer(StatusCode::CREATED, body))
}

/// The same of any answer.
pub(crate) fn with_revision(position: Position, mut response: Response) -> Response {
    if let Ok(value) = HeaderValue::from_str(&position.to_string()) {
        response.headers_mut().insert("Keywright-Revision", value);
    }
    response
}
