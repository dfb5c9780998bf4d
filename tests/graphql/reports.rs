//! Sums over accounts and reports, as clients ask for them.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

const SUMS: &str = "query ($filter: AccountFilter, $by: [AccountSumKey!], $codeDepth: Int, $during: SumPeriod, $every: Every, $timeZone: String) {
  accountSums(filter: $filter, by: $by, codeDepth: $codeDepth, during: $during, every: $every, timeZone: $timeZone) {
    currency class code accounts opening { amount } debits { amount } credits { amount } closing { amount }
  }
}";

async fn open(ledger: &Ledger, code: &str, currency: &str, class: Value) {
    let input = json!({ "code": code, "name": code, "currency": currency, "normalSide": "DEBIT", "class": class });
    let query =
        "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
    ledger.data(query, json!({ "input": input })).await;
}

/// Posts an entry that counts from an instant, and answers its id and when it was recorded.
async fn post(ledger: &Ledger, lines: Value, effective_at: &str) -> (Value, Value) {
    let input = json!({ "lines": lines, "effectiveAt": effective_at });
    let mut posted = ledger.data(POST, json!({ "input": input })).await;
    let mut entry = posted["postEntry"]["entry"].take();
    (entry["id"].take(), entry["recordedAt"].take())
}

/// The rows, each as its group, opening, debits, credits and closing.
async fn sums(ledger: &Ledger, variables: Value) -> Vec<String> {
    let data = ledger.data(SUMS, variables).await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let rows = data["accountSums"].as_array().unwrap().iter();
    rows.map(|row| {
        let amounts =
            ["opening", "debits", "credits", "closing"].map(|name| text(&row[name]["amount"]));
        format!(
            "{} {} {} {} {}",
            text(&row["currency"]),
            text(&row["class"]),
            text(&row["code"]),
            row["accounts"],
            amounts.join(" ")
        )
    })
    .collect()
}

/// A shop: its accounts have a class each.
async fn shop(ledger: &Ledger) {
    for (code, currency, class) in [
        ("bank", "EUR", json!("ASSET")),
        ("bank:usd", "USD", json!("ASSET")),
        ("loan", "EUR", json!("LIABILITY")),
        ("capital", "EUR", json!("EQUITY")),
        ("capital:usd", "USD", json!("EQUITY")),
        ("sales", "EUR", json!("INCOME")),
        ("rent", "EUR", json!("EXPENSE")),
        ("suspense", "EUR", Value::Null),
    ] {
        open(ledger, code, currency, class).await;
    }
}

