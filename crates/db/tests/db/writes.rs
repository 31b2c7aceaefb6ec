//! Gathered, revisioned writes, on both engines.

use crate::common::{MIGRATIONS, count, insert, revision};
use futures_util::{FutureExt, future::join_all};
use keywright_db::{Committed, Db, Engine, StoreError, Writes};
use keywright_protocol::Position;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

keywright_db::on_both_engines!(Writes::Revisioned, MIGRATIONS;
    concurrent_writes_get_positions_without_gaps,
    a_refused_write_takes_no_position_and_no_neighbour,
    a_panic_is_rolled_back_alone,
    a_failed_statement_dooms_its_write,
    a_write_sees_its_own_position,
    a_caller_that_goes_away_does_not_stop_its_write,
    conflicts_name_their_constraint,
    a_failed_commit_is_everybodys_and_the_next_one_is_not,
    writes_that_wait_share_a_commit,
    a_full_disk_is_survived,
    queued_writes_are_finished_by_close,
    writes_after_close_are_unavailable,
    an_update_of_other_than_one_row_is_refused,
    what_is_to_be_done_on_commit_is_done_then_and_only_then,
);

async fn read<T: Send>(db: &Db, f: impl for<'t> FnOnce(&'t mut keywright_db::Tx) -> keywright_db::BoxFuture<'t, Result<T, StoreError>> + Send) -> T {
    db.read(f).await.unwrap()
}

pub(crate) async fn add(db: &Db, name: &str, amount: i64) -> Result<Committed<()>, StoreError> {
    let name = name.to_owned();
    db.write(move |tx| Box::pin(async move { insert(tx, name, amount).await })).await
}

async fn concurrent_writes_get_positions_without_gaps(db: Db) {
    // One in ten breaks a check.
    let outcomes = join_all((0..300_i64).map(|i| {
        let db = db.clone();
        async move { add(&db, &format!("item {i}"), if i % 10 == 0 { -1 } else { i }).await }
    }))
    .await;
    let mut positions: Vec<Position> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).map(|done| done.position).collect();
    positions.sort_unstable();
    let expected: Vec<Position> = (1..=270).map(|n| Position { history: 3, n }).collect();
    assert_eq!(positions, expected);
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|error| matches!(error, StoreError::Conflict { .. })));
    assert_eq!(read(&db, |tx| Box::pin(async move { Ok((count(tx).await?, revision(tx).await?)) })).await, (270, 270));
}

async fn a_refused_write_takes_no_position_and_no_neighbour(db: Db) {
    let refused = db.write(|tx| {
        Box::pin(async move {
            insert(tx, "refused", 1).await?;
            Err::<(), _>(StoreError::NotFound)
        })
    });
    let (before, refused, after) = tokio::join!(add(&db, "before", 1), refused, add(&db, "after", 1));
    assert_eq!(refused, Err(StoreError::NotFound));
    assert_eq!(before.unwrap().position.n, 1);
    assert_eq!(after.unwrap().position.n, 2);
    assert_eq!(read(&db, |tx| Box::pin(async move { Ok((count(tx).await?, revision(tx).await?)) })).await, (2, 2));
}

async fn a_panic_is_rolled_back_alone(db: Db) {
    let panicking = db.write::<(), StoreError, _>(|tx| {
        Box::pin(async move {
            insert(tx, "panicking", 1).await?;
            panic!("as planned");
        })
    });
    let early = db.write::<(), StoreError, _>(|_| panic!("before there is a future"));
    let (before, panicked, early, after) = tokio::join!(add(&db, "before", 1), panicking, early, add(&db, "after", 1));
    assert_eq!((panicked, early), (Err(StoreError::Corrupt), Err(StoreError::Corrupt)));
    assert_eq!((before.unwrap().position.n, after.unwrap().position.n), (1, 2));
    assert_eq!(read(&db, |tx| Box::pin(async move { count(tx).await })).await, 2);
}

