//! Finding entries and accounts, as clients do it.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

const FIND: &str = "query ($filter: EntryFilter) { entries(filter: $filter) { totalCount edges { node { reference } } } }";

/// The references of the entries that a filter finds.
async fn found(ledger: &Ledger, filter: &Value) -> Vec<String> {
    let data = ledger.data(FIND, json!({ "filter": filter })).await;
    let edges = data["entries"]["edges"].as_array().unwrap();
    assert_eq!(data["entries"]["totalCount"], edges.len());
    let references = edges.iter().map(|edge| edge["node"]["reference"].as_str());
    references.map(|it| it.unwrap_or("-").to_owned()).collect()
}

async fn filled(test: TestDatabase) -> Ledger {
    let ledger = Ledger::with_accounts(test).await;
    ledger.open("alice:savings", "EUR", "CREDIT", "NONE").await;
    for (reference, credit, amount, at, description, metadata) in [
        (
            "order-1",
            "alice",
            1999,
            "2026-03-30",
            "Coffee, for the team",
            json!({ "order": 1, "channel": "web" }),
        ),
        (
            "order-2",
            "alice:savings",
            500,
            "2026-03-31",
            "Rückzahlung",
            json!({ "order": "2", "channel": "web" }),
        ),
        (
            "rent-1",
            "alice",
            99_900,
            "2026-04-01",
            "Rent for MARCH",
            json!({ "paid": true }),
        ),
    ] {
        let input = json!({ "lines": [line("cash", credit, amount, "EUR")], "reference": reference, "description": description, "metadata": metadata, "effectiveAt": at });
        ledger.data(POST, json!({ "input": input })).await;
    }
    for expires_at in ["2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z"] {
        let hold =
            "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        let input = json!({ "lines": [line("cash", "alice", 7, "EUR")], "expiresAt": expires_at, "reference": format!("hold {}", &expires_at[9..10]) });
        let held = ledger.data(hold, json!({ "input": input })).await;
        if expires_at.ends_with("2T00:00:00Z") {
            let capture =
                "mutation ($hold: ID!) { captureHold(input: { hold: $hold }) { entry { id } } }";
            ledger
                .data(capture, json!({ "hold": held["placeHold"]["entry"]["id"] }))
                .await;
        }
    }
    ledger
}

