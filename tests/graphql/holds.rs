//! Holds and reversals, as clients meet them.

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, line};

const HOLD: &str = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) {
  entry { id kind hold { status expiresAt } resolves { id } resolvedBy { id } lines { effect amount { amount } } }
  accounts { code balances { posted { amount } pending { amount } available { amount } version } }
} }";
const CAPTURE: &str = "mutation ($input: CaptureHoldInput!) { captureHold(input: $input) {
  entry { id kind hold { status } resolves { id hold { status } resolvedBy { id } } lines { effect amount { amount } } }
  accounts { code balances { posted { amount } pending { amount } available { amount } } }
} }";
const RELEASE: &str = "mutation ($input: ReleaseHoldInput!) { releaseHold(input: $input) {
  entry { id kind resolves { id hold { status } } } accounts { code balances { available { amount } } }
} }";
const REVERSE: &str = "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) {
  entry { id kind reverses { id reversedBy { id kind } } } accounts { code balances { posted { amount } } }
} }";

async fn hold(ledger: &Ledger, amount: i64) -> Value {
    let input = json!({ "lines": [line("alice", "cash", amount, "EUR")] });
    ledger.data(HOLD, json!({ "input": input })).await["placeHold"].take()
}

on_every_engine! {
    async fn a_hold_is_placed_and_captured_in_part(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 1000).await;
        let held = hold(&ledger, 700).await;
        assert_eq!(held["entry"]["kind"], "HOLD");
        assert_eq!(held["entry"]["hold"], json!({ "status": "OPEN", "expiresAt": null }));
        assert_eq!(held["entry"]["lines"], json!([{ "effect": "HOLD", "amount": { "amount": "700" } }]));
        let alice = held["accounts"].as_array().unwrap().iter().find(|account| account["code"] == "alice").unwrap();
        assert_eq!(alice["balances"], json!({
            "posted": { "amount": "1000" }, "pending": { "amount": "-700" }, "available": { "amount": "300" }, "version": "2",
        }));

        // A list of one may be written as its element.
        let id = &held["entry"]["id"];
        let captured = ledger.data(CAPTURE, json!({ "input": { "hold": id, "amounts": "500" } })).await["captureHold"].take();
        assert_eq!(captured["entry"]["kind"], "CAPTURE");
        assert_eq!(captured["entry"]["hold"], Value::Null);
        assert_eq!(captured["entry"]["resolves"], json!({
            "id": id, "hold": { "status": "CAPTURED" }, "resolvedBy": { "id": captured["entry"]["id"] },
        }));
        assert_eq!(captured["entry"]["lines"], json!([
            { "effect": "CAPTURE", "amount": { "amount": "500" } }, { "effect": "RELEASE", "amount": { "amount": "200" } },
        ]));
        assert_eq!(ledger.balance("alice").await, 500);
        let check = ledger.data("{ verifyLedger { ok } }", json!({})).await;
        assert_eq!(check["verifyLedger"]["ok"], true);
    }

    async fn a_hold_is_released(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 1000).await;
        let id = hold(&ledger, 700).await["entry"]["id"].take();
        let released = ledger.data(RELEASE, json!({ "input": { "hold": id } })).await["releaseHold"].take();
        assert_eq!(released["entry"]["kind"], "RELEASE");
        assert_eq!(released["entry"]["resolves"], json!({ "id": id, "hold": { "status": "RELEASED" } }));
        assert!(released["accounts"].as_array().unwrap().contains(&json!({ "code": "alice", "balances": { "available": { "amount": "1000" } } })));
    }

    async fn an_entry_and_its_reversal_know_each_other(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let id = ledger.post("cash", "alice", 1000).await["entry"]["id"].take();
        let reversed = ledger.data(REVERSE, json!({ "input": { "entry": id, "description": "by mistake" } })).await["reverseEntry"].take();
        assert_eq!(reversed["entry"]["kind"], "REVERSAL");
        assert_eq!(reversed["entry"]["reverses"], json!({
            "id": id, "reversedBy": { "id": reversed["entry"]["id"], "kind": "REVERSAL" },
        }));
        assert_eq!((ledger.balance("alice").await, ledger.balance("cash").await), (0, 0));
    }

    async fn refusals_have_their_codes_and_details(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let posted = ledger.post("cash", "alice", 1000).await["entry"]["id"].take();
        let captured = hold(&ledger, 100).await["entry"]["id"].take();
        let capture = ledger.data(CAPTURE, json!({ "input": { "hold": captured } })).await["captureHold"]["entry"]["id"].take();
        let open = hold(&ledger, 100).await["entry"]["id"].take();
        let other = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        let reversal = ledger.data(REVERSE, json!({ "input": { "entry": other } })).await["reverseEntry"]["entry"]["id"].take();
        let account = ledger.data("{ account(by: { code: \"alice\" }) { id } }", json!({})).await["account"]["id"].take();
        // One that was placed an hour ago, for a minute.
        let expired = hold(&ledger, 100).await["entry"]["id"].take();
        let observer = ledger.observer().await;
        let (past, lift) = match ledger.engine() {
            Engine::Sqlite => ("'2020-01-01T00:00:00+00:00'", "DROP TRIGGER entry_refuse_UPDATE"),
            Engine::MariaDb => ("'2020-01-01'", "DROP TRIGGER entry_refuse_UPDATE"),
            Engine::Postgres => ("TIMESTAMPTZ '2020-01-01T00:00:00Z'", "ALTER TABLE entry DISABLE TRIGGER entry_append_only"),
        };
        observer.execute(lift).await;
        let newest = "(SELECT id FROM (SELECT id FROM entry WHERE kind = 'HOLD' ORDER BY id DESC LIMIT 1) AS newest)";
        observer.execute(&format!("UPDATE entry SET expires_at = {past} WHERE id = {newest}")).await;

        let unknown = "entry_01h455vb4pex5vsknk084sn000";
        for (query, input, code, details) in [
            (CAPTURE, json!({ "hold": captured }), "HOLD_ALREADY_RESOLVED",
                json!({ "holdId": captured, "resolvedBy": capture, "resolvedByKind": "CAPTURE" })),
            (RELEASE, json!({ "hold": captured }), "HOLD_ALREADY_RESOLVED", json!({ "holdId": captured, "resolvedBy": capture })),
            (CAPTURE, json!({ "hold": open, "amounts": ["101"] }), "BAD_USER_INPUT", json!({ "field": "amounts[0]" })),
            (CAPTURE, json!({ "hold": expired }), "HOLD_EXPIRED", json!({ "holdId": expired, "expiredAt": "2020-01-01T00:00:00.000000Z" })),
            (CAPTURE, json!({ "hold": posted }), "BAD_USER_INPUT", json!({ "field": "hold", "kind": "POST" })),
            (CAPTURE, json!({ "hold": unknown }), "ENTRY_NOT_FOUND", json!({ "entryId": unknown })),
            (CAPTURE, json!({ "hold": account }), "BAD_USER_INPUT", json!({ "field": "hold" })),
            (HOLD, json!({ "lines": [line("alice", "cash", 701, "EUR")] }), "INSUFFICIENT_FUNDS", json!({ "available": "700", "requested": "701" })),
            (HOLD, json!({ "lines": [line("alice", "cash", 1, "EUR")], "expiresAt": "2020-01-01T00:00:00Z" }), "BAD_USER_INPUT", json!({ "field": "expiresAt" })),
            (REVERSE, json!({ "entry": other }), "ALREADY_REVERSED", json!({ "entryId": other, "reversedBy": reversal })),
            (REVERSE, json!({ "entry": open }), "BAD_USER_INPUT", json!({ "field": "entry", "kind": "HOLD" })),
            (REVERSE, json!({ "entry": unknown }), "ENTRY_NOT_FOUND", json!({ "entryId": unknown })),
            (REVERSE, json!({ "entry": posted }), "INSUFFICIENT_FUNDS", json!({ "available": "700", "requested": "1000" })),
            (REVERSE, json!({ "entry": posted, "effectiveAt": "2020-01-01T00:00:00Z" }), "BAD_USER_INPUT", json!({ "field": "effectiveAt" })),
            (REVERSE, json!({ "entry": capture, "expect": [{ "account": { "code": "cash" }, "version": "0" }] }), "VERSION_CONFLICT", json!({ "expected": "0" })),
        ] {
            let error = ledger.error(query, json!({ "input": input })).await;
            assert_eq!(error["extensions"]["code"], code, "{input}: {error}");
            assert_eq!(error["extensions"]["retryable"], false, "{error}");
            for (name, value) in details.as_object().unwrap() {
                assert_eq!(&error["extensions"][name], value, "{name} of {error}");
            }
            assert!(error["message"].as_str().unwrap().len() > 20, "{error}");
        }
        let status = ledger.data("query ($id: ID!) { entry(id: $id) { hold { status } } }", json!({ "id": expired })).await;
        assert_eq!(status["entry"]["hold"]["status"], "EXPIRED");
        assert_eq!(ledger.balance("alice").await, 900);
    }

    /// Twenty holds and what became of them cost a fixed number of statements.
    async fn a_page_of_holds_costs_a_fixed_number_of_statements(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 1000).await;
        let query = "query ($first: Int!) { entries(first: $first, filter: { kind: HOLD }) { edges { node {
            hold { status } resolvedBy { id kind } reversedBy { id } } } } }";
        let mut costs = Vec::new();
        for n in [1, 20] {
            for _ in 0..n {
                let id = hold(&ledger, 1).await["entry"]["id"].take();
                ledger.data(RELEASE, json!({ "input": { "hold": id } })).await;
            }
            let response = ledger.run(query, json!({ "first": n })).await;
            assert_eq!(response["data"]["entries"]["edges"].as_array().map(Vec::len), Some(n), "{response}");
            costs.push(response["extensions"]["unitOfWork"]["statements"].clone());
        }
        // The page, what resolves its holds, what reverses them.
        assert_eq!(costs, [json!(3), json!(3)]);
    }

    /// A transfer locks its accounts and writes everything: at once on PostgreSQL, row by row on SQLite. A hold writes what is pending
    /// as well; what ends or undoes an entry reads that entry and its lines before, and is itself inserted by itself.
    async fn what_each_verb_costs(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let statements = async |query: &str, input: Value| {
            let response = ledger.run(query, json!({ "input": input })).await;
            assert_eq!(response.get("errors"), None, "{response}");
            response
        };
        let count = |response: &Value| response["extensions"]["unitOfWork"]["statements"].as_i64().unwrap();
        let post = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }";
        let lines = json!({ "lines": [line("cash", "alice", 100, "EUR")] });
        let posted = statements(post, lines.clone()).await;
        let place = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        let held = statements(place, lines).await;
        let capture = "mutation ($input: CaptureHoldInput!) { captureHold(input: $input) { entry { id } } }";
        let captured = statements(capture, json!({ "hold": held["data"]["placeHold"]["entry"]["id"] })).await;
        let reverse = "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { entry { id } } }";
        let reversed = statements(reverse, json!({ "entry": posted["data"]["postEntry"]["entry"]["id"] })).await;
        assert_eq!([count(&posted), count(&held), count(&captured), count(&reversed)], [2, 2, 5, 5]);
    }
}