async fn a_failed_statement_dooms_its_write(db: Db) {
    add(&db, "one", 1).await.unwrap();
    let swallowed = db
        .write(|tx| {
            Box::pin(async move {
                insert(tx, "two", 1).await?;
                let first = insert(tx, "one", 1).await;
                assert_eq!(count(tx).await.unwrap_err(), first.unwrap_err(), "later statements say the same");
                Ok::<_, StoreError>(())
            })
        })
        .await;
    assert!(matches!(swallowed, Err(StoreError::Conflict { .. })), "{swallowed:?}");
    assert_eq!(read(&db, |tx| Box::pin(async move { count(tx).await })).await, 1);
    assert_eq!(add(&db, "three", 1).await.unwrap().position.n, 2, "and the next write is none the worse");
}

async fn a_write_sees_its_own_position(db: Db) {
    let done = db.write(|tx| Box::pin(async move { Ok::<_, StoreError>((tx.position(), revision(tx).await?)) })).await.unwrap();
    assert_eq!(done.value, (done.position, 1));
    assert_eq!(done.position, Position { history: 3, n: 1 });
}

async fn a_caller_that_goes_away_does_not_stop_its_write(db: Db) {
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    let mut write = Box::pin(db.write(move |tx| {
        Box::pin(async move {
            insert(tx, "left behind", 1).await?;
            seen.store(true, Ordering::SeqCst);
            Ok::<_, StoreError>(())
        })
    }));
    assert!((&mut write).now_or_never().is_none());
    drop(write);
    assert_eq!(add(&db, "next", 1).await.unwrap().position.n, 2);
    assert!(ran.load(Ordering::SeqCst));
    assert_eq!(read(&db, |tx| Box::pin(async move { count(tx).await })).await, 2);
}

async fn conflicts_name_their_constraint(db: Db) {
    let constraint = |outcome: Result<Committed<()>, StoreError>| match outcome {
        Err(StoreError::Conflict { constraint }) => constraint,
        other => panic!("no conflict: {other:?}"),
    };
    add(&db, "one", 1).await.unwrap();
    let unique = constraint(add(&db, "one", 1).await);
    let check = constraint(add(&db, "two", -1).await);
    let foreign = constraint(db.write(|tx| Box::pin(async move { tx.execute_one("INSERT INTO parts (item) VALUES ($1)", &["none".into()]).await })).await);
    assert_eq!(check.as_deref(), Some("items_amount"));
    match db.engine() {
        Engine::Sqlite => assert_eq!((unique.as_deref(), foreign), (Some("items.name"), None)),
        Engine::Postgres => assert_eq!((unique.as_deref(), foreign.as_deref()), (Some("items_name_key"), Some("parts_item_fkey"))),
    }
    let null = db.write(|tx| Box::pin(async move { insert(tx, None::<&str>, 1).await })).await;
    assert_eq!(null, Err(StoreError::Corrupt), "NOT NULL is no conflict");
}

async fn queued_writes_are_finished_by_close(db: Db) {
    let mut writes: Vec<_> = (0..100)
        .map(|i| {
            let db = db.clone();
            Box::pin(async move { add(&db, &format!("item {i}"), 1).await })
        })
        .collect();
    for write in &mut writes {
        assert!(write.now_or_never().is_none());
    }
    db.close().await;
    let mut positions: Vec<i64> = join_all(writes).await.into_iter().map(|done| done.unwrap().position.n).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=100).collect::<Vec<_>>());
}

async fn writes_after_close_are_unavailable(db: Db) {
    db.ping().await.unwrap();
    tokio::join!(db.close(), db.close());
    assert_eq!(add(&db, "late", 1).await, Err(StoreError::Unavailable));
    assert_eq!(db.ping().await, Err(StoreError::Unavailable));
}

