//! Refusals: a stable code, details for programs, a message for people, and nothing moved.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

const STATUS: &str = "mutation ($input: SetAccountStatusInput!) { setAccountStatus(input: $input) { account { status } } }";
const UPDATE: &str =
    "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { account { id } } }";
const OPEN: &str =
    "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";

fn post(lines: &[Value]) -> Value {
    json!({ "input": { "lines": lines } })
}

fn status(code: &str, status: &str) -> Value {
    json!({ "input": { "account": { "code": code }, "status": status } })
}

on_every_engine! {
    async fn every_refusal_has_its_code(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("frozen", "EUR", "DEBIT", "NONE").await;
        ledger.data(STATUS, status("frozen", "FROZEN")).await;
        ledger.open("yen", "JPY", "DEBIT", "NONE").await;
        ledger.post("cash", "alice", 100).await;
        let account = |code: &str, currency: &str| json!({ "input": { "code": code, "name": "n", "currency": currency, "normalSide": "DEBIT" } });
        let cases: [(&str, Value, &str, Value); 15] = [
            (POST, post(&[line("alice", "cash", 101, "EUR")]), "INSUFFICIENT_FUNDS",
                json!({ "accountCode": "alice", "currency": "EUR", "available": "100", "requested": "101" })),
            (POST, post(&[line("cash", "nobody", 1, "EUR")]), "ACCOUNT_NOT_FOUND", json!({ "account": "nobody" })),
            (POST, post(&[line("cash", "frozen", 1, "EUR")]), "ACCOUNT_NOT_OPEN", json!({ "accountCode": "frozen", "status": "FROZEN" })),
            (POST, post(&[line("cash", "yen", 1, "EUR")]), "CURRENCY_MISMATCH", json!({ "accountCode": "yen", "accountCurrency": "JPY", "lineCurrency": "EUR" })),
            (POST, post(&[line("cash", "alice", i64::MAX, "EUR")]), "AMOUNT_OUT_OF_RANGE", json!({})),
            (POST, post(&[line("cash", "alice", 0, "EUR")]), "BAD_USER_INPUT", json!({ "field": "lines[0].amount" })),
            (POST, post(&[line("cash", "alice", -5, "EUR")]), "BAD_USER_INPUT", json!({ "field": "lines[0].amount" })),
            (POST, post(&[line("cash", "cash", 5, "EUR")]), "BAD_USER_INPUT", json!({})),
            (POST, post(&[]), "BAD_USER_INPUT", json!({ "field": "lines" })),
            (POST, json!({ "input": { "lines": [line("cash", "alice", 1, "EUR")], "expect": [{ "account": { "code": "alice" }, "version": "7" }] } }),
                "VERSION_CONFLICT", json!({ "accountCode": "alice", "expected": "7", "actual": "1" })),
            (OPEN, account("alice", "EUR"), "ACCOUNT_CODE_TAKEN", json!({ "accountCode": "alice" })),
            (OPEN, account("new", "XQX"), "BAD_USER_INPUT", json!({ "field": "currency" })),
            (OPEN, account(" ", "EUR"), "BAD_USER_INPUT", json!({ "field": "code" })),
            (UPDATE, json!({ "input": { "account": { "code": "cash" }, "limitPolicy": "NO_DEBIT_OVERDRAFT" } }), "LIMIT_EXCEEDED", json!({ "accountCode": "cash", "beyond": "100" })),
            (STATUS, status("alice", "CLOSED"), "BAD_USER_INPUT", json!({ "accountCode": "alice", "posted": "100" })),
        ];
        for (query, variables, code, details) in cases {
            let error = ledger.error(query, variables.clone()).await;
            let extensions = error["extensions"].as_object().unwrap();
            assert_eq!(extensions["code"], code, "{variables}: {error}");
            assert_eq!(extensions["retryable"], false, "{error}");
            for (name, value) in details.as_object().unwrap() {
                assert_eq!(extensions.get(name), Some(value), "{name} of {error}");
            }
            assert!(error["message"].as_str().unwrap().len() > 20, "{error}");
        }
        assert_eq!((ledger.balance("alice").await, ledger.balance("cash").await), (100, 100));
        assert_eq!((ledger.count("account").await, ledger.count("entry").await), (4, 1));
    }

    /// The status goes back and forth, and CLOSED is final.
    async fn the_life_of_an_account(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for step in ["FROZEN", "OPEN", "CLOSED"] {
            let data = ledger.data(STATUS, status("alice", step)).await;
            assert_eq!(data["setAccountStatus"]["account"]["status"], step);
        }
        let error = ledger.error(STATUS, status("alice", "OPEN")).await;
        assert_eq!(error["extensions"]["code"], "ACCOUNT_NOT_OPEN");
        assert_eq!(ledger.observer().await.text("SELECT status FROM account WHERE code = 'alice'").await, "CLOSED");
    }

    /// Scalars are read strictly, and a mistake is the request's: nothing is executed.
    async fn scalars_are_strict(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let with = |name: &str, value: Value| {
            let mut line = line("cash", "alice", 1, "EUR");
            line[name] = value;
            post(&[line])
        };
        for wrong in [
            with("amount", json!("9223372036854775808")),
            with("amount", json!(1.5)),
            with("amount", json!("one")),
            with("currency", json!("eur")),
            with("debit", json!({ "code": "cash", "id": "acct_01h455vb4pex5vsknk084sn02q" })),
            with("debit", json!({})),
            json!({ "input": { "lines": [line("cash", "alice", 1, "EUR")], "effectiveAt": "yesterday" } }),
            json!({ "input": { "lines": [line("cash", "alice", 1, "EUR")], "effectiveAt": "2020-01-01T00:00:00" } }),
        ] {
            let response = ledger.run(POST, wrong.clone()).await;
            assert!(response["errors"].is_array(), "{wrong}: {response}");
        }
        assert_eq!(ledger.count("entry").await, 0);
        // Both spellings of an integer.
        ledger.data(POST, with("amount", json!(9))).await;
        ledger.data(POST, with("amount", json!("1"))).await;
        assert_eq!(ledger.balance("cash").await, 10);
    }
}
