//! The ends of time: a range contains its beginning and not its end, a point contains itself, and a date is a whole day. One table for all
//! places where time is given.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

/// Around the end of March, in UTC and in Berlin, each a power of two.
const ENTRIES: [(&str, i64); 7] = [
    ("2026-03-01T00:00:00Z", 1),
    ("2026-03-31T00:00:00Z", 2),
    ("2026-03-31T21:59:59.999999Z", 4),
    // In Berlin, 1 April begins.
    ("2026-03-31T22:00:00Z", 8),
    ("2026-03-31T23:59:59.999999Z", 16),
    ("2026-04-01T00:00:00Z", 32),
    ("2999-01-01T00:00:00Z", 64),
];

async fn filled(test: TestDatabase) -> Ledger {
    let ledger = Ledger::serve(test).await;
    let open =
        "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
    for (code, side, class) in [("cash", "DEBIT", "ASSET"), ("sales", "CREDIT", "INCOME")] {
        let input = json!({ "code": code, "name": code, "currency": "EUR", "normalSide": side, "class": class });
        ledger.data(open, json!({ "input": input })).await;
    }
    for (at, amount) in ENTRIES {
        let input = json!({ "lines": [line("cash", "sales", amount, "EUR")], "effectiveAt": at });
        ledger.data(POST, json!({ "input": input })).await;
    }
    ledger
}

/// The one number at the end of an answer: of a list of entries or lines, the sum of their amounts.
fn number(value: &Value) -> i64 {
    match value {
        Value::Object(fields) if fields.contains_key("amount") && fields["amount"].is_string() => {
            fields["amount"].as_str().unwrap().parse().unwrap()
        }
        Value::Object(fields) => fields.values().map(number).sum(),
        Value::Array(items) => items.iter().map(number).sum(),
        _ => 0,
    }
}

