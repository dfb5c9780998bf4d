//! The result of recomputing the ledger.

use async_graphql::{Enum, ID, SimpleObject};

use super::global_id;
use crate::{
    graphql::scalars::Int64,
    ledger::{self, Difference, EntryProblem, Id},
};

/// The result of recomputing everything from the lines.
#[derive(SimpleObject)]
pub struct LedgerCheck {
    /// Whether everything is right.
    ok: bool,
    /// How many accounts were checked.
    accounts: Int64,
    /// How many entries were checked.
    entries: Int64,
    /// How many lines were checked.
    lines: Int64,
    /// What is wrong; the first hundred.
    differences: Vec<LedgerDifference>,
    /// Whether there are more differences than these.
    truncated: bool,
}

/// Something that is wrong with the ledger.
#[derive(SimpleObject)]
pub struct LedgerDifference {
    /// The kind of difference.
    kind: LedgerDifferenceKind,
    /// What differs, for people.
    message: String,
    /// The account that it is about, if it is about one.
    account_id: Option<ID>,
    /// The entry that it is about, if it is about one.
    entry_id: Option<ID>,
    /// The line that it is about, if it is about one.
    line_id: Option<ID>,
}

/// What can be wrong with a ledger.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerDifferenceKind {
    /// A total of an account is not the sum of its lines.
    Total,
    /// An account's version is not the number of its lines.
    Version,
    /// The balance or version after a line is not what the lines up to it make.
    RunningBalance,
    /// A line is not in its account's currency.
    Currency,
    /// An account is beyond its limit.
    Overdraft,
    /// A closed account is not empty.
    ClosedNotEmpty,
    /// What was pending after a line is not what the lines up to it make.
    Pending,
    /// What is kept so that balances at an instant can be found is not what the lines make.
    History,
    /// What describes an account is not what the last of its changes says, a change is missing, or the feed does not have each change once.
    AccountChanges,
    /// An account is in another ledger than its code says, or an entry has a line on an account of another ledger.
    Ledger,
    /// What is closed is not what the last closing says, or an entry counts from an instant that was closed when it was posted.
    Closing,
    /// A group of accounts, or what is in it, is not what the last change says, or a change is missing.
    AccountGroups,
    /// The metadata of an entry is not what the last of its changes says, or a change is missing.
    EntryChanges,
    /// An entry has no line, or lines name an entry that does not exist.
    EntryLines,
    /// A line has no positive amount, or one account on both sides, or does what its entry's kind does not do.
    Line,
    /// A hold was ended more than once or not as a whole, more of it was taken than was set aside, or what was ended is no hold.
    Hold,
    /// An entry was reversed more than once or not as a whole, or more was moved back than it had moved.
    Reversal,
    /// What is said to be taken and left of an entry in parts is not what the lines of the parts make.
    Parts,
    /// The feed does not have an entry, or a change of its metadata, exactly once.
    Feed,
    /// An event is not what its seal says: the past was changed.
    Seal,
}

impl From<ledger::LedgerCheck> for LedgerCheck {
    fn from(check: ledger::LedgerCheck) -> Self {
        Self {
            ok: check.is_sound(),
            accounts: Int64(check.accounts),
            entries: Int64(check.entries),
            lines: Int64(check.lines),
            truncated: check.truncated,
            differences: check.differences.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Difference> for LedgerDifference {
    fn from(difference: Difference) -> Self {
        use LedgerDifferenceKind as Kind;
        let mut entry_id = None;
        let (kind, account_id, line) = match &difference {
            Difference::Total { account, .. } => (Kind::Total, Some(account.id), None),
            Difference::Version { account, .. } => (Kind::Version, Some(account.id), None),
            Difference::RunningBalance { account, line, .. } => {
                (Kind::RunningBalance, Some(account.id), Some(line))
            }
            Difference::Currency {
                account_id, line, ..
            } => (Kind::Currency, Some(*account_id), Some(line)),
            Difference::Overdraft { account, .. } => (Kind::Overdraft, Some(account.id), None),
            Difference::ClosedNotEmpty { account } => {
                (Kind::ClosedNotEmpty, Some(account.id), None)
            }
            Difference::Pending { account, .. } => (Kind::Pending, Some(account.id), None),
            Difference::History { account } => (Kind::History, Some(account.id), None),
            Difference::AccountChanges { account } => {
                (Kind::AccountChanges, Some(account.id), None)
            }
            Difference::Ledger { account } => (Kind::Ledger, Some(account.id), None),
            Difference::Closing { .. } => (Kind::Closing, None, None),
            Difference::Seal { entry_id: id, .. } => {
                entry_id = id.map(|id| global_id(Id::Entry(id)));
                (Kind::Seal, None, None)
            }
            Difference::AccountGroup { .. } | Difference::GroupPrefix { .. } => {
                (Kind::AccountGroups, None, None)
            }
            Difference::GroupMember { account } => (Kind::AccountGroups, Some(account.id), None),
            Difference::Entry {
                entry_id: id,
                problem,
            } => {
                entry_id = Some(global_id(Id::Entry(*id)));
                let kind = match problem {
                    EntryProblem::NoLines | EntryProblem::Missing => Kind::EntryLines,
                    EntryProblem::Amount | EntryProblem::Effect => Kind::Line,
                    EntryProblem::ResolvesNoHold
                    | EntryProblem::ResolvedTwice
                    | EntryProblem::ResolvedInPart => Kind::Hold,
                    EntryProblem::ReversedTwice | EntryProblem::ReversedInPart => Kind::Reversal,
                    EntryProblem::Parts => Kind::Parts,
                    EntryProblem::Ledger => Kind::Ledger,
                    EntryProblem::PeriodClosed => Kind::Closing,
                    EntryProblem::Changes => Kind::EntryChanges,
                    EntryProblem::Outbox => Kind::Feed,
                };
                (kind, None, None)
            }
        };
        Self {
            kind,
            message: difference.to_string(),
            account_id: account_id.map(|id| global_id(Id::Account(id))),
            entry_id,
            line_id: line.map(|line| {
                global_id(Id::Line {
                    entry_id: line.entry_id,
                    line_no: line.line_no,
                })
            }),
        }
    }
}
