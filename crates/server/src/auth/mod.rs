//! The auth API: exchange of keys, and who holds a token.

mod docs;
mod form;
pub(crate) mod token;
pub(crate) mod userinfo;
