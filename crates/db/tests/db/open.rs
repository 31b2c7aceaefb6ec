//! Opening, and what is refused.

use crate::{
    common::{MIGRATIONS, count, insert},
    writes::add,
};
use futures_util::future::join_all;
use keywright_db::{Db, Location, Migration, OpenError, Standby, StoreError, Writes, testing};

async fn refused(location: &Location, migrations: &[Migration]) -> OpenError {
    match Db::open(location, Writes::Plain, migrations).await {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

async fn later_schemas_and_changed_ones_are_refused(test: testing::TestDb) {
    test.db.write(|tx| Box::pin(async move { insert(tx, "kept", 1).await })).await.unwrap();
    test.db.close().await;
    let error = refused(&test.location, &MIGRATIONS[..1]).await;
    assert!(matches!(error, OpenError::NewerVersion { found: 2, known: 1 }), "{error}");
    let mut changed = MIGRATIONS.to_vec();
    changed[1].sqlite = "SELECT 1";
    changed[1].postgres = "SELECT 1";
    let error = refused(&test.location, &changed).await;
    assert!(matches!(error, OpenError::Migration(_)), "{error}");
    let again = Db::open(&test.location, Writes::Plain, MIGRATIONS).await.unwrap();
    assert_eq!(again.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(1));
    again.close().await;
}

#[tokio::test]
async fn sqlite_refuses_later_and_changed_schemas() {
    later_schemas_and_changed_ones_are_refused(testing::sqlite(Writes::Plain, MIGRATIONS).await).await;
}

#[tokio::test]
async fn postgres_refuses_later_and_changed_schemas() {
    later_schemas_and_changed_ones_are_refused(testing::postgres(Writes::Plain, MIGRATIONS).await).await;
}

#[tokio::test]
async fn a_sqlite_path_must_be_writable_and_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&Location::Sqlite { path: folder.path().join("none/x.db") }, MIGRATIONS).await;
    assert!(matches!(error, OpenError::NotWritable(_)), "{error}");
    let other = folder.path().join("letter.txt");
    std::fs::write(&other, "Dear reader, this is a letter and no database. ".repeat(100)).unwrap();
    let error = refused(&Location::Sqlite { path: other }, MIGRATIONS).await;
    assert!(matches!(error, OpenError::NotADatabase(_)), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_sqlite_file_is_its_owners_and_alone_after_close() {
    use std::os::unix::fs::PermissionsExt;
    let test = testing::sqlite(Writes::Plain, MIGRATIONS).await;
    let Location::Sqlite { path } = &test.location else { panic!("a file") };
    test.db.write(|tx| Box::pin(async move { insert(tx, "one", 1).await })).await.unwrap();
    let wal = path.with_extension("db-wal");
    for file in [path, &wal] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    test.db.close().await;
    assert!(!wal.exists());
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_writer() {
    let test = testing::sqlite(Writes::Plain, MIGRATIONS).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let alive = metrics.num_alive_tasks();
    assert!(alive > 0);
    drop(test);
    while metrics.num_alive_tasks() >= alive {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn postgres_addresses_are_judged() {
    let bad = refused(&Location::Postgres { url: "here".to_owned(), schema: None, standby: Standby::AsItIs }, MIGRATIONS).await;
    assert!(matches!(bad, OpenError::BadUrl(_)), "{bad}");
    // Port 1 is not served.
    let nobody = refused(&Location::Postgres { url: "postgres://x@127.0.0.1:1/x".to_owned(), schema: None, standby: Standby::AsItIs }, MIGRATIONS).await;
    assert!(matches!(&nobody, OpenError::Unreachable(said) if said.starts_with("127.0.0.1:1: ")), "{nobody}");
    let test = testing::postgres(Writes::Plain, &[]).await;
    let Location::Postgres { url, .. } = &test.location else { panic!("a server") };
    let url = format!("{}/nothing", url.rsplit_once('/').unwrap().0);
    let missing = refused(&Location::Postgres { url, schema: None, standby: Standby::AsItIs }, MIGRATIONS).await.to_string();
    assert!(missing.contains(": database \"nothing\" does not exist)"), "{missing}");
}

/// Reddens when tables are made beside those of another program.
#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let test = testing::postgres(Writes::Plain, &[]).await;
    test.db.write(|tx| Box::pin(async move { tx.execute("CREATE TABLE theirs (id BIGINT)", &[]).await })).await.unwrap();
    assert!(matches!(refused(&test.location, MIGRATIONS).await, OpenError::Foreign));
    assert!(matches!(test.location.check().await, Err(OpenError::Foreign)));
    let Location::Postgres { url, .. } = &test.location else { panic!("a server") };
    let own = Location::Postgres { url: url.clone(), schema: Some("own".to_owned()), standby: Standby::AsItIs };
    Db::open(&own, Writes::Plain, MIGRATIONS).await.unwrap().close().await;
    assert!(own.check().await.is_ok());
}

#[tokio::test]
async fn postgres_schemas_are_made_and_keep_apart() {
    let test = testing::postgres(Writes::Plain, &[]).await;
    let Location::Postgres { url, .. } = &test.location else { panic!("a server") };
    let location = |schema: &str| Location::Postgres { url: url.clone(), schema: Some(schema.to_owned()), standby: Standby::AsItIs };
    // Two at once: they wait for each other's migrations.
    let (location_a, location_b) = (location("user"), location("b"));
    let (a, same, b) = tokio::join!(
        Db::open(&location_a, Writes::Plain, MIGRATIONS),
        Db::open(&location_a, Writes::Plain, MIGRATIONS),
        Db::open(&location_b, Writes::Plain, MIGRATIONS),
    );
    let (a, same, b) = (a.unwrap(), same.unwrap(), b.unwrap());
    a.write(|tx| Box::pin(async move { insert(tx, "one", 1).await })).await.unwrap();
    assert_eq!(same.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(1));
    assert_eq!(b.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(0));
    assert!(matches!(refused(&location("No Name"), MIGRATIONS).await, OpenError::BadSchema(_)));
}

/// Reddens when one of several that start at once on an empty database runs a migration that another one has run, or goes on before it has.
#[tokio::test]
async fn three_that_start_at_once_migrate_once() {
    let mut migrations = MIGRATIONS.to_vec();
    let (sqlite, postgres) = ("SELECT 1", "CREATE TABLE runs (run BIGINT NOT NULL); INSERT INTO runs VALUES (1); SELECT pg_sleep(0.2)");
    migrations.push(Migration { version: 3, name: "slow", sqlite, postgres });
    let test = testing::postgres(Writes::Plain, &[]).await;
    let opened = join_all((0..3).map(|_| Db::open(&test.location, Writes::Revisioned, &migrations))).await;
    for db in opened {
        let db = db.unwrap();
        let runs = db.read(|tx| {
            Box::pin(async move {
                let row = tx.fetch_one("SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM schema_migrations) AS migrations", &[]).await?;
                Ok::<_, StoreError>((row.get::<i64>("runs")?, row.get::<i64>("migrations")?))
            })
        });
        assert_eq!(runs.await, Ok((1, 3)));
    }
}

/// As two replicas do.
#[tokio::test]
async fn two_writers_on_one_postgres_share_the_revision() {
    let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
    let other = Db::open(&test.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
    let outcomes = join_all((0..200).map(|i| {
        let db = if i % 2 == 0 { test.db.clone() } else { other.clone() };
        async move { add(&db, &format!("item {i}"), 1).await }
    }))
    .await;
    let mut positions: Vec<i64> = outcomes.into_iter().map(|done| done.unwrap().position.n).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=200).collect::<Vec<_>>());
}

/// The server drops all connections, as in a restart; both the writer and the readers find their way back.
#[tokio::test]
async fn postgres_connections_that_died_are_replaced() {
    const KILL: &str = "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
    let add = |name: &'static str| test.db.write(move |tx| Box::pin(async move { insert(tx, name, 1).await }));
    add("one").await.unwrap();
    join_all((0..16).map(|_| test.db.ping())).await;

    // From a connection of the pool: all others end, the writer's too.
    let ended = test.db.read(|tx| Box::pin(async move { tx.fetch_one(KILL, &[]).await?.get::<i64>("ended") })).await.unwrap();
    assert!(ended >= 2, "{ended}");
    assert_eq!(add("two").await.unwrap().position.n, 2);
    let reads = join_all((0..16).map(|_| test.db.read(|tx| Box::pin(async move { count(tx).await })))).await;
    assert!(reads.into_iter().all(|count| count == Ok(2)));

    // In the middle of a batch: unsure, nothing kept, and the next write goes on.
    let lost = test
        .db
        .write(|tx| {
            Box::pin(async move {
                insert(tx, "lost", 1).await?;
                tx.execute("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await?;
                Ok::<_, StoreError>(())
            })
        })
        .await;
    assert_eq!(lost, Err(StoreError::Unavailable));
    assert_eq!(add("three").await.unwrap().position.n, 3);
    assert_eq!(test.db.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(3));
}
