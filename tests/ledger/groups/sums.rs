//! Sums by group are the sums by code, added up by where the accounts are.

use super::places::{CODES, shuffled};
use super::{a_tree, path};
use crate::ledger::book::{Book, at, effective, line, new_entry};
use crate::ledger::history::Dice;
use daybook::ledger::{
    AccountFilter, AccountSum, AmountRange, Code, CodeParts, EntryFilter, EntryOrder, Every,
    GroupParts, InGroup, PageRequest, PostEntry, Series, SumRequest, Until, account_sums,
    count_entries, page_entries, time_zone, trial_balance,
};
use daybook_test_harness::{TestDatabase, on_every_engine};
use std::collections::BTreeMap;

/// Where a sum belongs in the answer, and its period.
type Key = (bool, Option<String>, Option<String>, usize);

fn group(path: &str, depth: Option<u32>) -> String {
    let parts = depth.map_or(usize::MAX, |depth| depth as usize + 1);
    path.split(':').take(parts).collect::<Vec<_>>().join(":")
}

on_every_engine! {
    async fn sums_by_group_are_those_of_its_accounts(database: TestDatabase) {
        let book = Book::new(database).await;
        let model = shuffled(&book, 0x0dd_ba11, 160).await;
        let mut dice = Dice(0x1234_5678);
        let codes = CODES;
        for number in 0..80 {
            let mut pick = || codes[usize::try_from(dice.roll(12)).unwrap()];
            let (debit, credit) = (pick(), pick());
            if debit == credit {
                continue;
            }
            let notes = effective(at((number * 37 % 80 - 40) * 86_400));
            let entry = PostEntry { notes, ..new_entry(vec![line(debit, credit, 100 + number)]) };
            book.post(entry).await.unwrap();
        }
        let trees: Vec<&String> = model.groups.iter().filter(|it| !it.contains(':')).collect();
        assert!(!trees.is_empty());
        let days = |days: i64| Some(at(days * 86_400));
        let (mut rows, mut without) = (0, 0);
        for tree in trees {
            for (from, until, recorded, every) in [
                (None, None, None, None),
                (days(-20), None, None, None),
                (None, days(3), None, None),
                (days(-30), days(10), Some(at(1)), None),
                (days(-30), days(30), None, Some(Every::Month)),
                (None, None, Some(at(0)), None),
            ] {
                for depth in [None, Some(0), Some(1), Some(2)] {
                    for (by_code, filter) in [
                        (None, AccountFilter::default()),
                        (Some(CodeParts::First(1)), AccountFilter { code_prefix: Some("a".to_owned()), ..AccountFilter::default() }),
                        (None, AccountFilter { group: Some(InGroup { group: path(tree), subgroups: true }), ..AccountFilter::default() }),
                    ] {
                        let series = every.map(|every| Series { every, time_zone: time_zone("timeZone", "UTC").unwrap() });
                        let request = SumRequest {
                            filter, by_code, effective_from: from, effective_until: until, recorded_until: recorded, series,
                            by_group: Some(GroupParts { tree: tree.clone(), depth }),
                            ..SumRequest::default()
                        };
                        let each = SumRequest { by_group: None, by_code: Some(CodeParts::All), ..request.clone() };
                        let mut expected: BTreeMap<Key, AccountSum> = BTreeMap::new();
                        let mut periods = BTreeMap::new();
                        for sum in account_sums(&book.db, &each).await.unwrap() {
                            let period = periods.entry(sum.code.clone()).or_insert(0_usize);
                            *period += 1;
                            let code = sum.code.clone().unwrap();
                            let place = model.place(tree, &code).map(|(it, _)| group(&it, depth));
                            let code = by_code.map(|_| code.split(':').next().unwrap().to_owned());
                            let key = (place.is_none(), place.clone(), code.clone(), *period);
                            let zero = AccountSum { group: place, code, accounts: 0, opening: 0, debits: 0, credits: 0, ..sum.clone() };
                            let total = expected.entry(key).or_insert(zero);
                            total.accounts += sum.accounts;
                            total.opening += sum.opening;
                            total.debits += sum.debits;
                            total.credits += sum.credits;
                        }
                        let sums = account_sums(&book.db, &request).await.unwrap();
                        assert_eq!(sums, expected.into_values().collect::<Vec<_>>(), "{request:?}");
                        rows += sums.len();
                        without += sums.iter().filter(|it| it.group.is_none()).count();
                    }
                }
            }
        }
        assert!(rows > 200 && without > 30, "{rows} {without}");
    }

    async fn entries_of_a_group_are_those_of_its_accounts(database: TestDatabase) {
        let book = Book::new(database).await;
        let model = shuffled(&book, 0x0dd_ba11, 160).await;
        let mut lines = Vec::new();
        for number in 0..132 {
            let (debit, credit) = (CODES[number % 12], CODES[(number + 1 + number / 12) % 12]);
            let amount = i64::try_from(number % 7 + 1).unwrap();
            let posted = book.transfer(debit, credit, amount).await.unwrap();
            lines.push((posted.entry.id, [debit, credit], amount));
        }
        let mut some = 0;
        for group in &model.groups {
            let tree = group.split(':').next().unwrap();
            let below = format!("{group}:");
            for least in [None, Some(5)] {
                let filter = EntryFilter {
                    account_group: Some(path(group)),
                    amount: least.map(|min| AmountRange { currency: "EUR".to_owned(), min: Some(min), max: None }),
                    ..EntryFilter::default()
                };
                let is_in = |code: &&str| model.place(tree, code).is_some_and(|(it, _)| it == *group || it.starts_with(&below));
                let of_group = lines.iter().filter(|(_, codes, amount)| codes.iter().any(is_in) && least.is_none_or(|least| *amount >= least));
                let mut expected: Vec<_> = of_group.map(|(id, ..)| *id).collect();
                expected.sort();
                let request = PageRequest { first: Some(100), ..PageRequest::default() };
                let page = page_entries(&book.db, &filter, EntryOrder::default(), &request).await.unwrap();
                let found: Vec<_> = page.edges.iter().map(|edge| edge.node.id).collect();
                assert_eq!(found, expected[..expected.len().min(100)], "{group} {least:?}");
                assert_eq!(count_entries(&book.db, &filter).await.unwrap(), expected.len() as u64);
                some += usize::from(!expected.is_empty());
            }
        }
        assert!(some > 6, "{some}");
    }

    /// Nothing is lost, and nothing is counted twice: whatever the tree is, the sums are those of the trial balance.
    async fn a_report_by_group_is_complete(database: TestDatabase) {
        let book = Book::new(database).await;
        a_tree(&book).await;
        for (debit, credit, amount) in [("a", "a:b", 1), ("a:b:c", "x", 20), ("x", "a", 300)] {
            book.transfer(debit, credit, amount).await.unwrap();
        }
        let by = |depth| SumRequest { by_group: Some(GroupParts { tree: "tax".to_owned(), depth }), ..SumRequest::default() };
        let rows = async |depth| {
            let sums = account_sums(&book.db, &by(depth)).await.unwrap();
            sums.into_iter().map(|it| (it.group, it.accounts, it.debits, it.credits)).collect::<Vec<_>>()
        };
        let row = |path: &str, accounts, debits, credits| (Some(path.to_owned()), accounts, debits, credits);
        assert_eq!(rows(None).await, [row("tax:in", 1, 1, 300), row("tax:in:deep", 1, 0, 1), row("tax:out", 1, 20, 0), (None, 1, 300, 20)]);
        assert_eq!(rows(Some(1)).await, [row("tax:in", 2, 1, 301), row("tax:out", 1, 20, 0), (None, 1, 300, 20)]);
        assert_eq!(rows(Some(0)).await, [row("tax", 3, 21, 301), (None, 1, 300, 20)]);
        let whole = trial_balance(&book.db, Until::default()).await.unwrap();
        assert_eq!(whole.accounts.len(), 4);
        let sum: i128 = account_sums(&book.db, &by(None)).await.unwrap().iter().map(AccountSum::closing).sum();
        assert_eq!(sum, 0);
        // A tree is named by its path; a group in it is no tree, and what is not there is refused.
        for tree in ["tax:in", "nothing", "", "tax:"] {
            let request = SumRequest { by_group: Some(GroupParts { tree: tree.to_owned(), depth: None }), ..SumRequest::default() };
            let refused = account_sums(&book.db, &request).await.unwrap_err();
            assert_eq!(refused.code(), Some(Code::GroupNotFound), "{tree}");
        }
    }
}
