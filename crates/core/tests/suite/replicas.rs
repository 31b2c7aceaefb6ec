//! Two replicas on one PostgreSQL database, each with a clock of its own that is stepped, and with renewals that the test makes.
//!
//! Each test names the trap that it guards (`docs/decisions/0026-replicas.md`), and reddens when the rule is left out.

#![expect(clippy::disallowed_methods, reason = "what waits must wait beside the test, which ends it")]

use crate::support::{self, World, outcome, world_with};
use keywright_core::{
    Context, Core, Credential, Error, KeyFile, Settings, StartError,
    limits::{Rate, Rates},
    replica::{LEASE, WAIT},
    sessions::SignIn,
};
use keywright_db::{
    Db, StoreError, Writes,
    testing::{self, TestDb},
};
use keywright_protocol::{Clock, KeyId, Position};
use keywright_store::{MIGRATIONS, changes, replicas, settings};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use uuid::Uuid;

const OWNER: &str = "owner";
/// Long enough for whatever does not wait to come to its end.
const A_WHILE: Duration = Duration::from_millis(300);
const MOMENT: Duration = Duration::from_millis(1);

pub(crate) struct Two {
    /// The first one, with the demo's world.
    pub(crate) world: World,
    pub(crate) one: Arc<Core>,
    pub(crate) other: Arc<Core>,
    pub(crate) others_clock: Clock,
    /// To look at rows, and to do what no replica would.
    pub(crate) db: Db,
    pub(crate) test: TestDb,
}

pub(crate) async fn another(test: &TestDb, world: &World, (address, clock): (&str, &Clock)) -> Arc<Core> {
    start(test, world, (settings_of(world, address), clock)).await.unwrap()
}

async fn start(test: &TestDb, world: &World, (settings, clock): (Settings, &Clock)) -> Result<Arc<Core>, StartError> {
    let db = Db::open(&test.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
    Core::start_on(db, KeyFile::parse(&world.key_file).unwrap(), settings, clock.clone()).await
}

fn settings_of(world: &World, address: &str) -> Settings {
    Settings { replica_at: Some(address.to_owned()), ..world.settings.clone() }
}

impl Two {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut Settings)) -> Self {
        let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
        let world = world_with(test.db.clone(), |settings| {
            settings.replica_at = Some("one".to_owned());
            set(settings);
        })
        .await;
        let db = Db::open(&test.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
        let others_clock = Clock::stepped(world.clock.now());
        let other = another(&test, &world, ("other", &others_clock)).await;
        let two = Self { one: Arc::clone(&world.core), world, other, others_clock, db, test };
        two.one.renew_lease().await.unwrap();
        two.other.renew_lease().await.unwrap();
        two.one.renew_lease().await.unwrap();
        two
    }

    pub(crate) fn host(&self) -> Context {
        self.world.host()
    }

