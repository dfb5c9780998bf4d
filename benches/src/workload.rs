//! What is measured: the operations, as a client sends them, and what `pgbench` puts for their parameters.
//!
//! The statements themselves stand nowhere here (but for Q2's yardstick). They are taken from what the server sends; this
//! file only says, for each of them in turn, where the values come from. Where a statement changes its parameters, the
//! benchmark stops and says which.

use std::{io::Write as _, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use crate::{
    data::{FIRST_CODE, FIRST_ID, ID_HEAD, Size},
    http::Body,
};

/// One kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// `{ __typename }`
    N0,
    /// One account by its id, with its balance.
    Q1,
    /// Twenty accounts, each with the last ten lines of its statement.
    Q2,
    /// An entry of one line between two accounts, any two.
    M1,
    /// An entry of one line from any account to one that is in all of them.
    H1,
    /// Two entries, between the same two pairs of accounts every time.
    L1,
}

/// What is known of a statement of the server's.
#[derive(Clone, Debug)]
pub struct Step {
    /// How it begins.
    pub begins: &'static str,
    /// What stands for its parameters: variables of `pgbench`'s, NULL, and expressions where a variable, which is a
    /// number, is no UUID.
    pub parameters: Vec<String>,
}

/// How many accounts Q2 reads.
pub const ACCOUNTS: u64 = 20;
/// How many lines of each.
pub const LINES: u64 = 10;

