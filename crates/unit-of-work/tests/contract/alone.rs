//! Queries that make one statement, which is its own snapshot: they run without a transaction.

use std::{sync::Arc, time::Duration};

use async_graphql::{Executor, Request, Response};
use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually, on_every_engine};
use sea_orm::IsolationLevel;
use tokio::time::{Instant, timeout};
use unit_of_work::{DatabaseOptions, Isolation, OperationDeadline, Retrying, SessionSettings};

use crate::{
    clients::behind_a_proxy,
    stage::{PATIENCE, Stage, TestSchema, codes, data, report},
};

async fn answer(retrying: &Retrying<TestSchema>, request: impl Into<Request>) -> Response {
    timeout(PATIENCE, retrying.execute(request.into()))
        .await
        .expect("answers")
}

const COUNT: &str = "SELECT COUNT(*) FROM mark";

/// What has reached the server since the log was last looked at.
fn sent(proxy: &WireProxy) -> Vec<String> {
    let log = proxy.log();
    proxy.clear_log();
    log
}

on_every_engine! {
    /// A second statement is not answered from a second snapshot: the operation is run again on one transaction, and its
    /// client sees one answer.
    async fn two_statements_read_one_snapshot(test: TestDatabase) {
        let stage = Arc::new(Stage::new(test).await);
        let retrying = stage.retrying(5);
        for round in 0..3 {
            let operation = {
                let retrying = retrying.clone();
                tokio::spawn(async move { answer(&retrying, "{ marksTwice }").await })
            };
            if round == 0 {
                // The attempt that finds out.
                stage.cue.reached().await;
                stage.cue.proceed();
            }
            stage.cue.reached().await;
            stage.observer().await.execute(&format!("INSERT INTO mark VALUES ('{round}')")).await;
            stage.cue.proceed();
            let response = timeout(PATIENCE, operation).await.expect("ends").expect("answers");
            assert_eq!(codes(&response), Vec::<String>::new(), "{response:?}");
            assert_eq!(data(&response), serde_json::json!({ "marksTwice": [round, round] }));
            assert_eq!((&report(&response)["attempts"], &report(&response)["statements"]), (&1.into(), &2.into()));
        }
        stage.assert_whole().await;
    }

    /// The connection is free as soon as its one statement has ended, however long the operation goes on.
    async fn connection_is_free_after_the_statement(test: TestDatabase) {
        let stage = Arc::new(Stage::new(test).await);
        let retrying = stage.retrying(5);
        let operation = {
            let retrying = retrying.clone();
            tokio::spawn(async move { answer(&retrying, "{ marksAndMeet }").await })
        };
        stage.cue.reached().await;
        // On a pool of one.
        assert_eq!(data(&answer(&retrying, "{ marks }").await), serde_json::json!({ "marks": 0 }));
        stage.cue.proceed();
        let response = timeout(PATIENCE, operation).await.expect("ends").expect("answers");
        assert_eq!(data(&response), serde_json::json!({ "marksAndMeet": 0 }));
        assert_eq!(report(&response)["outcome"], "READ");
        stage.assert_whole().await;
    }

    /// The database itself refuses a write, with and without a transaction.
    async fn write_is_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let retrying = stage.retrying(5);
        for query in ["{ write }", "{ write marks }", "{ write marks }"] {
            let response = answer(&retrying, query).await;
            assert!(response.is_err(), "{query}: {response:?}");
            assert_eq!(stage.marks().await, Vec::<String>::new(), "{query}");
        }
        stage.assert_whole().await;
    }

    /// The client goes while the statement runs: the connection is usable as soon as it has ended.
    async fn client_gone_during_the_statement(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut options = DatabaseOptions::default();
        options.statement_timeout = Duration::from_millis(500);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        let retrying = stage.retrying(5);
        let mut operation = Box::pin(retrying.execute(Request::new("{ slow }")));
        assert!(timeout(Duration::from_millis(50), &mut operation).await.is_err(), "is slow");
        drop(operation);
        stage.assert_whole().await;
    }

    /// A loader's batch is a statement like any other.
    async fn loaders_count_too(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let retrying = stage.retrying(5);
        for query in ["{ items(n: 50) { marks } }", "{ marks items(n: 50) { marks } }"] {
            for _ in 0..2 {
                let response = answer(&retrying, query).await;
                assert!(response.is_ok(), "{response:?}");
                assert_eq!(data(&response)["items"][49]["marks"], 0);
            }
        }
        stage.assert_whole().await;
    }
}

/// One flight, and nothing after it; two statements cost an attempt once, and a transaction from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flight_for_one_statement() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let retrying = stage.retrying(5);
    for _ in 0..2 {
        answer(&retrying, "{ marks }").await;
        assert_eq!(sent(&proxy), [COUNT]);
    }
    for round in 0..2 {
        let response = answer(&retrying, "{ a: marks b: marks }").await;
        assert_eq!(data(&response), serde_json::json!({ "a": 0, "b": 0 }));
        eventually("the snapshot has ended", async || {
            proxy.log().last().is_some_and(|last| last == "ROLLBACK")
        })
        .await;
        let transaction = ["BEGIN", COUNT, COUNT, "ROLLBACK"];
        let expected = if round == 0 {
            [&[COUNT], &transaction[..]].concat()
        } else {
            transaction.to_vec()
        };
        assert_eq!(sent(&proxy), expected);
    }
    stage.assert_whole().await;
}

/// What travels with BEGIN needs a BEGIN.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_goes_with_begin() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let retrying = stage.retrying(5);
    let soon = Instant::now() + Duration::from_secs(10);
    let asked = [
        Request::new("{ marks }").data(Isolation(IsolationLevel::Serializable)),
        Request::new("{ marks }").data(SessionSettings::new().set("app.tenant", "1")),
        Request::new("{ marks }").data(OperationDeadline(soon)),
    ];
    for request in asked {
        assert_eq!(data(&answer(&retrying, request).await)["marks"], 0);
        assert!(sent(&proxy).iter().any(|sql| sql.starts_with("BEGIN")));
    }
    stage.assert_whole().await;
}

/// A connection that died while it lay idle costs a query no more than an attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connection_that_died_is_replaced() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let retrying = stage.retrying(5);
    answer(&retrying, "{ marks }").await;
    proxy.cut_all();
    let response = answer(&retrying, "{ marks }").await;
    assert_eq!(
        data(&response),
        serde_json::json!({ "marks": 0 }),
        "{response:?}"
    );
    stage.assert_whole().await;
}

/// Where nobody runs an operation again, it has a transaction from the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_by_itself_begins() {
    let stage = Stage::new(TestDatabase::create(Engine::Sqlite).await).await;
    let operation = stage.start("{ marksTwice }");
    stage.cue.reached().await;
    stage.cue.proceed();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(data(&response), serde_json::json!({ "marksTwice": [0, 0] }));
}
