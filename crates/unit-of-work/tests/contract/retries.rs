//! Operations that lose a conflict are run again as a whole.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_graphql::{Executor, Request, Response, UploadValue, Variables};
use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use futures_util::{StreamExt, future::join_all};
use sea_orm::IsolationLevel;
use tokio::{task::JoinHandle, time::timeout};
use unit_of_work::{DatabaseOptions, Isolation, OperationDeadline, Retrying};

use crate::stage::{PATIENCE, Stage, TestSchema, codes, data, report};

/// A stage on which an operation can be made to lose: on SQLite the file is busy, on PostgreSQL the row it has read was
/// changed meanwhile.
pub async fn contended(test: TestDatabase) -> Stage {
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.busy_timeout = Duration::from_millis(20);
    options.writer_isolation = IsolationLevel::RepeatableRead;
    Stage::at(test, &url, options, |extension| extension).await
}

fn start(retrying: &impl Executor, request: impl Into<Request>) -> JoinHandle<Response> {
    let retrying = retrying.clone();
    let request = request.into();
    tokio::spawn(async move { retrying.execute(request).await })
}

pub async fn ended(operation: JoinHandle<Response>) -> Response {
    timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers")
}

impl Stage {
    /// Starts `operation`, which increments the counter with `meet: MEET`, and makes its first attempt lose.
    pub async fn loses_once(
        &self,
        retrying: &Retrying<TestSchema>,
        operation: &str,
    ) -> JoinHandle<Response> {
        self.loses_once_as(retrying, operation, Request::new).await
    }

    /// The same, for a request that is made of the operation's text.
    pub async fn loses_once_as(
        &self,
        retrying: &impl Executor,
        operation: &str,
        request: impl FnOnce(String) -> Request,
    ) -> JoinHandle<Response> {
        let other = self.observer().await;
        match self.test.engine() {
            Engine::Postgres | Engine::MariaDb => {
                let running = start(retrying, request(operation.replace("MEET", "true")));
                self.cue.reached().await;
                other.execute("UPDATE counter SET value = value + 10").await;
                self.cue.proceed();
                running
            }
            Engine::Sqlite => {
                other.execute("BEGIN IMMEDIATE").await;
                other.execute("UPDATE counter SET value = value + 10").await;
                let running = start(retrying, request(operation.replace("MEET", "false")));
                let begun = || self.cue.increments.load(Ordering::SeqCst);
                eventually("a second attempt is made", async || {
                    begun() > 1 || running.is_finished()
                })
                .await;
                other.execute("COMMIT").await;
                running
            }
        }
    }
}

