//! Two at once: whatever the order, one of the two orders. On PostgreSQL two cores with a writer each, as two replicas are; on SQLite,
//! which belongs to one process, two tasks.
//!
//! Those about limits, Owners, rotations and makers redden on PostgreSQL when a write does not hold the lock on the revision from its
//! first statement on (`Tx::begin_job`).

use crate::{
    model::operations::Dice,
    support::{self, World, outcome},
};
use keywright_core::{
    Actor, Context, Core, Credential, Error, IssuedToken, KeyFile, PersonActor, Settings,
    catalog::Preset,
    demo,
    keys::{api::ApiKeyChange, rotation::Rotation},
    members::RoleChange,
};
use keywright_db::{
    Db, Engine, Writes,
    testing::{self, TestDb},
};
use keywright_protocol::{Clock, KeyId, OrganizationId, Time, UserId, admin::RolesIn};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use zeroize::Zeroizing;

macro_rules! races {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let test = super::testing::sqlite(super::Writes::Revisioned, keywright_store::MIGRATIONS).await;
                super::$name(super::Race::on(test).await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                let test = super::testing::postgres(super::Writes::Revisioned, keywright_store::MIGRATIONS).await;
                super::$name(super::Race::on(test).await).await;
            })+
        }
    };
}

races!(
    two_owners_against_each_other_leave_one,
    an_invitation_brings_one_member,
    nothing_revives_what_is_being_revoked,
    two_rotations_are_one_after_the_other,
    nobody_gets_past_a_limit,
    whoever_is_demoted_makes_no_key_afterwards,
    whoever_is_removed_keeps_no_key,
);

const API_KEYS: i64 = 6;
const PERSONAL_ACCESS_KEYS: i64 = 3;

struct Race {
    world: World,
    /// Another process, where there can be one.
    other: Arc<Core>,
    db: Db,
    dice: Dice,
    _test: TestDb,
}

fn rounds() -> usize {
    support::extent(20, 2_000)
}

impl Race {
    async fn on(test: TestDb) -> Self {
        let db = test.db.clone();
        let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
        let settings = || Settings {
            preset: Some(Preset::Appcircle),
            api_keys_per_root: API_KEYS,
            personal_access_keys_per_member: PERSONAL_ACCESS_KEYS,
            ..Settings::new(support::ISSUER)
        };
        let key_file = KeyFile::generate().unwrap().to_text().unwrap();
        let core = Core::start_on(db.clone(), KeyFile::parse(&key_file).unwrap(), settings(), clock.clone()).await.unwrap();
        let demo = demo::build(&core, &Context::system(clock.now()).unwrap()).await.unwrap();
        let other = match db.engine() {
            Engine::Sqlite => Arc::clone(&core),
            Engine::Postgres => {
                let second = Db::open(&test.location, Writes::Revisioned, keywright_store::MIGRATIONS).await.unwrap();
                Core::start_on(second, KeyFile::parse(&key_file).unwrap(), settings(), clock.clone()).await.unwrap()
            }
        };
        Self { world: World { core, key_file: key_file.to_string(), settings: settings(), clock, demo }, other, db, dice: Dice(7), _test: test }
    }

    fn user(&self, part: &str) -> UserId {
        self.world.demo.users[part].id
    }

    /// Somebody who has just given his password.
    async fn person(&self, part: &str) -> Context {
        let (user_id, now) = (self.user(part), self.world.clock.now());
        let session_id = support::open_session(&self.db, user_id, now).await;
        Context { actor: Actor::Person(PersonActor { user_id, session_id, confirmed_at: now }), ..self.world.host() }
    }

    async fn set(&self, organization: OrganizationId, part: &str, roles: &[&str]) {
        self.world.core.change_roles(&self.world.host(), organization, self.user(part), replace(roles)).await.unwrap();
    }

    /// One on each core, now this one a little ahead and now that one.
    async fn both<A, B>(&mut self, one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
        let (first, second) = (self.dice.below(6), self.dice.below(6));
        tokio::join!(late(first, one), late(second, other))
    }

    async fn exchange(&self, secret: &str) -> Result<IssuedToken, Error> {
        self.world.core.exchange(&self.world.host(), Credential::ApiKey { name: "racer", secret }, None).await
    }

    async fn api_key(&self, roles: &[&str]) -> (KeyId, String) {
        let made = self.world.core.create_api_key(&self.world.host(), self.world.demo.acme.id, "racer", &self.grant(roles), None).await.unwrap();
        (made.id, made.secret.reveal().to_owned())
    }

    fn grant(&self, roles: &[&str]) -> Vec<RolesIn> {
        vec![RolesIn { organization_id: self.world.demo.acme.id, roles: owned(roles) }]
    }

