//! A database that is not there, or is no longer the one that takes writes: waited for within the deadline, then said so.

use std::time::{Duration, Instant};

use async_graphql::{Executor, Request, Response, Value};
use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually, postgres::PostgresServer};
use sea_orm::DbErr;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;
use unit_of_work::{Database, DatabaseOptions, FailureKind, Retrying};

use crate::stage::{PATIENCE, Stage, TestSchema, codes, count_marks, data, insert_mark, report};

/// Long enough to be waited within, short enough to be waited for.
const DEADLINE: Duration = Duration::from_millis(1500);

async fn stage(deadline: Duration) -> (Stage, WireProxy) {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let stage = Stage::at(test, proxy.url(), DatabaseOptions::default(), |extension| {
        extension.deadline(deadline)
    })
    .await;
    stage.assert_whole().await;
    proxy.clear_log();
    (stage, proxy)
}

fn start(retrying: &Retrying<TestSchema>, query: &str) -> tokio::task::JoinHandle<Response> {
    let (retrying, request) = (retrying.clone(), Request::new(query));
    tokio::spawn(async move { retrying.execute(request).await })
}

async fn ended(operation: tokio::task::JoinHandle<Response>) -> Response {
    let ended = timeout(PATIENCE, operation).await;
    ended.expect("ends").expect("answers")
}

fn assert_unavailable(response: &Response) {
    assert_eq!(codes(response), ["DATABASE_UNAVAILABLE"], "{response:?}");
    let extensions = response.errors[0].extensions.as_ref().expect("extensions");
    assert_eq!(extensions.get("retryable"), Some(&Value::from(true)));
    assert!(extensions.get("id").is_some(), "{response:?}");
    assert_eq!(data(response), serde_json::Value::Null);
}

const OPERATIONS: [&str; 2] = ["{ marks }", "mutation { mark(name: \"a\") }"];

/// A proxy that has no server to lead to takes the connection and closes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_without_a_server_is_waited_for() {
    let (stage, proxy) = stage(PATIENCE).await;
    proxy.turn_away(true);
    proxy.cut_all();
    let retrying = stage.retrying(20);
    let operations = OPERATIONS.map(|query| start(&retrying, query));
    // Longer than twenty attempts in a row take.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for operation in &operations {
        assert!(!operation.is_finished(), "did not wait");
    }
    proxy.turn_away(false);
    for operation in operations {
        let response = ended(operation).await;
        assert!(response.is_ok(), "{response:?}");
    }
    assert_eq!(stage.marks().await, ["a"]);
}

/// Nobody comes: within the deadline, and near it, each operation is told so, and that it may try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_that_does_not_come_is_unavailable() {
    let (stage, proxy) = stage(DEADLINE).await;
    proxy.turn_away(true);
    proxy.cut_all();
    let retrying = stage.retrying(20);
    for query in OPERATIONS {
        let started = Instant::now();
        assert_unavailable(&ended(start(&retrying, query)).await);
        let took = started.elapsed();
        assert!(took > DEADLINE / 3, "did not wait: {took:?}");
        // Without Retrying as well.
        assert_unavailable(&stage.run(query).await);
    }
    proxy.turn_away(false);
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

/// A peer that has gone silent: the connection is taken, and nothing is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_database_is_unavailable() {
    let (stage, proxy) = stage(DEADLINE).await;
    proxy.cut_all();
    proxy.blackhole();
    let retrying = stage.retrying(20);
    // The second has to wait for the first to let go of the only slot of the pool: nobody is using it.
    let operations = [
        "mutation { mark(name: \"a\") }",
        "mutation { mark(name: \"b\") }",
    ]
    .map(|query| start(&retrying, query));
    for operation in operations {
        assert_unavailable(&ended(operation).await);
    }
    proxy.restore();
    stage.assert_whole().await;
}

