//! Several databases behind one schema: one for each operation, and never two units for one.

use std::sync::Arc;

use async_graphql::{BatchRequest, BatchResponse, Error, Executor, Request, Response, Schema};
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::StreamExt;
use tokio::time::timeout;
use unit_of_work::{AllOrNothing, Report, Retrying, UnitOfWorkExtension, codes::TWO_UNITS};

use crate::stage::{Mutation, PATIENCE, Query, Stage, Subscriptions, TestSchema, codes, data};

/// Whose operation it is.
#[derive(Clone, Copy)]
struct Tenant(usize);

/// A schema on the databases of these stages, one a tenant.
fn of_tenants(stages: &[&Stage]) -> TestSchema {
    let databases: Vec<_> = stages.iter().map(|stage| stage.database.clone()).collect();
    let units = UnitOfWorkExtension::choosing(move |ctx| {
        let tenant = ctx
            .data_opt::<Tenant>()
            .and_then(|tenant| databases.get(tenant.0));
        tenant
            .cloned()
            .ok_or_else(|| Error::new("There is no such tenant."))
    });
    Schema::build(Query, Mutation, Subscriptions)
        .extension(units.report(Report::InExtensions))
        .data(Arc::clone(&stages[0].cue))
        .finish()
}

async fn answer(executor: &impl Executor, request: Request) -> Response {
    timeout(PATIENCE, executor.execute(request))
        .await
        .expect("answers")
}

on_every_engine! {
    async fn operation_runs_on_the_database_of_its_tenant(test: TestDatabase) {
        let other = TestDatabase::create(test.engine()).await;
        let (one, two) = (Stage::new(test).await, Stage::new(other).await);
        let retrying = Retrying::new(of_tenants(&[&one, &two]));
        for (tenant, name) in [(0, "a"), (1, "b"), (1, "c")] {
            let mutation = format!("mutation {{ mark(name: \"{name}\") }}");
            let response = answer(&retrying, Request::new(mutation).data(Tenant(tenant))).await;
            assert!(response.is_ok(), "{response:?}");
        }
        assert_eq!(one.marks().await, ["a"]);
        assert_eq!(two.marks().await, ["b", "c"]);
        for (tenant, marks) in [(0, 1), (1, 2)] {
            let response = answer(&retrying, Request::new("{ marks again: marks }").data(Tenant(tenant))).await;
            assert_eq!(data(&response), serde_json::json!({ "marks": marks, "again": marks }));
            let subscription = Request::new("subscription { ticks { marks } }").data(Tenant(tenant));
            let mut events = retrying.execute_stream(subscription, None);
            let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
            assert_eq!(data(&event), serde_json::json!({ "ticks": { "marks": marks } }));
        }
        one.assert_whole().await;
        two.assert_whole().await;
    }

    /// Nothing runs, on no database.
    async fn operation_without_a_database_is_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let schema = of_tenants(&[&stage]);
        for request in ["mutation { mark(name: \"a\") }", "{ marks }"] {
            let response = answer(&schema, Request::new(request).data(Tenant(7))).await;
            assert_eq!(response.errors[0].message, "There is no such tenant.", "{response:?}");
            let response = answer(&Retrying::new(schema.clone()), Request::new(request)).await;
            assert_eq!(response.errors[0].message, "There is no such tenant.", "{response:?}");
        }
        assert!(stage.marks().await.is_empty());
        stage.assert_whole().await;
    }

    /// One transaction is on one database.
    async fn batch_of_two_databases_is_refused(test: TestDatabase) {
        let other = TestDatabase::create(test.engine()).await;
        let (one, two) = (Stage::new(test).await, Stage::new(other).await);
        let retrying = Retrying::new(of_tenants(&[&one, &two]));
        let batch = [0, 1].map(|tenant| {
            Request::new("mutation { mark(name: \"a\") }").data(AllOrNothing).data(Tenant(tenant))
        });
        let batch = retrying.execute_batch(BatchRequest::Batch(batch.into()));
        let BatchResponse::Batch(responses) = timeout(PATIENCE, batch).await.expect("answers") else {
            panic!("is a batch");
        };
        assert_eq!(codes(&responses[1]), ["BATCH_REFUSED"], "{responses:?}");
        assert!(responses.iter().all(Response::is_err));
        assert!(one.marks().await.is_empty() && two.marks().await.is_empty());
        one.assert_whole().await;
        two.assert_whole().await;
    }

    /// The inner one would have lent its units, and the outer one committed nothing.
    async fn two_extensions_on_one_schema_are_refused(test: TestDatabase) {
        let other = TestDatabase::create(test.engine()).await;
        let (one, two) = (Stage::new(test).await, Stage::new(other).await);
        let units = UnitOfWorkExtension::new(one.database.clone());
        for second in [UnitOfWorkExtension::new(two.database.clone()), units.clone()] {
            let schema = Schema::build(Query, Mutation, Subscriptions)
                .extension(units.clone())
                .extension(second)
                .data(Arc::clone(&one.cue))
                .finish();
            for request in ["mutation { mark(name: \"a\") }", "{ marks }", "mutation { mark(name: \"a\") }"] {
                assert_eq!(codes(&answer(&schema, Request::new(request)).await), [TWO_UNITS]);
                let retrying = Retrying::new(schema.clone());
                assert_eq!(codes(&answer(&retrying, Request::new(request)).await), [TWO_UNITS]);
                let events: Vec<_> = retrying.execute_stream(Request::new("subscription { ticks { marks } }"), None).collect().await;
                assert_eq!(codes(&events[0]), [TWO_UNITS]);
            }
        }
        assert!(one.marks().await.is_empty() && two.marks().await.is_empty());
        one.assert_whole().await;
        two.assert_whole().await;
    }

    /// What is known of one schema says nothing about another one with the same extension.
    async fn extension_of_a_good_schema_is_refused_twice_on_another(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let units = UnitOfWorkExtension::new(stage.database.clone());
        let build = || Schema::build(Query, Mutation, Subscriptions).data(Arc::clone(&stage.cue)).extension(units.clone());
        let (good, other) = (build().finish(), build().finish());
        for schema in [&good, &other, &good] {
            let response = answer(schema, Request::new("{ marks }")).await;
            assert_eq!(data(&response), serde_json::json!({ "marks": 0 }));
        }
        let bad = build().extension(units.clone()).finish();
        for request in ["mutation { mark(name: \"a\") }", "{ marks }"] {
            assert_eq!(codes(&answer(&bad, Request::new(request)).await), [TWO_UNITS]);
        }
        let response = answer(&good, Request::new("mutation { mark(name: \"b\") }")).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(stage.marks().await, ["b"]);
        stage.assert_whole().await;
    }
}
