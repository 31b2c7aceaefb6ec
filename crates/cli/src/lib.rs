//! What a person or a pipeline types: the commands that talk to a server, and what they print.

pub mod admin;
pub mod catalog;
pub mod operator_key;
mod outbox;
pub mod remote;
pub mod signing_keys;
