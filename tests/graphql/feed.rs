//! `entryPosted`: committed entries, and nothing else.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;

use super::server::{Ledger, POST, line};

on_every_engine! {
    async fn committed_entries_only(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("bob", "EUR", "CREDIT", "NONE").await;
        let mut all = ledger.subscribe("subscription { entryPosted { entry { id lines { credit { code balances { posted { amount } } } } } } }", json!({})).await;
        let mut of_bob = ledger.subscribe("subscription ($accounts: [AccountRef!]) { entryPosted(accounts: $accounts) { entry { id } } }",
            json!({ "accounts": [{ "code": "bob" }] })).await;
        all.settled().await;
        of_bob.settled().await;

        let first = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        let twice = "mutation ($a: PostEntryInput!, $b: PostEntryInput!) { a: postEntry(input: $a) { entry { id } } b: postEntry(input: $b) { entry { id } } }";
        let variables = json!({ "a": { "lines": [line("cash", "bob", 1, "EUR")] }, "b": { "lines": [line("cash", "nobody", 1, "EUR")] } });
        ledger.error(twice, variables).await;
        let last = ledger.data(POST, json!({ "input": { "lines": [line("cash", "bob", 5, "EUR")] } })).await["postEntry"]["entry"]["id"].take();

        // What was rolled back in between is announced to neither.
        let event = all.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["id"], first, "{event}");
        let event = all.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["id"], last, "{event}");
        assert_eq!(event["data"]["entryPosted"]["entry"]["lines"][0]["credit"], json!({ "code": "bob", "balances": { "posted": { "amount": "5" } } }));
        let event = of_bob.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["id"], last, "{event}");
    }
}
