//! An account that there is not, in every place where one can be named: who asks for it gets null, and who names it for something else gets
//! `ACCOUNT_NOT_FOUND`, with the field.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, line};

/// No account is called so: a code that was never opened, one that cannot be opened, an id that nothing has, the id of something else,
/// and what is no id.
fn nobody(entry: &Value) -> Vec<Value> {
    vec![
        json!({ "code": "nobody" }),
        json!({ "code": "" }),
        json!({ "code": "a\u{0}b" }),
        json!({ "code": "x".repeat(1000) }),
        json!({ "id": "acct_01h455vb4pex5vsknk084sn02q" }),
        json!({ "id": entry }),
        json!({ "id": "" }),
        json!({ "id": "cash" }),
    ]
}

on_every_engine! {
    async fn it_is_null_or_not_found_wherever_it_is_named(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let entry = ledger.post("cash", "alice", 1).await["entry"]["id"].clone();
        let good = || line("cash", "alice", 1, "EUR");
        let with = |side: &str, by: &Value| {
            let mut line = good();
            line[side] = by.clone();
            json!([good(), line])
        };
        type Place = (&'static str, &'static str, fn(&Value, Value) -> Value);
        let places: [Place; 5] = [
            ("query ($filter: EntryFilter) { entries(filter: $filter) { edges { node { id } } } }", "filter.account",
                |by, _| json!({ "filter": { "account": by } })),
            ("query ($filter: EntryFilter) { entries(first: 0, filter: $filter) { totalCount } }", "filter.account",
                |by, _| json!({ "filter": { "account": by } })),
            ("mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }", "expect[0].account",
                |by, lines| json!({ "input": { "lines": lines, "expect": [{ "account": by, "version": 1 }] } })),
            ("mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }", "expect[0].account",
                |by, lines| json!({ "input": { "lines": lines, "expect": [{ "account": by, "version": 1 }] } })),
            ("mutation ($input: PostEntryInput!) { postEntries(inputs: [$input]) { entries { id } } }", "inputs[0].expect[0].account",
                |by, lines| json!({ "input": { "lines": lines, "expect": [{ "account": by, "version": 1 }] } })),
        ];
        for by in nobody(&entry) {
            let name = by.as_object().unwrap().values().next().unwrap();
            let found = ledger.data("query ($by: AccountRef!) { account(by: $by) { id } }", json!({ "by": by })).await;
            assert_eq!(found["account"], Value::Null, "{by}");
            let mut asked = Vec::new();
            for (query, field, variables) in places {
                asked.push((query, field.to_owned(), variables(&by, json!([good()]))));
            }
            for side in ["debit", "credit"] {
                for (field, query, kind) in [
                    ("lines", "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }", "post"),
                    ("lines", "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }", "hold"),
                    ("inputs[1].lines", "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { entries { id } } }", "list"),
                ] {
                    let input = json!({ "lines": with(side, &by) });
                    let variables = match kind {
                        "list" => json!({ "inputs": [{ "lines": [good()] }, input] }),
                        _ => json!({ "input": input }),
                    };
                    asked.push((query, format!("{field}[1].{side}"), variables));
                }
            }
            for (query, field, variables) in asked {
                let response = ledger.run(query, variables).await;
                let error = &response["errors"][0]["extensions"];
                assert_eq!(error["code"], "ACCOUNT_NOT_FOUND", "{query} {by}: {response}");
                assert_eq!((&error["field"], &error["account"]), (&json!(field), name), "{query} {by}");
            }
            let status = "mutation ($by: AccountRef!) { setAccountStatus(input: { account: $by, status: FROZEN }) { account { id } } }";
            let error = ledger.error(status, json!({ "by": by })).await;
            assert_eq!(error["extensions"]["code"], "ACCOUNT_NOT_FOUND", "{by}: {error}");
            let feed = "subscription ($accounts: [AccountRef!]) { entryPosted(accounts: $accounts, after: \"0\") { cursor } }";
            let mut subscription = ledger.subscribe(feed, json!({ "accounts": [{ "code": "cash" }, by] })).await;
            let message = subscription.message().await;
            let error = message["payload"][0].get("extensions").or(message["payload"]["errors"][0].get("extensions"));
            let error = error.unwrap_or_else(|| panic!("{by}: {message}"));
            assert_eq!((&error["code"], &error["field"]), (&json!("ACCOUNT_NOT_FOUND"), &json!("accounts[1]")), "{by}: {message}");
        }
        // A prefix names no account: it may mean none.
        let sums = ledger.data("{ accountSums(filter: { codePrefix: \"nobody\" }) { accounts } accounts(filter: { codePrefix: \"nobody\" }) { totalCount } }", json!({})).await;
        assert_eq!(sums, json!({ "accountSums": [], "accounts": { "totalCount": 0 } }));
        assert_eq!(ledger.count("entry").await, 1);
        assert_eq!(ledger.balance("cash").await, 1);
    }
}
