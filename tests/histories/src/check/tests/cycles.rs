//! Orders that contradict each other.

use super::{Book, Kind};

#[test]
fn writes_in_two_orders() {
    let mut book = Book::new();
    let (first, second) = (book.posts(&[("a", "b")]), book.posts(&[("a", "b")]));
    book.takes(first, 0, 9);
    book.takes(second, 0, 9);
    let lines = &mut book.history.ledger.entries;
    lines[0].lines[0].credit_version = 2;
    lines[1].lines[0].credit_version = 1;
    // The feed can agree with one of the accounts at most.
    assert_eq!(book.kinds(), [Kind::DirtyWrite, Kind::UnorderedEvent]);
}

#[test]
fn two_operations_read_each_other() {
    let mut book = Book::new();
    let (first, second) = (book.posts(&[("a", "b")]), book.posts(&[("c", "d")]));
    book.saw(first, "c", 1);
    book.saw(second, "a", 1);
    book.takes(first, 0, 9);
    book.takes(second, 0, 9);
    assert_eq!(book.kinds(), [Kind::CircularInformation]);
}

#[test]
fn a_read_sees_an_effect_and_not_its_cause() {
    let mut book = Book::new();
    let (cause, effect) = (book.posts(&[("b", "c")]), book.posts(&[("a", "c")]));
    let read = book.reads(&[("a", 1), ("b", 0)]);
    for operation in [cause, effect, read] {
        book.takes(operation, 0, 9);
    }
    assert_eq!(book.kinds(), [Kind::ReadSkew]);
}

#[test]
fn two_operations_do_not_see_each_other() {
    let mut book = Book::new();
    let (first, second) = (book.posts(&[("a", "b")]), book.posts(&[("c", "d")]));
    book.saw(first, "c", 0);
    book.saw(second, "a", 0);
    book.takes(first, 0, 9);
    book.takes(second, 0, 9);
    assert_eq!(book.kinds(), [Kind::WriteSkew]);
}

#[test]
fn two_reads_see_two_writes_in_two_orders() {
    let mut book = Book::new();
    let (first, second) = (book.posts(&[("a", "b")]), book.posts(&[("c", "d")]));
    let (one, other) = (
        book.reads(&[("a", 1), ("c", 0)]),
        book.reads(&[("a", 0), ("c", 1)]),
    );
    for operation in [first, second, one, other] {
        book.takes(operation, 0, 9);
    }
    assert_eq!(book.kinds(), [Kind::WriteSkew]);
}

#[test]
fn a_write_comes_before_one_that_had_ended() {
    let mut book = Book::new();
    let (first, second) = (book.posts(&[("a", "b")]), book.posts(&[("a", "b")]));
    book.takes(first, 5, 6);
    book.takes(second, 1, 2);
    assert_eq!(book.kinds(), [Kind::RealTime]);
    // Where they overlap, it is an order like any other.
    book.takes(second, 1, 5);
    assert_eq!(book.kinds(), []);
}

#[test]
fn an_operation_whose_end_nobody_knows_has_none() {
    let mut book = Book::new();
    let (first, second) = (book.posts(&[("a", "b")]), book.posts(&[("a", "b")]));
    book.takes(first, 5, 6);
    book.takes(second, 1, 2);
    let timeout = || super::Answer::Unknown("timeout".to_owned());
    book.answer(second, timeout());
    assert_eq!(book.kinds(), []);
}

#[test]
fn a_long_history_is_checked_without_a_deep_stack() {
    let mut book = Book::new();
    for _ in 0..1500 {
        book.posts(&[("a", "b")]);
    }
    assert_eq!(book.kinds(), []);
    let last = book.history.operations.len() - 1;
    book.takes(last, 0, 1);
    book.takes(0, 1_000_000, 1_000_001);
    assert_eq!(book.kinds(), [Kind::RealTime]);
}
