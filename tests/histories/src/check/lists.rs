//! The list of each account: its lines in the order in which the database has them.

use std::collections::{BTreeMap, HashMap};

use crate::history::{History, Side};

/// The final state, by account and by tag.
pub struct Lists<'a> {
    /// Every account's lines: the line at place `n` made version `n + 1`.
    accounts: BTreeMap<&'a str, Vec<Place>>,
    /// The entries with each tag: one, where all is well.
    tags: HashMap<&'a str, Vec<usize>>,
    /// The operation that asked for each entry.
    owners: Vec<Option<usize>>,
    /// What does not even make lists.
    pub problems: Vec<String>,
}

/// A line in the list of an account.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub entry: usize,
    /// The operation that asked for the entry.
    pub owner: Option<usize>,
    /// What the line adds to the posted balance.
    pub change: i64,
    /// The posted balance after it.
    pub balance: i64,
}

impl<'a> Lists<'a> {
    pub fn of(history: &'a History) -> Self {
        let mut asked = HashMap::new();
        for (number, operation) in history.operations.iter().enumerate() {
            for entry in &operation.entries {
                asked.insert(entry.tag.as_str(), number);
            }
        }
        let entries = &history.ledger.entries;
        let owners: Vec<Option<usize>> = entries
            .iter()
            .map(|entry| asked.get(entry.tag.as_str()).copied())
            .collect();
        let mut tags: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut versions: BTreeMap<&str, BTreeMap<u64, Vec<Place>>> = BTreeMap::new();
        for (number, entry) in entries.iter().enumerate() {
            tags.entry(&entry.tag).or_default().push(number);
            for line in &entry.lines {
                let sides = [
                    (&line.debit, line.debit_version, Side::Debit),
                    (&line.credit, line.credit_version, Side::Credit),
                ];
                for (account, version, side) in sides {
                    let positive = history.ledger.accounts.get(account) == Some(&side);
                    let amount = if line.moves { line.amount } else { 0 };
                    let place = Place {
                        entry: number,
                        owner: owners[number],
                        change: if positive { amount } else { -amount },
                        balance: 0,
                    };
                    let list = versions.entry(account).or_default();
                    list.entry(version).or_default().push(place);
                }
            }
        }
        let mut lists = Self {
            accounts: BTreeMap::new(),
            tags,
            owners,
            problems: Vec::new(),
        };
        for (account, list) in versions {
            lists.fill(account, list);
        }
        lists
    }

    fn fill(&mut self, account: &'a str, list: BTreeMap<u64, Vec<Place>>) {
        let mut places: Vec<Place> = Vec::new();
        for (version, lines) in list {
            let next = places.len() as u64 + 1;
            if version != next || lines.len() != 1 {
                self.problems.push(format!(
                    "{account}: {} lines at version {version}, after version {}",
                    lines.len(),
                    next - 1
                ));
            }
            for line in lines {
                let before = places.last().map_or(0, |place| place.balance);
                places.push(Place {
                    balance: before + line.change,
                    ..line
                });
            }
        }
        self.accounts.insert(account, places);
    }

    /// The accounts that have lines.
    pub fn accounts(&self) -> impl Iterator<Item = (&'a str, &[Place])> {
        self.accounts
            .iter()
            .map(|(account, places)| (*account, places.as_slice()))
    }

    /// The lines of an account.
    pub fn list(&self, account: &str) -> &[Place] {
        self.accounts
            .get(account)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The line that made this version of an account, if there is one.
    pub fn line(&self, account: &str, version: u64) -> Option<&Place> {
        let place = usize::try_from(version.checked_sub(1)?).ok()?;
        self.list(account).get(place)
    }

    /// The posted balance of an account at a version; `None` where it has never had so many lines.
    pub fn balance(&self, account: &str, version: u64) -> Option<i64> {
        if version == 0 {
            return Some(0);
        }
        self.line(account, version).map(|place| place.balance)
    }

    /// The entries with this tag.
    pub fn tagged(&self, tag: &str) -> &[usize] {
        self.tags.get(tag).map(Vec::as_slice).unwrap_or_default()
    }

    /// The operation that asked for an entry.
    pub fn owner(&self, entry: usize) -> Option<usize> {
        self.owners[entry]
    }
}