on_every_engine! {
    async fn entries_are_found_by_what_people_ask(test: TestDatabase) {
        let ledger = filled(test).await;
        let pair = |key: &str, value: &str| json!([{ "key": key, "value": value }]);
        for (filter, expected) in [
            (json!({ "reference": " order-1 " }), vec!["order-1"]),
            (json!({ "reference": "order" }), vec![]),
            (json!({ "referencePrefix": "order-" }), vec!["order-1", "order-2"]),
            (json!({ "metadata": pair("channel", "web") }), vec!["order-1", "order-2"]),
            (json!({ "metadata": pair("order", "1") }), vec!["order-1"]),
            (json!({ "metadata": pair("paid", "true") }), vec!["rent-1"]),
            (json!({ "metadata": [{ "key": "channel", "value": "web" }, { "key": "order", "value": "2" }] }), vec!["order-2"]),
            (json!({ "text": "march rent" }), vec!["rent-1"]),
            (json!({ "text": "for" }), vec!["order-1", "rent-1"]),
            (json!({ "text": "rück" }), vec!["order-2"]),
            (json!({ "text": "ent" }), vec![]),
            (json!({ "accountCodePrefix": "alice:" }), vec!["order-2"]),
            (json!({ "account": { "code": "alice" }, "accountCodePrefix": "alice:" }), vec![]),
            (json!({ "amount": { "currency": "EUR", "min": "1999", "max": 1999 } }), vec!["order-1"]),
            (json!({ "amount": { "currency": "USD" } }), vec![]),
            (json!({ "kinds": ["HOLD", "CAPTURE"] }), vec!["hold 1", "hold 2", "-"]),
            (json!({ "hold": "OPEN" }), vec!["hold 1"]),
            (json!({ "hold": "CAPTURED" }), vec!["hold 2"]),
            (json!({ "hold": "EXPIRED" }), vec![]),
            (json!({ "hold": "RELEASED" }), vec![]),
            (json!({ "text": "for", "effectiveUntil": "2026-03-31" }), vec!["order-1"]),
            (json!({ "recordedUntil": "2020-01-01" }), vec![]),
            (json!({ "recordedFrom": "2020-01-01", "referencePrefix": "rent" }), vec!["rent-1"]),
        ] {
            assert_eq!(found(&ledger, &filter).await, expected, "{filter}");
        }
    }

    async fn what_cannot_be_found_by_is_refused_with_its_field(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let pair = |key: &str, value: &str| json!({ "metadata": [{ "key": "a", "value": "b" }, { "key": key, "value": value }] });
        let long = "x".repeat(201);
        for (field, filter) in [
            ("filter.text", json!({ "text": " - " })),
            ("filter.text", json!({ "text": "a b c d e f g h i" })),
            ("filter.metadata[1].key", pair(&long, "b")),
            ("filter.metadata[1].value", pair("b", &long)),
            ("filter.metadata[1].value", pair("b", "\u{0}")),
            ("filter.metadata", json!({ "metadata": vec![json!({ "key": "a", "value": "b" }); 9] })),
            ("filter.amount.max", json!({ "amount": { "currency": "EUR", "min": 2, "max": 1 } })),
            ("filter.referencePrefix", json!({ "referencePrefix": "\u{0}" })),
            ("filter.accountCodePrefix", json!({ "accountCodePrefix": long })),
            ("filter.recordedFrom", json!({ "recordedFrom": "0000-01-01T00:00:00Z" })),
            ("filter.timeZone", json!({ "recordedFrom": "2026-01-01T00:00:00Z", "timeZone": "UTC" })),
        ] {
            let error = ledger.error(FIND, json!({ "filter": filter })).await;
            assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!(field)), "{filter}: {error}");
        }
    }

    async fn accounts_and_their_sums_are_chosen_by_metadata(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        let open = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
        for (code, side, metadata) in [("cash", "DEBIT", json!({})), ("ann", "CREDIT", json!({ "tier": "gold" })), ("bob", "CREDIT", json!({ "tier": "gold", "country": "DE" })), ("eve", "CREDIT", json!({ "tier": "tin" }))] {
            ledger.data(open, json!({ "input": { "code": code, "name": code, "currency": "EUR", "normalSide": side, "metadata": metadata } })).await;
        }
        for (code, amount) in [("ann", 1), ("bob", 20), ("eve", 300), ("bob", 4000)] {
            ledger.post("cash", code, amount).await;
        }
        let query = "query ($filter: AccountFilter) { accounts(filter: $filter) { totalCount edges { node { code } } } accountSums(filter: $filter) { accounts credits { amount } } }";
        let pair = |key: &str, value: &str| json!({ "key": key, "value": value });
        for (filter, codes, credits) in [
            (json!({ "metadata": [pair("tier", "gold")] }), vec!["ann", "bob"], Some("4021")),
            (json!({ "metadata": [pair("tier", "gold"), pair("country", "DE")] }), vec!["bob"], Some("4020")),
            (json!({ "metadata": [pair("tier", "gold")], "balance": { "currency": "EUR", "max": 1 } }), vec!["ann"], Some("1")),
            (json!({ "balance": { "currency": "EUR", "min": 300, "max": "4020" } }), vec!["bob", "eve"], Some("4320")),
            (json!({ "metadata": [pair("tier", "lead")] }), vec![], None),
        ] {
            let data = ledger.data(query, json!({ "filter": filter })).await;
            let found: Vec<_> = data["accounts"]["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["code"].as_str().unwrap()).collect();
            assert_eq!((&found, data["accounts"]["totalCount"].as_u64()), (&codes, Some(codes.len() as u64)), "{filter}");
            assert_eq!(data["accountSums"][0]["credits"]["amount"].as_str(), credits, "{filter}");
        }
    }
}
