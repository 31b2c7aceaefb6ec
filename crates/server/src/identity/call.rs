//! What every route of the identity API does with a request before its operation, and with what came of it.

pub(crate) use crate::{
    caller::{Caller, Stranger},
    json::{answer, changed, created, json, json_within, parse, read},
};

use crate::error::ApiError;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use keywright_core::Error;
use keywright_protocol::{KeyId, Time, UserId};
use serde::de::DeserializeOwned;

/// What a path names. What cannot be decoded is as unknown as any other name.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names)).map_err(|_| Error::NotFound("organization").into())
    }
}

/// A user's id in a path.
pub(crate) fn user(text: &str) -> Result<UserId, ApiError> {
    text.parse().map_err(|_| Error::NotFound("member").into())
}

/// A key's id in a path. What is no GUID is as unknown as the nil one, which no key has.
pub(crate) fn key(text: &str) -> KeyId {
    text.parse().unwrap_or(KeyId::from(uuid::Uuid::nil()))
}

/// The parameters of a query.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()))
    }
}

impl Query {
    /// Of these.
    pub(crate) const fn of(parameters: Vec<(String, String)>) -> Self {
        Self(parameters)
    }

    /// A parameter, in any case of letters; empty counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Refuses what a route does not know: a misspelled filter must not pass for none. For whom an operator key acts may stand anywhere.
    pub(crate) fn require_known(&self, known: &[&str]) -> Result<(), ApiError> {
        let is_known = |name: &str| known.iter().chain(&["onBehalfOf"]).any(|known| known.eq_ignore_ascii_case(name));
        match self.0.iter().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => {
                let name: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
                Err(ApiError::BadRequest(format!("there is no parameter `{name}` here; there are: {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// A number with a default, cut to a range.
    pub(crate) fn number<T>(&self, name: &'static str, default: T, range: std::ops::RangeInclusive<T>) -> Result<T, ApiError>
    where
        T: std::str::FromStr + std::fmt::Display + PartialOrd,
    {
        let Some(text) = self.get(name) else { return Ok(default) };
        let wrong = || ApiError::BadRequest(format!("{name} must be a number from {} to {}", range.start(), range.end()));
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
    }

    /// A time.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Time>, ApiError> {
        let wrong = |error| ApiError::BadRequest(format!("{name}: {error}"));
        self.get(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// The one action that a route knows.
    pub(crate) fn require_action(&self, known: &[&str]) -> Result<&str, ApiError> {
        let sentence = || ApiError::BadRequest(format!("say what to do with the parameter action; here it is one of: {}", known.join(", ")));
        self.get("action").filter(|action| known.contains(action)).ok_or_else(sentence)
    }
}

/// What came of an operation: a key that does not live any more is a token that is not good any more.
pub(crate) fn told<T>(result: Result<T, Error>) -> Result<T, ApiError> {
    result.map_err(|error| if matches!(error, Error::Refused(_)) { ApiError::DeadToken(error) } else { ApiError::Core(error) })
}
