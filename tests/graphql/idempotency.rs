//! `Idempotency-Key`: the same entry sent twice moves money once.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

const HEADER: &str = "idempotency-key";

/// `postEntry` of so much from `cash` to `alice`.
fn entry(amount: i64) -> Value {
    json!({ "query": POST, "variables": { "input": { "lines": [line("cash", "alice", amount, "EUR")] } } })
}

/// The status, whether it is marked as a replay, and the text.
async fn sent(request: reqwest::RequestBuilder) -> (u16, bool, String) {
    let response = request.send().await.unwrap();
    let replayed = response
        .headers()
        .get("idempotency-replayed")
        .map(|value| value == "true");
    (
        response.status().as_u16(),
        replayed.unwrap_or_default(),
        response.text().await.unwrap(),
    )
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

on_every_engine! {
    async fn the_same_entry_sent_twice_moves_money_once(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let (status, replayed, first) = sent(ledger.request(&entry(1500)).header(HEADER, "\"pay-1\"")).await;
        assert_eq!((status, replayed), (200, false), "{first}");
        // Quoted or bare, in the header or in the request: the same key.
        let mut in_the_request = entry(1500);
        in_the_request["extensions"] = json!({ "idempotencyKey": "pay-1" });
        for again in [ledger.request(&entry(1500)).header(HEADER, "pay-1"), ledger.request(&in_the_request)] {
            let (status, replayed, text) = sent(again.header("x-unit-of-work", "report")).await;
            assert_eq!((status, replayed), (200, true), "{text}");
            let again = json_of(&text);
            assert_eq!(again["data"], json_of(&first)["data"]);
            assert_eq!(again["extensions"]["idempotency"], json!({ "replayed": true }));
            assert_eq!(again["extensions"]["unitOfWork"]["outcome"], "REPLAYED");
        }
        assert_eq!((ledger.balance("alice").await, ledger.count("entry").await), (1500, 1));

        let (status, replayed, text) = sent(ledger.request(&entry(1501)).header(HEADER, "pay-1")).await;
        assert_eq!((status, replayed), (200, false));
        assert_eq!(json_of(&text)["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED");
        // Without a key, or with another, it is another entry.
        sent(ledger.request(&entry(1500))).await;
        sent(ledger.request(&entry(1500)).header(HEADER, "pay-2")).await;
        assert_eq!((ledger.balance("alice").await, ledger.count("entry").await), (4500, 3));
    }

    /// An entry that was refused has not used its key up.
    async fn refused_entry_can_be_sent_again_with_its_key(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let back = json!({ "query": POST, "variables": { "input": { "lines": [line("alice", "cash", 700, "EUR")] } } });
        let request = || ledger.request(&back).header(HEADER, "back-1");
        let (_, replayed, text) = sent(request()).await;
        assert_eq!(json_of(&text)["errors"][0]["extensions"]["code"], "INSUFFICIENT_FUNDS");
        assert!(!replayed);
        ledger.post("cash", "alice", 1000).await;
        for replay in [false, true] {
            let (_, replayed, text) = sent(request()).await;
            assert_eq!(json_of(&text).get("errors"), None);
            assert_eq!(replayed, replay);
        }
        assert_eq!(ledger.balance("alice").await, 300);
    }

    /// A header that is no key, is there twice, or is that of a batch: 400, and nothing runs. Operations of a batch have
    /// keys of their own.
    async fn header_that_names_no_single_operation_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let with_key = |mut body: Value, key: &str| {
            body["extensions"] = json!({ "idempotencyKey": key });
            body
        };
        let refused = [
            ledger.request(&entry(5)).header(HEADER, ""),
            ledger.request(&entry(5)).header(HEADER, "\"unfinished"),
            ledger.request(&entry(5)).header(HEADER, "a b"),
            ledger.request(&entry(5)).header(HEADER, "x".repeat(256)),
            ledger.request(&entry(5)).header(HEADER, "a").header(HEADER, "b"),
            ledger.request(&json!([entry(5), entry(6)])).header(HEADER, "a"),
            ledger.request(&with_key(entry(5), "a")).header(HEADER, "b").header("accept", "application/graphql-response+json"),
        ];
        for request in refused {
            let (status, _, text) = sent(request).await;
            assert_eq!(status, 400, "{text}");
            assert!(json_of(&text).get("data").is_none(), "{text}");
        }
        assert_eq!(ledger.count("entry").await, 0);

        let batch = json!([with_key(entry(5), "a"), with_key(entry(6), "b"), with_key(entry(5), "a")]);
        let (_, _, text) = sent(ledger.request(&batch)).await;
        let marked: Vec<_> = json_of(&text).as_array().unwrap().iter().map(|response| response["extensions"]["idempotency"]["replayed"] == true).collect();
        assert_eq!(marked, [false, false, true]);
        assert_eq!(ledger.balance("alice").await, 11);
    }
}
