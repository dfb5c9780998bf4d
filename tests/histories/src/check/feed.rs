//! Every subscriber hears of every committed entry once, in one order, across reconnects.

use std::collections::{HashMap, HashSet};

use super::{Anomalies, Kind, lists::Lists};
use crate::history::{Entry, From, History, Listening, Subscriber};

pub(super) fn check(history: &History, lists: &Lists<'_>, anomalies: &mut Anomalies) {
    order(history, lists, anomalies);
    let feed = Feed::of(history);
    for subscriber in &history.subscribers {
        for listening in &subscriber.listenings {
            feed.heard(subscriber, listening, anomalies);
            feed.missed(history, lists, subscriber, listening, anomalies);
        }
    }
}

/// The feed's order agrees with that of every account's lines.
fn order(history: &History, lists: &Lists<'_>, anomalies: &mut Anomalies) {
    let number = |entry: usize| history.ledger.entries[entry].numbers.first();
    for (account, places) in lists.accounts() {
        for pair in places.windows(2) {
            let (first, second) = (pair[0].entry, pair[1].entry);
            if first != second && number(first) > number(second) {
                let (first, second) = (
                    &history.ledger.entries[first],
                    &history.ledger.entries[second],
                );
                let text = format!(
                    "{account}: {} comes before {}, and after it in the feed",
                    first.tag, second.tag
                );
                anomalies.add(Kind::UnorderedEvent, text);
            }
        }
    }
}

/// The committed entries in the order of the feed.
struct Feed<'a> {
    entries: Vec<(i64, &'a Entry)>,
    numbers: HashMap<&'a str, i64>,
}

impl<'a> Feed<'a> {
    fn of(history: &'a History) -> Self {
        let entries = history.ledger.entries.iter();
        let entries = entries.filter_map(|entry| Some((*entry.numbers.first()?, entry)));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(number, _)| *number);
        let numbers = entries.iter();
        let numbers = numbers.map(|(number, entry)| (entry.id.as_str(), *number));
        Self {
            numbers: numbers.collect(),
            entries,
        }
    }

    /// What was heard is there, whole, once, and in order.
    fn heard(&self, subscriber: &Subscriber, listening: &Listening, anomalies: &mut Anomalies) {
        let name = &subscriber.name;
        let mut heard = HashSet::new();
        let mut last = 0;
        for event in &listening.events {
            let (tag, at) = (&event.tag, event.at);
            let Some(number) = self.numbers.get(event.id.as_str()).copied() else {
                let text = format!("{name}: heard of {tag} at {at:?}, which is not there");
                anomalies.add(Kind::PhantomEvent, text);
                continue;
            };
            let entry = self
                .entries
                .binary_search_by_key(&number, |(number, _)| *number);
            if let Ok(entry) = entry
                && (self.entries[entry].1.lines.len() != event.lines
                    || self.entries[entry].1.tag != *tag)
            {
                let lines = event.lines;
                let text =
                    format!("{name}: heard of {tag} with {lines} lines, which it does not have");
                anomalies.add(Kind::PhantomEvent, text);
            }
            if !subscriber.wants(self.entries[entry.unwrap_or_default()].1) {
                let text = format!("{name}: heard of {tag}, which touches none of its accounts");
                anomalies.add(Kind::PhantomEvent, text);
            }
            if !heard.insert(number) {
                let text = format!("{name}: heard of {tag} (number {number}) again at {at:?}");
                anomalies.add(Kind::RepeatedEvent, text);
            } else if number < last {
                let text = format!("{name}: heard of {tag} (number {number}) after number {last}");
                anomalies.add(Kind::UnorderedEvent, text);
            }
            last = last.max(number);
        }
    }

    /// What was to be heard was heard.
    fn missed(
        &self,
        history: &History,
        lists: &Lists<'_>,
        subscriber: &Subscriber,
        listening: &Listening,
        anomalies: &mut Anomalies,
    ) {
        let heard = listening.events.iter();
        let heard = heard.filter_map(|event| self.numbers.get(event.id.as_str()).copied());
        let heard: HashSet<i64> = heard.collect();
        let first = match listening.from {
            From::Beginning => Some(0),
            From::Now(begun) => {
                let news = history.ledger.entries.iter().enumerate();
                let news = news.filter(|(number, _)| {
                    let owner = lists.owner(*number).map(|owner| &history.operations[owner]);
                    owner.is_some_and(|owner| owner.begun() > begun)
                });
                // A number that was drawn after one that is news is news too.
                let news = news.filter_map(|(_, entry)| entry.numbers.first());
                news.chain(&heard).min().copied()
            }
        };
        let last = if listening.is_to_the_end {
            self.entries.last().map(|(number, _)| *number)
        } else {
            heard.iter().max().copied()
        };
        let (Some(first), Some(last)) = (first, last) else {
            return;
        };
        let due = self.entries.iter();
        let due = due.filter(|(number, _)| (first..=last).contains(number));
        for (number, entry) in due.filter(|(_, entry)| subscriber.wants(entry)) {
            if !heard.contains(number) {
                let (name, tag, from) = (&subscriber.name, &entry.tag, listening.from);
                let newest = heard.iter().max();
                let text = format!(
                    "{name} (from {from:?}): never heard of {tag} (number {number}), and heard up to number {newest:?}"
                );
                anomalies.add(Kind::MissedEvent, text);
            }
        }
    }
}
