//! A resolver panics: its operation ends with a masked error, everything else lives on.

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::StreamExt;

use crate::stage::{Stage, codes, data, report};

on_every_engine! {
    async fn panic_in_a_mutation_rolls_back(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { header mark(name: \"a\") panics }").await;
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(codes(&response), ["INTERNAL"]);
        assert_eq!(report(&response)["reason"], "PANIC");
        assert!(response.http_headers.is_empty());
        let shown = serde_json::to_string(&response).expect("is JSON");
        assert!(!shown.contains("own words"), "{shown}");
        assert!(shown.contains("\"id\""), "an id to find it in the log: {shown}");
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    async fn panic_in_a_query_gives_the_snapshot_back(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("{ marks panics }").await;
        assert_eq!(codes(&response), ["INTERNAL"]);
        stage.assert_whole().await;
    }

    /// A panic in one event is that event's error: the next one comes.
    async fn panic_in_an_event_spares_the_next(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let events: Vec<_> = stage.schema.execute_stream("subscription { panicsWhenResolved { panics } }").collect().await;
        assert_eq!(events.len(), 2);
        for event in &events {
            assert_eq!(codes(event), ["INTERNAL"]);
        }
        stage.assert_whole().await;
    }

    /// A panic in the stream itself ends the subscription with an error, instead of unwinding into its socket.
    async fn panic_in_a_stream_ends_the_subscription(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let events: Vec<_> = stage.schema.execute_stream("subscription { panicsWhenPolled }").collect().await;
        assert_eq!(events.len(), 1);
        assert_eq!(codes(&events[0]), ["INTERNAL"]);
        stage.assert_whole().await;
    }
}
