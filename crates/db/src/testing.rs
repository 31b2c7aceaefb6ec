//! Temporary databases of both kinds, for tests.
#![expect(clippy::expect_used, clippy::panic, reason = "a test whose database cannot be made has failed")]

use crate::{Db, Location, Migration, Writes};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use std::{
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

/// A database that nobody else uses.
pub struct TestDb {
    /// The database.
    pub db: Db,
    /// Where it is, to open it once more.
    pub location: Location,
    /// Removed together with this.
    _folder: Option<TempDir>,
}

/// A SQLite database in a temporary folder, which lives as long as the [`TestDb`].
pub async fn sqlite(writes: Writes, migrations: &[Migration]) -> TestDb {
    let folder = TempDir::new().expect("a temporary folder");
    let location = Location::Sqlite { path: folder.path().join("test.db") };
    let db = Db::open(&location, writes, migrations).await.expect("a SQLite database");
    TestDb { db, location, _folder: Some(folder) }
}

/// A new database on the server that `TEST_POSTGRES_URL` names. It is left there; the server is a temporary one.
pub async fn postgres(writes: Writes, migrations: &[Migration]) -> TestDb {
    postgres_made_with("", writes, migrations).await
}

/// The same in another language than the server's own: `how` stands at the end of `CREATE DATABASE name`.
pub async fn postgres_made_with(how: &'static str, writes: Writes, migrations: &[Migration]) -> TestDb {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let Ok(url) = std::env::var("TEST_POSTGRES_URL") else {
        panic!("set TEST_POSTGRES_URL or run cargo xtask test, which starts PostgreSQL");
    };
    let server = PgConnectOptions::from_str(&url).expect("TEST_POSTGRES_URL is a URL");
    let name = create_database(&server, how).await;
    let location = Location::Postgres { url: server.database(&name).to_url_lossy().to_string(), schema: None, standby: crate::Standby::AsItIs };
    let db = Db::open(&location, writes, migrations).await.expect("a PostgreSQL database");
    TestDb { db, location, _folder: None }
}

async fn create_database(server: &PgConnectOptions, how: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut connection = PgConnection::connect_with(server).await.expect("TEST_POSTGRES_URL names a running server");
    loop {
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        match connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name} {how}"))).await {
            Ok(_) => {
                connection.close().await.expect("the server lets go");
                return name;
            }
            // Left by an earlier process of the same number.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P04") => {}
            Err(error) => panic!("no test database: {error}"),
        }
    }
}

/// Makes tests of functions `async fn name(db: Db)`, each run on both engines: `sqlite::name` and `postgres::name`. The
/// crate that uses it needs tokio with `macros` and `rt`. Once per module.
///
/// ```text
/// keywright_db::on_both_engines!(Writes::Plain, MIGRATIONS; a_row_is_found_again, a_missing_row_is_not);
/// ```
#[macro_export]
macro_rules! on_both_engines {
    ($writes:expr, $migrations:expr; $($name:ident),+ $(,)?) => {
        fn test_writes() -> $crate::Writes {
            $writes
        }

        fn test_migrations() -> &'static [$crate::Migration] {
            $migrations
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let test = $crate::testing::sqlite(super::test_writes(), super::test_migrations()).await;
                super::$name(test.db.clone()).await;
                test.db.close().await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                let test = $crate::testing::postgres(super::test_writes(), super::test_migrations()).await;
                super::$name(test.db.clone()).await;
                test.db.close().await;
            })+
        }
    };
}
