//! Up, down and up again.

mod guards;
#[cfg(feature = "mariadb")]
mod mariadb;
#[cfg(feature = "mariadb")]
mod rehearsal;

use super::book::Book;
use daybook::ledger::{currencies, currency};
use daybook_migration::{Migrator, migrations};
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::DbErr;
use sea_orm_migration::{MigratorTrait, SchemaManager};

const TABLES: [&str; 25] = [
    "ledger",
    "line_part",
    "account_group",
    "group_member",
    "group_prefix",
    "group_change",
    "seal",
    "webhook",
    "webhook_account",
    "webhook_dead_letter",
    "closing",
    "closed_period",
    "entry_change",
    "account_change",
    "outbox",
    "late_line",
    "late_place",
    "late_total",
    "currency",
    "account",
    "account_pending",
    "entry",
    "entry_line",
    "unit_of_work_idempotency",
    "unit_of_work_marker",
];

on_every_engine! {
    async fn everything_that_goes_up_comes_down(database: TestDatabase) {
        let book = Book::empty(database).await;
        for _ in 0..2 {
            book.migrate().await;
            let schema = SchemaManager::new(&book.db.0);
            for table in TABLES {
                assert!(schema.has_table(table).await.unwrap(), "{table}");
            }
            book.migrate_down(None).await;
            for table in TABLES {
                assert!(!SchemaManager::new(&book.db.0).has_table(table).await.unwrap(), "{table}");
            }
        }
    }

    async fn one_step_at_a_time_comes_down_too(database: TestDatabase) {
        let book = Book::new(database).await;
        let count = migrations(book.db.get_database_backend()).len();
        for _ in 0..count {
            book.migrate_down(Some(1)).await;
        }
        assert!(!SchemaManager::new(&book.db.0).has_table("currency").await.unwrap());
        book.migrate().await;
    }

    /// As a server does it, which holds a lock in that transaction.
    (not on MariaDB: "each statement of DDL commits by itself there")
    async fn migrations_run_within_a_transaction_and_go_with_it(database: TestDatabase) {
        let book = Book::empty(database).await;
        let undone = book.write(async |tx| Migrator::up(&tx.0, None).await.and(Err::<(), _>(DbErr::Custom("undo".to_owned())))).await;
        assert_eq!(undone.unwrap_err(), DbErr::Custom("undo".to_owned()));
        assert!(!SchemaManager::new(&book.db.0).has_table("currency").await.unwrap());
        book.write(async |tx| Migrator::up(&tx.0, None).await).await.unwrap();
        assert!(currency(&book.db, "EUR").await.unwrap().is_some());
    }

    async fn the_active_currencies_are_there(database: TestDatabase) {
        let book = Book::new(database).await;
        for (code, exponent) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4), ("XCG", 2), ("ZWG", 2)] {
            assert_eq!(currency(&book.db, code).await.unwrap().map(|found| found.exponent), Some(exponent), "{code}");
        }
        for code in ["HRK", "XXX", "eur", "", "\0", "ANG"] {
            assert_eq!(currency(&book.db, code).await.unwrap(), None, "{code:?}");
        }
        let all = currencies(&book.db).await.unwrap();
        assert!(all.is_sorted_by_key(|currency| currency.code.clone()));
        assert!(all.len() > 160, "{}", all.len());
    }
}
