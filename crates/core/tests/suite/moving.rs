//! A database is moved from one engine to the other: what worked works on, what was taken back stays so, and only one of the two is served.

use crate::support::{World, claims, is_whole, outcome, payload, world};
use futures_util::FutureExt as _;
use keywright_core::{
    Core, Credential, KeyFile, OpenError, StartError,
    database::{Afterwards, MoveError, Moving, Progress, Step, migrate, reopen_moved, status},
    recovery::{Later, restore},
};
use keywright_db::{
    Access, Db, Engine, Location, Whole, Writes,
    testing::{self, TestDb},
};
use keywright_protocol::{
    OrganizationId, Position,
    status::{ListEntries, ListPayload},
};
use keywright_store::{MIGRATIONS, changes, replicas};
use std::{panic::AssertUnwindSafe, sync::Arc};
use uuid::Uuid;

async fn made(engine: Engine) -> TestDb {
    match engine {
        Engine::Sqlite => testing::sqlite(Writes::Revisioned, MIGRATIONS).await,
        Engine::Postgres => testing::postgres(Writes::Revisioned, MIGRATIONS).await,
    }
}

/// An empty target.
async fn nowhere(engine: Engine) -> TestDb {
    let test = made(engine).await;
    test.db.close().await;
    test
}

/// A world that nobody serves any more.
async fn ended(engine: Engine) -> (TestDb, World) {
    let test = made(engine).await;
    let world = world(test.db.clone()).await;
    world.core.close().await;
    (test, world)
}

fn key_file(world: &World) -> KeyFile {
    KeyFile::parse(&world.key_file).unwrap()
}

async fn begin(from: &TestDb, to: &TestDb, world: &World) -> Result<Moving, MoveError> {
    Moving::begin(&from.location, &to.location, &key_file(world), &mut |_| {}).await
}

async fn move_it(from: &TestDb, to: &TestDb, world: &World, afterwards: Afterwards) -> Result<Position, MoveError> {
    let mut moving = begin(from, to, world).await?;
    moving.copy(&mut |_| {}).await?;
    moving.finish(afterwards, &world.clock).await
}

async fn start(at: &TestDb, world: &World) -> Result<Arc<Core>, StartError> {
    let is_shared = matches!(at.location, Location::Postgres { .. });
    let settings = keywright_core::Settings { replica_at: is_shared.then(|| "here".to_owned()), ..world.settings.clone() };
    let core = Core::start(&at.location, key_file(world), settings, world.clock.clone()).await?;
    core.renew_lease().await?;
    Ok(core)
}

async fn exchange(core: &Arc<Core>, world: &World, who: &str) -> &'static str {
    let key = &world.demo.personal_access_keys[who];
    outcome(&core.exchange(&world.host(), Credential::PersonalAccessKey(key), None).await)
}

async fn position(of: &TestDb) -> Position {
    let mut whole = Whole::open(&of.location, Access::Look).await.unwrap();
    changes::position(whole.tx()).await.unwrap()
}

async fn list_of(core: &Arc<Core>) -> ListEntries {
    payload::<ListPayload>(&core.signed_status_list(0).await.unwrap()).status_list
}

/// The next index that a token would get.
async fn next_index(of: &TestDb) -> i64 {
    let mut whole = Whole::open(&of.location, Access::Look).await.unwrap();
    whole.tx().fetch_one("SELECT next FROM status_indices", &[]).await.unwrap().get("next").unwrap()
}

