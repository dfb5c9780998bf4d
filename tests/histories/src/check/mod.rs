//! The checks of a history. `lists` first: the final state that all others are held against.
//!
//! An account's list of lines is the list of Elle's list-append, and a line is an append. The version of an account is the
//! length of its list, so a read of a version says exactly which appends were seen, and a line's version says where in
//! the list it is. So the order of all writes is known, and nothing has to be inferred.

mod anomaly;
mod answers;
mod cycles;
mod entries;
mod feed;
mod graph;
mod lists;
mod reads;
#[cfg(test)]
mod tests;
mod tokens;

pub use anomaly::{Anomaly, Kind};

use crate::history::History;
use lists::Lists;

/// What was found so far.
#[derive(Default)]
struct Anomalies(Vec<Anomaly>);

impl Anomalies {
    fn add(&mut self, kind: Kind, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Anomaly { kind, text });
    }
}

/// Everything that is wrong with a history.
pub fn check(history: &History) -> Vec<Anomaly> {
    let lists = Lists::of(history);
    let mut anomalies = Anomalies::default();
    answers::check(history, &mut anomalies);
    entries::check(history, &lists, &mut anomalies);
    reads::check(history, &lists, &mut anomalies);
    cycles::check(history, &lists, &mut anomalies);
    feed::check(history, &lists, &mut anomalies);
    tokens::check(history, &mut anomalies);
    anomalies.0
}
