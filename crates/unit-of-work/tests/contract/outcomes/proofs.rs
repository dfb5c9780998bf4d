//! What proves a COMMIT: a marker, a row that was named, the row of an idempotency key; also in batches and savepoints.

use std::sync::Arc;

use async_graphql::{BatchRequest, BatchResponse, Executor, Request, Response, Schema};
use daybook_test_harness::WireProxy;
use sea_orm::DbBackend;
use tokio::task::JoinHandle;
use unit_of_work::{
    AllOrNothing, IdempotencyKey, IdempotencySettings, Report, SessionSettings,
    UnitOfWorkExtension, idempotency,
};

use super::markers::{is_commit, unconfigured};
use crate::stage::{Mutation, Query, Stage, Subscriptions, TestSchema, codes, ended};

/// The ways to prove that `a` was marked.
const WAYS: [(&str, &str); 8] = [
    ("a marker", "mutation { mark(name: \"a\") }"),
    (
        "a marker, with settings",
        "mutation { evident(name: \"a\") }",
    ),
    ("evidence", "mutation { evident(name: \"a\") }"),
    (
        "evidence of a savepoint",
        "mutation { evidentInASavepoint(name: \"a\", undo: false) }",
    ),
    (
        "a marker, beside evidence that was undone",
        "mutation { evidentInASavepoint(name: \"a\", undo: true) }",
    ),
    ("an idempotency key", "mutation { mark(name: \"a\") }"),
    (
        "an idempotency key, and evidence",
        "mutation { evident(name: \"a\") }",
    ),
    ("a batch", "mutation { mark(name: \"a\") }"),
];

fn keyed(stage: &Stage) -> TestSchema {
    let extension = UnitOfWorkExtension::new(stage.database.clone())
        .report(Report::InExtensions)
        .idempotency(IdempotencySettings::default());
    Schema::build(Query, Mutation, Subscriptions)
        .extension(extension)
        .data(Arc::clone(&stage.cue))
        .finish()
}

/// Starts a mutation in one of the ways.
fn start(stage: &Stage, way: &str, query: &str) -> JoinHandle<Response> {
    let mut request = Request::new(query);
    if way.contains("key") {
        request = request.data(IdempotencyKey::new("k").expect("a key"));
    }
    if way.contains("settings") {
        request = request.data(SessionSettings::new().set("app.tenant", "42"));
    }
    let schema = keyed(stage);
    if way != "a batch" {
        return tokio::spawn(async move { schema.execute(request).await });
    }
    let mut once = unit_of_work::RetryPolicy::default();
    once.attempts = 1;
    let retrying = unit_of_work::Retrying::new(schema).policy(once);
    let batch = [request, Request::new("mutation { mark(name: \"b\") }")];
    let batch = batch.map(|request| request.data(AllOrNothing));
    tokio::spawn(async move {
        match retrying
            .execute_batch(BatchRequest::Batch(batch.into()))
            .await
        {
            BatchResponse::Batch(mut responses) => responses.swap_remove(0),
            BatchResponse::Single(response) => response,
        }
    })
}

async fn for_each_way(check: impl AsyncFn(&Stage, &WireProxy, &str, &str)) {
    let (stage, proxy) = unconfigured().await;
    let table = idempotency::create_table(DbBackend::Postgres);
    stage.observer().await.execute(&table).await;
    for (way, query) in WAYS {
        check(&stage, &proxy, way, query).await;
        stage.assert_whole().await;
        let observer = stage.observer().await;
        observer
            .execute("DELETE FROM mark; DELETE FROM unit_of_work_idempotency")
            .await;
    }
}

/// The server had committed: success, whatever proves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_is_lost() {
    for_each_way(async |stage, proxy, way, query| {
        let gate = proxy.hold_reply(is_commit);
        let operation = start(stage, way, query);
        gate.reached().await;
        gate.cut();
        let response = ended(operation).await;
        assert!(response.is_ok(), "{way}: {response:?}");
        assert!(stage.marks().await.contains(&"a".to_owned()), "{way}");
    })
    .await;
}

/// The server never saw COMMIT: nothing happened, whatever would have proved it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_is_lost() {
    for_each_way(async |stage, proxy, way, query| {
        let gate = proxy.hold(is_commit);
        let operation = start(stage, way, query);
        gate.reached().await;
        gate.cut();
        let response = ended(operation).await;
        assert_eq!(codes(&response), ["COMMIT_FAILED"], "{way}");
        assert_eq!(stage.marks().await, Vec::<String>::new(), "{way}");
    })
    .await;
}

/// The COMMIT of the first was lost, and another with the same key was committed before anybody could look: that one's row
/// proves nothing about the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_of_another_attempt_is_no_proof() {
    let (stage, proxy) = unconfigured().await;
    let table = idempotency::create_table(DbBackend::Postgres);
    stage.observer().await.execute(&table).await;
    let mutation = "mutation { mark(name: \"a\") }";
    let commit = proxy.hold(is_commit);
    let look = proxy.hold(|sql| sql.contains("row_security"));
    let first = start(&stage, "a key", mutation);
    commit.reached().await;
    commit.cut();
    look.reached().await;
    let second = ended(start(&stage, "a key", mutation)).await;
    assert!(second.is_ok(), "{second:?}");
    look.release();
    let first = ended(first).await;
    assert_eq!(codes(&first), ["COMMIT_FAILED"]);
    assert_eq!(stage.marks().await, ["a"]);
}