/// The places where a range of effective time is given, each with the sum of what is in the range.
const RANGES: [&str; 4] = [
    "query ($from: DateTime, $until: DateTime, $zone: String) {
       entries(filter: { effectiveFrom: $from, effectiveUntil: $until, timeZone: $zone }) { edges { node { lines { amount { amount } } } } } }",
    "query ($from: DateTime, $until: DateTime, $zone: String) {
       account(by: { code: \"cash\" }) { statement(filter: { effectiveFrom: $from, effectiveUntil: $until, timeZone: $zone }) { edges { node { change { amount } } } } } }",
    "query ($from: DateTime, $until: DateTime, $zone: String) {
       accountSums(filter: { codePrefix: \"cash\" }, during: { effectiveFrom: $from, effectiveUntil: $until }, timeZone: $zone) { debits { amount } } }",
    "query ($from: DateTime!, $until: DateTime!, $zone: String) {
       incomeStatement(effectiveFrom: $from, effectiveUntil: $until, timeZone: $zone) { income { amount } } }",
];

/// The places where a point is given as the end of everything before it.
const ENDS: [&str; 3] = [
    "query ($until: DateTime, $zone: String) { trialBalance(effectiveUntil: $until, timeZone: $zone) { accounts { debit { amount } } } }",
    "query ($until: DateTime, $zone: String) { balanceSheet(effectiveUntil: $until, timeZone: $zone) { assets { amount } } }",
    "query ($until: DateTime, $zone: String) { accountSums(filter: { codePrefix: \"cash\" }, during: { effectiveUntil: $until }, timeZone: $zone) { closing { amount } } }",
];

const AT: &str = "query ($at: PointInTime!, $zone: String) { account(by: { code: \"cash\" }) { balances(at: $at, timeZone: $zone) { posted { amount } } } }";

on_every_engine! {
    async fn a_range_has_its_beginning_and_not_its_end_and_a_date_is_a_whole_day(test: TestDatabase) {
        let ledger = filled(test).await;
        for (from, until, zone, expected) in [
            ("2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z", None, 1),
            ("2026-03-31T00:00:00Z", "2026-04-01T00:00:00Z", None, 2 + 4 + 8 + 16),
            // Two neighbouring ranges share nothing.
            ("2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z", None, 32),
            ("2026-03-01", "2026-03-31", None, 1 + 2 + 4 + 8 + 16),
            ("2026-03-01", "2026-03-31", Some("UTC"), 1 + 2 + 4 + 8 + 16),
            ("2026-03-31", "2026-03-31", None, 2 + 4 + 8 + 16),
            ("2026-04-01", "2026-04-01", None, 32),
            ("2026-03-31", "2026-03-31", Some("Europe/Berlin"), 2 + 4),
            ("2026-04-01", "2026-04-30", Some("Europe/Berlin"), 8 + 16 + 32),
            ("2026-03-31", "2026-04-01T00:00:00Z", None, 2 + 4 + 8 + 16),
        ] {
            for query in RANGES {
                let variables = json!({ "from": from, "until": until, "zone": zone });
                let data = ledger.data(query, variables.clone()).await;
                assert_eq!(number(&data), expected, "{query} {variables}: {data}");
            }
        }
        for (until, zone, expected) in [
            ("2026-03-31T00:00:00Z", None, 1),
            ("2026-03-31", None, 31),
            ("2026-03-31", Some("Europe/Berlin"), 7),
            ("2026-04-01", None, 63),
        ] {
            for query in ENDS {
                let data = ledger.data(query, json!({ "until": until, "zone": zone })).await;
                assert_eq!(number(&data), expected, "{query} {until} {zone:?}: {data}");
            }
        }
    }

    async fn a_point_contains_itself_and_a_date_is_the_end_of_its_day(test: TestDatabase) {
        let ledger = filled(test).await;
        for (at, zone, expected) in [
            (json!({ "effectiveAt": "2026-04-01T00:00:00Z" }), None, 63),
            (json!({ "effectiveAt": "2026-03-31" }), None, 31),
            (json!({ "effectiveAt": "2026-03-31" }), Some("Europe/Berlin"), 7),
            (json!({ "effectiveAt": "2026-03-30" }), None, 1),
            (json!({ "recordedAt": "2026-01-01" }), None, 0),
            (json!({ "recordedAt": "9999-12-30" }), None, 127),
            // Without what is dated in the future.
            (json!({ "asOf": "NOW" }), None, 63),
        ] {
            let data = ledger.data(AT, json!({ "at": at, "zone": zone })).await;
            assert_eq!(number(&data), expected, "{at} {zone:?}");
        }
        let data = ledger.data("{ account(by: { code: \"cash\" }) { balances { posted { amount } } } }", json!({})).await;
        assert_eq!(number(&data), 127, "of all that is posted");
        // The end of a day by a point, and by the end of a range, is the same.
        let sheet = ledger.data(ENDS[1], json!({ "until": "2026-03-31" })).await;
        let balance = ledger.data(AT, json!({ "at": { "effectiveAt": "2026-03-31" } })).await;
        assert_eq!(number(&sheet), number(&balance));
    }

    async fn an_entry_can_be_dated_with_a_date_and_a_hold_cannot_expire_on_one(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let input = json!({ "lines": [line("cash", "alice", 1, "EUR")], "effectiveAt": "2026-03-31" });
        let posted = ledger.data(POST, json!({ "input": input })).await;
        assert_eq!(posted["postEntry"]["entry"]["effectiveAt"], "2026-03-31T00:00:00.000000Z");
        let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        let input = json!({ "lines": [line("cash", "alice", 1, "EUR")], "expiresAt": "2999-03-31" });
        let error = ledger.error(hold, json!({ "input": input })).await;
        assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "retryable": false, "field": "expiresAt" }));
        assert_eq!(ledger.count("entry").await, 1);
    }

    async fn what_is_neither_an_instant_nor_a_date_is_refused(test: TestDatabase) {
        let ledger = filled(test).await;
        for wrong in ["2026-02-30", "2026-3-1", "2026-03", "+2026-03-01", "20260331", "2026-03-31 ", "2026-03-31T00:00:00", "", "12026-01-1"] {
            for query in RANGES {
                let variables = json!({ "from": wrong, "until": "2026-03-31" });
                let response = ledger.run(query, variables).await;
                assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{wrong}: {response}");
            }
        }
        // Whoever gives a time zone believes that it matters.
        let instants = json!({ "from": "2026-03-01T00:00:00Z", "until": "2026-03-31T00:00:00Z", "zone": "Europe/Berlin" });
        for query in RANGES {
            let error = ledger.run(query, instants.clone()).await["errors"][0]["extensions"].take();
            let field = error["field"].as_str().unwrap();
            assert!(field.ends_with("timeZone"), "{query}: {error}");
        }
        for (at, zone) in [(json!({ "asOf": "NOW" }), "UTC"), (json!({ "version": 1 }), "UTC"), (json!({ "effectiveAt": "2026-03-31" }), "Mars/Olympus")] {
            let response = ledger.run(AT, json!({ "at": at, "zone": zone })).await;
            assert_eq!(response["errors"][0]["extensions"]["field"], "timeZone", "{response}");
        }
        for year in ["0000-01-01", "9999-12-31"] {
            let response = ledger.run(ENDS[0], json!({ "until": year })).await;
            assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{year}: {response}");
        }
    }
}
