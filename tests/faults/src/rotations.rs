//! Signing keys are rotated under load: no good token is ever refused, neither one of the new key nor one of the old.

use crate::{
    revocations::Load,
    verifiers::{self, Verdict},
    world::World,
};
use anyhow::{bail, ensure};
use keywright_protocol::{
    admin::{AdminReply, AdminRequest, SigningKeyState},
    jwk::Purpose,
};
use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// Tokens live a minute in this drill; one that is younger must be accepted.
const YOUNGER_THAN: Duration = Duration::from_secs(50);
/// Successors are published before they sign for longer than a verifier that polls goes without news.
const SETTINGS: [(&str, &str); 4] = [
    ("KEYWRIGHT_SIGNING_KEYS__PUBLISHED_BEFORE_SECONDS", "6"),
    ("KEYWRIGHT_TOKENS__LIFE_MINUTES", "1"),
    ("KEYWRIGHT_LIMITS__KEY_PER_SECOND", "0"),
    ("KEYWRIGHT_LIMITS__ORGANIZATION_PER_SECOND", "0"),
];

pub(crate) async fn run(binary: &Path, count: usize) -> anyhow::Result<()> {
    let world = Arc::new(World::start(binary, &SETTINGS).await?);
    let all = Arc::new(verifiers::start(binary, &world.issuer).await?);
    let load = Load::start(&world).await?;
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut checking = JoinSet::new();
    let (checked_world, checked, ended) = (Arc::clone(&world), Arc::clone(&all), Arc::clone(&over));
    checking.spawn(async move { check(&checked_world, &checked, &ended).await });
    let mut active = signing(&world).await?;
    for number in 0..count {
        world.administer(AdminRequest::RotateSigningKeys { purpose: Some(Purpose::AccessToken) }).await?;
        let begun = Instant::now();
        let before = active.clone();
        while active == before {
            ensure!(begun.elapsed() < Duration::from_secs(60), "rotation {number}: the successor does not sign");
            if let Some(ended) = checking.try_join_next() {
                ended??;
                bail!("the check has ended by itself");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            active = signing(&world).await?;
        }
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut verified = 0;
    while let Some(count) = checking.join_next().await {
        verified += count??;
    }
    let exchanged = load.end().await?;
    println!("{count} rotations, {exchanged} exchanges meanwhile, {verified} verifications of good tokens by {} verifiers: 0 refused", all.len());
    Ok(())
}

async fn signing(world: &World) -> anyhow::Result<String> {
    let AdminReply::SigningKeys { keys } = world.administer(AdminRequest::ListSigningKeys).await? else { bail!("signing keys were expected") };
    let active = keys.into_iter().find(|key| key.purpose == Purpose::AccessToken && key.state == SigningKeyState::Active);
    active.map(|key| key.kid).ok_or_else(|| anyhow::anyhow!("there is an active key"))
}

/// Asks every verifier about a new token, and about an older one each time, until it is over.
async fn check(world: &World, all: &[verifiers::Verifier], over: &std::sync::atomic::AtomicBool) -> anyhow::Result<u64> {
    let key = world.api_key(0).await?;
    let mut held: VecDeque<(Instant, String)> = VecDeque::new();
    let mut verified = 0;
    while !over.load(std::sync::atomic::Ordering::Relaxed) {
        let token = world.exchange(&key).await?;
        while held.front().is_some_and(|(made, _)| made.elapsed() > YOUNGER_THAN) {
            held.pop_front();
        }
        let oldest = held.front().map(|(_, token)| token.clone());
        for verifier in all {
            for token in std::iter::once(&token).chain(&oldest) {
                let known = verifier.ask(token).await?;
                ensure!(known.verdict == Verdict::Accepted, "{} says {:?} of a good token", verifier.name, known.verdict);
                verified += 1;
            }
        }
        held.push_back((Instant::now(), token));
    }
    Ok(verified)
}
