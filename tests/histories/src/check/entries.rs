//! Every acknowledged entry exactly once, no refused or dry-run one at all, every unknown one at most once.

use super::{Anomalies, Kind, lists::Lists};
use crate::history::{Action, Answer, Asked, AskedLine, History, Operation, Side};

pub(super) fn check(history: &History, lists: &Lists<'_>, anomalies: &mut Anomalies) {
    for (number, operation) in history.operations.iter().enumerate() {
        for asked in &operation.entries {
            presence(number, operation, asked, lists, anomalies);
            identity(number, asked, history, lists, anomalies);
        }
        let is_there = |asked: &Asked| !lists.tagged(&asked.tag).is_empty();
        let there = operation.entries.iter().filter(|asked| is_there(asked));
        let there = there.count();
        if there > 0 && there < operation.entries.len() {
            let of = operation.entries.len();
            anomalies.add(
                Kind::Torn,
                format!("operation {number}: {there} of its {of} entries are there"),
            );
        }
    }
    for (number, entry) in history.ledger.entries.iter().enumerate() {
        if lists.owner(number).is_none() {
            let text = format!("{} {:?}: nobody asked for it", entry.id, entry.tag);
            anomalies.add(Kind::Phantom, text);
        }
        if entry.numbers.len() != 1 {
            let text = format!(
                "{}: its numbers in the feed: {:?}",
                entry.tag, entry.numbers
            );
            anomalies.add(Kind::Unbalanced, text);
        }
    }
    for problem in &lists.problems {
        anomalies.add(Kind::Unbalanced, problem);
    }
    // Each line adds to a debit what it adds to a credit.
    let mut total = 0;
    for (account, places) in lists.accounts() {
        let balance = places.last().map_or(0, |place| place.balance);
        total += match history.ledger.accounts.get(account) {
            Some(Side::Debit) => balance,
            _ => -balance,
        };
    }
    if total != 0 {
        anomalies.add(
            Kind::Unbalanced,
            format!("debits and credits differ by {total}"),
        );
    }
}

fn presence(
    number: usize,
    operation: &Operation,
    asked: &Asked,
    lists: &Lists<'_>,
    anomalies: &mut Anomalies,
) {
    let times = lists.tagged(&asked.tag).len();
    let tag = &asked.tag;
    let answer = &operation.answer;
    if times > 1 {
        let text = format!("operation {number}: {tag} is there {times} times ({answer:?})");
        anomalies.add(Kind::Duplicate, text);
    }
    let is_real = operation.action == Action::Mutation;
    match answer {
        Answer::Acknowledged if is_real && times == 0 => {
            let ended = operation.succeeded().unwrap_or_default();
            let text =
                format!("operation {number}: {tag} was acknowledged at {ended:?} and is not there");
            anomalies.add(Kind::Lost, text);
        }
        Answer::Refused(_) if times > 0 => {
            let text = format!("operation {number}: {tag} is there, and was refused: {answer:?}");
            anomalies.add(Kind::Phantom, text);
        }
        _ if !is_real && times > 0 => {
            let action = operation.action;
            let text = format!("operation {number}: {tag} is there, and was a {action:?}");
            anomalies.add(Kind::Phantom, text);
        }
        _ => {}
    }
}

/// Whether the entry is what was asked for, under the id that its client was told.
fn identity(
    number: usize,
    asked: &Asked,
    history: &History,
    lists: &Lists<'_>,
    anomalies: &mut Anomalies,
) {
    let tag = &asked.tag;
    for entry in lists.tagged(tag) {
        let entry = &history.ledger.entries[*entry];
        let lines = entry.lines.iter().map(|line| AskedLine {
            debit: line.debit.clone(),
            credit: line.credit.clone(),
            amount: line.amount,
        });
        let lines: Vec<AskedLine> = lines.collect();
        if asked.lines.as_ref().is_some_and(|asked| *asked != lines) {
            anomalies.add(
                Kind::Altered,
                format!("operation {number}: {tag} has the lines {lines:?}"),
            );
        }
    }
    // A dry run shows an id that is not kept, and where several are there, that is said elsewhere.
    if let [entry] = lists.tagged(tag) {
        let is = &history.ledger.entries[*entry].id;
        for told in asked.ids.iter().filter(|told| *told != is) {
            let text = format!("operation {number}: {tag} is {is}, and its client was told {told}");
            anomalies.add(Kind::Altered, text);
        }
    }
}
