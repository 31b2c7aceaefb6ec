//! Copying between the engines: what arrives, what is refused, what an interruption leaves.

use futures_util::FutureExt as _;
use keywright_db::{
    Access, Db, Engine, Location, Migration, OpenError, StoreError, Tx, Value, Whole, Writes,
    copy::{BATCH, Begun, CopyError, LeftOut, Origin, Step, TableDigest, Target, digest_of},
    testing::{self, TestDb},
};
use keywright_protocol::Position;
use std::panic::AssertUnwindSafe;
use uuid::Uuid;

macro_rules! both {
    ($version:expr, $name:expr, $text:expr) => {
        Migration { version: $version, name: $name, sqlite: concat!($text, ""), postgres: $text }
    };
}

/// All kinds of columns, keys of all kinds, rows that refer to rows of other tables and of their own, rows that a migration makes.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "tables",
        sqlite:
            "CREATE TABLE revision (id INTEGER PRIMARY KEY CHECK (id = 1), history INTEGER NOT NULL, n INTEGER NOT NULL, cluster TEXT, shut_at INTEGER) STRICT;
            INSERT INTO revision (id, history, n) VALUES (1, 1, 0);
            CREATE TABLE halls (place BLOB NOT NULL REFERENCES places (id), name TEXT NOT NULL, PRIMARY KEY (place, name)) STRICT;
            CREATE TABLE places (id BLOB PRIMARY KEY, root BLOB NOT NULL REFERENCES places (id)) STRICT;
            CREATE TABLE words (word TEXT PRIMARY KEY, at INTEGER) STRICT;
            CREATE TABLE cells (a INTEGER NOT NULL, b TEXT NOT NULL, c BLOB NOT NULL, d BLOB NOT NULL, e INTEGER, f TEXT, g BLOB, h BLOB,
                PRIMARY KEY (b, d, a, c)) STRICT;
            CREATE TABLE visitors (id INTEGER PRIMARY KEY) STRICT;",
        postgres: "CREATE TABLE revision (id BIGINT PRIMARY KEY CHECK (id = 1), history BIGINT NOT NULL, n BIGINT NOT NULL, cluster TEXT, shut_at BIGINT);
            INSERT INTO revision (id, history, n) VALUES (1, 1, 0);
            CREATE TABLE places (id UUID PRIMARY KEY, root UUID NOT NULL REFERENCES places (id));
            CREATE TABLE halls (place UUID NOT NULL REFERENCES places (id), name TEXT NOT NULL, PRIMARY KEY (place, name));
            CREATE TABLE words (word TEXT PRIMARY KEY, at BIGINT);
            CREATE TABLE cells (a BIGINT NOT NULL, b TEXT NOT NULL, c BYTEA NOT NULL, d UUID NOT NULL, e BIGINT, f TEXT, g BYTEA, h UUID,
                PRIMARY KEY (b, d, a, c));
            CREATE TABLE visitors (id BIGINT PRIMARY KEY);",
    },
    both!(2, "nothing", "SELECT 1"),
];

const LEFT_OUT: LeftOut = LeftOut { tables: &["visitors"], columns: &[("revision", "cluster")] };

const WORDS: &[&str] =
    &["", " ", "-", "_", "A", "B", "Z", "a", "aa", "a b", "ab", "b", "z", "ß", "ä", "Ä", "é", "e\u{301}", "İ", "中", "🦀", "\u{10ffff}", "'\"\\%", "\n\r\t"];

