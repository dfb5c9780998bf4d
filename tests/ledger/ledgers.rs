//! What the database itself holds of several ledgers.

use std::collections::BTreeSet;

use super::book::{Book, line, new_entry, noon};
use super::rules::{an_account, an_entry, insert, refused};
use daybook::ledger::{
    CreateLedger, Difference, EntryProblem, Visible, can_confine, confine, create_ledger,
    new_entry_id, random, verify,
};
use daybook_entity::{account, entry, entry_line, ledger};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, Statement};

/// Tables without rows of ledgers.
const SHARED: [&str; 4] = [
    "currency",
    "seaql_migrations",
    "unit_of_work_idempotency",
    "unit_of_work_marker",
];

async fn with_ledgers(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    for code in ["acme", "beta"] {
        let command = CreateLedger {
            code: code.to_owned(),
            name: code.to_owned(),
            recorded_by: None,
        };
        book.write(async |tx| create_ledger(tx, command.clone(), noon()).await)
            .await
            .unwrap();
    }
    for code in [
        "acme:cash",
        "acme:sales",
        "beta:cash",
        "beta:sales",
        "cash",
        "sales",
    ] {
        book.account(code).await;
    }
    book
}

async fn names(book: &Book, sql: &str) -> BTreeSet<String> {
    let statement = Statement::from_string(book.db.get_database_backend(), sql);
    let rows = book.db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

on_every_engine! {
    /// A table that somebody adds has a rule for those who see some ledgers alone, or has nothing of any ledger.
    async fn every_table_has_a_rule(database: TestDatabase) {
        let book = Book::new(database).await;
        assert_eq!(can_confine(&book.db).await.unwrap(), book.engine == Engine::Sqlite);
        let tables = match book.engine {
            // There, no rows are hidden from anybody.
            Engine::MariaDb => return,
            Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            Engine::Postgres => "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        };
        let rules: BTreeSet<String> = Visible::new([]).rows().into_iter().map(|(table, _)| table.to_owned()).collect();
        let shared = SHARED.map(str::to_owned);
        let ruled: BTreeSet<String> = rules.iter().cloned().chain(shared).collect();
        assert_eq!(names(&book, tables).await, ruled);
        book.write(async |tx| confine(tx).await).await.unwrap();
        assert!(can_confine(&book.db).await.unwrap());
        if book.engine == Engine::Postgres {
            let policies = "SELECT tablename::text FROM pg_policies JOIN pg_class ON relname = tablename AND relrowsecurity
                WHERE policyname = 'confined' AND permissive = 'RESTRICTIVE' AND roles = '{daybook_confined}' AND cmd = 'ALL'";
            assert_eq!(names(&book, policies).await, rules);
        }
    }

    async fn accounts_are_in_the_ledgers_of_their_codes(database: TestDatabase) {
        let book = with_ledgers(database).await;
        let account = |code: &str, of: Option<&str>| account::Model { code: code.to_owned(), ledger: of.map(str::to_owned), ..an_account() };
        for (code, of) in [("acme:x", Some("beta")), ("x", Some("acme")), ("acme2:x", Some("acme"))] {
            refused(&book, account(code, of), "account_ledger_of_code").await;
        }
        // Its ledger was created since it was looked for: on PostgreSQL, that is a conflict that was lost.
        assert!(insert(&book, account("acme:x", None)).await.is_err());
        for (code, of) in [("acme:x", Some("acme")), ("acme", Some("acme")), ("acmex", None)] {
            insert(&book, account(code, of)).await.unwrap();
        }
        let moved = book.db.execute_unprepared("UPDATE account SET ledger = 'beta' WHERE code = 'acme:x'").await;
        assert!(moved.unwrap_err().to_string().contains("account_ledger_fixed"));
        let new = |code: &str| ledger::Model { code: code.to_owned(), name: "n".to_owned(), recorded_at: noon(), recorded_by: None };
        for code in ["acmex", "sales"] {
            refused(&book, new(code), "ledger_without_accounts").await;
        }
        for code in ["", "a:b", "é"] {
            refused(&book, new(code), "ledger_code_form").await;
        }
        for change in ["UPDATE ledger SET name = 'x'", "DELETE FROM ledger"] {
            let error = book.db.execute_unprepared(change).await.unwrap_err().to_string();
            assert!(error.contains("ledger_append_only"), "{error}");
        }
    }

    /// However a line is written, it is within one ledger.
    async fn no_line_crosses(database: TestDatabase) {
        let book = with_ledgers(database).await;
        for (debit, credit, of) in [
            ("acme:cash", "beta:sales", Some("acme")), ("acme:cash", "beta:sales", Some("beta")), ("acme:cash", "sales", Some("acme")),
            ("cash", "beta:sales", None), ("acme:cash", "acme:sales", None), ("cash", "sales", Some("acme")), ("acme:cash", "acme:sales", Some("beta")),
        ] {
            let (debit, credit) = (book.find(debit).await, book.find(credit).await);
            let entry = entry::Model { id: new_entry_id(noon(), random()), ledger: of.map(str::to_owned), ..an_entry() };
            insert(&book, entry.clone()).await.unwrap();
            for line_no in [1, 2] {
                let line = entry_line::Model {
                    entry_id: entry.id, line_no, debit_account_id: debit.id, credit_account_id: credit.id, currency: "EUR".to_owned(), amount: 1,
                    debit_version: 1, debit_balance: 1, credit_version: 1, credit_balance: 1, effect: daybook_entity::LineEffect::Post,
                };
                refused(&book, line, "entry_within_ledger").await;
            }
        }
        for prefix in ["acme:", "beta:", ""] {
            let lines = vec![line(&format!("{prefix}cash"), &format!("{prefix}sales"), 5)];
            book.post(new_entry(lines)).await.unwrap();
        }
    }

    async fn verify_finds_what_is_in_a_wrong_ledger(database: TestDatabase) {
        let book = with_ledgers(database).await;
        let posted = book.post(new_entry(vec![line("acme:cash", "acme:sales", 5)])).await.unwrap().entry.id;
        let empty = verify(&book.db, 10).await.unwrap();
        assert!(empty.is_sound(), "{empty:?}");
        let rules = match book.engine {
            Engine::MariaDb => "DROP TRIGGER account_ledger_fixed; DROP TRIGGER entry_refuse_UPDATE;",
            Engine::Sqlite => "DROP TRIGGER account_ledger_fixed; DROP TRIGGER entry_refuse_UPDATE;",
            Engine::Postgres => "ALTER TABLE account DISABLE TRIGGER account_ledger_fixed; ALTER TABLE entry DISABLE TRIGGER entry_append_only;",
        };
        book.db.execute_unprepared(rules).await.unwrap();
        book.db.execute_unprepared("UPDATE account SET ledger = NULL WHERE code = 'beta:cash'").await.unwrap();
        book.db.execute_unprepared("UPDATE entry SET ledger = 'beta'").await.unwrap();
        let found = verify(&book.db, 10).await.unwrap().differences;
        let account = book.find("beta:cash").await.id;
        assert!(found.iter().any(|it| matches!(it, Difference::Ledger { account: it } if it.id == account)), "{found:?}");
        assert!(found.iter().any(|it| matches!(it, Difference::Entry { entry_id, problem: EntryProblem::Ledger } if *entry_id == posted)), "{found:?}");
    }

    /// The last migration comes down where there are no ledgers, and not where there are.
    (not on MariaDB: "its history has no migration before ledgers")
    async fn ledgers_are_not_lost_by_going_back(database: TestDatabase) {
        use daybook_migration::{Migrator, MigratorTrait};
        let book = with_ledgers(database).await;
        let error = Migrator::down(&book.db.0, Some(1)).await.unwrap_err().to_string();
        assert!(error.contains("several ledgers"), "{error}");
        assert_eq!(names(&book, "SELECT code FROM ledger").await.len(), 2);
    }
}