on_every_engine! {
    /// The whole operation runs again, on what is there now; the client sees one answer, and effects happen once.
    async fn conflict_is_run_again(test: TestDatabase) {
        let stage = contended(test).await;
        let retrying = stage.retrying(1000);
        let operation = stage.loses_once(&retrying, "mutation { increment(meet: MEET) mark(name: \"a\") effects }").await;
        let response = ended(operation).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(data(&response)["increment"], 11);
        assert!(report(&response)["attempts"].as_u64() > Some(1), "{response:?}");
        assert_eq!(report(&response)["outcome"], "COMMITTED");
        assert_eq!(stage.cue.effects(), ["first", "last"]);
        assert_eq!(stage.counter().await, 11);
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// It is decided by what the database said to the unit, not by what the resolver made of it.
    async fn swallowed_conflict_is_run_again(test: TestDatabase) {
        let stage = contended(test).await;
        let retrying = stage.retrying(1000);
        let operation = stage.loses_once(&retrying, "mutation { incrementAndSwallow(meet: MEET) }").await;
        let response = ended(operation).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(stage.counter().await, 11);
    }

    /// Operations that arrive as streams (over a WebSocket) are run again too, and answer once.
    async fn conflict_over_a_stream_is_run_again(test: TestDatabase) {
        let stage = contended(test).await;
        let retrying = stage.retrying(1000);
        let other = stage.observer().await;
        if stage.test.engine() == Engine::Sqlite {
            other.execute("BEGIN IMMEDIATE").await;
        }
        let meet = stage.test.engine() != Engine::Sqlite;
        let stream = retrying.execute_stream(Request::new(format!("mutation {{ increment(meet: {meet}) }}")), None);
        let running = tokio::spawn(stream.collect::<Vec<_>>());
        if meet {
            stage.cue.reached().await;
            other.execute("UPDATE counter SET value = value + 10").await;
            stage.cue.proceed();
        } else {
            eventually("a second attempt is made", async || stage.cue.increments.load(Ordering::SeqCst) > 1).await;
            other.execute("COMMIT").await;
        }
        let responses = timeout(PATIENCE, running).await.expect("ends").expect("answers");
        assert_eq!(responses.len(), 1);
        assert!(responses[0].is_ok(), "{responses:?}");
    }

    /// At the end of the attempts the client is told so, and that it may try again. Nothing has happened.
    async fn attempts_are_bounded(test: TestDatabase) {
        let stage = contended(test).await;
        let retrying = stage.retrying(1);
        let operation = stage.loses_once(&retrying, "mutation { increment(meet: MEET) mark(name: \"a\") }").await;
        let response = ended(operation).await;
        assert_eq!(codes(&response), ["CONFLICT_RETRIES_EXHAUSTED"]);
        let extensions = response.errors[0].extensions.as_ref().expect("extensions");
        assert_eq!(extensions.get("retryable"), Some(&async_graphql::Value::from(true)));
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(report(&response)["attempts"], 1);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// A wait that would end after the deadline is not begun.
    async fn deadline_ends_the_attempts(test: TestDatabase) {
        let stage = contended(test).await;
        let mut policy = unit_of_work::RetryPolicy::default();
        policy.first_delay = PATIENCE * 2;
        policy.longest_delay = PATIENCE * 2;
        let retrying = Retrying::new(stage.schema.clone()).policy(policy);
        let operation = stage.loses_once(&retrying, "mutation { increment(meet: MEET) }").await;
        assert_eq!(codes(&ended(operation).await), ["CONFLICT_RETRIES_EXHAUSTED"]);
    }

    /// What is no conflict runs once: success, a refusal, a masked error, a query, a document that is not valid.
    async fn everything_else_runs_once(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let retrying = stage.retrying(5);
        for (query, expected) in [
            ("mutation { mark(name: \"a\") }", 0),
            ("mutation { increment refuse }", 1),
            ("mutation { increment a: mark(name: \"b\") b: mark(name: \"b\") }", 1),
            ("mutation { increment orphan }", 1),
            ("mutation { increment panics }", 1),
            ("mutation { increment unknown }", 0),
            ("{ marks }", 0),
        ] {
            stage.cue.increments.store(0, Ordering::SeqCst);
            ended(start(&retrying, query)).await;
            assert_eq!(stage.cue.increments.load(Ordering::SeqCst), expected, "{query}");
        }
        stage.assert_whole().await;
    }

    /// What the caller put into the request's data reaches the resolvers in every attempt, and the extension too.
    async fn data_of_the_request_is_kept(test: TestDatabase) {
        let stage = contended(test).await;
        let retrying = stage.retrying(5);
        let request = Request::new("mutation { increment }").data(unit_of_work::DryRun);
        let response = ended(start(&retrying, request)).await;
        assert_eq!(data(&response), serde_json::json!({ "increment": 1 }));
        assert_eq!(stage.counter().await, 0, "the dry run was forgotten");
        let late = Request::new("mutation { increment }").data(OperationDeadline(tokio::time::Instant::now()));
        let begun = stage.cue.increments.load(Ordering::SeqCst);
        assert_eq!(codes(&ended(start(&retrying, late)).await), ["DEADLINE_EXCEEDED"]);
        assert_eq!(stage.cue.increments.load(Ordering::SeqCst), begun, "ran after its deadline");
    }

    /// Uploads can be read only once, so an operation that has them runs once, whatever becomes of it.
    async fn uploads_are_not_run_again(test: TestDatabase) {
        let stage = contended(test).await;
        let retrying = stage.retrying(1000);
        let mut request = Request::new("mutation { increment(meet: MEET) }")
            .variables(Variables::from_json(serde_json::json!({ "file": null })));
        request.set_upload("variables.file", UploadValue { filename: "f".to_owned(), content_type: None, content: "text".into() });
        let other = stage.observer().await;
        let running = match stage.test.engine() {
            Engine::Postgres | Engine::MariaDb => {
                request.query = request.query.replace("MEET", "true");
                let running = start(&retrying, request);
                stage.cue.reached().await;
                other.execute("UPDATE counter SET value = value + 10").await;
                stage.cue.proceed();
                running
            }
            Engine::Sqlite => {
                request.query = request.query.replace("MEET", "false");
                other.execute("BEGIN IMMEDIATE").await;
                start(&retrying, request)
            }
        };
        let response = ended(running).await;
        assert_eq!(codes(&response), ["CONFLICT_RETRIES_EXHAUSTED"]);
        assert_eq!(report(&response)["attempts"], 1);
        assert_eq!(stage.cue.increments.load(Ordering::SeqCst), 1);
    }

    /// A subscription goes through as it is: no event is lost or doubled.
    async fn subscription_passes_through(test: TestDatabase) {
        let stage = Stage::new(test).await;
        stage.cue.proceed();
        let events: Vec<_> = stage.retrying(5).execute_stream(Request::new("subscription { ticks { marks } }"), None).collect().await;
        assert_eq!(events.len(), 2);
    }
}

/// Real concurrent SERIALIZABLE writers, each of whom reads and writes the same row: every one gets through, none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_serializable_writers() {
    const WRITERS: i64 = 12;
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.max_connections = 6;
    let stage = Stage::at(test, &url, options, |extension| {
        extension.field_isolation("increment", IsolationLevel::Serializable)
    })
    .await;
    let retrying = stage.retrying(1000);
    let responses =
        join_all((0..WRITERS).map(|_| start(&retrying, "mutation { increment }"))).await;
    let mut attempts = 0;
    for response in responses {
        let response = response.expect("answers");
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(report(&response)["isolation"], "SERIALIZABLE");
        attempts += report(&response)["attempts"].as_i64().expect("a number");
    }
    assert_eq!(stage.counter().await, WRITERS);
    assert_eq!(
        stage.cue.increments.load(Ordering::SeqCst),
        u32::try_from(attempts).expect("few")
    );
}

/// Two operations that each see two marks and take away another one. Serially, the second sees one and keeps it.
async fn skewed(isolation: IsolationLevel) -> Vec<String> {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.max_connections = 2;
    let stage = Arc::new(Stage::at(test, &url, options, |extension| extension).await);
    stage
        .run("mutation { a: mark(name: \"a\") b: mark(name: \"b\") }")
        .await;
    let retrying = stage.retrying(100);
    let both_have_read = Arc::new(tokio::sync::Barrier::new(2));
    let operations = ["a", "b"].map(|name| {
        let request = Request::new(format!("mutation {{ removeUnlessLast(name: \"{name}\") }}"))
            .data(Isolation(isolation))
            .data(Arc::clone(&both_have_read));
        start(&retrying, request)
    });
    for operation in operations {
        let response = ended(operation).await;
        assert!(response.is_ok(), "{response:?}");
    }
    stage.marks().await
}

/// The write skew that READ COMMITTED lets through cannot happen under SERIALIZABLE with retries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_skew_cannot_happen_under_serializable() {
    assert_eq!(skewed(IsolationLevel::ReadCommitted).await.len(), 0);
    assert_eq!(skewed(IsolationLevel::Serializable).await.len(), 1);
}
