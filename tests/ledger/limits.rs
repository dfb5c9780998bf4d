//! Limits under races, each in the order that is asked for: who comes second waits, and is then refused with the figures as they are.

use super::book::{Book, line, new_entry, new_limits, noon};
use super::concurrency::somebody_waits_for_a_lock;
use daybook::ledger::{
    Clock, Limit, PostEntryError, UpdateAccountError, post_entry, update_account,
};
use daybook_entity::LimitPolicy;
use daybook_test_harness::{Engine, TestDatabase, on_every_server};
use sea_orm::TransactionTrait;
use std::sync::Arc;

on_every_server! {
    a_limit_and_an_entry_wait_for_each_other
}

/// A limit and an entry that cannot both be. SQLite has one writer: there the second only begins when the first has ended.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn a_limit_and_an_entry_wait_for_each_other(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    for code in ["bank", "a", "b"] {
        book.account(code).await;
    }
    for code in ["a", "b"] {
        book.transfer("bank", code, 100).await.unwrap();
    }
    let spend = |code: &str| new_entry(vec![line(code, "bank", 80)]);

    // The entry first.
    let first = book.db.begin().await.unwrap();
    let clock = Clock::at(noon());
    post_entry(&first, spend("a"), &clock).await.unwrap();
    let limiting = tokio::spawn({
        let book = Arc::clone(&book);
        async move { book.limit("a", LimitPolicy::None, Some(50), None).await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = limiting.await.unwrap().unwrap_err();
    let UpdateAccountError::LimitExceeded {
        limit: Limit::MinBalance(50),
        beyond: 30,
        posted: 20,
        ..
    } = refused
    else {
        panic!("{refused:?}")
    };

    // The limit first.
    let first = book.db.begin().await.unwrap();
    let limits = new_limits("b", LimitPolicy::None, Some(50), None);
    update_account(&first, limits, &clock).await.unwrap();
    let spending = tokio::spawn({
        let book = Arc::clone(&book);
        let spend = spend("b");
        async move { book.post(spend).await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = spending.await.unwrap().unwrap_err();
    let PostEntryError::InsufficientFunds {
        min_balance: Some(50),
        available: 50,
        requested: 80,
        ..
    } = refused
    else {
        panic!("{refused:?}")
    };
    book.is_sound().await;
}
