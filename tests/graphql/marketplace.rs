//! A month of a marketplace's books, and what people ask of them: each question is one operation, and hledger answers it from the export.

use std::collections::BTreeMap;

use daybook::ledger::sum_decimal;
use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, line};
use crate::exchange::command::{export, start, stderr};

const CUSTOMERS: i64 = 12;

/// The accounts, with customers and sellers in several countries.
async fn open(ledger: &Ledger) {
    let open =
        "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
    let mut accounts = vec![
        ("assets:bank".to_owned(), "DEBIT", "ASSET", json!({})),
        ("income:fees".to_owned(), "CREDIT", "INCOME", json!({})),
        ("expenses:refunds".to_owned(), "DEBIT", "EXPENSE", json!({})),
        ("equity:capital".to_owned(), "CREDIT", "EQUITY", json!({})),
    ];
    for number in 0..CUSTOMERS {
        let metadata = json!({ "country": if number % 3 == 0 { "AT" } else { "DE" } });
        accounts.push((
            format!("liabilities:customers:{number:03}"),
            "CREDIT",
            "LIABILITY",
            metadata,
        ));
    }
    for number in 0..3 {
        accounts.push((
            format!("liabilities:sellers:{number}"),
            "CREDIT",
            "LIABILITY",
            json!({}),
        ));
    }
    for (code, side, class, metadata) in accounts {
        let input = json!({ "code": code, "name": code, "currency": "EUR", "normalSide": side, "class": class, "metadata": metadata });
        ledger.data(open, json!({ "input": input })).await;
    }
}

/// The entries of March and the days around it: deposits, orders with a fee, payouts and refunds.
fn month() -> Vec<Value> {
    let mut inputs = vec![
        json!({ "lines": [line("assets:bank", "equity:capital", 1_000_000, "EUR")], "effectiveAt": "2026-02-01", "description": "Capital" }),
    ];
    for day in -3..34_i64 {
        let date =
            chrono::NaiveDate::from_ymd_opt(2026, 3, 1).unwrap() + chrono::TimeDelta::days(day);
        for number in 0..4 {
            let (customer, seller) = (
                (day * 5 + number * 7).rem_euclid(CUSTOMERS),
                (day + number).rem_euclid(3),
            );
            let (customer, seller) = (
                format!("liabilities:customers:{customer:03}"),
                format!("liabilities:sellers:{seller}"),
            );
            let price = 1000 + (day * 37 + number * 113).rem_euclid(900);
            let order = format!("order-{}-{number}", date.format("%m%d"));
            inputs.push(json!({ "lines": [line("assets:bank", &customer, price + 50, "EUR")], "effectiveAt": date.to_string(), "description": "Deposit by card" }));
            inputs.push(json!({
                "lines": [line(&customer, &seller, price - price / 10, "EUR"), line(&customer, "income:fees", price / 10, "EUR")],
                "effectiveAt": date.to_string(), "reference": order, "description": format!("Order of {} pencils", number + 1),
                "metadata": { "order": order, "channel": if number == 0 { "shop" } else { "web" } },
            }));
            if number == 3 {
                inputs.push(json!({ "lines": [line("expenses:refunds", &customer, 77, "EUR")], "effectiveAt": date.to_string(), "description": "Refund, late delivery" }));
            }
        }
    }
    inputs
}

async fn post(ledger: &Ledger, inputs: &[Value]) {
    let query = "mutation ($inputs: [PostEntryInput!]!) { postEntries(inputs: $inputs) { accounts { id } } }";
    ledger.data(query, json!({ "inputs": inputs })).await;
}

