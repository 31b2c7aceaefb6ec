//! PostgreSQL: a pool that only reads, and one connection that writes.

use crate::{
    Migration, OpenError, Row, Standby, Value, migrate,
    tx::{Held, Pool, Source},
};
use sqlx::{
    ConnectOptions, Connection as _, Executor, PgConnection, Postgres, Row as _, SqlSafeStr,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgSslMode},
    query::Query,
};
use std::{net::IpAddr, str::FromStr, time::Duration};

const OLDEST: i64 = 150_000;
const READERS: u32 = 16;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a statement waits for a lock, such as the one on the revision: long enough to outlast two processes that stood still with it.
pub(crate) const LOCK_TIMEOUT: &str = "3s";
/// After this the server ends a transaction whose process stands still or is cut off, so that it cannot hold up the other replicas. Between two
/// statements of a transaction there is nothing that takes time. Whoever reads holds up nobody.
const IDLE_TIMEOUT: &str = "1s";
const IDLE_TIMEOUT_OF_READERS: &str = "15s";

/// Which server this is, which timeline it writes, and for whom commits wait.
pub(crate) const SERVER: &str = "SELECT (pg_control_system()).system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) \
     AS cluster, current_setting('synchronous_standby_names') AS standbys";

/// The first statement of a change: no row where the history is shut, or has begun elsewhere.
pub(crate) const RAISE: &str = "UPDATE revision SET n = n + 1 WHERE id = 1 AND shut_at IS NULL AND (cluster IS NULL OR cluster = \
     (pg_control_system()).system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)) RETURNING history, n";

/// The same where a commit must reach a standby: nor where the server waits for none.
pub(crate) const RAISE_WITH_STANDBY: &str = "UPDATE revision SET n = n + 1 WHERE id = 1 AND shut_at IS NULL \
     AND current_setting('synchronous_standby_names') <> '' AND (cluster IS NULL OR cluster = \
     (pg_control_system()).system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)) RETURNING history, n";

/// Whether commits of this session wait for a standby.
pub(crate) const WAITS: &str = "SELECT CASE WHEN current_setting('synchronous_standby_names') = '' THEN 0::bigint ELSE 1::bigint END AS waits";

pub(crate) async fn open(url: &str, (schema, standby): (Option<&str>, Standby), migrations: &[Migration]) -> Result<(Pool, Source, Held), OpenError> {
    let base = options(url, schema)?;
    let mut connection = connect(&base).await?;
    check(&mut connection, standby).await.map_err(|error| unreachable(&base, &error))??;

    // Migrations wait for each other as long as it takes: only what comes later has a lock timeout.
    let mut migrator = migrate::migrator(migrations, |step| step.postgres);
    if let Some(schema) = schema
        && !has_schema(&mut connection, schema).await.map_err(|error| unreachable(&base, &error))?
    {
        migrator.create_schema(format!("\"{schema}\""));
    }
    migrator.run(&mut connection).await.map_err(|error| migrate::explain(&error, migrations))?;
    connection.close().await.map_err(|error| unreachable(&base, &error))?;

    let with_idle_timeout = |idle| base.clone().options([("lock_timeout", LOCK_TIMEOUT), ("idle_in_transaction_session_timeout", idle)]);
    let session = with_idle_timeout(IDLE_TIMEOUT);
    let writer = connect(&session).await?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A dead connection shows at BEGIN, and then the next one is taken: no round trip to ask.
        .test_before_acquire(false)
        .connect_lazy_with(with_idle_timeout(IDLE_TIMEOUT_OF_READERS));
    Ok((Pool::Postgres(readers), Source::Postgres(session), Held::writer(writer)))
}

/// Whether a database would be opened as it is.
pub(crate) async fn look_at(url: &str, (schema, standby): (Option<&str>, Standby)) -> Result<(), OpenError> {
    let options = options(url, schema)?;
    let mut connection = connect(&options).await?;
    check(&mut connection, standby).await.map_err(|error| unreachable(&options, &error))?
}

pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    tokio::time::timeout(OPEN_TIMEOUT, options.connect())
        .await
        .map_err(|_| OpenError::Unreachable(format!("{}: no answer within {} s", place(options), OPEN_TIMEOUT.as_secs())))?
        .map_err(|error| unreachable(options, &error))
}

pub(crate) fn options(url: &str, schema: Option<&str>) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| OpenError::BadUrl(error.to_string()))?
        .application_name("keywright")
        .statement_cache_capacity(512)
        .options([("synchronous_commit", "on"), ("client_min_messages", "warning")])
        .disable_statement_logging();
    if matches!(options.get_ssl_mode(), PgSslMode::Allow | PgSslMode::Prefer) && !is_here(&options) {
        return Err(OpenError::Unprotected(options.get_host().to_owned()));
    }
    match schema {
        None => Ok(options),
        Some(schema) if is_name(schema) => Ok(options.options([("search_path", format!("\"{schema}\""))])),
        Some(schema) => Err(OpenError::BadSchema(schema.to_owned())),
    }
}

