//! One verification in process: of a token seen before, of a new one, and the bare signature check beside it.

use crate::issue::Signer;
use anyhow::Context;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use keywright_protocol::{
    AccessClaims, Clock, KeyKind, Time,
    catalog::{Api, Catalog, Document, OWNER, Role},
    jwk::{Algorithm, JwkSet},
    status::{StatusClaim, StatusList},
};
use keywright_verify::{Config, KeySet, Need, Refreshing, Snapshot, Source, StatusLists, Verifier};
use std::{collections::BTreeMap, hint::black_box, sync::Arc};
use uuid::Uuid;

const ISSUER: &str = "https://auth.example.com";
const ID: Uuid = Uuid::from_u128(0x5d1c_3a52_1f0e_4a5b_9a34_0d6c_7d5f_2b11);

struct Memory(Arc<Snapshot>);

impl Source for Memory {
    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Some(Arc::clone(&self.0))
    }

    fn refresh(&self, _need: Need) -> Refreshing<'_> {
        Box::pin(async { Ok(()) })
    }
}

/// Measures and prints.
pub(crate) fn run(count: u32) -> anyhow::Result<()> {
    let now = Clock::System.now();
    let (signer, verifier, key) = parts()?;
    let header = signer.header();
    let tokens = (0..u64::from((count / 100).max(1))).map(|number| signer.token(&header, &claims(now, number))).collect::<anyhow::Result<Vec<_>>>()?;
    let split = tokens.iter().map(|token| token.rsplit_once('.').context("a token has dots"));
    let signed = split.map(|parts| parts.and_then(|(message, signature)| Ok((message, BASE64.decode(signature)?)))).collect::<anyhow::Result<Vec<_>>>()?;
    // In turn, so that both have the same weather.
    let (mut first_sight, mut bare) = (Vec::with_capacity(tokens.len()), Vec::with_capacity(tokens.len()));
    for (token, (message, signature)) in tokens.iter().zip(&signed) {
        first_sight.push(nanoseconds([token].into_iter(), |token| verifier.verify(token, now).map(drop).map_err(Into::into))?);
        bare.push(nanoseconds([signature].into_iter(), |signature| Ok(key.verify_sig(message.as_bytes(), signature)?))?);
    }
    let (first_sight, bare) = (median(first_sight)?, median(bare)?);
    let token = tokens.last().context("there is a token")?;
    let seen = nanoseconds(0..count, |_| verifier.verify(black_box(token), now).map(drop).map_err(Into::into))?;
    println!("{}", serde_json::json!({ "seenBefore": seen, "firstSight": first_sight, "signatureAlone": bare }));
    Ok(())
}

fn parts() -> anyhow::Result<(Signer, Verifier, ParsedPublicKey)> {
    let signer = Signer::generate(Algorithm::ES256)?;
    let (jwk, point) = signer.es256_public().context("an ES256 key has a point")?;
    let status = Arc::new(StatusLists::default());
    status.insert(0, Arc::new(StatusList::all_good()));
    status.confirm(i64::MAX);
    let snapshot = Snapshot { keys: KeySet::from_jwks(&JwkSet { keys: vec![jwk] })?, catalog: Arc::new(catalog()?), epoch: 1, status: Some(status) };
    let verifier = Verifier::new(Config::new(ISSUER, ISSUER), Arc::new(Memory(Arc::new(snapshot))));
    Ok((signer, verifier, ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)?))
}

/// The mean of one call.
fn nanoseconds<T>(items: impl Iterator<Item = T>, mut call: impl FnMut(T) -> anyhow::Result<()>) -> anyhow::Result<u128> {
    let (mut count, start) = (0, crate::instant());
    for item in items {
        call(item)?;
        count += 1;
    }
    start.elapsed().as_nanos().checked_div(count).context("nothing was measured")
}

fn median(mut measured: Vec<u128>) -> anyhow::Result<u128> {
    measured.sort_unstable();
    measured.get(measured.len() / 2).copied().context("nothing was measured")
}

/// An owner's claims in an installation with as many permissions as the contract has.
pub(crate) fn claims(now: Time, number: u64) -> AccessClaims<'static> {
    AccessClaims {
        iss: ISSUER.into(),
        sub: ID.to_string().into(),
        aud: ISSUER.into(),
        exp: now.as_seconds() + 3600,
        nbf: now.as_seconds(),
        iat: now.as_seconds(),
        jti: format!("{number:022}").into(),
        client_id: ID.to_string().into(),
        roles: vec![OWNER.into()],
        permissions: Vec::new(),
        scope: None,
        current_organization_id: ID.into(),
        organization_id: ID.into(),
        email: "owner@acme.example".into(),
        key_id: ID.into(),
        key_kind: KeyKind::PersonalAccessKey,
        key_version: Some(1),
        status: StatusClaim::new(ISSUER, number),
    }
}

fn catalog() -> anyhow::Result<Catalog> {
    let permissions = (0..197).map(|number| (format!("module.object.verb-{number}"), String::new())).collect();
    let apis = BTreeMap::from([("example".to_owned(), Api { audience: None, permissions })]);
    let roles = BTreeMap::from([(OWNER.to_owned(), Role { name: "Owner".to_owned(), everything: true, ..Role::default() })]);
    Ok(Catalog::new(Document { apis, roles, ..Document::default() })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_a_good_verification() {
        let (signer, verifier, key) = parts().unwrap();
        let now = Time::from_seconds(1_700_000_000);
        let token = signer.token(&signer.header(), &claims(now, 0)).unwrap();
        let verified = verifier.verify(&token, now).unwrap();
        assert_eq!(verified.permissions().count(), 197);
        let (message, signature) = token.rsplit_once('.').unwrap();
        key.verify_sig(message.as_bytes(), &BASE64.decode(signature).unwrap()).unwrap();
        assert!(key.verify_sig(b"other", &BASE64.decode(signature).unwrap()).is_err());
    }
}
