//! A query is one read-only snapshot.

use daybook_test_harness::{TestDatabase, on_every_engine};
use tokio::time::timeout;

use crate::stage::{PATIENCE, Stage, codes, data, report};

on_every_engine! {
    /// What is committed while a query runs is not seen by it: not by a later statement, not by a sibling, and not by
    /// a loader.
    async fn query_reads_one_snapshot(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let query = stage.start("{ marksTwice }");
        stage.cue.reached().await;
        assert!(stage.run("mutation { mark(name: \"meanwhile\") }").await.is_ok());
        stage.cue.proceed();
        let response = timeout(PATIENCE, query).await.expect("ends").expect("answers");
        assert_eq!(data(&response), serde_json::json!({ "marksTwice": [0, 0] }));
        assert_eq!(report(&response)["outcome"], "READ");
        assert_eq!(report(&response)["access"], "READ ONLY");
        assert_eq!(data(&stage.run("{ marks marksInALoader }").await), serde_json::json!({ "marks": 1, "marksInALoader": 1 }));
        stage.assert_whole().await;
    }

    /// A loader in another field reads from the same snapshot, although its statement comes after the commit.
    async fn loaders_read_the_same_snapshot(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let query = stage.start("{ marksTwice items(n: 3) { marks } }");
        stage.cue.reached().await;
        assert!(stage.run("mutation { mark(name: \"meanwhile\") }").await.is_ok());
        stage.cue.proceed();
        let response = timeout(PATIENCE, query).await.expect("ends").expect("answers");
        let zero = serde_json::json!({ "marks": 0 });
        assert_eq!(data(&response), serde_json::json!({ "marksTwice": [0, 0], "items": [zero, zero, zero] }));
    }

    /// The database itself refuses a write in a query. The failure is that field's own.
    async fn write_in_a_query_is_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("{ ping write }").await;
        assert_eq!(data(&response), serde_json::json!({ "ping": 1, "write": null }));
        assert_eq!(codes(&response), ["INTERNAL"]);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// A field that fails drops its siblings in the middle of their statements; fields elsewhere go on.
    async fn dropped_siblings_do_not_doom_a_query(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("{ kid { readsSlowly failsMeanwhile } marksAfter }").await;
        assert_eq!(data(&response), serde_json::json!({ "kid": null, "marksAfter": 0 }));
        stage.assert_whole().await;
    }
}
