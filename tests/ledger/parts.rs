//! Reversals, captures and releases of a part: what is left is exact, whoever takes how much of it at the same time.

use super::book::{
    Book, at, effective, line, new_capture, new_entry, new_hold, new_reversal, noon, violated,
};
use super::concurrency::somebody_waits_for_a_lock;
use super::rules::{an_entry, insert, refused};
use daybook::ledger::{
    CaptureHold, Clock, Code, EntryNotes, HoldError, OnTakenReference, PlaceHold, PostEntryError,
    PostedEntry, RemainingExceeded, ReverseEntry, ReverseEntryError, available_balance,
    capture_hold, expired_holds, lines_by_entry_id, pending_balance, posted_balance,
    release_expired_hold, remaining_by_entry_id, resolutions_by_hold_id, resolvers_by_hold_id,
    reversals_by_entry_id, reversals_of_entries, reverse_entry,
};
use daybook_entity::{AccountStatus, EntryKind, LineEffect, entry, line_part};
use daybook_migration::Migrator;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, EntityTrait, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use std::sync::Arc;
use tokio::sync::Barrier;
use uuid::Uuid;

/// A bank, fees, and a wallet with a hundred in it.
async fn a_full_wallet(database: TestDatabase) -> (Book, Uuid) {
    let book = Book::new(database).await;
    book.account("bank").await;
    book.account("shop").await;
    book.account("fees").await;
    book.wallet("wallet").await;
    let funded = book.transfer("bank", "wallet", 100).await.unwrap();
    (book, funded.entry.id)
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

/// What is left of each line of an entry.
async fn left(book: &Book, id: Uuid) -> Vec<Option<i64>> {
    let all = remaining_by_entry_id(&book.db, &[id]).await.unwrap();
    let left = all.get(&id).cloned().unwrap_or_default();
    let lines = lines_by_entry_id(&book.db, [id]).await.unwrap();
    lines[&id].iter().map(|line| left.of(line)).collect()
}

fn amounts(posted: &PostedEntry) -> Vec<(LineEffect, i64)> {
    let lines = posted.lines.iter();
    lines.map(|line| (line.effect, line.amount)).collect()
}

/// What the entry is as a part.
const fn part(posted: &PostedEntry) -> (Option<i32>, bool) {
    (posted.entry.part, posted.entry.leaves_rest)
}

fn in_part(entry_id: Uuid, amounts: &[i64]) -> ReverseEntry {
    ReverseEntry {
        amounts: Some(amounts.to_vec()),
        ..new_reversal(entry_id)
    }
}

on_every_engine! {
    /// The parts of a reversal make its whole, and it is reversed by the one that leaves nothing.
    async fn an_entry_is_reversed_in_parts(database: TestDatabase) {
        use LineEffect::Post;
        let (book, _) = a_full_wallet(database).await;
        let posted = book.post(new_entry(vec![line("wallet", "shop", 80), line("wallet", "shop", 10), line("shop", "fees", 7)])).await.unwrap();
        let id = posted.entry.id;
        assert_eq!(left(&book, id).await, [Some(80), Some(10), Some(7)]);

        let first = book.reverse_of(id, Some(vec![20, 0, 0])).await.unwrap();
        assert_eq!((part(&first), amounts(&first)), ((Some(1), true), vec![(Post, 20)]));
        assert_eq!((first.entry.kind, first.entry.reverses_id), (EntryKind::Reversal, Some(id)));
        assert_eq!((first.lines[0].debit_account_id, first.lines[0].credit_account_id), (posted.lines[0].credit_account_id, posted.lines[0].debit_account_id));
        assert_eq!(left(&book, id).await, [Some(60), Some(10), Some(7)]);

        let second = book.reverse_of(id, Some(vec![10, 10, 7])).await.unwrap();
        assert_eq!((part(&second), amounts(&second)), ((Some(2), true), vec![(Post, 10), (Post, 10), (Post, 7)]));
        assert_eq!(left(&book, id).await, [Some(50), Some(0), Some(0)]);
        assert_eq!(reversals_by_entry_id(&book.db, [id]).await.unwrap().len(), 0);
        book.is_sound().await;

        // Without amounts, all that is left.
        let last = book.reverse(id).await.unwrap();
        assert_eq!((part(&last), amounts(&last)), ((Some(3), false), vec![(Post, 50)]));
        assert_eq!(left(&book, id).await, [Some(0), Some(0), Some(0)]);
        assert_eq!(reversals_by_entry_id(&book.db, [id]).await.unwrap()[&id], last.entry);
        let all = reversals_of_entries(&book.db, [id]).await.unwrap();
        assert_eq!(all[&id], [first.entry.clone(), second.entry, last.entry.clone()]);
        for more in [None, Some(vec![1, 0, 0])] {
            let refused = book.reverse_of(id, more).await.unwrap_err();
            assert!(matches!(refused, ReverseEntryError::AlreadyReversed { reversed_by, .. } if reversed_by == last.entry.id), "{refused:?}");
        }
        assert_eq!(balances(&book, "wallet").await, (100, 0, 100));
        assert_eq!((balances(&book, "shop").await, balances(&book, "fees").await), ((0, 0, 0), (0, 0, 0)));

        // A part is an entry as others, and can be reversed in parts. What it took stays taken.
        let back = book.reverse_of(first.entry.id, Some(vec![5])).await.unwrap();
        assert_eq!((part(&back), left(&book, first.entry.id).await), ((Some(1), true), vec![Some(15)]));
        assert_eq!(left(&book, id).await, [Some(0), Some(0), Some(0)]);
        book.is_sound().await;
    }

    /// As it was: nothing says that it is a part, and nothing is kept of its lines.
    async fn what_is_undone_or_ended_at_once_is_no_part(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 10), line("wallet", "fees", 5)])).await.unwrap().entry.id;
        let captured = book.capture(hold, Some(vec![3, 5]), noon()).await.unwrap();
        let other = book.hold(new_hold(vec![line("wallet", "shop", 10)])).await.unwrap().entry.id;
        // All of it is not a part, even if it is asked for as one.
        let all = book.capture_part(other, &[10]).await.unwrap();
        let back = book.reverse_of(captured.entry.id, Some(vec![3, 5])).await.unwrap();
        for whole in [&captured, &all, &back] {
            assert_eq!(part(whole), (None, false));
        }
        book.reverse(all.entry.id).await.unwrap();
        book.reverse(id).await.unwrap();
        assert_eq!(line_part::Entity::find().all(&book.db).await.unwrap(), []);
        assert_eq!(left(&book, hold).await, [Some(0), Some(0)]);
        // What was freed is not left to be moved back.
        assert_eq!(left(&book, captured.entry.id).await, [Some(0), Some(0), None]);
        book.is_sound().await;
    }

    async fn more_than_is_left_is_refused_with_figures(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        let input = async |amounts: &[i64]| match book.reverse_of(id, Some(amounts.to_vec())).await.unwrap_err() {
            ReverseEntryError::Post(PostEntryError::Input(input)) => input.field,
            other => panic!("{other:?}"),
        };
        for (field, amounts) in [("amounts[0]", &[101][..]), ("amounts[0]", &[-1]), ("amounts", &[0]), ("amounts", &[]), ("amounts", &[1, 1])] {
            assert_eq!(input(amounts).await, field);
        }
        book.reverse_of(id, Some(vec![60])).await.unwrap();
        let refused = book.reverse_of(id, Some(vec![60])).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::RemainingExceeded));
        assert!(refused.to_string().contains("40 minor units"), "{refused}");
        let ReverseEntryError::Exceeded(exceeded) = refused else { panic!("{refused:?}") };
        assert_eq!(exceeded, RemainingExceeded { entry_id: id, field: "amounts[0]".to_owned(), remaining: 40, requested: 60 });
        assert_eq!(balances(&book, "wallet").await, (40, 0, 40));
        // Limits hold for a part, too.
        book.transfer("wallet", "shop", 1).await.unwrap();
        assert_eq!(book.reverse_of(id, Some(vec![40])).await.unwrap_err().code(), Some(Code::InsufficientFunds));
        book.reverse_of(id, Some(vec![39])).await.unwrap();
        assert_eq!(left(&book, id).await, [Some(1)]);
        book.is_sound().await;
    }

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

    /// A shop captures as parcels leave, gives a part back, and releases the rest.
    async fn a_hold_is_captured_and_released_in_parts(database: TestDatabase) {
        use LineEffect::{Capture, Release};
        let (book, _) = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 60), line("wallet", "fees", 40)])).await.unwrap().entry.id;
        let open = async || {
            let found = entry::Entity::find_by_id(hold).one(&book.db).await.unwrap().unwrap();
            assert_eq!(found.kind, EntryKind::Hold);
            let sql = "SELECT COUNT(*) AS open FROM open_hold";
            let row = book.db.query_one_raw(sea_orm::Statement::from_string(book.db.get_database_backend(), sql)).await.unwrap().unwrap();
            row.try_get::<i64>("", "open").unwrap()
        };
        let first = book.capture_part(hold, &[30, 0]).await.unwrap();
        assert_eq!((part(&first), amounts(&first)), ((Some(1), true), vec![(Capture, 30)]));
        assert_eq!((balances(&book, "wallet").await, left(&book, hold).await), ((70, -70, 0), vec![Some(30), Some(40)]));
        let refused = book.capture_part(hold, &[31, 0]).await.unwrap_err();
        let HoldError::Exceeded(RemainingExceeded { remaining: 30, requested: 31, .. }) = refused else { panic!("{refused:?}") };
        let freed = book.release_of(hold, Some(vec![0, 15]), noon()).await.unwrap();
        assert_eq!((part(&freed), amounts(&freed)), ((Some(2), true), vec![(Release, 15)]));
        assert_eq!((balances(&book, "wallet").await, left(&book, hold).await), ((70, -55, 15), vec![Some(30), Some(25)]));
        assert_eq!(open().await, 1);
        assert_eq!(resolvers_by_hold_id(&book.db, [hold]).await.unwrap().len(), 0);
        book.is_sound().await;

        // The last capture frees the rest.
        let last = book.capture(hold, Some(vec![10, 25]), noon()).await.unwrap();
        assert_eq!((part(&last), amounts(&last)), ((Some(3), false), vec![(Capture, 10), (Capture, 25), (Release, 20)]));
        assert_eq!((balances(&book, "wallet").await, left(&book, hold).await), ((35, 0, 35), vec![Some(0), Some(0)]));
        assert_eq!((balances(&book, "shop").await, balances(&book, "fees").await), ((40, 0, 40), (25, 0, 25)));
        assert_eq!(open().await, 0);
        assert_eq!(resolvers_by_hold_id(&book.db, [hold]).await.unwrap()[&hold], last.entry);
        let all = resolutions_by_hold_id(&book.db, [hold]).await.unwrap();
        assert_eq!(all[&hold], [first.entry.clone(), freed.entry, last.entry.clone()]);
        for refused in [book.capture_part(hold, &[1, 0]).await, book.release(hold, noon()).await] {
            let refused = refused.unwrap_err();
            assert!(matches!(&refused, HoldError::AlreadyResolved { by, .. } if by.id == last.entry.id), "{refused:?}");
        }
        // What a capture of a part has moved is moved back in parts: 20 of 30, then 10.
        for (amount, rest) in [(20, 10), (10, 0)] {
            book.reverse_of(first.entry.id, Some(vec![amount])).await.unwrap();
            assert_eq!(left(&book, first.entry.id).await, [Some(rest)]);
        }
        // Of the last one, what it has freed cannot be asked for.
        let refused = book.reverse_of(last.entry.id, Some(vec![1, 1, 1])).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::BadUserInput));
        book.reverse_of(last.entry.id, Some(vec![0, 25])).await.unwrap();
        assert_eq!(left(&book, last.entry.id).await, [Some(10), Some(0), None]);
        book.is_sound().await;
    }

    /// What is left expires as a whole does: it can only be released, by the server or by anybody.
    async fn the_rest_of_a_hold_expires(database: TestDatabase) {
        let (book, _) = a_full_wallet(database).await;
        let place = PlaceHold { expires_at: Some(at(60)), ..new_hold(vec![line("wallet", "shop", 70)]) };
        let hold = book.hold(place).await.unwrap().entry.id;
        book.capture_part(hold, &[30]).await.unwrap();
        assert_eq!(expired_holds(&book.db, None, at(60), 10).await.unwrap(), [hold]);
        let late = CaptureHold { amounts: Some(vec![10]), keeps_rest: true, ..new_capture(hold, at(60)) };
        let refused = book.write(async |tx| capture_hold(tx, late, &Clock::at(at(60))).await).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::HoldExpired));
        book.set_status("wallet", AccountStatus::Frozen).await.unwrap();
        book.release_of(hold, Some(vec![5]), at(60)).await.unwrap();
        assert_eq!(expired_holds(&book.db, None, at(60), 10).await.unwrap(), [hold]);
        let released = book.write(async |tx| release_expired_hold(tx, hold, &Clock::at(at(61))).await).await.unwrap().unwrap();
        assert_eq!((part(&released), released.lines[0].amount), ((Some(3), false), 35));
        assert!(expired_holds(&book.db, None, at(60), 10).await.unwrap().is_empty());
        assert_eq!(balances(&book, "wallet").await, (70, 0, 70));
        book.is_sound().await;
    }

    /// Neither counts from before the entry that it is about.
    async fn a_part_counts_from_no_earlier_than_its_subject(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        let early = ReverseEntry { notes: effective(at(-1)), ..in_part(id, &[10]) };
        let refused = book.write(async |tx| reverse_entry(tx, early, &Clock::at(noon())).await).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::BadUserInput));
        // Dated back behind another part, and behind a later entry of the account.
        book.reverse_of(id, Some(vec![10])).await.unwrap();
        let late = ReverseEntry { notes: effective(at(100)), ..in_part(id, &[10]) };
        book.write(async |tx| reverse_entry(tx, late, &Clock::at(noon())).await).await.unwrap();
        let between = ReverseEntry { notes: effective(at(50)), ..in_part(id, &[10]) };
        book.write(async |tx| reverse_entry(tx, between, &Clock::at(noon())).await).await.unwrap();
        assert_eq!(left(&book, id).await, [Some(70)]);
        book.is_sound().await;
    }

    /// The hundredth part has to leave nothing.
    async fn there_are_at_most_a_hundred_parts(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        book.transfer("bank", "wallet", 100).await.unwrap();
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 102)])).await.unwrap().entry.id;
        let other = book.transfer("bank", "wallet", 200).await.unwrap().entry.id;
        for _ in 0..99 {
            book.reverse_of(other, Some(vec![2])).await.unwrap();
            book.capture_part(hold, &[1]).await.unwrap();
        }
        let refused = book.reverse_of(other, Some(vec![1])).await.unwrap_err();
        assert!(matches!(&refused, ReverseEntryError::Post(PostEntryError::Input(input)) if input.field == "amounts"), "{refused:?}");
        assert_eq!(book.capture_part(hold, &[1]).await.unwrap_err().code(), Some(Code::BadUserInput));
        assert_eq!(part(&book.reverse(other).await.unwrap()), (Some(100), false));
        // A last capture of a part, which frees the rest.
        assert_eq!(part(&book.capture(hold, Some(vec![1]), noon()).await.unwrap()), (Some(100), false));
        assert_eq!((left(&book, other).await, left(&book, hold).await, left(&book, id).await), (vec![Some(0)], vec![Some(0)], vec![Some(100)]));
        book.is_sound().await;
    }

    /// Sent again with its reference, a part is the one that was posted, whatever has been taken since.
    async fn a_part_sent_again_is_the_first(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        let refund = |amounts: Option<Vec<i64>>, reference: &str| ReverseEntry {
            amounts,
            notes: EntryNotes { reference: Some(reference.to_owned()), on_taken_reference: OnTakenReference::ReturnEntry, ..EntryNotes::default() },
            ..new_reversal(id)
        };
        let send = async |command: ReverseEntry| book.write(async |tx| reverse_entry(tx, command, &Clock::at(noon())).await).await;
        let first = send(refund(Some(vec![60]), "r1")).await.unwrap();
        let last = send(refund(None, "r2")).await.unwrap();
        assert_eq!((part(&first), part(&last)), ((Some(1), true), (Some(2), false)));
        for (amounts, reference, posted) in [(Some(vec![60]), "r1", &first), (None, "r2", &last), (Some(vec![40]), "r2", &last)] {
            let again = send(refund(amounts, reference)).await.unwrap();
            assert!(again.already_posted);
            assert_eq!((&again.entry, &again.lines), (&posted.entry, &posted.lines));
        }
        for (amounts, reference) in [(Some(vec![59]), "r1"), (None, "r1")] {
            let refused = send(refund(amounts, reference)).await.unwrap_err();
            assert!(matches!(&refused, ReverseEntryError::Post(PostEntryError::ReferenceTaken { differs, .. }) if *differs == ["lines[0]"]), "{refused:?}");
        }
        // Of an entry that has nothing to do with it, the reference is taken, although nothing is left.
        let other = EntryNotes { reference: Some("r3".to_owned()), ..EntryNotes::default() };
        book.post(daybook::ledger::PostEntry { notes: other, ..new_entry(vec![line("bank", "wallet", 1)]) }).await.unwrap();
        let refused = send(refund(None, "r3")).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::ReferenceTaken), "{refused:?}");
        assert_eq!(entry::Entity::find().all(&book.db).await.unwrap().len(), 4);
        book.is_sound().await;
    }

    /// Whoever writes, parts follow each other, and no more is taken of a line than is left.
    async fn the_database_keeps_what_is_left(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        let reversal = |part, leaves_rest| entry::Model { kind: EntryKind::Reversal, reverses_id: Some(id), part, leaves_rest, ..an_entry() };
        for (name, model) in [
            ("entry_part_form", entry::Model { part: Some(1), leaves_rest: true, ..an_entry() }),
            ("entry_part_form", entry::Model { leaves_rest: true, ..an_entry() }),
            ("entry_part_form", reversal(None, true)),
            ("entry_part_form", reversal(Some(0), true)),
            // All at once is no part.
            ("entry_part_form", reversal(Some(1), false)),
            ("entry_part_follows", reversal(Some(2), true)),
            ("entry_part_follows", reversal(Some(101), false)),
        ] {
            refused(&book, model, name).await;
        }
        let first = reversal(Some(1), true);
        insert(&book, first.clone()).await.unwrap();
        for (name, model) in [
            ("entry_reversed_once", reversal(None, false)),
            ("entry_reversed_once", reversal(Some(1), true)),
            ("entry_part_follows", reversal(Some(3), true)),
        ] {
            refused(&book, model, name).await;
        }
        let second = reversal(Some(2), false);
        insert(&book, second.clone()).await.unwrap();
        // Nothing follows what has left nothing.
        refused(&book, reversal(Some(3), false), "entry_part_follows").await;
        refused(&book, reversal(Some(2), false), "entry_reversed_once").await;

        let taken = |by: &entry::Model, part, amount, remaining| line_part::Model { entry_id: id, line_no: 1, part, by_entry_id: by.id, amount, remaining };
        for (name, model) in [
            ("line_part_follows", taken(&first, 1, 60, 41)),
            ("line_part_follows", taken(&first, 1, 60, 39)),
            ("line_part_follows", taken(&first, 2, 60, 40)),
            ("line_part_follows", taken(&second, 1, 60, 40)),
            ("line_part_follows", line_part::Model { line_no: 2, ..taken(&first, 1, 60, 40) }),
            ("line_part_follows", line_part::Model { entry_id: first.id, ..taken(&first, 1, 60, 40) }),
            ("line_part_remaining_range", taken(&first, 1, 101, -1)),
            ("line_part_amount_positive", taken(&first, 1, -1, 101)),
            ("line_part_amount_positive", taken(&first, 1, 0, 100)),
        ] {
            refused(&book, model, name).await;
        }
        insert(&book, taken(&first, 1, 60, 40)).await.unwrap();
        for model in [
            taken(&second, 2, 60, 40),
            taken(&second, 2, 41, 0),
            // The last leaves nothing.
            taken(&second, 2, 39, 1),
        ] {
            refused(&book, model, "line_part_follows").await;
        }
        refused(&book, taken(&second, 2, 41, -1), "line_part_follows").await;
        insert(&book, taken(&second, 2, 40, 0)).await.unwrap();
        for sql in ["UPDATE line_part SET remaining = remaining + 1", "DELETE FROM line_part", "UPDATE entry SET part = NULL, leaves_rest = FALSE", "UPDATE entry SET leaves_rest = FALSE"] {
            let name = if sql.contains("line_part") { "line_part_append_only" } else { "entry_append_only" };
            assert_eq!(violated(&book.db.execute_unprepared(sql).await.unwrap_err()), name, "{sql}");
        }
        if book.engine == Engine::Sqlite {
            for (sql, name) in [
                ("INSERT OR REPLACE INTO line_part SELECT * FROM line_part WHERE part = 2", "line_part"),
                ("INSERT OR REPLACE INTO entry (id, kind, reverses_id, effective_at, recorded_at, metadata, part, leaves_rest)
                  SELECT CAST(randomblob(14) || x'0000' AS BLOB), kind, reverses_id, effective_at, recorded_at, metadata, part, leaves_rest FROM entry WHERE part = 1", "entry_reversed_once"),
            ] {
                let refused = violated(&book.db.execute_unprepared(sql).await.unwrap_err());
                assert!(refused.starts_with(name), "{sql}: {refused}");
            }
        }
    }

    /// Down, and up again: entries, rules, and what is found by them are as before.
    async fn a_ledger_with_entries_is_migrated(database: TestDatabase) {
        let (book, id) = a_full_wallet(database).await;
        let hold = book.hold(new_hold(vec![line("wallet", "shop", 10)])).await.unwrap().entry.id;
        let captured = book.hold(new_hold(vec![line("wallet", "shop", 10)])).await.unwrap().entry.id;
        let capture = book.capture(captured, Some(vec![4]), noon()).await.unwrap().entry.id;
        let reversal = book.reverse(capture).await.unwrap().entry;
        let entries = async || entry::Entity::find().all(&book.db).await.unwrap();
        let before = entries().await;
        let later = Migrator::migrations().iter().rev().position(|it| it.name() == "m20261128_95_add_parts").unwrap();
        let steps = Some(u32::try_from(later + 1).unwrap());
        for _ in 0..2 {
            book.write(async |tx| Migrator::down(tx, steps).await).await.unwrap();
            book.write(async |tx| Migrator::up(tx, None).await).await.unwrap();
        }
        assert_eq!(entries().await, before);
        book.is_sound().await;
        refused(&book, entry::Model { kind: EntryKind::Reversal, reverses_id: Some(capture), ..an_entry() }, "entry_reversed_once").await;
        let refused = book.reverse_of(capture, Some(vec![1])).await.unwrap_err();
        assert!(matches!(refused, ReverseEntryError::AlreadyReversed { reversed_by, .. } if reversed_by == reversal.id), "{refused:?}");
        for sql in ["DELETE FROM entry", "UPDATE entry SET description = 'x'"] {
            assert_eq!(violated(&book.db.execute_unprepared(sql).await.unwrap_err()), "entry_append_only", "{sql}");
        }
        book.reverse_of(id, Some(vec![1])).await.unwrap();
        book.capture_part(hold, &[1]).await.unwrap();
        book.is_sound().await;
        // What is there in parts would have nowhere to be.
        let parts = entries().await;
        book.write(async |tx| Migrator::down(tx, steps).await).await.unwrap_err();
        assert_eq!(entries().await, parts);
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
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn the_second_of_two_parts_sees_the_first() {
    let database = TestDatabase::create(Engine::Postgres).await;
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
