//! A connection that is lost during COMMIT: the database is asked what became of it.

use std::time::Duration;

use async_graphql::{Executor, Request};
use tokio::time::timeout;
use unit_of_work::DatabaseOptions;

use crate::{
    clients::behind_a_proxy,
    stage::{PATIENCE, codes, data, outcome, report},
};

/// Two connections: one to lose, one to ask with.
fn two() -> DatabaseOptions {
    let mut options = DatabaseOptions::default();
    options.max_connections = 2;
    options
}

/// The server had seen COMMIT: the operation has happened, and the client is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_after_the_commit_is_success() {
    let (stage, proxy) = behind_a_proxy(two()).await;
    let gate = proxy.hold_reply(|sql| sql == "COMMIT");
    let operation = stage.start("mutation { mark(name: \"a\") effects }");
    gate.reached().await;
    gate.cut();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(outcome(&response), "COMMITTED");
    assert_eq!(stage.cue.effects(), ["first", "last"]);
    assert_eq!(stage.marks().await, ["a"]);
    stage.assert_whole().await;
}

/// The server had not seen COMMIT: nothing has happened, for certain, and the client may run it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_before_the_commit_is_failure() {
    let (stage, proxy) = behind_a_proxy(two()).await;
    let gate = proxy.hold(|sql| sql == "COMMIT");
    let operation = stage.start("mutation { mark(name: \"a\") effects }");
    gate.reached().await;
    gate.cut();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&response), ["COMMIT_FAILED"]);
    assert_eq!(data(&response), serde_json::Value::Null);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    assert_eq!(stage.marks().await, Vec::<String>::new());
    stage.assert_whole().await;
}

/// The same with retries: the client sees one answer, and one effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_before_the_commit_is_run_again() {
    let (stage, proxy) = behind_a_proxy(two()).await;
    let gate = proxy.hold(|sql| sql == "COMMIT");
    let retrying = stage.retrying(3);
    let request = Request::new("mutation { mark(name: \"a\") effects }");
    let operation = tokio::spawn(async move { retrying.execute(request).await });
    gate.reached().await;
    gate.cut();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(report(&response)["attempts"], 2);
    assert_eq!(stage.cue.effects(), ["first", "last"]);
    assert_eq!(stage.marks().await, ["a"]);
}

/// The connection goes silent, and the server still holds the transaction open: it is ended, so that there is an outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transaction_that_hangs_is_ended() {
    let mut options = two();
    options.finish_timeout = Duration::from_millis(500);
    let (stage, proxy) = behind_a_proxy(options).await;
    let gate = proxy.hold(|sql| sql == "COMMIT");
    let operation = stage.start("mutation { mark(name: \"a\") }");
    gate.reached().await;
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&response), ["COMMIT_FAILED"]);
    // A COMMIT that comes too late finds nobody.
    gate.release();
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

/// The whole database is out of reach: neither success nor failure is claimed, the operation ends within a bound, and it is
/// not run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_to_ask_is_unknown() {
    let mut options = two();
    options.finish_timeout = Duration::from_millis(500);
    let (stage, proxy) = behind_a_proxy(options).await;
    let gate = proxy.hold(|sql| sql == "COMMIT");
    let retrying = stage.retrying(3);
    let request = Request::new("mutation { mark(name: \"a\") effects }");
    let operation = tokio::spawn(async move { retrying.execute(request).await });
    gate.reached().await;
    proxy.blackhole();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&response), ["OUTCOME_UNKNOWN"]);
    assert_eq!(data(&response), serde_json::Value::Null);
    assert_eq!(report(&response)["outcome"], "UNKNOWN");
    assert_eq!(report(&response)["attempts"], 1);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    proxy.restore();
    gate.cut();
    stage.assert_whole().await;
}
