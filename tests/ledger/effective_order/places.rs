//! `late_place`, which the database writes itself.

use super::{Step, carry_out, read};
use crate::ledger::book::{Book, at, effective, line, new_entry, violated};
use crate::ledger::history::Dice;
use daybook::ledger::{Clock, PageRequest, PostEntry, StatementFilter, post_entry_list};
use daybook_migration::Migrator;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::MigratorTrait;

/// What there is of `late_place`, as a text a row.
async fn places(book: &Book) -> Vec<String> {
    let (id, text) = match book.engine {
        Engine::Sqlite => ("hex(account_id)", "text"),
        Engine::Postgres => ("CAST(account_id AS text)", "text"),
        Engine::MariaDb => ("hex(account_id)", "char"),
    };
    let sql = format!(
        "SELECT {id} || ' ' || CAST(effective_at AS {text}) || ' ' || CAST(version AS {text}) || ' ' || CAST(posted AS {text}) AS place
         FROM late_place ORDER BY account_id, version"
    );
    let rows = Statement::from_string(book.db.get_database_backend(), sql);
    let rows = book.db.query_all_raw(rows).await.unwrap();
    rows.iter()
        .map(|row| row.try_get("", "place").unwrap())
        .collect()
}

on_every_engine! {
    /// Late lines that were posted before the migration get the places that posting would have given them.
    (not on MariaDB: "its schema begins with all of it")
    async fn what_was_posted_before_the_migration_has_its_place(database: TestDatabase) {
        let book = Book::new(database).await;
        let codes = ["a", "b", "c"].map(str::to_owned);
        for code in &codes {
            book.account(code).await;
        }
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let steps: Vec<Step> = (0..30).map(|_| (dice.roll(5), u8::try_from(dice.roll(4)).unwrap(), 0, 1, 1 + dice.roll(50))).collect();
        carry_out(&book, &codes, &steps).await;
        let written = places(&book).await;
        assert!(written.len() > 20, "{written:?}");
        let since = Migrator::migrations().iter().rev().take_while(|it| !it.name().ends_with("add_effective_order")).count() + 1;
        Migrator::down(&book.db.0, Some(u32::try_from(since).unwrap())).await.unwrap();
        Migrator::up(&book.db.0, None).await.unwrap();
        assert_eq!(places(&book).await, written);
        book.is_sound().await;
    }

    /// More late lines from one instant than one INSERT has rows: the running sums over them are right.
    async fn late_lines_of_a_list_have_their_places(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b"] {
            book.account(code).await;
        }
        book.transfer("a", "b", 1).await.unwrap();
        let lines = || vec![line("a", "b", 2), line("b", "a", 1), line("a", "b", 3)];
        let late = |_| PostEntry { notes: effective(at(-60)), ..new_entry(lines()) };
        let entries: Vec<PostEntry> = (0..500).map(late).collect();
        book.write(async |tx| post_entry_list(tx, entries, &Clock::at(at(1))).await).await.unwrap();
        assert_eq!(places(&book).await.len(), 3000);
        book.is_sound().await;
        let (account, none) = (book.find("b").await, StatementFilter::default());
        let newest = PageRequest { last: Some(4), ..PageRequest::default() };
        let lines = read(&book, &account, &newest, &none, false).await.lines;
        let lines: Vec<_> = lines.into_iter().map(|(_, version, balance)| (version, balance)).collect();
        assert_eq!(lines, [(1499, 1998), (1500, 1997), (1501, 2000), (1, 2001)]);
    }

    /// Nobody else writes places, and none is written without its line or before an earlier one.
    async fn places_keep_their_rules(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b"] {
            book.account(code).await;
        }
        book.transfer("a", "b", 1).await.unwrap();
        for _ in 0..2 {
            let late = PostEntry { notes: effective(at(-60)), ..new_entry(vec![line("a", "b", 2)]) };
            book.post(late).await.unwrap();
        }
        let written = places(&book).await;
        let (missing, form) = match book.engine {
            Engine::MariaDb => ("effective_at", ""),
            Engine::Sqlite => ("late_place.effective_at", "late_place_effective_at_form"),
            Engine::Postgres => ("late_place.effective_at", ""),
        };
        let mut attempts = vec![
            ("UPDATE late_place SET posted = 0", "late_place_append_only"),
            ("DELETE FROM late_place", "late_place_append_only"),
            ("INSERT INTO late_place SELECT * FROM late_place", "late_place_in_order"),
            ("INSERT INTO late_place SELECT account_id, effective_at, 2, 0 FROM late_place WHERE version = 3", "late_place_in_order"),
        ];
        let columns = match book.engine {
            Engine::MariaDb => " (account_id, version, latest_effective_at, `lines`, posted, debits_pending, credits_pending, held)",
            Engine::Sqlite | Engine::Postgres => "",
        };
        let without_line = format!(
            "INSERT INTO late_line{columns} SELECT account_id, 9, latest_effective_at, 3, 0, 0, 0, 0 FROM late_line WHERE version = 3"
        );
        attempts.push((without_line.as_str(), missing));
        if book.engine == Engine::Sqlite {
            attempts.push(("INSERT OR REPLACE INTO late_place SELECT * FROM late_place", "late_place_in_order"));
            attempts.push(("INSERT INTO late_place SELECT account_id, '2030', 3, 0 FROM late_place WHERE version = 3", form));
        }
        for (sql, name) in attempts {
            let error = book.db.execute_unprepared(sql).await.expect_err(sql);
            assert_eq!(violated(&error), name, "{sql}: {error}");
        }
        assert_eq!(places(&book).await, written);
        book.is_sound().await;
    }
}
