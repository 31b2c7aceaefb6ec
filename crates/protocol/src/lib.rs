//! The words of Keywright on the wire.
//!
//! Typed ids, times, the shape of a key, access-token claims, the permission catalog, the bodies of requests, answers and
//! errors, and the paths. Nothing here does I/O: a resource server in another company compiles this crate and gets no
//! runtime, no SQL and no HTTP with it.
//!
//! Feature `openapi` derives `utoipa::ToSchema` for the bodies.

pub mod activity;
pub mod admin;
pub mod auth;
pub mod catalog;
pub mod claims;
pub mod error;
mod form;
pub mod identity;
pub mod ids;
pub mod installation;
pub mod jwk;
pub mod keys;
pub mod mail;
pub mod names;
pub mod oauth;
pub mod operator;
pub mod paths;
pub mod position;
pub mod roles;
pub mod secret;
pub mod sessions;
pub mod status;
pub mod time;

pub use catalog::Catalog;
pub use claims::AccessClaims;
pub use error::ErrorBody;
pub use ids::{DeliveryId, InvitationId, KeyId, MembershipId, OrganizationId, ProfileId, RequestId, SessionId, UserId, WebhookId};
pub use operator::OperatorScope;
pub use position::Position;
pub use secret::KeyKind;
pub use time::{Clock, Time};
