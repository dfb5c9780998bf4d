//! Clients that go, and deadlines that pass.

use std::time::Duration;

use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually, on_every_engine};
use tokio::time::timeout;
use unit_of_work::DatabaseOptions;

use crate::stage::{PATIENCE, Stage, codes, data, lock, report};

/// A stage whose connections go through a proxy.
pub async fn behind_a_proxy(options: DatabaseOptions) -> (Stage, WireProxy) {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let stage = Stage::at(test, proxy.url(), options, |extension| extension).await;
    // Statements are prepared, connections made.
    stage.assert_whole().await;
    proxy.clear_log();
    (stage, proxy)
}

on_every_engine! {
    /// The client goes between two statements.
    async fn client_gone_between_statements(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let operation = stage.start("mutation { mark(name: \"a\") meet }");
        stage.cue.reached().await;
        operation.abort();
        assert!(operation.await.expect_err("is gone").is_cancelled());
        stage.assert_whole().await;
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }

    /// The client goes, but a clone of the handle stays: the unit does not wait for it to be dropped.
    async fn client_gone_while_a_handle_is_kept(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let operation = stage.start("mutation { escape mark(name: \"a\") meet }");
        stage.cue.reached().await;
        operation.abort();
        assert!(operation.await.expect_err("is gone").is_cancelled());
        stage.assert_whole().await;
        assert!(lock(&stage.cue.handle).is_some());
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }

    /// The client goes while a statement runs. The connection is usable as soon as the statement has ended, or is
    /// replaced.
    async fn client_gone_during_a_statement(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut options = DatabaseOptions::default();
        options.statement_timeout = Duration::from_millis(500);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        let operation = stage.start("mutation { mark(name: \"a\") slow }");
        stage.cue.reached().await;
        operation.abort();
        assert!(operation.await.expect_err("is gone").is_cancelled());
        stage.assert_whole().await;
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }

    /// The client goes while its BEGIN, and with it the whole operation, waits for another writer.
    async fn client_gone_while_waiting_to_begin(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let holder = stage.start("mutation { mark(name: \"held\") meet }");
        stage.cue.reached().await;
        let waiting = stage.start("mutation { mark(name: \"gone\") }");
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.expect_err("is gone").is_cancelled());
        stage.cue.proceed();
        let response = timeout(PATIENCE, holder).await.expect("ends").expect("answers");
        assert!(response.is_ok(), "{response:?}");
        stage.assert_whole().await;
        assert_eq!(stage.marks().await, ["held"]);
    }

    /// The deadline passes: rolled back, said with a code, and the connection goes back.
    async fn deadline_passed_rolls_back(test: TestDatabase) {
        let url = test.url().to_owned();
        let stage = Stage::at(test, &url, DatabaseOptions::default(), |extension| {
            extension.deadline(Duration::from_millis(300))
        }).await;
        let response = stage.run("mutation { mark(name: \"a\") meet }").await;
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
        assert_eq!(report(&response)["reason"], "DEADLINE");
        stage.assert_whole().await;
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }

    /// Nobody can begin while the only writer is taken: the operation says so instead of waiting for ever.
    async fn no_connection_in_time_is_overload(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut options = DatabaseOptions::default();
        options.acquire_timeout = Duration::from_millis(200);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        let holder = stage.start("mutation { mark(name: \"held\") meet }");
        stage.cue.reached().await;
        let response = stage.run("mutation { mark(name: \"refused\") }").await;
        assert_eq!(codes(&response), ["OVERLOADED"]);
        stage.cue.proceed();
        assert!(timeout(PATIENCE, holder).await.expect("ends").expect("answers").is_ok());
        stage.assert_whole().await;
        assert_eq!(stage.marks().await, ["held"]);
    }
}

/// A BEGIN that is on its way when the client goes is not cut in half: it ends, and is rolled back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_gone_during_begin() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let gate = proxy.hold(|sql| sql.starts_with("BEGIN"));
    let operation = stage.start("mutation { mark(name: \"a\") }");
    gate.reached().await;
    operation.abort();
    assert!(operation.await.expect_err("is gone").is_cancelled());
    gate.release();
    eventually("the transaction is rolled back", async || {
        proxy.log().contains(&"ROLLBACK".to_owned())
    })
    .await;
    assert!(
        !proxy
            .log()
            .iter()
            .any(|flight| flight.starts_with("INSERT") || flight == "COMMIT")
    );
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

/// A statement that is on its way when the client goes ends, and is rolled back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_gone_while_the_statement_is_on_the_wire() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let gate = proxy.hold_reply(|sql| sql.contains("INSERT INTO mark VALUES ('a')"));
    let operation = stage.start("mutation { mark(name: \"a\") }");
    gate.reached().await;
    operation.abort();
    assert!(operation.await.expect_err("is gone").is_cancelled());
    gate.release();
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

/// A COMMIT that is under way when the client goes is carried through, effects and all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_gone_during_commit() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let gate = proxy.hold(|sql| sql == "COMMIT");
    let operation = stage.start("mutation { mark(name: \"a\") effects }");
    gate.reached().await;
    operation.abort();
    assert!(operation.await.expect_err("is gone").is_cancelled());
    assert_eq!(stage.marks().await, Vec::<String>::new());
    gate.release();
    eventually("the effects have run", async || {
        stage.cue.effects().len() == 2
    })
    .await;
    assert_eq!(stage.marks().await, ["a"]);
    stage.assert_whole().await;
}

/// The response is not there while COMMIT is: not before the server has seen it, and not before it has answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_response_before_commit_is_answered() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let gate = proxy.hold_reply(|sql| sql == "COMMIT");
    let mut operation = stage.start("mutation { mark(name: \"a\") effects }");
    gate.reached().await;
    eventually("the server has committed", async || {
        stage.marks().await == ["a"]
    })
    .await;
    let early = timeout(Duration::from_millis(100), &mut operation).await;
    assert!(early.is_err(), "answered before COMMIT was: {early:?}");
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    gate.release();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(stage.cue.effects().len(), 2);
}

/// The server goes silent during ROLLBACK: its connection is given up within a bound, and does not block the pool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_during_rollback_frees_the_pool() {
    let mut options = DatabaseOptions::default();
    options.finish_timeout = Duration::from_millis(500);
    let (stage, proxy) = behind_a_proxy(options).await;
    let gate = proxy.hold(|sql| sql == "ROLLBACK");
    let response = stage.run("mutation { mark(name: \"a\") refuse }").await;
    assert_eq!(codes(&response), ["REFUSED"]);
    gate.reached().await;
    let fresh = stage.run("mutation { mark(name: \"b\") }").await;
    assert!(fresh.is_ok(), "{fresh:?}");
    gate.cut();
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, ["b"]);
}

/// The connection breaks in the middle of an operation: an error, no commit, and a fresh connection for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_lost_between_statements() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let operation = stage.start("mutation { a: mark(name: \"a\") meet b: mark(name: \"b\") }");
    stage.cue.reached().await;
    proxy.cut_all();
    stage.cue.proceed();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"]);
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}
