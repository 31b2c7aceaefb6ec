//! Rows out of one database and into the other, and their digests.

use super::{
    CopyError,
    schema::{Column, Kind, Table},
    statements::{self, From},
};
use crate::{Engine, Row, StoreError, Tx, Value, error, postgres, sqlite, tx::Link};
use aws_lc_rs::digest::{Context, SHA256};
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use sqlx::{AssertSqlSafe, Executor as _, Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

/// Rows as they come, none of them kept.
pub(super) fn stream<'t>(tx: &'t mut Tx, sql: String, values: &[Value]) -> BoxStream<'t, Result<Row, StoreError>> {
    match tx.link() {
        Link::Sqlite(connection) => {
            let rows = sqlite::query(AssertSqlSafe(sql), values).fetch(connection);
            rows.map_ok(Row::from).map_err(|error| error::sort(Engine::Sqlite, &error)).boxed()
        }
        Link::Postgres(connection) => {
            let rows = postgres::query(AssertSqlSafe(sql), values).fetch(connection);
            rows.map_ok(Row::from).map_err(|error| error::sort(Engine::Postgres, &error)).boxed()
        }
    }
}

/// A statement without values.
pub(super) async fn execute(tx: &mut Tx, sql: String) -> Result<(), StoreError> {
    let done = match tx.link() {
        Link::Sqlite(connection) => connection.execute(AssertSqlSafe(sql)).await.map(drop),
        Link::Postgres(connection) => connection.execute(AssertSqlSafe(sql)).await.map(drop),
    };
    tx.note(done)
}

/// The values of a row, as the engine that it comes from has them.
pub(super) fn values<'c>(row: &Row, columns: impl IntoIterator<Item = &'c Column>) -> Result<Vec<Value>, StoreError> {
    let value = |column: &Column| {
        Ok(match column.kind {
            Kind::Text => Value::Text(row.get(&column.name)?),
            Kind::Int => Value::Int(row.get(&column.name)?),
            Kind::Bytes => Value::Bytes(row.get(&column.name)?),
            Kind::Id => Value::Id(row.get(&column.name)?),
        })
    };
    columns.into_iter().map(value).collect()
}

/// A value as another column holds it: an id is 16 bytes on SQLite.
pub(super) fn convert(value: Value, kind: Kind) -> Result<Value, StoreError> {
    Ok(match (value, kind) {
        (Value::Bytes(bytes), Kind::Id) => Value::Id(bytes.map(|bytes| Uuid::from_slice(&bytes)).transpose().map_err(|_| StoreError::Corrupt)?),
        (Value::Id(id), Kind::Bytes) => Value::Bytes(id.map(|id| id.as_bytes().to_vec())),
        (value, _) => value,
    })
}

/// How much memory a value takes, about.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Text(Some(text)) => text.len() + 16,
        Value::Bytes(Some(bytes)) => bytes.len() + 16,
        Value::Text(None) | Value::Bytes(None) | Value::Int(_) | Value::Id(_) | Value::Time(_) => 16,
    }
}

/// Inserts rows whose values are as `table` has them.
pub(super) async fn insert(tx: &mut Tx, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), CopyError> {
    if rows.is_empty() {
        return Ok(());
    }
    if tx.engine() == Engine::Postgres {
        let query = arrays(table, rows)?;
        let done = match tx.link() {
            Link::Postgres(connection) => query.execute(connection).await.map(drop),
            Link::Sqlite(_) => return Err(StoreError::Corrupt.into()),
        };
        return tx.note(done).map_err(CopyError::from);
    }
    for rows in rows.chunks(statements::rows_at_once()) {
        // What is left over goes row by row, so that there are two statements a table and not a hundred.
        let at_once = if rows.len() == statements::rows_at_once() { rows.len() } else { 1 };
        for rows in rows.chunks(at_once) {
            let sql = AssertSqlSafe(statements::insert_on_sqlite(table, at_once));
            let values = rows.concat();
            let done = match tx.link() {
                Link::Sqlite(connection) => sqlite::query(sql, &values).execute(connection).await.map(drop),
                Link::Postgres(_) => return Err(StoreError::Corrupt.into()),
            };
            tx.note(done)?;
        }
    }
    Ok(())
}

/// One array a column.
fn arrays(table: &Table, rows: Vec<Vec<Value>>) -> Result<Query<'static, Postgres, PgArguments>, CopyError> {
    let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(rows.len()); table.columns.len()];
    for row in rows {
        for ((value, column), values) in row.into_iter().zip(&table.columns).zip(&mut columns) {
            if let Value::Text(Some(text)) = &value
                && text.contains('\0')
            {
                return Err(CopyError::Nul { table: table.name.clone(), column: column.name.clone() });
            }
            values.push(value);
        }
    }
    let mut query = sqlx::query(AssertSqlSafe(statements::insert_on_postgres(table)));
    for (column, values) in table.columns.iter().zip(columns) {
        let values = values.into_iter();
        query = match column.kind {
            Kind::Text => query.bind(values.map(|value| if let Value::Text(text) = value { text } else { None }).collect::<Vec<_>>()),
            Kind::Int => query.bind(values.map(|value| if let Value::Int(int) = value { int } else { None }).collect::<Vec<_>>()),
            Kind::Bytes => query.bind(values.map(|value| if let Value::Bytes(bytes) = value { bytes } else { None }).collect::<Vec<_>>()),
            Kind::Id => query.bind(values.map(|value| if let Value::Id(id) = value { id } else { None }).collect::<Vec<_>>()),
        };
    }
    Ok(query)
}

/// Adds a row to a digest. Each value says what it is and how long, so that no two rows are the same bytes.
fn absorb(context: &mut Context, values: &[Value]) {
    let mut put = |tag: u8, bytes: &[u8]| {
        context.update(&[tag]);
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    for value in values {
        match value {
            Value::Text(None) | Value::Int(None) | Value::Bytes(None) | Value::Id(None) | Value::Time(None) => put(0, &[]),
            Value::Int(Some(int)) => put(1, &int.to_be_bytes()),
            Value::Time(Some(time)) => put(1, &time.as_millis().to_be_bytes()),
            Value::Text(Some(text)) => put(2, text.as_bytes()),
            Value::Bytes(Some(bytes)) => put(3, bytes),
            Value::Id(Some(id)) => put(3, id.as_bytes()),
        }
    }
}

/// Count and digest of all rows of a table, in the order of its key. `each` hears how many have been read.
pub(super) async fn digest(tx: &mut Tx, table: &Table, each: &mut (dyn FnMut(u64) + Send)) -> Result<(u64, [u8; 32]), StoreError> {
    const TOLD_EVERY: u64 = 4_096;
    let sql = statements::read(table, "1 = 1", From::Start, tx.engine());
    let (mut rows, mut context) = (0, Context::new(&SHA256));
    let mut stream = stream(tx, sql, &[]);
    while let Some(row) = stream.try_next().await? {
        absorb(&mut context, &values(&row, &table.columns)?);
        rows += 1;
        if rows % TOLD_EVERY == 0 {
            each(rows);
        }
    }
    each(rows);
    Ok((rows, fixed(context)))
}

/// A finished digest.
pub(super) fn fixed(context: Context) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    digest
}
