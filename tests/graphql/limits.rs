//! The least and the largest balance of an account: what they refuse, and how they are changed.

use std::collections::BTreeMap;

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::recorded_by::sent_by;
use super::server::{Ledger, POST, line};

const OPEN: &str = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) {
    account { code minBalance { amount decimal currency } maxBalance { amount decimal } } } }";
const UPDATE: &str = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) {
    account { revision minBalance { amount } maxBalance { amount } limitPolicy } } }";
const HOLD: &str =
    "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
const CAPTURE: &str =
    "mutation ($hold: ID!) { captureHold(input: { hold: $hold }) { entry { id } } }";
const REVERSE: &str =
    "mutation ($entry: ID!) { reverseEntry(input: { entry: $entry }) { entry { id } } }";
const LIST: &str =
    "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { entries { id } } }";

fn open(code: &str, side: &str, policy: &str, min: Option<i64>, max: Option<i64>) -> Value {
    let text = |limit: Option<i64>| limit.map(|limit| limit.to_string());
    json!({ "input": { "code": code, "name": code, "currency": "EUR", "normalSide": side, "limitPolicy": policy,
        "minBalance": text(min), "maxBalance": text(max) } })
}

fn update(code: &str, fields: &Value) -> Value {
    let mut input = fields.clone();
    input["account"] = json!({ "code": code });
    json!({ "input": input })
}

fn entry(debit: &str, credit: &str, amount: i64) -> Value {
    json!({ "lines": [line(debit, credit, amount, "EUR")] })
}