const Q1: &str = "query ($id: ID!) {
  account(by: { id: $id }) { id name balances { posted { amount currency } version } }
}";
const Q2: &str = "query ($prefix: String!) {
  accounts(first: 20, filter: { codePrefix: $prefix }) { edges { node {
    id code
    statement(last: 10) { edges { node { line { id } side change { amount } balanceAfter { amount } } } }
  } } }
}";
const POST: &str = "mutation ($debit: ID!, $credit: ID!) {
  postEntry(input: { lines: [{ debit: { id: $debit }, credit: { id: $credit }, amount: \"1\", currency: \"EUR\" }] }) {
    entry { id }
    accounts { id balances { posted { amount } version } }
  }
}";

const POST_TWO: &str = "mutation ($first: [LineInput!]!, $second: [LineInput!]!) {
  a: postEntry(input: { lines: $first }) { entry { id } }
  b: postEntry(input: { lines: $second }) { entry { id } }
}";

impl Workload {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::N0, Self::Q1, Self::Q2, Self::M1, Self::H1, Self::L1];

    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::N0 => "N0",
            Self::Q1 => "Q1",
            Self::Q2 => "Q2",
            Self::M1 => "M1",
            Self::H1 => "H1",
            Self::L1 => "L1",
        }
    }

    /// What it is.
    pub fn what(self) -> &'static str {
        match self {
            Self::N0 => "{ __typename }",
            Self::Q1 => "one account by id, with its balance",
            Self::Q2 => "20 accounts, each with its last 10 statement lines",
            Self::M1 => "postEntry, one line between random accounts",
            Self::H1 => "postEntry, one line onto one hot account",
            Self::L1 => "two postEntry fields on two hot pairs, in either order",
        }
    }

    /// Whether it posts one entry, whose statements others can send as well.
    pub fn posts(self) -> bool {
        matches!(self, Self::M1 | Self::H1)
    }

    /// Whether it reads.
    pub fn reads(self) -> bool {
        matches!(self, Self::Q1 | Self::Q2)
    }

    /// Draws the numbers of the customers that an entry debits and credits.
    pub fn draw(self, size: Size, random: &mut fastrand::Rng) -> (u64, u64) {
        let customers = size.accounts / 2;
        let credit = match self {
            Self::H1 => hot(size),
            _ => random.u64(0..customers),
        };
        ((credit + random.u64(1..customers)) % customers, credit)
    }

    /// Writes the bodies of its requests.
    pub fn body(self, size: Size, ids: &Arc<Vec<String>>) -> Body {
        if self == Self::L1 {
            return two_entries(ids, Orders::Either);
        }
        let ids = Arc::clone(ids);
        let id = move |number: u64| ids[usize::try_from(number).unwrap_or_default()].clone();
        let document = match self {
            Self::N0 | Self::L1 => "{ __typename }",
            Self::Q1 => Q1,
            Self::Q2 => Q2,
            Self::M1 | Self::H1 => POST,
        };
        let head = format!("{{\"query\":{},\"variables\":", json!(document));
        Arc::new(move |random, out| {
            out.extend_from_slice(head.as_bytes());
            // Writing to a vector cannot fail.
            let _ = match self {
                Self::N0 | Self::L1 => write!(out, "null}}"),
                Self::Q1 => {
                    let id = id(random.u64(0..size.accounts));
                    write!(out, "{{\"id\":\"{id}\"}}}}")
                }
                Self::Q2 => {
                    let prefix = random.u64(prefixes(size));
                    write!(out, "{{\"prefix\":\"{prefix}\"}}}}")
                }
                Self::M1 | Self::H1 => {
                    let (debit, credit) = self.draw(size, random);
                    let (debit, credit) = (id(2 * debit + 1), id(2 * credit + 1));
                    write!(out, "{{\"debit\":\"{debit}\",\"credit\":\"{credit}\"}}}}")
                }
            };
        })
    }

    /// What `pgbench` does before the first statement.
    pub fn prelude(self, size: Size) -> String {
        match self {
            Self::N0 | Self::L1 => String::new(),
            Self::Q1 => format!(
                "\\set account random({FIRST_ID}, {})\n",
                FIRST_ID + size.accounts - 1
            ),
            Self::Q2 => {
                let prefixes = prefixes(size);
                let accounts =
                    (0..ACCOUNTS).map(|place| format!("\\set a{place} :base + {place}\n"));
                format!(
                    "\\set prefix random({}, {})\n\
                     \\set after :prefix + 1\n\
                     \\set base {FIRST_ID} - {FIRST_CODE} + 100 * :prefix\n\
                     {}",
                    prefixes.start,
                    prefixes.end - 1,
                    accounts.collect::<String>()
                )
            }
            Self::M1 | Self::H1 => {
                let customers = size.accounts / 2;
                let credit = match self {
                    Self::H1 => hot(size).to_string(),
                    _ => format!("random(0, {customers} - 1)"),
                };
                format!(
                    "\\set credit_number {credit}\n\
                     \\set debit_number (:credit_number + random(1, {customers} - 1)) % {customers}\n\
                     \\set debit {FIRST_ID} + 1 + 2 * :debit_number\n\
                     \\set credit {FIRST_ID} + 1 + 2 * :credit_number\n\
                     \\set low least(:debit, :credit)\n\
                     \\set high greatest(:debit, :credit)\n\
                     \\set low_debits case when :debit < :credit then 1 else 0 end\n\
                     \\set high_debits 1 - :low_debits\n\
                     \\set n :n + 1\n\
                     \\set entry :n * 1000 + :client_id\n\
                     \\set debit_version :entry\n\
                     \\set credit_version :entry\n"
                )
            }
        }
    }

    /// What is known of the statements that the server sends to PostgreSQL, which takes what an entry writes in one.
    pub fn steps_on_postgres(self) -> Vec<Step> {
        let mut steps = self.steps();
        if self.posts() {
            let mut writes = steps.split_off(1);
            let moved = [
                ("low", "low_debits", "high_debits"),
                ("high", "high_debits", "low_debits"),
            ];
            let row = |(id, debits, credits)| {
                let by =
                    ["one", debits, credits, "zero", "zero"].map(|by| format!(":{by}::bigint"));
                [account(id), ":now::timestamptz".to_owned()]
                    .into_iter()
                    .chain(by)
            };
            // Its update is one of both accounts.
            writes.splice(1..3, [step("", moved.into_iter().flat_map(row))]);
            let parameters = writes.into_iter().flat_map(|step| step.parameters);
            steps.push(step("WITH \"part_1\"", parameters));
        }
        steps
    }

    /// What is known of the statements that the server sends to MariaDB, where those that write an entry are one text.
    pub fn steps_on_mariadb(self) -> Vec<Step> {
        let mut steps = self.steps();
        for step in &mut steps {
            step.begins = match step.begins {
                SELECT_ACCOUNT if self.posts() => "SELECT account.*",
                SELECT_ACCOUNT => "SELECT `account`",
                INSERT_ENTRY => "INSERT INTO `entry` ",
                UPDATE_ACCOUNT => "UPDATE `account`",
                INSERT_LINE => "INSERT INTO `entry_line` ",
                other => other,
            };
        }
        steps
    }

    /// What is known of the statements that the server sends, one after the other.
    pub fn steps(self) -> Vec<Step> {
        match self {
            Self::N0 | Self::L1 => Vec::new(),
            Self::Q1 => vec![step(SELECT_ACCOUNT, [account("account")])],
            Self::Q2 => {
                let page = [":prefix", ":after", ":limit"].map(str::to_owned);
                let slice = |place| {
                    [
                        account(&format!("a{place}")),
                        ":first::bigint".to_owned(),
                        ":last::bigint".to_owned(),
                    ]
                };
                vec![
                    step(SELECT_ACCOUNT, page),
                    step("WITH slice", (0..ACCOUNTS).flat_map(slice)),
                ]
            }
            Self::M1 | Self::H1 => post_entry(),
        }
    }

    /// One statement that answers the same question, where that is possible and not what the server sends.
    pub fn yardstick(self) -> Option<(&'static str, String)> {
        let side = |side: &str| {
            format!(
                "SELECT '{side}' AS side, {side}_version AS version, {side}_balance AS balance, amount, entry_id, line_no \
                 FROM entry_line WHERE {side}_account_id = account.id"
            )
        };
        let lateral = || {
            format!(
                "SELECT * FROM (SELECT * FROM account WHERE code >= :prefix AND code < :after ORDER BY code LIMIT {ACCOUNTS}) \
                 AS account CROSS JOIN LATERAL (SELECT * FROM ({} UNION ALL {}) AS sides ORDER BY version DESC LIMIT {LINES}) \
                 AS line ORDER BY code, line.version",
                side("debit"),
                side("credit")
            )
        };
        (self == Self::Q2).then(|| ("pgbench, one LATERAL", lateral()))
    }
}

