//! Reversals: the mirror of an entry, once.

use super::book::{Book, line, new_entry, new_hold, noon};
use daybook::ledger::{
    Code, ReverseEntryError, new_entry_id, posted_balance, random, reversals_by_entry_id,
};
use daybook_entity::EntryKind;
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::sync::Barrier;

async fn three_accounts(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    book.account("bank").await;
    book.account("fees").await;
    book.wallet("wallet").await;
    book
}

async fn balances(book: &Book) -> [i64; 3] {
    let balance = async |code| posted_balance(&book.find(code).await);
    [
        balance("bank").await,
        balance("fees").await,
        balance("wallet").await,
    ]
}

on_every_engine! {
    async fn a_reversal_moves_everything_back(database: TestDatabase) {
        let book = three_accounts(database).await;
        let posted = book.post(new_entry(vec![line("bank", "wallet", 100), line("wallet", "fees", 3)])).await.unwrap();
        assert_eq!(balances(&book).await, [-100, 3, 97]);
        let reversal = book.reverse(posted.entry.id).await.unwrap();
        assert_eq!((reversal.entry.kind, reversal.entry.reverses_id), (EntryKind::Reversal, Some(posted.entry.id)));
        assert_eq!(balances(&book).await, [0, 0, 0]);
        for (line, mirrored) in posted.lines.iter().zip(&reversal.lines) {
            assert_eq!((line.debit_account_id, line.credit_account_id), (mirrored.credit_account_id, mirrored.debit_account_id));
            assert_eq!(line.amount, mirrored.amount);
        }
        let reversals = reversals_by_entry_id(&book.db, [posted.entry.id]).await.unwrap();
        assert_eq!(reversals[&posted.entry.id], reversal.entry);
        book.is_sound().await;
    }

    async fn an_entry_is_reversed_once_and_a_reversal_can_be_too(database: TestDatabase) {
        let book = three_accounts(database).await;
        let posted = book.transfer("bank", "wallet", 100).await.unwrap().entry.id;
        let reversal = book.reverse(posted).await.unwrap().entry.id;
        let refused = book.reverse(posted).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::AlreadyReversed));
        assert!(matches!(refused, ReverseEntryError::AlreadyReversed { reversed_by, .. } if reversed_by == reversal));
        book.reverse(reversal).await.unwrap();
        assert_eq!(balances(&book).await, [-100, 0, 100]);
        book.is_sound().await;
    }

    async fn an_entry_is_reversed_once_by_a_crowd(database: TestDatabase) {
        let book = Arc::new(three_accounts(database).await);
        for _ in 0..5 {
            let posted = book.transfer("bank", "wallet", 100).await.unwrap().entry.id;
            let start = Arc::new(Barrier::new(8));
            let clients = (0..8).map(|_| {
                let (book, start) = (Arc::clone(&book), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    book.reverse(posted).await
                })
            });
            let results: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
            let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
            assert_eq!(winners.len(), 1);
            for refused in results.iter().filter_map(|result| result.as_ref().err()) {
                assert!(matches!(refused, ReverseEntryError::AlreadyReversed { reversed_by, .. } if *reversed_by == winners[0].entry.id), "{refused:?}");
            }
        }
        assert_eq!(balances(&book).await, [0, 0, 0]);
        book.is_sound().await;
    }

    /// Money that is gone cannot be taken back.
    async fn limits_hold_for_a_reversal(database: TestDatabase) {
        let book = three_accounts(database).await;
        let posted = book.transfer("bank", "wallet", 100).await.unwrap().entry.id;
        book.transfer("wallet", "fees", 1).await.unwrap();
        let refused = book.reverse(posted).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::InsufficientFunds));
        assert_eq!(balances(&book).await, [-100, 1, 99]);
        book.is_sound().await;
    }

    async fn of_a_capture_what_it_moved_is_reversed(database: TestDatabase) {
        let book = three_accounts(database).await;
        book.transfer("bank", "wallet", 100).await.unwrap();
        let hold = book.hold(new_hold(vec![line("wallet", "fees", 50)])).await.unwrap().entry.id;
        let refused = book.reverse(hold).await.unwrap_err();
        assert!(matches!(refused, ReverseEntryError::MovedNothing { kind: EntryKind::Hold, .. }), "{refused:?}");
        assert!(refused.to_string().ends_with("release it instead"), "{refused}");
        let capture = book.capture(hold, Some(vec![20]), noon()).await.unwrap().entry.id;
        book.reverse(capture).await.unwrap();
        assert_eq!(balances(&book).await, [-100, 0, 100]);
        let hold = book.hold(new_hold(vec![line("wallet", "fees", 100)])).await.unwrap().entry.id;
        let release = book.release(hold, noon()).await.unwrap().entry.id;
        assert_eq!(book.reverse(release).await.unwrap_err().code(), Some(Code::BadUserInput));
        assert_eq!(book.reverse(new_entry_id(noon(), random())).await.unwrap_err().code(), Some(Code::EntryNotFound));
        book.is_sound().await;
    }
}
