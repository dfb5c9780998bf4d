//! Random operations.

use std::{collections::HashMap, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Shared,
    operation::{self, Operation},
};
use crate::history::{self, Action, Answer, Asked, AskedLine};

/// How many accounts all clients post to: few, so that they meet.
const ACCOUNTS: usize = 12;

/// How many accounts clients open, so that all together fit one page.
const OPENED: usize = 75;

/// The accounts that are there from the beginning: some of cash, and those of customers, of which some cannot be overdrawn.
pub fn accounts() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    (0..ACCOUNTS).map(|number| {
        let (side, policy) = match number {
            0..=2 => ("DEBIT", "NONE"),
            3..=8 => ("CREDIT", "NONE"),
            _ => ("CREDIT", "NO_DEBIT_OVERDRAFT"),
        };
        (format!("h{number}"), side, policy)
    })
}

/// What clients know of the ledger, to ask for more of it.
#[derive(Debug, Default)]
pub struct Known {
    /// Entries that were posted, and not reversed: id and tag.
    posted: Vec<(String, String)>,
    /// Holds that were placed, and not ended.
    holds: Vec<String>,
    /// The version of each account as it was read last.
    versions: HashMap<String, u64>,
    opened: usize,
}

/// Makes operations.
pub struct Random(Rng);

/// A root field: its name, the type of its input, the input, and what it asks for.
type Field = (&'static str, &'static str, Value, Asked);

impl Random {
    pub const fn new(rng: Rng) -> Self {
        Self(rng)
    }

    /// The next operation.
    pub fn operation(&mut self, shared: &Shared) -> Operation {
        let mut operation = match self.0.u8(0..100) {
            0..10 => Operation::query_all(),
            10..20 => Operation::query_some(self.some_accounts(shared), None),
            20..25 => Operation::query_some(vec![self.account()], None),
            25..32 => self.look_up(shared),
            32..44 => self.posts(shared, 1),
            44..54 => self.one_entry(shared),
            54..66 => self.posts(shared, 2),
            66..72 => self.posts(shared, 3),
            72..79 => self.expecting(shared),
            79..83 => self.too_much(shared),
            83..86 => self.opening(shared),
            86..91 => self.hold(shared),
            91..96 => self.end_of_hold(shared),
            _ => self.reversal(shared),
        };
        if operation.action == Action::Mutation {
            match self.0.u8(0..100) {
                0..5 => operation.action = Action::DryRun,
                // Without a key: the server takes none with a batch.
                5..25 if operation.entries.len() > 1 => operation.is_batch = true,
                5..40 => {
                    operation.key = Some(format!("k-{}", shared.tag()));
                    operation.is_sent_twice = self.0.u8(0..100) < 15;
                }
                _ => {}
            }
        }
        if self.0.u8(0..100) < 4 {
            operation.patience = Some(Duration::from_millis(self.0.u64(1..80)));
        }
        operation
    }

    /// Learns from what became of an operation.
    pub fn learn(&mut self, shared: &Shared, sent: &Operation, written: &history::Operation) {
        if written.answer != Answer::Acknowledged || written.action == Action::DryRun {
            return;
        }
        let mut known = shared.known();
        for read in &written.reads {
            known.versions.insert(read.account.clone(), read.version);
        }
        for (number, entry) in written.entries.iter().enumerate() {
            let Some(id) = entry.ids.first().and_then(|id| public_id(id)) else {
                continue;
            };
            if sent.is_hold(number) {
                known.holds.push(id);
            } else if entry.lines.is_some() && known.posted.len() < 1000 {
                known.posted.push((id, entry.tag.clone()));
            }
        }
    }

    fn account(&mut self) -> String {
        format!("h{}", self.0.usize(0..ACCOUNTS))
    }

    fn some_accounts(&mut self, shared: &Shared) -> Vec<String> {
        let mut accounts: Vec<String> = (0..self.0.usize(2..5)).map(|_| self.account()).collect();
        let opened = shared.known().opened;
        if opened > 0 && self.0.u8(0..100) < 40 {
            // One of the last: it may be being opened now.
            accounts.push(format!("n{}", opened - 1 - self.0.usize(0..opened.min(3))));
        }
        accounts.sort();
        accounts.dedup();
        accounts
    }

    fn lines(&mut self) -> Vec<AskedLine> {
        let count = if self.0.bool() { 1 } else { self.0.usize(2..4) };
        (0..count)
            .map(|_| {
                let (debit, credit) = loop {
                    let (debit, credit) = (self.account(), self.account());
                    if debit != credit {
                        break (debit, credit);
                    }
                };
                let amount = self.0.i64(1..100);
                AskedLine {
                    debit,
                    credit,
                    amount,
                }
            })
            .collect()
    }

    fn post(&mut self, shared: &Shared, lines: Vec<AskedLine>) -> Field {
        let asked = asked(shared, Some(lines));
        let input = json!({ "description": asked.tag, "lines": input(&asked) });
        ("postEntry", "PostEntryInput", input, asked)
    }

    /// An entry of one line or several.
    fn one_entry(&mut self, shared: &Shared) -> Operation {
        let lines = self.lines();
        let field = self.post(shared, lines);
        Operation::mutation(&[], vec![field])
    }

    /// An entry in each of so many fields.
    fn posts(&mut self, shared: &Shared, fields: usize) -> Operation {
        let lines = if self.0.u8(0..100) < 15 {
            // In any order of accounts, so that operations deadlock and are run again.
            (0..fields).map(|_| self.lines()).collect()
        } else {
            self.lines_in_order(fields)
        };
        let fields = lines.into_iter().map(|lines| self.post(shared, lines));
        let fields = fields.collect();
        Operation::mutation(&[], fields)
    }

