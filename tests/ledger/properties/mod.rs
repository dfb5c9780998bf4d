//! Random operations on the ledger and on a small model of it: each is refused by both, for a reason that the model knows, or changes both
//! alike; and after each, everything adds up.

mod model;
mod operation;

use std::collections::BTreeSet;

use daybook::ledger::{
    BalanceCondition, BalanceKind, CaptureHold, Clock, Code, NewLine, OpenAccount, PlaceHold,
    PostEntry, capture_hold, lines_by_entry_id, remaining_by_entry_id,
};
use daybook_entity::AccountStatus;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use uuid::Uuid;

use self::model::{Account, Effect, Entry, Model, with_effect};
use self::operation::{Condition, Lines, Operation, operation};
use super::book::{Book, by, line, new_account, new_capture, new_entry, new_hold, noon};

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
    let entry = |id, is_hold, moves, lines: Lines| Entry {
        id,
        is_hold,
        left: lines.iter().map(|line| line.2).collect(),
        lines,
        moves,
        is_over: false,
    };
    // Lines that do this with their amount of `amounts`; those of no amount are left out.
    let part = |lines: &Lines, amounts: &[i64], effect| -> Vec<_> {
        let lines = lines.iter().zip(amounts);
        let lines = lines.map(|(&(from, to, _), amount)| (from, to, *amount, effect));
        lines.filter(|line| line.2 > 0).collect()
    };
    let moved = |lines: &[(usize, usize, i64, Effect)]| -> Lines {
        let lines = lines.iter();
        lines
            .map(|&(from, to, amount, _)| (from, to, amount))
            .collect()
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
        Operation::Capture(which, quarters, keeps_rest) => {
            let holds = model.holds();
            let Some(&index) = holds.get(which % holds.len().max(1)) else {
                return Ok(());
            };
            let hold = model.entries[index].clone();
            let (amounts, take) = hold.take(Code::HoldAlreadyResolved, quarters.as_deref());
            let command = CaptureHold {
                amounts,
                keeps_rest,
                ..new_capture(hold.id, noon())
            };
            let said = book
                .write(async |tx| capture_hold(tx, command, &Clock::at(noon())).await)
                .await
                .map_err(|error| error.code());
            let expected = take.and_then(|amounts| {
                let captured = part(&hold.lines, &amounts, Effect::Capture);
                let rest = hold.left.iter().zip(&amounts);
                let rest = rest.map(|(left, amount)| if keeps_rest { 0 } else { left - amount });
                let rest: Vec<i64> = rest.collect();
                let freed = part(&hold.lines, &rest, Effect::Release);
                model.apply(&[captured.clone(), freed].concat())?;
                let taken = amounts.iter().zip(&rest);
                let taken: Vec<i64> = taken.map(|(amount, rest)| amount + rest).collect();
                model.entries[index].took(&taken);
                Ok(captured)
            });
            if let (Ok(posted), Ok(captured)) = (&said, &expected) {
                let captured = entry(posted.entry.id, false, true, moved(captured));
                model.entries.push(captured);
            }
            (said.map(drop), expected.map(drop))
        }
        Operation::Release(which, quarters) => {
            let holds = model.holds();
            let Some(&index) = holds.get(which % holds.len().max(1)) else {
                return Ok(());
            };
            let hold = model.entries[index].clone();
            let (amounts, take) = hold.take(Code::HoldAlreadyResolved, quarters.as_deref());
            let said = book
                .release_of(hold.id, amounts, noon())
                .await
                .map_err(|error| error.code());
            let expected = take.and_then(|amounts| {
                model.apply(&part(&hold.lines, &amounts, Effect::Release))?;
                model.entries[index].took(&amounts);
                Ok(())
            });
            if let Ok(posted) = &said {
                model
                    .entries
                    .push(entry(posted.entry.id, false, false, Vec::new()));
            }
            (said.map(drop), expected)
        }
        Operation::Reverse(which, quarters) => {
            let index = which % model.entries.len().max(1);
            let Some(reversed) = model.entries.get(index).cloned() else {
                return Ok(());
            };
            let (amounts, take) = reversed.take(Code::AlreadyReversed, quarters.as_deref());
            let said = book
                .reverse_of(reversed.id, amounts)
                .await
                .map_err(|error| error.code());
            let mirror: Lines = reversed
                .lines
                .iter()
                .map(|&(from, to, amount)| (to, from, amount))
                .collect();
            let expected = match (reversed.moves, take) {
                (false, _) => code_only(Code::BadUserInput.as_str()).map(|()| Vec::new()),
                (true, Err(reasons)) => Err(reasons),
                (true, Ok(amounts)) => {
                    let back = part(&mirror, &amounts, Effect::Post);
                    model.apply(&back).map(|()| {
                        model.entries[index].took(&amounts);
                        back
                    })
                }
            };
            if let (Ok(posted), Ok(back)) = (&said, &expected) {
                model
                    .entries
                    .push(entry(posted.entry.id, false, true, moved(back)));
            }
            (said.map(drop), expected.map(drop))
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
    // What is left of each line is what the model has left.
    let ids: Vec<Uuid> = model.entries.iter().map(|entry| entry.id).collect();
    let left = remaining_by_entry_id(&book.db, &ids).await.unwrap();
    let mut lines = lines_by_entry_id(&book.db, ids).await.unwrap();
    for entry in &model.entries {
        let left = left.get(&entry.id).cloned().unwrap_or_default();
        let lines = lines.remove(&entry.id).unwrap_or_default();
        let found: Vec<i64> = lines.iter().filter_map(|line| left.of(line)).collect();
        if found != entry.left {
            let (id, expected) = (entry.id, &entry.left);
            return Err(format!(
                "{found:?} are left of {id}, in the model {expected:?}"
            ));
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
