//! Identity tokens: what a gateway says to what stands behind it of whoever it let through.

use crate::{Core, Error, chance};
use keywright_protocol::{
    Time,
    claims::{IDENTITY_TOKEN_TYPE, IdentityClaims},
};

/// Seconds that an identity token lives, if what it is made from lives so long.
pub const IDENTITY_LIFE: i64 = 60;

impl Core {
    /// Signs who somebody is, from `now` on, and never beyond `not_after`, in seconds since the epoch. Answers the token and the second at which it
    /// ends. What times and `jti` stand in `who` is not looked at. That he was found good at this moment is for the caller to know.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn identity_token(&self, who: &IdentityClaims, now: Time, not_after: i64) -> Result<(String, i64), Error> {
        let (issued, jti) = (now.as_seconds(), chance::text()?);
        let exp = issued.saturating_add(IDENTITY_LIFE).min(not_after);
        let claims = IdentityClaims { exp, nbf: issued, iat: issued, jti, ..who.clone() };
        let payload = serde_json::to_vec(&claims).map_err(|_| Error::Internal("claims cannot be written"))?;
        Ok((self.keyring().identity()?.sign_document(IDENTITY_TOKEN_TYPE, &payload)?, exp))
    }
}
