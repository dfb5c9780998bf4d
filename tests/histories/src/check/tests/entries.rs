//! What is there, and must not be; what is not, and must be.

use super::{Action, Answer, Book, Kind};

#[test]
fn an_acknowledged_entry_is_lost() {
    let mut book = Book::new();
    book.asks(&[("a", "b")]);
    assert_eq!(book.kinds(), [Kind::Lost]);
}

#[test]
fn an_entry_is_there_twice() {
    let mut book = Book::new();
    let operation = book.posts(&[("a", "b")]);
    book.answer(operation, Answer::Unknown("timeout".to_owned()));
    book.happens(operation, 0);
    assert_eq!(book.kinds(), [Kind::Duplicate]);
}

#[test]
fn a_refused_entry_is_there() {
    let mut book = Book::new();
    let operation = book.posts(&[("a", "b")]);
    book.answer(operation, Answer::Refused("INTERNAL".to_owned()));
    assert_eq!(book.kinds(), [Kind::Phantom]);
}

#[test]
fn an_entry_of_a_dry_run_is_there() {
    let mut book = Book::new();
    let operation = book.posts(&[("a", "b")]);
    book.history.operations[operation].action = Action::DryRun;
    assert_eq!(book.kinds(), [Kind::Phantom]);
    // Not being there is right.
    let mut book = Book::new();
    let operation = book.asks(&[("a", "b")]);
    book.history.operations[operation].action = Action::DryRun;
    assert_eq!(book.kinds(), []);
}

#[test]
fn an_entry_is_there_that_nobody_asked_for() {
    let mut book = Book::new();
    let operation = book.posts(&[("a", "b")]);
    book.history.operations.remove(operation);
    assert_eq!(book.kinds(), [Kind::Phantom]);
}

#[test]
fn an_operation_is_half_there() {
    let mut book = Book::new();
    let operation = book.asks(&[("a", "b"), ("c", "d")]);
    book.answer(operation, Answer::Unknown("timeout".to_owned()));
    book.happens(operation, 1);
    assert_eq!(book.kinds(), [Kind::Torn]);
}

#[test]
fn an_entry_is_not_what_was_asked_for() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    book.history.ledger.entries[0].lines[0].amount = 11;
    assert_eq!(book.kinds(), [Kind::Altered]);
}

#[test]
fn a_client_was_told_another_id() {
    let mut book = Book::new();
    let operation = book.posts(&[("a", "b")]);
    // The second answer to one key: another execution's.
    book.history.operations[operation].entries[0]
        .ids
        .push("another".to_owned());
    assert_eq!(book.kinds(), [Kind::Altered]);
}

#[test]
fn a_version_is_missing() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    book.history.ledger.entries[0].lines[0].debit_version = 2;
    assert_eq!(book.kinds(), [Kind::Unbalanced]);
}

#[test]
fn an_entry_is_not_in_the_feed_or_twice() {
    for numbers in [vec![], vec![1, 2]] {
        let mut book = Book::new();
        book.posts(&[("a", "b")]);
        book.history.ledger.entries[0].numbers = numbers;
        assert_eq!(book.kinds(), [Kind::Unbalanced]);
    }
}
