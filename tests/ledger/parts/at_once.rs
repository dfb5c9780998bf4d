//! Several parts at the same moment.

use super::{a_full_wallet, balances, in_part, left};
use crate::ledger::book::{line, new_entry, new_hold, new_reversal, noon};
use crate::ledger::concurrency::somebody_waits_for_a_lock;
use daybook::ledger::{
    Clock, Code, HoldError, PostedEntry, RemainingExceeded, ReverseEntryError, reverse_entry,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine, on_every_server};
use futures_util::future::join_all;
use sea_orm::TransactionTrait;
use std::sync::Arc;
use tokio::sync::Barrier;

on_every_server! {
    the_second_of_two_parts_sees_the_first
}

on_every_engine! {
    /// Eight refunds of 15 of 100 at the same moment: six fit, and the others are told what is left.
    async fn a_crowd_never_takes_more_than_there_is(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        let book = Arc::new(book);
        let hold = {
            book.transfer("bank", "wallet", 100).await.unwrap();
            book.hold(new_hold(vec![line("wallet", "shop", 100)])).await.unwrap().entry.id
        };
        let start = Arc::new(Barrier::new(16));
        let clients = (0..16).map(|client| {
            let (book, start) = (Arc::clone(&book), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                match client % 4 {
                    0 | 2 => book.reverse_of(id, Some(vec![15])).await.map(|it| it.entry.part).map_err(|error| match error {
                        ReverseEntryError::Exceeded(exceeded) => exceeded,
                        other => panic!("{other:?}"),
                    }),
                    1 => resolved(book.capture_part(hold, &[15]).await),
                    _ => resolved(book.release_of(hold, Some(vec![15]), noon()).await),
                }
            })
        });
        let results: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
        for which in [0, 1] {
            let some: Vec<_> = results.iter().skip(which).step_by(2).collect();
            let mut parts: Vec<_> = some.iter().filter_map(|it| it.as_ref().ok()).collect();
            parts.sort_unstable();
            assert_eq!(parts, [&Some(1), &Some(2), &Some(3), &Some(4), &Some(5), &Some(6)]);
            for refused in some.iter().filter_map(|it| it.as_ref().err()) {
                assert_eq!((refused.remaining, refused.requested), (10, 15));
            }
        }
        assert_eq!((left(&book, id).await, left(&book, hold).await), (vec![Some(10)], vec![Some(10)]));
        let wallet = book.find("wallet").await;
        assert_eq!((wallet.debits_pending, wallet.credits_posted), (10, 200));
        book.is_sound().await;
    }

    /// Parts, and all that is left, at the same moment: nothing remains, and nothing is moved back twice.
    async fn all_that_is_left_is_what_the_parts_before_have_left(database: TestDatabase) {
        let (book, _) = a_full_wallet(database).await;
        let book = Arc::new(book);
        for _ in 0..4 {
            let id = book.transfer("wallet", "shop", 100).await.unwrap().entry.id;
            let start = Arc::new(Barrier::new(6));
            let clients = (0..6).map(|client| {
                let (book, start) = (Arc::clone(&book), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    book.reverse_of(id, (client > 0).then(|| vec![12])).await
                })
            });
            let results: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
            let mut moved = 0;
            for result in &results {
                match result {
                    Ok(posted) => moved += posted.lines[0].amount,
                    Err(refused) => assert_eq!(refused.code(), Some(Code::AlreadyReversed), "{refused:?}"),
                }
            }
            assert!(results[0].is_ok(), "{results:?}");
            assert_eq!((moved, left(&book, id).await), (100, vec![Some(0)]));
        }
        assert_eq!(balances(&book, "wallet").await, (100, 0, 100));
        book.is_sound().await;
    }
}

fn resolved(said: Result<PostedEntry, HoldError>) -> Result<Option<i32>, RemainingExceeded> {
    match said {
        Ok(posted) => Ok(posted.entry.part),
        Err(HoldError::Exceeded(exceeded)) => Err(exceeded),
        Err(other) => panic!("{other:?}"),
    }
}

/// The second of two refunds of 60 of 100 waits for the accounts, and is then refused with what the first has left. The second of two parts
/// of different lines, on different accounts, waits for the number of its part, and takes the next one.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn the_second_of_two_parts_sees_the_first(engine: Engine) {
    let database = TestDatabase::create(engine).await;
    let (book, id) = a_full_wallet(database).await;
    let book = Arc::new(book);
    for (code, other) in [("a", "b"), ("c", "d")] {
        book.account(code).await;
        book.account(other).await;
    }
    let both = new_entry(vec![line("a", "b", 5), line("c", "d", 5)]);
    let apart = book.post(both).await.unwrap().entry.id;
    for (first, second, expected) in [
        (in_part(id, &[60]), in_part(id, &[60]), Err(40)),
        (in_part(id, &[10]), new_reversal(id), Ok((Some(3), 30))),
        (
            in_part(apart, &[5, 0]),
            in_part(apart, &[0, 3]),
            Ok((Some(2), 3)),
        ),
    ] {
        let held = book.db.begin().await.unwrap();
        reverse_entry(&held, first, &Clock::at(noon()))
            .await
            .unwrap();
        let waiting = tokio::spawn({
            let book = Arc::clone(&book);
            async move {
                book.write(async |tx| reverse_entry(tx, second, &Clock::at(noon())).await)
                    .await
            }
        });
        somebody_waits_for_a_lock(&book).await;
        held.commit().await.unwrap();
        let said = match waiting.await.unwrap() {
            Ok(posted) => Ok((posted.entry.part, posted.lines[0].amount)),
            Err(ReverseEntryError::Exceeded(exceeded)) => Err(exceeded.remaining),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(said, expected);
        book.is_sound().await;
    }
    assert_eq!(left(&book, apart).await, [Some(0), Some(2)]);
    assert_eq!(left(&book, id).await, [Some(0)]);
}