on_every_engine! {
    async fn an_empty_ledger_has_no_sums(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        assert!(sums(&ledger, json!({ "by": ["CLASS", "CODE"] })).await.is_empty());
        let period = r#"effectiveFrom: "2026-01-01T00:00:00Z", effectiveUntil: "2026-02-01T00:00:00Z""#;
        let reports = ledger.data(&format!("{{ trialBalance {{ accountCount accounts {{ code }} totals {{ currency }} }}
            balanceSheet {{ currency }} incomeStatement({period}, every: DAY) {{ currency }} }}"), json!({})).await;
        assert_eq!(reports, json!({ "trialBalance": { "accountCount": 0, "accounts": [], "totals": [] }, "balanceSheet": [], "incomeStatement": [] }));
    }

    async fn january_as_it_was_known_on_5_february(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        post(&ledger, json!([line("bank", "capital", 1000, "EUR"), line("bank:usd", "capital:usd", 70, "USD")]), "2025-12-31T23:59:59.999999Z").await;
        post(&ledger, json!([line("bank", "sales", 300, "EUR")]), "2026-01-01T00:00:00Z").await;
        post(&ledger, json!([line("rent", "bank", 200, "EUR")]), "2026-01-31T23:59:59.999999Z").await;
        post(&ledger, json!([line("bank", "sales", 5000, "EUR")]), "2026-02-01T00:00:00Z").await;
        // Recorded after the report was made, and dated in January.
        let (_, late) = post(&ledger, json!([line("rent", "bank", 40, "EUR")]), "2026-01-15T12:00:00Z").await;
        let january = json!({ "effectiveFrom": "2026-01-01T00:00:00Z", "effectiveUntil": "2026-02-01T00:00:00Z" });
        assert_eq!(
            sums(&ledger, json!({ "by": ["CLASS"], "during": january })).await,
            [
                "EUR ASSET - 1 1000 300 240 1060",
                "EUR LIABILITY - 1 0 0 0 0",
                "EUR EQUITY - 1 -1000 0 0 -1000",
                "EUR INCOME - 1 0 0 300 -300",
                "EUR EXPENSE - 1 0 240 0 240",
                "EUR - - 1 0 0 0 0",
                "USD ASSET - 1 70 0 0 70",
                "USD EQUITY - 1 -70 0 0 -70",
            ]
        );
        let known = json!({ "effectiveFrom": "2026-01-01T00:00:00Z", "effectiveUntil": "2026-02-01T00:00:00Z", "recordedUntil": late });
        assert_eq!(
            sums(&ledger, json!({ "by": ["CODE"], "codeDepth": 1, "filter": { "class": "ASSET" }, "during": known })).await,
            ["EUR - bank 1 1000 300 200 1100", "USD - bank 1 70 0 0 70"]
        );
        // An offset is a part of the instant: this January begins an hour earlier.
        let berlin = json!({ "effectiveFrom": "2026-01-01T00:00:00+01:00", "effectiveUntil": "2026-02-01T00:00:00+01:00" });
        assert_eq!(sums(&ledger, json!({ "filter": { "codePrefix": "rent" }, "during": berlin })).await, ["EUR - - 1 0 40 0 40"]);

        let both = r#"effectiveUntil: "2026-02-01T00:00:00Z", recordedUntil: "LATE""#.replace("LATE", late.as_str().unwrap());
        let reports = ledger.data(&format!("{{
            balanceSheet({both}) {{ currency assets {{ decimal }} liabilities {{ decimal }} equity {{ decimal }} netIncome {{ decimal }} unclassified {{ amount }} }}
            trialBalance({both}) {{ accountCount accounts(first: 2, afterCode: \"bank:usd\") {{ code class debit {{ amount }} credit {{ amount }} }}
                totals {{ currency debit {{ amount }} credit {{ amount }} }} }}
            incomeStatement(effectiveFrom: \"2026-01-01T00:00:00Z\", {both}) {{ currency income {{ amount }} expenses {{ amount }} netIncome {{ amount }} }}
        }}"), json!({})).await;
        assert_eq!(reports["balanceSheet"], json!([
            { "currency": "EUR", "assets": { "decimal": "11.00" }, "liabilities": { "decimal": "0.00" }, "equity": { "decimal": "10.00" },
              "netIncome": { "decimal": "1.00" }, "unclassified": { "amount": "0" } },
            { "currency": "USD", "assets": { "decimal": "0.70" }, "liabilities": { "decimal": "0.00" }, "equity": { "decimal": "0.70" },
              "netIncome": { "decimal": "0.00" }, "unclassified": { "amount": "0" } },
        ]));
        assert_eq!(reports["trialBalance"], json!({
            "accountCount": 8,
            "accounts": [
                { "code": "capital", "class": "EQUITY", "debit": { "amount": "0" }, "credit": { "amount": "1000" } },
                { "code": "capital:usd", "class": "EQUITY", "debit": { "amount": "0" }, "credit": { "amount": "70" } },
            ],
            "totals": [
                { "currency": "EUR", "debit": { "amount": "1300" }, "credit": { "amount": "1300" } },
                { "currency": "USD", "debit": { "amount": "70" }, "credit": { "amount": "70" } },
            ],
        }));
        assert_eq!(reports["incomeStatement"], json!([
            { "currency": "EUR", "income": { "amount": "300" }, "expenses": { "amount": "200" }, "netIncome": { "amount": "100" } },
            { "currency": "USD", "income": { "amount": "0" }, "expenses": { "amount": "0" }, "netIncome": { "amount": "0" } },
        ]));
    }

    async fn a_series_follows_the_calendar_of_its_time_zone(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        for (at, amount) in [("2024-02-28T23:30:00+01:00", 1), ("2024-02-29T23:30:00+01:00", 2), ("2024-03-31T23:30:00+02:00", 4), ("2024-04-01T00:00:00+02:00", 8)] {
            post(&ledger, json!([line("bank", "sales", amount, "EUR")]), at).await;
        }
        let query = |zone: &str, from: &str, until: &str, every: &str| format!(
            r#"{{ incomeStatement(effectiveFrom: "{from}", effectiveUntil: "{until}", every: {every}, timeZone: "{zone}") {{ currency effectiveFrom income {{ amount }} }} }}"#
        );
        let ask = async |query: String| {
            let data = ledger.data(&query, json!({})).await;
            let rows = data["incomeStatement"].as_array().unwrap().iter().filter(|row| row["currency"] == "EUR");
            rows.map(|row| format!("{} {}", row["effectiveFrom"].as_str().unwrap(), row["income"]["amount"].as_str().unwrap())).collect::<Vec<_>>()
        };
        let months = query("Europe/Berlin", "2024-02-01T00:00:00+01:00", "2024-05-01T00:00:00+02:00", "MONTH");
        assert_eq!(ask(months).await, ["2024-01-31T23:00:00.000000Z 3", "2024-02-29T23:00:00.000000Z 4", "2024-03-31T22:00:00.000000Z 8"]);
        let months = query("UTC", "2024-02-01T00:00:00Z", "2024-05-01T00:00:00Z", "MONTH");
        assert_eq!(ask(months).await, ["2024-02-01T00:00:00.000000Z 3", "2024-03-01T00:00:00.000000Z 12", "2024-04-01T00:00:00.000000Z 0"]);
        let days = query("Europe/Berlin", "2024-02-28T00:00:00+01:00", "2024-03-02T00:00:00+01:00", "DAY");
        assert_eq!(ask(days).await, ["2024-02-27T23:00:00.000000Z 1", "2024-02-28T23:00:00.000000Z 2", "2024-02-29T23:00:00.000000Z 0"]);
        let weeks = query("UTC", "2024-02-26T00:00:00Z", "2024-03-11T00:00:00Z", "WEEK");
        assert_eq!(ask(weeks).await, ["2024-02-26T00:00:00.000000Z 3", "2024-03-04T00:00:00.000000Z 0"]);
    }

    async fn holds_do_not_count_and_reversals_do(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        let (entry, _) = post(&ledger, json!([line("bank", "sales", 100, "EUR")]), "2026-01-01T00:00:00Z").await;
        let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        let lines = json!({ "input": { "lines": [line("bank", "sales", 30, "EUR")] } });
        let held = ledger.data(hold, lines.clone()).await;
        ledger.data(hold, lines).await;
        let ask = json!({ "filter": { "codePrefix": "bank", "currency": "EUR" } });
        assert_eq!(sums(&ledger, ask.clone()).await, ["EUR - - 1 0 100 0 100"]);
        let capture = "mutation ($input: CaptureHoldInput!) { captureHold(input: $input) { entry { id } } }";
        ledger.data(capture, json!({ "input": { "hold": held["placeHold"]["entry"]["id"], "amounts": ["20"] } })).await;
        assert_eq!(sums(&ledger, ask.clone()).await, ["EUR - - 1 0 120 0 120"]);
        let reverse = "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { entry { id } } }";
        ledger.data(reverse, json!({ "input": { "entry": entry } })).await;
        assert_eq!(sums(&ledger, ask.clone()).await, ["EUR - - 1 0 120 100 20"]);
        let mut bounded = ask;
        bounded["during"] = json!({ "effectiveFrom": "2026-01-02T00:00:00Z" });
        assert_eq!(sums(&ledger, bounded).await, ["EUR - - 1 100 20 100 20"]);
    }

    async fn a_sum_can_be_larger_than_an_amount(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        for code in ["a:1", "a:2", "a:3", "b:1", "b:2", "b:3"] {
            open(&ledger, code, "EUR", Value::Null).await;
        }
        for number in 1..=3 {
            let amount = line(&format!("a:{number}"), &format!("b:{number}"), i64::MAX, "EUR");
            post(&ledger, json!([amount]), "2026-01-01T00:00:00Z").await;
        }
        let expected = ["EUR - a 3 0 27670116110564327421 0 27670116110564327421", "EUR - b 3 0 0 27670116110564327421 -27670116110564327421"];
        let by = json!({ "by": ["CODE"], "codeDepth": 1 });
        assert_eq!(sums(&ledger, by).await, expected);
        let from_lines = json!({ "by": ["CODE"], "codeDepth": 1, "during": { "effectiveFrom": "2025-01-01T00:00:00Z", "effectiveUntil": "2027-01-01T00:00:00Z" } });
        assert_eq!(sums(&ledger, from_lines).await, expected);
        let balance = ledger.data("{ trialBalance { totals { debit { decimal } credit { decimal } } } }", json!({})).await;
        assert_eq!(balance["trialBalance"]["totals"], json!([{ "debit": { "decimal": "276701161105643274.21" }, "credit": { "decimal": "276701161105643274.21" } }]));
    }

    async fn a_prefix_is_no_pattern(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        for code in ["100%", "100x", "a_b", "axb", r"a\b", r"a\", "é:1", "é:2"] {
            open(&ledger, code, "EUR", Value::Null).await;
        }
        for (prefix, count) in [("100%", 1), ("a_", 1), (r"a\", 2), ("%", 0), ("_", 0), ("é:", 2), ("a", 4), ("", 8)] {
            let rows = sums(&ledger, json!({ "filter": { "codePrefix": prefix }, "by": ["CODE"] })).await;
            assert_eq!(rows.len(), count, "{prefix}: {rows:?}");
        }
        assert_eq!(sums(&ledger, json!({ "filter": { "codePrefix": "é" }, "by": ["CODE"], "codeDepth": 1 })).await, ["EUR - é 2 0 0 0 0"]);
    }

    async fn what_makes_no_sense_is_refused_with_its_field(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let (from, until) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        for (field, variables) in [
            ("effectiveUntil", json!({ "during": { "effectiveFrom": until, "effectiveUntil": from } })),
            ("effectiveUntil", json!({ "during": { "effectiveFrom": from, "effectiveUntil": from } })),
            ("every", json!({ "every": "DAY" })),
            ("every", json!({ "every": "DAY", "during": { "effectiveFrom": from } })),
            ("every", json!({ "every": "DAY", "during": { "effectiveFrom": from, "effectiveUntil": "2036-01-01T00:00:00Z" } })),
            ("timeZone", json!({ "timeZone": "Europe/Berlin" })),
            ("timeZone", json!({ "timeZone": "Berlin", "every": "DAY", "during": { "effectiveFrom": from, "effectiveUntil": until } })),
            ("codeDepth", json!({ "codeDepth": 1 })),
            ("codeDepth", json!({ "codeDepth": 0, "by": ["CODE"] })),
            ("codeDepth", json!({ "codeDepth": -1, "by": ["CODE"] })),
            ("filter.codePrefix", json!({ "filter": { "codePrefix": "\u{0}" } })),
        ] {
            let error = ledger.error(SUMS, variables.clone()).await;
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{variables}");
            assert_eq!(error["extensions"]["field"], field, "{variables}");
        }
        let error = ledger.error("{ trialBalance { accounts(first: 1001) { code } } }", json!({})).await;
        assert_eq!(error["extensions"]["field"], "first");
    }
}
