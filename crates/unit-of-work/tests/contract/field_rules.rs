//! Rules that are kept field by field, inside the unit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_graphql::{Executor, Request, Response, ServerError, ServerResult, Value};
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::StreamExt;
use serde_json::json;
use unit_of_work::{
    DatabaseOptions, FieldRule, ResolvedField, RetryPolicy, Retrying, UnitOfWorkExtension,
};

use crate::stage::{Stage, codes, data};

/// What rules have seen.
#[derive(Clone, Default)]
struct Seen(Arc<Counts>);

#[derive(Default)]
struct Counts {
    rules: AtomicUsize,
    begun: AtomicUsize,
    fields: AtomicUsize,
    finished: AtomicUsize,
}

impl Seen {
    /// Rules, executions that began, fields, and executions that ended, since the last look.
    fn take(&self) -> [usize; 4] {
        let counts = &*self.0;
        [
            &counts.rules,
            &counts.begun,
            &counts.fields,
            &counts.finished,
        ]
        .map(|count| count.swap(0, SeqCst))
    }
}

/// Refuses fields that are named `ping`, and adds an error to responses that have `kid`.
struct Strict {
    seen: Seen,
}

impl FieldRule for Strict {
    fn begin(&self) {
        self.seen.0.begun.fetch_add(1, SeqCst);
    }

    fn resolved(
        &self,
        field: ResolvedField<'_>,
        result: ServerResult<Option<Value>>,
    ) -> ServerResult<Option<Value>> {
        self.seen.0.fields.fetch_add(1, SeqCst);
        match field.path.field_name() {
            "ping" => Err(ServerError::new("no pings", Some(field.field.name.pos))),
            // As of a field that can be null.
            "must" => Ok(result.unwrap_or_default()),
            _ => result,
        }
    }

    fn finish(&self, response: &mut Response) {
        self.seen.0.finished.fetch_add(1, SeqCst);
        if data(response).get("kid").is_some() {
            response.errors.push(ServerError::new("no kids", None));
        }
    }
}

async fn strict(test: TestDatabase) -> (Stage, Seen) {
    let seen = Seen::default();
    let rules = seen.clone();
    let with_rule = |extension: UnitOfWorkExtension| {
        extension.field_rule(move |_, request| {
            rules.0.rules.fetch_add(1, SeqCst);
            // The test's own looks at the database have none.
            (!request.query.contains("whole")).then(|| {
                let seen = rules.clone();
                Box::new(Strict { seen }) as Box<dyn FieldRule>
            })
        })
    };
    let url = test.url().to_owned();
    let stage = Stage::at(test, &url, DatabaseOptions::default(), with_rule).await;
    (stage, seen)
}

on_every_engine! {
    async fn rule_sees_every_field(test: TestDatabase) {
        let (stage, seen) = strict(test).await;
        // The list, and each item of it with its fields.
        let response = stage.run("{ items(n: 3) { id marks } marks }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(seen.take(), [1, 1, 1 + 3 * 3 + 1, 1]);
        // Introspection too.
        assert!(stage.run("{ __schema { queryType { name } } }").await.is_ok());
        assert_eq!(seen.take(), [1, 1, 3, 1]);
        let response = stage.run("{ must }").await;
        assert_eq!(data(&response), json!({ "must": null }));
        assert!(response.is_ok(), "{response:?}");
        seen.take();
        // An event at a time, by the rule of the subscription.
        let mut events = stage.schema.execute_stream("subscription { ticks { marks } }");
        assert!(events.next().await.expect("an event").is_ok());
        assert_eq!(seen.take(), [1, 1, 2, 1]);
        stage.cue.proceed();
        assert!(events.next().await.expect("an event").is_ok());
        assert_eq!(seen.take(), [0, 1, 2, 1]);
        drop(events);
        stage.assert_whole().await;
    }

    /// What a rule makes of a field, and what it adds in the end, rolls back.
    async fn error_of_a_rule_rolls_back(test: TestDatabase) {
        let (stage, _) = strict(test).await;
        for mutation in [
            "mutation { mark(name: \"one\") ping }",
            "mutation { mark(name: \"one\") kid: mark(name: \"two\") }",
        ] {
            let response = stage.run(mutation).await;
            assert_eq!((response.errors.len(), data(&response)), (1, json!(null)), "{response:?}");
            assert_eq!(stage.marks().await, Vec::<String>::new(), "{mutation}");
        }
        stage.assert_whole().await;
    }

    /// An attempt that is run again begins anew, with a rule of its own.
    async fn attempt_has_a_rule_of_its_own(test: TestDatabase) {
        let (stage, seen) = strict(test).await;
        let retrying = Retrying::new(stage.schema.clone()).policy(RetryPolicy::default());
        // A query of two statements is run again, on one snapshot.
        let query = "{ a: marks b: marks }";
        let response = retrying.execute(Request::new(query)).await;
        assert_eq!(codes(&response), Vec::<String>::new());
        let [rules, begun, _, finished] = seen.take();
        assert_eq!([rules, begun, finished], [2, 2, 2]);
    }
}
