//! The two migration trees end in the same tables, columns and NOT NULLs, with the types that belong together.

use keywright_db::{Row, Writes, testing};
use keywright_store::MIGRATIONS;
use std::collections::BTreeMap;

/// (table, column) -> (type as SQLite calls it, whether it may be NULL).
type Columns = BTreeMap<(String, String), (String, bool)>;

fn columns(rows: &[Row]) -> Columns {
    rows.iter()
        .map(|row| {
            let place = (row.get::<String>("table_name").unwrap(), row.get::<String>("column_name").unwrap());
            (place, (row.get::<String>("type").unwrap(), row.get::<i64>("nullable").unwrap() == 1))
        })
        .filter(|((table, _), _)| table != "schema_migrations")
        .collect()
}

#[tokio::test]
async fn both_trees_end_in_the_same_tables() {
    let (sqlite, postgres) = (testing::sqlite(Writes::Revisioned, MIGRATIONS).await, testing::postgres(Writes::Revisioned, MIGRATIONS).await);
    // The primary key of a STRICT table is NOT NULL in fact only when it is said or when it is an INTEGER; SQLite's own flag
    // for it is left out of the comparison by asking for the key too.
    let on_sqlite = "SELECT t.name AS table_name, c.name AS column_name, c.type AS type,
            CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN 0 ELSE 1 END AS nullable
        FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
    let on_postgres = "SELECT table_name::text AS table_name, column_name::text AS column_name,
            CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'text' THEN 'TEXT' WHEN 'uuid' THEN 'BLOB' WHEN 'bytea' THEN 'BLOB' ELSE data_type END AS type,
            CASE is_nullable WHEN 'YES' THEN 1::bigint ELSE 0::bigint END AS nullable
        FROM information_schema.columns WHERE table_schema = current_schema()";
    let left = sqlite.db.read(|tx| Box::pin(async move { tx.fetch_all(on_sqlite, &[]).await })).await.unwrap();
    let right = postgres.db.read(|tx| Box::pin(async move { tx.fetch_all(on_postgres, &[]).await })).await.unwrap();
    let (left, right) = (columns(&left), columns(&right));
    assert!(left.len() > 100, "{}", left.len());
    assert_eq!(left, right);
}
