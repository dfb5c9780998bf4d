//! Events on MariaDB get their numbers after their COMMIT: in order, once each, and none is lost.

use super::book::{Book, line, new_entry, noon, violated};
use daybook::ledger::{
    Clock, look_at_outbox, newest_in_outbox, number_events, post_entry, visible_in_outbox,
};
use daybook_test_harness::{Engine, TestDatabase};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, TransactionTrait,
};
use uuid::Uuid;

async fn a_book() -> Book {
    let book = Book::new(TestDatabase::create(Engine::MariaDb).await).await;
    for code in ["a", "b", "c", "d"] {
        book.account(code).await;
    }
    assert_eq!(number(&book).await, 4);
    book
}

async fn number(book: &Book) -> usize {
    book.write(async |tx| number_events(tx).await)
        .await
        .unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn begin(book: &Book) -> DatabaseTransaction {
    book.db.begin().await.unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the domain is tested without a unit of work around it"
)]
async fn commit(tx: DatabaseTransaction) {
    tx.commit().await.unwrap();
}

/// Posts an entry in a transaction that stays open.
async fn post(tx: &DatabaseTransaction, debit: &str, credit: &str) -> Uuid {
    let entry = new_entry(vec![line(debit, credit, 1)]);
    let posted = post_entry(tx, entry, &Clock::at(noon())).await.unwrap();
    posted.entry.id
}

/// The entries of events, in the order of their numbers.
async fn told(book: &Book) -> Vec<Uuid> {
    let sql = "SELECT entry_id FROM outbox WHERE entry_id IS NOT NULL ORDER BY seq";
    let rows = book
        .db
        .query_all_raw(Statement::from_string(DbBackend::MySql, sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get("", "entry_id").unwrap())
        .collect()
}

/// A transaction that has written its event and is not committed: nobody waits for it, and it comes after what has been numbered since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_commits_later_is_told_later() {
    let book = a_book().await;
    let slow = begin(&book).await;
    let first = post(&slow, "a", "b").await;
    let second = book.transfer("c", "d", 1).await.unwrap().entry.id;
    assert_eq!(number(&book).await, 1);
    let numbered = newest_in_outbox(&book.db).await.unwrap();
    commit(slow).await;
    let third = book.transfer("a", "b", 1).await.unwrap().entry.id;
    let look = look_at_outbox(&book.db, numbered, 10).await.unwrap();
    assert!(look.has_unnumbered);
    assert_eq!(look.newest, numbered);
    assert_eq!(number(&book).await, 2);
    assert_eq!(told(&book).await, [second, first, third]);
    let numbers = visible_in_outbox(&book.db, 0, 100).await.unwrap();
    assert_eq!(numbers, (1..=7).collect::<Vec<_>>(), "no number is missing");
    let look = look_at_outbox(&book.db, numbered, 10).await.unwrap();
    assert!(!look.has_unnumbered);
    book.is_sound().await;
}

/// Several servers look at the same moment: each event has one number. The second sees nothing of the first's numbers until they are committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_numbers_is_alone() {
    let book = a_book().await;
    let mut posted = Vec::new();
    for _ in 0..20 {
        posted.push(book.transfer("a", "b", 1).await.unwrap().entry.id);
    }
    let first = begin(&book).await;
    assert_eq!(number_events(&first).await.unwrap(), 20);
    assert_eq!(newest_in_outbox(&book.db).await.unwrap(), 4);
    let second = begin(&book).await;
    {
        let mut waits = std::pin::pin!(number_events(&second));
        let at_once =
            tokio::time::timeout(std::time::Duration::from_millis(200), waits.as_mut()).await;
        assert!(at_once.is_err(), "it does not wait");
        commit(first).await;
        assert_eq!(waits.await.unwrap(), 0);
    }
    commit(second).await;
    assert_eq!(told(&book).await, posted);
    let waiting = (0..4).map(|_| number(&book));
    posted.push(book.transfer("a", "b", 1).await.unwrap().entry.id);
    let numbered: usize = futures_util::future::join_all(waiting).await.iter().sum();
    assert_eq!(numbered, 1);
    assert_eq!(told(&book).await, posted);
    book.is_sound().await;
}

/// What was numbered and rolled back is numbered again, with the same numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_are_rolled_back_are_given_again() {
    let book = a_book().await;
    let posted = book.transfer("a", "b", 1).await.unwrap().entry.id;
    let undone = book
        .write(async |tx| {
            assert_eq!(number_events(tx).await?, 1);
            Err::<(), _>(DbErr::Custom("undo".to_owned()))
        })
        .await;
    assert_eq!(undone.unwrap_err(), DbErr::Custom("undo".to_owned()));
    assert_eq!(newest_in_outbox(&book.db).await.unwrap(), 4);
    book.is_sound().await;
    assert_eq!(number(&book).await, 1);
    assert_eq!(newest_in_outbox(&book.db).await.unwrap(), 5);
    assert_eq!(told(&book).await, [posted]);
}

/// Past the domain, too: no event is taken away without its number, changed, or numbered twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_or_numbered_twice() {
    let book = a_book().await;
    book.transfer("a", "b", 1).await.unwrap();
    let id = "SELECT id FROM outbox_unnumbered";
    for (sql, rule) in [
        (
            "DELETE FROM outbox_unnumbered".to_owned(),
            "outbox_unnumbered_stays",
        ),
        (
            "UPDATE outbox_unnumbered SET revision = 1".to_owned(),
            "outbox_unnumbered_fixed",
        ),
        (
            "INSERT INTO outbox (seq, account_id, revision, unnumbered_id) SELECT 9, account_id, revision, unnumbered_id FROM outbox WHERE seq = 1"
                .to_owned(),
            "outbox_numbered_once",
        ),
        (
            format!(
                "INSERT INTO outbox (seq, entry_id, account_id, unnumbered_id) VALUES (9, X'00000000000000000000000000000001', X'00000000000000000000000000000001', ({id}))"
            ),
            "outbox_one_event",
        ),
        ("DELETE FROM named_lock".to_owned(), "named_lock_stays"),
    ] {
        let error = book.db.execute_unprepared(&sql).await.expect_err(&sql);
        assert_eq!(violated(&error), rule, "{sql}");
    }
    // Nobody takes a lock that is not there for one that nobody has.
    book.db
        .execute_unprepared(
            "DROP TRIGGER named_lock_stays; DELETE FROM named_lock WHERE name = 'outbox'",
        )
        .await
        .unwrap();
    let error = book.write(async |tx| number_events(tx).await).await;
    assert!(matches!(error, Err(DbErr::RecordNotFound(_))), "{error:?}");
}
