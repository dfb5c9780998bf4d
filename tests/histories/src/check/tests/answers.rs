//! How long answers take, and what a run itself finds.

use super::{Answer, Book, Kind, second};
use crate::history::{Disturbance, Finding, FindingKind};

#[test]
fn an_answer_comes_too_late_or_not_at_all() {
    let mut book = Book::new();
    let late = book.posts(&[("a", "b")]);
    book.takes(late, 0, 11);
    assert_eq!(book.kinds(), [Kind::Unanswered]);
    book.answer(late, Answer::Unknown("timeout".to_owned()));
    assert_eq!(book.kinds(), [Kind::Unanswered]);
    // Who goes away early has not waited.
    book.history.operations[late].attempts[0].is_abandoned = true;
    assert_eq!(book.kinds(), []);
}

#[test]
fn a_frozen_server_is_an_excuse_and_a_database_that_is_away_is_none() {
    let mut book = Book::new();
    let late = book.posts(&[("a", "b")]);
    book.takes(late, 0, 11);
    let disturbance = |excuses| Disturbance {
        fault: "a fault".to_owned(),
        begun: second(3),
        ended: second(4),
        excuses,
    };
    book.history.disturbances = vec![disturbance(None), disturbance(Some(1))];
    assert_eq!(book.kinds(), [Kind::Unanswered]);
    book.history.disturbances.push(disturbance(Some(0)));
    assert_eq!(book.kinds(), []);
}

#[test]
fn what_a_run_finds_is_told() {
    for (finding, kind) in [
        (FindingKind::BrokenAnswer, Kind::BrokenAnswer),
        (FindingKind::SessionLeft, Kind::SessionLeft),
        (FindingKind::NotVerified, Kind::NotVerified),
        (FindingKind::NotRecovered, Kind::NotRecovered),
        (FindingKind::NodesDisagree, Kind::NodesDisagree),
    ] {
        let mut book = Book::new();
        book.history.findings.push(Finding {
            kind: finding,
            text: String::new(),
        });
        assert_eq!(book.kinds(), [kind]);
    }
}
