//! Raw keys at a gateway, where a route takes them.

use super::{answer::Refused, decide::Found, refused_by_core};
use crate::app::App;
use keywright_core::{Context, JudgedKey};
use keywright_protocol::claims::IdentityClaims;
use keywright_verify::insufficient;
use std::sync::Arc;

/// A key that is good for a route.
pub(super) struct Judged {
    pub(super) who: IdentityClaims,
    /// The credential, for what is remembered.
    pub(super) of: String,
    /// The second at which it ends.
    pub(super) not_after: i64,
}

/// Decides about a key, for its own organization, as an exchange of it would now.
pub(super) async fn judge(app: &App, ctx: &Context, secret: &str, found: &Found<'_>) -> Result<Judged, Refused> {
    let audience = Some(found.audience.as_str()).filter(|audience| *audience != app.core.issuer());
    let key: JudgedKey = Arc::clone(&app.core).judge_key(ctx, secret, audience).await.map_err(refused_by_core)?;
    let permission = &found.route.permission;
    if !key.catalog.index(permission).is_some_and(|index| key.permissions.contains(index)) {
        return Err(Refused::of(&mut insufficient::<Vec<u8>>(permission, &key.catalog)));
    }
    let who = IdentityClaims {
        iss: app.core.issuer().to_owned(),
        sub: key.subject.hyphenated().to_string(),
        aud: found.upstream().to_owned(),
        exp: 0,
        nbf: 0,
        iat: 0,
        jti: String::new(),
        email: key.email,
        current_organization_id: key.organization_id,
        organization_id: key.organization_id,
        roles: key.roles,
        key_id: key.key_id,
        key_kind: key.key_kind,
    };
    Ok(Judged { who, of: format!("{}.{}", key.key_id, key.key_version), not_after: key.expires_at.as_seconds() })
}
