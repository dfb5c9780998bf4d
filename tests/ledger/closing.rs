//! Closed periods: what the database refuses by itself, and entries and closings at the same time.

use super::book::{Book, at, effective, line, new_entry, noon, violated};
use super::concurrency::somebody_waits_for_a_lock;
use super::rules::{an_entry, insert, refused, with_an_entry};
use daybook::ledger::{
    Clock, CloseBooks, PostEntry, PostEntryError, close_books, post_entry, random, reopen_books,
};
use daybook_entity::{closing, entry, entry_line};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine, on_every_server};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, Statement,
    TransactionTrait,
};
use std::sync::Arc;

on_every_server! {
    an_entry_is_before_a_closing_or_is_refused
}

on_every_engine! {
    async fn no_line_is_in_a_closed_period_whoever_writes_it(database: TestDatabase) {
        let (book, [_, b, c], posted) = with_an_entry(database).await;
        let close = |prefix: &str, until: &str| format!(
            "INSERT INTO closing (id, code_prefix, closed_until, after_seq, recorded_at)
             SELECT {}, '{prefix}', {until}, (SELECT MAX(seq) FROM outbox), recorded_at FROM entry",
            book.new_id()
        );
        let later = match book.engine {
            Engine::MariaDb => "'2026-11-24 00:00:00'",
            Engine::Sqlite => "'2026-11-24T00:00:00+00:00'",
            Engine::Postgres => "CAST('2026-11-24T00:00:00Z' AS timestamptz)",
        };
        // What is closed here is numbered already, and the lines below are undone.
        book.newest().await;
        let line = || entry_line::Model { line_no: 2, debit_account_id: b.id, credit_account_id: c.id, ..posted.lines[0].clone() };
        // Of no account of the line, and then of one; until the instant of the entry, and then until a later one.
        book.db.execute_unprepared(&close("a", later)).await.unwrap();
        book.db.execute_unprepared(&close("c", "effective_at")).await.unwrap();
        let undone = book.write(async |tx| {
            entry_line::Entity::insert(line().into_active_model()).exec_without_returning(tx).await?;
            Err::<(), _>(DbErr::Custom("undo".to_owned()))
        }).await;
        assert_eq!(undone, Err(DbErr::Custom("undo".to_owned())));
        book.db.execute_unprepared(&close("c", later)).await.unwrap();
        refused(&book, line(), "entry_period_closed").await;
        // The first line of an entry, too.
        let first = async || {
            book.write(async |tx| {
                let other = an_entry();
                let line = entry_line::Model { entry_id: other.id, line_no: 1, ..line() };
                entry::Entity::insert(other.into_active_model()).exec_without_returning(tx).await?;
                entry_line::Entity::insert(line.into_active_model()).exec_without_returning(tx).await?;
                Err::<(), _>(DbErr::Custom("undo".to_owned()))
            }).await.unwrap_err()
        };
        assert_eq!(violated(&first().await), "entry_period_closed");
        // What is closed follows from the history alone.
        let numbered = close("d", later).replace("MAX(seq)", "MAX(seq) - 1");
        let mut attempts = vec![
            ("DELETE FROM closed_period", "closed_period_stays"),
            ("UPDATE closed_period SET closed_until = closed_until", "closed_period_fixed"),
            ("INSERT INTO closed_period SELECT 'x', closed_until FROM closed_period WHERE code_prefix = 'a'", "closed_period_is_closing"),
            ("UPDATE closing SET closed_until = NULL", "closing_append_only"),
            ("DELETE FROM closing", "closing_append_only"),
            (numbered.as_str(), "closing_numbered"),
        ];
        if book.engine == Engine::Sqlite {
            attempts.push(("INSERT OR REPLACE INTO closed_period SELECT code_prefix, '0001-01-01T00:00:00+00:00' FROM closed_period", "closed_period_is_closing"));
            attempts.push(("INSERT OR REPLACE INTO closing SELECT * FROM closing WHERE number = 3", "closing_pkey"));
        }
        for (sql, name) in attempts {
            let error = book.db.execute_unprepared(sql).await.expect_err(sql);
            let is = violated(&error);
            assert!(is == name || sql.contains("REPLACE INTO closing ") && is.starts_with("closing_"), "{sql}: {is}");
        }
        book.db.execute_unprepared(&close("c", "NULL")).await.unwrap();
        assert_eq!(first().await, DbErr::Custom("undo".to_owned()));
        let open = closing::Entity::find().filter(closing::Column::CodePrefix.eq("c")).all(&book.db).await.unwrap();
        assert_eq!(open.len(), 3);
        let closed = book.db.query_all_raw(Statement::from_string(book.db.get_database_backend(), "SELECT code_prefix FROM closed_period")).await.unwrap();
        assert_eq!(closed.iter().map(|row| row.try_get::<String>("", "code_prefix").unwrap()).collect::<Vec<_>>(), ["a"]);
        book.is_sound().await;
    }
}