on_every_engine! {
    /// Of an account with a credit line of 5.00 that takes up to 10.00, which holds count against at once, each on its own side.
    async fn entries_holds_lists_and_reversals_keep_both(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let opened = ledger.data(OPEN, open("line", "CREDIT", "NONE", Some(-500), Some(1000))).await;
        assert_eq!(opened["openAccount"]["account"], json!({ "code": "line",
            "minBalance": { "amount": "-500", "decimal": "-5.00", "currency": "EUR" }, "maxBalance": { "amount": "1000", "decimal": "10.00" } }));
        let spend = |amount| json!({ "input": entry("line", "cash", amount) });
        let fund = |amount| json!({ "input": entry("cash", "line", amount) });
        let short = |available: i64, requested: i64| json!({ "code": "INSUFFICIENT_FUNDS", "accountCode": "line", "currency": "EUR",
            "minBalance": "-500", "available": available.to_string(), "requested": requested.to_string() });
        let full = |room: i64, requested: i64| json!({ "code": "LIMIT_EXCEEDED", "accountCode": "line", "currency": "EUR",
            "maxBalance": "1000", "room": room.to_string(), "requested": requested.to_string() });

        assert_eq!(ledger.refusal(POST, spend(501)).await, short(500, 501));
        let spent = ledger.data(POST, spend(500)).await;
        assert_eq!(ledger.refusal(POST, spend(1)).await, short(0, 1));
        assert_eq!(ledger.refusal(POST, fund(1501)).await, full(1500, 1501));
        // What may come fills the account, and does not fund it.
        let incoming = ledger.data(HOLD, fund(1200)).await["placeHold"]["entry"]["id"].take();
        assert_eq!(ledger.refusal(POST, fund(301)).await, full(300, 301));
        assert_eq!(ledger.refusal(HOLD, fund(301)).await, full(300, 301));
        assert_eq!(ledger.refusal(POST, spend(1)).await, short(0, 1));
        ledger.data(POST, fund(300)).await;
        assert_eq!(ledger.refusal(HOLD, spend(301)).await, short(300, 301));
        let outgoing = ledger.data(HOLD, spend(300)).await["placeHold"]["entry"]["id"].take();
        assert_eq!(ledger.refusal(POST, spend(1)).await, short(0, 1));
        // A reversal is an entry like others.
        let reversed = ledger.refusal(REVERSE, json!({ "entry": spent["postEntry"]["entry"]["id"] })).await;
        assert_eq!(reversed, full(0, 500));
        // Within one entry, both ways count together.
        let both = json!([line("cash", "line", 900, "EUR"), line("line", "cash", 900, "EUR")]);
        ledger.data(POST, json!({ "input": { "lines": both } })).await;
        // What was held is within the limits, in whatever order it is captured.
        ledger.data(CAPTURE, json!({ "hold": incoming })).await;
        assert_eq!(ledger.balance("line").await, 1000);
        ledger.data(CAPTURE, json!({ "hold": outgoing })).await;
        assert_eq!(ledger.balance("line").await, 700);
        // Each entry of a list is checked as those before it leave the account; with one refused, none is there.
        let list = |entries: Vec<Value>| json!({ "inputs": entries });
        let mut expected = full(0, 1);
        expected["index"] = json!(1);
        assert_eq!(ledger.refusal(LIST, list(vec![entry("cash", "line", 300), entry("cash", "line", 1), entry("line", "cash", 1)])).await, expected);
        assert_eq!(ledger.balance("line").await, 700);
        ledger.data(LIST, list(vec![entry("cash", "line", 300), entry("line", "cash", 1), entry("cash", "line", 1), entry("line", "cash", 1500)])).await;
        assert_eq!(ledger.balance("line").await, -500);
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    /// On the other normal side it is the same, the other way round. A policy beside a limit: the tighter one refuses.
    async fn sides_and_policies_are_told_apart(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.data(OPEN, open("till", "DEBIT", "NO_CREDIT_OVERDRAFT", Some(0), Some(100))).await;
        ledger.open("out", "EUR", "CREDIT", "NONE").await;
        let put = |amount| json!({ "input": entry("till", "out", amount) });
        let take = |amount| json!({ "input": entry("out", "till", amount) });
        let over = ledger.refusal(POST, put(101)).await;
        assert_eq!((&over["code"], &over["room"], &over["requested"]), (&json!("LIMIT_EXCEEDED"), &json!("100"), &json!("101")), "{over}");
        ledger.data(POST, put(60)).await;
        let under = ledger.refusal(POST, take(61)).await;
        assert_eq!(under, json!({ "code": "INSUFFICIENT_FUNDS", "accountCode": "till", "currency": "EUR", "available": "60", "requested": "61" }));
        ledger.data(UPDATE, update("till", &json!({ "minBalance": "20" }))).await;
        let under = ledger.refusal(POST, take(41)).await;
        assert_eq!((&under["available"], &under["minBalance"]), (&json!("40"), &json!("20")), "{under}");
        ledger.data(POST, take(40)).await;
        assert_eq!(ledger.balance("till").await, 20);
        // On the side on which a policy is no least balance, it keeps its code.
        ledger.data(OPEN, open("odd", "DEBIT", "NO_DEBIT_OVERDRAFT", Some(-10), None)).await;
        let odd = ledger.refusal(POST, json!({ "input": entry("odd", "out", 1) })).await;
        assert_eq!(odd, json!({ "code": "INSUFFICIENT_FUNDS", "accountCode": "odd", "currency": "EUR", "available": "0", "requested": "1" }));
        let odd = ledger.refusal(POST, json!({ "input": entry("out", "odd", 11) })).await;
        assert_eq!((&odd["available"], &odd["minBalance"]), (&json!("10"), &json!("-10")), "{odd}");
    }

    async fn what_cannot_be_a_limit_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let before = ledger.count("account_change").await;
        for (variables, field) in [
            (open("x", "CREDIT", "NONE", Some(1), None), "minBalance"),
            (open("x", "CREDIT", "NONE", None, Some(-1)), "maxBalance"),
            (open("x", "CREDIT", "NONE", Some(0), Some(-1)), "maxBalance"),
            (open("x", "CREDIT", "NO_DEBIT_OVERDRAFT", Some(-1), None), "minBalance"),
            (open("x", "DEBIT", "NO_CREDIT_OVERDRAFT", Some(-1), None), "minBalance"),
            (open("x", "CREDIT", "NO_CREDIT_OVERDRAFT", None, Some(1)), "maxBalance"),
            (open("x", "DEBIT", "NO_DEBIT_OVERDRAFT", None, Some(1)), "maxBalance"),
        ] {
            let error = ledger.refusal(OPEN, variables.clone()).await;
            assert_eq!((&error["code"], &error["field"]), (&json!("BAD_USER_INPUT"), &json!(field)), "{variables}: {error}");
        }
        // All problems at once, those of other fields too.
        let mut several = open("x", "CREDIT", "NONE", Some(2), Some(-2));
        several["input"]["name"] = json!("");
        let error = ledger.refusal(OPEN, several).await;
        let fields: Vec<_> = error["problems"].as_array().unwrap().iter().map(|problem| problem["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["name", "maxBalance", "minBalance", "maxBalance"]);
        for (fields, field) in [
            (json!({ "minBalance": "-1" }), "minBalance"),
            (json!({ "minBalance": "5", "maxBalance": "4" }), "maxBalance"),
            (json!({ "limitPolicy": "NO_CREDIT_OVERDRAFT", "maxBalance": "4" }), "maxBalance"),
        ] {
            let error = ledger.refusal(UPDATE, update("alice", &fields)).await;
            assert_eq!((&error["code"], &error["field"]), (&json!("BAD_USER_INPUT"), &json!(field)), "{fields}: {error}");
        }
        for unread in ["9223372036854775808", "1.5", ""] {
            let answer = ledger.run(UPDATE, update("alice", &json!({ "minBalance": unread }))).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        }
        assert_eq!((ledger.count("account").await, ledger.count("account_change").await), (2, before));
        // With the policy lifted in the same change, it can be.
        ledger.data(UPDATE, update("alice", &json!({ "limitPolicy": "NONE", "minBalance": "-1" }))).await;
        let error = ledger.refusal(UPDATE, update("alice", &json!({ "limitPolicy": "NO_DEBIT_OVERDRAFT" }))).await;
        assert_eq!(error["field"], "minBalance", "{error}");
    }

    /// A limit that the balance is beyond is refused, holds counted; what is changed is in the history and the feed, with who did it.
    async fn limits_are_changed_like_the_rest_of_an_account(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let feed = "subscription { accountChanged(accounts: [{ code: \"bob\" }], after: \"0\") { change { revision
            before { minBalance { decimal } maxBalance { decimal } } after { minBalance { amount currency } maxBalance { amount } } } } }";
        ledger.open("bob", "EUR", "CREDIT", "NONE").await;
        let mut told = ledger.subscribe(feed, json!({})).await;
        ledger.post("cash", "bob", 100).await;
        let held = ledger.data(HOLD, json!({ "input": entry("bob", "cash", 60) })).await["placeHold"]["entry"]["id"].take();
        ledger.data(HOLD, json!({ "input": entry("cash", "bob", 30) })).await;
        let beyond = |field: &str, limit: &str, beyond: &str| json!({ "code": "LIMIT_EXCEEDED", "field": field, field: limit, "accountCode": "bob",
            "currency": "EUR", "beyond": beyond, "posted": "100", "debitsPending": "60", "creditsPending": "30" });
        assert_eq!(ledger.refusal(UPDATE, update("bob", &json!({ "minBalance": "41" }))).await, beyond("minBalance", "41", "1"));
        assert_eq!(ledger.refusal(UPDATE, update("bob", &json!({ "maxBalance": "129" }))).await, beyond("maxBalance", "129", "1"));
        let most = i64::MAX.to_string();
        // Clamped: what it is beyond by does not fit 64 bits.
        let least = i64::MIN.to_string();
        assert_eq!(ledger.refusal(UPDATE, update("bob", &json!({ "maxBalance": least }))).await, beyond("maxBalance", &least, &most));
        let changed = ledger.data(UPDATE, update("bob", &json!({ "minBalance": "40", "maxBalance": "130" }))).await;
        assert_eq!(changed["updateAccount"]["account"], json!({ "revision": "2", "minBalance": { "amount": "40" }, "maxBalance": { "amount": "130" }, "limitPolicy": "NONE" }));
        // The same again is no change; what is left out stays.
        let same = ledger.data(UPDATE, update("bob", &json!({ "minBalance": 40, "name": "bob" }))).await;
        assert_eq!(same["updateAccount"]["account"]["revision"], "2");
        let widest = ledger.data(UPDATE, update("bob", &json!({ "minBalance": i64::MIN.to_string(), "maxBalance": most }))).await;
        assert_eq!(widest["updateAccount"]["account"]["minBalance"]["amount"], i64::MIN.to_string());
        let lifted = ledger.data(UPDATE, update("bob", &json!({ "minBalance": null }))).await;
        assert_eq!(lifted["updateAccount"]["account"], json!({ "revision": "4", "minBalance": null, "maxBalance": { "amount": most }, "limitPolicy": "NONE" }));
        ledger.data(CAPTURE, json!({ "hold": held })).await;
        ledger.data(POST, json!({ "input": entry("bob", "cash", 1000) })).await;

        let amount = |amount: &str| json!({ "amount": amount });
        let in_euros = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
        let wide = |amount: &str| json!({ "decimal": amount });
        for expected in [
            json!({ "revision": "1", "before": null, "after": { "minBalance": null, "maxBalance": null } }),
            json!({ "revision": "2", "before": { "minBalance": null, "maxBalance": null }, "after": { "minBalance": in_euros("40"), "maxBalance": amount("130") } }),
            json!({ "revision": "3", "before": { "minBalance": wide("0.40"), "maxBalance": wide("1.30") },
                "after": { "minBalance": in_euros(&i64::MIN.to_string()), "maxBalance": amount(&most) } }),
            json!({ "revision": "4", "before": { "minBalance": wide("-92233720368547758.08"), "maxBalance": wide("92233720368547758.07") },
                "after": { "minBalance": null, "maxBalance": amount(&most) } }),
        ] {
            assert_eq!(told.event().await["data"]["accountChanged"]["change"], expected);
        }
        let kept = "SELECT COALESCE(CAST(min_balance AS text), '-') || ' ' || COALESCE(CAST(max_balance AS text), '-') FROM account_change
            WHERE account_id = (SELECT id FROM account WHERE code = 'bob') ORDER BY revision";
        let kept = ledger.observer().await.texts(kept).await;
        let kept: Vec<_> = kept.iter().map(|kept| kept.as_deref().unwrap()).collect();
        assert_eq!(kept, ["- -", "40 130", "-9223372036854775808 9223372036854775807", "- 9223372036854775807"]);
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    async fn who_changed_a_limit_is_kept(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        for (viewer, text) in [
            ("ann", "openAccount(input: { code: \"a\", name: \"a\", currency: \"EUR\", normalSide: CREDIT, maxBalance: 5 })"),
            ("bob", "updateAccount(input: { account: { code: \"a\" }, maxBalance: 6 })"),
        ] {
            let answer = sent_by(&ledger, viewer, &format!("mutation {{ {text} {{ account {{ id }} }} }}")).await;
            assert_eq!(answer.get("errors"), None, "{answer}");
        }
        let kept = ledger.observer().await.texts("SELECT recorded_by || ' ' || CAST(max_balance AS text) FROM account_change ORDER BY revision").await;
        assert_eq!(kept.iter().map(|kept| kept.as_deref().unwrap()).collect::<Vec<_>>(), ["ann 5", "bob 6"]);
    }

    /// Many at once, in shared COMMITs: what fits is there, and everything else hears the limit. Limits that are changed meanwhile are refused
    /// or hold, and nothing else happens: the table's own rule, which would be INTERNAL, is never met.
    async fn a_crowd_keeps_both(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.data(OPEN, open("floor", "CREDIT", "NONE", Some(-50), None)).await;
        ledger.data(OPEN, open("ceiling", "CREDIT", "NONE", None, Some(50))).await;
        let ledger = &ledger;
        let codes = |answers: Vec<Value>| {
            let mut codes: BTreeMap<String, usize> = BTreeMap::new();
            for answer in answers {
                let code = match answer.get("errors") {
                    None => "posted",
                    Some(errors) => errors[0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}")),
                };
                *codes.entry(code.to_owned()).or_default() += 1;
            }
            codes.into_iter().collect::<Vec<_>>()
        };
        let counted = |code: &str, count| (code.to_owned(), count);
        let spent = join_all((0..12).map(|_| ledger.run(POST, json!({ "input": entry("floor", "cash", 10) })))).await;
        assert_eq!(codes(spent), [counted("INSUFFICIENT_FUNDS", 7), counted("posted", 5)]);
        let funded = join_all((0..12).map(|_| ledger.run(POST, json!({ "input": entry("cash", "ceiling", 10) })))).await;
        assert_eq!(codes(funded), [counted("LIMIT_EXCEEDED", 7), counted("posted", 5)]);
        assert_eq!((ledger.balance("floor").await, ledger.balance("ceiling").await), (-50, 50));

        ledger.data(OPEN, open("bob", "CREDIT", "NONE", Some(-20), None)).await;
        ledger.post("cash", "bob", 60).await;
        let posts = join_all((0..12).map(|_| ledger.run(POST, json!({ "input": entry("bob", "cash", 10) }))));
        let changes = join_all((0..8).map(|n| ledger.run(UPDATE, update("bob", &json!({ "minBalance": (n * 10 - 20).to_string() })))));
        let (posts, changes) = tokio::join!(posts, changes);
        for (code, _) in codes(posts) {
            assert!(["posted", "INSUFFICIENT_FUNDS"].contains(&code.as_str()), "{code}");
        }
        for (code, _) in codes(changes) {
            assert!(["posted", "LIMIT_EXCEEDED"].contains(&code.as_str()), "{code}");
        }
        let check = ledger.data("{ verifyLedger { ok } account(by: { code: \"bob\" }) { minBalance { amount } balances { available { amount } } } }", json!({})).await;
        let number = |value: &Value| value["amount"].as_str().unwrap_or_else(|| panic!("{check}")).parse::<i64>().unwrap();
        let bob = &check["account"];
        assert!(number(&bob["balances"]["available"]) >= number(&bob["minBalance"]), "{bob}");
        assert_eq!(check["verifyLedger"]["ok"], true);
    }
}