fn hledger(journal: &str, args: &[&str]) -> String {
    let all = [&["-f", "-"], args].concat();
    let output = start("hledger", &all, journal).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What `hledger balance` says, by account; what is zero is left out.
fn balances(journal: &str, args: &[&str]) -> BTreeMap<String, String> {
    let csv = [
        "balance",
        "--flat",
        "--no-total",
        "--layout=bare",
        "-O",
        "csv",
    ];
    let text = hledger(journal, &[&csv, args].concat());
    let rows = csv::Reader::from_reader(text.as_bytes())
        .into_deserialize::<(String, String, String)>()
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    let rows = rows
        .into_iter()
        .filter(|(_, _, amount)| amount.contains(|c: char| matches!(c, '1'..='9')));
    rows.map(|(account, _, amount)| (account, amount)).collect()
}

/// The one sum of what `hledger balance` says.
fn total(journal: &str, args: &[&str]) -> String {
    let found = balances(journal, &[args, &["--depth", "0"]].concat());
    found
        .into_values()
        .next()
        .unwrap_or_else(|| "0.00".to_owned())
}

/// How many transactions `hledger` finds.
fn transactions(journal: &str, args: &[&str]) -> usize {
    let text = hledger(journal, &[&["print", "-O", "csv"], args].concat());
    let rows = csv::Reader::from_reader(text.as_bytes())
        .into_records()
        .map(|row| row.unwrap()[0].to_owned());
    rows.collect::<std::collections::BTreeSet<_>>().len()
}

fn decimal(amount: &Value) -> String {
    sum_decimal(amount["amount"].as_str().unwrap().parse().unwrap(), 2)
}

const SUMS: &str = "query ($filter: AccountFilter, $by: [AccountSumKey!], $codeDepth: Int, $during: SumPeriod, $every: Every) {
  accountSums(filter: $filter, by: $by, codeDepth: $codeDepth, during: $during, every: $every) {
    class code accounts effectiveFrom opening { amount } debits { amount } credits { amount } closing { amount } } }";

/// The rows of `accountSums`, one operation.
async fn sums(ledger: &Ledger, variables: Value) -> Vec<Value> {
    let mut data = ledger.data(SUMS, variables).await;
    serde_json::from_value(data["accountSums"].take()).unwrap()
}

/// How many entries a filter finds, in one operation.
async fn count(ledger: &Ledger, filter: Value) -> u64 {
    let query =
        "query ($filter: EntryFilter) { entries(first: 1, filter: $filter) { totalCount } }";
    let data = ledger.data(query, json!({ "filter": filter })).await;
    data["entries"]["totalCount"].as_u64().unwrap()
}

