//! What was seen, and must not have been.

use super::{Book, Kind};
use crate::history::{Found, SeenLine};

#[test]
fn a_read_of_lines_that_are_not_there() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    let read = book.reads(&[("a", 1)]);
    book.history.operations[read].reads[0].version = 2;
    assert_eq!(book.kinds(), [Kind::AbortedRead]);
}

#[test]
fn a_read_of_an_entry_that_is_not_there() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    let read = book.reads(&[("a", 1)]);
    book.history.operations[read].reads[0].lines.push(SeenLine {
        version: 1,
        tag: "rolled back".to_owned(),
        change: 10,
        balance: 10,
    });
    assert_eq!(book.kinds(), [Kind::AbortedRead]);

    let mut book = Book::new();
    let read = book.reads(&[]);
    book.history.operations[read].found.push(Found {
        tag: "rolled back".to_owned(),
        lines: Some(1),
    });
    assert_eq!(book.kinds(), [Kind::AbortedRead]);
}

#[test]
fn a_read_in_the_middle_of_an_operation() {
    let mut book = Book::new();
    let write = book.posts(&[("a", "b"), ("a", "c")]);
    let read = book.reads(&[("a", 1)]);
    // While it was under way, or the read would be stale as well.
    book.takes(write, 0, 9);
    book.takes(read, 1, 2);
    let kinds = book.kinds();
    assert_eq!(kinds, [Kind::IntermediateRead, Kind::ReadSkew]);
}

#[test]
fn an_operation_is_seen_on_one_account_and_not_on_the_other() {
    let mut book = Book::new();
    let write = book.posts(&[("a", "b")]);
    let read = book.reads(&[("a", 1), ("b", 0)]);
    book.takes(write, 0, 9);
    book.takes(read, 1, 2);
    assert_eq!(book.kinds(), [Kind::FracturedRead, Kind::ReadSkew]);
}

#[test]
fn a_statement_and_its_balance_are_of_two_moments() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    book.posts(&[("a", "b")]);
    let read = book.reads(&[("a", 2)]);
    book.history.operations[read].reads[0].lines.push(SeenLine {
        version: 1,
        tag: "e0.0".to_owned(),
        change: 10,
        balance: 10,
    });
    assert_eq!(book.kinds(), [Kind::FracturedRead]);
}

#[test]
fn an_entry_is_seen_in_part() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    let read = book.reads(&[]);
    book.history.operations[read].found.push(Found {
        tag: "e0.0".to_owned(),
        lines: Some(0),
    });
    assert_eq!(book.kinds(), [Kind::FracturedRead]);
}

#[test]
fn two_reads_that_no_order_explains() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    book.posts(&[("a", "b")]);
    let read = book.reads(&[("a", 2)]);
    for (version, tag) in [(1, "e1.0"), (2, "e0.0")] {
        book.history.operations[read].reads[0].lines.push(SeenLine {
            version,
            tag: tag.to_owned(),
            change: 10,
            balance: 10 * i64::try_from(version).unwrap(),
        });
    }
    assert_eq!(book.kinds(), [Kind::IncompatibleOrder]);
}

#[test]
fn a_balance_that_lines_do_not_make() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    let read = book.reads(&[("a", 1)]);
    book.history.operations[read].reads[0].posted = 11;
    assert_eq!(book.kinds(), [Kind::WrongBalance]);
}

#[test]
fn all_accounts_together_make_something() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    let read = book.reads(&[("a", 1), ("b", 1)]);
    book.history.operations[read].reads_everything = true;
    assert_eq!(book.kinds(), []);
    // An account is left out.
    book.history.operations[read].reads.pop();
    assert_eq!(book.kinds(), [Kind::WrongBalance]);
}

#[test]
fn a_read_older_than_what_was_acknowledged() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    book.reads(&[("a", 0)]);
    assert_eq!(book.kinds(), [Kind::StaleRead, Kind::RealTime]);
}

#[test]
fn a_read_older_than_an_earlier_read() {
    let mut book = Book::new();
    let write = book.posts(&[("a", "b")]);
    book.takes(write, 0, 9);
    let (first, second) = (book.reads(&[("a", 1)]), book.reads(&[("a", 0)]));
    book.takes(first, 1, 2);
    book.takes(second, 3, 4);
    assert_eq!(book.kinds(), [Kind::StaleRead, Kind::RealTime]);
}

#[test]
fn an_acknowledged_entry_is_not_found() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    let read = book.reads(&[]);
    book.history.operations[read].found.push(Found {
        tag: "e0.0".to_owned(),
        lines: None,
    });
    assert_eq!(book.kinds(), [Kind::StaleRead, Kind::RealTime]);
}

#[test]
fn a_mutation_does_not_see_its_own_entry() {
    let mut book = Book::new();
    let write = book.posts(&[("a", "b")]);
    book.saw(write, "a", 0);
    book.history.operations[write].reads[0].after = Some(0);
    assert_eq!(book.kinds(), [Kind::StaleRead]);
}

#[test]
fn a_mutation_sees_what_came_after_its_entry() {
    let mut book = Book::new();
    let write = book.posts(&[("a", "b")]);
    let other = book.posts(&[("a", "b")]);
    book.saw(write, "a", 2);
    book.history.operations[write].reads[0].after = Some(0);
    book.takes(write, 0, 9);
    book.takes(other, 1, 2);
    assert_eq!(book.kinds(), [Kind::FracturedRead]);
}

#[test]
fn an_update_is_lost() {
    let mut book = Book::new();
    let first = book.posts(&[("a", "b")]);
    let second = book.posts(&[("a", "b")]);
    // Both have read version 0 and were to come next after it.
    for operation in [first, second] {
        let asked = &mut book.history.operations[operation].entries[0];
        asked.expected.push(("a".to_owned(), 0));
        book.takes(operation, 0, 9);
    }
    assert_eq!(book.kinds(), [Kind::LostUpdate, Kind::ReadSkew]);
}
