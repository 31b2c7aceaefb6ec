//! Check Keywright access tokens anywhere, offline.
//!
//! A [`Verifier`] knows one issuer and guards one audience. What it needs to know of the issuer, its public keys and its
//! catalog of roles, comes from a [`Source`]: [`HttpSource`] fetches both by URL. Checking itself does no I/O.
//!
//! ```no_run
//! # #[cfg(all(feature = "http", feature = "axum"))]
//! # fn app() -> Result<axum::Router, keywright_verify::HttpSourceError> {
//! use axum::{Router, routing::get};
//! use keywright_verify::{AuthLayer, Clock, Config, HttpSource, Require, Verifier, permission};
//! use std::sync::Arc;
//!
//! permission!(ReportsView = "reports.view");
//!
//! let issuer = "https://auth.example.com";
//! let verifier = Verifier::new(Config::new(issuer, "https://reports.example.com"), Arc::new(HttpSource::new(issuer)?));
//! let app = Router::new()
//!     .route("/reports", get(|Require(holder, _): Require<ReportsView>| async move { holder.claims.email.to_string() }))
//!     .layer(AuthLayer::new(Arc::new(verifier), Clock::System));
//! # Ok(app)
//! # }
//! ```

mod authorization;
mod config;
mod document;
mod error;
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "http")]
mod http_source;
mod keys;
#[cfg(feature = "tower")]
mod layer;
mod parse;
#[cfg(feature = "tower")]
mod rejection;
#[cfg(feature = "http")]
mod remote;
mod source;
#[cfg(feature = "testing")]
pub mod testing;
mod verified;
mod verifier;

pub use authorization::bearer_token;
pub use config::{Config, DEFAULT_MAX_AGE, MAX_LEEWAY_SECONDS, StatusPolicy};
pub use document::{CatalogDocument, DocumentError, MAX_DOCUMENT_BYTES, signed_document};
pub use error::{Malformation, VerifyError};
#[cfg(feature = "axum")]
pub use extract::{Authenticated, Permission, Require};
#[cfg(feature = "http")]
pub use http_source::{Feed, HttpOptions, HttpSource, HttpSourceError, Transport};
pub use keys::{KeySet, KeySetError};
pub use keywright_protocol::{AccessClaims, Catalog, Clock, OrganizationId, Position, Time, catalog::PermissionIndex, jwk::Algorithm, status::StatusLists};
#[cfg(feature = "tower")]
pub use layer::{AuthLayer, AuthService, Outcome};
pub use parse::unverified_audience;
#[cfg(feature = "tower")]
pub use rejection::{insufficient, rejection};
#[cfg(feature = "http")]
pub use remote::{ClientCredentials, Introspected, RawKeys, RemoteVerifier};
pub use source::{Need, RefreshError, Refreshing, Snapshot, Source};
pub use verified::Verified;
pub use verifier::{MAX_TOKEN_BYTES, Verifier};