/// The connection is lost in each attempt, at a statement: more often than conflicts are run again, until the deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_that_is_lost_again_and_again() {
    let (stage, _proxy) = stage(DEADLINE).await;
    stage
        .observer()
        .await
        .execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; \
             CREATE TRIGGER dies BEFORE INSERT ON mark FOR EACH ROW WHEN (NEW.name = 'a') \
             EXECUTE FUNCTION die()",
        )
        .await;
    let retrying = stage.retrying(3);
    let response = ended(start(&retrying, "mutation { mark(name: \"a\") }")).await;
    assert_unavailable(&response);
    let attempts = report(&response)["attempts"].as_u64();
    assert!(attempts > Some(3), "{response:?}");
    // Who wants one attempt gets one.
    let response = ended(start(&stage.retrying(1), "mutation { mark(name: \"a\") }")).await;
    assert_unavailable(&response);
    assert_eq!(report(&response)["attempts"], 1);
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

/// Lost so near the deadline that there is no time for another attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_lost_near_the_deadline_is_unavailable() {
    let (stage, proxy) = stage(PATIENCE).await;
    for query in ["{ marks }", "mutation { mark(name: \"a\") }"] {
        // One attempt: the schema without Retrying.
        let gate = proxy.hold(|sql| sql.contains(" mark"));
        let operation = stage.start(query);
        gate.reached().await;
        gate.cut();
        assert_unavailable(&ended(operation).await);
    }
    stage.assert_whole().await;
}

/// The database is made read-only under the server: 25006 is the refusal of a query's write, and not of a mutation's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_that_takes_no_writes_is_waited_for() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .expect("starts");
    let mut admin = PgConnection::connect(server.url()).await.expect("connects");
    let mut run = async |sql: &'static str| {
        sqlx::raw_sql(sql).execute(&mut admin).await.expect(sql);
    };
    run("CREATE TABLE mark (name TEXT PRIMARY KEY)").await;
    let mut options = DatabaseOptions::default();
    options.max_connections = 4;
    let database = Database::connect(server.url(), options)
        .await
        .expect("connects");
    let cue = std::sync::Arc::default();
    let retrying = Retrying::new(crate::stage::schema(&database, &cue, |extension| {
        extension.deadline(DEADLINE)
    }));
    let response = ended(start(&retrying, "mutation { mark(name: \"before\") }")).await;
    assert!(response.is_ok(), "{response:?}");
    // Sessions that are there follow.
    run("ALTER SYSTEM SET default_transaction_read_only = on").await;
    run("SELECT pg_reload_conf()").await;
    eventually("the database is read-only", async || {
        let mut fresh = PgConnection::connect(server.url()).await.expect("connects");
        let show = sqlx::query_scalar("SHOW transaction_read_only");
        let now: String = show.fetch_one(&mut fresh).await.expect("is read");
        now == "on"
    })
    .await;
    assert_unavailable(&ended(start(&retrying, "mutation { mark(name: \"a\") }")).await);
    let unwritable = database
        .check_writable(DEADLINE)
        .await
        .expect_err("is read-only");
    assert_eq!(FailureKind::of(&unwritable), FailureKind::Unavailable);
    // A query's write stays what it was: refused, and not for want of a database.
    let written = ended(start(&retrying, "{ write }")).await;
    assert_eq!(codes(&written), ["INTERNAL"]);
    assert!(ended(start(&retrying, "{ marks }")).await.is_ok());

    let waiting = Retrying::new(crate::stage::schema(&database, &cue, |extension| {
        extension.deadline(PATIENCE)
    }));
    let operation = start(&waiting, "mutation { mark(name: \"after\") }");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!operation.is_finished(), "did not wait");
    let reset =
        "SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only";
    for sql in reset.split("; ") {
        run(sql).await;
    }
    run("SELECT pg_reload_conf()").await;
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    database
        .check_writable(DEADLINE)
        .await
        .expect("takes writes");
}

