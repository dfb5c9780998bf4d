//! Databases that cannot be opened say why, at once.

use std::time::{Duration, Instant};

use daybook_test_harness::{Engine, TestDatabase, eventually, postgres::PostgresServer};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sqlx::{Connection, PgConnection};
use unit_of_work::{ConnectError, Database, DatabaseOptions, UnitOfWork};

use crate::stage::{Stage, codes, data};

async fn refused(url: &str) -> ConnectError {
    let started = Instant::now();
    let error = Database::connect(url, DatabaseOptions::default())
        .await
        .expect_err("cannot be opened");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{error} took {:?}",
        started.elapsed()
    );
    error
}

#[tokio::test]
async fn unknown_scheme() {
    assert!(
        matches!(refused("oracle://localhost/x").await, ConnectError::UnsupportedScheme { scheme } if scheme == "oracle")
    );
    assert!(matches!(
        refused("nonsense").await,
        ConnectError::UnsupportedScheme { .. }
    ));
}

#[tokio::test]
async fn invalid_url() {
    assert!(matches!(
        refused("postgres://host:notaport/x").await,
        ConnectError::InvalidUrl { .. }
    ));
    assert!(matches!(
        refused("sqlite://x.db?mode=unheard-of").await,
        ConnectError::InvalidUrl { .. }
    ));
}

#[tokio::test]
async fn memory_has_no_snapshots() {
    assert!(matches!(
        refused("sqlite::memory:").await,
        ConnectError::InMemory
    ));
}

/// A refused connection is an error at once, not after the pool has tried for its whole time-out.
#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let error = refused(&format!("postgres://nobody@{free}/x")).await;
    assert!(matches!(error, ConnectError::Open { .. }), "{error}");
}

#[tokio::test]
async fn missing_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing").join("x.db");
    let error = refused(&format!("sqlite://{}?mode=rwc", path.display())).await;
    assert!(matches!(error, ConnectError::Open { .. }), "{error}");
}

/// Sessions that are not what was asked for are refused at start-up, in words that say which setting and what to look at.
async fn refused_session(url: &str) -> String {
    match refused(url).await {
        ConnectError::Session { problem } => problem,
        other => panic!("{other:?}"),
    }
}

/// A pooler that drops start-up options would leave queries on READ COMMITTED, read-write and without a time-out.
#[tokio::test]
async fn options_that_are_dropped_are_noticed() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    proxy.drop_parameter("options");
    let problem = refused_session(proxy.url()).await;
    assert!(problem.contains("`statement_timeout` = `0`"), "{problem}");
    assert!(problem.contains("ignore_startup_parameters"), "{problem}");
}

/// So are the driver's own.
#[tokio::test]
async fn driver_s_parameters_that_are_dropped_are_noticed() {
    let test = TestDatabase::create(Engine::Postgres).await;
    for (parameter, setting, other) in [
        ("TimeZone", "timezone", "Asia/Tokyo"),
        ("client_encoding", "client_encoding", "LATIN1"),
    ] {
        let proxy = test.proxy().await;
        proxy.drop_parameter(parameter);
        let observer = test.observer().await;
        let name = observer.text("SELECT current_database()").await;
        let set = format!("ALTER DATABASE {name} SET {setting} = '{other}'");
        observer.execute(&set).await;
        let problem = refused_session(proxy.url()).await;
        assert!(problem.contains(&format!("`{parameter}`")), "{problem}");
        assert!(problem.contains(other), "{problem}");
        let reset = format!("ALTER DATABASE {name} RESET {setting}");
        observer.execute(&reset).await;
    }
}

/// What dropped nothing when the server started may do so later: an operation fails, rather than read by other rules.
#[tokio::test]
async fn session_that_is_not_as_asked_is_never_used() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let stage = Stage::at(test, proxy.url(), DatabaseOptions::default(), |it| it).await;
    proxy.clear_log();
    proxy.drop_parameter("options");
    for operation in ["{ marks }", "mutation { mark(name: \"a\") }"] {
        let response = stage.run(operation).await;
        assert_eq!(codes(&response), ["INTERNAL"], "{operation}");
    }
    assert_eq!(stage.marks().await, Vec::<String>::new());
    let sent = proxy.log();
    let used = sent.iter().find(|sql| sql.contains("mark"));
    assert_eq!(used, None, "{sent:#?}");
}