on_every_engine! {
    async fn each_question_is_one_operation_and_hledger_agrees(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::serve(test).await;
        open(&ledger).await;
        for some in month().chunks(300) {
            post(&ledger, some).await;
        }
        let reported = export(&url, "hledger");
        let newest = ledger.data("{ entries(last: 1) { edges { node { recordedAt } } } }", json!({})).await;
        let newest: chrono::DateTime<chrono::Utc> = newest["entries"]["edges"][0]["node"]["recordedAt"].as_str().unwrap().parse().unwrap();
        let known = (newest + chrono::TimeDelta::microseconds(1)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        // After the report, something becomes known of March, and is dated so.
        post(&ledger, &[json!({ "lines": [line("liabilities:sellers:0", "income:fees", 4321, "EUR")], "effectiveAt": "2026-03-15", "reference": "late" })]).await;
        let now = export(&url, "hledger");

        let march = json!({ "effectiveFrom": "2026-03-01", "effectiveUntil": "2026-03-31" });
        let (begin, end) = (["-b", "2026-03-01"], ["-e", "2026-04-01"]);
        let in_march = [begin, end].concat();

        // What did we earn in March, and what did we report for it?
        let mut as_reported = march.clone();
        as_reported["recordedUntil"] = json!(known);
        for (during, journal) in [(&march, &now), (&as_reported, &reported)] {
            let rows = sums(&ledger, json!({ "filter": { "class": "INCOME" }, "during": during })).await;
            let earned = rows[0]["credits"]["amount"].as_str().unwrap().parse::<i128>().unwrap();
            assert_eq!(sum_decimal(-earned, 2), total(journal, &[&in_march[..], &["type:R"]].concat()));
        }
        assert_ne!(total(&now, &["type:R"]), total(&reported, &["type:R"]));

        // What do we owe customers and sellers together at the end of March, and each of them?
        let owed = sums(&ledger, json!({ "filter": { "codePrefix": "liabilities:" }, "by": ["CODE"], "codeDepth": 2, "during": { "effectiveUntil": "2026-03-31" } })).await;
        let expected = balances(&now, &[end[0], end[1], "--depth", "2", "acct:^liabilities"]);
        let found: BTreeMap<_, _> = owed.iter().map(|row| (row["code"].as_str().unwrap().to_owned(), decimal(&row["closing"]))).collect();
        assert_eq!((&found, found.len()), (&expected, 2));
        let each = sums(&ledger, json!({ "filter": { "class": "LIABILITY" }, "by": ["CODE"], "during": { "effectiveUntil": "2026-03-31" } })).await;
        let found: BTreeMap<_, _> = each.iter().map(|row| (row["code"].as_str().unwrap().to_owned(), decimal(&row["closing"]))).collect();
        assert_eq!(found, balances(&now, &[end[0], end[1], "type:L"]));

        // What came in and went out at the bank, apart?
        let bank = &sums(&ledger, json!({ "filter": { "codePrefix": "assets:bank" }, "during": march })).await[0];
        assert_eq!(decimal(&bank["debits"]), total(&now, &[&in_march[..], &["acct:^assets:bank$", "amt:>0"]].concat()));
        assert_eq!(decimal(&bank["opening"]), total(&now, &["-e", "2026-03-01", "acct:^assets:bank$"]));
        assert_eq!(decimal(&bank["closing"]), total(&now, &[end[0], end[1], "acct:^assets:bank$"]));

        // How do fees go, week by week?
        let weeks = sums(&ledger, json!({ "filter": { "codePrefix": "income:fees" }, "during": { "effectiveFrom": "2026-03-02", "effectiveUntil": "2026-03-29" }, "every": "WEEK" })).await;
        assert_eq!(weeks.len(), 4);
        for week in &weeks {
            let from = chrono::NaiveDate::parse_from_str(&week["effectiveFrom"].as_str().unwrap()[..10], "%Y-%m-%d").unwrap();
            let (from, until) = (from.to_string(), (from + chrono::TimeDelta::days(7)).to_string());
            let earned: i128 = week["credits"]["amount"].as_str().unwrap().parse().unwrap();
            assert_eq!(sum_decimal(-earned, 2), total(&now, &["-b", &from, "-e", &until, "acct:^income:fees$"]), "{from}");
        }

        // What do customers of a country have? (Metadata of accounts are not in a journal: hledger is told the accounts.)
        let austria = &sums(&ledger, json!({ "filter": { "metadata": [{ "key": "country", "value": "AT" }] }, "during": { "effectiveUntil": "2026-03-31" } })).await[0];
        assert_eq!((austria["accounts"].as_i64(), decimal(&austria["closing"])), (Some(4), total(&now, &[end[0], end[1], "acct:^liabilities:customers:0(00|03|06|09)$"])));

        // Balance sheet and trial balance.
        let sheet = ledger.data("{ balanceSheet(effectiveUntil: \"2026-03-31\") { assets { amount } liabilities { amount } equity { amount } netIncome { amount } }
            incomeStatement(effectiveFrom: \"2026-03-01\", effectiveUntil: \"2026-03-31\") { income { amount } expenses { amount } } }", json!({})).await;
        let negated = |amount: &Value| sum_decimal(-amount["amount"].as_str().unwrap().parse::<i128>().unwrap(), 2);
        let of = |class: &str| total(&now, &[end[0], end[1], class]);
        let at_end = &sheet["balanceSheet"][0];
        assert_eq!([decimal(&at_end["assets"]), negated(&at_end["liabilities"]), negated(&at_end["equity"])], [of("type:A"), of("type:L"), of("type:E")]);
        let earned = &sheet["incomeStatement"][0];
        assert_eq!(negated(&earned["income"]), total(&now, &[&in_march[..], &["type:R"]].concat()));
        assert_eq!(decimal(&earned["expenses"]), total(&now, &[&in_march[..], &["type:X"]].concat()));

        // Which entries? By text, account, amount and time, as hledger finds them, alone and together.
        let dated = |mut filter: Value| {
            filter["effectiveFrom"] = json!("2026-03-01");
            filter["effectiveUntil"] = json!("2026-03-31");
            filter
        };
        for (filter, query) in [
            (json!({ "text": "refund delivery" }), vec!["desc:Refund"]),
            (json!({ "text": "deposit" }), vec!["desc:Deposit"]),
            (json!({ "account": { "code": "liabilities:customers:007" } }), vec!["acct:^liabilities:customers:007$"]),
            (json!({ "accountCodePrefix": "liabilities:sellers:" }), vec!["acct:^liabilities:sellers:"]),
            (json!({ "text": "order 3 pencils", "account": { "code": "liabilities:sellers:1" } }), vec!["desc:Order of 3", "acct:^liabilities:sellers:1$"]),
            (json!({ "amount": { "currency": "EUR", "min": 77, "max": 77 }, "account": { "code": "expenses:refunds" } }), vec!["acct:expenses:refunds", "amt:77.00"]),
        ] {
            // hledger reads `77.00` as euros; the entries have cents.
            let query: Vec<&str> = query.into_iter().map(|it| if it == "amt:77.00" { "amt:0.77" } else { it }).collect();
            let expected = transactions(&now, &[&in_march[..], &query[..]].concat());
            assert_eq!(count(&ledger, dated(filter.clone())).await, expected as u64, "{filter}");
            assert!(expected > 0, "{filter}");
        }
        // By reference, by metadata: each order is one of its day.
        let order = ledger.data("{ entry(by: { reference: \"order-0315-2\" }) { effectiveAt metadata } }", json!({})).await;
        assert_eq!(order["entry"]["metadata"]["order"], "order-0315-2");
        assert_eq!(count(&ledger, json!({ "metadata": [{ "key": "order", "value": "order-0315-2" }] })).await, 1);
        assert_eq!(count(&ledger, json!({ "referencePrefix": "order-03" })).await, 31 * 4);
        assert_eq!(count(&ledger, dated(json!({ "metadata": [{ "key": "channel", "value": "shop" }] }))).await, 31);
        // Who has money, and who has more than so much?
        let query = "{ accounts(filter: { codePrefix: \"liabilities:customers:\", balance: { currency: \"EUR\", min: 700 } }) { totalCount } }";
        let rich = ledger.data(query, json!({})).await["accounts"]["totalCount"].as_u64();
        let all = balances(&now, &["acct:^liabilities:customers:"]);
        let expected = all.values().filter(|amount| amount.trim_start_matches('-').parse::<f64>().unwrap() >= 7.0).count();
        assert_eq!(rich, Some(expected as u64));
        // Which holds are open? They are in no journal.
        let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        for _ in 0..2 {
            ledger.data(hold, json!({ "input": { "lines": [line("liabilities:customers:001", "liabilities:sellers:1", 10, "EUR")] } })).await;
        }
        assert_eq!(count(&ledger, json!({ "hold": "OPEN" })).await, 2);
        // The same order again is posted once.
        let again = json!({ "input": { "lines": [line("assets:bank", "equity:capital", 1, "EUR")], "reference": "order-0315-2" } });
        let error = ledger.error("mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }", again).await;
        assert_eq!(error["extensions"]["code"], "REFERENCE_TAKEN");
    }
}
