//! Relay connections: every page once, in order, both ways.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::Ledger;

const ACCOUNTS: &str = "query ($first: Int, $after: String, $last: Int, $before: String, $filter: AccountFilter, $orderBy: AccountOrder) {
  accounts(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    edges { cursor node { code } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}";

fn codes(page: &Value) -> Vec<String> {
    let edges = page["accounts"]["edges"].as_array().unwrap();
    edges
        .iter()
        .map(|edge| edge["node"]["code"].as_str().unwrap().to_owned())
        .collect()
}

on_every_engine! {
    async fn pages_forward_and_back(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        let all: Vec<String> = (0..7).map(|n| format!("account {n}")).collect();
        for code in all.iter().rev() {
            ledger.open(code, "EUR", "DEBIT", "NONE").await;
        }
        for (order, reversed) in [(json!({ "field": "CODE" }), false), (json!({ "field": "CREATED_AT" }), true), (json!({ "field": "CODE", "direction": "DESC" }), true)] {
            let mut expected = all.clone();
            if reversed {
                expected.reverse();
            }
            for (size, cursor, more, edge) in [("first", "after", "hasNextPage", "endCursor"), ("last", "before", "hasPreviousPage", "startCursor")] {
                let mut seen = Vec::new();
                let mut place = Value::Null;
                loop {
                    let mut variables = json!({ "orderBy": order });
                    variables[size] = json!(3);
                    variables[cursor] = place;
                    let page = ledger.data(ACCOUNTS, variables).await;
                    let codes = codes(&page);
                    seen = if size == "first" { [seen, codes].concat() } else { [codes, seen].concat() };
                    let info = &page["accounts"]["pageInfo"];
                    if info[more] == json!(false) {
                        break;
                    }
                    place = info[edge].clone();
                }
                assert_eq!(seen, expected, "{size} by {order}");
            }
        }
    }

    async fn filters_totals_and_refusals(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("yen", "JPY", "DEBIT", "NONE").await;
        let page = ledger.data(ACCOUNTS, json!({ "filter": { "currency": "EUR" } })).await;
        assert_eq!(codes(&page), ["alice", "cash"]);
        let page = ledger.data(ACCOUNTS, json!({ "filter": { "codePrefix": "y", "status": "OPEN" } })).await;
        assert_eq!(codes(&page), ["yen"]);
        let total = ledger.data("{ accounts(first: 1, filter: { currency: EUR_ }) { totalCount } }".replace("EUR_", "\"EUR\"").as_str(), json!({})).await;
        assert_eq!(total["accounts"]["totalCount"], 2);
        for wrong in [json!({ "first": 101 }), json!({ "first": -1 }), json!({ "first": 1, "last": 1 }), json!({ "after": "nonsense" })] {
            let error = ledger.error(ACCOUNTS, wrong).await;
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        }
    }

    /// Twenty entries with their lines, their accounts and the accounts' balances cost a fixed handful of statements.
    async fn a_page_costs_a_fixed_number_of_statements(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let query = "query ($first: Int!) { entries(first: $first) { edges { node { id lines {
            amount { decimal } debit { code balances { posted { decimal } } } credit { code name } } } } } }";
        let mut costs = Vec::new();
        for n in [1, 20] {
            for _ in 0..n {
                ledger.post("cash", "alice", 1).await;
            }
            let response = ledger.run(query, json!({ "first": n })).await;
            assert_eq!(response["data"]["entries"]["edges"].as_array().map(Vec::len), Some(n), "{response}");
            costs.push(response["extensions"]["unitOfWork"]["statements"].clone());
        }
        // The page, its lines, their accounts, the currencies.
        assert_eq!(costs, [json!(4), json!(4)]);
    }
}
