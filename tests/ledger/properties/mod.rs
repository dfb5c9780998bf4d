//! Random operations on the ledger and on a small model of it: each is refused by both, for a reason that the model knows, or changes both
//! alike; and after each, everything adds up.

mod model;
mod operation;

use std::collections::BTreeSet;

use daybook::ledger::{
    BalanceCondition, BalanceKind, Code, NewLine, OpenAccount, PlaceHold, PostEntry,
};
use daybook_entity::AccountStatus;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use uuid::Uuid;

use self::model::{Account, Effect, Entry, Model, with_effect};
use self::operation::{Condition, Lines, Operation, operation};
use super::book::{Book, by, line, new_account, new_entry, new_hold, noon};

/// Runs one operation on both.
async fn step(
    book: &Book,
    codes: &[String],
    model: &mut Model,
    operation: Operation,
) -> Result<(), String> {
    let code_only = |code: &'static str| Err(BTreeSet::from([code]));
    let new_lines = |lines: &Lines| -> Vec<NewLine> {
        lines
            .iter()
            .map(|&(from, to, amount)| line(&codes[from], &codes[to], amount))
            .collect()
    };
    let asked = |conditions: &[Condition]| -> Vec<BalanceCondition> {
        let conditions = conditions.iter();
        let conditions =
            conditions.map(
                |&(account, is_available, at_least, at_most)| BalanceCondition {
                    account: by(&codes[account]),
                    balance: if is_available {
                        BalanceKind::Available
                    } else {
                        BalanceKind::Posted
                    },
                    at_least,
                    at_most,
                    equals: None,
                },
            );
        conditions.collect()
    };
    let entry = |id, is_hold, moves, lines| Entry {
        id,
        is_hold,
        lines,
        moves,
        is_resolved: false,
        is_reversed: false,
    };
    let (said, expected) = match operation {
        Operation::Post(lines, conditions) => {
            let said = book
                .post(PostEntry {
                    conditions: asked(&conditions),
                    ..new_entry(new_lines(&lines))
                })
                .await
                .map_err(|error| error.code());
            let expected = model.apply_if(&conditions, &with_effect(&lines, Effect::Post));
            if let Ok(posted) = &said {
                model
                    .entries
                    .push(entry(posted.entry.id, false, true, lines));
            }
            (said.map(drop), expected)
        }
        Operation::Hold(lines, conditions) => {
            let said = book
                .hold(PlaceHold {
                    conditions: asked(&conditions),
                    ..new_hold(new_lines(&lines))
                })
                .await
                .map_err(|error| error.code());
            let expected = model.apply_if(&conditions, &with_effect(&lines, Effect::Hold));
            if let Ok(posted) = &said {
                model
                    .entries
                    .push(entry(posted.entry.id, true, false, lines));
            }
            (said.map(drop), expected)
        }
        Operation::Capture(which, quarters) => {
            let holds = model.holds();
            let Some(&index) = holds.get(which % holds.len().max(1)) else {
                return Ok(());
            };
            let hold = model.entries[index].clone();
            let amounts: Option<Vec<i64>> = quarters.map(|quarters| {
                hold.lines
                    .iter()
                    .zip(quarters)
                    .map(|((_, _, amount), quarters)| amount / 4 * quarters)
                    .collect()
            });
            let said = book
                .capture(hold.id, amounts.clone(), noon())
                .await
                .map_err(|error| error.code());
            let amounts = amounts.unwrap_or_else(|| hold.lines.iter().map(|line| line.2).collect());
            let part = |effect, amount_of: &dyn Fn(usize, i64) -> i64| -> Vec<_> {
                let lines = hold.lines.iter().enumerate();
                lines
                    .map(|(index, &(from, to, held))| (from, to, amount_of(index, held), effect))
                    .filter(|line| line.2 > 0)
                    .collect()
            };
            let captured = part(Effect::Capture, &|index, _| amounts[index]);
            let freed = part(Effect::Release, &|index, held| held - amounts[index]);
            let expected = if hold.is_resolved {
                code_only(Code::HoldAlreadyResolved.as_str())
            } else if captured.is_empty() {
                code_only(Code::BadUserInput.as_str())
            } else {
                model.apply(&[captured.clone(), freed].concat())
            };
            if let Ok(posted) = &said {
                model.entries[index].is_resolved = true;
                let lines = captured
                    .into_iter()
                    .map(|(from, to, amount, _)| (from, to, amount))
                    .collect();
                model
                    .entries
                    .push(entry(posted.entry.id, false, true, lines));
            }
            (said.map(drop), expected)
        }
        Operation::Release(which) => {
            let holds = model.holds();
            let Some(&index) = holds.get(which % holds.len().max(1)) else {
                return Ok(());
            };
            let hold = model.entries[index].clone();
            let said = book
                .release(hold.id, noon())
                .await
                .map_err(|error| error.code());
            let expected = if hold.is_resolved {
                code_only(Code::HoldAlreadyResolved.as_str())
            } else {
                model.apply(&with_effect(&hold.lines, Effect::Release))
            };
            if let Ok(posted) = &said {
                model.entries[index].is_resolved = true;
                model
                    .entries
                    .push(entry(posted.entry.id, false, false, Vec::new()));
            }
            (said.map(drop), expected)
        }
        Operation::Reverse(which) => {
            let index = which % model.entries.len().max(1);
            let Some(reversed) = model.entries.get(index).cloned() else {
                return Ok(());
            };
            let said = book
                .reverse(reversed.id)
                .await
                .map_err(|error| error.code());
            let mirror: Lines = reversed
                .lines
                .iter()
                .map(|&(from, to, amount)| (to, from, amount))
                .collect();
            let expected = if !reversed.moves {
                code_only(Code::BadUserInput.as_str())
            } else if reversed.is_reversed {
                code_only(Code::AlreadyReversed.as_str())
            } else {
                model.apply(&with_effect(&mirror, Effect::Post))
            };
            if let Ok(posted) = &said {
                model.entries[index].is_reversed = true;
                model
                    .entries
                    .push(entry(posted.entry.id, false, true, mirror));
            }
            (said.map(drop), expected)
        }
        Operation::Status(index, status) => {
            let said = book
                .set_status(&codes[index], status)
                .await
                .map_err(|error| error.code());
            let account = &mut model.accounts[index];
            let [debits, debits_pending, credits, credits_pending] = account.totals;
            let is_empty = debits == credits && debits_pending == 0 && credits_pending == 0;
            let expected = if account.status == status {
                Ok(())
            } else if account.status == AccountStatus::Closed {
                code_only(Code::AccountNotOpen.as_str())
            } else if status == AccountStatus::Closed && !is_empty {
                code_only(Code::BadUserInput.as_str())
            } else {
                account.status = status;
                Ok(())
            };
            (said.map(drop), expected)
        }
        Operation::Limits(index, policy, min, max) => {
            let said = book.limit(&codes[index], policy, min, max).await;
            let said = said.map_err(|error| error.code());
            (
                said.map(drop),
                model.accounts[index].limit(policy, min, max),
            )
        }
    };
    match (&said, &expected) {
        (Ok(()), Ok(())) => {}
        (Err(Some(code)), Err(reasons)) if reasons.contains(code.as_str()) => {}
        _ => return Err(format!("the ledger says {said:?}, the model {expected:?}")),
    }
    for (code, expected) in codes.iter().zip(&model.accounts) {
        let account = book.find(code).await;
        let totals = [
            account.debits_posted,
            account.debits_pending,
            account.credits_posted,
            account.credits_pending,
        ];
        let found = Account {
            normal_side: account.normal_side,
            min: account.min_balance,
            max: account.max_balance,
            policy: account.limit_policy,
            status: account.status,
            totals: totals.map(i128::from),
            version: account.version,
        };
        if found != *expected {
            return Err(format!("{code} is {found:?}, in the model {expected:?}"));
        }
    }
    book.is_sound().await;
    Ok(())
}

