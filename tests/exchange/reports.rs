//! hledger is the oracle of sums over accounts: it adds up the export.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use daybook::ledger::{
    CodeParts, NewLine, OpenAccount, PostEntry, SumRequest, Until, account_sums, balance_sheets,
    sum_decimal, trial_balance,
};
use daybook_entity::AccountClass;
use daybook_test_harness::{TestDatabase, on_every_engine};

use super::command::{export, start, stderr};
use crate::ledger::book::{Book, by, effective, new_account, new_entry, new_hold, noon};

const ACCOUNTS: [(&str, &str, AccountClass); 8] = [
    ("assets:bank", "EUR", AccountClass::Asset),
    ("assets:bank:usd", "USD", AccountClass::Asset),
    ("assets:till", "EUR", AccountClass::Asset),
    ("debts:loan", "EUR", AccountClass::Liability),
    ("own", "EUR", AccountClass::Equity),
    ("own:usd", "USD", AccountClass::Equity),
    ("sales:web", "EUR", AccountClass::Income),
    ("wages", "EUR", AccountClass::Expense),
];

pub(crate) async fn filled(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    for (code, currency, class) in ACCOUNTS {
        let account = OpenAccount {
            currency: currency.to_owned(),
            class: Some(class),
            ..new_account(code)
        };
        book.open(account).await.unwrap();
    }
    let line = |debit: &str, credit: &str, currency: &str, amount: i64| NewLine {
        debit: by(debit),
        credit: by(credit),
        amount,
        currency: currency.to_owned(),
    };
    for number in 0..60 {
        let lines = vec![
            line("assets:bank", "own", "EUR", 1000 + number),
            line("assets:bank:usd", "own:usd", "USD", 7 * number + 1),
            line("assets:till", "sales:web", "EUR", 13 * number + 2),
            line("wages", "assets:bank", "EUR", 400 - number),
            line("assets:bank", "debts:loan", "EUR", 11),
        ];
        // Two or three entries a day, not in the order of their dates, before and after now.
        let at = noon() + TimeDelta::hours(10 * (number * 37 % 60) - 300);
        let entry = PostEntry {
            notes: effective(at),
            ..new_entry(lines)
        };
        let posted = book.post(entry).await.unwrap();
        if number % 9 == 0 {
            book.reverse(posted.entry.id).await.unwrap();
        }
    }
    book.hold(new_hold(vec![line("assets:till", "sales:web", "EUR", 5)]))
        .await
        .unwrap();
    book
}

pub(crate) type Sums = BTreeMap<String, BTreeMap<String, String>>;

/// What hledger says, by account and currency; nothing is left out where it is zero.
pub(crate) fn by_hledger(journal: &str, args: &[&str]) -> Sums {
    let mut all = vec![
        "-f",
        "-",
        "balance",
        "--no-total",
        "--flat",
        "--layout=bare",
        "--output-format",
        "csv",
    ];
    all.extend(args);
    let output = start("hledger", &all, journal).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let mut sums = Sums::new();
    let rows = csv::Reader::from_reader(output.stdout.as_slice())
        .into_deserialize::<(String, String, String)>()
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    for (account, currency, amount) in rows {
        if amount.chars().any(|c| matches!(c, '1'..='9')) {
            sums.entry(account).or_default().insert(currency, amount);
        }
    }
    sums
}

fn midnight(day: i64) -> (DateTime<Utc>, String) {
    let date = noon().date_naive() + TimeDelta::days(day);
    (
        date.and_time(chrono::NaiveTime::MIN).and_utc(),
        date.to_string(),
    )
}

/// Closing balances by code, as hledger writes them.
async fn by_daybook(book: &Book, parts: CodeParts, until: DateTime<Utc>) -> Sums {
    let request = SumRequest {
        by_code: Some(parts),
        effective_until: Some(until),
        ..SumRequest::default()
    };
    let mut sums = Sums::new();
    for sum in account_sums(&book.db, &request).await.unwrap() {
        if sum.closing() != 0 {
            let of_code = sums.entry(sum.code.clone().unwrap()).or_default();
            of_code.insert(sum.currency.clone(), sum_decimal(sum.closing(), 2));
        }
    }
    sums
}

on_every_engine! {
    async fn hledger_adds_up_the_same(test: TestDatabase) {
        let url = test.url().to_owned();
        let book = filled(test).await;
        let journal = export(&url, "hledger");
        let mut seen = 0;
        for day in [-20, -12, -5, 0, 1, 4, 20] {
            let (until, date) = midnight(day);
            let until_date = ["-e", date.as_str()];
            let flat = by_hledger(&journal, &until_date);
            seen += flat.len();
            assert_eq!(by_daybook(&book, CodeParts::All, until).await, flat, "{date}");
            let depth = [until_date[0], until_date[1], "--depth", "1"];
            assert_eq!(by_daybook(&book, CodeParts::First(1), until).await, by_hledger(&journal, &depth), "{date}");
            let of_class = |class: &str| {
                let sums = by_hledger(&journal, &[until_date[0], until_date[1], &format!("type:{class}"), "--depth", "0"]);
                sums.get("...").and_then(|sums| sums.get("EUR")).cloned().unwrap_or_else(|| "0.00".to_owned())
            };
            let sheets = balance_sheets(&book.db, Until { effective: Some(until), recorded: None }).await.unwrap();
            let sheet = &sheets[0];
            assert_eq!((sheet.currency.as_str(), sheets.len()), ("EUR", 2));
            assert_eq!(sum_decimal(sheet.assets, 2), of_class("A"), "{date}");
            assert_eq!(sum_decimal(-sheet.liabilities, 2), of_class("L"), "{date}");
            assert_eq!(sum_decimal(-sheet.equity, 2), of_class("E"), "{date}");
            assert_eq!(sheet.assets + sheet.unclassified, sheet.liabilities + sheet.equity + sheet.net_income);
            let balance = trial_balance(&book.db, Until { effective: Some(until), recorded: None }).await.unwrap();
            assert!(balance.totals.values().all(|(debit, credit)| debit == credit));
            assert_eq!(balance.accounts.len(), ACCOUNTS.len());
        }
        // Nothing at first, then every account.
        assert!(seen > 5 * ACCOUNTS.len() - 8, "{seen}");
    }

    async fn hledger_adds_up_a_period_the_same(test: TestDatabase) {
        let url = test.url().to_owned();
        let book = filled(test).await;
        let journal = export(&url, "hledger");
        let ((from, begin), (until, end)) = (midnight(-4), midnight(3));
        let changes = by_hledger(&journal, &["-b", &begin, "-e", &end]);
        let request = SumRequest {
            by_code: Some(CodeParts::All),
            effective_from: Some(from),
            effective_until: Some(until),
            ..SumRequest::default()
        };
        for sum in account_sums(&book.db, &request).await.unwrap() {
            let changed = sum.debits - sum.credits;
            let code = sum.code.clone().unwrap();
            let expected = changes.get(&code).and_then(|of| of.get(&sum.currency));
            assert_eq!(Some(&sum_decimal(changed, 2)).filter(|_| changed != 0), expected, "{code}");
        }
        assert_eq!(changes.len(), ACCOUNTS.len());
    }
}
