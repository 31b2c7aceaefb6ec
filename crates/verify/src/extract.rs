//! What a handler asks for.

use crate::{Verified, layer::Outcome, rejection::no_layer};
use axum::{extract::FromRequestParts, response::Response};
use http::request::Parts;
use std::{marker::PhantomData, sync::Arc};

/// Any holder of a good token. Otherwise 401, or 503 when the token could not be judged.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Arc<Verified>);

/// A permission as a type. [`permission!`](crate::permission) makes them.
pub trait Permission: Send + Sync + 'static {
    /// Its id in the catalog.
    const ID: &'static str;
}

/// A holder of a good token who has the permission `P`. Otherwise 401, 403 or 503.
#[derive(Debug, Clone)]
pub struct Require<P: Permission>(pub Arc<Verified>, pub PhantomData<P>);

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        outcome(parts)?.authenticated().cloned().map(Self)
    }
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Require<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        outcome(parts)?.require(P::ID).cloned().map(|verified| Self(verified, PhantomData))
    }
}

#[expect(clippy::result_large_err, reason = "the extractors' rejection is this response")]
fn outcome(parts: &Parts) -> Result<&Outcome, Response> {
    parts.extensions.get::<Outcome>().ok_or_else(no_layer)
}

/// Makes a type of a permission's id, for [`Require`](crate::Require).
///
/// ```
/// keywright_verify::permission!(pub ProfilesView = "distribution.profile.view");
/// ```
#[macro_export]
macro_rules! permission {
    ($(#[$attribute:meta])* $visibility:vis $name:ident = $id:literal $(;)?) => {
        $(#[$attribute])*
        #[doc = concat!("The permission `", $id, "`.")]
        #[derive(Debug, Clone, Copy)]
        $visibility struct $name;

        impl $crate::Permission for $name {
            const ID: &'static str = $id;
        }
    };
}