async fn fill(tx: &mut Tx) -> Result<(), StoreError> {
    let id = |number: u128| Value::from(Uuid::from_u128(number));
    // The root has the highest key of all.
    let root = u128::MAX;
    tx.execute_one("INSERT INTO places (id, root) VALUES ($1, $1)", &[id(root)]).await?;
    for number in 0..40_u128 {
        tx.execute_one("INSERT INTO places (id, root) VALUES ($1, $2)", &[id(number), id(root)]).await?;
        tx.execute_one("INSERT INTO halls (place, name) VALUES ($1, $2)", &[id(number), format!("room {number}").into()]).await?;
    }
    for (word, at) in WORDS.iter().zip([i64::MIN, -1, 0, 1, i64::MAX].into_iter().cycle()) {
        tx.execute_one("INSERT INTO words (word, at) VALUES ($1, $2)", &[(*word).into(), at.into()]).await?;
    }
    tx.execute_one("INSERT INTO words (word, at) VALUES ('nothing', $1)", &[Value::Int(None)]).await?;
    for (number, word) in WORDS.iter().enumerate() {
        let number = i64::try_from(number).unwrap();
        let bytes: Vec<u8> = vec![0, u8::MAX, b'\'', 0, u8::try_from(number).unwrap()];
        for (a, c) in [(i64::MIN, vec![]), (number, bytes.clone()), (i64::MAX, vec![0; 9_000])] {
            let values: [Value; 8] = [
                a.into(),
                (*word).into(),
                c.into(),
                Uuid::from_u128(u128::from(number.unsigned_abs()) << 60).into(),
                Value::Int((number % 2 == 0).then_some(-number)),
                Value::Text((number % 3 == 0).then(|| word.repeat(50))),
                Value::Bytes((number % 5 > 0).then(|| bytes.clone())),
                Value::Id((number % 7 > 0).then(Uuid::nil)),
            ];
            tx.execute_one("INSERT INTO cells (a, b, c, d, e, f, g, h) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", &values).await?;
        }
    }
    tx.execute_one("INSERT INTO visitors (id) VALUES (1)", &[]).await?;
    tx.execute_one("UPDATE revision SET cluster = 'here'", &[]).await
}

async fn made(engine: Engine) -> TestDb {
    match engine {
        Engine::Sqlite => testing::sqlite(Writes::Revisioned, MIGRATIONS).await,
        Engine::Postgres => testing::postgres(Writes::Revisioned, MIGRATIONS).await,
    }
}

async fn source(engine: Engine) -> TestDb {
    let test = made(engine).await;
    test.db.write(|tx| Box::pin(async move { fill(tx).await })).await.unwrap();
    test.db.close().await;
    test
}

/// Where nothing is yet.
async fn nowhere(engine: Engine) -> TestDb {
    let test = match engine {
        Engine::Sqlite => testing::sqlite(Writes::Plain, &[]).await,
        Engine::Postgres => testing::postgres(Writes::Plain, &[]).await,
    };
    test.db.close().await;
    if let Location::Sqlite { path } = &test.location {
        std::fs::remove_file(path).unwrap();
    }
    test
}

async fn hold(from: &Location) -> Result<Origin, CopyError> {
    let mut origin = Origin::hold(from, MIGRATIONS, LEFT_OUT).await?;
    origin.read(&mut |_| {}).await?;
    Ok(origin)
}

async fn begin(to: &Location, origin: &Origin) -> Result<Target, CopyError> {
    match Target::begin(to, origin).await? {
        Begun::Target(target) => Ok(target),
        Begun::Same => panic!("it is all there"),
    }
}

/// Copies until `stop` says so, which is asked after each transaction with how many rows are done; that is as if the process were killed there.
async fn copy_until(from: &Location, to: &Location, mut stop: impl FnMut(u64) -> bool + Send) -> Option<Result<Vec<TableDigest>, CopyError>> {
    let copying = async {
        let mut origin = hold(from).await?;
        let mut target = begin(to, &origin).await?;
        target
            .fill(&mut origin, 7, &mut |progress| {
                assert_eq!(progress.step, Step::Copying);
                assert!(!stop(progress.rows), "stop");
            })
            .await?;
        let tables = target.check(origin.tables(), &mut |_| {}).await?;
        let finished = target.finish(Some(5), |_| Box::pin(async { Ok::<_, CopyError>(()) })).await?;
        assert_eq!(finished.position, Position { history: 5, n: 2 });
        Ok(tables)
    };
    AssertUnwindSafe(copying).catch_unwind().await.ok()
}

async fn copy(from: &Location, to: &Location) -> Result<Vec<TableDigest>, CopyError> {
    copy_until(from, to, |_| false).await.unwrap()
}

