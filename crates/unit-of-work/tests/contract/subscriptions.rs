//! A subscription event is a unit of its own.

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::stage::{PATIENCE, Stage, data, outcome};

on_every_engine! {
    /// Each event has its own snapshot, and gives its connection back before the next: a mutation runs in between,
    /// on pools of one.
    async fn event_is_its_own_unit(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let mut events = stage.schema.execute_stream("subscription { ticks { marks } }");
        let first = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        assert_eq!(data(&first), serde_json::json!({ "ticks": { "marks": 0 } }));
        assert_eq!(outcome(&first), "READ");
        assert!(stage.run("mutation { mark(name: \"between\") }").await.is_ok());
        assert_eq!(data(&stage.run("{ marks }").await), serde_json::json!({ "marks": 1 }));
        stage.cue.proceed();
        let second = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        assert_eq!(data(&second), serde_json::json!({ "ticks": { "marks": 1 } }));
        assert!(timeout(PATIENCE, events.next()).await.expect("in time").is_none());
        stage.assert_whole().await;
    }

    /// Queries and mutations that arrive as streams (over a WebSocket) are units too.
    async fn mutation_over_a_stream_is_a_unit(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let refused: Vec<_> = stage.schema.execute_stream("mutation { mark(name: \"a\") refuse }").collect().await;
        assert_eq!(outcome(&refused[0]), "ROLLED_BACK");
        let committed: Vec<_> = stage.schema.execute_stream("mutation { mark(name: \"b\") }").collect().await;
        assert_eq!(outcome(&committed[0]), "COMMITTED");
        assert_eq!(stage.marks().await, ["b"]);
        stage.assert_whole().await;
    }

    /// Exactly one root field, through fragments too, and not an introspection field.
    async fn two_root_fields_are_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for refused in [
            "subscription { a: ticks { marks } b: ticks { marks } }",
            "subscription { ...Two } fragment Two on Subscriptions { ticks { marks } b: ticks { marks } }",
            "subscription { ... on Subscriptions { ticks { marks } b: ticks { marks } } }",
        ] {
            let events: Vec<_> = timeout(PATIENCE, stage.schema.execute_stream(refused).collect()).await.expect("ends");
            assert_eq!(events.len(), 1, "{refused}");
            assert!(events[0].is_err(), "{refused}");
            assert!(events[0].errors[0].message.contains("exactly one root field"), "{refused}");
        }
        let introspects = "subscription { ... on Subscriptions { __typename } }";
        let events: Vec<_> = stage.schema.execute_stream(introspects).collect().await;
        assert!(events.iter().all(async_graphql::Response::is_err), "{events:?}");
        let twice_the_same = "subscription { ...One ticks { marks } } fragment One on Subscriptions { ticks { marks } }";
        stage.cue.proceed();
        let events: Vec<_> = stage.schema.execute_stream(twice_the_same).collect().await;
        assert_eq!(events.len(), 2, "one response key is one field: {events:?}");
    }
}
