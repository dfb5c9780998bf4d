//! A document that was sent before is answered as one that never was, whatever its variables.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::Ledger;

const ACCOUNT: &str = "query ($id: ID, $code: String!) { account(by: { id: $id }) { code } other: account(by: { code: $code }) { name } }";
const PAGE: &str = "query ($first: Int, $filter: AccountFilter, $currency: CurrencyCode) {
    accounts(first: $first, filter: $filter) { edges { node { code } } }
    other: accounts(filter: { currency: $currency }) { totalCount }
}";

on_every_engine! {
    async fn what_is_known_of_a_document_changes_no_answer(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let id = ledger.data("{ account(by: { code: \"cash\" }) { id } }", Value::Null).await["account"]["id"].clone();
        let cases = [
            (ACCOUNT, json!({ "id": id, "code": "alice" }), vec![
                json!({ "id": "nobody", "code": "nobody" }),
                json!({ "id": null, "code": "alice" }),
                json!({ "code": "alice" }),
                json!({ "id": id }),
                json!({ "id": 5, "code": "alice" }),
                json!({ "id": id, "code": 5 }),
                json!({ "id": id, "code": ["alice"] }),
                json!({ "id": { "a": 1 }, "code": "alice" }),
            ]),
            (PAGE, json!({ "first": 1, "filter": { "currency": "EUR" }, "currency": "EUR" }), vec![
                json!({ "first": "1" }),
                json!({ "first": 1.5 }),
                json!({ "first": -1 }),
                json!({ "first": 2_147_483_648_i64 }),
                json!({ "first": null }),
                json!({}),
                json!({ "filter": { "currency": 5 } }),
                json!({ "filter": { "nothing": 5 } }),
                json!({ "currency": 5 }),
                json!({ "currency": "EUR" }),
            ]),
        ];
        let mut serial = 0;
        for (document, good, others) in cases {
            // The first makes the document known, the second that it is valid; the third is answered by both.
            for _ in 0..3 {
                ledger.data(document, good.clone()).await;
            }
            for variables in others {
                for _ in 0..3 {
                    serial += 1;
                    let new = format!("{document} # {serial}");
                    let [known, new] = [document, &new].map(async |document| {
                        let answer = ledger.run(document, variables.clone()).await;
                        (answer["data"].clone(), answer["errors"].clone())
                    });
                    assert_eq!(known.await, new.await, "{variables}");
                }
            }
        }
    }
}
