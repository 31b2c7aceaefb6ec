//! Which tables there are: what the migrations make, found by running them on an empty database in memory. So a table that a later
//! migration adds is copied without a word here.

use super::CopyError;
use crate::{
    Engine, Migration, Row, StoreError, Tx,
    migrate::{self, explain},
    tx::Held,
};
use sqlx::{Connection as _, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};

/// What a column holds, on one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Bytes,
    /// On PostgreSQL; SQLite has 16 bytes.
    Id,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Its place in the primary key, from 1 on; 0 if it has none.
    pub(super) key: i64,
}

/// A table, on one engine.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// A column that refers to a row of the same table, and the column that it refers to.
    pub(super) within: Option<(String, String)>,
}

impl Table {
    /// The columns of the primary key, in its order.
    pub(super) fn key(&self) -> Vec<&Column> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| 0 < column.key).collect();
        key.sort_by_key(|column| column.key);
        key
    }
}

/// What is left out of a copy, because it belongs to the place where the database was.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeftOut {
    /// Tables.
    pub tables: &'static [&'static str],
    /// Columns, by table; they are NULL in the copy.
    pub columns: &'static [(&'static str, &'static str)],
}

/// An empty database with all tables, in memory.
pub(super) async fn fresh(migrations: &[Migration]) -> Result<Tx, CopyError> {
    let failed = |error: sqlx::Error| CopyError::Open(crate::OpenError::Unreachable(error.to_string()));
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.map_err(failed)?;
    migrate::migrator(migrations, |step| step.sqlite).run(&mut connection).await.map_err(|error| CopyError::Open(explain(&error, migrations)))?;
    let mut tx = Tx::new(Held::SqliteWriter(connection));
    tx.control("BEGIN").await?;
    Ok(tx)
}

/// The tables of a fresh database, each behind those that it refers to.
pub(super) async fn tables(fresh: &mut Tx) -> Result<Vec<Table>, CopyError> {
    const COLUMNS: &str = "SELECT t.name AS in_table, c.name AS name, c.type AS type, c.pk AS key
        FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'schema_migrations' ORDER BY t.name, c.cid";
    const REFERENCES: &str = "SELECT t.name AS in_table, r.\"table\" AS other, r.\"from\" AS name, r.\"to\" AS other_name
        FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) r WHERE t.type = 'table'";
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for row in fresh.fetch_all(COLUMNS, &[]).await? {
        let (name, column) = (row.get::<String>("in_table")?, column(&row)?);
        let table = tables.entry(name.clone()).or_insert_with(|| Table { name, columns: Vec::new(), within: None });
        table.columns.push(column);
    }
    let mut references: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in fresh.fetch_all(REFERENCES, &[]).await? {
        let (name, other) = (row.get::<String>("in_table")?, row.get::<String>("other")?);
        if name != other {
            references.entry(name).or_default().insert(other);
        } else if let Some(table) = tables.get_mut(&name) {
            let within = (row.get("name")?, row.get("other_name")?);
            if table.within.replace(within).is_some() {
                return Err(CopyError::Unknown(format!("{name} refers to itself more than once")));
            }
        }
    }
    let mut sorted: Vec<Table> = Vec::new();
    while !tables.is_empty() {
        let waits = |name: &String| references.get(name).is_some_and(|others| others.iter().any(|other| tables.contains_key(other)));
        let Some(next) = tables.keys().find(|name| !waits(name)).cloned() else {
            return Err(CopyError::Unknown("tables refer to each other in a circle".to_owned()));
        };
        sorted.extend(tables.remove(&next));
    }
    match sorted.iter().find(|table| table.key().is_empty()) {
        Some(table) => Err(CopyError::Unknown(format!("{} has no primary key", table.name))),
        None => Ok(sorted),
    }
}

fn column(row: &Row) -> Result<Column, CopyError> {
    let (name, kind): (String, String) = (row.get("name")?, row.get("type")?);
    let kind = match kind.as_str() {
        "TEXT" => Kind::Text,
        "INTEGER" => Kind::Int,
        "BLOB" => Kind::Bytes,
        other => return Err(CopyError::Unknown(format!("{name} has the type {other}"))),
    };
    Ok(Column { name, kind, key: row.get("key")? })
}

/// The same tables as they are where `tx` is: what are bytes on SQLite is bytes or an id on PostgreSQL.
pub(super) async fn as_there(tables: &[Table], tx: &mut Tx) -> Result<Vec<Table>, CopyError> {
    const COLUMNS: &str = "SELECT table_name::text AS in_table, column_name::text AS name, data_type::text AS type
        FROM information_schema.columns WHERE table_schema = current_schema()";
    let mut tables = tables.to_vec();
    if tx.engine() == Engine::Sqlite {
        return Ok(tables);
    }
    let mut kinds: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in tx.fetch_all(COLUMNS, &[]).await? {
        kinds.insert((row.get("in_table")?, row.get("name")?), row.get("type")?);
    }
    for table in &mut tables {
        for column in &mut table.columns {
            let kind = kinds.get(&(table.name.clone(), column.name.clone())).map(String::as_str);
            column.kind = match (column.kind, kind) {
                (Kind::Text, Some("text")) => Kind::Text,
                (Kind::Int, Some("bigint")) => Kind::Int,
                (Kind::Bytes, Some("bytea")) => Kind::Bytes,
                (Kind::Bytes, Some("uuid")) => Kind::Id,
                (_, found) => {
                    tracing::error!(table = table.name, column = column.name, found, "not the schema of the migrations");
                    return Err(CopyError::Store(StoreError::Corrupt));
                }
            };
        }
    }
    Ok(tables)
}

/// Without what is left out.
pub(super) fn without(tables: Vec<Table>, left_out: LeftOut) -> Vec<Table> {
    let kept = tables.into_iter().filter(|table| !left_out.tables.contains(&table.name.as_str()));
    kept.map(|mut table| {
        let name = table.name.clone();
        table.columns.retain(|column| !left_out.columns.contains(&(name.as_str(), column.name.as_str())));
        table
    })
    .collect()
}
