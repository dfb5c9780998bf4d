//! Journals that ledger publishes, and one in hledger's ways: each is imported as hledger understands it, or refused where it says so.

use super::command::{Balances, daybook, export, hledger_balances, start, stderr};
use crate::ledger::book::Book;
use daybook_test_harness::{TestDatabase, on_every_engine};
use std::collections::BTreeMap;
use std::path::Path;

/// Each with how hledger is to write its amounts, and what an import of it says.
const IMPORTED: [(&str, &str, &str); 4] = [
    (
        "ledger/demo.ledger",
        "$1000.00",
        "imported 13 entries of 20 lines; opened 12 accounts\n",
    ),
    (
        "ledger/transfer.dat",
        "1000 bytes",
        "imported 55 entries of 55 lines; opened 2 accounts; 1 currencies registered\n",
    ),
    (
        "ledger/C523E23F.ledger",
        "1000.00€",
        "imported 2 entries of 2 lines; opened 3 accounts\n",
    ),
    (
        "own/household.journal",
        "€1000.00",
        "imported 4 entries of 6 lines; opened 8 accounts; 1 transactions left out that move nothing between accounts; 1 prices, payees and tags left out\n",
    ),
];

const REFUSED: [(&str, &str); 3] = [
    (
        "ledger/drewr3.dat",
        "line 3: an automated posting is a rule, and no event: write its postings out (`hledger print --auto` does)",
    ),
    (
        "ledger/sample.dat",
        "line 5: an automated posting is a rule",
    ),
    (
        "ledger/wow.dat",
        "line 1: `C` is nothing that can be imported",
    ),
];

/// The amounts on each account, by currency; the accounts that were made of one with several are one again.
fn amounts(balances: &Balances) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut amounts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (account, text) in balances {
        let account = account.split(" [").next().unwrap();
        for amount in text.split(", ").filter(|amount| *amount != "0") {
            let is_number = |c: &char| c.is_ascii_digit() || matches!(c, '.' | '-');
            let number: String = amount.chars().filter(is_number).collect();
            let symbol: String = amount
                .chars()
                .filter(|c| !is_number(c) && *c != ' ')
                .collect();
            let currency = match symbol.as_str() {
                "$" => "USD".to_owned(),
                "€" => "EUR".to_owned(),
                other => other.to_uppercase(),
            };
            amounts
                .entry(account.to_owned())
                .or_default()
                .insert(currency, number);
        }
    }
    amounts
}

fn path(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/journals")
        .join(name)
        .display()
        .to_string()
}

/// What hledger says is on the accounts of a file.
fn original(path: &str, style: &str) -> Balances {
    let args = [
        "-f",
        path,
        "balance",
        "--no-total",
        "--flat",
        "--commodity-style",
        style,
        "--output-format",
        "csv",
    ];
    let output = start("hledger", &args, "").wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    csv::Reader::from_reader(output.stdout.as_slice())
        .into_deserialize()
        .map(Result::unwrap)
        .collect()
}

on_every_engine! {
    async fn what_can_be_kept_is_as_hledger_understands_it(_test: TestDatabase) {
        for (name, style, said) in IMPORTED {
            let test = TestDatabase::create(_test.engine()).await;
            let url = test.url().to_owned();
            let path = path(name);
            let output = daybook(&["import", "--format", "hledger", "--database", &url, &path], "");
            assert_eq!(String::from_utf8_lossy(&output.stdout), said, "{name}: {}", stderr(&output));
            let read = amounts(&hledger_balances(&export(&url, "hledger")));
            let original = amounts(&original(&path, style));
            assert!(original.len() > 1, "{original:?}");
            assert_eq!(read, original, "{name}");
            Book::empty(test).await.is_sound().await;
        }
    }

    async fn what_cannot_be_kept_is_refused_with_its_line(test: TestDatabase) {
        for (name, refusal) in REFUSED {
            let path = path(name);
            let output = daybook(&["import", "--format", "hledger", "--database", test.url(), &path], "");
            assert_eq!(output.status.code(), Some(1));
            let expected = format!("daybook: cannot import {path}: {refusal}");
            assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
        }
    }
}
