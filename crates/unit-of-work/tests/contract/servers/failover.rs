//! Another server of the list takes over.

use std::time::Duration;

use async_graphql::{Executor, Request, Response};
use daybook_test_harness::{Cluster, eventually, list};
use sea_orm::DbBackend;
use unit_of_work::{FailureKind, OperationDeadline, Retrying, marker};

use super::{at, reads_a_standby, stage};
use crate::stage::{Stage, TestSchema, codes, data, ended};

/// Long enough to be waited within, short enough to be waited for.
const DEADLINE: Duration = Duration::from_millis(1500);

fn start(retrying: &Retrying<TestSchema>, query: &str) -> tokio::task::JoinHandle<Response> {
    let (retrying, request) = (retrying.clone(), Request::new(query));
    tokio::spawn(async move { retrying.execute(request).await })
}

/// An operation that waits for a database no longer than [`DEADLINE`].
async fn run_soon(stage: &Stage, query: &str) -> Response {
    let deadline = OperationDeadline(tokio::time::Instant::now() + DEADLINE);
    let request = Request::new(query).data(deadline);
    stage.retrying(20).execute(request).await
}

async fn has_no_primary(stage: &Stage) {
    eventually("the database takes no writes", async || {
        let checked = stage.database.check_writable(DEADLINE).await;
        checked.is_err_and(|error| FailureKind::of(&error) == FailureKind::Unavailable)
    })
    .await;
}

/// Server 1 takes over from server 0, which has crashed. What was acknowledged is there: it was replicated.
async fn fail_over(cluster: &Cluster, stage: &mut Stage) {
    cluster.caught_up(&stage.test, 1).await;
    cluster.crash(0).await;
    cluster.promote(1).await;
    stage.test = cluster.database_on(&stage.test, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_is_found_again_after_a_failover() {
    let cluster = Cluster::start(1).await;
    let mut stage = stage(&cluster, &[0, 1]).await;
    let marked = stage.run("mutation { mark(name: \"before\") }").await;
    assert!(marked.is_ok(), "{marked:?}");
    cluster.caught_up(&stage.test, 1).await;
    cluster.crash(0).await;
    has_no_primary(&stage).await;
    // There is a standby that could be read, and it may be old.
    assert_eq!(
        codes(&run_soon(&stage, "{ marks }").await),
        ["DATABASE_UNAVAILABLE"]
    );
    let retrying = stage.retrying(20);
    let operations =
        ["mutation { mark(name: \"after\") }", "{ marks }"].map(|query| start(&retrying, query));
    cluster.promote(1).await;
    for operation in operations {
        let response = ended(operation).await;
        assert!(response.is_ok(), "{response:?}");
    }
    stage.test = cluster.database_on(&stage.test, 1);
    assert_eq!(stage.marks().await, ["after", "before"]);
    stage.assert_whole().await;
    let writable = stage.database.check_writable(DEADLINE).await;
    writable.expect("takes writes");
}

/// The server that was the primary comes back as a standby. It is left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_that_became_a_standby_is_left() {
    let cluster = Cluster::start(1).await;
    let mut stage = stage(&cluster, &[0, 1]).await;
    cluster.caught_up(&stage.test, 1).await;
    cluster.demote(0).await;
    has_no_primary(&stage).await;
    cluster.promote(1).await;
    stage.test = cluster.database_on(&stage.test, 1);
    stage.assert_whole().await;
    assert!(!reads_a_standby(&stage.database).await);
}

/// The server that was the primary comes back, and does not know that another one has taken over. What is written to it is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_primary_that_comes_back_is_not_used() {
    let cluster = Cluster::start(1).await;
    let mut stage = stage(&cluster, &[0, 1]).await;
    let old = cluster.database_on(&stage.test, 0);
    fail_over(&cluster, &mut stage).await;
    stage.assert_whole().await;
    cluster.crash(1).await;
    cluster.start_again(0).await;
    for query in ["mutation { mark(name: \"lost\") }", "{ marks }"] {
        let response = run_soon(&stage, query).await;
        assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"], "{response:?}");
    }
    let count = "SELECT count(*) FROM mark";
    assert_eq!(old.observer().await.i64(count).await, 0);
    cluster.start_again(1).await;
    stage.assert_whole().await;
}

/// The server that was the primary goes on, without knowing that another one has taken over. Once a writer has met the new one, no query reads
/// from the old one, not even on a connection that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_to_an_old_primary_is_not_used_again() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let proxy = test.proxy().await;
    let new = cluster.database_on(&test, 1);
    let url = list(&[proxy.url(), new.url()]);
    let mut stage = at(&cluster, test, &url).await;
    let old = stage.observer().await;
    cluster.promote(1).await;
    // Who connects finds the new one. The reader's connection stays, and the writer's is ended.
    proxy.turn_away(true);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND query LIKE '%COMMIT'";
    assert_eq!(old.i64(end).await, 1);
    let marked = stage.run("mutation { mark(name: \"a\") }").await;
    assert!(marked.is_ok(), "{marked:?}");
    let read = stage.run("{ marks }").await;
    assert_eq!(data(&read), serde_json::json!({ "marks": 1 }));
    stage.test = new;
    assert_eq!(stage.marks().await, ["a"]);
}

/// COMMIT is not answered, and the server that takes over tells what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcome_of_a_commit_is_found_on_the_new_primary() {
    for is_committed in [true, false] {
        let cluster = Cluster::start(1).await;
        let test = cluster.database().await;
        let create = marker::create_table(DbBackend::Postgres);
        test.observer().await.execute(&create).await;
        let proxy = test.proxy().await;
        let new = cluster.database_on(&test, 1);
        let url = match is_committed {
            true => list(&[new.url(), proxy.url()]),
            false => list(&[proxy.url(), new.url()]),
        };
        let mut stage = at(&cluster, test, &url).await;
        let is_commit = |sql: &str| sql.contains("unit_of_work_marker") && sql.ends_with("COMMIT");
        let gate = match is_committed {
            true => proxy.hold_reply(is_commit),
            false => proxy.hold(is_commit),
        };
        let operation = stage.start("mutation { mark(name: \"a\") effects }");
        gate.reached().await;
        // The server that was the primary does not tell it.
        proxy.turn_away(true);
        fail_over(&cluster, &mut stage).await;
        gate.cut();
        let response = ended(operation).await;
        if is_committed {
            assert!(response.is_ok(), "{response:?}");
            assert_eq!(stage.marks().await, ["a"]);
        } else {
            assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
            assert_eq!(stage.marks().await, Vec::<String>::new());
        }
        assert_eq!(stage.cue.effects().is_empty(), !is_committed);
    }
}
