//! Reversals, captures and releases of a part: what is left is exact, whoever takes how much of it at the same time.

mod at_once;
mod rules;

use super::book::{
    Book, at, effective, line, new_capture, new_entry, new_hold, new_reversal, noon,
};
use daybook::ledger::{
    About, CaptureHold, Clock, Code, EntryNotes, HoldError, OnTakenReference, PlaceHold,
    PostEntryError, PostedEntry, RemainingExceeded, ReverseEntry, ReverseEntryError,
    available_balance, capture_hold, expired_holds, lines_by_entry_id, pending_balance,
    posted_balance, release_expired_hold, remaining_by_entry_id, resolutions_by_hold_id,
    resolvers_by_hold_id, reversals_by_entry_id, reversals_of_entries, reverse_entry,
};
use daybook_entity::{AccountStatus, EntryKind, LineEffect, entry, line_part};
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, EntityTrait};
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

/// The entry as one that is about another.
const fn about(posted: &PostedEntry) -> About {
    About {
        id: posted.entry.id,
        kind: posted.entry.kind,
    }
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
        assert_eq!(all[&id], [&first, &second, &last].map(about));
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
        assert_eq!(all[&hold], [&first, &freed, &last].map(about));
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

}