/// One statement on a database that nobody can open.
async fn alter(location: &Location, sql: &'static str) {
    let mut whole = Whole::open(location, Access::Hold).await.unwrap();
    whole.tx().execute_one(sql, &[]).await.unwrap();
    whole.commit(()).await.unwrap();
}

async fn digests(location: &Location) -> Vec<TableDigest> {
    hold(location).await.unwrap().tables().to_vec()
}

const WAYS: [(Engine, Engine); 4] =
    [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite), (Engine::Postgres, Engine::Postgres), (Engine::Sqlite, Engine::Sqlite)];

/// Reddens when a value changes on the way, when a row is missing, when the place's own rows go along, or when the history does not begin anew.
#[tokio::test]
async fn every_row_arrives_as_it_was() {
    for (from, to) in WAYS {
        let (from, to) = (source(from).await, nowhere(to).await);
        let copied = copy(&from.location, &to.location).await.unwrap();
        let names: Vec<(&str, u64)> = copied.iter().map(|table| (table.table.as_str(), table.rows)).collect();
        assert_eq!(names, [("cells", 72), ("places", 41), ("halls", 40), ("revision", 1), ("words", 25)]);
        // All but the revision, which has gone on.
        let differ = |one: &[TableDigest], other: &[TableDigest]| {
            let differing = one.iter().zip(other).filter(|(one, other)| one != other);
            differing.map(|(one, _)| one.table.clone()).collect::<Vec<_>>()
        };
        assert_eq!(differ(&digests(&to.location).await, &copied), ["revision"]);
        let db = Db::open(&to.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
        let left = db.read(|tx| {
            Box::pin(async move {
                let row = tx.fetch_one("SELECT cluster, (SELECT count(*) FROM visitors) AS visitors FROM revision", &[]).await?;
                Ok::<_, StoreError>((row.get::<Option<String>>("cluster")?, row.get::<i64>("visitors")?))
            })
        });
        assert_eq!(left.await, Ok((None, 0)));
        let next = db.write(|tx| Box::pin(async move { tx.execute("UPDATE words SET at = 1", &[]).await })).await.unwrap();
        assert_eq!(next.position, Position { history: 5, n: 3 });
        db.close().await;
        let read = Db::open(&from.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
        read.close().await;
    }
}

/// Reddens when digests do not tell values apart: NULL and nothing, text and bytes, what stands in one column and in the next.
#[tokio::test]
async fn different_rows_have_different_digests() {
    let alterations = [
        "UPDATE words SET at = NULL WHERE word = 'A'",
        "UPDATE cells SET f = '' WHERE b = '-' AND f IS NULL AND a < 0",
        "UPDATE cells SET g = c WHERE b = '-' AND a < 0",
        "UPDATE cells SET f = b, e = NULL WHERE b = '_' AND a < 0",
        "UPDATE words SET word = 'A ' WHERE word = 'A'",
        "UPDATE cells SET a = a + 1 WHERE b = '🦀' AND a < 0",
        "DELETE FROM words WHERE word = ''",
    ];
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let test = source(engine).await;
        let mut seen = vec![digest_of(&digests(&test.location).await)];
        for sql in alterations {
            alter(&test.location, sql).await;
            let digest = digest_of(&digests(&test.location).await);
            assert!(!seen.contains(&digest), "{engine:?}: {sql}");
            seen.push(digest);
        }
    }
}

/// Reddens when an order is the server's and not the bytes': then rows are left out after an interruption, and digests differ.
#[tokio::test]
async fn the_language_of_a_server_does_not_matter() {
    const ICU: &str = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LOCALE 'C.UTF-8'";
    let from = source(Engine::Sqlite).await;
    let there = testing::postgres_made_with(ICU, Writes::Plain, &[]).await;
    let sorted =
        there.db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT CASE WHEN 'a' < 'B' THEN 1 ELSE 0 END AS other", &[]).await?.get::<i64>("other") }));
    assert_eq!(sorted.await, Ok(1), "this server sorts by bytes itself");
    there.db.close().await;
    let mut reached = 0;
    let copied = loop {
        let before = reached;
        let copied = copy_until(&from.location, &there.location, |rows| {
            reached = reached.max(rows);
            rows > before
        });
        if let Some(copied) = copied.await {
            break copied.unwrap();
        }
    };
    assert_eq!(digest_of(&copied), digest_of(&digests(&from.location).await));
    let back = nowhere(Engine::Sqlite).await;
    let mut origin = hold(&there.location).await.unwrap();
    let mut target = begin(&back.location, &origin).await.unwrap();
    target.fill(&mut origin, BATCH, &mut |_| {}).await.unwrap();
    target.check(origin.tables(), &mut |_| {}).await.unwrap();
}

/// Reddens when an interruption loses or doubles a row, when a copy begins again from the start, or when half a copy is opened by anybody.
#[tokio::test]
async fn an_interrupted_copy_goes_on_where_it_was() {
    for (from, to) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (from, to) = (source(from).await, nowhere(to).await);
        let (mut reached, mut stops) = (0, 0);
        loop {
            let before = reached;
            let copied = copy_until(&from.location, &to.location, |rows| {
                reached = reached.max(rows);
                // After the first transaction that brings something new. What is there is counted, and not copied again.
                rows > before
            });
            match copied.await {
                Some(copied) => {
                    assert_eq!(digest_of(&copied.unwrap()), digest_of(&digests(&from.location).await));
                    break;
                }
                None => stops += 1,
            }
            assert!(reached - before <= 7, "{before} {reached}: one transaction each time");
            let refused = Db::open(&to.location, Writes::Plain, MIGRATIONS).await.err().unwrap();
            assert!(matches!(refused, OpenError::Unfinished), "{refused}");
            // Other releases refuse it as well.
            assert!(Db::open(&to.location, Writes::Plain, &MIGRATIONS[..1]).await.is_err());
            let look = Whole::open(&to.location, Access::Look).await.unwrap().look().await.unwrap();
            assert_eq!((look.schema, look.unfinished.map(|mark| mark.len())), (Some(2), Some(32)));
            let held = Origin::hold(&to.location, MIGRATIONS, LEFT_OUT).await.err().unwrap();
            assert!(matches!(held, CopyError::UnfinishedSource), "{held}");
        }
        assert!(stops > 20, "{stops}");
        Db::open(&to.location, Writes::Plain, MIGRATIONS).await.unwrap().close().await;
    }
}

