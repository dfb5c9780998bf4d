//! What operations saw of accounts and entries, each by itself: whatever needs no more than two operations to be wrong.

use std::collections::{BTreeMap, HashMap};

use super::{Anomalies, Kind, lists::Lists, tokens};
use crate::history::{Action, Answer, Found, History, Moment, Operation, Read, Side};

pub(super) fn check(history: &History, lists: &Lists<'_>, anomalies: &mut Anomalies) {
    let known = Known::of(history, lists);
    for (number, operation) in history.operations.iter().enumerate() {
        // A dry run shows what would be.
        if operation.action == Action::DryRun || operation.answer != Answer::Acknowledged {
            continue;
        }
        // Whatever becomes of a snapshot, it adds up.
        conserved(number, operation, history, anomalies);
        let mut found = Anomalies::default();
        one(number, operation, history, lists, &known, &mut found);
        if tokens::is_beyond_a_switch(history, operation) {
            // What it saw has another place in the end, or none. It must have been new all the same.
            let (old, lost): (Vec<_>, Vec<_>) = found
                .0
                .into_iter()
                .partition(|anomaly| anomaly.kind == Kind::StaleRead);
            anomalies.0.extend(old);
            if let Some(lost) = lost.first() {
                anomalies.add(Kind::SeenAndLost, &lost.text);
            }
        } else {
            anomalies.0.append(&mut found.0);
        }
    }
}

/// One operation.
fn one(
    number: usize,
    operation: &Operation,
    history: &History,
    lists: &Lists<'_>,
    known: &Known<'_>,
    anomalies: &mut Anomalies,
) {
    for read in &operation.reads {
        content(number, read, history, lists, anomalies);
        let newest = known.version(&read.account, operation.begun());
        if read.version < newest {
            let (account, version) = (&read.account, read.version);
            let text = format!(
                "operation {number}: {account} at version {version}, which was known to be at {newest} before it began"
            );
            anomalies.add(Kind::StaleRead, text);
        }
        match read.after {
            Some(entry) => own(number, operation, entry, read, lists, anomalies),
            None => intermediate(number, read, history, lists, anomalies),
        }
    }
    fractured(number, operation, history, lists, anomalies);
    for found in &operation.found {
        entry(number, operation, found, history, lists, known, anomalies);
    }
    updates(number, operation, history, lists, anomalies);
}

/// What clients knew, and from when on.
struct Known<'a> {
    /// For each account the largest version that was known at each moment, in order.
    versions: HashMap<&'a str, Vec<(Moment, u64)>>,
    /// When each entry was acknowledged.
    entries: HashMap<&'a str, Moment>,
}

impl<'a> Known<'a> {
    fn of(history: &'a History, lists: &Lists<'a>) -> Self {
        let mut versions: HashMap<&str, Vec<(Moment, u64)>> = HashMap::new();
        let mut entries = HashMap::new();
        for operation in &history.operations {
            let Some(ended) = operation.succeeded() else {
                continue;
            };
            // What was lost is known to nobody.
            if operation.action == Action::DryRun || tokens::is_beyond_a_switch(history, operation)
            {
                continue;
            }
            for read in &operation.reads {
                // A version that is not there in the end is an aborted read, and everybody's read would seem stale beside it.
                let there = lists.list(&read.account).len() as u64;
                let known = (ended, read.version.min(there));
                versions.entry(&read.account).or_default().push(known);
            }
            for asked in &operation.entries {
                entries.insert(asked.tag.as_str(), ended);
                for number in lists.tagged(&asked.tag) {
                    for line in &history.ledger.entries[*number].lines {
                        let debit = (ended, line.debit_version);
                        versions.entry(&line.debit).or_default().push(debit);
                        let credit = (ended, line.credit_version);
                        versions.entry(&line.credit).or_default().push(credit);
                    }
                }
            }
        }
        for known in versions.values_mut() {
            known.sort_unstable();
            let mut largest = 0;
            for (_, version) in known {
                largest = largest.max(*version);
                *version = largest;
            }
        }
        Self { versions, entries }
    }

