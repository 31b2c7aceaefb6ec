//! HTTP around `core`: the auth API, the public documents, the API page, metrics, configuration, serving.
//!
//! A request comes in at [`outer`], which gives it an id and every answer its common headers; then the router of [`app`]
//! takes it to a handler, which parses, calls one operation of `core`, and renders.

pub mod admin_socket;
pub mod app;
mod audiences;
mod auth;
pub mod backup;
mod caller;
pub mod config;
mod console;
pub mod data_dir;
pub mod documentation;
mod error;
pub mod gateway;
pub mod guide;
mod health;
mod idempotency;
mod identity;
pub mod issuer;
mod json;
mod limits;
pub mod listen;
pub mod logging;
pub mod long_request;
pub mod mail;
mod metrics;
mod oauth;
pub mod openapi;
mod openapi_examples;
mod openapi_modify;
pub mod outer;
pub mod run;
pub mod sidecar;
mod source;
mod status;
pub mod tasks;
mod tls;
mod unread;
pub mod webhooks;
mod well_known;

pub use app::{App, Mounted};
pub use console::{Demo, DemoPerson, DemoVerifier};
pub use metrics::Metrics;
pub use source::CoreSource;
