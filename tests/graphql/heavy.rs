//! Heavy operations on a real database, beside cheap ones.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::Ledger;

/// An entry whose request is longer than a cheap one is.
fn long_entry() -> Value {
    let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": "1", "currency": "EUR" });
    json!({
        "query": "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }",
        "variables": { "input": { "lines": vec![line; 250] } },
    })
}

const CHEAP: &str = r#"{ account(by: { code: "cash" }) { code } }"#;

on_every_engine! {
    async fn heavy_mutations_that_wait_for_the_writer_keep_no_query_waiting(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let observer = ledger.observer().await;
        observer.hold_writers("entry").await;
        let waiting = [(); 2].map(|()| tokio::spawn(ledger.request(&long_entry()).send()));
        for _ in 0..20 {
            let answer = ledger.data(CHEAP, json!({})).await;
            assert_eq!(answer["account"]["code"], "cash");
        }
        assert!(waiting.iter().all(|posted| !posted.is_finished()));
        observer.execute("COMMIT").await;
        for posted in waiting {
            let answer: Value = posted.await.unwrap().unwrap().json().await.unwrap();
            assert_eq!(answer.get("errors"), None, "{answer}");
        }
        assert_eq!(observer.i64("SELECT COUNT(*) FROM entry").await, 2);
    }

    /// A connection that a heavy operation made is as good for the others.
    async fn heavy_and_cheap_operations_share_connections(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for _ in 0..3 {
            let heavy = ledger.request(&long_entry()).send().await.unwrap();
            let heavy: Value = heavy.json().await.unwrap();
            assert_eq!(heavy.get("errors"), None, "{heavy}");
            ledger.post("cash", "alice", 1).await;
            let check = ledger.data("{ verifyLedger { ok entries } }", json!({})).await;
            assert_eq!(check["verifyLedger"]["ok"], true);
            ledger.data(CHEAP, json!({})).await;
        }
    }
}
