//! The decision.

use crate::{
    Config, Need, Snapshot, Source, StatusPolicy, Verified, VerifyError,
    parse::{self, Jws, Null},
};
use keywright_protocol::{
    AccessClaims, Time,
    claims::ACCESS_TOKEN_TYPE,
    jwk::{Algorithm, Purpose},
    secret,
    status::{ENTRIES, Entry},
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
        source.serves(&config);
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
            return self.times(&known.claims, now).and_then(|()| self.standing(&known, snapshot, now)).map(|()| known);
        }
        let snapshot_known = snapshot.as_deref();
        let verified = Arc::new(self.verify_anew(token, snapshot_known, now)?);
        if let Some(seen) = &self.seen {
            seen.insert(token.into(), Arc::clone(&verified));
        }
        match snapshot_known {
            Some(snapshot) => self.standing(&verified, snapshot, now).map(|()| verified),
            None => Err(VerifyError::NeedsRefresh(Need::Keys)),
        }
    }

    /// [`Verifier::verify`], and when that needs to know more, one [`Source::refresh`] for each thing it needs and another try.
    ///
    /// # Errors
    /// [`VerifyError`], never `NeedsRefresh`: a key that is unknown after the refresh is [`VerifyError::UnknownKey`]; without what is
    /// needed the token cannot be judged, which is [`VerifyError::Unavailable`].
    pub async fn verify_refreshing(&self, token: &str, now: Time) -> Result<Arc<Verified>, VerifyError> {
        let mut asked: Option<Need> = None;
        loop {
            let need = match self.verify(token, now) {
                Err(VerifyError::NeedsRefresh(need)) => need,
                decided => return decided,
            };
            // Whatever is still missing after it was asked for is not to be had. Each kind is asked for once: keys, then a list, then a
            // list that is not too old.
            if asked.is_some_and(|asked| order(asked) >= order(need)) {
                return self.without(need, token, now);
            }
            match (self.source.refresh(need).await, need) {
                (Ok(()), _) => asked = Some(need),
                (Err(_), Need::Keys) => return Err(VerifyError::Unavailable),
                (Err(_), Need::StatusList(_) | Need::Status) => return self.without(need, token, now),
            }
        }
    }

    /// The decision when something is needed that is not to be had.
    fn without(&self, need: Need, token: &str, now: Time) -> Result<Arc<Verified>, VerifyError> {
        match (need, self.config.status) {
            (Need::Keys, _) if self.source.snapshot().is_some() => Err(VerifyError::UnknownKey),
            (Need::StatusList(_) | Need::Status, StatusPolicy::Lenient) => {
                let snapshot = self.source.snapshot().ok_or(VerifyError::Unavailable)?;
                let verified = Arc::new(self.verify_anew(token, Some(&snapshot), now)?);
                match self.standing(&verified, &snapshot, now) {
                    Ok(()) | Err(VerifyError::NeedsRefresh(_)) => Ok(verified),
                    Err(taken_back) => Err(taken_back),
                }
            }
            (Need::Keys | Need::StatusList(_) | Need::Status, _) => Err(VerifyError::Unavailable),
        }
    }

    /// Whether a token that is good in itself was taken back, as far as that is known.
    fn standing(&self, token: &Verified, snapshot: &Snapshot, now: Time) -> Result<(), VerifyError> {
        let max_age = match self.config.status {
            StatusPolicy::Ignore => return Ok(()),
            StatusPolicy::Lenient => None,
            StatusPolicy::Strict { max_age } => Some(max_age),
        };
        let index = token.status_index();
        let Some(lists) = &snapshot.status else { return Err(VerifyError::NeedsRefresh(Need::Status)) };
        match lists.entry(index) {
            Entry::Ended => Err(VerifyError::Revoked),
            Entry::Unknown => Err(VerifyError::NeedsRefresh(Need::StatusList(index / ENTRIES))),
            // The issuer's time counts, not that of receipt: what was held back on its way is not fresh.
            Entry::Good if max_age.is_some_and(|max_age| Time::from_millis(lists.as_of()).plus(max_age) < now) => Err(VerifyError::NeedsRefresh(Need::Status)),
            Entry::Good => Ok(()),
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
        let snapshot = snapshot.ok_or(VerifyError::NeedsRefresh(Need::Keys))?;
        let key = snapshot.keys.get(&jws.header.kid).ok_or(VerifyError::NeedsRefresh(Need::Keys))?;
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
        let status = claims.status.index(&self.config.issuer).ok_or(VerifyError::Claims("status must name an entry of one of the issuer's status lists"))?;
        let audience = (self.config.audience != self.config.issuer).then_some(self.config.audience.as_str());
        Ok(Verified::new(claims, audience, Arc::clone(&snapshot.catalog), snapshot.epoch, status))
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
        self.times(&claims, now)?;
        Ok(claims)
    }

    /// Whether it is within its times; of a token that was seen before too, since clocks are set back.
    fn times(&self, claims: &AccessClaims<'_>, now: Time) -> Result<(), VerifyError> {
        if now.as_millis() >= Time::from_seconds(claims.exp).as_millis().saturating_add(self.config.leeway_millis()) {
            return Err(VerifyError::Expired);
        }
        let latest_start = now.as_millis().saturating_add(self.config.not_before_leeway_millis());
        if Time::from_seconds(claims.nbf.max(claims.iat)).as_millis() > latest_start {
            return Err(VerifyError::NotYetValid);
        }
        Ok(())
    }
}

/// Needs come in this order, as a token is looked at.
const fn order(need: Need) -> u8 {
    match need {
        Need::Keys => 0,
        Need::StatusList(_) => 1,
        Need::Status => 2,
    }
}
