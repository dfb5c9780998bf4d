//! Loaders run inside the unit.

use std::time::Duration;

use daybook_test_harness::{TestDatabase, on_every_engine};

use crate::stage::{Stage, codes, data, report};

on_every_engine! {
    /// Whatever the number of items, the fields that ask on one turn share a statement; also where there are so many that others
    /// have their turn before all have asked.
    async fn fields_share_a_batch(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for n in [1, 20, 200, 900] {
            let response = stage.run(&format!("{{ items(n: {n}) {{ marks }} }}")).await;
            assert!(response.is_ok(), "{response:?}");
            assert_eq!(report(&response)["statements"], 1, "{n} items");
        }
        stage.assert_whole().await;
    }

    /// A list in a list: one statement for each level, however long the lists are, and however often the engine gives up the thread.
    async fn nested_lists_share_a_batch(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for (outer, inner) in [(2_usize, 2), (20, 20), (30, 30), (31, 31), (40, 100), (200, 50)] {
            let query = format!("{{ items(n: {outer}) {{ items(n: {inner}) {{ marks }} }} }}");
            let response = stage.run(&query).await;
            assert!(response.is_ok(), "{response:?}");
            // A batch has at most 1,000 keys.
            let statements = 1 + (outer * inner).div_ceil(1000);
            assert_eq!(report(&response)["statements"], statements, "{outer} x {inner} items");
        }
        stage.assert_whole().await;
    }

    /// A field that wakes itself until a loader has answered does not keep the loader from answering.
    async fn field_that_wakes_itself_does_not_hold_a_batch_up(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("{ marksByABusyLoader }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(report(&response)["statements"], 1);
        stage.assert_whole().await;
    }

    /// On a snapshot what was loaded once is not loaded again.
    async fn snapshot_caches(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("{ marksTwiceInALoader }").await;
        assert_eq!(report(&response)["statements"], 1);
    }

    /// A unit that writes sees its own writes through a loader.
    async fn loader_sees_the_writes_of_its_unit(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { marksAroundAWrite }").await;
        assert_eq!(data(&response), serde_json::json!({ "marksAroundAWrite": [0, 1] }));
        stage.assert_whole().await;
    }

    /// A batch ends with its operation: here in the middle of a field that failed, and at a deadline.
    async fn batches_end_with_their_operation(test: TestDatabase) {
        let url = test.url().to_owned();
        let stage = Stage::at(test, &url, unit_of_work::DatabaseOptions::default(), |extension| {
            extension.deadline(Duration::from_millis(300))
        }).await;
        assert_eq!(codes(&stage.run("{ must items(n: 20) { marks } }").await), ["REFUSED"]);
        assert_eq!(codes(&stage.run("{ items(n: 20) { marks } marksTwice }").await), ["DEADLINE_EXCEEDED"]);
        stage.assert_whole().await;
    }
}