async fn interrupted(from: &TestDb, to: &TestDb) {
    assert!(copy_until(&from.location, &to.location, |rows| rows > 100).await.is_none());
}

/// Reddens when the check does not look at the rows that are there, or looks at too little.
#[tokio::test]
async fn what_was_tampered_with_is_found() {
    let alterations = [
        ("cells", "UPDATE cells SET e = 17 WHERE b = '-' AND a < 0"),
        ("cells", "DELETE FROM cells WHERE b = '-' AND a < 0"),
        ("words", "INSERT INTO words (word) VALUES ('\u{10ffff}more')"),
    ];
    for engine in [Engine::Sqlite, Engine::Postgres] {
        for (table, sql) in alterations {
            let (from, to) = (source(Engine::Sqlite).await, nowhere(engine).await);
            interrupted(&from, &to).await;
            alter(&to.location, sql).await;
            for _ in 0..2 {
                let differs = copy(&from.location, &to.location).await.unwrap_err();
                assert!(matches!(&differs, CopyError::Differs(name) if name == table), "{engine:?} {sql}: {differs}");
            }
            assert!(matches!(Db::open(&to.location, Writes::Plain, MIGRATIONS).await.err().unwrap(), OpenError::Unfinished));
        }
    }
}

/// Reddens when rows of two states of a database come together in one.
#[tokio::test]
async fn a_source_that_changed_meanwhile_is_not_gone_on_with() {
    for (one, other) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (from, to) = (source(one).await, nowhere(other).await);
        interrupted(&from, &to).await;
        let db = Db::open(&from.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
        db.write_though_shut(|tx| Box::pin(async move { tx.execute("DELETE FROM words WHERE word = 'nothing'", &[]).await })).await.unwrap();
        db.close().await;
        let refused = copy(&from.location, &to.location).await.unwrap_err();
        assert!(matches!(refused, CopyError::OtherCopy), "{refused}");
    }
}

