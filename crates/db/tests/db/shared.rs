//! What several processes on one PostgreSQL database need: commits that are warned of, a floor under reads, small transactions beside the
//! writer's, and rings.

#![expect(clippy::disallowed_methods, reason = "whoever listens does so beside the test, which waits for it")]

use crate::{
    common::{MIGRATIONS, count, insert},
    writes::add,
};
use keywright_db::{Db, Migration, StoreError, Writes, testing};
use keywright_protocol::Position;

/// While a name stands in it, each commit is warned of.
const WARNING: Migration = Migration {
    version: 3,
    name: "warning",
    sqlite: "SELECT 1",
    postgres:
        "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.amount = 13 THEN RAISE WARNING 'thirteen'; END IF; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER warned AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn();",
};

async fn warning() -> testing::TestDb {
    let mut migrations = MIGRATIONS.to_vec();
    migrations.push(WARNING);
    testing::postgres(Writes::Revisioned, &migrations).await
}

/// As when the wait for the standby is cancelled: the server says that it has committed, and warns. Reddens when `commit` does not listen.
#[tokio::test]
async fn a_commit_that_is_warned_of_is_none() {
    let test = warning().await;
    assert_eq!(add(&test.db, "thirteen", 13).await, Err(StoreError::Unavailable));
    assert!(add(&test.db, "fourteen", 14).await.is_ok(), "the next one is not warned of");
    let mut aside = test.db.aside().unwrap();
    let warned = aside.run(|tx| Box::pin(async move { insert(tx, "again", 13).await })).await;
    assert_eq!(warned, Err(StoreError::Unavailable));
    aside.run(|tx| Box::pin(async move { insert(tx, "fifteen", 15).await })).await.unwrap();
}

#[tokio::test]
async fn what_fails_beside_the_writer_is_rolled_back_and_the_next_is_not() {
    let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
    let mut aside = test.db.aside().unwrap();
    let refused = aside.run(|tx| {
        Box::pin(async move {
            insert(tx, "one", 1).await?;
            Err::<(), _>(StoreError::NotFound)
        })
    });
    assert_eq!(refused.await, Err(StoreError::NotFound));
    let broken = aside.run(|tx| Box::pin(async move { insert(tx, "two", -1).await }));
    assert!(matches!(broken.await, Err(StoreError::Conflict { .. })));
    // A failure that `f` does not pass on counts all the same.
    let hidden = aside.run(|tx| {
        Box::pin(async move {
            drop(insert(tx, "three", -1).await);
            Ok::<_, StoreError>(())
        })
    });
    assert!(matches!(hidden.await, Err(StoreError::Conflict { .. })));
    aside.run(|tx| Box::pin(async move { insert(tx, "four", 4).await })).await.unwrap();
    assert_eq!(test.db.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(1));
    assert!(testing::sqlite(Writes::Plain, MIGRATIONS).await.db.aside().is_none());
}

#[tokio::test]
async fn nothing_is_read_that_is_older_than_the_floor() {
    let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
    let written = add(&test.db, "one", 1).await.unwrap();
    let count_of = |db: Db| async move { db.read(|tx| Box::pin(async move { count(tx).await })).await };
    test.db.raise_floor(written.position);
    assert_eq!(count_of(test.db.clone()).await, Ok(1));
    test.db.raise_floor(Position { n: written.position.n + 1, ..written.position });
    assert_eq!(count_of(test.db.clone()).await, Err(StoreError::Unavailable));
    // It never sinks.
    test.db.raise_floor(written.position);
    assert_eq!(count_of(test.db.clone()).await, Err(StoreError::Unavailable));
    add(&test.db, "two", 2).await.unwrap();
    assert_eq!(count_of(test.db.clone()).await, Ok(2));
    // In a later history numbers mean something else: only who asks for it reads there.
    test.db.write(|tx| Box::pin(async move { tx.execute("UPDATE revision SET history = history + 1", &[]).await })).await.unwrap();
    assert_eq!(count_of(test.db.clone()).await, Err(StoreError::Unavailable));
    assert_eq!(test.db.read_of_any_history(|tx| Box::pin(async move { count(tx).await })).await, Ok(2));
}

#[tokio::test]
async fn others_hear_a_ring_when_it_is_committed() {
    let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
    let other = Db::open(&test.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
    let (mut rings, db) = (other.rings(), test.db.clone());
    let heard = tokio::spawn(async move {
        rings.next().await;
        db.read(|tx| Box::pin(async move { count(tx).await })).await
    });
    // It may take a moment until it listens; whoever rings before is not heard.
    for number in 1_i64.. {
        let rung = test.db.write(move |tx| {
            tx.ring();
            Box::pin(async move { insert(tx, format!("item {number}"), 1).await })
        });
        rung.await.unwrap();
        if heard.is_finished() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(heard.await.unwrap().unwrap() > 0, "what was rung for is there");
}

/// A process that stands still within a transaction holds the lock that every write needs, for a second and not for ever. Reddens when the
/// server is told to wait longer than whoever waits for the lock.
#[tokio::test]
async fn whoever_stands_still_does_not_hold_up_the_others() {
    let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
    let other = Db::open(&test.location, Writes::Revisioned, MIGRATIONS).await.unwrap();
    let (stands, still) = tokio::sync::oneshot::channel();
    let paused = tokio::spawn(async move {
        let write = other.write(move |tx| {
            Box::pin(async move {
                insert(tx, "paused", 1).await?;
                let _ = stands.send(());
                // As if the process were stopped: the transaction is open, and nothing comes.
                std::future::pending::<()>().await;
                Ok::<_, StoreError>(())
            })
        });
        write.await
    });
    still.await.unwrap();
    add(&test.db, "goes on", 1).await.unwrap();
    paused.abort();
    assert_eq!(test.db.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(1));
}

/// A number is given on the server that the history is on, and while it is open; what is to open it again asks for neither.
#[tokio::test]
async fn no_write_where_the_history_is_shut_or_elsewhere() {
    let test = testing::postgres(Writes::Revisioned, MIGRATIONS).await;
    let set = |sql: &'static str| test.db.write_though_shut(move |tx| Box::pin(async move { tx.execute(sql, &[]).await }));
    let here = test.db.read(|tx| Box::pin(async move { tx.server().await })).await.unwrap().unwrap().cluster;
    test.db.write(move |tx| Box::pin(async move { tx.execute("UPDATE revision SET cluster = $1", &[here.into()]).await })).await.unwrap();
    add(&test.db, "one", 1).await.unwrap();
    set("UPDATE revision SET shut_at = 1").await.unwrap();
    assert_eq!(add(&test.db, "two", 2).await, Err(StoreError::Unavailable));
    set("UPDATE revision SET shut_at = NULL, cluster = '1/00000001'").await.unwrap();
    assert_eq!(add(&test.db, "two", 2).await, Err(StoreError::Unavailable));
    set("UPDATE revision SET cluster = NULL").await.unwrap();
    add(&test.db, "two", 2).await.unwrap();
}
