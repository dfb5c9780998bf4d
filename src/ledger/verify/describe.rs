//! Differences in words.

use super::{CheckedLine, Difference};
use crate::ledger::Id;
use daybook_entity::Side;
use std::fmt;

impl fmt::Display for CheckedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = Id::Line {
            entry_id: self.entry_id,
            line_no: self.line_no,
        };
        let side = match self.side {
            Side::Debit => "debit",
            Side::Credit => "credit",
        };
        write!(f, "the {side} side of line {id}")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total {
                account,
                total,
                recorded,
                recomputed,
            } => write!(
                f,
                "the {total} of the account `{}` are {recorded}, and its lines make {recomputed}",
                account.code
            ),
            Self::Version {
                account,
                recorded,
                recomputed,
            } => write!(
                f,
                "the account `{}` is at version {recorded}, and {recomputed} lines touch it",
                account.code
            ),
            Self::RunningBalance {
                line,
                account,
                recorded_version,
                recomputed_version,
                recorded_balance,
                recomputed_balance,
            } => write!(
                f,
                "{line} leaves the account `{}` at version {recorded_version} with {recorded_balance}, and the lines up to \
                 it make version {recomputed_version} with {recomputed_balance}",
                account.code
            ),
            Self::Currency {
                line,
                account_id,
                line_currency,
                account_currency,
            } => {
                let account = Id::Account(*account_id);
                match account_currency {
                    Some(currency) => write!(
                        f,
                        "{line} is in {line_currency}, and its account {account} is in {currency}"
                    ),
                    None => write!(
                        f,
                        "{line} names the account {account}, which does not exist"
                    ),
                }
            }
            Self::Overdraft { account, by } => {
                write!(
                    f,
                    "the account `{}` is beyond its limit by {by}",
                    account.code
                )
            }
            Self::ClosedNotEmpty { account } => {
                write!(f, "the account `{}` is closed and not empty", account.code)
            }
            Self::NoLines { entry_id } => {
                write!(f, "the entry {} has no line", Id::Entry(*entry_id))
            }
        }
    }
}