/// What a role or a database says of its sessions does not change those of a unit, or is noticed.
#[tokio::test]
async fn settings_of_the_database_change_no_unit() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let observer = test.observer().await;
    let name = observer.text("SELECT current_database()").await;
    let set = async |setting: &str, value: &str| {
        let set = format!("ALTER DATABASE {name} SET {setting} = '{value}'");
        observer.execute(&set).await;
    };
    set("statement_timeout", "7s").await;
    set("idle_in_transaction_session_timeout", "7s").await;
    set("default_transaction_isolation", "read uncommitted").await;
    set("default_transaction_deferrable", "on").await;
    set("standard_conforming_strings", "off").await;
    set("synchronous_commit", "off").await;
    set("timezone", "Asia/Tokyo").await;
    let stage = Stage::at(test, &url, DatabaseOptions::default(), |it| it).await;
    for (operation, setting, expected) in [
        ("query", "statement_timeout", "30s"),
        ("query", "idle_in_transaction_session_timeout", "30s"),
        ("query", "transaction_isolation", "repeatable read"),
        ("query", "transaction_read_only", "on"),
        ("query", "transaction_deferrable", "off"),
        ("query", "TimeZone", "UTC"),
        ("mutation", "statement_timeout", "30s"),
        ("mutation", "transaction_isolation", "read committed"),
        ("mutation", "transaction_read_only", "off"),
        ("mutation", "standard_conforming_strings", "on"),
        ("mutation", "synchronous_commit", "on"),
    ] {
        let response = stage
            .run(&format!("{operation} {{ setting(name: \"{setting}\") }}"))
            .await;
        let found = data(&response);
        assert_eq!(found["setting"], expected, "{operation} {setting}");
    }
    // Stricter than what is asked for.
    set("synchronous_commit", "remote_apply").await;
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    let found = database
        .write(async |unit| {
            let select = Statement::from_string(DbBackend::Postgres, "SHOW synchronous_commit");
            let row = unit.query_one_raw(select).await?.expect("a row");
            row.try_get_by_index::<String>(0)
        })
        .await;
    assert_eq!(found.expect("is read"), "remote_apply");
    // Nobody can send this one, and with it no foreign key is checked.
    set("session_replication_role", "replica").await;
    let problem = refused_session(&url).await;
    assert!(problem.contains("`session_replication_role`"), "{problem}");
}

/// A session of a pool does not follow a configuration file that gives durability up.
#[tokio::test]
async fn durability_is_not_reloaded_away() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .expect("starts");
    let database = Database::connect(server.url(), DatabaseOptions::default())
        .await
        .expect("connects");
    let synchronous_commit = async || {
        let found = database
            .write(async |unit| {
                let select = Statement::from_string(DbBackend::Postgres, "SHOW synchronous_commit");
                let row = unit.query_one_raw(select).await?.expect("a row");
                row.try_get_by_index::<String>(0)
            })
            .await;
        found.expect("is read")
    };
    assert_eq!(synchronous_commit().await, "on");
    let mut other = PgConnection::connect(server.url()).await.expect("connects");
    for sql in [
        "ALTER SYSTEM SET synchronous_commit = off",
        "SELECT pg_reload_conf()",
    ] {
        sqlx::query(sql).execute(&mut other).await.expect("is done");
    }
    eventually("the file is read again", async || {
        let mut fresh = PgConnection::connect(server.url()).await.expect("connects");
        let show = sqlx::query_scalar("SHOW synchronous_commit");
        let now: String = show.fetch_one(&mut fresh).await.expect("is read");
        now == "off"
    })
    .await;
    assert_eq!(synchronous_commit().await, "on");
}

/// What an SQLite file's connections are.
#[tokio::test]
async fn sqlite_is_as_asked() {
    let test = TestDatabase::create(Engine::Sqlite).await;
    let database = Database::connect(test.url(), DatabaseOptions::default())
        .await
        .expect("connects");
    let pragma = async |unit: UnitOfWork, name: &str| {
        let pragma = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {name}"));
        let row = unit.query_one_raw(pragma).await?.expect("a row");
        row.try_get_by_index::<String>(0)
            .or_else(|_| Ok(row.try_get_by_index::<i64>(0)?.to_string()))
    };
    for (name, read, written) in [
        ("journal_mode", "wal", "wal"),
        ("foreign_keys", "1", "1"),
        ("busy_timeout", "5000", "5000"),
        ("query_only", "1", "0"),
        ("synchronous", "2", "2"),
    ] {
        let reader: Result<String, DbErr> =
            database.read(async |unit| pragma(unit, name).await).await;
        let writer: Result<String, DbErr> =
            database.write(async |unit| pragma(unit, name).await).await;
        assert_eq!(reader.expect("is read"), read, "{name}");
        assert_eq!(writer.expect("is read"), written, "{name}");
    }
    database.close().await;
    for pair in ["cache=shared", "immutable=true"] {
        let error = refused(&format!("{}&{pair}", test.url())).await;
        assert!(matches!(error, ConnectError::InvalidUrl { .. }), "{error}");
    }
}
