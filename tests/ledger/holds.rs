//! Holds: money that is set aside counts at once, and is captured or released once.

use super::book::{Book, at, effective, line, new_capture, new_entry, new_hold, noon};
use daybook::ledger::{
    CaptureHold, Clock, Code, HoldError, PlaceHold, PostEntryError, available_balance,
    capture_hold, expired_holds, new_entry_id, pending_balance, posted_balance, random,
    release_expired_hold,
};
use daybook_entity::{AccountStatus, EntryKind, LineEffect, account_pending};
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use sea_orm::{EntityTrait, QueryOrder};
use std::sync::Arc;
use tokio::sync::Barrier;

/// A wallet with a hundred in it, and a shop.
async fn a_full_wallet(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    book.account("bank").await;
    book.account("shop").await;
    book.wallet("wallet").await;
    book.transfer("bank", "wallet", 100).await.unwrap();
    book
}

/// Posted, pending and available of an account.
async fn balances(book: &Book, code: &str) -> (i64, i64, i64) {
    let account = book.find(code).await;
    (
        posted_balance(&account),
        pending_balance(&account),
        available_balance(&account),
    )
}

on_every_engine! {
    async fn what_is_held_counts_against_the_limit_at_once(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 70)])).await.unwrap();
        assert_eq!(hold.entry.kind, EntryKind::Hold);
        assert_eq!(balances(&book, "wallet").await, (100, -70, 30));
        // What may come does not count.
        assert_eq!(balances(&book, "shop").await, (0, 70, 0));
        for refused in [
            book.transfer("wallet", "shop", 31).await.unwrap_err(),
            book.hold(new_hold(vec![line("wallet", "shop", 31)])).await.unwrap_err(),
        ] {
            let PostEntryError::InsufficientFunds { available, requested, .. } = refused else { panic!("{refused:?}") };
            assert_eq!((available, requested), (30, 31));
        }
        book.transfer("wallet", "shop", 30).await.unwrap();
        assert_eq!(balances(&book, "wallet").await, (70, -70, 0));
        book.is_sound().await;
    }

    async fn a_capture_moves_what_was_held(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 70)])).await.unwrap();
        let captured = book.capture(hold.entry.id, None, at(5)).await.unwrap();
        assert_eq!((captured.entry.kind, captured.entry.resolves_id), (EntryKind::Capture, Some(hold.entry.id)));
        assert_eq!(balances(&book, "wallet").await, (30, 0, 30));
        assert_eq!(balances(&book, "shop").await, (70, 0, 70));
        book.is_sound().await;
    }

    async fn a_part_is_captured_and_the_rest_is_freed(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        book.account("fees").await;
        let lines = vec![line("wallet", "shop", 60), line("wallet", "fees", 10), line("wallet", "shop", 20)];
        let hold = book.hold(new_hold(lines)).await.unwrap();
        let captured = book.capture(hold.entry.id, Some(vec![45, 10, 0]), at(5)).await.unwrap();
        let lines: Vec<_> = captured.lines.iter().map(|line| (line.effect, line.amount)).collect();
        assert_eq!(lines, [
            (LineEffect::Capture, 45), (LineEffect::Capture, 10), (LineEffect::Release, 15), (LineEffect::Release, 20),
        ]);
        assert_eq!(balances(&book, "wallet").await, (45, 0, 45));
        assert_eq!(balances(&book, "shop").await, (45, 0, 45));
        assert_eq!(balances(&book, "fees").await, (10, 0, 10));
        // One version and one row of pending totals for each line: 100, then 3 lines of the hold and 4 of the capture.
        let wallet = book.find("wallet").await;
        assert_eq!(wallet.version, 8);
        let pending = account_pending::Entity::find().order_by_asc(account_pending::Column::Version).all(&book.db).await.unwrap();
        let of_wallet: Vec<_> = pending.iter().filter(|row| row.account_id == wallet.id).map(|row| (row.version, row.debits_pending)).collect();
        assert_eq!(of_wallet, [(2, 60), (3, 70), (4, 90), (5, 45), (6, 35), (7, 20), (8, 0)]);
        book.is_sound().await;
    }

    async fn a_release_frees_all(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 70)])).await.unwrap();
        book.release(hold.entry.id, at(5)).await.unwrap();
        assert_eq!(balances(&book, "wallet").await, (100, 0, 100));
        assert_eq!(balances(&book, "shop").await, (0, 0, 0));
        book.transfer("wallet", "shop", 100).await.unwrap();
        book.is_sound().await;
    }

    async fn a_hold_is_resolved_once(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        for first in [EntryKind::Capture, EntryKind::Release] {
            let hold = book.hold(new_hold(vec![line("wallet", "shop", 10)])).await.unwrap().entry.id;
            let resolver = match first {
                EntryKind::Capture => book.capture(hold, Some(vec![1]), noon()).await,
                _ => book.release(hold, noon()).await,
            };
            let resolver = resolver.unwrap().entry.id;
            for refused in [book.capture(hold, None, noon()).await, book.release(hold, noon()).await] {
                let refused = refused.unwrap_err();
                assert_eq!(refused.code(), Some(Code::HoldAlreadyResolved));
                let HoldError::AlreadyResolved { hold_id, by } = refused else { panic!("{refused:?}") };
                assert_eq!((hold_id, by.id, by.kind), (hold, resolver, first));
            }
        }
        assert_eq!(balances(&book, "wallet").await, (99, 0, 99));
        book.is_sound().await;
    }

    /// Eight capture or release the same hold at the same instant: one does, and the others are told which.
    async fn a_hold_is_resolved_once_by_a_crowd(database: TestDatabase) {
        let book = Arc::new(a_full_wallet(database).await);
        for _ in 0..5 {
            let hold = book.hold(new_hold(vec![line("wallet", "shop", 10)])).await.unwrap().entry.id;
            let start = Arc::new(Barrier::new(8));
            let clients = (0..8).map(|client| {
                let (book, start) = (Arc::clone(&book), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    if client % 2 == 0 { book.capture(hold, None, noon()).await } else { book.release(hold, noon()).await }
                })
            });
            let results: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
            let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
            assert_eq!(winners.len(), 1);
            for refused in results.iter().filter_map(|result| result.as_ref().err()) {
                let HoldError::AlreadyResolved { by, .. } = refused else { panic!("{refused:?}") };
                assert_eq!(by.id, winners[0].entry.id);
            }
        }
        book.is_sound().await;
    }

    async fn more_than_was_held_is_not_captured(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 10), line("wallet", "bank", 5)])).await.unwrap().entry.id;
        for (field, amounts) in [
            ("amounts[0]", vec![11, 5]),
            ("amounts[1]", vec![0, -1]),
            ("amounts", vec![0, 0]),
            ("amounts", vec![10]),
            ("amounts", vec![]),
            ("amounts", vec![10, 5, 1]),
        ] {
            match book.capture(hold, Some(amounts), noon()).await.unwrap_err() {
                HoldError::Post(PostEntryError::Input(input)) => assert_eq!(input.field, field),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(balances(&book, "wallet").await, (100, -15, 85));
    }

    async fn an_expired_hold_can_only_be_released(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let expiring = |seconds| PlaceHold { expires_at: Some(at(seconds)), ..new_hold(vec![line("wallet", "shop", 10)]) };
        for already in [0, -1] {
            let refused = book.hold(expiring(already)).await.unwrap_err();
            assert_eq!(refused.code(), Some(Code::BadUserInput));
        }
        let [late, in_time] = [book.hold(expiring(60)).await.unwrap().entry.id, book.hold(expiring(60)).await.unwrap().entry.id];
        book.capture(in_time, None, at(59)).await.unwrap();
        let refused = book.capture(late, None, at(60)).await.unwrap_err();
        assert!(matches!(refused, HoldError::Expired { expired_at, .. } if expired_at == at(60)), "{refused:?}");
        // It counts until then.
        assert_eq!(balances(&book, "wallet").await, (90, -10, 80));
        book.release(late, at(1000)).await.unwrap();
        assert_eq!(balances(&book, "wallet").await, (90, 0, 90));
        book.is_sound().await;
    }

    async fn expired_holds_are_found_and_released_once(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let mut holds = Vec::new();
        for expires_at in [Some(at(30)), Some(at(10)), None, Some(at(20)), Some(at(90))] {
            holds.push(book.hold(PlaceHold { expires_at, ..new_hold(vec![line("wallet", "shop", 10)]) }).await.unwrap().entry.id);
        }
        book.capture(holds[3], None, at(1)).await.unwrap();
        let expired = async |since, now, limit| expired_holds(&book.db, since, now, limit).await.unwrap();
        assert!(expired(None, at(9), 10).await.is_empty());
        assert_eq!(expired(None, at(30), 10).await, [holds[1], holds[0]]);
        assert_eq!(expired(None, at(30), 1).await, [holds[1]]);
        assert_eq!(expired(Some(at(11)), at(30), 10).await, [holds[0]]);
        let release = async |hold| book.write(async |tx| release_expired_hold(tx, hold, &Clock::at(at(40))).await).await.unwrap();
        assert!(release(holds[1]).await.is_some());
        assert!(release(holds[1]).await.is_none());
        assert_eq!(expired(None, at(30), 10).await, [holds[0]]);
        book.is_sound().await;
    }

    async fn only_holds_are_resolved(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let posted = book.transfer("wallet", "shop", 1).await.unwrap().entry.id;
        let refused = book.capture(posted, None, noon()).await.unwrap_err();
        assert!(matches!(refused, HoldError::NotAHold { kind: EntryKind::Post, .. }), "{refused:?}");
        let refused = book.release(new_entry_id(noon(), random()), noon()).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::EntryNotFound));
    }

    /// Freezing an account keeps money on it, and does not keep its owner from getting back what is set aside.
    async fn a_frozen_account_s_hold_is_released_and_not_captured(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 10)])).await.unwrap().entry.id;
        let set = async |status| book.set_status("wallet", status).await;
        set(AccountStatus::Frozen).await.unwrap();
        assert!(set(AccountStatus::Closed).await.is_err());
        let refused = book.capture(hold, None, noon()).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::AccountNotOpen));
        assert_eq!(book.hold(new_hold(vec![line("wallet", "shop", 1)])).await.unwrap_err().code(), Some(Code::AccountNotOpen));
        book.release(hold, noon()).await.unwrap();
        assert_eq!(balances(&book, "wallet").await, (100, 0, 100));
        book.is_sound().await;
    }

    /// A hold on money that is only just enough, and one over the largest amount.
    async fn holds_keep_to_the_range(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        book.account("b").await;
        book.transfer("a", "b", i64::MAX - 5).await.unwrap();
        let refused = book.hold(new_hold(vec![line("a", "b", 6)])).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::AmountOutOfRange));
        let hold = book.hold(new_hold(vec![line("a", "b", 5)])).await.unwrap().entry.id;
        assert_eq!(book.transfer("a", "b", 1).await.unwrap_err().code(), Some(Code::AmountOutOfRange));
        let refused = book.hold(new_hold(vec![line("b", "a", i64::MAX), line("b", "a", 1)])).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::AmountOutOfRange));
        book.capture(hold, None, noon()).await.unwrap();
        assert_eq!(balances(&book, "b").await, (i64::MAX, 0, i64::MAX));
        book.is_sound().await;
    }

    /// What ends a hold does not count from before it.
    async fn a_capture_counts_from_the_hold_on(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let future = PlaceHold { notes: effective(at(3600)), ..new_hold(vec![line("wallet", "shop", 10)]) };
        let hold = book.hold(future).await.unwrap().entry.id;
        let early = CaptureHold { notes: effective(at(3599)), ..new_capture(hold, noon()) };
        let refused = book.write(async |tx| capture_hold(tx, early, &Clock::at(noon())).await).await.unwrap_err();
        assert!(matches!(&refused, HoldError::Post(PostEntryError::Input(input)) if input.field == "effectiveAt"), "{refused:?}");
        let captured = book.capture(hold, None, noon()).await.unwrap();
        assert_eq!((captured.entry.effective_at, captured.entry.recorded_at), (at(3600), noon()));
    }

    /// A thousand lines, each captured in part: two thousand lines resolve them.
    async fn the_largest_hold_is_captured_in_part(database: TestDatabase) {
        let book = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("bank", "shop", 2); 1000])).await.unwrap().entry.id;
        let captured = book.capture(hold, Some(vec![1; 1000]), noon()).await.unwrap();
        assert_eq!(captured.lines.len(), 2000);
        assert_eq!(balances(&book, "shop").await, (1000, 0, 1000));
        let both = vec![line("bank", "shop", 1), line("shop", "wallet", 1)];
        book.post(new_entry(both)).await.unwrap();
        book.is_sound().await;
    }
}
