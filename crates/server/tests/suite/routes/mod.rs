//! Route by route: an actor, a call, what comes back.

mod activity;
mod auth;
mod gateway;
mod governance;
mod guide;
mod health;
mod idempotency;
mod identity;
mod oauth;
mod openapi;
mod operator;
mod outer;
mod roles;
mod sentences;
mod status;
mod well_known;
