//! How many round trips a writing verb takes on MariaDB, with START TRANSACTION and COMMIT. What PostgreSQL is sent is in
//! `graphql::round_trips`.

use super::book::{Book, line, new_capture, new_entry, new_hold, noon};
use daybook::ledger::{
    Clock, EntryNotes, PostEntry, PostEntryError, capture_hold, place_hold, post_entry,
    reverse_entry,
};
use daybook_test_harness::{Cable, Engine, TestDatabase};
use sea_orm::DbErr;
use unit_of_work::{Database, DatabaseOptions, UnitOfWork};

/// A book, and its database behind a cable that hears each round trip.
struct Heard {
    book: Book,
    cable: Cable,
    database: Database,
}

impl Heard {
    async fn new() -> Self {
        let test = TestDatabase::create(Engine::MariaDb).await;
        let cable = Cable::to(test.url()).await;
        let book = Book::new(test).await;
        for code in ["a", "b", "c"] {
            book.account(code).await;
        }
        let mut options = DatabaseOptions::default();
        options.max_connections = 1;
        let database = Database::connect(cable.url(), options).await.unwrap();
        Self {
            book,
            cable,
            database,
        }
    }

    /// The round trips of what `verb` does, in a transaction, once its statements are prepared: it runs twice.
    async fn flights(&self, verb: impl AsyncFn(&UnitOfWork) -> Result<(), DbErr>) -> usize {
        let mut heard = 0;
        for _ in 0..2 {
            let before = self.cable.orders(|_| true);
            let written = self.database.write(async |unit| verb(&unit).await).await;
            written.unwrap();
            heard = self.cable.orders(|_| true) - before;
        }
        heard
    }
}

fn clock() -> Clock {
    Clock::at(noon())
}

/// The accounts, locked, and then all that the entry changes, in one text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_two_round_trips_in_a_transaction() {
    let heard = Heard::new().await;
    let described = EntryNotes {
        description: Some("Coffee, for the team; it's 5 o'clock".to_owned()),
        ..EntryNotes::default()
    };
    let one = || vec![line("a", "b", 1)];
    for lines in [
        one(),
        [vec![line("a", "b", 1); 20], vec![line("b", "c", 1)]].concat(),
    ] {
        let entry = || PostEntry {
            notes: described.clone(),
            ..new_entry(lines.clone())
        };
        let post = heard.flights(async |unit| {
            let posted = post_entry(unit, entry(), &clock()).await;
            posted.map(drop).map_err(PostEntryError::into_db_err)
        });
        assert_eq!(post.await, 4);
    }
    let hold = heard.flights(async |unit| {
        let held = place_hold(unit, new_hold(one()), &clock()).await;
        held.map(drop).map_err(PostEntryError::into_db_err)
    });
    assert_eq!(hold.await, 4);
    heard.book.is_sound().await;
}

/// Only the database knows whether it is the first to have the reference, to end the hold or to undo the entry: that takes one more, and to read
/// what is ended or undone takes two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_with_a_rival_is_inserted_by_itself() {
    let heard = Heard::new().await;
    let one = || vec![line("a", "b", 1)];
    let with_reference = heard.flights(async |unit| {
        let mut entry = new_entry(one());
        entry.notes.reference = Some(entry.id.to_string());
        let posted = post_entry(unit, entry, &clock()).await;
        posted.map(drop).map_err(PostEntryError::into_db_err)
    });
    assert_eq!(with_reference.await, 5);
    let hold_with_reference = heard.flights(async |unit| {
        let mut hold = new_hold(one());
        hold.notes.reference = Some(hold.id.to_string());
        hold.expires_at = Some("2999-01-01T00:00:00Z".parse().unwrap());
        let held = place_hold(unit, hold, &clock()).await;
        held.map(drop).map_err(PostEntryError::into_db_err)
    });
    assert_eq!(hold_with_reference.await, 5);
    let mut holds = Vec::new();
    for _ in 0..2 {
        holds.push(heard.book.hold(new_hold(one())).await.unwrap().entry.id);
    }
    let holds = std::sync::Mutex::new(holds);
    let capture = heard.flights(async |unit| {
        let hold = holds.lock().unwrap().pop().unwrap();
        let captured = capture_hold(unit, new_capture(hold, noon()), &clock()).await;
        captured.unwrap();
        Ok(())
    });
    assert_eq!(capture.await, 7);
    let mut entries = Vec::new();
    for _ in 0..2 {
        entries.push(heard.book.transfer("a", "b", 1).await.unwrap().entry.id);
    }
    let entries = std::sync::Mutex::new(entries);
    let reverse = heard.flights(async |unit| {
        let entry = entries.lock().unwrap().pop().unwrap();
        let reversal = super::book::new_reversal(entry);
        reverse_entry(unit, reversal, &clock()).await.unwrap();
        Ok(())
    });
    assert_eq!(reverse.await, 7);
    heard.book.is_sound().await;
}
