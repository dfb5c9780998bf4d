//! A request whose validation is known is not validated again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{
    EmptyMutation, EmptySubscription, Executor, Object, Request, Schema, ServerError,
    ValidationResult,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
};
use daybook_test_harness::{TestDatabase, on_every_engine};
use unit_of_work::{Database, DatabaseOptions, Retrying, UnitOfWorkExtension, Validated};

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

/// Runs the document twice with the same memory: how often the rules were run, and whether it was answered.
async fn twice(executor: &impl Executor, rules: &Rules, document: &str) -> (usize, [bool; 2]) {
    let before = rules.0.load(Ordering::Relaxed);
    let known = Validated::default();
    let run = || executor.execute(Request::new(document).data(known.clone()));
    let answers = [run().await.is_ok(), run().await.is_ok()];
    (rules.0.load(Ordering::Relaxed) - before, answers)
}

on_every_engine! {
    async fn what_is_known_to_be_valid_is_not_validated_again(test: TestDatabase) {
        let database = Database::connect(test.url(), DatabaseOptions::default()).await.expect("connects");
        let rules = Rules::default();
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
            .extension(UnitOfWorkExtension::new(database))
            .extension(rules.clone())
            .finish();
        assert_eq!(twice(&schema, &rules, "{ one }").await, (1, [true, true]));
        assert_eq!(twice(&schema, &rules, "{ two }").await, (2, [false, false]));
        // Data of a request that may be run again reaches the extension by another way.
        let retrying = Retrying::new(schema);
        assert_eq!(twice(&retrying, &rules, "{ one }").await, (1, [true, true]));
        assert_eq!(twice(&retrying, &rules, "{ two }").await, (2, [false, false]));
    }
}
