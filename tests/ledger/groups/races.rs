//! Changes of a tree at the same time: one after the other, each knowing the one before. Postings do not wait for them.

use super::{a_tree, contents, create, moved, new_group, path};
use crate::ledger::book::{Book, by, noon};
use crate::ledger::concurrency::somebody_waits_for_a_lock;
use daybook::ledger::{
    Clock, Code, DeleteAccountGroup, account_group, add_to_account_group, create_account_group,
    delete_account_group, groups_of_accounts, update_account_group,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_server};
use sea_orm::{ConnectionTrait, TransactionTrait};
use std::sync::Arc;

on_every_server! {
    changes_of_a_tree_come_one_after_the_other
}

#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn changes_of_a_tree_come_one_after_the_other(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    a_tree(&book).await;
    create(&book, "other").await.unwrap();
    let clock = Clock::at(noon());

    // An account into two groups: the second knows of the first.
    let first = book.db.begin().await.unwrap();
    add_to_account_group(&first, contents("tax:in", &["x"], &[]), &clock)
        .await
        .unwrap();
    let second = tokio::spawn({
        let (book, clock) = (Arc::clone(&book), clock.clone());
        async move {
            let command = contents("tax:out", &["x"], &[]);
            book.write(async |tx| add_to_account_group(tx, command, &clock).await)
                .await
        }
    });
    somebody_waits_for_a_lock(&book).await;
    // Neither another tree nor an entry waits. On MariaDB, an entry does: a foreign key locks the account that is put into a group.
    super::add(&book, "other", &["x"], &[]).await.unwrap();
    if engine == Engine::Postgres {
        book.transfer("x", "a", 1).await.unwrap();
    }
    first.commit().await.unwrap();
    second.await.unwrap().unwrap();
    let account = book.find("x").await.id;
    let places = groups_of_accounts(&book.db, &[account]).await.unwrap();
    let paths: Vec<_> = places[&account]
        .iter()
        .map(|it| it.group.path.as_str())
        .collect();
    assert_eq!(paths, ["other", "tax:out"]);

    // A group moves while another is created in it: the second finds no such group.
    let first = book.db.begin().await.unwrap();
    update_account_group(&first, moved("tax:in", "tax:moved"), &clock)
        .await
        .unwrap();
    let second = tokio::spawn({
        let (book, clock) = (Arc::clone(&book), clock.clone());
        async move {
            let command = new_group("tax:in:new");
            book.write(async |tx| create_account_group(tx, command, &clock).await)
                .await
        }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(Code::GroupNotFound));

    // Two trees of one name.
    let first = book.db.begin().await.unwrap();
    create_account_group(&first, new_group("new"), &clock)
        .await
        .unwrap();
    let second = tokio::spawn({
        let book = Arc::clone(&book);
        async move { create(&book, "new").await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(Code::GroupPathTaken));

    // A group is deleted while an account is put into it.
    let first = book.db.begin().await.unwrap();
    let command = DeleteAccountGroup {
        group: path("new"),
        expected_revision: None,
        recorded_by: None,
    };
    delete_account_group(&first, command, &clock).await.unwrap();
    let second = tokio::spawn({
        let (book, clock) = (Arc::clone(&book), clock.clone());
        async move {
            let command = contents("new", &["x"], &[]);
            book.write(async |tx| add_to_account_group(tx, command, &clock).await)
                .await
        }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(Code::GroupNotFound));
    assert_eq!(account_group(&book.db, &path("new")).await.unwrap(), None);
    book.is_sound().await;
}

/// An entry that holds an account does not keep it from being put into a group, and the group does not keep the next entry.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn entries_and_groups_do_not_wait_for_each_other() {
    let book = Book::new(TestDatabase::create(Engine::Postgres).await).await;
    a_tree(&book).await;
    let clock = Clock::at(noon());
    let posting = book.db.begin().await.unwrap();
    posting
        .execute_unprepared("SET LOCAL lock_timeout = '5s'")
        .await
        .unwrap();
    let entry = crate::ledger::book::new_entry(vec![crate::ledger::book::line("x", "a", 5)]);
    daybook::ledger::post_entry(&posting, entry, &clock)
        .await
        .unwrap();
    let grouping = book.db.begin().await.unwrap();
    grouping
        .execute_unprepared("SET LOCAL lock_timeout = '5s'")
        .await
        .unwrap();
    let mut command = contents("tax:in", &["x"], &[]);
    command.accounts.push(by("a"));
    add_to_account_group(&grouping, command, &clock)
        .await
        .unwrap();
    let entry = crate::ledger::book::new_entry(vec![crate::ledger::book::line("a", "x", 5)]);
    daybook::ledger::post_entry(&posting, entry, &clock)
        .await
        .unwrap();
    posting.commit().await.unwrap();
    grouping.commit().await.unwrap();
    book.is_sound().await;
}
