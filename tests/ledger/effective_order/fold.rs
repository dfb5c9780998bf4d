//! Statements against a fold over all lines.

use super::{ALL, Read, Step, carry_out, read};
use crate::ledger::book::{Book, at, new_account};
use crate::ledger::history::Dice;
use crate::ledger::pages::{model, requests};
use chrono::{DateTime, Utc};
use daybook::ledger::{OpenAccount, PointInTime, PostedEntry, StatementFilter, balances_at};
use daybook_entity::{LineEffect, Side, account};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use uuid::Uuid;

/// A line as one of its accounts sees it, in the order of the fold.
#[derive(Clone, Debug)]
struct Folded {
    effective_at: DateTime<Utc>,
    version: i64,
    effect: LineEffect,
    side: Side,
    balance: i64,
}

/// The lines of an account in effective order, added up one by one.
fn fold(account: &account::Model, entries: &[PostedEntry]) -> Vec<Folded> {
    let mut lines = Vec::new();
    for entry in entries {
        for line in &entry.lines {
            let sides = [
                (Side::Debit, line.debit_account_id, line.debit_version),
                (Side::Credit, line.credit_account_id, line.credit_version),
            ];
            for (side, id, version) in sides {
                let moved = match line.effect {
                    LineEffect::Post | LineEffect::Capture => line.amount,
                    LineEffect::Hold | LineEffect::Release => 0,
                };
                let sign = if side == account.normal_side { 1 } else { -1 };
                if id == account.id {
                    lines.push(Folded {
                        effective_at: entry.entry.effective_at,
                        version,
                        effect: line.effect,
                        side,
                        balance: sign * moved,
                    });
                }
            }
        }
    }
    lines.sort_by_key(|line| (line.effective_at, line.version));
    let mut sum = 0;
    for line in &mut lines {
        sum += line.balance;
        line.balance = sum;
    }
    lines
}

fn passes(filter: &StatementFilter, line: &Folded) -> bool {
    let effects = filter.effects.as_ref();
    effects.is_none_or(|effects| effects.contains(&line.effect))
        && filter.side.is_none_or(|side| side == line.side)
        && filter
            .effective_from
            .is_none_or(|from| from <= line.effective_at)
        && filter
            .effective_until
            .is_none_or(|until| line.effective_at < until)
}

/// Filters of each sort, with instants around those of `at`.
fn filters() -> Vec<StatementFilter> {
    use LineEffect::{Capture, Hold, Post, Release};
    let none = StatementFilter::default;
    let effects = |effects: &[LineEffect]| Some(effects.to_vec());
    vec![
        none(),
        StatementFilter {
            effects: effects(&[Post, Capture]),
            ..none()
        },
        StatementFilter {
            effects: effects(&[Post]),
            ..none()
        },
        StatementFilter {
            effects: effects(&[Hold, Release]),
            ..none()
        },
        StatementFilter {
            effects: effects(&[]),
            ..none()
        },
        StatementFilter {
            side: Some(Side::Debit),
            ..none()
        },
        StatementFilter {
            side: Some(Side::Credit),
            effects: effects(&[Post]),
            ..none()
        },
        StatementFilter {
            effective_from: Some(at(2)),
            ..none()
        },
        StatementFilter {
            effective_until: Some(at(3)),
            ..none()
        },
        StatementFilter {
            effective_from: Some(at(1)),
            effective_until: Some(at(4)),
            ..none()
        },
        StatementFilter {
            effective_from: Some(at(1)),
            effective_until: Some(at(4)),
            side: Some(Side::Debit),
            ..none()
        },
        StatementFilter {
            effective_from: Some(at(4)),
            effective_until: Some(at(1)),
            ..none()
        },
    ]
}