/// A primary that comes back as a standby, and is promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_is_waited_for_and_read() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .expect("starts");
    let mut admin = PgConnection::connect(server.url()).await.expect("connects");
    let create = sqlx::raw_sql("CREATE TABLE mark (name TEXT PRIMARY KEY)");
    create.execute(&mut admin).await.expect("is made");
    let database = Database::connect(server.url(), DatabaseOptions::default())
        .await
        .expect("connects");
    let written: Result<(), DbErr> = database
        .write(async |unit| insert_mark(&unit, "before").await)
        .await;
    written.expect("is written");
    server.become_standby();
    // Idle connections have died: their units take new ones.
    let count: Result<i64, DbErr> = database.read(async |unit| count_marks(&unit).await).await;
    assert_eq!(count.expect("is read"), 1);
    let unwritable = database
        .check_writable(DEADLINE)
        .await
        .expect_err("is a standby");
    assert_eq!(FailureKind::of(&unwritable), FailureKind::Unavailable);
    let cue = std::sync::Arc::default();
    let retrying = Retrying::new(crate::stage::schema(&database, &cue, |extension| {
        extension.deadline(DEADLINE)
    }));
    assert_unavailable(&ended(start(&retrying, "mutation { mark(name: \"a\") }")).await);
    // It can be started with, too: queries can be answered.
    let other = Database::connect(server.url(), DatabaseOptions::default())
        .await
        .expect("connects");
    let count: Result<i64, DbErr> = other.read(async |unit| count_marks(&unit).await).await;
    assert_eq!(count.expect("is read"), 1);

    let waiting = Retrying::new(crate::stage::schema(&other, &cue, |extension| {
        extension.deadline(PATIENCE)
    }));
    let operation = start(&waiting, "mutation { mark(name: \"after\") }");
    let mut admin = PgConnection::connect(server.url()).await.expect("connects");
    let promote = sqlx::raw_sql("SELECT pg_promote()");
    promote.execute(&mut admin).await.expect("is promoted");
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    other.check_writable(DEADLINE).await.expect("takes writes");
}

/// Connections that others keep are no failure of the database.
#[tokio::test]
async fn busy_writer_takes_writes() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let stage = Stage::new(TestDatabase::create(engine).await).await;
        let operation = stage.start("mutation { mark(name: \"a\") meet }");
        stage.cue.reached().await;
        let checked = stage
            .database
            .check_writable(Duration::from_millis(100))
            .await;
        checked.expect("is busy");
        stage.cue.proceed();
        assert!(ended(operation).await.is_ok());
        stage
            .database
            .check_writable(PATIENCE)
            .await
            .expect("takes writes");
        stage.assert_whole().await;
    }
}

/// A file that is opened read-only takes none.
#[tokio::test]
async fn file_that_is_read_only_takes_no_writes() {
    let test = TestDatabase::create(Engine::Sqlite).await;
    let first = Database::connect(test.url(), DatabaseOptions::default())
        .await
        .expect("connects");
    first.check_writable(PATIENCE).await.expect("takes writes");
    first.close().await;
    let url = test.url().replace("mode=rwc", "mode=ro");
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    let error = database
        .check_writable(PATIENCE)
        .await
        .expect_err("is read-only");
    assert_eq!(FailureKind::of(&error), FailureKind::ReadOnly);
}

/// A wrong password and a database that does not exist are not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_pass_is_not_waited_for() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .expect("starts");
    let mut admin = PgConnection::connect(server.url()).await.expect("connects");
    let create = sqlx::raw_sql("CREATE DATABASE passing");
    create.execute(&mut admin).await.expect("is made");
    let database = Database::connect(&server.database_url("passing"), DatabaseOptions::default())
        .await
        .expect("connects");
    let drop = sqlx::raw_sql("DROP DATABASE passing WITH (FORCE)");
    drop.execute(&mut admin).await.expect("is gone");
    let cue = std::sync::Arc::default();
    let retrying = Retrying::new(crate::stage::schema(&database, &cue, |extension| {
        extension.deadline(PATIENCE * 2)
    }));
    for query in OPERATIONS {
        let response = ended(start(&retrying, query)).await;
        assert_eq!(codes(&response), ["INTERNAL"], "{response:?}");
        let extensions = response.errors[0].extensions.as_ref().expect("extensions");
        assert!(extensions.get("id").is_some(), "{response:?}");
    }
}
