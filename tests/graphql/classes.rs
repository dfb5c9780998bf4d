//! The class of an account.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::Ledger;

const OPEN: &str = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { code class normalSide } } }";

async fn open(ledger: &Ledger, code: &str, side: &str, class: Value) -> Value {
    let input = json!({ "code": code, "name": code, "currency": "EUR", "normalSide": side, "class": class });
    ledger.data(OPEN, json!({ "input": input })).await["openAccount"]["account"].take()
}

on_every_engine! {
    async fn an_account_has_the_class_that_it_was_opened_with(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        for class in ["ASSET", "LIABILITY", "EQUITY", "INCOME", "EXPENSE"] {
            for side in ["DEBIT", "CREDIT"] {
                let code = format!("{class} {side}");
                let opened = open(&ledger, &code, side, json!(class)).await;
                assert_eq!(opened, json!({ "code": code, "class": class, "normalSide": side }));
            }
        }
        let opened = open(&ledger, "plain", "DEBIT", Value::Null).await;
        assert_eq!(opened["class"], Value::Null);
        let read = ledger.data(r#"{ account(by: { code: "EQUITY DEBIT" }) { class } plain: account(by: { code: "plain" }) { class } }"#, json!({})).await;
        assert_eq!(read, json!({ "account": { "class": "EQUITY" }, "plain": { "class": null } }));
        // A separate connection sees the same.
        let observer = ledger.observer().await;
        assert_eq!(observer.i64("SELECT COUNT(*) FROM account WHERE class = 'ASSET'").await, 2);
        assert_eq!(observer.i64("SELECT COUNT(*) FROM account WHERE class IS NULL").await, 1);
    }

    async fn accounts_are_found_by_their_class(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        for (code, class) in [("b", json!("ASSET")), ("a", json!("ASSET")), ("c", json!("INCOME")), ("d", Value::Null)] {
            open(&ledger, code, "DEBIT", class).await;
        }
        let found = ledger.data("{ accounts(filter: { class: ASSET }) { totalCount edges { node { code } } } }", json!({})).await;
        assert_eq!(found["accounts"], json!({ "totalCount": 2, "edges": [{ "node": { "code": "a" } }, { "node": { "code": "b" } }] }));
        let found = ledger.data("{ accounts(filter: { class: EXPENSE }) { edges { node { code } } } }", json!({})).await;
        assert_eq!(found["accounts"]["edges"], json!([]));
        let found = ledger.data("{ accounts(filter: { class: null }) { totalCount } }", json!({})).await;
        assert_eq!(found["accounts"]["totalCount"], 4);
    }

    async fn a_class_that_is_none_is_refused(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        let input = json!({ "code": "x", "name": "x", "currency": "EUR", "normalSide": "DEBIT", "class": "REVENUE" });
        let error = ledger.error(OPEN, json!({ "input": input })).await;
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        assert_eq!(ledger.count("account").await, 0);
    }
}
