//! Sums over accounts are what a fold over every line says.

use super::book::{Book, at, effective, line, new_account, new_entry};
use super::history::{Dice, post_many};
use super::volume::fill;
use chrono::{DateTime, TimeDelta, Utc};
use daybook::ledger::{
    AccountFilter, AccountSum, CodeParts, Every, OpenAccount, PostEntry, Series, SumRequest,
    account_sums, account_sums_statement, time_zone,
};
use daybook_entity::{AccountClass, LineEffect, account, entry, entry_line};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, EntityTrait};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where a period begins, and where it ends.
type Period = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// Everything that is in the ledger.
struct Everything {
    accounts: Vec<account::Model>,
    entries: BTreeMap<Uuid, entry::Model>,
    lines: Vec<entry_line::Model>,
}

impl Everything {
    async fn of(book: &Book) -> Self {
        let entries = entry::Entity::find().all(&book.db).await.unwrap();
        Self {
            accounts: account::Entity::find().all(&book.db).await.unwrap(),
            entries: entries.into_iter().map(|entry| (entry.id, entry)).collect(),
            lines: entry_line::Entity::find().all(&book.db).await.unwrap(),
        }
    }

    /// Debits and credits on an account, of entries that count from an instant of the period.
    fn moved(
        &self,
        account: &account::Model,
        from: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
        recorded: Option<DateTime<Utc>>,
    ) -> (i128, i128) {
        let mut moved = (0, 0);
        for line in &self.lines {
            let entry = &self.entries[&line.entry_id];
            let counts = matches!(line.effect, LineEffect::Post | LineEffect::Capture)
                && from.is_none_or(|from| entry.effective_at >= from)
                && until.is_none_or(|until| entry.effective_at < until)
                && recorded.is_none_or(|recorded| entry.recorded_at < recorded);
            if counts && line.debit_account_id == account.id {
                moved.0 += i128::from(line.amount);
            }
            if counts && line.credit_account_id == account.id {
                moved.1 += i128::from(line.amount);
            }
        }
        moved
    }

    /// The sums of a request, whose series has these periods.
    fn sums(&self, request: &SumRequest, periods: &[Period]) -> Vec<AccountSum> {
        let filter = &request.filter;
        let chosen = self.accounts.iter().filter(|account| {
            filter
                .currency
                .as_ref()
                .is_none_or(|it| *it == account.currency)
                && filter.class.is_none_or(|it| Some(it) == account.class)
                && filter
                    .code_prefix
                    .as_ref()
                    .is_none_or(|it| account.code.starts_with(it.as_str()))
        });
        let mut groups: BTreeMap<_, Vec<AccountSum>> = BTreeMap::new();
        for account in chosen {
            let class = account.class.filter(|_| request.by_class);
            let code = request.by_code.map(|parts| match parts {
                CodeParts::All => account.code.clone(),
                CodeParts::First(parts) => {
                    let parts = usize::try_from(parts).unwrap();
                    let all: Vec<&str> = account.code.split(':').collect();
                    all[..parts.min(all.len())].join(":")
                }
            });
            let key = (
                account.currency.clone(),
                class.is_none(),
                class,
                code.clone(),
            );
            let sums = groups.entry(key).or_insert_with(|| {
                let sum =
                    |(from, until): &(Option<DateTime<Utc>>, Option<DateTime<Utc>>)| AccountSum {
                        currency: account.currency.clone(),
                        class,
                        code: code.clone(),
                        group: None,
                        accounts: 0,
                        from: *from,
                        until: *until,
                        opening: 0,
                        debits: 0,
                        credits: 0,
                    };
                periods.iter().map(sum).collect()
            });
            for sum in sums {
                sum.accounts += 1;
                if sum.from.is_some() {
                    let (debits, credits) =
                        self.moved(account, None, sum.from, request.recorded_until);
                    sum.opening += debits - credits;
                }
                let (debits, credits) =
                    self.moved(account, sum.from, sum.until, request.recorded_until);
                sum.debits += debits;
                sum.credits += credits;
            }
        }
        groups.into_values().flatten().collect()
    }
}

