//! Values, rows and reads, on both engines, without a revision.

use crate::common::{MIGRATIONS, count, insert};
use futures_util::FutureExt;
use keywright_db::{Db, Row, StoreError, Value, Writes};
use keywright_protocol::{KeyId, MembershipId, OrganizationId, Position, ProfileId, Time, UserId};
use uuid::Uuid;

keywright_db::on_both_engines!(Writes::Plain, MIGRATIONS;
    every_value_comes_back,
    every_null_comes_back,
    a_typed_id_is_its_uuid,
    another_type_or_no_column_is_corrupt,
    small_literals_are_integers,
    a_read_is_one_snapshot,
    a_read_cannot_write,
    an_abandoned_read_leaves_its_connection_usable,
    more_reads_than_connections_all_answer,
    statements_are_checked_without_running,
    plain_writes_have_no_position,
    missing_rows_are_not_found,
);

const ID: Uuid = Uuid::from_u128(0x6f96_19ff_8b86_d011_b42d_00c0_4fc9_64ff);
const INSERT: &str = "INSERT INTO cells (label, a, b, c, d, e) VALUES ($1, $2, $3, $4, $5, $6)";
const SELECT: &str = "SELECT label, a, b, c, d, e FROM cells WHERE label = $1";

/// Stores a row and reads it again.
async fn stored(db: &Db, values: [Value; 5]) -> Row {
    db.write(move |tx| {
        Box::pin(async move {
            let mut all = vec!["row".into()];
            all.extend(values);
            tx.execute_one(INSERT, &all).await
        })
    })
    .await
    .unwrap();
    db.read(|tx| Box::pin(async move { tx.fetch_one(SELECT, &["row".into()]).await })).await.unwrap()
}

async fn every_value_comes_back(db: Db) {
    let at = Time::from_millis(1_700_000_000_123);
    let row = stored(&db, ["naïve".into(), i64::MIN.into(), vec![0_u8, 255].into(), ID.into(), at.into()]).await;
    assert_eq!(row.get::<String>("a").unwrap(), "naïve");
    assert_eq!(row.get::<i64>("b").unwrap(), i64::MIN);
    assert_eq!(row.get::<Vec<u8>>("c").unwrap(), [0, 255]);
    assert_eq!(row.get::<Uuid>("d").unwrap(), ID);
    assert_eq!(row.get::<Time>("e").unwrap(), at);
    assert_eq!(row.get::<Option<Time>>("e").unwrap(), Some(at));
}

async fn every_null_comes_back(db: Db) {
    let row = stored(&db, [Value::Text(None), Value::Int(None), Value::Bytes(None), Value::Id(None), Value::Time(None)]).await;
    assert_eq!(row.get::<Option<String>>("a").unwrap(), None);
    assert_eq!(row.get::<Option<i64>>("b").unwrap(), None);
    assert_eq!(row.get::<Option<Vec<u8>>>("c").unwrap(), None);
    assert_eq!(row.get::<Option<UserId>>("d").unwrap(), None);
    assert_eq!(row.get::<Option<Time>>("e").unwrap(), None);
    assert_eq!(row.get::<String>("a"), Err(StoreError::Corrupt), "NULL is no text");
    assert_eq!(row.get::<KeyId>("d"), Err(StoreError::Corrupt), "NULL is no id");
}

async fn a_typed_id_is_its_uuid(db: Db) {
    let none: Option<OrganizationId> = None;
    let row = stored(&db, [None::<&str>.into(), None::<i64>.into(), Some(&b"x"[..]).into(), Some(ProfileId::from(ID)).into(), none.map(|_| 1).into()]).await;
    assert_eq!(row.get::<OrganizationId>("d").unwrap(), OrganizationId::from(ID));
    assert_eq!(row.get::<Option<MembershipId>>("d").unwrap(), Some(MembershipId::from(ID)));
    assert_eq!(row.get::<Vec<u8>>("c").unwrap(), b"x");
    for value in [Value::from(OrganizationId::from(ID)), UserId::from(ID).into(), MembershipId::from(ID).into(), KeyId::from(ID).into()] {
        let found = db.read(|tx| Box::pin(async move { tx.fetch_optional("SELECT label FROM cells WHERE d = $1", &[value]).await })).await;
        assert!(found.unwrap().is_some());
    }
}

