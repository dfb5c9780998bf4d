//! What a hook must not do: its connection is never used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_graphql::Request;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr};
use unit_of_work::{ConnectError, Database, DatabaseOptions, OperationDeadline};

use super::{hooked, stage, with_hook};
use crate::stage::{PATIENCE, codes, data};

async fn refused(test: &TestDatabase, options: DatabaseOptions) -> ConnectError {
    let started = Instant::now();
    let connected = Database::connect(test.url(), options).await;
    assert!(started.elapsed() < PATIENCE);
    connected.expect_err("is refused")
}

fn problem(error: ConnectError) -> String {
    match error {
        ConnectError::AfterConnect { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

fn lost() -> DbErr {
    let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(io))))
}

on_every_engine! {
    async fn error_of_the_hook_refuses_the_connection(test: TestDatabase) {
        let options = hooked(async |_| Err(DbErr::Custom("the licence has ended".to_owned())));
        match refused(&test, options).await {
            ConnectError::AfterConnect { problem, source: Some(source) } => {
                assert!(problem.contains("after_connect"), "{problem}");
                assert!(source.to_string().contains("the licence has ended"), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }

    async fn panic_of_the_hook_refuses_the_connection(test: TestDatabase) {
        let options = DatabaseOptions::default().after_connect(|_| panic!("before its future"));
        assert!(problem(refused(&test, options).await).contains("panicked"));
        let options = hooked(async |_| panic!("in its future"));
        assert!(problem(refused(&test, options).await).contains("panicked"));
    }

    async fn hook_has_the_time_for_connecting(test: TestDatabase) {
        let options = hooked(async |_| std::future::pending().await).connect_timeout(Duration::from_millis(200));
        assert!(problem(refused(&test, options).await).contains("connect_timeout"));
    }

    async fn transaction_of_the_hook_is_not_left_open(test: TestDatabase) {
        for statements in [
            &["BEGIN"] as &'static [&'static str],
            &["BEGIN", "CREATE TABLE hooked (a INTEGER)"],
            &["SAVEPOINT a; RELEASE SAVEPOINT a; BEGIN"],
        ] {
            if test.engine() != Engine::Sqlite && statements[0].starts_with("SAVEPOINT") {
                continue;
            }
            if test.engine() == Engine::MariaDb && statements.len() > 1 {
                // It has committed.
                continue;
            }
            let options = DatabaseOptions::default().after_connect(move |connection| {
                Box::pin(async move {
                    for sql in statements {
                        // Readers may not create.
                        let _ = connection.execute_unprepared(sql).await;
                    }
                    Ok(())
                })
            });
            let problem = problem(refused(&test, options).await);
            assert!(problem.contains("a transaction open"), "{problem}");
        }
        // Nothing of it has stayed.
        let observer = test.observer().await;
        observer.execute("CREATE TABLE hooked (a INTEGER)").await;
        let options = with_hook(&["BEGIN", "COMMIT"]);
        Database::connect(test.url(), options).await.expect("connects").close().await;
    }

    /// An error that does not pass fails the operation, before a statement of it is sent.
    async fn later_refusal_fails_operations(test: TestDatabase) {
        let refusing = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&refusing);
        let options = hooked(move |_| {
            let refuses = asked.load(SeqCst) > 0;
            async move {
                match refuses {
                    true => Err(DbErr::Custom("the licence has ended".to_owned())),
                    false => Ok(()),
                }
            }
        });
        let stage = stage(test, options).await;
        refusing.store(1, SeqCst);
        for operation in ["{ marks }", "mutation { mark(name: \"a\") }"] {
            let response = stage.run(operation).await;
            assert_eq!(codes(&response), ["INTERNAL"], "{operation}");
            // What the hook says is for the log.
            assert!(!format!("{response:?}").contains("licence"), "{response:?}");
        }
        assert_eq!(stage.marks().await, Vec::<String>::new());
        refusing.store(0, SeqCst);
        stage.assert_whole().await;
    }

    /// One that may pass is waited for.
    async fn hook_that_loses_its_connection_is_called_again(test: TestDatabase) {
        let losing = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&losing);
        let options = hooked(move |_| {
            let loses = asked.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
            async move { if loses { Err(lost()) } else { Ok(()) } }
        });
        let stage = stage(test, options).await;
        losing.store(2, SeqCst);
        assert_eq!(data(&stage.run("mutation { mark(name: \"a\") }").await)["mark"], "a");
        assert_eq!(losing.load(SeqCst), 0);
        stage.assert_whole().await;
    }

    async fn hook_that_hangs_later_costs_an_operation_its_deadline(test: TestDatabase) {
        let hanging = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&hanging);
        let options = hooked(move |_| {
            let hangs = asked.load(SeqCst) > 0;
            async move { if hangs { std::future::pending().await } else { Ok(()) } }
        });
        let stage = stage(test, options).await;
        hanging.store(1, SeqCst);
        let soon = OperationDeadline(tokio::time::Instant::now() + Duration::from_millis(300));
        let response = stage.schema.execute(Request::new("mutation { mark(name: \"a\") }").data(soon)).await;
        assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"], "{response:?}");
        hanging.store(0, SeqCst);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }
}

