//! Request bodies: JSON, known by its content.

use crate::Error;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// What the sentence about a wrong body shows as the right one.
pub(crate) trait Shape: DeserializeOwned {
    /// A body as it should be, in one line.
    const EXAMPLE: &'static str;
    /// What it is as a whole.
    const KIND: Kind = Kind::Object;
}

/// serde would take an array for a struct, member by member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
}

impl Kind {
    const fn opening(self) -> u8 {
        match self {
            Self::Object => b'{',
            Self::Array => b'[',
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
        }
    }
}

/// A body read as JSON whatever its `Content-Type` says: clients are known that send `json`, or nothing. Members that are not
/// known are ignored, because older and newer clients send more of them.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: Shape> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Error::TooLarge } else { Error::Invalid("the body broke off; send it again".to_owned()) }
        })?;
        parse(&bytes).map(Self)
    }
}

fn parse<T: Shape>(bytes: &[u8]) -> Result<T, Error> {
    if bytes.trim_ascii_start().first() != Some(&T::KIND.opening()) {
        return Err(Error::Invalid(format!("the body must be a JSON {}; send for example {}", T::KIND.noun(), T::EXAMPLE)));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // A path without a step, which serde writes as a dot, is that of the body itself.
        let reason = error.inner().to_string();
        let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')).map(|(name, _)| name.to_owned());
        let member = error.path().iter().next().map(|_| error.path().to_string()).or(missing).unwrap_or_else(|| "a member of the body".to_owned());
        Error::Invalid(match error.inner().classify() {
            Category::Data => format!("{member} is missing, of the wrong type or stands there twice; send for example {}", T::EXAMPLE),
            Category::Syntax | Category::Eof | Category::Io => malformed(error.inner()),
        })
    })?;
    deserializer.end().map_err(|error| Error::Invalid(malformed(&error)))?;
    Ok(parsed)
}

fn malformed(error: &serde_json::Error) -> String {
    format!("the body is not well-formed JSON: see line {}, column {}", error.line(), error.column())
}
