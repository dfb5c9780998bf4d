//! Which indexes the filters are read by, at volume.

use super::walk;
use crate::ledger::book::{Book, at, by, effective, line, new_entry, new_hold};
use crate::ledger::volume::fill;
use daybook::ledger::{
    AmountRange, EntryFilter, EntryNotes, EntryOrder, HoldIs, PostEntry, count_entries,
    page_entries_statements,
};
use daybook_entity::{EntryKind, entry};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryTrait};
use serde_json::json;

/// Each filter, and the indexes that it is read by.
fn indexed() -> Vec<(&'static str, EntryFilter)> {
    let none = EntryFilter::default;
    let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let text = |text: &str| Some(text.to_owned());
    let amount = |min, max| {
        Some(AmountRange {
            currency: "EUR".to_owned(),
            min,
            max,
        })
    };
    vec![
        (
            "entry_reference_once",
            EntryFilter {
                reference: text("rare-7"),
                ..none()
            },
        ),
        (
            "entry_reference_once",
            EntryFilter {
                reference_prefix: text("rare-"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                metadata: pair("rare", "1"),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                metadata: pair("channel", "web"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                text: text("uncommon"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                text: text("com"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                hold: Some(HoldIs::Open(at(0))),
                ..none()
            },
        ),
        (
            "entry_other_recorded_at_id_idx",
            EntryFilter {
                kinds: Some(vec![EntryKind::Reversal, EntryKind::Capture]),
                ..none()
            },
        ),
        (
            "entry_line_currency_amount_idx",
            EntryFilter {
                amount: amount(Some(50), Some(60)),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                amount: amount(Some(1), None),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                account: Some(by("rare")),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                account: Some(by("a")),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                account_code_prefix: text("ra"),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                account_code_prefix: text("a"),
                ..none()
            },
        ),
        (
            "entry_effective_at_id_idx",
            EntryFilter {
                effective_from: Some(at(99_000)),
                effective_until: Some(at(99_100)),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                recorded_from: Some(at(99_000)),
                recorded_until: Some(at(99_100)),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                metadata: pair("rare", "1"),
                text: text("com"),
                amount: amount(Some(1), None),
                ..none()
            },
        ),
    ]
}

on_every_engine! {
    /// At 100,000 lines, no filter reads a table of the journal from end to end.
    async fn every_filter_is_read_by_an_index(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b", "rare", "other"] {
            book.account(code).await;
        }
        for number in 0..10 {
            let notes = EntryNotes {
                reference: Some(format!("rare-{number}")),
                description: Some("An uncommon text".to_owned()),
                metadata: Some(json!({ "rare": 1, "channel": "web" })),
                ..effective(at(-10))
            };
            book.post(PostEntry { notes, ..new_entry(vec![line("rare", "other", 55)]) }).await.unwrap();
        }
        book.hold(new_hold(vec![line("rare", "other", 1)])).await.unwrap();
        fill(&book, "a", "b", 100_000).await;
        // The database's own rows are found by what these tables have: here, by what many of them are.
        let sql = match book.engine {
            Engine::MariaDb => "INSERT IGNORE INTO entry_metadata SELECT 'channel', 'web', id FROM entry;
                INSERT INTO entry_word SELECT 'common', id FROM entry;",
            Engine::Sqlite => "INSERT INTO entry_metadata SELECT 'channel', 'web', id FROM entry WHERE true ON CONFLICT DO NOTHING;
                INSERT INTO entry_word SELECT 'common', id FROM entry;",
            Engine::Postgres => "INSERT INTO entry_metadata SELECT 'channel', 'web', id FROM entry ON CONFLICT DO NOTHING;
                INSERT INTO entry_word SELECT 'common', id FROM entry;",
        };
        book.db.execute_unprepared(sql).await.unwrap();
        if book.engine == Engine::Sqlite {
            // `fill` leaves statistics, and nothing makes them where the server runs.
            book.db.execute_unprepared("DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4;").await.unwrap();
            book.db.execute_unprepared("ANALYZE sqlite_schema;").await.unwrap();
        } else {
            book.analyze().await;
        }
        for (index, filter) in indexed() {
            // MariaDB has no partial index: there, one is of all kinds.
            let index = match (index, book.engine) {
                ("entry_other_recorded_at_id_idx", Engine::MariaDb) => "entry_kind_recorded_at_id_idx",
                _ => index,
            };
            let mut plans = String::new();
            for statement in page_entries_statements(&book.db, &filter, EntryOrder { descending: true, ..EntryOrder::default() }).await.unwrap() {
                let plan = book.plan(statement.clone()).await;
                // PostgreSQL may count the first rows of a table instead, where enough of them are counted.
                let is_counted = statement.sql.starts_with("SELECT (SELECT") && book.engine == Engine::Postgres;
                let reads_all = |table: &str| match book.engine {
                    Engine::Sqlite | Engine::MariaDb => plan.lines().any(|line| line == format!("SCAN {table}") || line.starts_with(&format!("SCAN {table} AS"))),
                    Engine::Postgres => !is_counted && plan.contains(&format!("Seq Scan on {table} ")),
                };
                for table in ["entry", "entry_line", "entry_word", "entry_metadata"] {
                    // With so few accounts, PostgreSQL expects a good part of all lines on each, and reads them all.
                    let expects_many = filter.account_code_prefix.as_deref() == Some("ra") && table == "entry_line" && book.engine == Engine::Postgres;
                    assert!(expects_many || !reads_all(table), "{index} {filter:?}\n{}\n{plan}", statement.sql);
                }
                plans += &plan;
            }
            assert!(plans.contains(index), "{index} {filter:?}\n{plans}");
            let found = walk(&book, &filter, EntryOrder { descending: true, ..EntryOrder::default() }, 20).await;
            let count = count_entries(&book.db, &filter).await.unwrap();
            assert!(found.len() as u64 == count || found.len() >= 20, "{index} {filter:?}");
        }
        // Sixty words begin so, of more descriptions than are read to begin with.
        let sql = match book.engine {
            Engine::MariaDb => "INSERT INTO entry_word SELECT 'many' || (row_number() OVER (ORDER BY id) % 60), id FROM entry LIMIT 6000;",
            Engine::Sqlite => "INSERT INTO entry_word SELECT 'many' || (rowid % 60), id FROM entry LIMIT 6000;",
            Engine::Postgres => "INSERT INTO entry_word SELECT 'many' || (row_number() OVER (ORDER BY id) % 60), id FROM entry LIMIT 6000;",
        };
        book.db.execute_unprepared(sql).await.unwrap();
        let of_text = |text: &str| EntryFilter { text: Some(text.to_owned()), ..EntryFilter::default() };
        let refused = count_entries(&book.db, &of_text("man")).await.unwrap_err();
        assert!(refused.to_string().contains("`filter.text` has `man`"), "{refused}");
        assert_eq!(count_entries(&book.db, &of_text("many7")).await.unwrap(), 100);
        assert_eq!(count_entries(&book.db, &of_text("many1 common")).await.unwrap(), 1100);
        // References are looked up in lists, too.
        let several = entry::Entity::find().filter(entry::Column::Reference.is_in(["rare-1", "rare-2", "nothing"]));
        let plan = book.plan(several.build(book.db.get_database_backend())).await;
        assert!(plan.contains("entry_reference_once"), "{plan}");
    }
}
