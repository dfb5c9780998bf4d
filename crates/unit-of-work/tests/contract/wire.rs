//! What reaches the server, counted by a proxy: a second BEGIN, a stray ping, a forgotten ROLLBACK would show.

use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually};
use tokio::time::timeout;
use unit_of_work::DatabaseOptions;

use crate::stage::{PATIENCE, Stage, report};

/// A writer asks for what its transaction is known by, in the flight of its BEGIN.
pub const BEGIN: &str = "BEGIN; SELECT pg_current_xact_id()::text, pg_backend_pid()::text";
const COUNT: &str = "SELECT COUNT(*) FROM mark";

/// A stage on one warm reader and one warm writer: connected, and its statements prepared.
async fn warm() -> (Stage, WireProxy) {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let stage = Stage::at(test, proxy.url(), DatabaseOptions::default(), |extension| {
        extension
    })
    .await;
    for warming in ["{ marks }", "mutation { mark(name: \"a\") refuse }"] {
        stage.run(warming).await;
    }
    ended(&proxy, 2).await;
    proxy.clear_log();
    (stage, proxy)
}

/// Waits until so many transactions have ended.
async fn ended(proxy: &WireProxy, transactions: usize) {
    eventually("the transactions have ended", async || {
        let log = proxy.log();
        let ends = log
            .iter()
            .filter(|sql| ["COMMIT", "ROLLBACK"].contains(&sql.as_str()));
        ends.count() == transactions
    })
    .await;
}

/// Runs an operation, waits until its transaction has ended, and answers what was sent.
async fn sent(stage: &Stage, proxy: &WireProxy, query: &str) -> Vec<String> {
    proxy.clear_log();
    let response = stage.run(query).await;
    if report(&response)["statements"] != 0 {
        ended(proxy, 1).await;
    }
    proxy.log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reaches_the_server() {
    let (stage, proxy) = warm().await;
    let insert = "INSERT INTO mark VALUES ('a')";
    let cases: [(&str, &[&str]); 8] = [
        ("{ __typename }", &[]),
        ("{ ping }", &[]),
        ("mutation { ping }", &[]),
        ("{ marks }", &["BEGIN", COUNT, "ROLLBACK"]),
        (
            "{ a: marks b: marks }",
            &["BEGIN", COUNT, COUNT, "ROLLBACK"],
        ),
        ("{ items(n: 50) { marks } }", &["BEGIN", COUNT, "ROLLBACK"]),
        (
            "mutation { mark(name: \"a\") refuse }",
            &[BEGIN, insert, "ROLLBACK"],
        ),
        ("mutation { mark(name: \"a\") }", &[BEGIN, insert, "COMMIT"]),
    ];
    for (query, expected) in cases {
        assert_eq!(sent(&stage, &proxy, query).await, expected, "{query}");
    }
}

/// The response of a query does not wait for the end of its snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_read_costs_the_response_no_round_trip() {
    let (stage, proxy) = warm().await;
    let gate = proxy.hold(|sql| sql == "ROLLBACK");
    let response = timeout(PATIENCE, stage.start("{ marks }"))
        .await
        .expect("answers while ROLLBACK is held");
    assert!(response.expect("answers").is_ok());
    gate.reached().await;
    assert_eq!(proxy.log().first().map(String::as_str), Some("BEGIN"));
    gate.release();
    stage.assert_whole().await;
}