async fn another_type_or_no_column_is_corrupt(db: Db) {
    let row = stored(&db, ["0123456789abcdef".into(), 1.into(), vec![1_u8].into(), ID.into(), Time::from_seconds(1).into()]).await;
    assert_eq!(row.get::<i64>("a"), Err(StoreError::Corrupt));
    assert_eq!(row.get::<Vec<u8>>("a"), Err(StoreError::Corrupt));
    assert_eq!(row.get::<Uuid>("a"), Err(StoreError::Corrupt), "sixteen letters are no id");
    assert_eq!(row.get::<String>("b"), Err(StoreError::Corrupt));
    assert_eq!(row.get::<Uuid>("c"), Err(StoreError::Corrupt), "one byte is no id");
    assert_eq!(row.get::<Option<i64>>("none"), Err(StoreError::Corrupt));
}

async fn small_literals_are_integers(db: Db) {
    let row = db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT CASE WHEN 1 < 2 THEN 7 ELSE 8 END AS n", &[]).await })).await;
    assert_eq!(row.unwrap().get::<i64>("n"), Ok(7));
}

async fn a_read_is_one_snapshot(db: Db) {
    let writer = db.clone();
    let (before, after) = db
        .read(|tx| {
            Box::pin(async move {
                let before = count(tx).await?;
                writer.write(|tx| Box::pin(async move { insert(tx, "new", 1).await })).await?;
                Ok::<_, StoreError>((before, count(tx).await?))
            })
        })
        .await
        .unwrap();
    assert_eq!((before, after), (0, 0));
    assert_eq!(db.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(1));
}

async fn a_read_cannot_write(db: Db) {
    let refused = db.read(|tx| Box::pin(async move { insert(tx, "sly", 1).await })).await;
    assert_eq!(refused, Err(StoreError::Unavailable));
    assert_eq!(db.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(0));
}

async fn an_abandoned_read_leaves_its_connection_usable(db: Db) {
    for _ in 0..50 {
        let mut read = Box::pin(db.read(|tx| {
            Box::pin(async move {
                count(tx).await?;
                std::future::pending::<Result<(), StoreError>>().await
            })
        }));
        for _ in 0..5 {
            assert!((&mut read).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
    db.write(|tx| Box::pin(async move { insert(tx, "new", 1).await })).await.unwrap();
    assert_eq!(db.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(1), "no snapshot from before is left over");
}

async fn more_reads_than_connections_all_answer(db: Db) {
    let counts = futures_util::future::join_all((0..200).map(|_| db.read(|tx| Box::pin(async move { count(tx).await })))).await;
    assert!(counts.into_iter().all(|count| count == Ok(0)));
}

async fn statements_are_checked_without_running(db: Db) {
    let good = db.read(|tx| Box::pin(async move { tx.prepare("INSERT INTO items (name, amount) VALUES ($1, $2)").await })).await;
    let bad = db.read(|tx| Box::pin(async move { tx.prepare("SELECT nothing FROM items").await })).await;
    assert_eq!((good, bad), (Ok(()), Err(StoreError::Corrupt)));
    assert_eq!(db.read(|tx| Box::pin(async move { count(tx).await })).await, Ok(0));
}

async fn plain_writes_have_no_position(db: Db) {
    let done = db.write(|tx| Box::pin(async move { Ok::<_, StoreError>(tx.position()) })).await.unwrap();
    assert_eq!((done.value, done.position), (Position { history: 0, n: 0 }, Position { history: 0, n: 0 }));
    let n = db.read(|tx| Box::pin(async move { crate::common::revision(tx).await })).await;
    assert_eq!(n, Ok(0));
}

async fn missing_rows_are_not_found(db: Db) {
    let one = db.read(|tx| Box::pin(async move { tx.fetch_one(SELECT, &["none".into()]).await.map(drop) })).await;
    let optional = db.read(|tx| Box::pin(async move { tx.fetch_optional(SELECT, &["none".into()]).await })).await;
    assert_eq!(one, Err(StoreError::NotFound));
    assert!(optional.unwrap().is_none());
}
