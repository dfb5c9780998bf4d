//! What subscribers hear.

use super::{Book, From, Kind, second};
use crate::history::Event;

/// A history of four entries.
fn book() -> Book {
    let mut book = Book::new();
    for _ in 0..4 {
        book.posts(&[("a", "b")]);
    }
    book
}

#[test]
fn an_event_is_missed() {
    let mut book = book();
    book.hears(From::Beginning, &[1, 3, 4]);
    assert_eq!(book.kinds(), [Kind::MissedEvent]);
}

#[test]
fn the_first_event_is_missed_by_who_hears_from_the_beginning() {
    let mut book = book();
    book.hears(From::Beginning, &[2, 3, 4]);
    assert_eq!(book.kinds(), [Kind::MissedEvent]);
    let mut book = self::book();
    book.hears(From::Now(second(100)), &[2, 3, 4]);
    assert_eq!(book.kinds(), []);
}

#[test]
fn what_was_asked_for_after_a_subscription_began_is_missed() {
    let mut book = book();
    // The third is asked for at 4 s.
    book.hears(From::Now(second(3)), &[4]);
    assert_eq!(book.kinds(), [Kind::MissedEvent]);
}

#[test]
fn the_last_event_is_missed_by_who_listens_to_the_end() {
    let mut book = book();
    book.hears(From::Beginning, &[1, 2, 3]);
    assert_eq!(book.kinds(), []);
    book.history.subscribers[0].listenings[0].is_to_the_end = true;
    assert_eq!(book.kinds(), [Kind::MissedEvent]);
}

#[test]
fn events_of_other_accounts_are_not_missed() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    book.posts(&[("c", "d")]);
    book.posts(&[("a", "b")]);
    book.hears(From::Beginning, &[1, 3]);
    book.history.subscribers[0].accounts = Some(vec!["b".to_owned()]);
    assert_eq!(book.kinds(), []);
    book.history.subscribers[0].accounts = Some(vec!["d".to_owned()]);
    assert_eq!(book.kinds(), [Kind::MissedEvent, Kind::PhantomEvent]);
}

#[test]
fn an_event_is_repeated() {
    let mut book = book();
    book.hears(From::Beginning, &[1, 2, 2, 3, 4]);
    assert_eq!(book.kinds(), [Kind::RepeatedEvent]);
}

#[test]
fn events_are_out_of_order() {
    let mut book = book();
    book.hears(From::Beginning, &[1, 3, 2, 4]);
    assert_eq!(book.kinds(), [Kind::UnorderedEvent]);
}

#[test]
fn the_feed_is_in_another_order_than_an_account() {
    let mut book = book();
    book.history.ledger.entries[1].numbers = vec![3];
    book.history.ledger.entries[2].numbers = vec![2];
    assert_eq!(book.kinds(), [Kind::UnorderedEvent]);
}

#[test]
fn an_event_of_what_is_not_there() {
    let mut book = book();
    book.hears(From::Beginning, &[1, 2]);
    let events = &mut book.history.subscribers[0].listenings[0].events;
    events.push(Event {
        id: "rolled back".to_owned(),
        ..events[0].clone()
    });
    assert_eq!(book.kinds(), [Kind::PhantomEvent]);
}

#[test]
fn an_event_shows_a_part_of_its_entry() {
    let mut book = book();
    book.hears(From::Beginning, &[1, 2]);
    book.history.subscribers[0].listenings[0].events[0].lines = 0;
    assert_eq!(book.kinds(), [Kind::PhantomEvent]);
}
