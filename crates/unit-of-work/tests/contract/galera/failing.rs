//! Nodes that are killed, frozen or cut off.

use std::{cell::Cell, time::Duration};

use async_graphql::{Executor, Request, Response};
use daybook_test_harness::{eventually, galera::Galera};
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};
use unit_of_work::FailureKind;

use super::{run_within, stage, writer};
use crate::stage::{PATIENCE, Stage, codes, data, ended, outcome, report};

const SOON: Duration = Duration::from_millis(1500);

fn start(stage: &Stage, query: &str) -> JoinHandle<Response> {
    let (retrying, request) = (stage.retrying(20), Request::new(query));
    tokio::spawn(async move { retrying.execute(request).await })
}

/// The node that writes is killed. Operations that were under way are run again on another one, which stays the one when the first is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_writes_when_the_writer_is_killed() {
    let (mut cluster, name, mut stage) = stage(&[0, 1, 2]).await;
    assert!(
        stage
            .run("mutation { mark(name: \"before\") }")
            .await
            .is_ok()
    );
    let operation = start(&stage, "mutation { mark(name: \"under way\") meet }");
    stage.cue.reached().await;
    cluster.crash(0).await;
    stage.test = cluster.database_on(1, &name);
    stage.cue.proceed();
    stage.cue.reached().await;
    stage.cue.proceed();
    assert_eq!(outcome(&ended(operation).await), "COMMITTED");
    assert_eq!(stage.marks().await, ["before", "under way"]);
    let (node, epoch) = writer(&cluster, &name, 1).await;
    assert_eq!(epoch, 2);
    cluster.start_again(0).await;
    stage.assert_whole().await;
    assert_eq!(writer(&cluster, &name, 1).await, (node, 2));
    assert_ne!(node, Some(0));
    // What it has missed, it has now.
    stage.test = cluster.database_on(0, &name);
    assert_eq!(stage.marks().await, ["before", "under way"]);
}

/// The node that writes is frozen. What was under way there is not answered, and others wait no longer than it takes to notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_writes_when_the_writer_is_frozen() {
    let (mut cluster, name, mut stage) = stage(&[0, 1, 2]).await;
    assert!(
        stage
            .run("mutation { mark(name: \"before\") }")
            .await
            .is_ok()
    );
    cluster.freeze(0).await;
    stage.test = cluster.database_on(1, &name);
    let lost = run_within(&stage, "mutation { mark(name: \"lost\") }", SOON).await;
    assert!(!lost.errors.is_empty(), "{lost:?}");
    let marked = run_within(&stage, "mutation { mark(name: \"after\") }", PATIENCE).await;
    assert_eq!(outcome(&marked), "COMMITTED", "{marked:?}");
    cluster.thaw(0).await;
    cluster.heal().await;
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, ["after", "before"]);
    assert_ne!(writer(&cluster, &name, 1).await.0, Some(0));
}

/// The node that writes is cut off from the others, and clients still reach it. Nothing is written there, and nothing is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_writes_when_the_writer_is_cut_off() {
    let (mut cluster, name, mut stage) = stage(&[0, 1, 2]).await;
    assert!(
        stage
            .run("mutation { mark(name: \"before\") }")
            .await
            .is_ok()
    );
    cluster.cut_off(0).await;
    stage.test = cluster.database_on(1, &name);
    let marked = run_within(&stage, "mutation { mark(name: \"after\") }", PATIENCE).await;
    assert_eq!(outcome(&marked), "COMMITTED", "{marked:?}");
    let read = run_within(&stage, "{ marks }", PATIENCE).await;
    assert_eq!(data(&read), json!({ "marks": 2 }), "{read:?}");
    cluster.heal().await;
    stage.assert_whole().await;
    assert_ne!(writer(&cluster, &name, 1).await.0, Some(0));
}

