//! One refusal names all that is wrong with an input.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

/// Field and code of each problem of an error; of one problem, of the error itself.
fn problems(error: &Value) -> Vec<String> {
    let extensions = &error["extensions"];
    let one = |it: &Value| {
        let place = it["field"].as_str().or(it["accountCode"].as_str());
        format!("{} {}", place.unwrap(), it["code"].as_str().unwrap())
    };
    match extensions["problems"].as_array() {
        Some(all) => {
            // The error itself is the first of them, so that a client that knows nothing of several is served, too.
            assert_eq!(one(extensions), one(&all[0]));
            assert!(
                all.iter()
                    .all(|it| it["message"].as_str().unwrap().len() > 10)
            );
            all.iter().map(one).collect()
        }
        None => vec![one(extensions)],
    }
}

on_every_engine! {
    async fn every_problem_of_an_entry_has_its_place(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("yen", "JPY", "DEBIT", "NONE").await;
        let lines = json!([
            line("cash", "alice", 0, "EUR"),
            line("cash", "nobody", 1, "EUR"),
            line("cash", "cash", 1, "EUR"),
            line("cash", "yen", -1, "EUR"),
            line("nobody", "nothing", 1, "EUR"),
        ]);
        let input = json!({
            "lines": lines, "reference": " ", "description": "a\u{0}b", "metadata": [],
            "expect": [{ "account": { "code": "cash" }, "version": 0 }, { "account": { "code": "cash" }, "version": 0 }],
        });
        let expected = [
            "reference BAD_USER_INPUT",
            "description BAD_USER_INPUT",
            "metadata BAD_USER_INPUT",
            "lines[0].amount BAD_USER_INPUT",
            "lines[3].amount BAD_USER_INPUT",
            "lines[1].credit ACCOUNT_NOT_FOUND",
            "lines[2].credit BAD_USER_INPUT",
            "lines[3].currency CURRENCY_MISMATCH",
            "lines[4].debit ACCOUNT_NOT_FOUND",
            "lines[4].credit ACCOUNT_NOT_FOUND",
            "expect[1].account BAD_USER_INPUT",
        ];
        let error = ledger.error(POST, json!({ "input": input })).await;
        assert_eq!(problems(&error), expected);
        let message = error["message"].as_str().unwrap();
        assert!(message.ends_with("(and 10 more problems)"), "{message}");
        let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        assert_eq!(problems(&ledger.error(hold, json!({ "input": input })).await), expected);
        let list = "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { entries { id } } }";
        let bad = json!({ "lines": lines });
        let good = json!({ "lines": [line("cash", "alice", 1, "EUR")] });
        let error = ledger.error(list, json!({ "inputs": [good, bad] })).await;
        let of_list: Vec<_> = expected[3..10].iter().map(|it| format!("inputs[1].{it}")).collect();
        assert_eq!(problems(&error), of_list);
        assert_eq!(error["extensions"]["index"], 1);
        // What only the database knows is found by itself, too.
        let lines = json!([line("nobody", "cash", 1, "EUR"), line("cash", "yen", 1, "EUR")]);
        let error = ledger.error(POST, json!({ "input": { "lines": lines } })).await;
        assert_eq!(problems(&error), ["lines[0].debit ACCOUNT_NOT_FOUND", "lines[1].currency CURRENCY_MISMATCH"]);
        // One problem is told as it always was.
        let error = ledger.error(POST, json!({ "input": { "lines": [line("cash", "alice", 0, "EUR")] } })).await;
        assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "retryable": false, "field": "lines[0].amount" }));
        assert_eq!(ledger.count("entry").await, 0);
    }

    async fn the_number_of_problems_is_bounded(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for lines in [vec![line("cash", "alice", 0, "EUR"); 200], vec![line("nobody", "nothing", 1, "EUR"); 200], vec![line("nobody", "alice", 0, "JPY"); 1001]] {
            let error = ledger.error(POST, json!({ "input": { "lines": lines } })).await;
            assert_eq!(problems(&error).len(), 20, "{error}");
        }
    }

    async fn each_account_that_refuses_an_entry_is_named(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("bob", "EUR", "CREDIT", "NO_DEBIT_OVERDRAFT").await;
        ledger.open("frozen", "EUR", "CREDIT", "NONE").await;
        let status = "mutation { setAccountStatus(input: { account: { code: \"frozen\" }, status: FROZEN }) { account { id } } }";
        ledger.data(status, json!({})).await;
        let lines = json!([line("alice", "cash", 1, "EUR"), line("bob", "cash", 2, "EUR"), line("frozen", "cash", 2, "EUR")]);
        let error = ledger.error(POST, json!({ "input": { "lines": lines } })).await;
        let mut told = problems(&error);
        told.sort();
        assert_eq!(told, ["alice INSUFFICIENT_FUNDS", "bob INSUFFICIENT_FUNDS", "frozen ACCOUNT_NOT_OPEN"]);
    }

    async fn every_problem_of_a_new_account_has_its_place(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let open = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
        let input = json!({ "code": "", "name": "a\nb", "currency": "XQX", "normalSide": "DEBIT", "metadata": 7 });
        let error = ledger.error(open, json!({ "input": input })).await;
        let all = ["code", "name", "metadata", "currency"].map(|field| format!("{field} BAD_USER_INPUT"));
        assert_eq!(problems(&error), all);
        assert_eq!(ledger.count("account").await, 2);
    }

    /// Before anything runs, too: what the document or its variables have that the schema does not is told with what the schema has.
    async fn an_unknown_field_lists_those_that_there_are(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let mut wrong = line("cash", "alice", 1, "EUR");
        wrong["memo"] = json!("x");
        wrong["amuont"] = json!("x");
        let response = ledger.run(POST, json!({ "input": { "lines": [wrong] } })).await.to_string();
        for told in ["Its fields are \\\"amount\\\", \\\"credit\\\", \\\"currency\\\", \\\"debit\\\".", "Did you mean \\\"amount\\\"?"] {
            assert!(response.contains(told), "{told}: {response}");
        }
        let literal = "mutation { postEntry(input: { lines: [], zzz: 1 }) { entry { id } } }";
        let response = ledger.run(literal, json!({})).await.to_string();
        assert!(response.contains("Its fields are \\\"conditions\\\", \\\"description\\\", \\\"effectiveAt\\\""), "{response}");
    }
}
