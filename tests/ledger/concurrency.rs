//! Many at once on the same accounts.

use super::book::{Book, at, by, line, new_account, new_capture, new_entry, new_hold, noon};
use daybook::ledger::{
    Clock, Code, ExpectedVersion, OpenAccountError, PlaceHold, PostEntry, SetAccountStatus,
    SetAccountStatusError, capture_hold, place_hold, post_entry, posted_balance,
    set_account_status, verify,
};
use daybook_entity::{AccountStatus, account, late_line};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine, on_every_server};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, EntityTrait, Statement, TransactionTrait};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::Barrier;

on_every_server! {
    a_refusal_after_a_lost_race_says_what_is_left
    an_entry_that_waited_for_an_account_counts_from_its_turn
    a_capture_that_waited_past_the_expiry_is_refused
    an_account_is_not_closed_under_a_hold
}

on_every_engine! {
    /// Both ways at once, and a line each way within one entry: no update is lost, and nobody deadlocks.
    async fn postings_to_the_same_accounts_all_count(database: TestDatabase) {
        let book = Arc::new(Book::new(database).await);
        for code in ["a", "b", "c"] {
            book.account(code).await;
        }
        let start = Arc::new(Barrier::new(8));
        let writers = (0..8).map(|writer| {
            let (book, start) = (Arc::clone(&book), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                for _ in 0..10 {
                    let lines = if writer % 2 == 0 {
                        vec![line("a", "b", 3), line("b", "c", 1)]
                    } else {
                        vec![line("c", "a", 2), line("b", "a", 1)]
                    };
                    book.post(new_entry(lines)).await.unwrap();
                }
            })
        });
        for writer in join_all(writers).await {
            writer.unwrap();
        }
        // 40 of each kind, credit minus debit: a +2 +1 -3, b +3 -1 -1, c +1 -2 each time.
        for (code, balance, version) in [("a", 0, 120), ("b", 40, 120), ("c", -40, 80)] {
            let account = book.find(code).await;
            assert_eq!((posted_balance(&account), account.version), (balance, version), "{code}");
        }
        let check = verify(&book.db, 10).await.unwrap();
        assert!(check.is_sound(), "{check:?}");
        assert_eq!((check.accounts, check.entries, check.lines), (3, 80, 160));
    }

    /// Twenty spend the same hundred, ten units each: ten succeed, whoever is first.
    async fn a_limit_holds_against_a_crowd(database: TestDatabase) {
        let book = Arc::new(Book::new(database).await);
        book.account("bank").await;
        book.wallet("wallet").await;
        book.transfer("bank", "wallet", 100).await.unwrap();
        let start = Arc::new(Barrier::new(20));
        let spenders = (0..20).map(|_| {
            let (book, start) = (Arc::clone(&book), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                book.transfer("wallet", "bank", 10).await
            })
        });
        let results: Vec<_> = join_all(spenders).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10);
        for refused in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(refused.code(), Some(Code::InsufficientFunds), "{refused:?}");
        }
        assert_eq!(posted_balance(&book.find("wallet").await), 0);
        assert!(verify(&book.db, 10).await.unwrap().is_sound());
    }

    async fn one_expected_version_is_met_once(database: TestDatabase) {
        let book = Arc::new(Book::new(database).await);
        book.account("a").await;
        book.account("b").await;
        let start = Arc::new(Barrier::new(8));
        let writers = (0..8).map(|_| {
            let (book, start) = (Arc::clone(&book), Arc::clone(&start));
            tokio::spawn(async move {
                let command = PostEntry {
                    expect: vec![ExpectedVersion { account: by("a"), version: 0 }],
                    ..new_entry(vec![line("a", "b", 1)])
                };
                start.wait().await;
                book.post(command).await
            })
        });
        let results: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for refused in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(refused.code(), Some(Code::VersionConflict), "{refused:?}");
        }
    }

    async fn one_code_is_taken_once(database: TestDatabase) {
        let book = Arc::new(Book::new(database).await);
        let start = Arc::new(Barrier::new(8));
        let openers = (0..8).map(|_| {
            let (book, start) = (Arc::clone(&book), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                book.open(new_account("cash")).await
            })
        });
        let results: Vec<_> = join_all(openers).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for refused in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(refused, OpenAccountError::CodeTaken { .. }), "{refused:?}");
        }
        assert_eq!(account::Entity::find().all(&book.db).await.unwrap().len(), 1);
    }
}

