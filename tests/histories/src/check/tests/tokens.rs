//! What tokens say, and what a failover takes with it.

use super::{Action, Book, Kind};
use crate::{client::tokens::FIRST, history::Switch};

/// A token of this timeline and position.
fn token(timeline: u32, position: u64) -> String {
    format!("{timeline:08x}.{position:016x}.68fa3c2d11e0a7b5")
}

impl Book {
    /// A book of a run in which clients show tokens.
    fn with_tokens() -> Self {
        let mut book = Self::new();
        book.history.has_tokens = true;
        book.history.shows_tokens = true;
        book
    }

    fn tokens(&mut self, operation: usize, shown: Option<String>, told: Option<String>) {
        let attempt = &mut self.history.operations[operation].attempts[0];
        (attempt.shown, attempt.told) = (shown, told);
    }
}

#[test]
fn a_token_goes_back() {
    let mut book = Book::with_tokens();
    let read = book.reads(&[]);
    book.tokens(read, Some(token(1, 20)), Some(token(1, 20)));
    assert_eq!(book.kinds(), []);
    book.tokens(read, Some(token(1, 20)), Some(token(1, 19)));
    assert_eq!(book.kinds(), [Kind::TokenBack]);
    // What is not known is found out.
    book.tokens(read, Some(token(1, u64::MAX)), Some(token(1, 19)));
    assert_eq!(book.kinds(), []);
}

#[test]
fn a_token_that_a_client_was_told_goes_back() {
    let mut book = Book::with_tokens();
    let (first, second) = (book.reads(&[]), book.reads(&[]));
    book.tokens(first, None, Some(token(1, 20)));
    book.tokens(second, None, Some(token(1, 19)));
    assert_eq!(book.kinds(), [Kind::TokenBack]);
    // Who shows none asks for nothing.
    book.history.shows_tokens = false;
    assert_eq!(book.kinds(), []);
    // Another client is not as far.
    book.history.shows_tokens = true;
    book.history.operations[second].client = 1;
    assert_eq!(book.kinds(), []);
}

#[test]
fn an_answer_has_no_token() {
    let mut book = Book::with_tokens();
    let read = book.reads(&[]);
    // It has shown none, and asks for none.
    assert_eq!(book.kinds(), []);
    book.tokens(read, Some(FIRST.to_owned()), None);
    assert_eq!(book.kinds(), [Kind::TokenMissing]);
    book.answer(read, super::Answer::Refused("INTERNAL".to_owned()));
    assert_eq!(book.kinds(), []);
}

#[test]
fn a_query_with_a_token_of_before_a_failover_is_answered_after_it() {
    let mut book = Book::with_tokens();
    let read = book.reads(&[]);
    book.tokens(read, Some(token(1, 20)), Some(token(2, 30)));
    assert_eq!(book.kinds(), [Kind::TokenIgnored]);
    book.tokens(read, Some(FIRST.to_owned()), Some(token(2, 30)));
    assert_eq!(book.kinds(), []);
    book.tokens(read, Some(token(1, 20)), Some(token(2, 30)));
    // A mutation may have been committed before, and be found after it.
    book.history.operations[read].action = Action::Mutation;
    assert_eq!(book.kinds(), []);
}

/// A query that saw a line which is not there in the end.
fn seen_and_not_there(told: String) -> Book {
    let mut book = Book::with_tokens();
    let write = book.posts(&[("a", "b")]);
    book.tokens(write, None, Some(token(1, 10)));
    let read = book.reads(&[("a", 1)]);
    book.history.operations[read].reads[0].version = 2;
    book.tokens(read, Some(token(1, 10)), Some(told));
    book
}

#[test]
fn what_was_seen_behind_a_switch_may_be_lost() {
    let mut book = seen_and_not_there(token(1, 20));
    assert_eq!(book.kinds(), [Kind::AbortedRead]);
    let mut switch = |timeline, position| {
        book.history.switches = vec![Switch { timeline, position }];
        book.kinds()
    };
    assert_eq!(switch(1, 20), [Kind::AbortedRead]);
    assert_eq!(switch(2, 19), [Kind::AbortedRead]);
    assert_eq!(switch(1, 19), [Kind::SeenAndLost]);
}

#[test]
fn what_only_the_primary_can_show_is_not_lost() {
    let mut book = seen_and_not_there(token(1, u64::MAX));
    book.history.switches = vec![Switch {
        timeline: 1,
        position: 19,
    }];
    assert_eq!(book.kinds(), [Kind::AbortedRead]);
}

#[test]
fn what_was_acknowledged_behind_a_switch_is_lost_all_the_same() {
    let mut book = Book::with_tokens();
    let write = book.asks(&[("a", "b")]);
    book.tokens(write, None, Some(token(1, 20)));
    book.history.switches = vec![Switch {
        timeline: 1,
        position: 19,
    }];
    assert_eq!(book.kinds(), [Kind::Lost]);
}

#[test]
fn what_was_seen_behind_a_switch_is_new_all_the_same() {
    let mut book = Book::with_tokens();
    let write = book.posts(&[("a", "b")]);
    book.tokens(write, None, Some(token(1, 10)));
    let read = book.reads(&[("a", 0)]);
    book.tokens(read, Some(token(1, 10)), Some(token(1, 20)));
    book.history.switches = vec![Switch {
        timeline: 1,
        position: 19,
    }];
    assert_eq!(book.kinds(), [Kind::StaleRead]);
}

#[test]
fn a_mutation_sees_nothing_that_is_lost() {
    let mut book = Book::with_tokens();
    let write = book.posts(&[("a", "b")]);
    book.tokens(write, None, Some(token(1, 20)));
    book.saw(write, "a", 1);
    let read = &mut book.history.operations[write].reads[0];
    (read.posted, read.after) = (11, Some(0));
    book.history.switches = vec![Switch {
        timeline: 1,
        position: 19,
    }];
    assert_eq!(book.kinds(), [Kind::WrongBalance]);
}

#[test]
fn a_snapshot_adds_up_whatever_is_lost() {
    let mut book = seen_and_not_there(token(1, 20));
    book.history.switches = vec![Switch {
        timeline: 1,
        position: 19,
    }];
    book.history.operations[1].reads_everything = true;
    assert_eq!(book.kinds(), [Kind::WrongBalance, Kind::SeenAndLost]);
}

#[test]
fn nobody_is_held_to_what_was_lost() {
    let mut book = seen_and_not_there(token(1, 20));
    book.history.switches = vec![Switch {
        timeline: 1,
        position: 19,
    }];
    // The line that took its place is written later, and so is not stale for whoever reads in between.
    let between = book.reads(&[("a", 1)]);
    book.tokens(between, None, Some(token(2, 20)));
    let write = book.posts(&[("a", "b")]);
    book.tokens(write, Some(token(2, 20)), Some(token(2, 30)));
    assert_eq!(book.kinds(), [Kind::SeenAndLost]);
}
