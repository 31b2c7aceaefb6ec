//! A typed client of Keywright's auth and identity APIs.
//!
//! A [`Client`] knows a server and no credential: it exchanges keys for access tokens and signs people in. With an access token, a
//! session or an operator key it becomes an [`Authorized`], which reads and changes what that credential may.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use keywright_client::{Client, Place, Wanted};
//!
//! let client = Client::new("https://auth.example.com")?;
//! let token = client.exchange("kw_pak_...", &Wanted::default()).await?;
//! let caller = client.with_token(&token.access_token);
//! println!("{} in {}", caller.me().await?.email, caller.me().await?.organization.name);
//! for key in caller.api_keys(Place::Current, 1).await?.data {
//!     println!("{} {}", key.name, key.state);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is sent again
//! Nothing is tried again behind one's back, with one exception: what is answered with 429 or 503 and a `Retry-After` of at most
//! [`Options::longest_wait`] is sent once more after that time, if it is a reading, an exchange, or a change, which carries an
//! `Idempotency-Key`. Whatever proves a password is never sent again.
//!
//! # Where it connects to
//! `https` alone, and `http` on this machine, unless [`Transport::PlainHttp`] is chosen. It follows no redirection, and on `http` it goes
//! by no proxy: a secret goes to the server that was named, or nowhere.

mod activity;
mod authorized;
mod client;
mod error;
mod identity;
mod keys;
mod options;
mod sessions;
mod token;

pub use activity::ActivityFilter;
pub use authorized::{Authorized, Changed, Place};
pub use client::Client;
pub use error::{ClientError, Refusal};
pub use keys::Rotation;
pub use keywright_protocol as protocol;
pub use options::{BaseUrlError, Options, Transport};
pub use sessions::SignIn;
pub use token::Wanted;