/// Accounts of several classes and currencies, and entries of every kind in any order of time.
async fn filled(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    for (code, currency, class) in [
        ("a", "EUR", Some(AccountClass::Asset)),
        ("b", "EUR", None),
        ("c", "EUR", Some(AccountClass::Income)),
        ("b:x", "EUR", Some(AccountClass::Asset)),
        ("b:x:1", "EUR", Some(AccountClass::Expense)),
        ("b:never", "EUR", Some(AccountClass::Equity)),
        ("b:yen", "JPY", Some(AccountClass::Asset)),
        ("yen", "JPY", None),
    ] {
        let account = OpenAccount {
            currency: currency.to_owned(),
            class,
            ..new_account(code)
        };
        book.open(account).await.unwrap();
    }
    post_many(&book, 60, true, |_, dice| at(dice.roll(800_000) - 400_000)).await;
    for number in 0..10 {
        let mut yen = line("b:yen", "yen", 7 + number);
        yen.currency = "JPY".to_owned();
        let lines = vec![
            line("b:x", "b:x:1", 3 * number + 1),
            line("a", "b:x", 5),
            yen,
        ];
        let notes = effective(at(number * 86_400 - 400_000));
        let entry = PostEntry {
            notes,
            ..new_entry(lines)
        };
        book.post(entry).await.unwrap();
    }
    book
}

/// One of these, or nothing.
fn pick<T: Clone>(dice: &mut Dice, of: &[T]) -> Option<T> {
    let index = dice.roll(i64::try_from(of.len()).unwrap() + 1);
    of.get(usize::try_from(index).unwrap()).cloned()
}

fn a_request(dice: &mut Dice, instants: &[DateTime<Utc>]) -> SumRequest {
    let filter = AccountFilter {
        currency: pick(
            dice,
            &["EUR".to_owned(), "JPY".to_owned(), "USD".to_owned()],
        ),
        class: pick(dice, &[AccountClass::Asset, AccountClass::Expense]),
        code_prefix: pick(dice, &["b", "b:x", "b:x:", "%", "_"].map(str::to_owned)),
        ..AccountFilter::default()
    };
    let filter = pick(dice, &[filter]).unwrap_or_default();
    let (mut from, mut until) = (pick(dice, instants), pick(dice, instants));
    if from.is_some() && until.is_some() && from > until {
        (from, until) = (until, from);
    }
    if from == until {
        until = until.map(|until| until + TimeDelta::microseconds(1));
    }
    SumRequest {
        filter,
        by_class: dice.roll(2) == 0,
        by_code: pick(
            dice,
            &[CodeParts::All, CodeParts::First(1), CodeParts::First(2)],
        ),
        effective_from: from,
        effective_until: until,
        recorded_until: pick(dice, instants),
        series: None,
        by_group: None,
    }
}

