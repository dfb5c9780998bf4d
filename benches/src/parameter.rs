//! The parameters of a statement, as those read them who are not `pgbench`: from what stands for them in its scripts.

use anyhow::{Context as _, Result, bail};

use crate::data::ID_HEAD;

/// What stands for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    Null,
    Text(&'static str),
    /// A number that the ledger has as text.
    Code(Name),
    Number(Name),
    Account(Name),
    /// The account that is so many places after the first of a page.
    AccountOfPage(i64),
    Entry,
    Now,
}

/// A number that an operation works with, by its name in the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub &'static str);

const NUMBERS: [&str; 16] = [
    "one",
    "zero",
    "limit",
    "first",
    "last",
    "account",
    "debit",
    "credit",
    "low",
    "high",
    "low_debits",
    "high_debits",
    "debit_version",
    "debit_balance",
    "credit_version",
    "credit_balance",
];

impl Parameter {
    /// From what stands for it in a script of `pgbench`.
    ///
    /// # Errors
    /// When nothing is known of it.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "NULL" {
            return Ok(Self::Null);
        }
        let is_account = text.contains(ID_HEAD);
        let (_, name) = text
            .rsplit_once(" :")
            .or(text.split_once(':'))
            .context(text.to_owned())?;
        let name = name.split([')', ' ', ':']).next().unwrap_or_default();
        if let Some(place) = name.strip_prefix('a').filter(|_| is_account)
            && let Ok(place) = place.parse()
        {
            return Ok(Self::AccountOfPage(place));
        }
        Ok(match name {
            "kind" => Self::Text("POST"),
            "currency" => Self::Text("EUR"),
            "metadata" => Self::Text("{}"),
            "now" => Self::Now,
            "entry" => Self::Entry,
            "prefix" => Self::Code(Name("prefix")),
            "after" => Self::Code(Name("after")),
            other => {
                let Some(name) = NUMBERS.into_iter().find(|name| *name == other) else {
                    bail!("nothing is known of :{other}");
                };
                if is_account {
                    Self::Account(Name(name))
                } else {
                    Self::Number(Name(name))
                }
            }
        })
    }
}
