//! A database that is connected read-only.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_graphql::{BatchRequest, BatchResponse, Executor, Request, Response, Schema};
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::StreamExt;
use sea_orm::DbErr;
use tokio::time::timeout;
use unit_of_work::{
    AllOrNothing, Database, DatabaseOptions, Retrying, UnitError, UnitOfWork, UnitOfWorkExtension,
    UnitTerms, codes::READ_ONLY,
};

use crate::stage::{
    Mutation, PATIENCE, Query, Stage, Subscriptions, TestSchema, codes, data, insert_mark,
};

/// A second `Database` beside the stage's, and a schema on it.
async fn reading(stage: &Stage) -> (Database, TestSchema) {
    let options = DatabaseOptions::default()
        .read_only(true)
        .max_connections(1);
    let database = Database::connect(stage.test.url(), options)
        .await
        .expect("connects");
    let schema = Schema::build(Query, Mutation, Subscriptions)
        .extension(UnitOfWorkExtension::new(database.clone()))
        .data(Arc::clone(&stage.cue))
        .finish();
    (database, schema)
}

async fn answer(executor: &impl Executor, request: impl Into<Request>) -> Response {
    timeout(PATIENCE, executor.execute(request.into()))
        .await
        .expect("answers")
}

fn is_refused(error: &DbErr) -> bool {
    UnitError::in_db_err(error) == Some(&UnitError::ReadOnlyDatabase)
}

on_every_engine! {
    /// None of its resolvers runs: this one would wait for ever.
    async fn mutation_on_a_read_only_database_is_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (database, schema) = reading(&stage).await;
        let retrying = Retrying::new(schema.clone());
        let mutation = "mutation { meet mark(name: \"a\") }";
        assert_eq!(codes(&answer(&schema, mutation).await), [READ_ONLY]);
        assert_eq!(codes(&answer(&retrying, mutation).await), [READ_ONLY]);
        let batch = [1, 2].map(|_| Request::new(mutation).data(AllOrNothing));
        let batch = retrying.execute_batch(BatchRequest::Batch(batch.into()));
        let BatchResponse::Batch(responses) = timeout(PATIENCE, batch).await.expect("answers") else {
            panic!("is a batch");
        };
        assert_eq!(codes(&responses[0]), [READ_ONLY], "{responses:?}");
        assert!(responses.iter().all(Response::is_err));
        database.close().await;
        assert!(stage.marks().await.is_empty());
        stage.assert_whole().await;
    }

    async fn queries_and_events_read_from_a_read_only_database(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (database, schema) = reading(&stage).await;
        let retrying = Retrying::new(schema);
        for marks in 0..3 {
            let response = answer(&retrying, "{ marks again: marks }").await;
            assert_eq!(data(&response), serde_json::json!({ "marks": marks, "again": marks }));
            let mut events = retrying.execute_stream(Request::new("subscription { ticks { marks } }"), None);
            let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
            assert_eq!(data(&event), serde_json::json!({ "ticks": { "marks": marks } }));
            // What others write is seen.
            let name = format!("mutation {{ mark(name: \"{marks}\") }}");
            assert!(stage.run(&name).await.is_ok());
        }
        // A query that writes is refused by the database itself.
        let response = answer(&retrying, "{ write }").await;
        assert!(response.is_err(), "{response:?}");
        assert_eq!(stage.marks().await.len(), 3);
        database.close().await;
        stage.assert_whole().await;
    }

    async fn work_that_may_write_is_refused_on_a_read_only_database(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (database, _) = reading(&stage).await;
        assert!(database.is_read_only() && !stage.database.is_read_only());
        let has_run = AtomicBool::new(false);
        let body = async |unit: UnitOfWork| {
            has_run.store(true, Ordering::Relaxed);
            insert_mark(&unit, "a").await
        };
        let refused = [
            database.write(body).await,
            database.write_with(UnitTerms::default().attempts(3), body).await,
        ];
        for refused in refused {
            assert!(is_refused(&refused.expect_err("is refused")));
        }
        assert!(!has_run.load(Ordering::Relaxed));
        assert!(is_refused(&database.check_writable(Duration::from_secs(1)).await.expect_err("takes no writes")));
        assert_eq!(database.checkpoint(0).await.expect("does nothing"), None);
        database.close().await;
        assert!(stage.marks().await.is_empty());
        stage.assert_whole().await;
    }
}

/// Whatever the URL says, no file is created.
#[tokio::test]
async fn missing_file_is_not_created_read_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let options = DatabaseOptions::default().read_only(true);
    Database::connect(&url, options)
        .await
        .expect_err("is missing");
    assert!(!path.exists());
}