/// The whole statement, and some pages of it, are those of the fold, with each filter and from either end.
async fn statement_is_the_fold(
    book: &Book,
    account: &account::Model,
    entries: &[PostedEntry],
    dice: &mut Dice,
) -> Result<(), String> {
    let all = fold(account, entries);
    for filter in filters() {
        for newest_first in [false, true] {
            let mut expected: Vec<(i64, i64)> = all
                .iter()
                .filter(|line| passes(&filter, line))
                .map(|line| (line.version, line.balance))
                .collect();
            if newest_first {
                expected.reverse();
            }
            let of = |read: &Read| -> Vec<(i64, i64)> {
                let lines = read.lines.iter();
                lines
                    .map(|(_, version, balance)| (*version, *balance))
                    .collect()
            };
            let whole = read(book, account, &ALL, &filter, newest_first).await;
            if (of(&whole), whole.has_next_page, whole.has_previous_page)
                != (expected.clone(), false, false)
            {
                return Err(format!(
                    "{filter:?} {newest_first}: {:?}, not {expected:?}",
                    of(&whole)
                ));
            }
            let lines = whole.lines.into_iter();
            let places: Vec<(String, (i64, i64))> = lines
                .map(|(cursor, version, balance)| (cursor, (version, balance)))
                .collect();
            let requests = requests(&places);
            for _ in 0..3 {
                let chosen = dice.roll(i64::try_from(requests.len()).unwrap());
                let request = &requests[usize::try_from(chosen).unwrap()];
                let page = read(book, account, request, &filter, newest_first).await;
                let said = (of(&page), page.has_next_page, page.has_previous_page);
                let expected = model(&expected, request, &places);
                if said != expected {
                    return Err(format!(
                        "{filter:?} {newest_first} {request:?}: {said:?}, not {expected:?}"
                    ));
                }
            }
        }
    }
    // The last line that counts from an instant leaves the balance as of that instant.
    for seconds in -1..=6 {
        let point = PointInTime::EffectiveAt(at(seconds));
        let then = balances_at(&book.db, &[account.id], point).await.unwrap()[&account.id];
        let last = all.iter().rfind(|line| line.effective_at <= at(seconds));
        if then.posted != last.map_or(0, |line| line.balance) {
            return Err(format!(
                "{then:?} at {seconds}, and the statement has {last:?}"
            ));
        }
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..6_i64, 0..6_u8, 0..3_usize, 1..3_usize, 1..100_i64);
    prop::collection::vec(step, 1..25)
}

on_every_engine! {
    /// Random entries of every kind, most of them late and many from the same instant.
    async fn statement_in_effective_order_is_the_fold(database: TestDatabase) {
        let cases = if database.engine() == Engine::Sqlite { 12 } else { 4 };
        let runtime = tokio::runtime::Handle::current();
        // Proptest is not asynchronous: it runs on this thread, and the statements on the others.
        tokio::task::block_in_place(|| {
            let book = runtime.block_on(Book::new(database));
            let mut runner = TestRunner::new(Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() });
            let result = runner.run(&steps(), |steps| {
                runtime.block_on(async {
                    // Accounts of its own for each case, in one database.
                    let case = Uuid::new_v4().simple().to_string();
                    let codes: Vec<String> = (0..3).map(|number| format!("{case} {number}")).collect();
                    for (code, normal_side) in codes.iter().zip([Side::Debit, Side::Credit, Side::Debit]) {
                        book.open(OpenAccount { normal_side, ..new_account(code) }).await.unwrap();
                    }
                    let entries = carry_out(&book, &codes, &steps).await;
                    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
                    for code in &codes {
                        let account = book.find(code).await;
                        statement_is_the_fold(&book, &account, &entries, &mut dice).await.map_err(TestCaseError::fail)?;
                    }
                    Ok(())
                })
            });
            result.unwrap_or_else(|failure| panic!("{failure}"));
            runtime.block_on(book.is_sound());
        });
    }

    /// Every page that there is of a short statement with runs of late lines between lines in order.
    async fn every_page_in_effective_order_is_the_model_s(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b", "c"] {
            book.account(code).await;
        }
        let codes = ["a", "b", "c"].map(str::to_owned);
        let steps: Vec<Step> = [3, 0, 1, 4, 4, 2, 2, 5].into_iter().map(|seconds| (seconds, 5, 0, 1, 10 + seconds)).collect();
        let entries = carry_out(&book, &codes, &steps).await;
        let account = book.find("a").await;
        let all = fold(&account, &entries);
        for filter in [StatementFilter::default(), StatementFilter { side: Some(Side::Debit), effective_from: Some(at(1)), ..StatementFilter::default() }] {
            let expected: Vec<(i64, i64)> = all.iter().filter(|line| passes(&filter, line)).map(|line| (line.version, line.balance)).collect();
            let whole = read(&book, &account, &ALL, &filter, false).await;
            let places: Vec<_> = whole.lines.into_iter().map(|(cursor, version, balance)| (cursor, (version, balance))).collect();
            for request in requests(&places) {
                let page = read(&book, &account, &request, &filter, false).await;
                let lines: Vec<_> = page.lines.into_iter().map(|(_, version, balance)| (version, balance)).collect();
                assert_eq!((lines, page.has_next_page, page.has_previous_page), model(&expected, &request, &places), "{filter:?} {request:?}");
            }
        }
    }
}
