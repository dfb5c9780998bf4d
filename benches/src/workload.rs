//! What is measured: the operations, as a client sends them, and what `pgbench` puts for their parameters.
//!
//! The statements themselves stand nowhere here. They are taken from what the server sends; this file only says, for each of
//! them in turn, how `pgbench` makes the values. Where a statement changes its parameters, the benchmark stops and says
//! which.

use std::{io::Write as _, sync::Arc};

use serde_json::json;

use crate::{
    data::{FIRST_CODE, FIRST_ID, Size},
    http::Body,
};

/// One kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// `{ __typename }`
    N0,
    /// One account by its id, with its balance.
    Q1,
    /// Twenty accounts.
    Q2,
    /// An entry of one line between two accounts, any two.
    M1,
    /// An entry of one line from any account to one that is in all of them.
    H1,
}

/// How `pgbench` goes on after a statement of the server's.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// How the statement begins.
    pub begins: &'static str,
    /// What stands for `$1`, `$2`, …: variables and NULL, and expressions where a variable of pgbench's (a number) is
    /// no UUID.
    pub parameters: &'static [&'static str],
    /// What follows it: the row it returned is kept, and what comes next is worked out.
    pub then: &'static str,
}

const Q1: &str = "query ($id: ID!) {
  account(by: { id: $id }) { id name balances { posted { amount currency } version } }
}";
const Q2: &str = "query ($prefix: String!) {
  accounts(first: 20, filter: { codePrefix: $prefix }) { edges { node { id code balances { posted { amount } } } } }
}";
const M1: &str = "mutation ($debit: ID!, $credit: ID!) {
  postEntry(input: { lines: [{ debit: { id: $debit }, credit: { id: $credit }, amount: \"1\", currency: \"EUR\" }] }) {
    entry { id }
    accounts { id balances { posted { amount } version } }
  }
}";

impl Workload {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::N0, Self::Q1, Self::Q2, Self::M1, Self::H1];

    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::N0 => "N0",
            Self::Q1 => "Q1",
            Self::Q2 => "Q2",
            Self::M1 => "M1",
            Self::H1 => "H1",
        }
    }

    /// What it is.
    pub fn what(self) -> &'static str {
        match self {
            Self::N0 => "{ __typename }",
            Self::Q1 => "one account by id, with its balance",
            Self::Q2 => "20 accounts (without their statements so far)",
            Self::M1 => "postEntry, one line between random accounts",
            Self::H1 => "postEntry, one line onto one hot account",
        }
    }

    /// Whether it posts one entry.
    pub fn posts(self) -> bool {
        matches!(self, Self::M1 | Self::H1)
    }

    /// Whether its statements run in a read-only snapshot.
    pub fn reads(self) -> bool {
        matches!(self, Self::Q1 | Self::Q2)
    }

    /// Writes the bodies of its requests.
    pub fn body(self, size: Size, ids: &Arc<Vec<String>>) -> Body {
        let ids = Arc::clone(ids);
        let customers = size.accounts / 2;
        let id = move |number: u64| ids[usize::try_from(number).unwrap_or_default()].clone();
        let document = match self {
            Self::N0 => "{ __typename }",
            Self::Q1 => Q1,
            Self::Q2 => Q2,
            Self::M1 | Self::H1 => M1,
        };
        let head = format!("{{\"query\":{},\"variables\":", json!(document));
        Arc::new(move |random, out| {
            out.extend_from_slice(head.as_bytes());
            // Writing to a vector cannot fail.
            let _ = match self {
                Self::N0 => write!(out, "null}}"),
                Self::Q1 => {
                    let id = id(random.u64(0..size.accounts));
                    write!(out, "{{\"id\":\"{id}\"}}}}")
                }
                Self::Q2 => {
                    let prefix = random.u64(FIRST_CODE / 100..(FIRST_CODE + size.accounts) / 100);
                    write!(out, "{{\"prefix\":\"{prefix}\"}}}}")
                }
                Self::M1 | Self::H1 => {
                    let credit = match self {
                        Self::M1 => random.u64(0..customers),
                        _ => hot(size),
                    };
                    let debit = (credit + random.u64(1..customers)) % customers;
                    let (debit, credit) = (id(2 * debit + 1), id(2 * credit + 1));
                    write!(out, "{{\"debit\":\"{debit}\",\"credit\":\"{credit}\"}}}}")
                }
            };
        })
    }

    /// What `pgbench` does before the first statement; `:accounts` and `:customers` are how many there are, `:n` counts.
    pub fn prelude(self, size: Size) -> String {
        let customer =
            |name: &str, which: &str| format!("\\set {name} {} + 2 * {which}\n", FIRST_ID + 1);
        match self {
            Self::N0 => String::new(),
            Self::Q1 => format!("\\set account {FIRST_ID} + random(0, :accounts - 1)\n"),
            Self::Q2 => format!(
                "\\set prefix random({}, {})\n\\set after :prefix + 1\n",
                FIRST_CODE / 100,
                (FIRST_CODE + size.accounts) / 100 - 1
            ),
            Self::M1 | Self::H1 => {
                let credit = match self {
                    Self::M1 => "random(0, :customers - 1)".to_owned(),
                    _ => hot(size).to_string(),
                };
                format!(
                    "\\set c {credit}\n\
                     \\set d (:c + random(1, :customers - 1)) % :customers\n\
                     {}{}\
                     \\set low least(:debit, :credit)\n\
                     \\set high greatest(:debit, :credit)\n\
                     \\set low_debits case when :debit = :low then 1 else 0 end\n\
                     \\set low_credits 1 - :low_debits\n\
                     \\set low_debits_most 9223372036854775807 - :low_debits\n\
                     \\set low_credits_most 9223372036854775807 - :low_credits\n\
                     \\set low_asked :low_debits - :low_credits\n\
                     \\set high_asked - :low_asked\n\
                     \\set n :n + 1\n\
                     \\set entry :n * 1000 + :client_id\n",
                    customer("debit", ":d"),
                    customer("credit", ":c"),
                )
            }
        }
    }

    /// What `pgbench` puts for the parameters of each statement.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::N0 => &[],
            Self::Q1 => &[Step {
                begins: "SELECT \"account\"",
                parameters: &[ACCOUNT, ":one"],
                then: "",
            }],
            Self::Q2 => &[Step {
                begins: "SELECT \"account\"",
                parameters: &[":prefix", ":after", ":limit"],
                then: "",
            }],
            Self::M1 | Self::H1 => &POST_ENTRY,
        }
    }
}