/// Reddens when something that worked before does not work afterwards, or the other way round; when positions of the two may be the same; when
/// a chain is broken; when the old database is served.
#[tokio::test]
async fn what_worked_works_on_and_what_was_revoked_stays_so() {
    for (one, other) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (from, to) = (made(one).await, nowhere(other).await);
        let world = world(from.db.clone()).await;
        let token = claims(&world.exchange("viewer", None).await.unwrap());
        world.exchange("manager", None).await.unwrap();
        let session = world.sign_in("owner").await;
        world.core.revoke_key(&world.host(), token["keyId"].as_str().unwrap().parse().unwrap()).await.unwrap();
        let (list, keys) = (list_of(&world.core).await, world.core.keyring().jwks());
        world.core.close().await;
        let before = position(&from).await;

        let moved_to = move_it(&from, &to, &world, Afterwards::Shut).await.unwrap();
        assert_eq!(moved_to, Position { history: world.clock.now().as_seconds(), n: before.n + 1 });
        assert!(matches!(start(&from, &world).await.err().unwrap(), StartError::Moved(place) if place == to.location.describe()));
        let as_it_stands = Core::open_as_it_stands(&from.location, key_file(&world), world.settings.clone(), world.clock.clone()).await;
        assert!(matches!(as_it_stands.err().unwrap(), StartError::Moved(_)));
        let core = start(&to, &world).await.unwrap();
        // Nothing is told of a token that was not told before, and nothing is taken back.
        assert_eq!(list_of(&core).await, list);
        assert_eq!(core.keyring().jwks(), keys);
        assert_eq!(exchange(&core, &world, "manager").await, "accepted");
        assert_eq!(exchange(&core, &world, "viewer").await, "key_revoked");
        assert!(core.find_session(world.clock.now(), &session).await.is_ok(), "nobody signs in again");
        core.close().await;
        let db = Db::open(&to.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
        for root in [OrganizationId::from(Uuid::nil()), world.demo.acme.id] {
            assert!(db.read(|tx| Box::pin(async move { is_whole(tx, root).await })).await.unwrap());
        }
        db.close().await;
        assert_eq!(next_index(&to).await, next_index(&from).await);
    }
}

/// A source that can be copied at all, in the midst of whatever step.
async fn kill_in(step: Step, from: &TestDb, to: &TestDb, world: &World) {
    let killed = async {
        let mut stop = |progress: Progress<'_>| assert!(progress.step != step || progress.rows < 20, "killed");
        let mut moving = Moving::begin(&from.location, &to.location, &key_file(world), &mut stop).await.unwrap();
        moving.copy_by(5, &mut stop).await.unwrap();
    };
    assert!(AssertUnwindSafe(killed).catch_unwind().await.is_err());
}

/// Reddens when half a copy is served, when a source that was left is, when what was killed between shutting the one and opening the other
/// cannot be brought to its end, or can in a way in which the source was changed meanwhile.
#[tokio::test]
async fn it_may_be_killed_anywhere() {
    for (one, other) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite), (Engine::Sqlite, Engine::Sqlite)] {
        let ((from, world), to) = (ended(one).await, nowhere(other).await);
        let before = position(&from).await;
        for step in [Step::Reading, Step::Copying, Step::Checking] {
            kill_in(step, &from, &to, &world).await;
            let is_begun = step != Step::Reading;
            assert_eq!(status(&to.location).await.unwrap().is_unfinished, is_begun);
            if is_begun {
                assert!(matches!(start(&to, &world).await.err().unwrap(), StartError::Open(OpenError::Unfinished)));
                let admin = Core::open_as_it_stands(&to.location, key_file(&world), world.settings.clone(), world.clock.clone()).await;
                assert!(matches!(admin.err().unwrap(), StartError::Open(OpenError::Unfinished)));
                assert!(restore(&to.location, key_file(&world), Later::Lost, &world.clock).await.is_err());
            }
            let source = status(&from.location).await.unwrap();
            assert_eq!((source.obstacle(), source.revision), (None, Some(before.to_string())));
        }
        let mut moving = begin(&from, &to, &world).await.unwrap();
        moving.copy(&mut |_| {}).await.unwrap();
        // As it is when the source is shut, and the copy is not opened yet.
        let half = nowhere(Engine::Sqlite).await;
        if let (Location::Sqlite { path: now }, Location::Sqlite { path }) = (&to.location, &half.location) {
            std::fs::remove_file(path).unwrap();
            keywright_db::copy_sqlite(now, path).await.unwrap();
        }
        moving.finish(Afterwards::Shut, &world.clock).await.unwrap();
        if other == Engine::Sqlite {
            assert!(matches!(start(&half, &world).await.err().unwrap(), StartError::Open(OpenError::Unfinished)));
            assert!(matches!(start(&from, &world).await.err().unwrap(), StartError::Moved(_)));
            let moved = move_it(&from, &half, &world, Afterwards::Shut).await.unwrap();
            assert!(before < moved);
            assert_eq!(exchange(&start(&half, &world).await.unwrap(), &world, "owner").await, "accepted");
        }
        let again = begin(&from, &to, &world).await.err().unwrap();
        assert!(matches!(again, MoveError::Moved(_)), "{again}");
        assert_eq!(exchange(&start(&to, &world).await.unwrap(), &world, "owner").await, "accepted");
    }
}

