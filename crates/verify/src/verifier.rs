//! The decision.

use crate::{
    Config, Snapshot, Source, Verified, VerifyError,
    parse::{self, Jws, Null},
};
use keywright_protocol::{
    AccessClaims, Time,
    claims::ACCESS_TOKEN_TYPE,
    jwk::{Algorithm, Purpose},
    secret,
};
use quick_cache::sync::Cache;
use std::{fmt, sync::Arc};

/// Longest token that is looked at, in bytes. Keywright issues none longer than 2 KiB.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// 9999-12-31T23:59:59Z: no time in a token lies later.
const END_OF_TIME: i64 = 253_402_300_799;

/// Checks access tokens of one issuer for one audience.
pub struct Verifier {
    config: Config,
    source: Arc<dyn Source>,
    /// Tokens that were found good, by their whole text. Refusals are not kept: they cost their sender's patience, not memory.
    seen: Option<Cache<Box<str>, Arc<Verified>>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that insists on `config` and knows what `source` knows.
    pub fn new(config: Config, source: Arc<dyn Source>) -> Self {
        let seen = (config.cache_capacity > 0).then(|| Cache::new(config.cache_capacity));
        Self { config, source, seen }
    }

    /// What it insists on.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its keys come from.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Checks a token as of `now`. No I/O, and nothing but the source's snapshot and its own memory of good tokens is asked.
    ///
    /// # Errors
    /// [`VerifyError`] says why the token is not accepted. [`VerifyError::NeedsRefresh`] alone is no refusal:
    /// [`Verifier::verify_refreshing`] deals with it.
    pub fn verify(&self, token: &str, now: Time) -> Result<Arc<Verified>, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLong);
        }
        let snapshot = self.source.snapshot();
        if let (Some(snapshot), Some(seen)) = (&snapshot, &self.seen)
            && let Some(known) = seen.get(token)
            && known.epoch() == snapshot.epoch
        {
            return if self.is_expired(&known.claims, now) { Err(VerifyError::Expired) } else { Ok(known) };
        }
        let verified = Arc::new(self.verify_anew(token, snapshot.as_deref(), now)?);
        if let Some(seen) = &self.seen {
            seen.insert(token.into(), Arc::clone(&verified));
        }
        Ok(verified)
    }

    /// [`Verifier::verify`], and when that needs fresh keys, one [`Source::refresh`] and a second try.
    ///
    /// # Errors
    /// [`VerifyError`], never `NeedsRefresh`: a key that is unknown after the refresh is [`VerifyError::UnknownKey`]; without a
    /// refresh the token cannot be judged, which is [`VerifyError::Unavailable`].
    pub async fn verify_refreshing(&self, token: &str, now: Time) -> Result<Arc<Verified>, VerifyError> {
        match self.verify(token, now) {
            Err(VerifyError::NeedsRefresh) => {}
            decided => return decided,
        }
        self.source.refresh().await.map_err(|_| VerifyError::Unavailable)?;
        match self.verify(token, now) {
            Err(VerifyError::NeedsRefresh) if self.source.snapshot().is_some() => Err(VerifyError::UnknownKey),
            Err(VerifyError::NeedsRefresh) => Err(VerifyError::Unavailable),
            decided => decided,
        }
    }

    fn verify_anew(&self, token: &str, snapshot: Option<&Snapshot>, now: Time) -> Result<Verified, VerifyError> {
        if let Some(kind) = secret::recognize(token) {
            return Err(VerifyError::RawKey(kind));
        }
        let jws = Jws::parse(token)?;
        if jws.header.typ != ACCESS_TOKEN_TYPE {
            return Err(VerifyError::WrongType);
        }
        let algorithm = Algorithm::from_name(&jws.header.alg).filter(|named| self.config.algorithms.contains(named)).ok_or(VerifyError::Algorithm)?;
        let snapshot = snapshot.ok_or(VerifyError::NeedsRefresh)?;
        let key = snapshot.keys.get(&jws.header.kid).ok_or(VerifyError::NeedsRefresh)?;
        if key.purpose != Purpose::AccessToken {
            return Err(VerifyError::UnknownKey);
        }
        if key.algorithm != algorithm {
            return Err(VerifyError::Algorithm);
        }
        if !key.verifies(jws.signed.as_bytes(), &jws.signature) {
            return Err(VerifyError::Signature);
        }
        let claims = self.claims(&jws, now)?;
        let audience = (self.config.audience != self.config.issuer).then_some(self.config.audience.as_str());
        Ok(Verified::new(claims, audience, Arc::clone(&snapshot.catalog), snapshot.epoch))
    }

    /// Reads the claims of a token whose signature was found right, and checks whose, for whom and when.
    fn claims(&self, jws: &Jws<'_>, now: Time) -> Result<AccessClaims<'static>, VerifyError> {
        let claims: AccessClaims<'static> = parse::read_object(&jws.payload()?, Null::Refused)
            .map_err(|_| VerifyError::Claims("a required one is missing, of the wrong type or there twice; exchange the key for a new one"))?;
        if [claims.exp, claims.nbf, claims.iat].iter().any(|second| !(0..=END_OF_TIME).contains(second)) {
            return Err(VerifyError::Claims("exp, nbf and iat must be seconds since 1970 and before the year 10000"));
        }
        if claims.iss != self.config.issuer {
            return Err(VerifyError::WrongIssuer);
        }
        if claims.aud != self.config.audience {
            return Err(VerifyError::WrongAudience);
        }
        if self.is_expired(&claims, now) {
            return Err(VerifyError::Expired);
        }
        let latest_start = now.as_millis().saturating_add(self.config.not_before_leeway_millis());
        if Time::from_seconds(claims.nbf.max(claims.iat)).as_millis() > latest_start {
            return Err(VerifyError::NotYetValid);
        }
        Ok(claims)
    }

    fn is_expired(&self, claims: &AccessClaims<'_>, now: Time) -> bool {
        now.as_millis() >= Time::from_seconds(claims.exp).as_millis().saturating_add(self.config.leeway_millis())
    }
}
