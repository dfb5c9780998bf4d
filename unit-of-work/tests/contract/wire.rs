//! What reaches the server, counted by a proxy: a second BEGIN, a stray ping, a forgotten ROLLBACK would show.
//!
//! A `PING` is what sqlx's pool sends when a connection comes back to it, after the response.

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
    // The last word of each connection is the ping with which it went back to its pool.
    eventually("both connections are back", async || {
        proxy
            .log()
            .iter()
            .filter(|flight| *flight == "PING")
            .count()
            == 2
    })
    .await;
    proxy.clear_log();
    (stage, proxy)
}

/// Runs an operation, waits until its connection is back in the pool, and answers what was sent.
async fn sent(stage: &Stage, proxy: &WireProxy, query: &str) -> Vec<String> {
    proxy.clear_log();
    let response = stage.run(query).await;
    if report(&response)["statements"] != 0 {
        eventually("the connection is back", async || {
            proxy.log().last().is_some_and(|last| last == "PING")
        })
        .await;
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
        ("{ marks }", &["BEGIN", COUNT, "ROLLBACK", "PING"]),
        (
            "{ a: marks b: marks }",
            &["BEGIN", COUNT, COUNT, "ROLLBACK", "PING"],
        ),
        (
            "{ items(n: 50) { marks } }",
            &["BEGIN", COUNT, "ROLLBACK", "PING"],
        ),
        (
            "mutation { mark(name: \"a\") refuse }",
            &[BEGIN, insert, "ROLLBACK", "PING"],
        ),
        (
            "mutation { mark(name: \"a\") }",
            &[BEGIN, insert, "COMMIT", "PING"],
        ),
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
