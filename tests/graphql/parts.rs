//! Refunds, captures and releases of a part, as a shop meets them.

use std::sync::Arc;

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::server::{Ledger, line};

const HOLD: &str =
    "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
const CAPTURE: &str = "mutation ($input: CaptureHoldInput!) { captureHold(input: $input) { entry { id ...E resolves { ...H } } } }
fragment E on Entry { kind lines { effect amount { amount } } }
fragment H on Entry { hold { status } lines { remaining { amount decimal } } resolvedBy { id } resolutions { id } }";
const RELEASE: &str = "mutation ($input: ReleaseHoldInput!) { releaseHold(input: $input) { entry { id ...E resolves { ...H } } } }
fragment E on Entry { kind lines { effect amount { amount } remaining { amount } } }
fragment H on Entry { hold { status } lines { remaining { amount decimal } } resolvedBy { id } resolutions { id } }";
const REVERSE: &str = "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { alreadyPosted
  entry { id kind lines { amount { amount } } reverses { lines { remaining { amount } } reversedBy { id } reversals { id } } }
} }";
const STATUS: &str = "query ($status: HoldStatus!) { entries(first: 9, filter: { hold: $status }) { edges { node { id hold { status } } } } }";

async fn done(ledger: &Ledger, query: &str, input: Value) -> Value {
    let data = ledger.data(query, json!({ "input": input })).await;
    data.as_object().unwrap().values().next().unwrap()["entry"].clone()
}

/// The holds that are found by a status, each of which has it.
async fn found(ledger: &Ledger, status: &str) -> Vec<Value> {
    let data = ledger.data(STATUS, json!({ "status": status })).await;
    let edges = data["entries"]["edges"].as_array().unwrap().iter();
    let ids = edges.map(|edge| {
        assert_eq!(edge["node"]["hold"]["status"], status);
        edge["node"]["id"].clone()
    });
    ids.collect()
}

async fn is_sound(ledger: &Ledger) {
    let check = ledger
        .data("{ verifyLedger { ok differences { message } } }", json!({}))
        .await;
    assert_eq!(check["verifyLedger"]["ok"], true, "{check}");
}

