//! The life of signing keys, and what verifiers see of it.

use crate::support::{World, payload, world, world_with};
use keywright_core::{Core, Error};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{
    Position,
    admin::{SigningKeyRow, SigningKeyState},
    jwk::Purpose,
    status::News,
};
use std::{collections::BTreeSet, time::Duration};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_successor_is_published_before_it_signs_and_its_predecessor_after,
    an_old_key_gets_a_successor_by_itself,
    a_key_that_has_leaked_is_believed_no_more,
    a_pending_key_can_be_revoked,
);

const MINUTE: Duration = Duration::from_secs(60);

fn published(core: &Core) -> BTreeSet<String> {
    core.keyring().jwks().keys.into_iter().map(|key| key.kid).collect()
}

fn signing(core: &Core) -> String {
    core.keyring().token().jwk().kid.clone()
}

fn news(core: &Core, after: Option<Position>) -> News {
    payload(&core.status_news(after).unwrap().text)
}

async fn states(world: &World, kid: &str) -> SigningKeyState {
    let rows: Vec<SigningKeyRow> = world.core.list_signing_keys(&world.host()).await.unwrap();
    rows.into_iter().find(|row| row.kid == kid).unwrap().state
}

async fn pass(world: &World, time: Duration) {
    world.clock.advance(time);
    world.core.advance_signing_keys(world.clock.now()).await.unwrap();
}

/// Reddens when a key signs at once, and when its predecessor is removed while tokens of it are out.
async fn a_successor_is_published_before_it_signs_and_its_predecessor_after(db: Db) {
    let world = world(db).await;
    let core = &world.core;
    let (old, before) = (signing(core), news(core, None));
    let made = core.rotate_signing_keys(&world.host(), Some(Purpose::AccessToken)).await.unwrap().value;
    let new = made[0].kid.clone();
    assert_eq!((made.len(), made[0].state), (1, SigningKeyState::Pending));
    assert!(published(core).contains(&new) && signing(core) == old);
    assert!(news(core, None).keys_at > before.keys_at, "verifiers hear that the key set is another one");
    assert!(matches!(core.rotate_signing_keys(&world.host(), None).await, Err(Error::Conflict(_))), "one successor at a time");
    pass(&world, 15 * MINUTE - Duration::from_millis(1)).await;
    assert_eq!(signing(core), old);
    pass(&world, Duration::from_millis(1)).await;
    assert_eq!((signing(core), states(&world, &old).await), (new.clone(), SigningKeyState::Retired));
    assert!(published(core).contains(&old), "tokens of it are out");
    // The life of a token, the leeway, and clocks that disagree.
    pass(&world, 62 * MINUTE - Duration::from_millis(1)).await;
    assert!(published(core).contains(&old));
    pass(&world, Duration::from_millis(1)).await;
    assert!(!published(core).contains(&old));
    assert_eq!((states(&world, &old).await, states(&world, &new).await), (SigningKeyState::Removed, SigningKeyState::Active));
    assert!(!news(core, None).revoked_keys.contains(&old), "it was never taken back");
}

async fn an_old_key_gets_a_successor_by_itself(db: Db) {
    let world = world(db).await;
    let (old, all) = (signing(&world.core), published(&world.core).len());
    pass(&world, Duration::from_secs(90 * 24 * 60 * 60) - Duration::from_millis(1)).await;
    assert_eq!(published(&world.core).len(), all);
    pass(&world, Duration::from_millis(1)).await;
    assert_eq!((published(&world.core).len(), signing(&world.core)), (2 * all, old.clone()), "one successor a purpose");
    pass(&world, 15 * MINUTE).await;
    assert_ne!(signing(&world.core), old);
    pass(&world, 62 * MINUTE).await;
    assert_eq!(published(&world.core).len(), all);
}

/// Reddens when a revoked key is published, or not told of, or when nobody signs in its place.
async fn a_key_that_has_leaked_is_believed_no_more(db: Db) {
    let world = world(db.clone()).await;
    let (core, host) = (&world.core, world.host());
    for purpose in Purpose::ALL {
        let row = core.list_signing_keys(&host).await.unwrap().into_iter().find(|row| row.purpose == purpose && row.state == SigningKeyState::Active).unwrap();
        let known = news(core, None);
        core.revoke_signing_key(&host, &row.kid).await.unwrap();
        let told = news(core, Some(known.position));
        assert!(told.revoked_keys.contains(&row.kid) && told.keys_at > known.keys_at, "{purpose:?}");
        assert!(!published(core).contains(&row.kid));
        core.revoke_signing_key(&host, &row.kid).await.unwrap();
        assert_eq!(states(&world, &row.kid).await, SigningKeyState::Revoked);
    }
    world.exchange("owner", None).await.unwrap();
    assert!(matches!(core.revoke_signing_key(&host, "nobody's").await, Err(Error::Absent(_))));
    let again = world.restart(db).await;
    assert_eq!(news(&again, None).revoked_keys.len(), Purpose::ALL.len(), "for ever");
    assert_eq!(published(&again), published(core));
}

async fn a_pending_key_can_be_revoked(db: Db) {
    let world = world_with(db, |settings| settings.signing_keys.published_before = 24 * 60 * MINUTE).await;
    let (core, host) = (&world.core, world.host());
    let old = signing(core);
    let pending = core.rotate_signing_keys(&host, Some(Purpose::AccessToken)).await.unwrap().value.remove(0).kid;
    core.revoke_signing_key(&host, &pending).await.unwrap();
    assert!(!published(core).contains(&pending) && signing(core) == old);
    core.rotate_signing_keys(&host, Some(Purpose::AccessToken)).await.unwrap();
}

#[tokio::test]
async fn they_are_the_business_of_whoever_runs_the_installation() {
    let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let world = world(test.db.clone()).await;
    let owner = world.person("owner", 0).await;
    let kid = signing(&world.core);
    let refusals = [
        world.core.list_signing_keys(&owner).await.err(),
        world.core.rotate_signing_keys(&owner, None).await.err(),
        world.core.revoke_signing_key(&owner, &kid).await.err(),
    ];
    assert!(refusals.iter().all(|refusal| refusal.as_ref().is_some_and(|error| error.code() == "insufficient_permission")), "{refusals:?}");
}