on_every_engine! {
    async fn the_ledger_does_what_a_small_model_of_it_does(database: TestDatabase) {
        let cases = if database.engine() == Engine::Sqlite { 40 } else { 10 };
        let runtime = tokio::runtime::Handle::current();
        // Proptest is not asynchronous: it runs on this thread, and the operations on the others.
        tokio::task::block_in_place(|| {
            let book = runtime.block_on(Book::new(database));
            let mut runner = TestRunner::new(Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() });
            let operations = prop::collection::vec(operation(), 1..25);
            let result = runner.run(&operations, |operations| {
                runtime.block_on(async {
                    // Accounts of its own for each case, in one database.
                    let case = Uuid::new_v4().simple().to_string();
                    let codes: Vec<String> = (0..4).map(|number| format!("{case} {number}")).collect();
                    let mut model = Model::new();
                    for (code, account) in codes.iter().zip(&model.accounts) {
                        let &Account { normal_side, policy: limit_policy, min: min_balance, max: max_balance, .. } = account;
                        let command = OpenAccount { limit_policy, normal_side, min_balance, max_balance, ..new_account(code) };
                        book.open(command).await.unwrap();
                    }
                    for operation in operations {
                        let described = format!("{operation:?}");
                        step(&book, &codes, &mut model, operation).await.map_err(|problem| TestCaseError::fail(format!("{described}: {problem}")))?;
                    }
                    Ok(())
                })
            });
            result.unwrap_or_else(|failure| panic!("{failure}"));
        });
    }
}
