//! The schema that these tests use.

use keywright_db::{Migration, StoreError, Tx, Value};

pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "revision",
        sqlite:
            "CREATE TABLE revision (id INTEGER PRIMARY KEY CHECK (id = 1), history INTEGER NOT NULL, n INTEGER NOT NULL, cluster TEXT, shut_at INTEGER) STRICT;
                 INSERT INTO revision VALUES (1, 3, 0, NULL, NULL);",
        postgres: "CREATE TABLE revision (id BIGINT PRIMARY KEY CHECK (id = 1), history BIGINT NOT NULL, n BIGINT NOT NULL, cluster TEXT, shut_at BIGINT);
                   INSERT INTO revision VALUES (1, 3, 0, NULL, NULL);",
    },
    Migration {
        version: 2,
        name: "tables",
        sqlite: "CREATE TABLE items (name TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL, CONSTRAINT items_amount CHECK (amount >= 0)) STRICT;
                 CREATE TABLE parts (item TEXT NOT NULL REFERENCES items (name)) STRICT;
                 CREATE TABLE late_parts (item TEXT NOT NULL REFERENCES items (name) DEFERRABLE INITIALLY DEFERRED) STRICT;
                 CREATE TABLE cells (label TEXT PRIMARY KEY, a TEXT, b INTEGER, c BLOB, d BLOB, e INTEGER) STRICT;",
        postgres: "CREATE TABLE items (name TEXT NOT NULL UNIQUE, amount BIGINT NOT NULL, CONSTRAINT items_amount CHECK (amount >= 0));
                   CREATE TABLE parts (item TEXT NOT NULL REFERENCES items (name));
                   CREATE TABLE late_parts (item TEXT NOT NULL REFERENCES items (name) DEFERRABLE INITIALLY DEFERRED);
                   CREATE TABLE cells (label TEXT PRIMARY KEY, a TEXT, b BIGINT, c BYTEA, d UUID, e BIGINT);",
    },
];

pub(crate) async fn insert(tx: &mut Tx, name: impl Into<Value>, amount: i64) -> Result<(), StoreError> {
    tx.execute_one("INSERT INTO items (name, amount) VALUES ($1, $2)", &[name.into(), amount.into()]).await
}

pub(crate) async fn count(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.fetch_one("SELECT count(*) AS items FROM items", &[]).await?.get("items")
}

pub(crate) async fn revision(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.fetch_one("SELECT n FROM revision", &[]).await?.get("n")
}
