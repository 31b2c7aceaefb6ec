//! Route by route: an actor, a call, what comes back.

mod auth;
mod health;
mod openapi;
mod outer;
mod well_known;