/// Two of three nodes are killed. The one that is left accepts nothing, although it takes connections and answers SELECT 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minority_is_unavailable() {
    let (mut cluster, _, stage) = stage(&[0, 1, 2]).await;
    assert!(
        stage
            .run("mutation { mark(name: \"before\") }")
            .await
            .is_ok()
    );
    cluster.crash(1).await;
    cluster.crash(2).await;
    eventually("it takes no writes", async || {
        let checked = stage.database.check_writable(SOON).await;
        checked.is_err_and(|error| FailureKind::of(&error) == FailureKind::Unavailable)
    })
    .await;
    for query in ["mutation { mark(name: \"lost\") }", "{ marks }"] {
        let response = run_within(&stage, query, SOON).await;
        assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"], "{response:?}");
    }
    let waiting = start(&stage, "mutation { mark(name: \"after\") }");
    cluster.heal().await;
    assert_eq!(outcome(&ended(waiting).await), "COMMITTED");
    assert_eq!(stage.marks().await, ["after", "before"]);
    stage.assert_whole().await;
}

/// A frozen node keeps nobody from closing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_does_not_wait_for_a_frozen_node() {
    let (mut cluster, _, stage) = stage(&[0, 1, 2]).await;
    stage.assert_whole().await;
    for _ in 0..3 {
        assert!(stage.run("{ marks }").await.is_ok());
    }
    let operation = stage.start("mutation { mark(name: \"a\") meet }");
    stage.cue.reached().await;
    cluster.freeze(0).await;
    operation.abort();
    timeout(Duration::from_secs(15), stage.database.close())
        .await
        .expect("closes");
}

/// The node that writes is frozen in the middle of an operation. Its next statement is not waited for until the deadline: the operation is run
/// again on the node that takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_at_a_frozen_writer_is_run_again_on_another_node() {
    let (mut cluster, name, mut stage) = stage(&[0, 1, 2]).await;
    let operation = start(
        &stage,
        "mutation { mark(name: \"a\") meet again: mark(name: \"b\") }",
    );
    stage.cue.reached().await;
    cluster.freeze(0).await;
    stage.cue.proceed();
    stage.cue.reached().await;
    stage.cue.proceed();
    assert_eq!(outcome(&ended(operation).await), "COMMITTED");
    stage.test = cluster.database_on(1, &name);
    assert_eq!(stage.marks().await, ["a", "b"]);
    cluster.thaw(0).await;
    cluster.heal().await;
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, ["a", "b"]);
}

/// A node that is read is frozen between two statements of a snapshot: the query is run again on another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_at_a_frozen_reader_is_run_again_on_another_node() {
    let (mut cluster, name, stage) = stage(&[0, 1, 2]).await;
    let operation = start(&stage, "{ marksTwice }");
    stage.cue.reached().await;
    cluster
        .freeze(node_that_is_read(&cluster, &name).await)
        .await;
    stage.cue.proceed();
    stage.cue.reached().await;
    stage.cue.proceed();
    let response = ended(operation).await;
    assert_eq!(
        data(&response),
        json!({ "marksTwice": [0, 0] }),
        "{response:?}"
    );
    cluster.heal().await;
    stage.assert_whole().await;
}

/// The node at which the one snapshot is open.
async fn node_that_is_read(cluster: &Galera, name: &str) -> usize {
    const SNAPSHOTS: &str = "SELECT COUNT(*) FROM information_schema.INNODB_TRX AS trx JOIN information_schema.PROCESSLIST AS thread \
         ON thread.ID = trx.trx_mysql_thread_id WHERE thread.DB = DATABASE() AND thread.ID <> CONNECTION_ID()";
    let found = Cell::new(None);
    eventually("a snapshot is open", async || {
        for node in 0..3 {
            if cluster.observer(node, name).await.i64(SNAPSHOTS).await == 1 {
                found.set(Some(node));
            }
        }
        found.get().is_some()
    })
    .await;
    found.get().expect("it was found")
}

/// A statement that is merely slow goes on, although its node is asked meanwhile whether it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_statement_at_a_node_that_answers_goes_on() {
    let (_cluster, _, stage) = stage(&[0, 1, 2]).await;
    let slow = "mutation { raw(sql: \"SELECT SLEEP(5)\") mark(name: \"a\") }";
    let response = run_within(&stage, slow, PATIENCE).await;
    assert_eq!(outcome(&response), "COMMITTED", "{response:?}");
    assert_eq!(report(&response)["attempts"], 1, "{response:?}");
}
