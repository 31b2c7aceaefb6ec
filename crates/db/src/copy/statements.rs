//! The statements of a copy. They are the only ones that are put together, out of the names of tables and columns that our own migrations
//! made; values go in by placeholders, as everywhere.

use super::schema::{Column, Kind, Table};
use crate::Engine;

/// How many rows of a table one statement inserts on SQLite, which takes 32,766 values at most.
const ROWS_OF_SQLITE: usize = 100;

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name in an order or a comparison: text is ordered by its bytes, whatever the server's language is.
fn ordered(column: &Column, engine: Engine) -> String {
    match (column.kind, engine) {
        (Kind::Text, Engine::Postgres) => format!("{} COLLATE \"C\"", quoted(&column.name)),
        (Kind::Text, Engine::Sqlite) => format!("{} COLLATE BINARY", quoted(&column.name)),
        _ => quoted(&column.name),
    }
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// In which parts a table is copied, so that no row refers to one that comes later: first what refers to itself or to nothing, then the rest.
pub(super) fn parts(table: &Table) -> Vec<String> {
    let Some((column, other)) = &table.within else { return vec!["1 = 1".to_owned()] };
    let (column, other) = (quoted(column), quoted(other));
    vec![format!("({column} IS NULL OR {column} = {other})"), format!("{column} <> {other}")]
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// At the first row.
    Start,
    /// Behind the key that `$1`, `$2`, .. give.
    Key,
}

/// The rows of a part in the order of the key.
pub(super) fn read(table: &Table, part: &str, from: From, engine: Engine) -> String {
    let key = table.key();
    let order = key.iter().map(|column| ordered(column, engine)).collect::<Vec<_>>().join(", ");
    let places = (1..=key.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    let behind = match from {
        From::Start => String::new(),
        From::Key => format!(" AND ({order}) > ({places})"),
    };
    format!("SELECT {} FROM {} WHERE {part}{behind} ORDER BY {order}", names(&table.columns), quoted(&table.name))
}

/// The last key of a part.
pub(super) fn last_key(table: &Table, part: &str, engine: Engine) -> String {
    let key = table.key();
    let order = key.iter().map(|column| format!("{} DESC", ordered(column, engine))).collect::<Vec<_>>().join(", ");
    let names = key.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
    format!("SELECT {names} FROM {} WHERE {part} ORDER BY {order} LIMIT 1", quoted(&table.name))
}

/// How many rows there are.
pub(super) fn count(table: &Table) -> String {
    format!("SELECT count(*) AS count FROM {}", quoted(&table.name))
}

/// Many rows at once: an array a column.
pub(super) fn insert_on_postgres(table: &Table) -> String {
    let arrays = (1..).zip(&table.columns).map(|(place, column)| {
        let kind = match column.kind {
            Kind::Text => "text",
            Kind::Int => "bigint",
            Kind::Bytes => "bytea",
            Kind::Id => "uuid",
        };
        format!("${place}::{kind}[]")
    });
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({}) SELECT * FROM UNNEST({arrays})", quoted(&table.name), names(&table.columns))
}

/// So many rows at once.
pub(super) fn insert_on_sqlite(table: &Table, rows: usize) -> String {
    let row = format!("({})", vec!["?"; table.columns.len()].join(", "));
    format!("INSERT INTO {} ({}) VALUES {}", quoted(&table.name), names(&table.columns), vec![row; rows].join(", "))
}

/// How many that are.
pub(super) const fn rows_at_once() -> usize {
    ROWS_OF_SQLITE
}

/// Everything goes.
pub(super) fn empty(table: &Table) -> String {
    format!("DELETE FROM {}", quoted(&table.name))
}

/// On PostgreSQL: nobody else writes to these tables as long as the transaction lasts.
pub(super) fn lock(tables: &[Table]) -> String {
    let names = tables.iter().map(|table| quoted(&table.name)).collect::<Vec<_>>().join(", ");
    format!("LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
}