    /// What a request at a replica is answered, as the server does it: the lease first.
    pub(crate) async fn ask(&self, core: &Arc<Core>) -> &'static str {
        if core.hold_lease().await.is_err() {
            return "unavailable";
        }
        let key = Credential::PersonalAccessKey(&self.world.demo.personal_access_keys[OWNER]);
        outcome(&core.exchange(&self.host(), key, None).await)
    }

    pub(crate) async fn key(&self) -> KeyId {
        let token = support::claims(&self.world.exchange(OWNER, None).await.unwrap());
        token["keyId"].as_str().unwrap().parse().unwrap()
    }

    /// Has the first one revoke the key, as a task.
    pub(crate) fn revoke(&self, key: KeyId) -> JoinHandle<()> {
        let (core, ctx) = (Arc::clone(&self.one), self.host());
        tokio::spawn(async move {
            core.revoke_key(&ctx, key).await.unwrap();
        })
    }

    pub(crate) async fn position(&self) -> Position {
        self.db.read(|tx| Box::pin(async move { changes::position(tx).await })).await.unwrap()
    }

    pub(crate) async fn rows(&self) -> Vec<replicas::ReplicaRow> {
        self.db.read(|tx| Box::pin(async move { replicas::list(tx).await })).await.unwrap()
    }

    /// As if the database had been on another server until now.
    pub(crate) async fn fail_over(&self) {
        let moved = self.db.write_though_shut(|tx| Box::pin(async move { tx.execute("UPDATE revision SET cluster = '1/00000001'", &[]).await }));
        moved.await.unwrap();
    }

    /// Waits until the first one has committed something.
    async fn committed_after(&self, before: Position) {
        while self.position().await <= before {
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// As long as nothing is acknowledged, the other one may do as if nothing had happened; afterwards never. Answers whether it was
    /// acknowledged within a while.
    async fn watch(&self, act: &JoinHandle<()>) -> bool {
        for _ in 0..30 {
            let is_acknowledged = act.is_finished();
            let answer = self.ask(&self.other).await;
            assert!(!is_acknowledged || answer != "accepted", "an exchange after the acknowledgement");
            tokio::time::sleep(A_WHILE / 30).await;
        }
        act.is_finished()
    }
}

/// Traps 5 and 15: every row counts; a repeat waits as well.
#[tokio::test]
async fn a_change_is_not_answered_before_the_other_one_knows() {
    let two = Two::new().await;
    let key = two.key().await;
    assert_eq!(two.ask(&two.other).await, "accepted");
    let before = two.position().await;
    let act = two.revoke(key);
    two.committed_after(before).await;
    let again = two.revoke(key);
    assert!(!two.watch(&act).await && !two.watch(&again).await, "it was answered although the other one could not know");
    two.other.renew_lease().await.unwrap();
    // Its row says so by the next renewal.
    two.other.renew_lease().await.unwrap();
    act.await.unwrap();
    again.await.unwrap();
    assert_eq!(two.ask(&two.other).await, "key_revoked");
}

/// Trap 15, for whoever gives up a key or a token by itself: that nothing is to be done is an answer as well.
#[tokio::test]
async fn giving_up_again_waits_too() {
    let two = Two::new().await;
    assert_eq!(two.ask(&two.other).await, "accepted");
    let before = two.position().await;
    let give_up = || {
        let (core, ctx, secret) = (Arc::clone(&two.one), two.host(), two.world.demo.personal_access_keys[OWNER].to_string());
        tokio::spawn(async move {
            core.revoke_presented_key(&ctx, &secret).await.unwrap();
        })
    };
    let act = give_up();
    two.committed_after(before).await;
    let again = give_up();
    let core = Arc::clone(&two.one);
    let told = tokio::spawn(async move { core.wait_for_what_was_taken_back().await.unwrap() });
    for waiting in [&act, &again, &told] {
        assert!(!two.watch(waiting).await, "it was answered although the other one could not know");
    }
    for _ in 0..2 {
        two.other.renew_lease().await.unwrap();
        tokio::time::sleep(A_WHILE / 3).await;
    }
    for waiting in [act, again, told] {
        waiting.await.unwrap();
    }
    assert_eq!(two.ask(&two.other).await, "key_revoked");
}

/// What is configured anew may take something away, and that it has started is the answer.
#[tokio::test]
async fn a_start_that_changes_something_waits_too() {
    let two = Two::new().await;
    let settings = Settings { token_life: Duration::from_secs(60), ..settings_of(&two.world, "third") };
    let mut start = pin!(start(&two.test, &two.world, (settings, &two.others_clock)));
    assert!(tokio::time::timeout(A_WHILE, &mut start).await.is_err(), "it started although the others could not know");
    let renewals = async {
        loop {
            two.one.renew_lease().await.unwrap();
            two.other.renew_lease().await.unwrap();
            tokio::time::sleep(MOMENT).await;
        }
    };
    tokio::select! {
        started = start => drop(started.unwrap()),
        () = renewals => {}
    }
}

/// Reddens when a replica that starts again with an older file gives again what was taken away; when it is refused; when a catalog that
/// never was in force is not put in force; when one that starts alone does not have its own.
#[tokio::test]
async fn a_start_with_an_older_catalog_gives_nothing_again() {
    let two = Two::new().await;
    let with = |permissions: &str| {
        Some(format!("[apis.shop.permissions]\nread = \"See\"\nwrite = \"Write\"\n[roles.clerk]\nname = \"Clerk\"\npermissions = {permissions}\n"))
    };
    let (wide, narrow, none) = (with(r#"["read", "write"]"#), with(r#"["read"]"#), with("[]"));
    let begin = |own_catalog: &Option<String>| {
        let settings = Settings { own_catalog: own_catalog.clone(), ..settings_of(&two.world, "third") };
        let two = &two;
        async move {
            let mut start = pin!(start(&two.test, &two.world, (settings, &two.others_clock)));
            loop {
                tokio::select! {
                    started = &mut start => return started.unwrap(),
                    () = tokio::time::sleep(MOMENT) => {
                        let _ = (two.one.renew_lease().await, two.other.renew_lease().await);
                        // A row that somebody could not take away in time is not waited for for ever.
                        two.world.clock.advance(MOMENT * 10);
                        two.others_clock.advance(MOMENT * 10);
                    }
                }
            }
        }
    };
    let clerk = |core: &Core| {
        let catalog = Arc::clone(&core.catalog().catalog);
        catalog.ids(&catalog.permissions(&["clerk"])).count()
    };
    for (configured, stands) in [(&wide, 2), (&narrow, 1), (&wide, 1), (&none, 0), (&narrow, 0)] {
        let third = begin(configured).await;
        assert_eq!(clerk(&third), stands, "{configured:?}");
        third.close().await;
    }
    two.one.close().await;
    two.other.close().await;
    let alone = Settings { own_catalog: wide, ..settings_of(&two.world, "third") };
    assert_eq!(clerk(&start(&two.test, &two.world, (alone, &two.others_clock)).await.unwrap()), 2);
}

/// What a replica keeps of a change costs nobody his lease: states that cannot be read in time are not kept. Reddens when they are waited for.
#[tokio::test]
async fn states_that_take_long_are_not_waited_for() {
    let two = Two::new().await;
    let key = two.key().await;
    let act = two.revoke(key);
    let before = two.position().await;
    two.committed_after(before).await;
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let mut aside = two.db.aside().unwrap();
    let holder = tokio::spawn(async move {
        let held = aside.run(|tx| {
            Box::pin(async move {
                tx.execute("LOCK TABLE secret_versions IN ACCESS EXCLUSIVE MODE", &[]).await?;
                let _ = locked.send(());
                // The server gives such a one up after a second.
                std::future::pending::<Result<(), StoreError>>().await
            })
        });
        let _ = held.await;
    });
    is_locked.await.unwrap();
    two.other.renew_lease().await.unwrap();
    holder.abort();
    two.other.renew_lease().await.unwrap();
    act.await.unwrap();
}

/// That a session is used is noted once a minute: it takes nothing away, so the request that does it waits for nobody.
#[tokio::test]
async fn using_a_session_waits_for_nobody() {
    let two = Two::new().await;
    let world = Arc::clone(&two.one);
    let attempt = {
        let user = &two.world.demo.users[OWNER];
        let anybody = two.world.anonymous();
        let attempt = SignIn { email: user.email.clone(), password: user.password.clone(), organization: None, new_password: None, code: None };
        tokio::spawn(async move { world.sign_in(&anybody, attempt).await.unwrap().value.secret.reveal().to_owned() })
    };
    while !attempt.is_finished() {
        two.other.renew_lease().await.unwrap();
        tokio::time::sleep(MOMENT).await;
    }
    let secret = attempt.await.unwrap();
    let later = two.world.clock.now().plus(Duration::from_secs(61));
    let used = tokio::time::timeout(Duration::from_secs(20), two.one.find_session(later, &secret)).await;
    assert_eq!(used.expect("it waits for the other one").unwrap().used_at, two.world.clock.now(), "as it was found");
}

/// Whoever has no row is not waited for after a failover: what it acknowledges might be known to nobody.
#[tokio::test]
async fn nothing_is_acknowledged_by_one_that_is_forgotten() {
    let two = Two::new().await;
    let key = two.key().await;
    two.db.write(|tx| Box::pin(async move { tx.execute("DELETE FROM replicas WHERE address = 'one'", &[]).await })).await.unwrap();
    let (core, ctx) = (Arc::clone(&two.one), two.host());
    let act = tokio::spawn(async move { core.revoke_key(&ctx, key).await.map(drop) });
    while !act.is_finished() {
        tokio::time::sleep(MOMENT).await;
        two.world.clock.advance(WAIT / 10);
    }
    assert_eq!(act.await.unwrap(), Err(Error::Unavailable));
}

/// Trap 16: what is given is not denied by another one's memory either.
#[tokio::test]
async fn what_widens_waits_too() {
    let two = Two::new().await;
    let before = two.position().await;
    let (core, ctx) = (Arc::clone(&two.one), two.host());
    let act = tokio::spawn(async move { drop(core.create_root(&ctx, "Another").await) });
    two.committed_after(before).await;
    assert!(!two.watch(&act).await);
    two.other.renew_lease().await.unwrap();
    two.other.renew_lease().await.unwrap();
    act.await.unwrap();
}

/// Traps 4, 6 and 13: a replica that stands still is waited for until its lease is over by any clock; it finds that by itself.
#[tokio::test]
async fn one_that_stands_still_is_waited_for_once() {
    let two = Two::new().await;
    let key = two.key().await;
    assert_eq!(two.ask(&two.other).await, "accepted");
    let before = two.position().await;
    let act = two.revoke(key);
    two.committed_after(before).await;
    two.world.clock.advance(LEASE);
    two.others_clock.advance(LEASE);
    assert!(!two.watch(&act).await, "clocks do not run alike: a lease of the other's is over later");
    assert_eq!(two.ask(&two.other).await, "unavailable", "its lease is over, whatever it remembers");
    two.world.clock.advance(WAIT - LEASE);
    act.await.unwrap();

    // It is seen to stand still, and for so long that it goes.
    two.one.renew_lease().await.unwrap();
    assert_eq!(two.rows().await.len(), 2, "not before it was seen standing still");
    two.world.clock.advance(WAIT + MOMENT);
    two.one.renew_lease().await.unwrap();
    assert_eq!(two.rows().await.len(), 1);
    // From now on nobody waits: the clock stands.
    two.one.create_root(&two.host(), "Another").await.unwrap();
    // Back again, it is another one, which has loaded what there is.
    assert!(two.other.renew_lease().await.is_ok());
    assert_eq!(two.ask(&two.other).await, "unavailable", "a new row is no lease");
    two.other.renew_lease().await.unwrap();
    assert_eq!(two.ask(&two.other).await, "key_revoked");
    let rows = two.rows().await;
    assert!(rows.len() == 2 && rows.iter().all(|row| row.applied.n > 0), "{rows:?}");
}

/// Trap 6, the other half: one that was renewed since it was looked at stays.
#[tokio::test]
async fn one_that_moves_is_not_forgotten() {
    let two = Two::new().await;
    for _ in 0..4 {
        two.world.clock.advance(WAIT);
        two.other.renew_lease().await.unwrap();
        two.one.renew_lease().await.unwrap();
    }
    assert_eq!(two.rows().await.len(), 2);
}

/// Trap 1: the lease runs from before the row was written, however long that takes.
#[tokio::test]
async fn a_lease_runs_from_before_it_was_asked_for() {
    let two = Two::new().await;
    two.others_clock.advance(LEASE);
    assert!(!two.other.has_lease());
    let mut blocker = two.db.aside().unwrap();
    let other = Arc::clone(&two.other);
    let clock = two.others_clock.clone();
    let renewal = blocker.run(|tx| {
        Box::pin(async move {
            for row in replicas::list(tx).await? {
                replicas::renew(tx, row.instance, row.applied, row.renewed_at).await?;
            }
            // The row is locked: the renewal has noted its time and waits.
            let renewal = tokio::spawn(async move { other.renew_lease().await });
            tokio::time::sleep(A_WHILE).await;
            clock.advance(LEASE - MOMENT);
            Ok::<_, StoreError>(renewal)
        })
    });
    renewal.await.unwrap().await.unwrap().unwrap();
    assert!(two.other.has_lease());
    two.others_clock.advance(MOMENT);
    assert!(!two.other.has_lease(), "it was counted from the answer");
}

/// Trap 2: a renewal learns what there is before it counts.
#[tokio::test]
async fn a_renewal_learns() {
    let two = Two::new().await;
    let key = two.key().await;
    assert_eq!(two.ask(&two.other).await, "accepted");
    let before = two.position().await;
    let act = two.revoke(key);
    two.committed_after(before).await;
    two.others_clock.advance(LEASE);
    two.other.renew_lease().await.unwrap();
    assert_eq!(two.ask(&two.other).await, "key_revoked");
    two.other.renew_lease().await.unwrap();
    act.await.unwrap();
}

/// Traps 9, 12 and 22: without a lease nothing is said, neither from memory nor from the database, nor to verifiers.
#[tokio::test]
async fn without_a_lease_nothing_is_said() {
    let two = Two::new().await;
    assert_eq!(two.ask(&two.other).await, "accepted");
    assert!(two.other.status_news(None).is_ok() && two.other.signed_status_list(0).await.is_ok());
    two.others_clock.advance(LEASE);
    assert_eq!(two.ask(&two.other).await, "unavailable");
    assert_eq!(two.other.status_news(None).err(), Some(Error::Unavailable));
    assert_eq!(two.other.signed_status_list(0).await.err(), Some(Error::Unavailable));
    assert_eq!(two.other.ready().await, Err(Error::Unavailable));
    two.other.renew_lease().await.unwrap();
    assert!(two.other.status_news(None).is_ok() && two.other.ready().await.is_ok());
}

/// Reddens when a replica whose database is gone is taken out of the balancer before its lease is over: until then it answers from memory.
#[tokio::test]
async fn a_replica_is_ready_as_long_as_it_may_answer() {
    let two = Two::new().await;
    assert_eq!(two.ask(&two.one).await, "accepted");
    two.test.db.close().await;
    assert_eq!((two.one.ready().await, two.ask(&two.one).await), (Ok(()), "accepted"));
    two.world.clock.advance(LEASE);
    assert_eq!(two.one.ready().await, Err(Error::Unavailable));
}

/// Whoever waits for a lease gets it when it comes.
#[tokio::test]
async fn a_request_waits_a_little_for_a_lease() {
    let two = Two::new().await;
    two.others_clock.advance(LEASE);
    let other = Arc::clone(&two.other);
    let (asked, renewed) = tokio::join!(two.ask(&two.other), async move {
        tokio::time::sleep(MOMENT).await;
        other.renew_lease().await
    });
    assert_eq!((asked, renewed), ("accepted", Ok(())));
}

/// Trap 8: whoever has said that he comes is waited for, although he has loaded nothing.
#[tokio::test]
async fn whoever_joins_is_waited_for() {
    let two = Two::new().await;
    let key = two.key().await;
    let (newcomer, now) = (Uuid::from_u128(1), two.world.clock.now());
    let mut aside = two.db.aside().unwrap();
    aside.run(|tx| Box::pin(async move { replicas::insert(tx, (newcomer, newcomer), "newcomer", now).await })).await.unwrap();
    let before = two.position().await;
    let act = two.revoke(key);
    two.committed_after(before).await;
    two.other.renew_lease().await.unwrap();
    two.other.renew_lease().await.unwrap();
    assert!(!two.watch(&act).await);
    aside.run(|tx| Box::pin(async move { replicas::delete(tx, newcomer).await })).await.unwrap();
    act.await.unwrap();
}

/// Trap 10: a server that is behind what was read before is not believed, neither when something is read nor for a lease.
#[tokio::test]
async fn an_older_server_is_not_believed() {
    let two = Two::new().await;
    two.db.write(|tx| Box::pin(async move { tx.execute("UPDATE revision SET n = n - 5", &[]).await })).await.unwrap();
    two.others_clock.advance(LEASE);
    assert_eq!(two.other.renew_lease().await, Err(Error::Unavailable));
    assert!(!two.other.has_lease());
    assert_eq!(two.other.installation_status(&two.host()).await.err(), Some(Error::Unavailable), "nothing is read there");
    two.db.write(|tx| Box::pin(async move { tx.execute("UPDATE revision SET n = n + 9", &[]).await })).await.unwrap();
    two.other.renew_lease().await.unwrap();
}

/// Another history: nothing of the old one is served.
#[tokio::test]
async fn another_history_is_loaded_anew() {
    let two = Two::new().await;
    assert_eq!(two.ask(&two.other).await, "accepted");
    let id = two.key().await.as_uuid();
    // As after a restore: the key is revoked, and no line of the log says so.
    let act = two.db.write(move |tx| {
        Box::pin(async move {
            tx.execute("UPDATE revision SET history = history + 1", &[]).await?;
            tx.execute("UPDATE keys SET revoked_at = 1 WHERE id = $1", &[id.into()]).await
        })
    });
    act.await.unwrap();
    two.other.renew_lease().await.unwrap();
    two.other.renew_lease().await.unwrap();
    assert_eq!(two.ask(&two.other).await, "key_revoked");
}

#[tokio::test]
async fn limits_are_shared() {
    let quota = Rate::per(Duration::from_secs(3600), 10, 10);
    let two = Two::with(|settings| settings.limits = Rates { key: quota, buckets: 100, ..Rates::OFF }).await;
    let mut accepted = [0, 0];
    for _ in 0..10 {
        for (count, core) in accepted.iter_mut().zip([&two.one, &two.other]) {
            *count += u32::from(two.ask(core).await == "accepted");
        }
    }
    assert_eq!(accepted, [5, 5]);
}

#[tokio::test]
async fn one_that_ends_is_not_waited_for_and_leaves_no_gap() {
    let two = Two::new().await;
    two.other.close().await;
    assert_eq!(two.rows().await.len(), 1);
    two.one.create_root(&two.host(), "Another").await.unwrap();
    assert_eq!(gaps(&two).await, 0);
}

/// The mark of one that is gone without a word is found when its row goes, and not while it is there.
#[tokio::test]
async fn the_gap_of_one_that_is_gone_is_told_of() {
    let two = Two::new().await;
    let third = another(&two.test, &two.world, ("third", &two.others_clock)).await;
    assert_eq!(gaps(&two).await, 0, "they live");
    for core in [&two.one, &third] {
        core.renew_lease().await.unwrap();
    }
    two.one.renew_lease().await.unwrap();
    two.world.clock.advance(WAIT + MOMENT);
    third.renew_lease().await.unwrap();
    two.one.renew_lease().await.unwrap();
    assert_eq!(two.rows().await.len(), 2, "the second one is gone, the third is there");
    two.one.flush_access_log(two.world.clock.now()).await.unwrap();
    assert_eq!(gaps(&two).await, 1);
}

async fn gaps(two: &Two) -> i64 {
    let count =
        two.db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT COUNT(*) AS count FROM log_access WHERE events LIKE '%unclean end%'", &[]).await }));
    count.await.unwrap().get("count").unwrap()
}

/// Traps 19 and 21: on another timeline numbers may be used again, and what was acknowledged may be lost. It is shut until somebody has looked.
#[tokio::test]
async fn after_a_failover_without_a_standby_nothing_is_said_until_it_is_opened() {
    let two = Two::new().await;
    let key = two.key().await.as_uuid();
    two.fail_over().await;
    for _ in 0..3 {
        assert_eq!(two.other.renew_lease().await, Err(Error::Unavailable));
        assert_eq!(two.one.renew_lease().await, Err(Error::Unavailable));
    }
    assert_eq!((two.ask(&two.one).await, two.ask(&two.other).await), ("unavailable", "unavailable"), "also within the lease that ran");
    let here = two.position().await;
    assert_eq!(here.history, two.world.clock.now().as_seconds(), "once, however many see it: the clock stands");
    // Nothing is changed either, by nobody.
    assert_eq!(two.one.revoke_key(&two.host(), key.into()).await.unwrap_err(), Error::Unavailable);
    // Whoever starts now has to be told as well, and says nothing meanwhile.
    let third = another(&two.test, &two.world, ("third", &two.others_clock)).await;
    assert_eq!(third.renew_lease().await, Err(Error::Unavailable));
    assert_eq!(third.flush_access_log(two.others_clock.now()).await, Err(Error::Unavailable));
    let other_life = Settings { token_life: Duration::from_secs(60), ..settings_of(&two.world, "fourth") };
    assert!(matches!(start(&two.test, &two.world, (other_life, &two.others_clock)).await, Err(StartError::Shut(_))), "it would change something");
    assert_eq!(two.position().await, here);
    let opened = two.db.write_though_shut(move |tx| {
        Box::pin(async move {
            tx.execute("UPDATE keys SET revoked_at = 1 WHERE id = $1", &[key.into()]).await?;
            let server = tx.server().await?.unwrap();
            changes::open(tx, &server.cluster).await
        })
    });
    opened.await.unwrap();
    for core in [&two.one, &two.other, &third] {
        core.renew_lease().await.unwrap();
        assert_eq!(two.ask(core).await, "key_revoked", "nothing of before is remembered");
    }
    let marks = || async { two.db.read(|tx| Box::pin(async move { settings::list_open_logs(tx).await })).await.unwrap().len() };
    let before = marks().await;
    third.flush_access_log(two.others_clock.now()).await.unwrap();
    assert_eq!(marks().await, before + 1, "it keeps events from now on");
}

/// Trap 19: between a failover and the first renewal a change would get a number that the old server may have given to something else,
/// which others have seen there.
#[tokio::test]
async fn no_number_is_given_before_another_history_has_begun() {
    let two = Two::new().await;
    let key = two.key().await;
    two.fail_over().await;
    let before = two.position().await;
    assert_eq!(two.one.revoke_key(&two.host(), key).await.unwrap_err(), Error::Unavailable);
    assert_eq!(two.position().await, before);
    // A start comes after a failover as well, and begins the other history before it changes anything.
    let third = another(&two.test, &two.world, ("third", &two.others_clock)).await;
    assert!(two.position().await.history > before.history);
    assert_eq!(third.renew_lease().await, Err(Error::Unavailable));
}
