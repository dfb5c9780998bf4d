//! Random ledgers, out and in again: the same money on every account.

use super::command::{balances, export, hledger_balances, imported};
use crate::ledger::book::{Book, at, by, new_account, noon};
use daybook::ledger::{
    EntryNotes, NewLine, OpenAccount, PostEntry, new_entry_id, random, register_currency,
};
use daybook_entity::Side;
use daybook_test_harness::{Engine, TestDatabase};
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

const CURRENCIES: [(&str, i32); 5] = [
    ("ZERO", 0),
    ("TWO", 2),
    ("THREE", 3),
    ("EIGHT", 8),
    ("ATTO18", 18),
];

/// Of a line: the currency, from, to, the amount.
type Line = (usize, usize, usize, i64);

/// Four accounts of each currency, by what may be in a code, and entries: when, what for, which lines.
#[derive(Clone, Debug)]
struct Plan {
    codes: Vec<String>,
    entries: Vec<(i64, Option<String>, Vec<Line>)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let code = prop_oneof![
        3 => "[a-z]{1,8}(:[a-z ]{1,6}){0,2}",
        2 => "[ -~]{1,20}",
        2 => "\\PC{1,15}",
    ];
    let unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let is_refused = move |c: char| (c.is_whitespace() && c != ' ') || unseen.contains(c);
    let code = code.prop_filter("a code", move |code| {
        !code.trim().is_empty() && !code.contains(is_refused)
    });
    // The largest amounts once or twice only, for they add up.
    let amount = prop_oneof![20 => 1..1_000_000_i64, 1 => Just(i64::MAX / 64)];
    let line = (0..5_usize, 0..4_usize, 1..4_usize, amount);
    let line =
        line.prop_map(|(currency, from, by, amount)| (currency, from, (from + by) % 4, amount));
    let entry = (
        -200_000..200_000_i64,
        prop::option::of("\\PC{0,30}"),
        prop::collection::vec(line, 1..6),
    );
    (
        prop::collection::vec(code, 4),
        prop::collection::vec(entry, 1..12),
    )
        .prop_map(|(codes, entries)| Plan { codes, entries })
}

/// The code of an account of a currency: those that differ only in white space at their ends are the same, hence the numbers.
fn code(plan: &Plan, currency: usize, account: usize) -> String {
    let code = plan.codes[account].trim();
    match currency {
        0 => format!("{code}{account}"),
        _ => format!("{code}{account} [{}]", CURRENCIES[currency].0),
    }
}

async fn write(book: &Book, plan: &Plan) {
    for (number, (currency, exponent)) in CURRENCIES.iter().enumerate() {
        book.write(async |tx| {
            register_currency(tx, (*currency).to_owned(), *exponent, noon()).await
        })
        .await
        .unwrap();
        for account in 0..4 {
            let account = OpenAccount {
                currency: (*currency).to_owned(),
                normal_side: if account % 2 == 0 {
                    Side::Debit
                } else {
                    Side::Credit
                },
                ..new_account(&code(plan, number, account))
            };
            book.open(OpenAccount {
                name: "x".to_owned(),
                ..account
            })
            .await
            .unwrap();
        }
    }
    for (seconds, description, lines) in &plan.entries {
        let line = |(currency, from, to, amount): &(usize, usize, usize, i64)| NewLine {
            debit: by(&code(plan, *currency, *from)),
            credit: by(&code(plan, *currency, *to)),
            amount: *amount,
            currency: CURRENCIES[*currency].0.to_owned(),
        };
        let entry = PostEntry {
            id: new_entry_id(noon(), random()),
            lines: lines.iter().map(line).collect(),
            notes: EntryNotes {
                effective_at: Some(at(*seconds)),
                description: description.clone(),
                ..EntryNotes::default()
            },
            expect: Vec::new(),
            conditions: Vec::new(),
        };
        book.post(entry).await.unwrap();
    }
}

async fn check(engine: Engine, plan: Plan) {
    let test = TestDatabase::create(engine).await;
    let (url, observer) = (test.url().to_owned(), test.observer().await);
    let book = Book::new(test).await;
    write(&book, &plan).await;
    let money = balances(&observer).await;
    let journal = export(&url, "hledger");
    // Names are written another way where a journal cannot have them; what is on the accounts is the same.
    let count = |balances: BTreeMap<String, String>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        balances
            .into_values()
            .for_each(|balance| *counts.entry(balance).or_default() += 1);
        counts
    };
    assert_eq!(
        count(hledger_balances(&journal)),
        count(money.clone()),
        "{plan:?}\n{journal}"
    );
    for (format, text) in [("hledger", journal), ("csv", export(&url, "csv"))] {
        let other = TestDatabase::create(engine).await;
        let (other_url, other_observer) = (other.url().to_owned(), other.observer().await);
        imported(&other_url, format, &text);
        assert_eq!(balances(&other_observer).await, money, "{plan:?}\n{text}");
        Book::empty(other).await.is_sound().await;
    }
}

fn random_ledgers(engine: Engine, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 50,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&plan(), |plan| {
            runtime.block_on(check(engine, plan));
            Ok(())
        })
        .unwrap();
}

#[test]
fn random_ledgers_come_back_sqlite() {
    random_ledgers(Engine::Sqlite, 16);
}

#[test]
fn random_ledgers_come_back_postgres() {
    random_ledgers(Engine::Postgres, 6);
}
