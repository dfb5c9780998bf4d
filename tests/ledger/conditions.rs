//! Conditions on balances under races: an invariant over two accounts, of which each entry touches one and looks at the other.

use std::cell::Cell;
use std::sync::Arc;

use super::book::{Book, by, line, new_account, new_entry, noon};
use super::concurrency::somebody_waits_for_a_lock;
use daybook::ledger::{
    BalanceCondition, BalanceKind, Clock, OpenAccount, PostEntry, PostEntryError, post_entry,
    posted_balance,
};
use daybook_entity::entry_line;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine, on_every_server};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::{EntityTrait, Statement, TransactionTrait};
use tokio::sync::Barrier;
use uuid::Uuid;

on_every_server! {
    a_condition_on_an_account_waits_for_who_changes_it
}

fn at_least(code: &str, least: i64) -> Vec<BalanceCondition> {
    vec![BalanceCondition {
        account: by(code),
        balance: BalanceKind::Posted,
        at_least: Some(least),
        at_most: None,
        equals: None,
    }]
}

/// Which of the two accounts (0, 1), and how much it pays (positive) or is paid.
type Move = (usize, i64);

/// Each writer's moves, in its order.
fn plan() -> impl Strategy<Value = Vec<Vec<Move>>> {
    let amount = prop_oneof![3 => 1..=200_i64, 2 => -150..=-1_i64];
    let moves = prop::collection::vec((0..2_usize, amount), 1..8);
    prop::collection::vec(moves, 2..6)
}

/// Either account may go down to -100 while the other has 100. So both together never have less than nothing, if each entry is posted while
/// what it looks at is so; were the other account only read, two could pay from both at once.
async fn never_below_nothing(
    book: Arc<Book>,
    plan: Vec<Vec<Move>>,
    refused: &Cell<usize>,
) -> Result<(), TestCaseError> {
    let case = Uuid::new_v4().simple().to_string();
    // Each has a bank of its own, so that nothing else keeps the entries apart.
    let codes = ["a", "b", "bank a", "bank b"].map(|code| format!("{case} {code}"));
    for (number, code) in codes.iter().enumerate() {
        let command = OpenAccount {
            min_balance: (number < 2).then_some(-100),
            ..new_account(code)
        };
        book.open(command).await.unwrap();
    }
    for own in 0..2 {
        book.transfer(&codes[own + 2], &codes[own], 100)
            .await
            .unwrap();
    }
    let start = Arc::new(Barrier::new(plan.len()));
    let writers = plan.into_iter().map(|moves| {
        let (book, start, codes) = (Arc::clone(&book), Arc::clone(&start), codes.clone());
        tokio::spawn(async move {
            start.wait().await;
            let mut refusals = Vec::new();
            for (which, amount) in moves {
                let (own, other, bank) = (&codes[which], &codes[1 - which], &codes[which + 2]);
                let command = if amount > 0 {
                    PostEntry {
                        conditions: at_least(other, 100),
                        ..new_entry(vec![line(own, bank, amount)])
                    }
                } else {
                    new_entry(vec![line(bank, own, -amount)])
                };
                refusals.extend(book.post(command).await.err());
            }
            refusals
        })
    });
    for refusals in join_all(writers).await {
        for refusal in refusals.unwrap() {
            match refusal {
                PostEntryError::ConditionNotMet(_) => refused.set(refused.get() + 1),
                PostEntryError::InsufficientFunds { .. } => {}
                refusal => prop_assert!(false, "{refusal:?}"),
            }
        }
    }
    // In the order of the outbox, which is that of the locks: every entry that pays was true of what those before it had left.
    let ids = [book.find(&codes[0]).await.id, book.find(&codes[1]).await.id];
    let mut balances = [0, 0];
    for line in in_order(&book).await {
        if let Some(own) = ids.iter().position(|id| *id == line.debit_account_id) {
            prop_assert!(balances[1 - own] >= 100, "{balances:?} {line:?}");
            balances[own] -= line.amount;
            prop_assert!(balances[0] + balances[1] >= 0, "{balances:?} {line:?}");
        } else if let Some(own) = ids.iter().position(|id| *id == line.credit_account_id) {
            balances[own] += line.amount;
        }
    }
    for (code, balance) in codes.iter().zip(balances) {
        prop_assert_eq!(posted_balance(&book.find(code).await), balance);
    }
    Ok(())
}

/// All lines, in the order of the outbox.
async fn in_order(book: &Book) -> Vec<entry_line::Model> {
    book.newest().await;
    let sql = "SELECT entry_line.* FROM entry_line JOIN outbox ON outbox.entry_id = entry_line.entry_id ORDER BY seq, line_no";
    let statement = Statement::from_string(book.db.get_database_backend(), sql);
    let lines = entry_line::Entity::find().from_raw_sql(statement);
    lines.all(&book.db).await.unwrap()
}

on_every_engine! {
    async fn an_invariant_over_two_accounts_is_kept(database: TestDatabase) {
        let cases = if database.engine() == Engine::Sqlite { 20 } else { 30 };
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            let book = Arc::new(runtime.block_on(Book::new(database)));
            let refused = Cell::new(0);
            let config = Config { cases, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
            let result = TestRunner::new(config).run(&plan(), |plan| runtime.block_on(never_below_nothing(Arc::clone(&book), plan, &refused)));
            result.unwrap_or_else(|failure| panic!("{failure}"));
            assert!(refused.get() > 0, "no condition was ever in the way");
            runtime.block_on(book.is_sound());
        });
    }
}

/// The two that would both be true of what was there before: the second waits for the first, and is refused with what the first has left.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn a_condition_on_an_account_waits_for_who_changes_it(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    for code in ["bank", "a", "b"] {
        book.account(code).await;
    }
    for code in ["a", "b"] {
        book.transfer("bank", code, 100).await.unwrap();
    }
    let pay = |own: &str, other: &str| PostEntry {
        conditions: at_least(other, 100),
        ..new_entry(vec![line(own, "bank", 200)])
    };
    let clock = Clock::at(noon());
    let first = book.db.begin().await.unwrap();
    post_entry(&first, pay("a", "b"), &clock).await.unwrap();
    let second = tokio::spawn({
        let (book, pay) = (Arc::clone(&book), pay("b", "a"));
        async move { book.post(pay).await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    let PostEntryError::ConditionNotMet(unmet) = refused else {
        panic!("{refused:?}")
    };
    let of = (unmet.account_code.as_str(), unmet.at_least, unmet.actual);
    assert_eq!(of, ("a", Some(100), -100));
    book.is_sound().await;
}