    async fn revoke(&self, key: KeyId) {
        self.world.core.revoke_key(&self.world.host(), key).await.unwrap();
    }
}

async fn late<T>(by: usize, what: impl Future<Output = T>) -> T {
    for _ in 0..by {
        tokio::task::yield_now().await;
    }
    what.await
}

fn owned(roles: &[&str]) -> Vec<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn replace(roles: &[&str]) -> RoleChange {
    RoleChange::Replace(owned(roles))
}

fn code<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(error) => error.code(),
    }
}

/// Reddens when the last Owner is counted outside of the change's own transaction.
async fn two_owners_against_each_other_leave_one(mut race: Race) {
    let (acme, mobile) = (race.world.demo.acme.id, race.world.demo.mobile.id);
    let (by_one, by_other) = (race.person("owner").await, race.person("manager").await);
    let (one, other) = (race.user("owner"), race.user("manager"));
    let (core, second) = (Arc::clone(&race.world.core), Arc::clone(&race.other));
    for round in 0..rounds() {
        race.set(acme, "owner", &["owner"]).await;
        race.set(acme, "manager", &["owner"]).await;
        let removes = async |core: &Arc<Core>, ctx: &Context, user| code(&core.remove_member(ctx, acme, user).await);
        let demotes = async |core: &Arc<Core>, ctx: &Context, user| code(&core.change_roles(ctx, acme, user, replace(&["view-build"])).await);
        let (first, then) = match round % 4 {
            0 => race.both(removes(&core, &by_one, other), removes(&second, &by_other, one)).await,
            1 => race.both(demotes(&core, &by_one, other), demotes(&second, &by_other, one)).await,
            2 => race.both(demotes(&core, &by_one, other), removes(&second, &by_other, one)).await,
            _ => race.both(removes(&core, &by_one, one), demotes(&second, &by_other, other)).await,
        };
        assert!((first == "done") != (then == "done"), "round {round}: {first} {then}");
        for place in [acme, mobile] {
            let members = core.list_members(&race.world.host(), place).await.unwrap();
            let owners =
                members.iter().filter(|member| [&member.own, &member.inherited].into_iter().flatten().any(|roles| roles.contains(&"owner".to_owned())));
            assert_eq!(owners.count(), 1, "round {round}");
        }
    }
}

/// Reddens when neither the search for the link nor `invitations::accept` asks whether it is still pending.
async fn an_invitation_brings_one_member(mut race: Race) {
    let (mobile, host, anonymous) = (race.world.demo.mobile.id, race.world.host(), race.world.anonymous());
    let (core, second) = (Arc::clone(&race.world.core), Arc::clone(&race.other));
    let brings = vec![RolesIn { organization_id: mobile, roles: owned(&["view-build"]) }];
    for round in 0..rounds() {
        let email = format!("new{round}@example.com");
        core.invite(&host, mobile, &email, brings.clone()).await.unwrap();
        let token = core.list_outbox(&host).await.unwrap().pop().unwrap().content.token().to_owned();
        race.db.write(|tx| Box::pin(async move { tx.execute("DELETE FROM outbox WHERE sent_at IS NULL", &[]).await })).await.unwrap();
        let accept = async |core: &Arc<Core>| core.accept_invitation(&anonymous, &token, Some("New"), Zeroizing::new("correct horse battery".to_owned())).await;
        // Now twice, now against being taken back.
        if round % 3 == 2 {
            let (accepted, revoked) = race.both(accept(&core), second.revoke_invitation(&host, mobile, &email)).await;
            assert!(accepted.is_ok() != revoked.is_ok(), "round {round}: {} {}", code(&accepted), code(&revoked));
        } else {
            let (first, then) = race.both(accept(&core), accept(&second)).await;
            assert!(first.is_ok() != then.is_ok(), "round {round}: {} {}", code(&first), code(&then));
        }
        assert_eq!(code(&accept(&core).await), "not_found");
        let members = race.db.read(move |tx| Box::pin(async move { keywright_store::memberships::list(tx, mobile).await })).await.unwrap();
        let his: Vec<_> = members.iter().filter(|member| member.email == email).collect();
        assert!(his.len() <= 1 && his.iter().all(|member| member.roles == ["view-build"]), "round {round}: {his:?}");
        for member in his {
            core.remove_member(&host, mobile, member.user_id).await.unwrap();
        }
    }
}