on_every_engine! {
    /// 100 are authorised. 30 leave with the first parcel, 50 with the second, and the rest is released.
    async fn a_shop_captures_as_its_parcels_leave(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 100).await;
        let mut feed = ledger.subscribe("subscription { entryPosted(after: \"0\") { entry { id resolves { id } } } }", json!({})).await;
        feed.event().await;
        let hold = done(&ledger, HOLD, json!({ "lines": [line("alice", "cash", 100, "EUR")] })).await["id"].take();
        let expected = |status: &str, left: &str, by: Value, all: &[&Value]| {
            let decimal = format!("{}.{:0>2}", left.parse::<i64>().unwrap() / 100, left.parse::<i64>().unwrap() % 100);
            let all: Vec<_> = all.iter().map(|id| json!({ "id": id })).collect();
            json!({ "hold": { "status": status }, "lines": [{ "remaining": { "amount": left, "decimal": decimal } }], "resolvedBy": by, "resolutions": all })
        };
        // Of a hold of one line, the amount is enough.
        let first = done(&ledger, CAPTURE, json!({ "hold": hold, "amounts": "30", "final": false })).await;
        assert_eq!(first["lines"], json!([{ "effect": "CAPTURE", "amount": { "amount": "30" } }]));
        assert_eq!(first["resolves"], expected("OPEN", "70", Value::Null, &[&first["id"]]));
        let second = done(&ledger, CAPTURE, json!({ "hold": hold, "amounts": ["50"], "final": false })).await;
        assert_eq!(second["resolves"], expected("OPEN", "20", Value::Null, &[&first["id"], &second["id"]]));
        let available = "{ account(by: { code: \"alice\" }) { balances { posted { amount } pending { amount } available { amount } } } }";
        let balances = ledger.data(available, json!({})).await["account"]["balances"].take();
        assert_eq!(balances, json!({ "posted": { "amount": "20" }, "pending": { "amount": "-20" }, "available": { "amount": "0" } }));
        let observer = ledger.observer().await;
        assert_eq!(observer.i64("SELECT COUNT(*) FROM open_hold").await, 1);
        assert_eq!(found(&ledger, "OPEN").await, std::slice::from_ref(&hold));
        assert!(found(&ledger, "CAPTURED").await.is_empty());

        for (query, input) in [(CAPTURE, json!({ "hold": hold, "amounts": "21" })), (RELEASE, json!({ "hold": hold, "amounts": "21" }))] {
            let refused = ledger.refusal(query, json!({ "input": input })).await;
            assert_eq!(refused, json!({ "code": "REMAINING_EXCEEDED", "entryId": hold, "field": "amounts[0]", "remaining": "20", "requested": "21" }));
        }
        let third = done(&ledger, RELEASE, json!({ "hold": hold, "amounts": "5" })).await;
        assert_eq!(third["lines"], json!([{ "effect": "RELEASE", "amount": { "amount": "5" }, "remaining": null }]));
        let last = done(&ledger, RELEASE, json!({ "hold": hold })).await;
        let all = [&first["id"], &second["id"], &third["id"], &last["id"]];
        // It was captured, although a release has ended it.
        assert_eq!(last["resolves"], expected("CAPTURED", "0", json!({ "id": last["id"] }), &all));
        assert_eq!(found(&ledger, "CAPTURED").await, std::slice::from_ref(&hold));
        assert!(found(&ledger, "RELEASED").await.is_empty() && found(&ledger, "OPEN").await.is_empty());
        assert_eq!(observer.i64("SELECT COUNT(*) FROM open_hold").await, 0);
        let refused = ledger.refusal(CAPTURE, json!({ "input": { "hold": hold } })).await;
        assert_eq!(refused, json!({ "code": "HOLD_ALREADY_RESOLVED", "holdId": hold, "resolvedBy": last["id"], "resolvedByKind": "RELEASE" }));
        assert_eq!((ledger.balance("alice").await, ledger.balance("cash").await), (20, 20));

        // Of one that was released in parts, nothing was captured.
        let other = done(&ledger, HOLD, json!({ "lines": [line("alice", "cash", 20, "EUR")] })).await["id"].take();
        for amounts in [json!("5"), Value::Null] {
            done(&ledger, RELEASE, json!({ "hold": other, "amounts": amounts })).await;
        }
        assert_eq!(found(&ledger, "RELEASED").await, [other]);
        // Each part is an event.
        for id in [&hold].into_iter().chain(all) {
            let event = feed.event().await;
            let entry = &event["data"]["entryPosted"]["entry"];
            let about = if *id == hold { Value::Null } else { json!({ "id": hold }) };
            assert_eq!((&entry["id"], &entry["resolves"]), (id, &about));
        }
        is_sound(&ledger).await;
    }

    /// A refund of 20 of 80, then another of 10: never more than was taken.
    async fn a_customer_is_refunded_in_parts(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let paid = ledger.post("cash", "alice", 80).await["entry"]["id"].take();
        let first = done(&ledger, REVERSE, json!({ "entry": paid, "amounts": "20", "description": "one was broken" })).await;
        assert_eq!((&first["kind"], &first["lines"]), (&json!("REVERSAL"), &json!([{ "amount": { "amount": "20" } }])));
        let entry = |left: &str, by: Value, all: &[&Value]| {
            let all: Vec<_> = all.iter().map(|id| json!({ "id": id })).collect();
            json!({ "lines": [{ "remaining": { "amount": left } }], "reversedBy": by, "reversals": all })
        };
        assert_eq!(first["reverses"], entry("60", Value::Null, &[&first["id"]]));
        let second = done(&ledger, REVERSE, json!({ "entry": paid, "amounts": ["10"] })).await;
        assert_eq!(second["reverses"], entry("50", Value::Null, &[&first["id"], &second["id"]]));
        let refused = ledger.refusal(REVERSE, json!({ "input": { "entry": paid, "amounts": "51" } })).await;
        assert_eq!(refused, json!({ "code": "REMAINING_EXCEEDED", "entryId": paid, "field": "amounts[0]", "remaining": "50", "requested": "51" }));
        // A dry run takes nothing.
        let dry = ledger.dry_run(REVERSE, json!({ "input": { "entry": paid, "amounts": "50" } })).await;
        assert_eq!(dry["data"]["reverseEntry"]["entry"]["reverses"]["lines"][0]["remaining"]["amount"], "0", "{dry}");
        // The same part twice in one operation: the second sees the first, and both are undone.
        let twice = "mutation ($a: ReverseEntryInput!) { x: reverseEntry(input: $a) { entry { id } } y: reverseEntry(input: $a) { entry { id } } }";
        let refused = ledger.refusal(twice, json!({ "a": { "entry": paid, "amounts": "30" } })).await;
        assert_eq!((&refused["remaining"], &refused["requested"]), (&json!("20"), &json!("30")));
        let last = done(&ledger, REVERSE, json!({ "entry": paid })).await;
        assert_eq!(last["reverses"], entry("0", json!({ "id": last["id"] }), &[&first["id"], &second["id"], &last["id"]]));
        let refused = ledger.refusal(REVERSE, json!({ "input": { "entry": paid, "amounts": "1" } })).await;
        assert_eq!(refused, json!({ "code": "ALREADY_REVERSED", "entryId": paid, "reversedBy": last["id"] }));
        assert_eq!((ledger.balance("alice").await, ledger.count("entry").await), (0, 4));
        is_sound(&ledger).await;
    }

    /// Two refunds of 60 of 100 at the same moment, sent twice each under a key: one is made, and the other is told what is left.
    async fn of_two_refunds_at_once_one_is_made(test: TestDatabase) {
        let ledger = Arc::new(Ledger::with_accounts(test).await);
        for _ in 0..5 {
            let paid = ledger.post("cash", "alice", 100).await["entry"]["id"].take();
            let body = json!({ "query": REVERSE, "variables": { "input": { "entry": paid, "amounts": "60" } } });
            let send = |key: String| {
                let request = ledger.request(&body).header("idempotency-key", key);
                tokio::spawn(async { request.send().await.unwrap().json::<Value>().await.unwrap() })
            };
            let key = |client: usize| format!("{}-{client}", paid.as_str().unwrap());
            let answers: Vec<_> = join_all((0..2).map(|client| send(key(client)))).await.into_iter().map(Result::unwrap).collect();
            let made: Vec<_> = answers.iter().filter(|it| it["data"]["reverseEntry"].is_object()).collect();
            assert_eq!(made.len(), 1, "{answers:?}");
            let refused = answers.iter().find_map(|it| it["errors"][0]["extensions"].as_object()).unwrap();
            assert_eq!((&refused["code"], &refused["remaining"], &refused["requested"]), (&json!("REMAINING_EXCEEDED"), &json!("40"), &json!("60")));
            for (client, answer) in answers.iter().enumerate() {
                let again = send(key(client)).await.unwrap();
                assert_eq!(again["data"], answer["data"], "{again}");
            }
            done(&ledger, REVERSE, json!({ "entry": paid })).await;
        }
        assert_eq!((ledger.balance("alice").await, ledger.count("entry").await), (0, 15));
        is_sound(&ledger).await;
    }

    /// The first part costs what a whole costs. What follows reads what is left. A page of entries with what is left of their lines, and what
    /// has undone them, costs a fixed number of statements.
    async fn what_a_part_costs(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let mut costs = Vec::new();
        let paid = ledger.post("cash", "alice", 100).await["entry"]["id"].take();
        let reverse = "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { entry { id } } }";
        for _ in 0..3 {
            let answer = ledger.run(reverse, json!({ "input": { "entry": paid, "amounts": "1" } })).await;
            costs.push(answer["extensions"]["unitOfWork"]["statements"].clone());
        }
        assert_eq!(costs, [json!(5), json!(6), json!(6)]);
        let query = "query ($first: Int!) { entries(first: $first) { edges { node { lines { remaining { amount } } reversals { id } resolutions { id } } } } }";
        let mut costs = Vec::new();
        for first in [2, 20] {
            for _ in 0..first {
                let paid = ledger.post("cash", "alice", 100).await["entry"]["id"].take();
                ledger.data(reverse, json!({ "input": { "entry": paid, "amounts": "1" } })).await;
                ledger.data(HOLD, json!({ "input": { "lines": [line("alice", "cash", 1, "EUR")] } })).await;
            }
            let answer = ledger.run(query, json!({ "first": first })).await;
            assert_eq!(answer["data"]["entries"]["edges"].as_array().map(Vec::len), Some(first), "{answer}");
            costs.push(answer["extensions"]["unitOfWork"]["statements"].clone());
        }
        // The page, its lines, what is left of them, which entries have undone them and ended its holds, if there are any, and these entries.
        assert!(costs.iter().all(|it| it.as_i64() <= Some(6)), "{costs:?}");
    }
}