/// Reddens when somebody who names a target that is in use is told of that one, and not that the source has gone elsewhere; or when anything
/// is made there.
#[tokio::test]
async fn what_was_moved_says_so_whatever_the_target_is() {
    let ((from, world), to) = (ended(Engine::Sqlite).await, nowhere(Engine::Sqlite).await);
    move_it(&from, &to, &world, Afterwards::Shut).await.unwrap();
    let theirs = testing::postgres(Writes::Plain, &[]).await;
    theirs.db.write(|tx| Box::pin(async move { tx.execute("CREATE TABLE keys (id TEXT)", &[]).await })).await.unwrap();
    theirs.db.close().await;
    let again = begin(&from, &theirs, &world).await.err().unwrap();
    assert!(matches!(again, MoveError::Moved(_)), "{again}");
    let left = status(&theirs.location).await.unwrap();
    assert_eq!((left.schema, left.obstacle()), (None, Some(OpenError::Foreign.to_string())));
}

/// Reddens when what was moved by mistake is lost, when a copy that stands beside its source gives the same positions or indices, and when a
/// database that was not moved is opened as if nothing could be lost.
#[tokio::test]
async fn there_are_ways_back() {
    for (one, other) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (from, world) = ended(one).await;
        // A rehearsal.
        let beside = nowhere(other).await;
        let (position_before, index) = (position(&from).await, next_index(&from).await);
        let rehearsed = move_it(&from, &beside, &world, Afterwards::Open).await.unwrap();
        assert_eq!(position(&from).await, position_before);
        assert!(position_before.history < rehearsed.history && index + (1 << 20) < next_index(&beside).await);
        for core in [start(&from, &world).await.unwrap(), start(&beside, &world).await.unwrap()] {
            assert_eq!(exchange(&core, &world, "owner").await, "accepted");
            core.close().await;
        }
        // Moved, and opened again where it was.
        let not_moved = reopen_moved(&from.location, &key_file(&world), &world.clock).await.unwrap_err();
        assert!(matches!(not_moved, MoveError::NotMoved), "{not_moved}");
        let (to, before) = (nowhere(other).await, position(&from).await);
        let moved = move_it(&from, &to, &world, Afterwards::Shut).await.unwrap();
        let told = status(&from.location).await.unwrap();
        assert!(told.shut_at.is_some() && told.moved_to == Some(to.location.describe()) && told.obstacle().is_some());
        let other_keys = KeyFile::generate().unwrap();
        assert!(matches!(reopen_moved(&from.location, &other_keys, &world.clock).await.unwrap_err(), MoveError::OtherKeyFile));
        let back = reopen_moved(&from.location, &key_file(&world), &world.clock).await.unwrap();
        assert!(before < back && moved.history < back.history);
        let core = start(&from, &world).await.unwrap();
        assert_eq!(exchange(&core, &world, "owner").await, "accepted");
        core.close().await;
        // Moved, served from there, and opened here again: what is not known to have been taken away there is gone.
        let to = nowhere(other).await;
        move_it(&from, &to, &world, Afterwards::Shut).await.unwrap();
        restore(&from.location, key_file(&world), Later::Lost, &world.clock).await.unwrap();
        start(&from, &world).await.unwrap().close().await;
    }
}