/// Reddens when something of somebody is written over, also in a table that is not copied, or in a row that a migration made.
#[tokio::test]
async fn a_target_that_is_not_empty_is_refused() {
    let from = source(Engine::Sqlite).await;
    for engine in [Engine::Sqlite, Engine::Postgres] {
        for (table, sql) in [
            ("words", "INSERT INTO words (word) VALUES ('mine')"),
            ("visitors", "INSERT INTO visitors (id) VALUES (1)"),
            ("revision", "UPDATE revision SET n = 1"),
        ] {
            let to = made(engine).await;
            to.db.close().await;
            alter(&to.location, sql).await;
            let before = digests(&to.location).await;
            let refused = copy(&from.location, &to.location).await.unwrap_err();
            assert!(matches!(&refused, CopyError::Occupied(name) if name == table), "{refused}");
            assert_eq!(digests(&to.location).await, before);
            Db::open(&to.location, Writes::Plain, MIGRATIONS).await.unwrap().close().await;
        }
        // What is migrated and nothing else is empty.
        let to = made(engine).await;
        to.db.close().await;
        copy(&from.location, &to.location).await.unwrap();
    }
}

/// Reddens when what is there already, all of it, is taken for something of somebody else's. For databases without a revision.
#[tokio::test]
async fn a_copy_that_is_done_is_recognized() {
    let (from, to) = (source(Engine::Sqlite).await, nowhere(Engine::Postgres).await);
    let mut origin = hold(&from.location).await.unwrap();
    let mut target = begin(&to.location, &origin).await.unwrap();
    target.fill(&mut origin, BATCH, &mut |_| {}).await.unwrap();
    target.finish(None, |_| Box::pin(async { Ok::<_, CopyError>(()) })).await.unwrap();
    assert!(matches!(Target::begin(&to.location, &origin).await.unwrap(), Begun::Same));
}

/// Reddens when somebody can write to what is being copied.
#[tokio::test]
async fn nothing_changes_while_it_is_held() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let from = source(engine).await;
        let db = Db::open(&from.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
        // On a server it is said to be elsewhere.
        let write = || db.write_though_shut(|tx| Box::pin(async move { tx.execute("UPDATE words SET at = 3", &[]).await }));
        let origin = hold(&from.location).await.unwrap();
        assert!(matches!(write().await, Err(StoreError::Busy | StoreError::Unavailable)), "{engine:?}");
        // Whoever reads is not in the way.
        db.ping().await.unwrap();
        let second = hold(&from.location).await.err().unwrap();
        assert!(matches!(second, CopyError::Open(OpenError::Busy)), "{second}");
        drop(origin);
        let mut wrote = write().await;
        // The connection of the dropped one may take a moment to go.
        for _ in 0..50 {
            if wrote.is_ok() {
                break;
            }
            wrote = write().await;
        }
        wrote.unwrap();
        db.close().await;
    }
}

/// Reddens when a server's own time limits end a copy that takes long.
#[tokio::test]
async fn a_long_copy_is_not_ended_by_the_server() {
    const LIMIT: &str = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = 50', current_database());
        EXECUTE format('ALTER DATABASE %I SET statement_timeout = 50', current_database()); END $$";
    let (from, to) = (source(Engine::Postgres).await, nowhere(Engine::Postgres).await);
    for test in [&from, &to] {
        let mut whole = Whole::open(&test.location, Access::Hold).await.unwrap();
        whole.tx().execute(LIMIT, &[]).await.unwrap();
        whole.commit(()).await.unwrap();
    }
    let mut origin = hold(&from.location).await.unwrap();
    origin.tx().fetch_one("SELECT pg_sleep(0.2)::text AS slept", &[]).await.unwrap();
    let mut target = begin(&to.location, &origin).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    target.fill(&mut origin, BATCH, &mut |_| {}).await.unwrap();
    target.check(origin.tables(), &mut |_| {}).await.unwrap();
}

