//! `verify` finds what was damaged behind the ledger's back.

use super::book::{Book, line, new_entry};
use daybook::ledger::{Difference, Total, verify};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::ConnectionTrait;

/// Runs `sql` with the database's own rules out of the way, as a restored or edited file would have it.
async fn damage(book: &Book, sql: &str) {
    let (before, after) = match book.engine {
        Engine::Sqlite => (
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
             DROP TRIGGER IF EXISTS entry_line_refuse_UPDATE; DROP TRIGGER IF EXISTS entry_line_refuse_DELETE",
            "PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF",
        ),
        Engine::Postgres => (
            "ALTER TABLE entry_line DISABLE TRIGGER ALL;
             ALTER TABLE account DROP CONSTRAINT IF EXISTS account_no_debit_overdraft, DROP CONSTRAINT IF EXISTS account_closed_is_empty",
            "ALTER TABLE entry_line ENABLE TRIGGER ALL",
        ),
    };
    for sql in [before, sql, after] {
        book.db.execute_unprepared(sql).await.unwrap();
    }
}

/// Two wallets that a bank has filled, with five lines.
async fn a_sound_book(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    book.account("bank").await;
    book.wallet("w1").await;
    book.wallet("w2").await;
    book.post(new_entry(vec![
        line("bank", "w1", 100),
        line("bank", "w2", 50),
    ]))
    .await
    .unwrap();
    for _ in 0..3 {
        book.transfer("w1", "w2", 10).await.unwrap();
    }
    let check = verify(&book.db, 10).await.unwrap();
    assert!(check.is_sound(), "{check:?}");
    assert_eq!((check.accounts, check.entries, check.lines), (3, 4, 5));
    book
}

async fn differences(book: &Book) -> Vec<Difference> {
    let check = verify(&book.db, 100).await.unwrap();
    assert!(!check.is_sound() && !check.truncated);
    check.differences
}

on_every_engine! {
    async fn an_empty_ledger_is_sound(database: TestDatabase) {
        let book = Book::new(database).await;
        assert!(verify(&book.db, 0).await.unwrap().is_sound());
    }

    async fn a_changed_total_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE account SET credits_posted = credits_posted + 7, credits_pending = 3 WHERE code = 'w2'").await;
        let found = differences(&book).await;
        assert!(
            matches!(
                &found[..],
                [
                    Difference::Total { account, total: Total::CreditsPosted, recorded: 87, recomputed: 80 },
                    Difference::Total { total: Total::CreditsPending, recorded: 3, recomputed: 0, .. },
                ] if account.code == "w2"
            ),
            "{found:?}"
        );
    }

    async fn a_changed_version_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE account SET version = 9 WHERE code = 'w2'").await;
        let found = differences(&book).await;
        assert!(matches!(&found[..], [Difference::Version { recorded: 9, recomputed: 4, .. }]), "{found:?}");
    }

    async fn a_changed_amount_is_found_in_totals_and_from_its_line_on(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET amount = 60 WHERE amount = 50").await;
        let found = differences(&book).await;
        let totals = found.iter().filter(|found| matches!(found, Difference::Total { .. })).count();
        let running = found.iter().filter(|found| matches!(found, Difference::RunningBalance { .. })).count();
        // Two totals; the bank's second line, and all four of the wallet's.
        assert_eq!((totals, running, found.len()), (2, 5, 7), "{found:?}");
    }

    async fn a_missing_line_is_found_with_its_empty_entry(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "DELETE FROM entry_line WHERE debit_version = 3").await;
        let found = differences(&book).await;
        assert!(found.iter().any(|found| matches!(found, Difference::NoLines { .. })), "{found:?}");
        assert!(found.iter().any(|found| matches!(found, Difference::Version { .. })), "{found:?}");
        assert!(found.iter().any(|found| matches!(found, Difference::RunningBalance { .. })), "{found:?}");
    }

    async fn a_changed_balance_or_version_of_a_line_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET credit_balance = 61 WHERE credit_balance = 60").await;
        let found = differences(&book).await;
        assert!(
            matches!(&found[..], [Difference::RunningBalance { recorded_balance: 61, recomputed_balance: 60, .. }]),
            "{found:?}"
        );
        damage(&book, "UPDATE entry_line SET credit_balance = 60, credit_version = 9 WHERE credit_balance = 80").await;
        assert!(differences(&book).await.iter().any(|found| matches!(
            found,
            Difference::RunningBalance { recorded_version: 9, recomputed_version: 4, .. }
        )));
    }

    async fn a_line_of_a_foreign_currency_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET currency = 'USD' WHERE amount = 50").await;
        let found = differences(&book).await;
        assert_eq!(found.len(), 2, "one for each side: {found:?}");
        assert!(found.iter().all(|found| matches!(found, Difference::Currency { line_currency, .. } if line_currency == "USD")));
    }

    async fn an_overdrawn_or_full_closed_account_is_found(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE account SET debits_pending = 71 WHERE code = 'w1'").await;
        damage(&book, "UPDATE account SET status = 'CLOSED' WHERE code = 'w2'").await;
        let found = differences(&book).await;
        assert!(found.iter().any(|found| matches!(found, Difference::Overdraft { by: 1, .. })), "{found:?}");
        assert!(
            found.iter().any(|found| matches!(found, Difference::ClosedNotEmpty { account } if account.code == "w2")),
            "{found:?}"
        );
    }

    async fn no_more_differences_are_reported_than_asked_for(database: TestDatabase) {
        let book = a_sound_book(database).await;
        damage(&book, "UPDATE entry_line SET amount = 60 WHERE amount = 50").await;
        for (limit, reported, truncated) in [(0, 0, true), (1, 1, true), (6, 6, true), (7, 7, false), (8, 7, false)] {
            let check = verify(&book.db, limit).await.unwrap();
            assert_eq!((check.differences.len(), check.truncated), (reported, truncated), "{limit}");
            assert!(!check.is_sound());
        }
    }
}