    /// The largest version of an account that somebody knew before this moment.
    fn version(&self, account: &str, before: Moment) -> u64 {
        let Some(known) = self.versions.get(account) else {
            return 0;
        };
        let earlier = known.partition_point(|(moment, _)| *moment < before);
        earlier.checked_sub(1).map_or(0, |last| known[last].1)
    }
}

/// Whether what was read is in the final state, in the same place.
fn content(
    number: usize,
    read: &Read,
    history: &History,
    lists: &Lists<'_>,
    anomalies: &mut Anomalies,
) {
    let (account, version) = (&read.account, read.version);
    match lists.balance(account, version) {
        None => {
            let there = lists.list(account).len();
            let text = format!(
                "operation {number}: {account} at version {version}, and in the end it has {there} lines"
            );
            anomalies.add(Kind::AbortedRead, text);
        }
        Some(balance) if balance != read.posted => {
            let posted = read.posted;
            let text = format!(
                "operation {number}: {account} with {posted} at version {version}, where its lines make {balance}"
            );
            anomalies.add(Kind::WrongBalance, text);
        }
        Some(_) => {}
    }
    for seen in &read.lines {
        let line = format!(
            "operation {number}: {account} with the line {} at {}",
            seen.tag, seen.version
        );
        let is_here = |tag: &str| {
            let place = lists.line(account, seen.version);
            place.is_some_and(|place| history.ledger.entries[place.entry].tag == tag)
        };
        if lists.tagged(&seen.tag).is_empty() {
            anomalies.add(Kind::AbortedRead, format!("{line}, which is not there"));
        } else if !is_here(&seen.tag) {
            let text = format!("{line}, which is elsewhere in the end");
            anomalies.add(Kind::IncompatibleOrder, text);
        } else if let Some(place) = lists.line(account, seen.version)
            && (place.change, place.balance) != (seen.change, seen.balance)
        {
            let text = format!(
                "{line}, {} to {}, where its lines make {} to {}",
                seen.change, seen.balance, place.change, place.balance
            );
            anomalies.add(Kind::WrongBalance, text);
        }
    }
    let last = read.lines.iter().map(|line| line.version).max();
    if last.is_some_and(|last| last != version) {
        let text = format!(
            "operation {number}: {account} at version {version}, and its statement ends with {last:?}"
        );
        anomalies.add(Kind::FracturedRead, text);
    }
}

/// A mutation sees its own entry, and nothing that came after it: its accounts are locked.
fn own(
    number: usize,
    operation: &Operation,
    entry: usize,
    read: &Read,
    lists: &Lists<'_>,
    anomalies: &mut Anomalies,
) {
    let Some(asked) = operation.entries.get(entry) else {
        return;
    };
    let [entry] = lists.tagged(&asked.tag) else {
        return;
    };
    let list = lists.list(&read.account);
    let last = list.iter().rposition(|place| place.entry == *entry);
    let Some(last) = last else {
        return;
    };
    let last = last as u64 + 1;
    if read.version != last {
        let kind = if read.version < last {
            Kind::StaleRead
        } else {
            Kind::FracturedRead
        };
        let (account, version, tag) = (&read.account, read.version, &asked.tag);
        let text = format!(
            "operation {number}: {account} at version {version} after its own {tag}, which made {last}"
        );
        anomalies.add(kind, text);
    }
}

/// The last line that was seen is its operation's last one on the account.
fn intermediate(
    number: usize,
    read: &Read,
    history: &History,
    lists: &Lists<'_>,
    anomalies: &mut Anomalies,
) {
    let Some(seen) = lists.line(&read.account, read.version) else {
        return;
    };
    let Some(next) = lists.line(&read.account, read.version + 1) else {
        return;
    };
    if seen.owner.is_some() && seen.owner == next.owner && seen.owner != Some(number) {
        let account = &read.account;
        let (seen, next) = (
            &history.ledger.entries[seen.entry].tag,
            &history.ledger.entries[next.entry].tag,
        );
        let text = format!(
            "operation {number}: {account} between {seen} and {next}, which are one operation"
        );
        anomalies.add(Kind::IntermediateRead, text);
    }
}

