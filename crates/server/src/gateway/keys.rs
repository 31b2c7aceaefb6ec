//! Raw keys at a gateway, where a route takes them.

use super::{answer::Refused, decide::Found, refused_by_core};
use crate::app::App;
use keywright_core::{Context, Error};
use keywright_protocol::claims::IdentityClaims;

/// A key that is good for a route.
pub(super) struct Judged {
    pub(super) who: IdentityClaims,
    /// The credential, for what is remembered.
    pub(super) of: String,
    /// The second at which it ends.
    pub(super) not_after: i64,
}

/// Decides about a key as an exchange of it would now.
pub(super) async fn judge(app: &App, ctx: &Context, secret: &str, found: &Found<'_>) -> Result<Judged, Refused> {
    let _ = (app, ctx, secret, found);
    Err(refused_by_core(Error::Unavailable))
}
