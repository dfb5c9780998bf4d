//! hledger is the oracle of sums over accounts: it adds up the export.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use daybook::ledger::{
    CodeParts, GroupParts, NewLine, OpenAccount, PostEntry, SumRequest, Until, account_sums,
    balance_sheets, groups_of_accounts, sum_decimal, trial_balance,
};
use daybook_entity::AccountClass;
use daybook_test_harness::{TestDatabase, on_every_engine};

use super::command::{export, start, stderr};
use crate::ledger::book::{Book, by, effective, new_account, new_entry, new_hold, noon};
use crate::ledger::groups;

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

    /// hledger gets each account under the name of its group, and adds up the groups.
    async fn hledger_adds_up_groups_the_same(test: TestDatabase) {
        let url = test.url().to_owned();
        let book = filled(test).await;
        for path in ["tax", "tax:in", "tax:in:sales", "tax:out", "tax:assets"] {
            groups::create(&book, path).await.unwrap();
        }
        groups::add(&book, "tax:in:sales", &["sales:web"], &[]).await.unwrap();
        groups::add(&book, "tax:out", &["wages", "assets:till"], &[]).await.unwrap();
        groups::add(&book, "tax:assets", &[], &["assets:", "own:"]).await.unwrap();
        let journal = export(&url, "hledger");
        let (mut aliases, mut names) = (Vec::new(), Vec::new());
        for (code, ..) in ACCOUNTS {
            let id = book.find(code).await.id;
            let places = groups_of_accounts(&book.db, &[id]).await.unwrap();
            let group = places.get(&id).map_or("none", |it| it[0].group.path.as_str());
            aliases.push(format!("/^{code}$/={group}:-{code}"));
            names.push(group.to_owned());
        }
        assert_eq!(names.iter().filter(|it| *it == "none").count(), 2, "{names:?}");
        for (depth, day) in [(0, 1), (1, 1), (1, -5), (2, 20)] {
            let (until, date) = midnight(day);
            let request = SumRequest {
                by_group: Some(GroupParts { tree: "tax".to_owned(), depth: Some(depth) }),
                effective_until: Some(until),
                ..SumRequest::default()
            };
            let mut sums = Sums::new();
            for sum in account_sums(&book.db, &request).await.unwrap() {
                if sum.closing() != 0 {
                    let of_group = sums.entry(sum.group.clone().unwrap_or_else(|| "none".to_owned())).or_default();
                    of_group.insert(sum.currency.clone(), sum_decimal(sum.closing(), 2));
                }
            }
            let mut args = vec!["-e".to_owned(), date];
            args.extend(aliases.iter().map(|it| format!("--alias={it}")));
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            // hledger's accounts, each at the group that it is under, cut to the depth.
            let mut expected = BTreeMap::<String, BTreeMap<String, i128>>::new();
            for (account, amounts) in by_hledger(&journal, &args) {
                let (group, _) = account.split_once(":-").unwrap();
                let group = group.split(':').take(depth as usize + 1).collect::<Vec<_>>().join(":");
                for (currency, amount) in amounts {
                    let minor: i128 = amount.replace('.', "").parse().unwrap();
                    *expected.entry(group.clone()).or_default().entry(currency).or_default() += minor;
                }
            }
            let mut expected: Sums = expected.into_iter().map(|(group, of)| (group, of.into_iter().filter(|(_, it)| *it != 0).map(|(currency, it)| (currency, sum_decimal(it, 2))).collect())).collect();
            expected.retain(|_, of| !of.is_empty());
            assert_eq!(sums, expected, "{depth} {day}");
            assert!(day < 0 || sums.len() > 1);
        }
    }
}
