//! The playground's example operations work as they stand.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;

use super::server::Ledger;

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!(
            "../../src/http/playground/examples/",
            $name,
            ".graphql"
        ))
    };
}

on_every_engine! {
    async fn examples_run_in_their_order(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        let mut feed = ledger.subscribe(&example!("feed").replace("entryPosted {", "entryPosted(after: \"0\") {"), json!({})).await;
        ledger.data(example!("open-accounts"), json!({})).await;
        ledger.data(example!("post-entry"), json!({})).await;
        let event = feed.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["description"], "Alice pays in cash");
        let before = ledger.data(example!("balances"), json!({})).await;
        assert_eq!(before["accounts"]["edges"].as_array().map(Vec::len), Some(2));
        let error = ledger.error(example!("second-fails"), json!({})).await;
        assert_eq!(error["extensions"]["code"], "INSUFFICIENT_FUNDS");
        assert_eq!(ledger.data(example!("balances"), json!({})).await, before);
    }
}
