//! hledger is the oracle of the importer: a random journal is imported as hledger reads it, date by date, or refused.
//!
//! What hledger refuses may not be imported. What hledger reads may be refused, for the importer guesses at nothing; how often it is not is
//! counted, so that a generator that makes only nonsense is noticed.
//!
//! The journals are the same each time. With `DAYBOOK_JOURNALS`, which says how many there are to be, they are others each time.

mod journal;
mod moved;

use std::cell::{Cell, RefCell};

use daybook_test_harness::{Engine, TestDatabase};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::journal::journal;
use self::moved::{by_daybook, by_hledger, is_same};
use crate::ledger::book::Book;

#[test]
fn random_journals_are_read_as_hledger_reads_them() {
    let asked = std::env::var("DAYBOOK_JOURNALS");
    let cases = asked.as_ref().map_or(400, |text| {
        text.parse().expect("DAYBOOK_JOURNALS is a number")
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let book =
        runtime.block_on(async { Book::new(TestDatabase::create(Engine::Sqlite).await).await });
    let (imported, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let differences = RefCell::new(Vec::new());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = match asked {
        Ok(_) => TestRunner::new(config),
        Err(_) => {
            let rng = TestRng::deterministic_rng(RngAlgorithm::default());
            TestRunner::new_with_rng(config, rng)
        }
    };
    runner
        .run(&journal(), |journal| {
            let read = runtime.block_on(by_daybook(&book, &journal));
            match (by_hledger(&journal), read) {
                (Some(by_hledger), Ok(by_daybook)) if is_same(&by_hledger, &by_daybook) => {
                    imported.set(imported.get() + 1);
                }
                (_, Err(_)) => refused.set(refused.get() + 1),
                (by_hledger, Ok(by_daybook)) => differences.borrow_mut().push(format!(
                    "{journal}\nhledger {by_hledger:?}\nDaybook {by_daybook:?}"
                )),
            }
            Ok(())
        })
        .unwrap();
    let mut differences = differences.into_inner();
    differences.sort_by_key(String::len);
    let shown = &differences[..differences.len().min(5)];
    assert!(
        differences.is_empty(),
        "{} of {cases} journals are read otherwise; the shortest:\n{}",
        differences.len(),
        shown.join("\n\n")
    );
    // So that a generator that makes only nonsense, or nothing odd, is noticed.
    assert!(
        imported.get() * 4 > cases && refused.get() * 10 > cases,
        "{imported:?} imported, {refused:?} refused"
    );
}