#[tokio::test]
async fn one_copy_at_a_time_into_a_server() {
    let (from, to) = (source(Engine::Postgres).await, nowhere(Engine::Postgres).await);
    let origin = hold(&from.location).await.unwrap();
    let _target = begin(&to.location, &origin).await.unwrap();
    let second = Target::begin(&to.location, &origin).await.err().unwrap();
    assert!(matches!(second, CopyError::BusyTarget), "{second}");
}

#[tokio::test]
async fn what_one_engine_cannot_hold_is_named() {
    let (from, to) = (source(Engine::Sqlite).await, nowhere(Engine::Postgres).await);
    alter(&from.location, "UPDATE cells SET f = 'a' || char(0) || 'b' WHERE b = '-' AND a < 0").await;
    let refused = copy(&from.location, &to.location).await.unwrap_err();
    assert!(matches!(&refused, CopyError::Nul { table, column } if table == "cells" && column == "f"), "{refused}");
    let file = nowhere(Engine::Sqlite).await;
    copy(&from.location, &file.location).await.unwrap();
    let latin = testing::postgres_made_with("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'", Writes::Plain, &[]).await;
    latin.db.close().await;
    let refused = copy(&source(Engine::Sqlite).await.location, &latin.location).await.unwrap_err();
    assert!(matches!(&refused, CopyError::Encoding(name) if name == "LATIN1"), "{refused}");
}

#[tokio::test]
async fn a_source_of_another_schema_is_refused() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let older = match engine {
            Engine::Sqlite => testing::sqlite(Writes::Plain, &MIGRATIONS[..1]).await,
            Engine::Postgres => testing::postgres(Writes::Plain, &MIGRATIONS[..1]).await,
        };
        older.db.close().await;
        let refused = Origin::hold(&older.location, MIGRATIONS, LEFT_OUT).await.err().unwrap();
        assert!(matches!(refused, CopyError::OldSource { found: 1, known: 2 }), "{refused}");
        let refused = Origin::hold(&source(engine).await.location, &MIGRATIONS[..1], LEFT_OUT).await.err().unwrap();
        assert!(matches!(refused, CopyError::Open(OpenError::NewerVersion { found: 2, known: 1 })), "{refused}");
    }
    let empty = testing::postgres(Writes::Plain, &[]).await;
    let Location::Postgres { url, standby, .. } = &empty.location else { panic!("a server") };
    let nothing = Location::Postgres { url: url.clone(), schema: Some("nothing".to_owned()), standby: *standby };
    assert!(matches!(Origin::hold(&nothing, MIGRATIONS, LEFT_OUT).await.err().unwrap(), CopyError::Nothing));
}

/// Reddens when a schema that the copy does not understand is copied all the same.
#[tokio::test]
async fn a_schema_that_is_not_known_is_refused() {
    for (part, sql) in [
        ("primary key", "CREATE TABLE keyless (a INTEGER) STRICT"),
        ("type REAL", "CREATE TABLE measures (a INTEGER PRIMARY KEY, b REAL) STRICT"),
        ("circle", "CREATE TABLE one (a INTEGER PRIMARY KEY REFERENCES two (a)) STRICT; CREATE TABLE two (a INTEGER PRIMARY KEY REFERENCES one (a)) STRICT"),
    ] {
        let migrations = [Migration { version: 1, name: "unknown", sqlite: sql, postgres: "SELECT 1" }];
        let test = testing::sqlite(Writes::Plain, &migrations).await;
        test.db.close().await;
        let refused = Origin::hold(&test.location, &migrations, LEFT_OUT).await.err().unwrap();
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

#[test]
fn a_place_is_described_without_a_password() {
    let place = Location::Postgres {
        url: "postgres://me:hunter2@db.example.com:6432/auth?sslmode=verify-full".to_owned(),
        schema: Some("distribution".to_owned()),
        standby: keywright_db::Standby::AsItIs,
    };
    assert_eq!(place.describe(), "postgres://db.example.com:6432/auth, schema distribution");
}