on_every_engine! {
    async fn every_sum_is_a_fold_over_the_lines(database: TestDatabase) {
        let book = filled(database).await;
        let all = Everything::of(&book).await;
        // The instants of entries themselves, so that it shows on which side of a bound they are.
        let mut instants: Vec<DateTime<Utc>> = all.entries.values().step_by(7)
            .flat_map(|entry| [entry.effective_at, entry.recorded_at, entry.effective_at + TimeDelta::microseconds(1)]).collect();
        instants.push("0001-01-01T00:00:00Z".parse().unwrap());
        instants.push("9999-12-31T23:59:59Z".parse().unwrap());
        let mut dice = Dice(0x5bd1_e995);
        for _ in 0..200 {
            let request = a_request(&mut dice, &instants);
            let expected = all.sums(&request, &[(request.effective_from, request.effective_until)]);
            assert_eq!(account_sums(&book.db, &request).await.unwrap(), expected, "{request:?}");
        }
        let everything = SumRequest { by_code: Some(CodeParts::All), ..SumRequest::default() };
        assert_eq!(account_sums(&book.db, &everything).await.unwrap().len(), 8);
    }

    async fn a_series_is_one_sum_after_the_other(database: TestDatabase) {
        let book = filled(database).await;
        let all = Everything::of(&book).await;
        let (from, until) = (at(-300_000), at(-300_000 + 86_400 * 6 + 5));
        let mut periods: Vec<_> = (0..7).map(|day| at(-300_000 + day * 86_400)).collect();
        periods.push(until);
        let periods: Vec<_> = periods.windows(2).map(|pair| (Some(pair[0]), Some(pair[1]))).collect();
        for recorded_until in [None, Some(at(30)), Some(at(-1))] {
            for by_class in [false, true] {
                let request = SumRequest {
                    by_class,
                    effective_from: Some(from),
                    effective_until: Some(until),
                    recorded_until,
                    series: Some(Series { every: Every::Day, time_zone: time_zone("timeZone", "UTC").unwrap() }),
                    ..SumRequest::default()
                };
                let sums = account_sums(&book.db, &request).await.unwrap();
                assert_eq!(sums, all.sums(&request, &periods), "{request:?}");
                assert_eq!(sums.len() % 7, 0);
            }
        }
        // Four hundred periods are in one statement, too.
        let request = SumRequest {
            effective_from: Some(at(-399 * 86_400)),
            effective_until: Some(at(86_400)),
            series: Some(Series { every: Every::Day, time_zone: time_zone("timeZone", "UTC").unwrap() }),
            ..SumRequest::default()
        };
        let sums = account_sums(&book.db, &request).await.unwrap();
        assert_eq!(sums.len(), 2 * 400);
        let debits: i128 = sums.iter().filter(|sum| sum.currency == "JPY").map(|sum| sum.debits).sum();
        let of_yen = all.accounts.iter().filter(|account| account.currency == "JPY");
        let expected: i128 = of_yen.map(|account| all.moved(account, request.effective_from, request.effective_until, None).0).sum();
        assert_eq!(debits, expected);
    }

    async fn the_database_knows_the_classes(database: TestDatabase) {
        let book = filled(database).await;
        for class in ["'REVENUE'", "''", "'asset'"] {
            assert!(book.db.execute_unprepared(&format!("UPDATE account SET class = {class}, revision = revision + 1, revised_at = created_at")).await.is_err(), "{class}");
        }
        book.db.execute_unprepared("UPDATE account SET class = NULL, revision = revision + 1, revised_at = created_at").await.unwrap();
    }

    /// Sums over the last of many entries read these, and not the others.
    async fn recent_sums_read_no_table_of_the_journal_from_end_to_end(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        book.account("b").await;
        fill(&book, "a", "b", 20_000).await;
        if book.engine == Engine::Sqlite {
            // `fill` leaves statistics, and nothing makes them where the server runs.
            book.db.execute_unprepared("DELETE FROM sqlite_stat1; ANALYZE sqlite_schema;").await.unwrap();
        }
        let request = SumRequest {
            effective_from: Some(at(19_990)),
            recorded_until: Some(at(19_995)),
            ..SumRequest::default()
        };
        let sums = account_sums(&book.db, &request).await.unwrap();
        assert_eq!((sums[0].debits, sums[0].credits, sums[0].closing()), (5, 5, 0));
        let plan = book.plan(account_sums_statement(&book.db, &request).await.unwrap()).await;
        for scan in ["SCAN entry", "Seq Scan on entry"] {
            assert!(!plan.contains(scan), "{plan}");
        }
        let all_time = account_sums_statement(&book.db, &SumRequest::default()).await.unwrap();
        assert!(!book.plan(all_time).await.contains("entry"));
    }
}