/// Reddens when a write answers before memory has applied it (leave `follow` out of `Core::write`), or when what changes a key does not
/// ask whether it is revoked.
async fn nothing_revives_what_is_being_revoked(mut race: Race) {
    let (acme, owner) = (race.world.demo.acme.id, race.person("owner").await);
    let core = Arc::clone(&race.world.core);
    let wider = || ApiKeyChange { grants: Some(race_grant(acme, &["manage-build"])), ..ApiKeyChange::default() };
    let how = Rotation { overlap: Duration::from_secs(3600), expires_at: None };
    for round in 0..rounds() {
        let (key, secret) = race.api_key(&["view-build"]).await;
        assert_eq!(outcome(&race.exchange(&secret).await), "accepted");
        let acknowledged = AtomicBool::new(false);
        let host = race.world.host();
        let exchanger = async || loop {
            let after = acknowledged.load(Ordering::SeqCst);
            match core.exchange(&host, Credential::ApiKey { name: "racer", secret: &secret }, None).await {
                Ok(_) if after => panic!("round {round}: an exchange that started after the acknowledgement succeeded"),
                Ok(_) => tokio::task::yield_now().await,
                Err(_) => break,
            }
        };
        let revoke = async {
            core.revoke_api_key(&owner, acme, key).await.unwrap();
            acknowledged.store(true, Ordering::SeqCst);
        };
        let changes = async {
            let suspended = core.suspend_api_key(&owner, acme, key).await;
            let (rotated, resumed, widened) = tokio::join!(
                core.rotate_api_key(&owner, acme, key, how),
                core.resume_api_key(&owner, acme, key),
                core.update_api_key(&owner, acme, key, wider())
            );
            for other in [code(&suspended), code(&resumed), code(&widened)] {
                assert!(["done", "conflict"].contains(&other), "round {round}: {other}");
            }
            rotated.ok().map(|rotated| rotated.secret.reveal().to_owned())
        };
        let (((), new_secret), ..) = tokio::join!(race.both(revoke, changes), exchanger(), exchanger());
        for secret in [Some(secret.clone()), new_secret].into_iter().flatten() {
            assert_eq!(outcome(&race.exchange(&secret).await), "key_revoked", "round {round}");
        }
        assert_eq!(code(&core.rotate_api_key(&owner, acme, key, how).await), "conflict");
        assert_eq!(code(&core.resume_api_key(&owner, acme, key).await), "conflict");
        assert_eq!(code(&core.update_api_key(&owner, acme, key, wider()).await), "conflict");
        assert_eq!(outcome(&race.exchange(&secret).await), "key_revoked", "round {round}");
    }
}

fn race_grant(organization_id: OrganizationId, roles: &[&str]) -> Vec<RolesIn> {
    vec![RolesIn { organization_id, roles: owned(roles) }]
}

/// Reddens when the number of the next version is read outside of the write, or when the older ones do not end with it.
async fn two_rotations_are_one_after_the_other(mut race: Race) {
    let (acme, owner) = (race.world.demo.acme.id, race.person("owner").await);
    let (core, second) = (Arc::clone(&race.world.core), Arc::clone(&race.other));
    for round in 0..rounds() {
        let (key, first_secret) = race.api_key(&["view-build"]).await;
        let overlap = if round % 2 == 0 { Duration::ZERO } else { Duration::from_secs(3600) };
        let how = Rotation { overlap, expires_at: None };
        let (one, other) = race.both(core.rotate_api_key(&owner, acme, key, how), second.rotate_api_key(&owner, acme, key, how)).await;
        let mut rotated = [one.unwrap(), other.unwrap()];
        rotated.sort_by_key(|rotated| rotated.version);
        assert_eq!([rotated[0].version, rotated[1].version], [2, 3], "round {round}");
        assert!(rotated[0].position < rotated[1].position);
        let older = if overlap.is_zero() { "key_secret_replaced" } else { "accepted" };
        for (secret, expected) in [(first_secret.as_str(), older), (rotated[0].secret.reveal(), older), (rotated[1].secret.reveal(), "accepted")] {
            assert_eq!(outcome(&race.exchange(secret).await), expected, "round {round}");
        }
        race.revoke(key).await;
    }
}

