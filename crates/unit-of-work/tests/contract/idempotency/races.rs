//! Two at once, and answers that are lost on their way.

use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually, on_every_engine};
use sea_orm::IsolationLevel;
use tokio::{task::JoinHandle, time::timeout};
use unit_of_work::DatabaseOptions;

use async_graphql::Response;

use super::{Recorded, is_replay};
use crate::stage::{PATIENCE, codes};

const HELD: &str = "mutation { mark(name: \"a\") effects meet }";
const MARK: &str = "mutation { mark(name: \"a\") effects }";

/// Waits until an operation beside the one that is held has come as far as it can.
async fn waiting(stage: &Recorded, operation: &JoinHandle<Response>) {
    if stage.test.engine() == Engine::Postgres {
        let observer = stage.observer().await;
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("one waits for the other", async || {
            observer.i64(waiting).await == 1
        })
        .await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!operation.is_finished(), "did not wait");
}

async fn answer(operation: JoinHandle<Response>) -> Response {
    timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers")
}

on_every_engine! {
    /// One executes; the other waits, before any of its resolvers has run, and replays.
    async fn two_at_once_are_one_execution_and_a_replay(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let first = stage.start_with_key("k", HELD);
        stage.cue.reached().await;
        let second = stage.start_with_key("k", HELD);
        waiting(&stage, &second).await;
        stage.cue.proceed();
        let (first, second) = (answer(first).await, answer(second).await);
        assert!(first.is_ok() && !is_replay(&first), "{first:?}");
        assert!(second.is_ok() && is_replay(&second), "{second:?}");
        assert_eq!(second.data, first.data);
        assert_eq!(stage.marks().await, ["a"]);
        assert_eq!(stage.cue.effects(), ["first", "last"]);
        stage.assert_whole().await;
    }

    /// The one that executes is rolled back, because its client goes: the one that waits executes.
    async fn one_that_waits_executes_when_the_first_is_rolled_back(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let first = stage.start_with_key("k", HELD);
        stage.cue.reached().await;
        let second = stage.start_with_key("k", HELD);
        waiting(&stage, &second).await;
        first.abort();
        stage.cue.reached().await;
        stage.cue.proceed();
        let second = answer(second).await;
        assert!(second.is_ok() && !is_replay(&second), "{second:?}");
        assert_eq!(stage.marks().await, ["a"]);
        assert_eq!(stage.cue.effects(), ["first", "last"]);
        stage.assert_whole().await;
    }

    /// Keys of others are not waited for.
    async fn another_key_does_not_wait(test: TestDatabase) {
        if test.engine() == Engine::Sqlite {
            // One writer: everything waits.
            return;
        }
        let stage = Recorded::new(test).await;
        let first = stage.start_with_key("k", HELD);
        stage.cue.reached().await;
        assert!(stage.run_with_key("l", "mutation { mark(name: \"b\") }").await.is_ok());
        stage.cue.proceed();
        assert!(answer(first).await.is_ok());
        assert_eq!(stage.marks().await, ["a", "b"]);
    }
}

/// On a stricter isolation level the one that waited meets a conflict instead; it is a replay when it is run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_when_serializable() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.writer_isolation = IsolationLevel::Serializable;
    let stage = Recorded::at(test, &url, options).await;
    let first = stage.start_with_key("k", HELD);
    stage.cue.reached().await;
    let second = stage.start_with_key("k", HELD);
    waiting(&stage, &second).await;
    stage.cue.proceed();
    assert!(answer(first).await.is_ok());
    let second = answer(second).await;
    if second.is_err() {
        assert_eq!(codes(&second), ["CONFLICT_RETRIES_EXHAUSTED"]);
        assert!(is_replay(&stage.run_with_key("k", HELD).await));
    } else {
        assert!(is_replay(&second));
    }
    assert_eq!(stage.cue.effects(), ["first", "last"]);
    stage.assert_whole().await;
}

async fn behind_a_proxy() -> (Recorded, WireProxy) {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let stage = Recorded::at(test, proxy.url(), DatabaseOptions::default()).await;
    (stage, proxy)
}

/// The server committed, and the client was not told: the same key gets the answer that was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answer_to_commit_is_replayed() {
    let (stage, proxy) = behind_a_proxy().await;
    let gate = proxy.hold_reply(|sql| sql.ends_with("COMMIT"));
    let first = stage.start_with_key("k", MARK);
    gate.reached().await;
    gate.cut();
    let first = answer(first).await;
    // The database said so.
    assert!(first.is_ok(), "{first:?}");
    let again = stage.run_with_key("k", MARK).await;
    assert!(again.is_ok() && is_replay(&again), "{again:?}");
    assert_eq!(
        crate::stage::data(&again),
        serde_json::json!({ "mark": "a", "effects": true })
    );
    assert_eq!(stage.marks().await, ["a"]);
    assert_eq!(stage.keys().await, ["k"]);
    stage.assert_whole().await;
}

/// COMMIT never reached the server: the same key is free, and the operation runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_commit_runs_again() {
    let (stage, proxy) = behind_a_proxy().await;
    let gate = proxy.hold(|sql| sql.ends_with("COMMIT"));
    let first = stage.start_with_key("k", MARK);
    gate.reached().await;
    gate.cut();
    let first = answer(first).await;
    assert_eq!(codes(&first), ["COMMIT_FAILED"]);
    let again = stage.run_with_key("k", MARK).await;
    assert!(again.is_ok(), "{again:?}");
    assert!(!is_replay(&again));
    assert_eq!(stage.marks().await, ["a"]);
    assert_eq!(stage.keys().await, ["k"]);
    assert_eq!(stage.cue.effects(), ["first", "last"]);
    stage.assert_whole().await;
}
