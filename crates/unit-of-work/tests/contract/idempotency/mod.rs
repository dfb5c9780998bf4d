//! Mutations that are sent again with the same idempotency key.

mod keys;
mod races;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_graphql::{Request, Response, Schema, Value};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::timeout;
use unit_of_work::{
    Database, DatabaseOptions, IdempotencySettings, Report, UnitOfWorkExtension,
    idempotency::{self, create_table},
    marker,
};

use crate::stage::{Mutation, PATIENCE, Query, Stage, Subscriptions, codes, data, outcome};

const EXPIRES_AFTER: Duration = Duration::from_secs(60);

/// A stage with the table, a clock that is set by hand, and more than one connection for writers.
struct Recorded {
    stage: Stage,
    /// Seconds since 1970.
    clock: Arc<AtomicU64>,
}

impl std::ops::Deref for Recorded {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Recorded {
    async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        Self::at(test, &url, DatabaseOptions::default()).await
    }

    async fn at(test: TestDatabase, url: &str, mut options: DatabaseOptions) -> Self {
        let mut stage = Stage::at(test, url, options.clone(), |extension| extension).await;
        options.max_connections = 4;
        // Keys that are kept so shortly prove nothing; there are markers.
        let markers = marker::create_table(stage.database.backend());
        stage.observer().await.execute(&markers).await;
        stage.database = Database::connect(url, options).await.expect("connects");
        let clock = Arc::new(AtomicU64::new(1_000));
        let now = Arc::clone(&clock);
        let settings = IdempotencySettings::default()
            .expires_after(EXPIRES_AFTER)
            .clock(move || at(now.load(Ordering::Relaxed)));
        let extension = UnitOfWorkExtension::new(stage.database.clone())
            .report(Report::InExtensions)
            .idempotency(settings);
        stage.schema = Schema::build(Query, Mutation, Subscriptions)
            .extension(extension)
            .data(Arc::clone(&stage.cue))
            .finish();
        let table = create_table(stage.database.backend());
        stage.observer().await.execute(&table).await;
        Self { stage, clock }
    }

    async fn send(&self, request: Request) -> Response {
        timeout(PATIENCE, self.schema.execute(request))
            .await
            .expect("answers")
    }

    async fn run_with_key(&self, key: &str, query: &str) -> Response {
        self.send(with_key(key, query)).await
    }

    /// Runs an operation in a task of its own.
    fn start_with_key(&self, key: &str, query: &str) -> tokio::task::JoinHandle<Response> {
        let (schema, request) = (self.schema.clone(), with_key(key, query));
        tokio::spawn(async move { schema.execute(request).await })
    }