/// Reddens when keys are counted outside of the write.
async fn nobody_gets_past_a_limit(mut race: Race) {
    let (acme, mobile, host) = (race.world.demo.acme.id, race.world.demo.mobile.id, race.world.host());
    let (owner, viewer) = (race.person("owner").await, race.person("viewer").await);
    let (core, second) = (Arc::clone(&race.world.core), Arc::clone(&race.other));
    let make_api = async |core: &Arc<Core>, place, name: &str| core.create_api_key(&owner, place, name, &[], None).await;
    let make_personal = async |core: &Arc<Core>| core.create_own_personal_access_key(&viewer, acme, "racer", None).await;
    // The demo has one of acme's and one of mobile's, and a Personal Access Key of each member.
    for number in 2..API_KEYS - 1 {
        make_api(&core, acme, &format!("filler {number}")).await.unwrap();
    }
    for _ in 1..PERSONAL_ACCESS_KEYS - 1 {
        make_personal(&core).await.unwrap();
    }
    for round in 0..rounds() {
        let on_one = async { tokio::join!(make_api(&core, acme, "one"), make_api(&core, mobile, "two")) };
        let on_other = async { tokio::join!(make_api(&second, mobile, "three"), make_api(&second, acme, "four")) };
        let ((first, then), (third, fourth)) = race.both(on_one, on_other).await;
        let all = [first, then, third, fourth];
        let keys: Vec<KeyId> = all.iter().filter_map(|made| made.as_ref().ok().map(|made| made.id)).collect();
        assert_eq!(keys.len(), 1, "round {round}: {:?}", all.iter().map(code).collect::<Vec<_>>());
        assert!(all.iter().all(|made| ["done", "conflict"].contains(&code(made))));
        race.revoke(keys[0]).await;

        let (one, other) = race.both(make_personal(&core), make_personal(&second)).await;
        assert!(one.is_ok() != other.is_ok(), "round {round}: {} {}", code(&one), code(&other));
        race.revoke(one.or(other).unwrap().id).await;
    }
    let root = core.get_organization(&host, acme).await.unwrap().0.row.id;
    let count = race.db.read(move |tx| Box::pin(async move { keywright_store::keys::count_api_of_root(tx, root).await })).await.unwrap();
    assert_eq!(count, API_KEYS - 1);
}

/// Reddens when a maker's roles are read outside of the write.
async fn whoever_is_demoted_makes_no_key_afterwards(mut race: Race) {
    let acme = race.world.demo.acme.id;
    let (owner, maker, user) = (race.person("owner").await, race.person("manager").await, race.user("manager"));
    let (core, second) = (Arc::clone(&race.world.core), Arc::clone(&race.other));
    let (grant, how) = (race.grant(&["manage-build"]), Rotation { overlap: Duration::ZERO, expires_at: None });
    let mut orders = [0, 0];
    for round in 0..rounds() {
        race.set(acme, "manager", &["manage-organization", "manage-build"]).await;
        let (key, _) = race.api_key(if round % 4 == 1 { &["view-build"] } else { &["manage-build"] }).await;
        if round % 4 == 2 {
            core.suspend_api_key(&race.world.host(), acme, key).await.unwrap();
        }
        // The four ways to come to a key that may do what its maker may.
        let make = async || match round % 4 {
            0 => core.create_api_key(&maker, acme, "another", &grant, None).await.map(|made| (made.id, made.position)),
            1 => {
                let wider = ApiKeyChange { grants: Some(grant.clone()), ..ApiKeyChange::default() };
                core.update_api_key(&maker, acme, key, wider).await.map(|done| (key, done.position))
            }
            2 => core.resume_api_key(&maker, acme, key).await.map(|done| (key, done.position)),
            _ => core.rotate_api_key(&maker, acme, key, how).await.map(|done| (key, done.position)),
        };
        let demote = second.change_roles(&owner, acme, user, replace(&["manage-organization"]));
        let (made, demoted) = race.both(make(), demote).await;
        let demoted = demoted.unwrap().position;
        match &made {
            Ok((_, position)) => assert!(*position < demoted, "round {round}: a key of a role that its maker had lost"),
            Err(error) => assert_eq!(error.code(), "insufficient_permission", "round {round}"),
        }
        orders[usize::from(made.is_ok())] += 1;
        if let Ok((id, _)) = made {
            race.revoke(id).await;
        }
        // What has been acknowledged holds for whoever comes then.
        let later = core.create_api_key(&maker, acme, "later", &grant, None).await;
        assert_eq!(code(&later), "insufficient_permission", "round {round}");
        race.revoke(key).await;
    }
    println!("the demotion came first in {} rounds of {}", orders[0], orders[0] + orders[1]);
}

/// Reddens when `alive` leaves the membership out, or when a membership is read outside of the write.
async fn whoever_is_removed_keeps_no_key(mut race: Race) {
    let acme = race.world.demo.acme.id;
    let (owner, viewer, user) = (race.person("owner").await, race.person("viewer").await, race.user("viewer"));
    let (core, second) = (Arc::clone(&race.world.core), Arc::clone(&race.other));
    for round in 0..rounds() {
        race.set(acme, "viewer", &["view-build"]).await;
        let make = core.create_own_personal_access_key(&viewer, acme, "racer", None);
        let (made, removed) = race.both(make, second.remove_member(&owner, acme, user)).await;
        removed.unwrap();
        match &made {
            Ok(made) => {
                let opened = core.exchange(&race.world.host(), Credential::PersonalAccessKey(made.secret.reveal()), None).await;
                assert_eq!(outcome(&opened), "membership_ended", "round {round}");
            }
            Err(error) => assert_eq!(error.code(), "not_found", "round {round}"),
        }
        assert_eq!(code(&core.create_own_personal_access_key(&viewer, acme, "late", None).await), "not_found");
    }
}