/// Whether the server is on this machine: then nobody is on the way.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn is_name(schema: &str) -> bool {
    schema.len() <= 63
        && schema.starts_with(|first: char| first.is_ascii_lowercase())
        && schema.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Tables that no extension brought, but for that of the migrations; and whether that is ours, and any ran. In this order: what a process
/// that starts at the same time makes, it makes with the row that says so.
const TABLES: &str = "SELECT count(*) AS tables FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = current_schema() AND t.relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
    AND NOT (t.relname = 'schema_migrations' AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'checksum'))";
const OUR_MIGRATIONS: &str = "SELECT count(*) AS ours FROM pg_attribute WHERE attrelid = to_regclass('schema_migrations') AND attname = 'checksum'";

/// Nothing is made beside the tables of another program.
async fn check_ours(connection: &mut PgConnection) -> Result<Result<(), OpenError>, sqlx::Error> {
    if connection.fetch_one(TABLES).await?.try_get::<i64, _>("tables")? == 0 {
        return Ok(Ok(()));
    }
    let is_ours = connection.fetch_one(OUR_MIGRATIONS).await?.try_get::<i64, _>("ours")? == 1
        && connection.fetch_optional("SELECT 1 FROM schema_migrations LIMIT 1").await?.is_some();
    Ok(if is_ours { Ok(()) } else { Err(OpenError::Foreign) })
}

async fn check(connection: &mut PgConnection, standby: Standby) -> Result<Result<(), OpenError>, sqlx::Error> {
    let row = connection
        .fetch_one(
            "SELECT current_setting('server_version_num')::bigint AS number, current_setting('server_version') AS version, \
             current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit, \
             current_setting('synchronous_standby_names') AS standbys, pg_is_in_recovery() AS follows",
        )
        .await?;
    if row.try_get::<i64, _>("number")? < OLDEST {
        return Ok(Err(OpenError::EngineTooOld { engine: "PostgreSQL", found: row.try_get("version")?, needed: "15" }));
    }
    for setting in ["fsync", "synchronous_commit"] {
        let value: String = row.try_get(setting)?;
        if value != "on" {
            return Ok(Err(OpenError::NotDurable(format!("{setting} is {value}"))));
        }
    }
    if row.try_get("follows")? {
        return Ok(Err(OpenError::Follower));
    }
    if standby == Standby::Required && row.try_get::<String, _>("standbys")?.is_empty() {
        return Ok(Err(OpenError::NoStandby));
    }
    check_ours(connection).await
}

/// Asked first, since `CREATE SCHEMA IF NOT EXISTS` wants the right to create one even where there is nothing to do.
async fn has_schema(connection: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema).fetch_optional(connection).await?;
    Ok(row.is_some())
}

fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Where, and what: of what the server says its sentence alone.
fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> OpenError {
    let said = error.as_database_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
    OpenError::Unreachable(format!("{}: {said}", place(options)))
}

pub(crate) fn query(sql: impl SqlSafeStr, values: &[Value]) -> Query<'static, Postgres, PgArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Int(int) => query.bind(*int),
        Value::Bytes(bytes) => query.bind(bytes.as_deref()),
        Value::Id(id) => query.bind(*id),
        Value::Time(time) => query.bind(time.map(keywright_protocol::Time::as_millis)),
    })
}

impl From<sqlx::postgres::PgRow> for Row {
    fn from(row: sqlx::postgres::PgRow) -> Self {
        Self(crate::value::Cells::Postgres(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reddens when the driver's default, which takes plain text where the server offers nothing else, is let through.
    #[test]
    fn on_the_way_to_another_machine_it_is_said_how_it_is_protected() {
        for here in ["postgres://x@127.0.0.1/x", "postgres://x@[::1]/x", "postgres://x@localhost/x", "postgres://x@%2Frun%2Fpostgresql/x"] {
            assert!(options(here, None).is_ok(), "{here}");
        }
        for said in ["disable", "require", "verify-ca", "verify-full"] {
            assert!(options(&format!("postgres://x@db.example.com/x?sslmode={said}"), None).is_ok(), "{said}");
        }
        for not in ["", "?sslmode=prefer", "?sslmode=allow"] {
            let url = format!("postgres://x@db.example.com/x{not}");
            assert!(matches!(options(&url, None), Err(OpenError::Unprotected(host)) if host == "db.example.com"), "{not}");
        }
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        for good in ["keywright", "a", "user", "k2_x"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "2x", "_x", "Upper", "a b", "a\"b", "a;b", &"x".repeat(64)] {
            assert!(matches!(options("postgres://localhost/x", Some(bad)), Err(OpenError::BadSchema(_))), "{bad}");
        }
    }
}