/// The number among the customers of the one that everybody pays: in the middle, so that it is as often the first to be
/// locked as the second.
pub fn hot(size: Size) -> u64 {
    size.accounts / 4
}

macro_rules! account {
    ($name:literal) => {
        concat!("('01900000-0000-7000-8000-' || :", $name, ")::uuid")
    };
}

macro_rules! entry {
    () => {
        "('f199000000' || :entry || '000')::uuid"
    };
}

const ACCOUNT: &str = account!("account");

const POST_ENTRY: [Step; 5] = [
    Step {
        begins: "SELECT \"account\"",
        parameters: &[account!("low"), account!("high")],
        then: "",
    },
    Step {
        begins: "INSERT INTO \"entry\" ",
        parameters: &[
            entry!(),
            ":kind",
            "NULL",
            "NULL",
            "NULL",
            ":now",
            ":now",
            "NULL",
            ":metadata",
        ],
        then: "",
    },
    Step {
        begins: "UPDATE \"account\"",
        parameters: &[
            ":low_debits",
            ":low_credits",
            ":one",
            account!("low"),
            ":open",
            ":low_debits_most",
            ":low_credits_most",
            ":low_asked",
        ],
        then: "\\gset low_\n\\set low_balance :low_credits_posted - :low_debits_posted\n",
    },
    Step {
        begins: "UPDATE \"account\"",
        parameters: &[
            ":low_credits",
            ":low_debits",
            ":one",
            account!("high"),
            ":open",
            ":low_credits_most",
            ":low_debits_most",
            ":high_asked",
        ],
        then: "\\gset high_\n\
               \\set high_balance :high_credits_posted - :high_debits_posted\n\
               \\set debit_version case when :debit = :low then :low_version else :high_version end\n\
               \\set debit_balance case when :debit = :low then :low_balance else :high_balance end\n\
               \\set credit_version case when :debit = :low then :high_version else :low_version end\n\
               \\set credit_balance case when :debit = :low then :high_balance else :low_balance end\n",
    },
    Step {
        begins: "INSERT INTO \"entry_line\" ",
        parameters: &[
            entry!(),
            ":one",
            account!("debit"),
            account!("credit"),
            ":currency",
            ":one",
            ":debit_version",
            ":debit_balance",
            ":credit_version",
            ":credit_balance",
        ],
        then: "",
    },
];

/// The variables of `pgbench` that never change.
pub fn constants(size: Size, run: u64) -> Vec<(&'static str, String)> {
    vec![
        ("accounts", size.accounts.to_string()),
        ("customers", (size.accounts / 2).to_string()),
        // Sixteen digits, which each client makes nineteen of; no two runs share one.
        (
            "n",
            (1_000_000_000_000_000 + run * 1_000_000_000).to_string(),
        ),
        ("one", "1".to_owned()),
        ("limit", "21".to_owned()),
        ("kind", "POST".to_owned()),
        ("open", "OPEN".to_owned()),
        ("currency", "EUR".to_owned()),
        ("metadata", "{}".to_owned()),
        ("now", "2026-06-01 00:00:00+00".to_owned()),
    ]
}