/// Reddens when something is moved that is served, shut, on another server than its history, another installation's, or never started.
#[tokio::test]
async fn what_cannot_be_moved_is_refused() {
    let (from, world) = ended(Engine::Postgres).await;
    let to = nowhere(Engine::Sqlite).await;
    let why = async |from: &TestDb| begin(from, &to, &world).await.err().unwrap();
    let alter = async |sql: &'static str| {
        let mut whole = Whole::open(&from.location, Access::Hold).await.unwrap();
        whole.tx().execute_one(sql, &[]).await.unwrap();
        whole.commit(()).await.unwrap();
    };
    let core = start(&from, &world).await.unwrap();
    let beats = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            core.renew_lease().await.unwrap();
        }
    };
    let served = tokio::select! {
        why = why(&from) => why,
        () = beats => unreachable!(),
    };
    assert!(matches!(&served, MoveError::Served(address) if address == "here"), "{served}");
    core.close().await;

    let other = Moving::begin(&from.location, &to.location, &KeyFile::generate().unwrap(), &mut |_| {}).await.err().unwrap();
    assert!(matches!(other, MoveError::OtherKeyFile), "{other}");
    assert!(matches!(begin(&from, &from, &world).await.err().unwrap(), MoveError::Same));
    let never = why(&nowhere(Engine::Postgres).await).await;
    assert!(matches!(never, MoveError::NeverStarted), "{never}");
    alter("UPDATE revision SET cluster = '1/00000001'").await;
    let elsewhere = why(&from).await;
    assert!(matches!(elsewhere, MoveError::Elsewhere), "{elsewhere}");
    alter("UPDATE revision SET cluster = NULL, shut_at = 17").await;
    let shut = why(&from).await;
    assert!(matches!(shut, MoveError::Shut(_)), "{shut}");
    alter("UPDATE revision SET shut_at = NULL").await;
    // What an ended process has left is in nobody's way.
    alter(
        "INSERT INTO replicas (instance, process, address, history, n, renewals, started_at, renewed_at)
        VALUES ('6f9619ff-8b86-4011-b42d-00c04fc964ff', '6f9619ff-8b86-4011-b42d-00c04fc964ff', 'gone', 1, 1, 1, 1, 1)",
    )
    .await;
    move_it(&from, &to, &world, Afterwards::Shut).await.unwrap();
    let mut whole = Whole::open(&to.location, Access::Look).await.unwrap();
    assert_eq!(replicas::list(whole.tx()).await.unwrap(), [], "it is not there");
}

/// Whatever the migrations make, and nothing else.
#[tokio::test]
async fn every_table_is_copied() {
    let (from, world) = ended(Engine::Sqlite).await;
    let to = nowhere(Engine::Postgres).await;
    let mut moving = begin(&from, &to, &world).await.unwrap();
    let copied: Vec<String> = moving.copy(&mut |_| {}).await.unwrap().into_iter().map(|table| table.table).collect();
    let mut whole = Whole::open(&from.location, Access::Look).await.unwrap();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN ('schema_migrations', 'replicas')";
    let mut tables: Vec<String> = whole.tx().fetch_all(sql, &[]).await.unwrap().iter().map(|row| row.get("name").unwrap()).collect();
    let mut sorted = copied.clone();
    sorted.sort();
    tables.sort();
    assert_eq!(sorted, tables);
}

#[tokio::test]
async fn a_schema_is_brought_up_to_date_and_told_of() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let older = match engine {
            Engine::Sqlite => testing::sqlite(Writes::Plain, &MIGRATIONS[..12]).await,
            Engine::Postgres => testing::postgres(Writes::Plain, &MIGRATIONS[..12]).await,
        };
        older.db.close().await;
        let newest = MIGRATIONS.last().unwrap().version;
        let told = status(&older.location).await.unwrap();
        assert_eq!((told.schema, told.newest, told.revision.as_deref()), (Some(12), newest, None));
        assert!(told.obstacle().unwrap().contains("keywright db migrate"));
        assert_eq!(status(&older.location).await.unwrap().schema, Some(12), "looking changes nothing");
        assert_eq!(migrate(&older.location).await.unwrap(), (Some(12), newest));
        assert_eq!(migrate(&older.location).await.unwrap(), (Some(newest), newest));
        assert_eq!(status(&older.location).await.unwrap().obstacle(), None);
    }
}
