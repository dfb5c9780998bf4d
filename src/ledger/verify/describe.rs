//! Differences in words.

use super::{CheckedLine, Difference, EntryProblem, SealProblem};
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
            Self::Pending {
                account,
                version,
                recorded,
                recomputed,
            } => {
                let pending =
                    |f: &mut fmt::Formatter<'_>, totals: Option<(i128, i128)>| match totals {
                        Some((debits, credits)) => {
                            write!(f, "{debits} debits and {credits} credits")
                        }
                        None => write!(f, "nothing"),
                    };
                write!(
                    f,
                    "for version {version} of the account `{}` ",
                    account.code
                )?;
                pending(
                    f,
                    recorded.map(|(debits, credits)| (debits.into(), credits.into())),
                )?;
                write!(f, " are kept as pending, and its lines make ")?;
                pending(f, *recomputed)
            }
            Self::History { account } => write!(
                f,
                "what is kept for the account `{}` so that its balance at an instant can be found is not what its lines make",
                account.code
            ),
            Self::Ledger { account } => write!(
                f,
                "the account `{}` is in another ledger than the first part of its code says",
                account.code
            ),
            Self::AccountChanges { account } => write!(
                f,
                "what describes the account `{}` is not what its history says, or the outbox does not have each change of it once",
                account.code
            ),
            Self::Closing { code_prefix } => write!(
                f,
                "what is closed for accounts whose codes begin with `{code_prefix}` is not what the last closing says"
            ),
            Self::Seal {
                number,
                entry_id,
                problem,
            } => {
                write!(f, "the event {number}")?;
                if let Some(entry_id) = entry_id {
                    write!(f, " (of the entry {})", Id::Entry(*entry_id))?;
                }
                f.write_str(match problem {
                    SealProblem::Changed => {
                        " is not what was sealed: it, or its seal, was changed since then"
                    }
                    SealProblem::NotSealed => " was not sealed, and later ones were",
                    SealProblem::NoEvent => " was sealed, and does not exist any more",
                })
            }
            Self::AccountGroup { path } => write!(
                f,
                "the group of accounts `{path}` is not what its history says, or is in no group or tree that there is"
            ),
            Self::GroupMember { account } => write!(
                f,
                "the account `{}` is in another group by hand than the history says",
                account.code
            ),
            Self::GroupPrefix { code_prefix } => write!(
                f,
                "accounts whose codes begin with `{code_prefix}` are in another group than the history says"
            ),
            Self::Entry { entry_id, problem } => {
                let entry = Id::Entry(*entry_id);
                match problem {
                    EntryProblem::NoLines => write!(f, "the entry {entry} has no line"),
                    EntryProblem::Missing => write!(
                        f,
                        "the entry {entry} does not exist, and lines or the outbox name it"
                    ),
                    EntryProblem::Amount => write!(
                        f,
                        "a line of the entry {entry} has no positive amount, or one account on both sides"
                    ),
                    EntryProblem::Effect => write!(
                        f,
                        "a line of the entry {entry} does what its kind does not do"
                    ),
                    EntryProblem::ResolvesNoHold => {
                        write!(f, "the entry {entry} ends an entry that is no hold")
                    }
                    EntryProblem::ResolvedTwice => {
                        write!(f, "the hold {entry} was ended more than once")
                    }
                    EntryProblem::ResolvedInPart => write!(
                        f,
                        "what was captured and freed of the hold {entry} is not what it had set aside"
                    ),
                    EntryProblem::ReversedTwice => {
                        write!(f, "the entry {entry} was reversed more than once")
                    }
                    EntryProblem::ReversedInPart => write!(
                        f,
                        "what has reversed the entry {entry} is not its mirror image"
                    ),
                    EntryProblem::Parts => write!(
                        f,
                        "what is said to be taken and left in parts, of the entry {entry} or by it, is not what lines make"
                    ),
                    EntryProblem::Ledger => write!(
                        f,
                        "the entry {entry} has a line on an account of another ledger"
                    ),
                    EntryProblem::PeriodClosed => write!(
                        f,
                        "the entry {entry} counts from an instant that was closed when it was posted"
                    ),
                    EntryProblem::Changes => write!(
                        f,
                        "the metadata of the entry {entry} is not what its history says"
                    ),
                    EntryProblem::Outbox => write!(
                        f,
                        "the outbox does not have the entry {entry}, or a change of it, exactly once"
                    ),
                }
            }
        }
    }
}
