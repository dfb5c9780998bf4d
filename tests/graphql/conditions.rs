//! Conditions on balances: `conditions` of what posts, holds and reverses.

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

const HOLD: &str =
    "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
const REVERSE: &str =
    "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { entry { id } } }";
const LIST: &str =
    "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { entries { id } } }";

fn entry(debit: &str, credit: &str, amount: i64, conditions: &Value) -> Value {
    json!({ "lines": [line(debit, credit, amount, "EUR")], "conditions": conditions })
}

fn condition(code: &str, balance: &str, bounds: &Value) -> Value {
    let mut condition = bounds.clone();
    condition["account"] = json!({ "code": code });
    condition["balance"] = json!(balance);
    condition
}

on_every_engine! {
    /// Of the entry's own account, and of one that it does not touch; what is held apart from what is posted.
    async fn an_entry_is_posted_only_while_its_conditions_are_true(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("bob", "EUR", "CREDIT", "NONE").await;
        ledger.open("yen", "JPY", "DEBIT", "NONE").await;
        ledger.post("cash", "bob", 100).await;
        ledger.data(HOLD, json!({ "input": entry("bob", "cash", 30, &json!([])) })).await;
        let posted = |bounds: Value| json!({ "input": entry("cash", "alice", 1, &json!([condition("bob", "POSTED", &bounds)])) });
        let available = |bounds: Value| json!({ "input": entry("cash", "alice", 1, &json!([condition("bob", "AVAILABLE", &bounds)])) });
        let versions = async || { let o = ledger.observer().await; (o.i64("SELECT version FROM account WHERE code = 'bob'").await, ledger.count("entry").await) };
        let before = versions().await;
        let not_met = |balance: &str, bounds: Value, actual: &str| {
            let mut expected = json!({ "code": "CONDITION_NOT_MET", "field": "conditions[0]", "accountCode": "bob", "currency": "EUR", "balance": balance, "actual": actual });
            for (name, bound) in bounds.as_object().unwrap() {
                expected[name] = bound.clone();
            }
            expected
        };
        for (bounds, said) in [
            (json!({ "atLeast": "101" }), json!({ "atLeast": "101" })),
            (json!({ "atMost": "99" }), json!({ "atMost": "99" })),
            (json!({ "atLeast": 101, "atMost": 102 }), json!({ "atLeast": "101", "atMost": "102" })),
            (json!({ "equals": "70" }), json!({ "atLeast": "70", "atMost": "70" })),
        ] {
            assert_eq!(ledger.refusal(POST, posted(bounds)).await, not_met("POSTED", said, "100"));
        }
        for (bounds, said) in [
            (json!({ "atLeast": "71" }), json!({ "atLeast": "71" })),
            (json!({ "atMost": "69" }), json!({ "atMost": "69" })),
            (json!({ "equals": "100" }), json!({ "atLeast": "100", "atMost": "100" })),
        ] {
            assert_eq!(ledger.refusal(POST, available(bounds)).await, not_met("AVAILABLE", said, "70"));
        }
        assert_eq!(versions().await, before);
        for bounds in [json!({ "atLeast": "100" }), json!({ "atMost": "100" }), json!({ "equals": "100" }), json!({ "atLeast": "-5", "atMost": "100" })] {
            ledger.data(POST, posted(bounds)).await;
        }
        for bounds in [json!({ "atLeast": "70" }), json!({ "atMost": "70" }), json!({ "equals": "70" })] {
            ledger.data(POST, available(bounds)).await;
        }
        // What was only looked at is not touched.
        assert_eq!(versions().await, (before.0, before.1 + 7));
        // All of several; of an account, both balances; the balance is that before the entry, of its own accounts too.
        let all = json!([condition("bob", "POSTED", &json!({ "equals": "100" })), condition("bob", "AVAILABLE", &json!({ "equals": "70" })),
            condition("alice", "POSTED", &json!({ "equals": "7" })), condition("cash", "POSTED", &json!({ "equals": "107" })), condition("yen", "POSTED", &json!({ "equals": "0" }))]);
        ledger.data(POST, json!({ "input": entry("alice", "cash", 7, &all) })).await;
        let error = ledger.refusal(POST, json!({ "input": entry("cash", "alice", 7, &all) })).await;
        let problems = error["problems"].as_array().unwrap();
        let mut fields: Vec<_> = problems.iter().map(|it| (it["code"].as_str().unwrap(), it["field"].as_str().unwrap(), it["actual"].as_str().unwrap())).collect();
        fields.sort_unstable();
        assert_eq!(fields, [("CONDITION_NOT_MET", "conditions[2]", "0"), ("CONDITION_NOT_MET", "conditions[3]", "100")]);
        // Of the other normal side, what holds would take counts as well.
        ledger.data(HOLD, json!({ "input": entry("bob", "cash", 1, &json!([condition("cash", "AVAILABLE", &json!({ "equals": "70" })), condition("cash", "POSTED", &json!({ "equals": "100" }))])) })).await;
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    async fn holds_reversals_lists_and_references_have_conditions(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("bob", "EUR", "CREDIT", "NONE").await;
        let posted = ledger.post("cash", "bob", 100).await;
        let if_bob = |equals: i64| json!([condition("bob", "AVAILABLE", &json!({ "equals": equals.to_string() }))]);
        let hold = |equals| json!({ "input": entry("bob", "cash", 10, &if_bob(equals)) });
        assert_eq!(ledger.refusal(HOLD, hold(99)).await["code"], "CONDITION_NOT_MET");
        ledger.data(HOLD, hold(100)).await;
        let reverse = |equals| json!({ "input": { "entry": posted["entry"]["id"], "conditions": if_bob(equals) } });
        assert_eq!(ledger.refusal(REVERSE, reverse(100)).await["actual"], "90");
        ledger.data(REVERSE, reverse(90)).await;
        // Each of a list is asked what those before it leave.
        let list = |last: i64| json!({ "inputs": [entry("cash", "bob", 20, &if_bob(-10)), entry("cash", "alice", 5, &if_bob(10)), entry("cash", "bob", 1, &if_bob(last))] });
        let error = ledger.refusal(LIST, list(11)).await;
        assert_eq!((&error["code"], &error["index"], &error["field"], &error["actual"]), (&json!("CONDITION_NOT_MET"), &json!(2), &json!("inputs[2].conditions[0]"), &json!("10")), "{error}");
        assert_eq!(ledger.balance("bob").await, 0);
        ledger.data(LIST, list(10)).await;
        assert_eq!((ledger.balance("bob").await, ledger.balance("alice").await), (21, 5));
        // Posted again by its reference, it is the first one, whatever has become of the condition.
        let mut referenced = entry("cash", "bob", 1, &if_bob(11));
        referenced["reference"] = json!("once");
        referenced["onTakenReference"] = json!("RETURN_ENTRY");
        let query = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { alreadyPosted } }";
        for already in [false, true, true] {
            let answer = ledger.data(query, json!({ "input": referenced })).await;
            assert_eq!(answer["postEntry"]["alreadyPosted"], already);
        }
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    async fn what_is_no_condition_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let input = |condition: Value| json!({ "input": entry("cash", "alice", 1, &json!([condition])) });
        for (bounds, code, field) in [
            (json!({}), "BAD_USER_INPUT", "conditions[0]"),
            (json!({ "atLeast": null }), "BAD_USER_INPUT", "conditions[0]"),
            (json!({ "atLeast": "2", "atMost": "1" }), "BAD_USER_INPUT", "conditions[0]"),
            (json!({ "atLeast": "2", "equals": "2" }), "BAD_USER_INPUT", "conditions[0]"),
            (json!({ "atMost": "2", "equals": "2" }), "BAD_USER_INPUT", "conditions[0]"),
        ] {
            let error = ledger.refusal(POST, input(condition("alice", "POSTED", &bounds))).await;
            assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!(field)), "{bounds}: {error}");
        }
        let error = ledger.refusal(POST, input(condition("nobody", "POSTED", &json!({ "equals": "0" })))).await;
        assert_eq!((&error["code"], &error["field"]), (&json!("ACCOUNT_NOT_FOUND"), &json!("conditions[0].account")), "{error}");
        for wrong in [condition("alice", "PENDING", &json!({ "equals": "0" })), json!({ "account": { "code": "alice" }, "equals": "0" })] {
            let answer = ledger.run(POST, input(wrong)).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        }
        // In a list, with the entry; and together with what else is wrong.
        let second = entry("cash", "alice", 0, &json!([condition("alice", "POSTED", &json!({}))]));
        let error = ledger.refusal(LIST, json!({ "inputs": [entry("cash", "alice", 1, &json!([])), second] })).await;
        let fields: Vec<_> = error["problems"].as_array().unwrap().iter().map(|it| it["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["inputs[1].lines[0].amount", "inputs[1].conditions[0]"]);
        assert_eq!(ledger.count("entry").await, 0);
    }

    /// Through the server, in shared COMMITs: of twelve that each want to be the first, one is.
    async fn of_many_at_once_one_is_first(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("lot", "EUR", "CREDIT", "NONE").await;
        let ledger = &ledger;
        let first = |n: i64| async move {
            let nothing = json!([condition("lot", "POSTED", &json!({ "equals": "0" }))]);
            ledger.run(POST, json!({ "input": entry("cash", "lot", n, &nothing) })).await
        };
        let answers = join_all((1..=12).map(first)).await;
        let codes: Vec<_> = answers.iter().filter_map(|answer| answer.get("errors")).map(|errors| errors[0]["extensions"]["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["CONDITION_NOT_MET"; 11]);
        assert_eq!(ledger.count("entry").await, 1);
    }
}