/// A closing, and an entry that counts from before it: whichever is first, the other one knows. A reader, such as a backup, is in nobody's way.
#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn an_entry_is_before_a_closing_or_is_refused(engine: Engine) {
    let book = Arc::new(Book::new(TestDatabase::create(engine).await).await);
    book.account("a").await;
    book.account("b").await;
    let close = |until| CloseBooks {
        random: random(),
        code_prefix: "a".to_owned(),
        closed_until: Some(until),
        reason: None,
        recorded_by: None,
    };
    let early = || PostEntry {
        notes: effective(at(-60)),
        ..new_entry(vec![line("a", "b", 5)])
    };
    let clock = Clock::at(noon());
    let reader = book.db.begin().await.unwrap();
    reader
        .execute_unprepared("SELECT * FROM closed_period")
        .await
        .unwrap();

    // The entry is first: the closing waits for it.
    let first = book.db.begin().await.unwrap();
    post_entry(&first, early(), &clock).await.unwrap();
    let closing = tokio::spawn({
        let (book, command, clock) = (Arc::clone(&book), close(at(-30)), clock.clone());
        async move {
            book.write(async |tx| close_books(tx, command, &clock).await)
                .await
        }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let closed = closing.await.unwrap().unwrap();
    let newest = book.newest().await;
    assert_eq!(
        (closed.closed_until, closed.after_seq),
        (Some(at(-30)), newest)
    );

    // The closing is first: the entry waits for it, and is refused. So is one that is written past the domain.
    let first = book.db.begin().await.unwrap();
    reopen_books(&first, close(at(-90)), &clock).await.unwrap();
    close_books(&first, close(at(-40)), &clock).await.unwrap();
    let posting = tokio::spawn({
        let (book, entry) = (Arc::clone(&book), early());
        async move { book.post(entry).await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = posting.await.unwrap().unwrap_err();
    assert!(
        matches!(&refused, PostEntryError::PeriodClosed { closed_until, code_prefix, .. } if *closed_until == at(-40) && code_prefix == "a"),
        "{refused:?}"
    );
    let lines = entry_line::Entity::find().all(&book.db).await.unwrap();
    assert_eq!(lines.len(), 1);
    let entry = post_on_time(&book).await;
    let first = book.db.begin().await.unwrap();
    close_books(&first, close(noon()), &clock).await.unwrap();
    let line = entry_line::Model {
        line_no: 2,
        debit_version: 9,
        credit_version: 9,
        ..entry
    };
    let writing = tokio::spawn({
        let book = Arc::clone(&book);
        async move { insert(&book, line).await }
    });
    somebody_waits_for_a_lock(&book).await;
    first.commit().await.unwrap();
    let refused = writing.await.unwrap().unwrap_err();
    assert_eq!(violated(&refused), "entry_period_closed");
    book.is_sound().await;
    reader.rollback().await.unwrap();
}

/// The line of an entry that counts from before noon, and not from a closed instant.
async fn post_on_time(book: &Book) -> entry_line::Model {
    let entry = PostEntry {
        notes: effective(at(-20)),
        ..new_entry(vec![line("a", "b", 5)])
    };
    book.post(entry).await.unwrap().lines.remove(0)
}
