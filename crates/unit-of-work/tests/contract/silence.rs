//! Operations that give up: their statements are stopped, and connections on which nothing arrives are ended, on the server.

use std::{sync::atomic::Ordering, time::Duration};

use async_graphql::{Executor, Request};
use daybook_test_harness::{Cable, Engine, TestDatabase, eventually, on_every_engine};
use futures_util::future::join_all;
use sea_orm::DbBackend;
use tokio::{
    sync::Barrier,
    time::{Instant, sleep, timeout},
};
use unit_of_work::{DatabaseOptions, OperationDeadline, marker};

use crate::{
    clients::behind_a_proxy,
    stage::{Stage, codes, count_marks, data, ended, outcome},
};

/// Well below every time-out of the server.
const SOON: Duration = Duration::from_secs(6);

const SLEEPS_ON_MARIADB: &str = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO = 'SELECT SLEEP(600)' AND DB = DATABASE()";

const SLEEPS: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)' AND datname = current_database()";

/// A client that goes during a statement leaves nothing behind: no statement, no lock, no connection that is taken.
async fn is_stopped(test: TestDatabase, query: &str) {
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    // Neither may be what ends it.
    options.statement_timeout = Duration::from_secs(600);
    options.finish_timeout = Duration::from_secs(600);
    let stage = Stage::at(test, &url, options, |extension| extension.deadline(None)).await;
    stage.assert_whole().await;
    // With retries, a query of one statement has no transaction.
    let retrying = stage.retrying(1);
    let request = Request::new(query);
    let operation = tokio::spawn(async move { retrying.execute(request).await });
    stage.cue.reached().await;
    let observer = stage.observer().await;
    let sleeps = match stage.test.engine() {
        Engine::Sqlite => None,
        Engine::Postgres => Some(SLEEPS),
        Engine::MariaDb => Some(SLEEPS_ON_MARIADB),
    };
    if let Some(sleeps) = sleeps {
        eventually("the statement runs", async || {
            observer.i64(sleeps).await == 1
        })
        .await;
    } else {
        // SQLite shows nobody what it runs.
        sleep(Duration::from_millis(50)).await;
    }
    operation.abort();
    let gone = Instant::now();
    assert!(operation.await.expect_err("is gone").is_cancelled());
    if let Some(sleeps) = sleeps {
        eventually("the statement is stopped", async || {
            observer.i64(sleeps).await == 0
        })
        .await;
        assert!(gone.elapsed() < SOON, "{:?}", gone.elapsed());
    }
    timeout(SOON, stage.assert_whole())
        .await
        .expect("the connection is free");
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

on_every_engine! {
    async fn client_gone_stops_a_query(test: TestDatabase) {
        is_stopped(test, "{ endless }").await;
    }

    async fn client_gone_stops_a_query_on_a_transaction(test: TestDatabase) {
        is_stopped(test, "{ endless(begun: true) }").await;
    }

    async fn client_gone_stops_a_mutation(test: TestDatabase) {
        is_stopped(test, "mutation { mark(name: \"a\") endless(escaped: false) }").await;
    }

    /// A handle that got away runs the statement: the operation does not wait for it.
    async fn client_gone_stops_a_statement_of_an_escaped_handle(test: TestDatabase) {
        is_stopped(test, "mutation { mark(name: \"a\") endless(escaped: true) }").await;
    }

    async fn deadline_stops_a_statement(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut options = DatabaseOptions::default();
        options.statement_timeout = Duration::from_millis(500);
        options.finish_timeout = Duration::from_secs(600);
        // The server's own time-out is not shorter, so that it is not what stops it.
        let stage = Stage::at(test, &url, options, |extension| {
            extension.deadline(Duration::from_millis(499))
        }).await;
        let response = stage.run("mutation { mark(name: \"a\") endless(escaped: false) }").await;
        assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
        timeout(SOON, stage.assert_whole()).await.expect("the connection is free");
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }

    /// An order to stop never meets the next statement on the connection, whose owner is still there.
    async fn stopping_spares_the_next(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for round in 0..10 {
            for query in ["{ slow }", "mutation { slow }"] {
                let operation = stage.start(query);
                sleep(Duration::from_millis(3 * round)).await;
                operation.abort();
                for _ in 0..3 {
                    let next = stage.run("{ marks }").await;
                    assert!(next.is_ok(), "{next:?}");
                    let next = stage.run("mutation { increment }").await;
                    assert!(next.is_ok(), "{next:?}");
                }
            }
        }
        assert_eq!(stage.counter().await, 60);
        stage.assert_whole().await;
    }
}

/// Another operation wants the row that one has locked whose connection went silent: it gets it shortly after the deadline of
/// the first.
async fn lock_is_let_go(silent: &'static str, query: &str) {
    let mut options = DatabaseOptions::default();
    options.max_connections = 2;
    let (stage, proxy) = behind_a_proxy(options).await;
    let gate = proxy.hold(move |sql| sql.contains(silent));
    let mut request = Request::new(query);
    let deadline = Instant::now() + Duration::from_secs(1);
    request = request.data(OperationDeadline(deadline));
    let schema = stage.schema.clone();
    let first = tokio::spawn(async move { schema.execute(request).await });
    stage.cue.reached().await;
    let second = stage.run("mutation { increment }").await;
    assert_eq!(data(&second), serde_json::json!({ "increment": 1 }));
    let late = deadline.elapsed();
    assert!(late < SOON, "{late:?}");
    let first = ended(first).await;
    assert_eq!(codes(&first), ["DEADLINE_EXCEEDED"]);
    // What was held back finds nobody.
    gate.release();
    stage.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_between_statements_lets_locks_go() {
    lock_is_let_go("ROLLBACK", "mutation { lockAndMeet }").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_during_a_statement_lets_locks_go() {
    lock_is_let_go(
        "pg_sleep",
        "mutation { lock: lockAndGoOn endless(escaped: false) }",
    )
    .await;
}

/// A firewall forgets all connections at once, and tells nobody. One operation waits in vain. It is the only one: what was idle meanwhile is
/// tested before it is used, and replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_of_all_connections_costs_one_operation() {
    const CONNECTIONS: usize = 5;
    let mut options = DatabaseOptions::default();
    options.max_connections = 5;
    let (stage, proxy) = behind_a_proxy(options).await;
    // As many as there can be: each holds its connection until all have one.
    let together = Barrier::new(CONNECTIONS);
    let hold = || {
        stage.database.read(async |unit| {
            count_marks(&unit).await?;
            together.wait().await;
            count_marks(&unit).await
        })
    };
    for held in join_all((0..CONNECTIONS).map(|_| hold())).await {
        held.expect("reads");
    }
    // They have gone back to the pool.
    stage.assert_whole().await;
    proxy.forget();
    let run = |limit| {
        let deadline = OperationDeadline(Instant::now() + limit);
        stage
            .schema
            .execute(Request::new("{ marks }").data(deadline))
    };
    let first = run(Duration::from_millis(200)).await;
    assert_eq!(codes(&first), ["DEADLINE_EXCEEDED"]);
    for _ in 0..CONNECTIONS {
        let next = run(Duration::from_secs(3)).await;
        assert!(next.is_ok(), "{next:?}");
    }
    stage.assert_whole().await;
}

/// The server may be the first to keep the deadline: it ends the transaction, and the next statement finds no connection. What has
/// passed is the deadline all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadline_that_the_server_keeps_first_is_the_deadline() {
    const TRANSACTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()";
    let test = TestDatabase::create(Engine::Postgres).await;
    let stage = Stage::new(test).await;
    let deadline = OperationDeadline(Instant::now() + Duration::from_millis(500));
    let request = Request::new("mutation { lockAndKeepTheThread }").data(deadline);
    let schema = stage.schema.clone();
    let operation = tokio::spawn(async move { schema.execute(request).await });
    stage.cue.reached().await;
    let observer = stage.observer().await;
    eventually("the server ends the transaction", async || {
        observer.i64(TRANSACTIONS).await == 0
    })
    .await;
    stage.cue.let_go.store(true, Ordering::Release);
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
    stage.assert_whole().await;
    assert_eq!(stage.counter().await, 0);
}

/// The server ends a transaction by itself of which it hears nothing more, no later than the operation's own deadline: there
/// may be nobody left who could tell it to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_time_out_follows_the_deadline() {
    let (stage, _proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let setting = "{ setting(name: \"idle_in_transaction_session_timeout\") marks }";
    for (query, access) in [
        (setting.to_owned(), "query"),
        (
            format!("mutation {setting}").replace(" marks", ""),
            "mutation",
        ),
    ] {
        let whole = stage.run(&query).await;
        let seconds = serde_json::json!("30s");
        assert_eq!(data(&whole)["setting"], seconds, "{access}");
        let deadline = OperationDeadline(Instant::now() + Duration::from_secs(3));
        let response = stage
            .schema
            .execute(Request::new(&query).data(deadline))
            .await;
        let limit = data(&response)["setting"]
            .as_str()
            .map(str::to_owned)
            .expect("a setting");
        let limit: u64 = limit
            .strip_suffix("ms")
            .and_then(|limit| limit.parse().ok())
            .expect("in milliseconds");
        assert!((1..=3000).contains(&limit), "{access}: {limit}");
    }
}

/// A COMMIT goes unanswered, and the idle connection on which the server would be asked about it has gone silent with it. It is asked on
/// another one.
async fn who_would_be_asked_is_silent_too(engine: Engine, backend: DbBackend) {
    let test = TestDatabase::create(engine).await;
    let markers = marker::create_table(backend);
    test.observer().await.execute(&markers).await;
    let cable = Cable::to(test.url()).await;
    let stage = Stage::at(test, cable.url(), DatabaseOptions::default(), |it| it).await;
    for name in ["a", "b"] {
        let operation = stage.start(&format!("mutation {{ mark(name: \"{name}\") meet }}"));
        stage.cue.reached().await;
        // The second time, this silences the connection on which the first outcome was found, too.
        cable.lose_answers();
        stage.cue.proceed();
        let response = ended(operation).await;
        assert_eq!(outcome(&response), "COMMITTED", "{response:?}");
        if name == "a" {
            stage.assert_whole().await;
        }
    }
    assert_eq!(stage.marks().await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_asked_on_another_connection() {
    who_would_be_asked_is_silent_too(Engine::Postgres, DbBackend::Postgres).await;
}

#[cfg(feature = "mariadb")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_asked_on_another_connection() {
    who_would_be_asked_is_silent_too(Engine::MariaDb, DbBackend::MySql).await;
}