async fn an_update_of_other_than_one_row_is_refused(db: Db) {
    add(&db, "one", 1).await.unwrap();
    add(&db, "two", 1).await.unwrap();
    let none = db.write(|tx| Box::pin(async move { tx.execute_one("UPDATE items SET amount = 5 WHERE name = $1", &["three".into()]).await })).await;
    let both = db
        .write(|tx| {
            Box::pin(async move {
                assert_eq!(tx.execute_one("UPDATE items SET amount = 5", &[]).await, Err(StoreError::NotFound));
                Ok::<_, StoreError>(())
            })
        })
        .await;
    assert_eq!((none, both), (Err(StoreError::NotFound), Err(StoreError::NotFound)));
    let sum = read(&db, |tx| Box::pin(async move { tx.fetch_all("SELECT amount FROM items ORDER BY name", &[]).await })).await;
    assert_eq!(sum.iter().map(|row| row.get::<i64>("amount").unwrap()).collect::<Vec<_>>(), [1, 1]);
}

async fn a_failed_commit_is_everybodys_and_the_next_one_is_not(db: Db) {
    // Checked at the commit, which is why migrations must not have such a constraint.
    let late = db.write(|tx| Box::pin(async move { tx.execute_one("INSERT INTO late_parts (item) VALUES ($1)", &["none".into()]).await }));
    let refused = db.write(|_| Box::pin(async move { Err::<(), _>(StoreError::NotFound) }));
    let (before, late, refused) = tokio::join!(add(&db, "before", 1), late, refused);
    assert_eq!((before, late, refused), (Err(StoreError::Unavailable), Err(StoreError::Unavailable), Err(StoreError::Unavailable)));
    assert_eq!(add(&db, "after", 1).await.unwrap().position.n, 1);
    assert_eq!(read(&db, |tx| Box::pin(async move { count(tx).await })).await, 1);
}

async fn writes_that_wait_share_a_commit(db: Db) {
    if db.engine() == Engine::Sqlite {
        // It does not say which transaction a statement is in.
        return;
    }
    let transaction = |db: Db| async move {
        let write = db.write(|tx| Box::pin(async move { tx.fetch_one("SELECT pg_current_xact_id()::text AS id", &[]).await?.get::<String>("id") }));
        write.await.unwrap().value
    };
    let ids: std::collections::BTreeSet<String> = join_all((0..100).map(|_| transaction(db.clone()))).await.into_iter().collect();
    assert_eq!(ids.len(), 2, "64 and 36");
}

async fn a_full_disk_is_survived(db: Db) {
    if db.engine() == Engine::Postgres {
        return;
    }
    let full = db.write(|tx| {
        Box::pin(async move {
            // No page more than there are.
            tx.fetch_one("PRAGMA max_page_count = 1", &[]).await?;
            tx.execute("INSERT INTO cells (label, c) VALUES ('large', $1)", &[vec![0; 1 << 20].into()]).await
        })
    });
    let (before, full) = tokio::join!(add(&db, "before", 1), full);
    assert_eq!(full.unwrap_err(), StoreError::Unavailable);
    let kept = i64::from(before.is_ok());
    db.write(|tx| Box::pin(async move { tx.fetch_one("PRAGMA max_page_count = 1000000", &[]).await.map(drop) })).await.unwrap();
    assert_eq!(add(&db, "after", 1).await.unwrap().position.n, kept + 2);
    assert_eq!(read(&db, |tx| Box::pin(async move { Ok((count(tx).await?, revision(tx).await?)) })).await, (kept + 1, kept + 2));
}

/// Reddens when a job's acts are done inside of its transaction, are done for a refused one, or pass on to the next one.
async fn what_is_to_be_done_on_commit_is_done_then_and_only_then(db: Db) {
    let done = Arc::new(std::sync::Mutex::new(Vec::new()));
    let write = |name: &'static str, keep: bool| {
        let done = Arc::clone(&done);
        db.write(move |tx| {
            Box::pin(async move {
                let later = Arc::clone(&done);
                tx.on_commit(move || later.lock().unwrap().push(name));
                insert(tx, name, 1).await?;
                let inside = done.lock().unwrap().contains(&name);
                if keep { Ok(inside) } else { Err(StoreError::NotFound) }
            })
        })
    };
    let (first, refused, last) = tokio::join!(write("first", true), write("refused", false), write("last", true));
    assert_eq!((first.unwrap().value, refused, last.unwrap().value), (false, Err(StoreError::NotFound), false), "not inside");
    assert_eq!(*done.lock().unwrap(), ["first", "last"]);
}
