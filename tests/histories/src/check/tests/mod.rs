//! Made-up histories: one for each anomaly, each found by its kind, and none where all is well.

mod answers;
mod cycles;
mod entries;
mod feed;
mod reads;
mod tokens;

use std::{collections::BTreeSet, time::Duration};

use super::{Kind, check};
use crate::history::{
    Action, Answer, Asked, AskedLine, Attempt, Entry, Event, From, History, Line, Listening,
    Operation, Read, Side, Subscriber,
};

/// A history in the making. Operations come one after the other, each from one whole second to the next, unless a test
/// moves them.
struct Book {
    history: History,
    seconds: u64,
}

const fn second(second: u64) -> Duration {
    Duration::from_secs(second)
}

impl Book {
    /// Four accounts: `a` is positive on the debit side, the others on the credit side.
    fn new() -> Self {
        let mut history = History {
            answered_within: second(10),
            ..History::default()
        };
        for (code, side) in [
            ("a", Side::Debit),
            ("b", Side::Credit),
            ("c", Side::Credit),
            ("d", Side::Credit),
        ] {
            history.ledger.accounts.insert(code.to_owned(), side);
        }
        Self {
            history,
            seconds: 0,
        }
    }

    /// An operation that succeeded, with nothing in it.
    fn operation(&mut self, action: Action) -> usize {
        let begun = second(self.seconds);
        self.seconds += 2;
        self.history.operations.push(Operation {
            client: 0,
            action,
            attempts: vec![Attempt {
                server: 0,
                begun,
                ended: begun + second(1),
                is_answered: true,
                is_abandoned: false,
                shown: None,
                told: None,
            }],
            answer: Answer::Acknowledged,
            entries: Vec::new(),
            reads: Vec::new(),
            found: Vec::new(),
            reads_everything: false,
        });
        self.history.operations.len() - 1
    }

    /// A mutation of one entry for each line `(debit, credit)`, of which nothing is there yet. Entries are named after the
    /// operation and their place in it.
    fn asks(&mut self, lines: &[(&str, &str)]) -> usize {
        let operation = self.operation(Action::Mutation);
        for (place, (debit, credit)) in lines.iter().enumerate() {
            let tag = format!("e{operation}.{place}");
            self.history.operations[operation].entries.push(Asked {
                ids: vec![format!("id of {tag}")],
                tag,
                lines: Some(vec![AskedLine {
                    debit: (*debit).to_owned(),
                    credit: (*credit).to_owned(),
                    amount: 10,
                }]),
                expected: Vec::new(),
            });
        }
        operation
    }

    /// A mutation that happened: its entries come next on their accounts, and next in the feed.
    fn posts(&mut self, lines: &[(&str, &str)]) -> usize {
        let operation = self.asks(lines);
        for place in 0..lines.len() {
            self.happens(operation, place);
        }
        operation
    }

    /// An entry of an operation comes next on its accounts, and next in the feed.
    fn happens(&mut self, operation: usize, place: usize) {
        let asked = &self.history.operations[operation].entries[place];
        let (tag, lines) = (asked.tag.clone(), asked.lines.clone());
        let lines = lines.into_iter().flatten().map(|line| Line {
            debit_version: self.version(&line.debit) + 1,
            credit_version: self.version(&line.credit) + 1,
            debit: line.debit,
            credit: line.credit,
            amount: line.amount,
            moves: true,
        });
        let lines = lines.collect();
        let number = self.history.ledger.entries.len() as i64 + 1;
        self.history.ledger.entries.push(Entry {
            id: format!("id of {tag}"),
            tag,
            numbers: vec![number],
            lines,
        });
    }

    /// How many lines an account has.
    fn version(&self, account: &str) -> u64 {
        let lines = self
            .history
            .ledger
            .entries
            .iter()
            .flat_map(|entry| &entry.lines);
        let of_account = lines.filter(|line| line.debit == account || line.credit == account);
        of_account.count() as u64
    }

    /// A query that saw these accounts at these versions, with the right balances.
    fn reads(&mut self, accounts: &[(&str, u64)]) -> usize {
        let operation = self.operation(Action::Query);
        for (account, version) in accounts {
            self.saw(operation, account, *version);
        }
        operation
    }

    /// The operation saw an account at a version, with the right balance.
    fn saw(&mut self, operation: usize, account: &str, version: u64) {
        let mut posted = 0;
        for line in self
            .history
            .ledger
            .entries
            .iter()
            .flat_map(|entry| &entry.lines)
        {
            let is_debit = line.debit == account && line.debit_version <= version;
            let is_credit = line.credit == account && line.credit_version <= version;
            if is_debit || is_credit {
                let is_positive = is_debit == (account == "a");
                posted += if is_positive {
                    line.amount
                } else {
                    -line.amount
                };
            }
        }
        self.history.operations[operation].reads.push(Read {
            account: account.to_owned(),
            version,
            posted,
            ..Read::default()
        });
    }

    /// Moves an operation in time.
    fn takes(&mut self, operation: usize, begun: u64, ended: u64) {
        let attempt = &mut self.history.operations[operation].attempts[0];
        attempt.begun = second(begun);
        attempt.ended = second(ended);
    }

    fn answer(&mut self, operation: usize, answer: Answer) {
        let operation = &mut self.history.operations[operation];
        operation.attempts[0].is_answered =
            matches!(answer, Answer::Acknowledged | Answer::Refused(_));
        operation.answer = answer;
        for entry in &mut operation.entries {
            entry.ids.clear();
        }
    }

    /// A subscriber that heard of the entries with these numbers, as they are.
    fn hears(&mut self, from: From, numbers: &[usize]) {
        let events = numbers.iter().map(|number| {
            let entry = &self.history.ledger.entries[*number - 1];
            Event {
                at: second(100),
                cursor: number.to_string(),
                id: entry.id.clone(),
                tag: entry.tag.clone(),
                lines: entry.lines.len(),
            }
        });
        let listening = Listening {
            from,
            events: events.collect(),
            ..Listening::default()
        };
        self.history.subscribers.push(Subscriber {
            name: "s".to_owned(),
            accounts: None,
            listenings: vec![listening],
        });
    }

    /// The kinds of the anomalies that are found.
    fn kinds(&self) -> Vec<Kind> {
        let kinds = check(&self.history).into_iter().map(|anomaly| anomaly.kind);
        kinds.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

#[test]
fn nothing_is_found_where_all_is_well() {
    let mut book = Book::new();
    book.posts(&[("a", "b")]);
    book.posts(&[("a", "b"), ("b", "c")]);
    book.reads(&[("a", 2), ("b", 3), ("c", 1), ("d", 0)]);
    let refused = book.asks(&[("c", "d")]);
    book.answer(refused, Answer::Refused("INSUFFICIENT_FUNDS".to_owned()));
    let lost = book.asks(&[("c", "d")]);
    book.answer(lost, Answer::Unknown("timeout".to_owned()));
    let found = book.posts(&[("d", "c")]);
    book.answer(found, Answer::Unknown("timeout".to_owned()));
    book.hears(From::Beginning, &[1, 2, 3, 4]);
    assert_eq!(book.kinds(), []);
}