/// Whoever is seen on one account is seen on all that were read.
fn fractured(
    number: usize,
    operation: &Operation,
    history: &History,
    lists: &Lists<'_>,
    anomalies: &mut Anomalies,
) {
    let reads = || operation.reads.iter().filter(|read| read.after.is_none());
    for unseen in reads() {
        let Some(next) = lists.line(&unseen.account, unseen.version + 1) else {
            continue;
        };
        let Some(writer) = next.owner.filter(|writer| *writer != number) else {
            continue;
        };
        for seen in reads().filter(|seen| seen.account != unseen.account) {
            let up_to = usize::try_from(seen.version).unwrap_or(usize::MAX);
            let list = lists.list(&seen.account);
            // What one operation writes is close together: nobody looks at the whole list for it.
            let recent = list.iter().take(up_to).rev().take(64);
            if recent.clone().any(|place| place.owner == Some(writer)) {
                let tag = &history.ledger.entries[next.entry].tag;
                let text = format!(
                    "operation {number}: {} with operation {writer} ({tag}), and {} without it",
                    seen.account, unseen.account
                );
                anomalies.add(Kind::FracturedRead, text);
            }
        }
    }
}

/// A query that read all accounts saw as much on the one side as on the other.
fn conserved(number: usize, operation: &Operation, history: &History, anomalies: &mut Anomalies) {
    if !operation.reads_everything {
        return;
    }
    let mut total = 0;
    let accounts: BTreeMap<&str, i64> = operation
        .reads
        .iter()
        .map(|read| (read.account.as_str(), read.posted))
        .collect();
    for (account, posted) in accounts {
        total += match history.ledger.accounts.get(account) {
            Some(Side::Debit) => posted,
            _ => -posted,
        };
    }
    if total != 0 {
        let text = format!("operation {number}: all accounts make {total} instead of 0");
        anomalies.add(Kind::WrongBalance, text);
    }
}

/// An entry that was looked up.
fn entry(
    number: usize,
    operation: &Operation,
    found: &Found,
    history: &History,
    lists: &Lists<'_>,
    known: &Known<'_>,
    anomalies: &mut Anomalies,
) {
    let tag = &found.tag;
    match (found.lines, lists.tagged(tag)) {
        (None, _) => {
            let acknowledged = known.entries.get(tag.as_str());
            if acknowledged.is_some_and(|ended| *ended < operation.begun()) {
                let text = format!(
                    "operation {number}: {tag} is not there, and was acknowledged before it began"
                );
                anomalies.add(Kind::StaleRead, text);
            }
        }
        (Some(_), []) => anomalies.add(
            Kind::AbortedRead,
            format!("operation {number}: {tag}, which is not there"),
        ),
        (Some(lines), [entry, ..]) => {
            let all = history.ledger.entries[*entry].lines.len();
            if lines != all {
                let text = format!("operation {number}: {lines} of the {all} lines of {tag}");
                anomalies.add(Kind::FracturedRead, text);
            }
        }
    }
}

/// A mutation that was to come next after a version came next after it.
fn updates(
    number: usize,
    operation: &Operation,
    history: &History,
    lists: &Lists<'_>,
    anomalies: &mut Anomalies,
) {
    for asked in &operation.entries {
        let [entry] = lists.tagged(&asked.tag) else {
            continue;
        };
        for (account, version) in &asked.expected {
            let lines = history.ledger.entries[*entry].lines.iter();
            let on_account = lines.filter_map(|line| {
                let is_debit = line.debit == *account;
                let is_credit = line.credit == *account;
                (is_debit || is_credit).then_some(if is_debit {
                    line.debit_version
                } else {
                    line.credit_version
                })
            });
            if let Some(first) = on_account.min()
                && first != version + 1
            {
                let tag = &asked.tag;
                let text = format!(
                    "operation {number}: {tag} was to follow version {version} of {account}, and made version {first}"
                );
                anomalies.add(Kind::LostUpdate, text);
            }
        }
    }
}
