//! A list of entries: all of them, or none.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, line};

const LIST: &str = "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) {
  entries { id reference description recordedAt lines { id amount { amount } debit { code } credit { code } creditBalanceAfter { amount } } }
  accounts { code balances { posted { amount } version } }
} }";

fn entry(debit: &str, credit: &str, amount: i64, reference: &str) -> Value {
    json!({ "lines": [line(debit, credit, amount, "EUR")], "reference": reference })
}

on_every_engine! {
    async fn a_list_is_posted_in_its_order(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let mut inputs = vec![entry("cash", "alice", 100, "a"), entry("alice", "cash", 30, "b"), json!({
            "lines": [line("cash", "alice", 1, "EUR"), line("cash", "alice", 2, "EUR")], "description": "two", "metadata": { "n": 3 }, "effectiveAt": "2020-01-01",
        })];
        inputs[0]["expect"] = json!([{ "account": { "code": "alice" }, "version": 0 }]);
        inputs[1]["expect"] = json!([{ "account": { "code": "alice" }, "version": 1 }]);
        let posted = ledger.data(LIST, json!({ "inputs": inputs })).await["postEntries"].take();
        let entries = posted["entries"].as_array().unwrap();
        let outline: Vec<_> = entries.iter().map(|entry| {
            let lines = entry["lines"].as_array().unwrap().iter();
            let after: Vec<_> = lines.map(|line| format!("{}:{}", line["credit"]["code"].as_str().unwrap(), line["creditBalanceAfter"]["amount"].as_str().unwrap())).collect();
            (entry["reference"].as_str(), entry["description"].as_str(), after.join(" "))
        }).collect();
        assert_eq!(outline, [(Some("a"), None, "alice:100".to_owned()), (Some("b"), None, "cash:70".to_owned()), (None, Some("two"), "alice:71 alice:73".to_owned())]);
        assert!(entries.iter().all(|entry| entry["recordedAt"] == entries[0]["recordedAt"]));
        let accounts = posted["accounts"].as_array().unwrap();
        let mut accounts: Vec<_> = accounts.iter().map(|it| (it["code"].as_str().unwrap(), it["balances"]["posted"]["amount"].as_str().unwrap(), it["balances"]["version"].as_str().unwrap())).collect();
        accounts.sort_unstable();
        assert_eq!(accounts, [("alice", "73", "4"), ("cash", "73", "4")]);
        assert_eq!((ledger.balance("alice").await, ledger.balance("cash").await), (73, 73));
        assert_eq!((ledger.count("entry").await, ledger.count("entry_line").await, ledger.count("outbox WHERE account_id IS NULL").await), (3, 4, 3));
        let check = ledger.data("{ verifyLedger { ok } }", json!({})).await;
        assert_eq!(check["verifyLedger"]["ok"], true);
        // What was answered is what is there.
        let read = ledger.data("query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Entry { id reference lines { id } } } }", json!({ "ids": [entries[0]["id"], entries[2]["id"]] })).await;
        assert_eq!(read["nodes"][0]["reference"], "a");
        assert_eq!(read["nodes"][1]["lines"][1]["id"], entries[2]["lines"][1]["id"]);
    }

    async fn one_that_is_refused_leaves_none(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.data(LIST, json!({ "inputs": [entry("cash", "alice", 10, "first")] })).await;
        let good = || entry("cash", "alice", 5, "good");
        for (bad, code, index) in [
            (entry("alice", "cash", 16, "x"), "INSUFFICIENT_FUNDS", 1),
            (entry("cash", "alice", 1, "first"), "REFERENCE_TAKEN", 1),
            (entry("cash", "alice", 1, "good"), "REFERENCE_TAKEN", 1),
            (entry("cash", "nobody", 1, "x"), "ACCOUNT_NOT_FOUND", 1),
            (entry("cash", "alice", 0, "x"), "BAD_USER_INPUT", 1),
            (json!({ "lines": [line("cash", "alice", 1, "EUR")], "reference": "x", "onTakenReference": "RETURN_ENTRY" }), "BAD_USER_INPUT", 1),
            (json!({ "lines": [line("cash", "alice", 1, "EUR")], "expect": [{ "account": { "code": "alice" }, "version": 1 }] }), "VERSION_CONFLICT", 1),
        ] {
            let error = ledger.error(LIST, json!({ "inputs": [good(), bad] })).await;
            assert_eq!((&error["extensions"]["code"], &error["extensions"]["index"]), (&json!(code), &json!(index)), "{error}");
            assert_eq!(ledger.count("entry").await, 1, "{error}");
            assert_eq!(ledger.balance("alice").await, 10, "{error}");
        }
        for inputs in [json!([]), json!(vec![json!({ "lines": [line("cash", "alice", 1, "EUR")] }); 501]), json!([{ "lines": vec![line("cash", "alice", 1, "EUR"); 800] }, { "lines": vec![line("cash", "alice", 1, "EUR"); 701] }])] {
            let response = ledger.run("mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { accounts { code } } }", json!({ "inputs": inputs })).await;
            let error = &response["errors"][0]["extensions"];
            assert_eq!((&error["code"], &error["field"]), (&json!("BAD_USER_INPUT"), &json!("inputs")), "{response}");
        }
        let dry = ledger.dry_run(LIST, json!({ "inputs": [good()] })).await;
        assert_eq!(dry["data"]["postEntries"]["entries"][0]["reference"], "good");
        assert_eq!(ledger.count("entry").await, 1);
    }

    /// As many statements for five hundred as for two.
    async fn a_long_list_costs_no_more_statements_than_a_short_one(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let query = "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { accounts { code } } }";
        let mut costs = Vec::new();
        for count in [2, 500] {
            let inputs = vec![json!({ "lines": [line("cash", "alice", 1, "EUR")] }); count];
            let response = ledger.run(query, json!({ "inputs": inputs })).await;
            costs.push(response["extensions"]["unitOfWork"]["statements"].clone());
        }
        assert_eq!(costs[0], costs[1]);
        assert_eq!(costs[0], 3, "the accounts, the entries and their lines, the accounts");
        assert_eq!((ledger.balance("alice").await, ledger.count("outbox WHERE account_id IS NULL").await), (502, 502));
    }
}
