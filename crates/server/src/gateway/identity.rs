//! Identity tokens that were signed a moment ago, so that not each request costs a signature.
//!
//! One is taken only after the credential that it belongs to was found good at this very request, and says the same as would be signed now: so a
//! credential that was taken back takes its identity token with it.

use http::HeaderValue;
use keywright_core::{Core, Error, identity::IDENTITY_LIFE};
use keywright_protocol::{Time, claims::IdentityClaims};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// How many are remembered.
const CAPACITY: usize = 10_000;
/// One that has fewer seconds left is signed anew: whoever is told of it must have time to read it.
const LEFT_AT_LEAST: i64 = IDENTITY_LIFE / 2;

/// By what they are made from, and for whom.
pub(crate) struct Identities(Cache<(String, String), Arc<Signed>>);

struct Signed {
    who: IdentityClaims,
    kid: String,
    exp: i64,
    token: HeaderValue,
}

impl Default for Identities {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl Identities {
    /// A token that says `who`, made from the credential `of`, which was found good just now and ends at the second `not_after`.
    pub(crate) fn token(&self, core: &Core, who: &IdentityClaims, of: String, (now, not_after): (Time, i64)) -> Result<HeaderValue, Error> {
        let cell = (of, who.aud.clone());
        let keyring = core.keyring();
        let kid = &keyring.identity()?.jwk().kid;
        if let Some(known) = self.0.get(&cell)
            && known.who == *who
            && known.kid == *kid
            && known.exp <= not_after
            && (known.exp - now.as_seconds() >= LEFT_AT_LEAST || known.exp == not_after)
        {
            return Ok(known.token.clone());
        }
        let (token, exp) = core.identity_token(who, now, not_after)?;
        let token = HeaderValue::from_str(&token).map_err(|_| Error::Internal("a signed token is no text"))?;
        self.0.insert(cell, Arc::new(Signed { who: who.clone(), kid: kid.clone(), exp, token: token.clone() }));
        Ok(token)
    }
}