/// Whatever the contract rests on is as it was, or the connection is not used.
#[tokio::test]
async fn hook_cannot_take_away_what_units_rely_on() {
    for (engine, statement, setting) in [
        (
            Engine::Postgres,
            "SET statement_timeout = 0",
            "statement_timeout",
        ),
        (
            Engine::Postgres,
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            "default_transaction_read_only",
        ),
        (
            Engine::Postgres,
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            "default_transaction_isolation",
        ),
        (Engine::Postgres, "SET TimeZone = 'Asia/Tokyo'", "TimeZone"),
        (
            Engine::MariaDb,
            "SET max_statement_time = 0",
            "max_statement_time",
        ),
        (
            Engine::MariaDb,
            "SET SESSION TRANSACTION READ WRITE",
            "tx_read_only",
        ),
        (
            Engine::MariaDb,
            "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            "tx_isolation",
        ),
        (Engine::MariaDb, "SET autocommit = 0", "autocommit"),
        (
            Engine::MariaDb,
            "SET foreign_key_checks = 0",
            "foreign_key_checks",
        ),
        (Engine::MariaDb, "SET sql_mode = ''", "sql_mode"),
        (Engine::MariaDb, "SET NAMES latin1", "character_set_client"),
        (
            Engine::MariaDb,
            "SET sql_select_limit = 1",
            "sql_select_limit",
        ),
        (Engine::Sqlite, "PRAGMA foreign_keys = OFF", "foreign_keys"),
        (
            Engine::Sqlite,
            "PRAGMA ignore_check_constraints = ON",
            "ignore_check_constraints",
        ),
        (Engine::Sqlite, "PRAGMA busy_timeout = 0", "busy_timeout"),
        (Engine::Sqlite, "PRAGMA synchronous = OFF", "synchronous"),
        (Engine::Sqlite, "PRAGMA query_only = OFF", "query_only"),
        (
            Engine::Sqlite,
            "PRAGMA writable_schema = ON",
            "writable_schema",
        ),
        (
            Engine::Sqlite,
            "PRAGMA locking_mode = EXCLUSIVE",
            "locking_mode",
        ),
        (
            Engine::Sqlite,
            "ATTACH DATABASE ':memory:' AS other",
            "attached databases",
        ),
    ] {
        let test = TestDatabase::create(engine).await;
        let options = DatabaseOptions::default().after_connect(move |connection| {
            Box::pin(async move {
                connection.execute_unprepared(statement).await?;
                Ok(())
            })
        });
        match refused(&test, options).await {
            ConnectError::Session { problem } => {
                assert!(problem.contains(&format!("`{setting}` = ")), "{problem}");
                assert!(problem.contains("after_connect"), "{problem}");
            }
            other => panic!("{statement}: {other:?}"),
        }
    }
}

/// Durability is set after the hook.
#[tokio::test]
async fn hook_cannot_give_durability_up() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let options = with_hook(&["SET synchronous_commit = off"]);
    let stage = stage(test, options).await;
    let response = stage
        .run("mutation { setting(name: \"synchronous_commit\") }")
        .await;
    assert_eq!(data(&response)["setting"], "on");
}