/// Refusals are decided under the lock: the second spender waits for the first to commit, and is refused with what is left, in a
/// transaction that is still usable.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn a_refusal_after_a_lost_race_says_what_is_left(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    book.account("bank").await;
    book.wallet("wallet").await;
    book.transfer("bank", "wallet", 100).await.unwrap();

    let first = book.db.begin().await.unwrap();
    let spend = new_entry(vec![line("wallet", "bank", 80)]);
    post_entry(&first, spend, &Clock::at(noon())).await.unwrap();
    let second = tokio::spawn({
        let book = Arc::clone(&book);
        async move {
            book.write(async |tx| {
                let spend = new_entry(vec![line("wallet", "bank", 50)]);
                let refused = post_entry(tx, spend, &Clock::at(noon())).await.unwrap_err();
                assert!(
                    account::Entity::find().all(tx).await.is_ok(),
                    "the transaction is still usable"
                );
                Err::<(), _>(refused)
            })
            .await
            .unwrap_err()
        }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = second.await.unwrap();
    assert_eq!(refused.code(), Some(Code::InsufficientFunds));
    assert!(
        refused
            .to_string()
            .contains("has 20 minor units of EUR available, and 50 are asked for"),
        "{refused}"
    );
}

/// An entry that waits for an account is recorded, and counts where nobody says otherwise, from when its turn comes: in the order of the
/// account's versions, so that it is not late.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn an_entry_that_waited_for_an_account_counts_from_its_turn(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    book.account("a").await;
    book.account("b").await;
    let seconds = Arc::new(AtomicI64::new(1));
    let clock = Clock::new({
        let seconds = Arc::clone(&seconds);
        move || at(seconds.load(Ordering::SeqCst))
    });

    let first = book.db.begin().await.unwrap();
    let there = new_entry(vec![line("a", "b", 1)]);
    post_entry(&first, there, &Clock::at(at(2))).await.unwrap();
    // It comes to the accounts after the first one, at an earlier time.
    let second = tokio::spawn({
        let book = Arc::clone(&book);
        async move {
            let back = new_entry(vec![line("b", "a", 1)]);
            book.write(async |tx| post_entry(tx, back, &clock).await)
                .await
        }
    });
    somebody_waits_for_a_lock(&book).await;
    seconds.store(3, Ordering::SeqCst);
    first.commit().await.unwrap();
    let entry = second.await.unwrap().unwrap().entry;
    assert_eq!((entry.effective_at, entry.recorded_at), (at(3), at(3)));
    assert_eq!(late_line::Entity::find().all(&book.db).await.unwrap(), []);
    book.is_sound().await;
}

/// A hold that expires while its capture waits for an account has expired.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn a_capture_that_waited_past_the_expiry_is_refused(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    book.account("a").await;
    book.account("b").await;
    let hold = PlaceHold {
        expires_at: Some(at(10)),
        ..new_hold(vec![line("a", "b", 1)])
    };
    let hold_id = book.hold(hold).await.unwrap().entry.id;
    let seconds = Arc::new(AtomicI64::new(9));
    let clock = Clock::new({
        let seconds = Arc::clone(&seconds);
        move || at(seconds.load(Ordering::SeqCst))
    });
    let capture = new_capture(hold_id, noon());

    let first = book.db.begin().await.unwrap();
    let transfer = new_entry(vec![line("a", "b", 1)]);
    post_entry(&first, transfer, &clock).await.unwrap();
    let second = tokio::spawn({
        let book = Arc::clone(&book);
        async move {
            book.write(async |tx| capture_hold(tx, capture, &clock).await)
                .await
        }
    });
    somebody_waits_for_a_lock(&book).await;
    seconds.store(10, Ordering::SeqCst);
    first.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(Code::HoldExpired));
    book.is_sound().await;
}

/// Whoever comes first, an account is never closed with a hold on it: the other waits, looks again, and is refused.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn an_account_is_not_closed_under_a_hold(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    book.account("a").await;
    book.account("b").await;

    let first = book.db.begin().await.unwrap();
    let hold = new_hold(vec![line("a", "b", 5)]);
    let hold = place_hold(&first, hold, &Clock::at(noon())).await;
    let hold_id = hold.unwrap().entry.id;
    let closing = tokio::spawn({
        let book = Arc::clone(&book);
        async move { book.set_status("a", AccountStatus::Closed).await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = closing.await.unwrap().unwrap_err();
    assert!(
        matches!(
            refused,
            SetAccountStatusError::NotEmpty {
                debits_pending: 5,
                ..
            }
        ),
        "{refused:?}"
    );
    book.release(hold_id, noon()).await.unwrap();

    let first = book.db.begin().await.unwrap();
    let command = SetAccountStatus {
        account: by("a"),
        status: AccountStatus::Closed,
        recorded_by: None,
    };
    let closed = set_account_status(&first, command, &Clock::at(noon())).await;
    closed.unwrap();
    let holding = tokio::spawn({
        let book = Arc::clone(&book);
        async move { book.hold(new_hold(vec![line("a", "b", 5)])).await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = holding.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(Code::AccountNotOpen), "{refused:?}");
    assert_eq!(book.find("a").await.debits_pending, 0);
    book.is_sound().await;
}

pub(super) async fn somebody_waits_for_a_lock(book: &Book) {
    while !somebody_waits(book).await {
        tokio::task::yield_now().await;
    }
}

async fn somebody_waits(book: &Book) -> bool {
    let ask = async |sql| {
        let question = Statement::from_string(book.db.get_database_backend(), sql);
        book.db.query_all_raw(question).await.unwrap()
    };
    if book.engine != Engine::MariaDb {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        return !ask(waiting).await.is_empty();
    }
    // Not INNODB_TRX: while somebody looks at it all the time, it stays as it was.
    let status: String = ask("SHOW ENGINE INNODB STATUS").await[0]
        .try_get("", "Status")
        .unwrap();
    let ours = ask("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE()").await;
    let ours: Vec<i64> = ours
        .iter()
        .map(|row| row.try_get("", "ID").unwrap())
        .collect();
    let transactions = status.split("---TRANSACTION ").skip(1);
    let waiting = transactions.filter(|it| it.contains("\nLOCK WAIT "));
    let threads = waiting.filter_map(|it| it.split_once("MariaDB thread id "));
    threads
        .filter_map(|(_, rest)| rest.split(',').next()?.parse().ok())
        .any(|thread| ours.contains(&thread))
}
