//! Changes of keys at the same moment: each happens as if alone, and what is revoked stays so.

use crate::{
    keys::{Made, code, role},
    support::{World, outcome, world, world_with},
};
use futures_util::future::join_all;
use keywright_core::{
    Credential, Part,
    keys::{
        api::{ApiKeyChange, NewApiKey},
        rotation::Rotation,
    },
    members::RoleChange,
};
use keywright_db::{Db, Writes, on_both_engines};
use std::{collections::BTreeSet, time::Duration};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    two_rotations_at_once_are_two_versions,
    eight_at_the_limit_never_go_over_it,
    a_revoked_key_never_exchanges_again_whatever_else_happens,
    a_key_made_while_its_maker_is_demoted_may_no_more_than_he_might,
);

const ROUNDS: usize = 20;
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn key(world: &World, name: String) -> Made {
    world.api_key(NewApiKey { name, ..NewApiKey::default() }).await
}

/// Reddens when the number of a version is read outside of the rotation's own transaction.
async fn two_rotations_at_once_are_two_versions(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    for round in 0..ROUNDS {
        let key = key(&world, format!("rotated {round}")).await;
        let (ctx, how) = (world.host(), Rotation { overlap: HOUR, expires_at: None });
        let rotate = || world.core.rotate_api_key(&ctx, acme, key.id, how);
        let (one, other) = tokio::join!(rotate(), rotate());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(BTreeSet::from([one.version, other.version]), BTreeSet::from([2, 3]));
        assert_ne!(one.position, other.position);
        for secret in [key.secret.as_str(), one.secret.reveal(), other.secret.reveal()] {
            assert_eq!(world.try_key(&key.name, secret).await, "accepted", "round {round}: the overlap of each");
        }
        let last = world.rotate(&ctx, key.id, Duration::ZERO, None).await.unwrap();
        for secret in [key.secret.as_str(), one.secret.reveal(), other.secret.reveal()] {
            assert_eq!(world.try_key(&key.name, secret).await, "key_secret_replaced", "round {round}");
        }
        assert_eq!(world.try_key(&key.name, &last).await, "accepted");
    }
}

/// Reddens when keys are counted outside of the transaction that makes one.
async fn eight_at_the_limit_never_go_over_it(db: Db) {
    let world = world_with(db, |settings| (settings.api_keys_per_root, settings.personal_access_keys_per_member) = (5, 3)).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let (host, owner) = (world.host(), world.person("owner", 0).await);
    // Two API Keys there are, and one key of the Owner's.
    let makers = (0..8).map(|number| {
        let (world, host, place) = (&world, &host, if number % 2 == 0 { acme } else { mobile });
        async move { code(world.core.create_api_key(host, place, &format!("racer {number}"), &[role(place, "view-build")], None).await) }
    });
    let made = join_all(makers).await;
    assert_eq!(made.iter().filter(|code| **code == "done").count(), 3, "{made:?}");
    assert_eq!(made.iter().filter(|code| **code == "conflict").count(), 5, "{made:?}");
    let count = async |place| world.core.list_api_keys(&host, place, Part::ALL).await.unwrap().total;
    assert_eq!(count(acme).await + count(mobile).await, 5);

    let own = join_all((0..8).map(|_| world.core.create_own_personal_access_key(&owner, acme, "laptop", None))).await;
    assert_eq!(own.iter().filter(|made| made.is_ok()).count(), 2);
    // The same name at once: one has it.
    world.core.revoke_key(&host, world.demo.api_keys["acme-ci"].id).await.unwrap();
    world.core.revoke_key(&host, world.demo.api_keys["mobile-ci"].id).await.unwrap();
    let grants = [role(acme, "view-build")];
    let twins = join_all((0..8).map(|_| world.core.create_api_key(&host, acme, "twin", &grants, None))).await;
    assert_eq!(twins.iter().filter(|made| made.is_ok()).count(), 1);
}

/// Reddens when `refuse_revoked` is left out of an operation and its statement does not say it either.
async fn a_revoked_key_never_exchanges_again_whatever_else_happens(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    for round in 0..ROUNDS {
        let key = key(&world, format!("revoked {round}")).await;
        let ctx = world.host();
        if round % 2 == 0 {
            assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted");
        }
        world.core.suspend_api_key(&ctx, acme, key.id).await.unwrap();
        let later = ApiKeyChange { not_before: Some(world.clock.now()), name: Some(format!("late {round}")), ..ApiKeyChange::default() };
        let exchange = async { outcome(&world.core.exchange(&ctx, Credential::ApiKey { name: &key.name, secret: &key.secret }, None).await) };
        let (rotated, resumed, changed, revoked, _) = tokio::join!(
            world.rotate(&ctx, key.id, HOUR, Some(world.clock.now().plus(HOUR))),
            world.core.resume_api_key(&ctx, acme, key.id),
            world.core.update_api_key(&ctx, acme, key.id, later),
            world.core.revoke_api_key(&ctx, acme, key.id),
            exchange
        );
        revoked.unwrap();
        for secret in [Some(key.secret.clone()), rotated.ok()].into_iter().flatten() {
            for _ in 0..2 {
                assert_eq!(world.try_key(&key.id.to_string(), &secret).await, "key_revoked", "round {round}");
            }
        }
        for done in [code(resumed), code(changed)] {
            assert!(["done", "conflict"].contains(&done), "{done}");
        }
        assert_eq!(code(world.rotate(&ctx, key.id, HOUR, None).await), "conflict");
        assert_eq!(world.try_key(&key.id.to_string(), &key.secret).await, "key_revoked", "round {round}");
    }
}

/// Reddens when the maker's permissions are read before the transaction that makes the key.
async fn a_key_made_while_its_maker_is_demoted_may_no_more_than_he_might(db: Db) {
    let world = world(db).await;
    let (acme, manager) = (world.demo.acme.id, world.demo.users["manager"].id);
    let (strong, weak) = (["manage-build", "manage-organization"], ["manage-organization"]);
    let set = |roles: &[&str]| RoleChange::Replace(roles.iter().map(|role| (*role).to_owned()).collect());
    for round in 0..ROUNDS {
        world.core.change_roles(&world.host(), acme, manager, set(&strong)).await.unwrap();
        let (ctx, host) = (world.person("manager", 0).await, world.host());
        let (name, grants) = (format!("racing {round}"), [role(acme, "manage-build")]);
        let (made, demoted) =
            tokio::join!(world.core.create_api_key(&ctx, acme, &name, &grants, None), world.core.change_roles(&host, acme, manager, set(&weak)));
        let demoted = demoted.unwrap().position;
        match made {
            Ok(made) => assert!(made.position < demoted, "round {round}: made by what he had no more"),
            Err(refused) => assert_eq!(refused.code(), "insufficient_permission"),
        }
    }
}
