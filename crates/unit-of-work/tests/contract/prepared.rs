//! What was found out about a request before it came here is not found out again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{
    BatchRequest, BatchResponse, CacheControl, EmptyMutation, EmptySubscription, Executor, Object,
    Request, Schema, ServerError, ValidationResult,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::OperationType,
};
use daybook_test_harness::{TestDatabase, on_every_engine};
use unit_of_work::{AllOrNothing, Database, DatabaseOptions, Retrying, UnitOfWorkExtension};

struct Query;

#[Object]
impl Query {
    async fn one(&self) -> i32 {
        1
    }
}

/// Counts how often the rules are run.
#[derive(Clone, Default)]
struct Rules(Arc<AtomicUsize>);

impl ExtensionFactory for Rules {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Extension for Rules {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        next.run(ctx).await
    }
}

/// Runs a request that is known to be valid, and one that is not: how often the rules were run.
async fn both(executor: &impl Executor, rules: &Rules) -> [usize; 2] {
    let known = Request::new("{ one }").data(ValidationResult {
        cache_control: CacheControl::default(),
        complexity: 1,
        depth: 1,
    });
    let mut counts = [0; 2];
    for (count, request) in counts.iter_mut().zip([known, Request::new("{ one }")]) {
        let before = rules.0.load(Ordering::Relaxed);
        assert!(executor.execute(request).await.is_ok());
        *count = rules.0.load(Ordering::Relaxed) - before;
    }
    counts
}

/// The kind of a request's operation, as an executor around the schema sees it, and whether it ran.
async fn of_kind(executor: &impl Executor, kind: OperationType) -> bool {
    // The engine cannot parse a description, so nobody but the data says what this is.
    let mut request = Request::new("\"What for.\" { one }").data(kind);
    request.data.insert(AllOrNothing);
    let batch = BatchRequest::Batch(vec![request]);
    match executor.execute_batch(batch).await {
        BatchResponse::Batch(responses) => {
            !format!("{:?}", responses[0].errors).contains("BATCH_REFUSED")
        }
        BatchResponse::Single(_) => false,
    }
}

on_every_engine! {
    async fn what_is_known_of_a_request_is_not_found_out_again(test: TestDatabase) {
        let database = Database::connect(test.url(), DatabaseOptions::default()).await.expect("connects");
        let rules = Rules::default();
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
            .extension(UnitOfWorkExtension::new(database))
            .extension(rules.clone())
            .finish();
        assert_eq!(both(&schema, &rules).await, [0, 1]);
        // Data of a request that may be run again reaches the extension by another way.
        let retrying = Retrying::new(schema);
        assert_eq!(both(&retrying, &rules).await, [0, 1]);
        assert!(of_kind(&retrying, OperationType::Query).await);
        assert!(!of_kind(&retrying, OperationType::Subscription).await);
    }
}
