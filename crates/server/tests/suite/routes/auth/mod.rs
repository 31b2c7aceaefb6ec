//! The auth API.

mod api_key_token;
mod second_factor;
mod sessions;
mod userinfo;
mod v1_v2_token;
mod v3_token;
