//! Rows are typed at run time; that every statement is one on both engines is shown here.

use keywright_db::{Db, StoreError, Writes, on_both_engines};
use keywright_store::{MIGRATIONS, all_statements};

on_both_engines!(Writes::Revisioned, MIGRATIONS;
    every_statement_is_prepared,
    a_statement_with_a_mistake_is_not,
);

async fn every_statement_is_prepared(db: Db) {
    assert!(all_statements().count() > 40);
    for statement in all_statements() {
        let prepared = db.read(move |tx| Box::pin(async move { tx.prepare(statement).await })).await;
        assert!(prepared.is_ok(), "{statement}: {prepared:?}");
    }
}

async fn a_statement_with_a_mistake_is_not(db: Db) {
    let prepared = db.read(|tx| Box::pin(async move { tx.prepare("SELECT naem FROM organizations").await })).await;
    assert!(matches!(prepared, Err(StoreError::Corrupt | StoreError::Unavailable | StoreError::Conflict { .. })), "{prepared:?}");
}
