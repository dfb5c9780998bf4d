//! Connect options that an application has made itself: what protects is not lost by them.

use std::str::FromStr as _;

use daybook_test_harness::{Engine, TestDatabase};
use sea_orm::DbErr;
use sqlx::{
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous},
};
use unit_of_work::{Access, ConnectError, Database, DatabaseOptions, DriverOptions};

use super::text;
use crate::stage::insert_mark;

fn sqlite(test: &TestDatabase) -> SqliteConnectOptions {
    SqliteConnectOptions::from_str(test.url()).expect("is a URL")
}

fn postgres(test: &TestDatabase) -> PgConnectOptions {
    PgConnectOptions::from_str(test.url()).expect("is a URL")
}

async fn connect(driver: impl Into<DriverOptions>) -> Result<Database, ConnectError> {
    Database::connect_with(driver, DatabaseOptions::default()).await
}

fn problem(refused: Result<Database, ConnectError>) -> String {
    match refused.expect_err("is refused") {
        ConnectError::Refused { problem } | ConnectError::Session { problem } => problem,
        other => panic!("{other:?}"),
    }
}

async fn ask(database: &Database, access: Access, sql: &str) -> String {
    let asked: Result<String, DbErr> = match access {
        Access::ReadOnly => database.read(async |unit| text(&unit, sql).await).await,
        Access::ReadWrite => database.write(async |unit| text(&unit, sql).await).await,
    };
    asked.expect("is read")
}

/// Whatever they say of the settings that a unit rests on.
#[tokio::test]
async fn sqlite_s_options_leave_what_protects() {
    let test = TestDatabase::create(Engine::Sqlite).await;
    let given = sqlite(&test)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(std::time::Duration::from_millis(1))
        .pragma("query_only", "OFF")
        .pragma("cache_size", "-1234");
    let database = connect(given).await.expect("connects");
    for access in [Access::ReadOnly, Access::ReadWrite] {
        for (name, expected) in [
            ("journal_mode", "wal"),
            ("foreign_keys", "1"),
            ("busy_timeout", "5000"),
            ("synchronous", "2"),
            // What protects nothing is theirs.
            ("cache_size", "-1234"),
        ] {
            if name == "synchronous" && access == Access::ReadOnly {
                continue;
            }
            let found = ask(&database, access, &format!("PRAGMA {name}")).await;
            assert_eq!(found, expected, "{name} {access:?}");
        }
    }
    assert_eq!(
        ask(&database, Access::ReadOnly, "PRAGMA query_only").await,
        "1"
    );
    database.close().await;
}

#[tokio::test]
async fn sqlite_s_options_that_contradict_are_refused() {
    let test = TestDatabase::create(Engine::Sqlite).await;
    for (given, word) in [
        (sqlite(&test).shared_cache(true), "cache=shared"),
        (sqlite(&test).immutable(true), "immutable"),
        (
            sqlite(&test).filename(format!("file:{}?immutable=1", test.url())),
            "file:",
        ),
        (
            sqlite(&test).locking_mode(SqliteLockingMode::Exclusive),
            "locking_mode",
        ),
        // Not the name by which the driver knows it, so that it comes after the crate's own.
        (sqlite(&test).pragma("SYNCHRONOUS", "OFF"), "synchronous"),
        (sqlite(&test).pragma("Foreign_Keys", "OFF"), "foreign_keys"),
    ] {
        let problem = problem(connect(given).await);
        assert!(problem.contains(word), "{problem}");
    }
    for in_memory in [
        sqlite(&test).in_memory(true),
        SqliteConnectOptions::new(),
        SqliteConnectOptions::new().filename(""),
        SqliteConnectOptions::from_str("sqlite::memory:").expect("is a URL"),
    ] {
        let refused = connect(in_memory).await.expect_err("is refused");
        assert!(matches!(refused, ConnectError::InMemory), "{refused:?}");
    }
}

/// A name that no URL can have.
#[tokio::test]
async fn sqlite_s_file_has_any_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().join("a:b?c#d %20.db");
    let given = SqliteConnectOptions::new()
        .filename(&name)
        .create_if_missing(true);
    let database = connect(given).await.expect("connects");
    assert_eq!(ask(&database, Access::ReadWrite, "SELECT 1").await, "1");
    database.close().await;
    assert!(name.exists());
}

/// By a URL as well: the session's own options come last, and would win without a word.
#[tokio::test]
async fn postgres_s_options_that_contradict_are_refused() {
    let test = TestDatabase::create(Engine::Postgres).await;
    for (name, value, word) in [
        (
            "statement_timeout",
            "0",
            "DatabaseOptions::statement_timeout",
        ),
        (
            "Statement-Timeout",
            "0",
            "DatabaseOptions::statement_timeout",
        ),
        (
            "idle_in_transaction_session_timeout",
            "0",
            "DatabaseOptions::idle_in_transaction_timeout",
        ),
        (
            "default_transaction_isolation",
            "serializable",
            "DatabaseOptions::writer_isolation",
        ),
        (
            "default_transaction_read_only",
            "off",
            "DatabaseOptions::read_only",
        ),
        ("synchronous_commit", "off", "leave it out"),
        ("session_replication_role", "replica", "leave it out"),
        ("standard_conforming_strings", "off", "leave it out"),
        ("timezone", "Asia/Tokyo", "leave it out"),
    ] {
        let given = postgres(&test).options([(name, value)]);
        let told = problem(connect(given).await);
        assert!(told.contains(word), "{told}");
        let url = format!("{}?options=-c%20{name}={value}", test.url());
        let told = problem(Database::connect(&url, DatabaseOptions::default()).await);
        assert!(told.contains(word), "{told}");
    }
}

/// What does not contradict holds, also for migrations.
#[tokio::test]
async fn postgres_s_options_hold() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let observer = test.observer().await;
    observer.execute("CREATE SCHEMA application").await;
    observer
        .execute("CREATE TABLE application.mark (name TEXT PRIMARY KEY)")
        .await;
    let given = postgres(&test)
        .application_name("mine")
        .options([("search_path", "application"), ("TimeZone", "utc")])
        .statement_cache_capacity(0);
    let database = connect(given).await.expect("connects");
    database
        .write(async |unit| insert_mark(&unit, "a").await)
        .await
        .expect("is there");
    for access in [Access::ReadOnly, Access::ReadWrite] {
        for (name, expected) in [
            ("application_name", "mine"),
            ("statement_timeout", "30s"),
            ("TimeZone", "UTC"),
        ] {
            let found = ask(&database, access, &format!("SHOW {name}")).await;
            assert_eq!(found, expected, "{name}");
        }
    }
    assert_eq!(
        observer.i64("SELECT count(*) FROM application.mark").await,
        1
    );
    database.close().await;
}

/// It has a password in it.
#[test]
fn options_are_never_shown() {
    let given = PgConnectOptions::new_without_pgpass().password("secret");
    let shown = format!("{:?}", DriverOptions::from(given));
    assert!(!shown.contains("secret"), "{shown}");
}
