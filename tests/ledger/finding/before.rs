//! What was there before the migration is found, too.

use super::filled;
use daybook_migration::Migrator;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::MigratorTrait;

on_every_engine! {
    /// What was posted before the migration is found as what was posted after it.
    (not on MariaDB: "its schema begins with all of it")
    async fn what_was_there_before_is_found_too(database: TestDatabase) {
        let book = filled(database).await;
        let tables = ["entry_word", "entry_metadata", "account_metadata", "open_hold"];
        let all = async || {
            let mut rows = Vec::new();
            for table in tables {
                let columns = match (table, book.engine) {
                    ("entry_word", Engine::Sqlite) => "word || hex(entry_id)",
                    ("entry_word", Engine::MariaDb | Engine::Postgres) => "word || CAST(entry_id AS text)",
                    ("open_hold", Engine::Sqlite) => "hex(entry_id)",
                    ("open_hold", Engine::MariaDb | Engine::Postgres) => "CAST(entry_id AS text)",
                    ("account_metadata", Engine::Sqlite) => "key || value || hex(account_id)",
                    ("account_metadata", Engine::MariaDb | Engine::Postgres) => "key || value || CAST(account_id AS text)",
                    (_, Engine::Sqlite) => "key || value || hex(entry_id)",
                    (_, Engine::MariaDb | Engine::Postgres) => "key || value || CAST(entry_id AS text)",
                };
                let sql = format!("SELECT {columns} AS row FROM {table}");
                let statement = Statement::from_string(book.db.get_database_backend(), sql);
                let mut of_table: Vec<String> = book.db.query_all_raw(statement).await.unwrap().iter().map(|row| row.try_get("", "row").unwrap()).collect();
                of_table.sort();
                assert!(!of_table.is_empty(), "{table}");
                rows.push(of_table);
            }
            rows
        };
        let before = all().await;
        book.undo_from("add_finding").await;
        book.write(async |tx| Migrator::up(&tx.0, None).await).await.unwrap();
        assert_eq!(all().await, before);
    }
}
