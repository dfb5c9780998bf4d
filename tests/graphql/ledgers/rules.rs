//! What a ledger is, and that nothing crosses from one to another.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;

use super::{ALL, CREATE, OPEN, POST, ask, data, open, refused, sale, two_ledgers};
use crate::graphql::server::{Ledger, line};

on_every_engine! {
    async fn an_account_is_in_the_ledger_that_its_code_begins_with(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        let before = open(&ledger, ALL, "beta-test:cash", "DEBIT").await;
        assert_eq!(before["ledger"], json!(null));
        let created = data(&ledger, ALL, CREATE, json!({ "code": "acme" })).await;
        assert_eq!(created["createLedger"]["ledger"], json!({ "code": "acme", "name": "acme", "recordedBy": "ann" }));
        for (code, of) in [
            ("acme:cash", Some("acme")), ("acme", Some("acme")), ("acme2:cash", None), ("Acme:cash", None), ("acm", None), ("cash:acme", None),
            ("acme;", None), ("acme::", Some("acme")),
        ] {
            let opened = open(&ledger, ALL, code, "DEBIT").await;
            assert_eq!(opened["ledger"]["code"], json!(of), "{code}");
        }
        let listed = data(&ledger, ALL, "{ ledgers { code name } a: ledger(code: \"acme\") { code } b: ledger(code: \"beta\") { code } }", json!({})).await;
        assert_eq!(listed, json!({ "ledgers": [{ "code": "acme", "name": "acme" }], "a": { "code": "acme" }, "b": null }));
        let stored = ledger.observer().await.texts("SELECT ledger FROM account WHERE ledger IS NOT NULL").await;
        assert_eq!(stored.len(), 3);
    }

    async fn a_ledger_is_new(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        for code in ["old", "older:cash"] {
            open(&ledger, ALL, code, "DEBIT").await;
        }
        data(&ledger, ALL, CREATE, json!({ "code": "acme" })).await;
        for (code, refusal) in [
            ("acme", "LEDGER_TAKEN"), ("old", "LEDGER_NOT_NEW"), ("older", "LEDGER_NOT_NEW"), ("", "BAD_USER_INPUT"), ("a:b", "BAD_USER_INPUT"),
            ("a b", "BAD_USER_INPUT"), ("é", "BAD_USER_INPUT"), ("a'b", "BAD_USER_INPUT"), (&"x".repeat(33), "BAD_USER_INPUT"),
        ] {
            assert_eq!(refused(&ledger, ALL, CREATE, json!({ "code": code })).await, refusal, "{code}");
        }
        // Its accounts can be opened in the operation that creates it.
        let both = "mutation { createLedger(input: { code: \"new\", name: \"n\" }) { ledger { code } }
            openAccount(input: { code: \"new:cash\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }) { account { ledger { code } } } }";
        assert_eq!(data(&ledger, ALL, both, json!({})).await["openAccount"]["account"]["ledger"]["code"], "new");
        assert_eq!(ledger.count("ledger").await, 2);
    }

    async fn no_entry_crosses(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        let crossing = [
            vec![line("acme:cash", "beta:sales", 5, "EUR")],
            vec![line("acme:cash", "sales", 5, "EUR")],
            vec![line("cash", "beta:sales", 5, "EUR")],
            vec![line("acme:cash", "acme:sales", 5, "EUR"), line("beta:cash", "beta:sales", 5, "EUR")],
            vec![line("cash", "sales", 5, "EUR"), line("beta:cash", "beta:sales", 5, "EUR")],
        ];
        for lines in crossing {
            let list = json!({ "inputs": [{ "lines": lines.clone() }] });
            let many = "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { entries { id } } }";
            assert_eq!(refused(&ledger, ALL, many, list).await, "ENTRY_CROSSES_LEDGERS");
            let input = json!({ "input": { "lines": lines } });
            let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
            assert_eq!(refused(&ledger, ALL, hold, input.clone()).await, "ENTRY_CROSSES_LEDGERS");
            assert_eq!(refused(&ledger, ALL, POST, input).await, "ENTRY_CROSSES_LEDGERS");
        }
        assert_eq!(ledger.count("entry").await, 0);
        for (prefix, of) in [("acme:", Some("acme")), ("beta:", Some("beta")), ("", None)] {
            let posted = data(&ledger, ALL, POST, sale(prefix, 7, "r")).await;
            assert_eq!(posted["postEntry"]["entry"]["ledger"]["code"], json!(of));
        }
        let check = data(&ledger, ALL, "{ verifyLedger { ok entries } }", json!({})).await;
        assert_eq!(check["verifyLedger"], json!({ "ok": true, "entries": "3" }));
    }

    /// Each ledger has references of its own, and nobody is told another's entry by it.
    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn references_are_those_of_a_ledger(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        let mut ids = Vec::new();
        for prefix in ["acme:", "beta:", ""] {
            let posted = data(&ledger, ALL, POST, sale(prefix, 7, "r")).await;
            ids.push(posted["postEntry"]["entry"]["id"].clone());
            assert_eq!(refused(&ledger, ALL, POST, sale(prefix, 8, "r")).await, "REFERENCE_TAKEN");
            let mut again = sale(prefix, 7, "r");
            again["input"]["onTakenReference"] = json!("RETURN_ENTRY");
            let again = data(&ledger, ALL, POST, again).await;
            assert_eq!((&again["postEntry"]["alreadyPosted"], &again["postEntry"]["entry"]["id"]), (&json!(true), ids.last().unwrap()));
        }
        assert_eq!(ledger.count("entry").await, 3);
        // Somebody who sees several of them has to say which one.
        let find = "query { entry(by: { reference: \"r\" }) { id } }";
        assert_eq!(refused(&ledger, ALL, find, json!({})).await, "BAD_USER_INPUT");
        let found = data(&ledger, "ledger:read:beta", find, json!({})).await;
        assert_eq!(found["entry"]["id"], ids[1]);
        let all = data(&ledger, ALL, "{ entries(filter: { reference: \"r\" }) { edges { node { id } } } }", json!({})).await;
        assert_eq!(all["entries"]["edges"].as_array().unwrap().len(), 3);
        // A reversal of one ledger's entry may have a reference that another ledger has.
        let undo = "mutation ($id: ID!) { reverseEntry(input: { entry: $id, reference: \"undo\" }) { entry { ledger { code } } } }";
        for (id, of) in ids.iter().zip([Some("acme"), Some("beta"), None]) {
            let undone = data(&ledger, ALL, undo, json!({ "id": id })).await;
            assert_eq!(undone["reverseEntry"]["entry"]["ledger"]["code"], json!(of));
        }
    }

    /// Whoever opens an account of a ledger that is being created waits, and is in it.
    async fn ledgers_and_accounts_do_not_race(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        for round in 0..20 {
            let code = format!("l{round}");
            let (create, account) = (json!({ "code": code }), json!({ "code": format!("{code}:cash"), "side": "DEBIT" }));
            let (created, opened) = tokio::join!(
                ask(&ledger, ALL, CREATE, create),
                ask(&ledger, ALL, OPEN, account),
            );
            assert_eq!(opened.get("errors"), None, "{opened}");
            let of = &opened["data"]["openAccount"]["account"]["ledger"]["code"];
            match created.get("errors") {
                None => assert_eq!(*of, json!(code)),
                Some(errors) => {
                    assert_eq!(errors[0]["extensions"]["code"], "LEDGER_NOT_NEW", "{created}");
                    assert_eq!(*of, json!(null));
                }
            }
        }
        let check = data(&ledger, ALL, "{ verifyLedger { ok } }", json!({})).await;
        assert_eq!(check["verifyLedger"]["ok"], true);
    }
}