    /// The keys that are committed.
    async fn keys(&self) -> Vec<String> {
        let sql = "SELECT idempotency_key FROM unit_of_work_idempotency WHERE idempotency_key <> '' ORDER BY viewer, idempotency_key";
        let keys = self.observer().await.texts(sql).await;
        keys.into_iter().flatten().collect()
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn with_key(key: &str, query: &str) -> Request {
    let mut request = Request::new(query);
    let key = Value::String(key.to_owned());
    request.extensions.insert("idempotencyKey".to_owned(), key);
    request
}

fn is_replay(response: &Response) -> bool {
    let marked = response.extensions.get("idempotency").cloned();
    let marked = marked
        .is_some_and(|mark| mark.into_json().expect("is JSON") == json!({ "replayed": true }));
    assert_eq!(
        marked,
        response.http_headers.get("idempotency-replayed").is_some()
    );
    assert_eq!(marked, outcome(response) == "REPLAYED");
    marked
}

on_every_engine! {
    /// The second answer is the first, marked: data in the same order, headers; and nothing happened twice.
    async fn replay_answers_the_same_and_runs_nothing(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let query = "mutation { z: header effects mark(name: \"a\") ping }";
        let first = stage.run_with_key("k", query).await;
        assert!(first.is_ok() && !is_replay(&first), "{first:?}");
        for _ in 0..2 {
            let again = stage.run_with_key("k", query).await;
            assert!(again.is_ok() && is_replay(&again), "{again:?}");
            assert_eq!(again.data.to_string(), first.data.to_string());
            assert_eq!(again.http_headers.get("x-resolver"), first.http_headers.get("x-resolver"));
            assert!(again.http_headers.contains_key("x-resolver"));
        }
        assert_eq!(stage.marks().await, ["a"]);
        assert_eq!(stage.cue.effects(), ["first", "last"]);
        // What is stored does not tell of the unit that it came from.
        let stored = stage.observer().await.text("SELECT response FROM unit_of_work_idempotency").await;
        assert!(!stored.contains("unitOfWork"), "{stored}");
        stage.assert_whole().await;
    }

    /// Also where there are no headers: over the road of a WebSocket.
    async fn replay_without_http(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        for replayed in [false, true] {
            let request = with_key("k", "mutation { mark(name: \"a\") }");
            let responses: Vec<_> = stage.schema.execute_stream(request).collect().await;
            assert_eq!(responses.iter().map(is_replay).collect::<Vec<_>>(), [replayed]);
            assert_eq!(data(&responses[0]), json!({ "mark": "a" }));
        }
        assert_eq!(stage.marks().await, ["a"]);
    }

    /// Another operation, other variables, another name: the key is refused, nothing runs, and the first answer stays.
    async fn another_operation_with_the_key_is_refused(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let query = "mutation M($name: String!) { mark(name: $name) }";
        let request = |query: &str, name: &str| {
            let variables = async_graphql::Variables::from_json(json!({ "name": name }));
            with_key("k", query).variables(variables)
        };
        assert!(stage.send(request(query, "a")).await.is_ok());
        let others = [
            request(query, "b"),
            request("mutation M($name: String!) { mark(name: $name) ping }", "a"),
            request("mutation M($name: String!) { mark(name: $name) panics }", "a"),
            request(query, "a").operation_name("M"),
        ];
        for other in others {
            let refused = stage.send(other).await;
            assert_eq!(codes(&refused), ["IDEMPOTENCY_KEY_REUSED"]);
            assert_eq!(data(&refused), serde_json::Value::Null);
            assert_eq!(refused.errors[0].extensions.as_ref().and_then(|e| e.get("retryable")), Some(&Value::from(false)));
        }
        assert!(is_replay(&stage.send(request(query, "a")).await));
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// What was rolled back, for whatever reason, has left no key behind; neither has a COMMIT that failed.
    async fn failed_operation_frees_its_key(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let failures = [
            ("mutation { mark(name: \"a\") refuse }", "REFUSED"),
            ("mutation { mark(name: \"a\") maybe }", "REFUSED"),
            ("mutation { swallow(name: \"a\") }", "UNIT_DOOMED"),
            ("mutation { mark(name: \"a\") panics }", "INTERNAL"),
            ("mutation { mark(name: \"a\") orphan }", "COMMIT_FAILED"),
        ];
        for (query, code) in failures {
            // MariaDB defers nothing to COMMIT: see `mariadb`.
            if stage.test.engine() == Engine::MariaDb && code == "COMMIT_FAILED" {
                continue;
            }
            // Twice: the failure itself is not replayed either.
            for _ in 0..2 {
                let failed = stage.run_with_key("k", query).await;
                assert_eq!(codes(&failed), [code], "{query}");
                assert!(!is_replay(&failed));
            }
            assert_eq!(stage.keys().await, Vec::<String>::new(), "{query}");
        }
        let worked = stage.run_with_key("k", "mutation { mark(name: \"a\") }").await;
        assert!(worked.is_ok() && !is_replay(&worked), "{worked:?}");
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// A key that has expired is new again, for whatever operation, whether it was swept or not.
    async fn expired_key_runs_again(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let runs = [
            (1_000, "mutation { effects }", false),
            (1_059, "mutation { effects }", true),
            (1_060, "mutation { effects }", false),
            (1_119, "mutation { effects }", true),
            (1_120, "mutation { effects ping }", false),
            (1_121, "mutation { effects ping }", true),
        ];
        for (now, query, replayed) in runs {
            stage.clock.store(now, Ordering::Relaxed);
            let response = stage.run_with_key("k", query).await;
            assert!(response.is_ok(), "{now}: {response:?}");
            assert_eq!(is_replay(&response), replayed, "{now}");
        }
        assert_eq!(stage.cue.effects().len(), 3 * 2);
        assert_eq!(stage.keys().await, ["k"]);
    }

    /// A sweep deletes what has expired, however much it is, and nothing else.
    async fn sweep_deletes_only_what_has_expired(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234)";
        stage.observer().await.execute(&format!(
            "INSERT INTO unit_of_work_idempotency {numbers} SELECT 'v', CAST(i AS CHAR(9)), 'f', '{{}}', 1000000 + i FROM n"
        )).await;
        assert!(stage.run_with_key("k", "mutation { ping }").await.is_ok());
        for (now, swept) in [(1_000, 0), (1_001, 1_000), (1_001, 0), (1_059, 234), (1_060, 1)] {
            assert_eq!(idempotency::sweep(&stage.database, at(now)).await, Ok(swept), "{now}");
        }
        assert_eq!(stage.keys().await, Vec::<String>::new());
        stage.assert_whole().await;
    }
}