    /// The lines of several entries that lock their accounts in the order in which everybody does.
    fn lines_in_order(&mut self, entries: usize) -> Vec<Vec<AskedLine>> {
        let mut accounts = self.0.choose_multiple(0..ACCOUNTS, 2 * entries);
        accounts.sort_unstable();
        let pairs = accounts.chunks(2).map(|pair| {
            let (mut debit, mut credit) = (format!("h{}", pair[0]), format!("h{}", pair[1]));
            if self.0.bool() {
                std::mem::swap(&mut debit, &mut credit);
            }
            let amount = self.0.i64(1..100);
            vec![AskedLine {
                debit,
                credit,
                amount,
            }]
        });
        pairs.collect()
    }

    /// An entry that is to come next after a version that was read: of an account that it moves, or of any. One that is not moved is locked, and
    /// not changed.
    fn expecting(&mut self, shared: &Shared) -> Operation {
        let lines = self.lines();
        let account = match self.0.bool() {
            true => lines[0].debit.clone(),
            false => self.account(),
        };
        let version = shared.known().versions.get(&account).copied();
        let version = version.unwrap_or_default();
        let (field, input_type, mut input, mut asked) = self.post(shared, lines);
        input["expect"] =
            json!([{ "account": { "code": account }, "version": version.to_string() }]);
        asked.expected.push((account, version));
        Operation::mutation(&[], vec![(field, input_type, input, asked)])
    }

    /// An entry, and one that asks for more than there is: nothing may remain of either.
    fn too_much(&mut self, shared: &Shared) -> Operation {
        let lines = self.lines();
        let fine = self.post(shared, lines);
        let line = AskedLine {
            debit: format!("h{}", ACCOUNTS - 1),
            credit: "h0".to_owned(),
            amount: 1_000_000_000_000,
        };
        let too_much = self.post(shared, vec![line]);
        Operation::mutation(&[], vec![fine, too_much])
    }

    /// A new account with an entry.
    fn opening(&mut self, shared: &Shared) -> Operation {
        let number = {
            let mut known = shared.known();
            if known.opened == OPENED {
                drop(known);
                return self.posts(shared, 1);
            }
            known.opened += 1;
            known.opened - 1
        };
        let code = format!("n{number}");
        let line = AskedLine {
            debit: self.account(),
            credit: code.clone(),
            amount: self.0.i64(1..100),
        };
        let entry = self.post(shared, vec![line]);
        Operation::mutation(&[operation::new_account(&code)], vec![entry])
    }

    fn hold(&mut self, shared: &Shared) -> Operation {
        let asked = asked(shared, Some(self.lines()));
        let input = json!({ "description": asked.tag, "lines": input(&asked) });
        Operation::mutation(&[], vec![("placeHold", "PlaceHoldInput", input, asked)])
    }

    /// Captures or releases a hold, which others may be ending too.
    fn end_of_hold(&mut self, shared: &Shared) -> Operation {
        let hold = {
            let mut known = shared.known();
            if known.holds.is_empty() {
                None
            } else {
                let place = self.0.usize(0..known.holds.len());
                // Kept now and then: then it is ended again.
                Some(if self.0.u8(0..100) < 20 {
                    known.holds[place].clone()
                } else {
                    known.holds.swap_remove(place)
                })
            }
        };
        let Some(hold) = hold else {
            return self.hold(shared);
        };
        let asked = asked(shared, None);
        let input = json!({ "description": asked.tag, "hold": hold });
        let field = if self.0.bool() {
            ("captureHold", "CaptureHoldInput", input, asked)
        } else {
            ("releaseHold", "ReleaseHoldInput", input, asked)
        };
        Operation::mutation(&[], vec![field])
    }

    fn reversal(&mut self, shared: &Shared) -> Operation {
        let entry = {
            let mut known = shared.known();
            if known.posted.is_empty() {
                None
            } else {
                let place = self.0.usize(0..known.posted.len());
                Some(if self.0.u8(0..100) < 20 {
                    known.posted[place].clone()
                } else {
                    known.posted.swap_remove(place)
                })
            }
        };
        let Some((entry, _)) = entry else {
            return self.posts(shared, 1);
        };
        let asked = asked(shared, None);
        let input = json!({ "description": asked.tag, "entry": entry });
        Operation::mutation(
            &[],
            vec![("reverseEntry", "ReverseEntryInput", input, asked)],
        )
    }

    /// An entry by its id, beside accounts.
    fn look_up(&mut self, shared: &Shared) -> Operation {
        let entry = {
            let known = shared.known();
            let newest = known.posted.len();
            (newest > 0).then(|| known.posted[newest - 1 - self.0.usize(0..newest.min(5))].clone())
        };
        let accounts = self.some_accounts(shared);
        match entry {
            Some((id, tag)) => Operation::query_some(accounts, Some((&id, tag))),
            None => Operation::query_some(accounts, None),
        }
    }
}

fn asked(shared: &Shared, lines: Option<Vec<AskedLine>>) -> Asked {
    Asked {
        tag: shared.tag(),
        lines,
        ..Asked::default()
    }
}

fn input(asked: &Asked) -> Vec<Value> {
    let lines = asked.lines.iter().flatten().map(|line| {
        json!({
            "debit": { "code": line.debit },
            "credit": { "code": line.credit },
            "amount": line.amount.to_string(),
            "currency": "EUR",
        })
    });
    lines.collect()
}

/// `entry_…`, as clients say it.
fn public_id(id: &str) -> Option<String> {
    let uuid = id.parse().ok()?;
    let kind = type_safe_id::DynamicType::new("entry").ok()?;
    Some(type_safe_id::TypeSafeId::from_type_and_uuid(kind, uuid).to_string())
}
