//! What the database keeps of parts, whoever writes, and how it comes to have them.

use super::a_full_wallet;
use crate::ledger::book::{line, new_hold, noon, violated};
use crate::ledger::rules::{an_entry, insert, refused};
use daybook::ledger::ReverseEntryError;
use daybook_entity::{EntryKind, entry, line_part};
use daybook_migration::Migrator;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, EntityTrait};
use sea_orm_migration::MigratorTrait;

on_every_engine! {
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
    (not on MariaDB: "its history has no migration before parts")
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
            book.write(async |tx| Migrator::down(&tx.0, steps).await).await.unwrap();
            book.write(async |tx| Migrator::up(&tx.0, None).await).await.unwrap();
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
        book.write(async |tx| Migrator::down(&tx.0, steps).await).await.unwrap_err();
        assert_eq!(entries().await, parts);
    }
}