/// In which order the two entries of an operation stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orders {
    /// The same in all operations.
    Same,
    /// The one in half of the operations and the other in the rest: without a remedy, these deadlock.
    Either,
}

/// Writes requests of two entries each, between the same two pairs of accounts.
pub fn two_entries(ids: &[String], orders: Orders) -> Body {
    let line = |debit: usize, credit: usize| {
        json!([{
            "debit": { "id": ids[debit] }, "credit": { "id": ids[credit] }, "amount": "1", "currency": "EUR"
        }])
    };
    // Accounts with odd numbers are those of customers.
    let (one, other) = (line(1, 3), line(5, 7));
    let bodies = [(&one, &other), (&other, &one)].map(|(first, second)| {
        json!({ "query": POST_TWO, "variables": { "first": first, "second": second } }).to_string()
    });
    Arc::new(move |random, out| {
        let which = orders == Orders::Either && random.bool();
        out.extend_from_slice(bodies[usize::from(which)].as_bytes());
    })
}

/// The number among the customers of the one that everybody pays: in the middle, so that it is as often the first to be
/// locked as the second.
fn hot(size: Size) -> u64 {
    size.accounts / 4
}

/// The beginnings that a hundred codes share.
pub fn prefixes(size: Size) -> std::ops::Range<u64> {
    FIRST_CODE / 100..(FIRST_CODE + size.accounts) / 100
}

const SELECT_ACCOUNT: &str = "SELECT \"account\"";
const INSERT_ENTRY: &str = "INSERT INTO \"entry\" ";
const UPDATE_ACCOUNT: &str = "UPDATE \"account\"";
const INSERT_LINE: &str = "INSERT INTO \"entry_line\" ";

fn step(begins: &'static str, parameters: impl IntoIterator<Item = String>) -> Step {
    Step {
        begins,
        parameters: parameters.into_iter().collect(),
    }
}

/// The id of the account with the number in a variable.
fn account(variable: &str) -> String {
    format!("('{ID_HEAD}' || :{variable})::uuid")
}

fn post_entry() -> Vec<Step> {
    // Above all that the server makes, as its own are above all that were loaded: both append to their indexes.
    let entry = "('f199000000' || :entry || '000')::uuid";
    let list = |text: &str| -> Vec<String> {
        text.split(", ")
            .map(|word| match word {
                "entry" => entry.to_owned(),
                "low" | "high" | "debit" | "credit" => account(word),
                other => other.to_owned(),
            })
            .collect()
    };
    let update = |account, debits, credits| {
        let parameters = format!(":one, {debits}, {credits}, :zero, :zero, :now, :now, {account}");
        step(UPDATE_ACCOUNT, list(&parameters))
    };
    vec![
        step(SELECT_ACCOUNT, list("low, high")),
        step(
            INSERT_ENTRY,
            list(
                "entry, :kind, NULL, NULL, NULL, :now, :now, NULL, :metadata, NULL, NULL, NULL, :zero, NULL",
            ),
        ),
        // SQLite's two, in the order of the ids.
        update("low", ":low_debits", ":high_debits"),
        update("high", ":high_debits", ":low_debits"),
        step(
            INSERT_LINE,
            list(
                "entry, :one, debit, credit, :currency, :one, :debit_version, :debit_balance, :credit_version, \
                 :credit_balance, :kind",
            ),
        ),
    ]
}

/// The variables that are the same for a whole run. Entries of later runs count from later instants, and none is late.
pub fn constants(size: Size, run: u64) -> Vec<(&'static str, String)> {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    let last = 2 * size.rounds();
    vec![
        // Sixteen digits, which each client makes nineteen of; no two runs share one.
        (
            "n",
            (1_000_000_000_000_000 + run * 1_000_000_000).to_string(),
        ),
        ("one", "1".to_owned()),
        // pgbench cannot keep both of the rows that it has locked, so the lines in its copy of the ledger have no balances.
        ("zero", "0".to_owned()),
        ("debit_balance", "0".to_owned()),
        ("credit_balance", "0".to_owned()),
        ("limit", (ACCOUNTS + 1).to_string()),
        ("first", (last - LINES + 1).to_string()),
        ("last", last.to_string()),
        ("kind", "POST".to_owned()),
        ("currency", "EUR".to_owned()),
        ("metadata", "{}".to_owned()),
        ("now", instant(now)),
    ]
}

/// As both engines read it, to the microsecond.
pub fn instant(instant: DateTime<Utc>) -> String {
    let microseconds = instant.timestamp_micros();
    DateTime::<Utc>::from_timestamp_micros(microseconds)
        .unwrap_or(instant)
        .to_rfc3339_opts(SecondsFormat::AutoSi, false)
}
