//! Why an entry was not posted.

use super::condition::UnmetCondition;
use crate::ledger::input::and_more;
use crate::ledger::{AccountRef, Code, Id, InvalidInput, MOST_PROBLEMS};
use chrono::{DateTime, SecondsFormat, Utc};
use daybook_entity::AccountStatus;
use sea_orm::DbErr;
use uuid::Uuid;

/// Why an entry was not posted. All amounts are minor units.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostEntryError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// No such account.
    #[error("there is no account `{account}`: check its id or code, or open it first")]
    AccountNotFound {
        /// Where in the input.
        field: String,
        /// As the caller named it.
        account: AccountRef,
    },
    /// Lines may not touch it.
    #[error("the account `{account_code}` is {}", advice(*status))]
    AccountNotOpen {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
        /// What it is instead.
        status: AccountStatus,
    },
    /// A line has one currency, that of both accounts.
    #[error(
        "line {} is in {line_currency}, and the account `{account_code}` is in {account_currency}: post each currency in lines of \
         its own, between accounts of that currency",
        line + 1
    )]
    CurrencyMismatch {
        /// The line, from 0 as in the input.
        line: usize,
        /// The account's id.
        account_id: Uuid,
        /// The account's code.
        account_code: String,
        /// The account's currency.
        account_currency: String,
        /// The line's currency.
        line_currency: String,
    },
    /// An entry is of one ledger.
    #[error(
        "line {} is on the account `{account_code}` of {}, and the entry is of {}: post an entry in each ledger, on accounts of its own",
        line + 1,
        of_ledger(account_ledger.as_deref()),
        of_ledger(entry_ledger.as_deref())
    )]
    CrossesLedgers {
        /// The line, from 0 as in the input.
        line: usize,
        /// The account's id.
        account_id: Uuid,
        /// The account's code.
        account_code: String,
        /// The account's ledger; none is the one that has no name.
        account_ledger: Option<String>,
        /// That of the entry's first account.
        entry_ledger: Option<String>,
    },
    /// The account's limit does not allow it.
    #[error(
        "the account `{account_code}` has {available} minor units of {currency} available{}, and {requested} are asked for: post less, \
         or fund the account first",
        above(*min_balance)
    )]
    InsufficientFunds {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
        /// Its currency.
        currency: String,
        /// Its least balance, where that is the limit, and not its policy.
        min_balance: Option<i64>,
        /// What its limit still allows to be taken, holds counted as taken.
        available: i64,
        /// What the whole entry would take from it.
        requested: i64,
    },
    /// The account's balance would be larger than it may be.
    #[error(
        "the account `{account_code}` takes {room} minor units of {currency} more, and {requested} are to be added: its `maxBalance` is \
         {max_balance}, and holds count at once; post less, or raise the limit"
    )]
    LimitExceeded {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
        /// Its currency.
        currency: String,
        /// Its largest balance.
        max_balance: i64,
        /// What its limit still allows to be added, holds counted as added.
        room: i64,
        /// What the whole entry would add to it.
        requested: i64,
    },
    /// The books are closed at the instant that the entry counts from.
    #[error(
        "the books are closed until {}{}, and the entry on the account `{account_code}` counts from {}: choose a later instant, or have \
         the books reopened",
        closed_until.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        of_prefix(code_prefix),
        effective_at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    )]
    PeriodClosed {
        /// The account's id.
        account_id: Uuid,
        /// The account's code.
        account_code: String,
        /// The accounts whose codes begin with this are closed; all, where it is empty.
        code_prefix: String,
        /// The first instant that is open.
        closed_until: DateTime<Utc>,
        /// The instant that the entry counts from.
        effective_at: DateTime<Utc>,
    },
    /// A total would not fit 64 bits.
    #[error(
        "the amounts on the account `{account_code}` would exceed {}: post less, or go on with a new account",
        i64::MAX
    )]
    AmountOutOfRange {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
    },
    /// Somebody else posted to it in the meantime.
    #[error(
        "the account `{account_code}` is at version {actual}, and {expected} was expected: read it again, and decide anew"
    )]
    VersionConflict {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
        /// What the caller expected.
        expected: i64,
        /// What it is.
        actual: i64,
    },
    /// A balance is not what the caller asks it to be. Boxed: it says much, and every result would otherwise be as large.
    #[error(transparent)]
    ConditionNotMet(Box<UnmetCondition>),
    /// Another entry of the ledger has the reference, for ever.
    #[error(
        "the reference `{reference}` is that of the entry {}{}",
        Id::Entry(*entry_id),
        differing(differs)
    )]
    ReferenceTaken {
        /// As it is stored.
        reference: String,
        /// The entry that has it.
        entry_id: Uuid,
        /// The fields of the input that are not that entry's, where the caller has asked for the entry. Empty otherwise.
        differs: Vec<String>,
    },
    /// Several of these are wrong.
    #[error("{first}{}", and_more(others.len()))]
    Several {
        /// The first.
        first: Box<PostEntryError>,
        /// The others, with the first at most [`MOST_PROBLEMS`].
        others: Vec<PostEntryError>,
    },
    /// The database failed before anything was written.
    #[error("the database failed while the accounts of an entry were being locked")]
    Accounts {
        /// How.
        source: DbErr,
    },
    /// The database failed.
    #[error("the database failed while the entry {entry_id} was being posted")]
    Database {
        /// The id that it was to have.
        entry_id: Uuid,
        /// How.
        source: DbErr,
    },
}

impl PostEntryError {
    /// The refusal for these problems, of which it names [`MOST_PROBLEMS`]; none without a problem.
    pub(super) fn all(problems: Vec<Self>) -> Result<(), Self> {
        let mut problems = problems.into_iter().take(MOST_PROBLEMS);
        let Some(first) = problems.next() else {
            return Ok(());
        };
        let others: Vec<Self> = problems.collect();
        Err(match others.is_empty() {
            true => first,
            false => Self::Several {
                first: Box::new(first),
                others,
            },
        })
    }

    /// The database's own error, where it is what failed; a refusal, as one.
    #[must_use]
    pub fn into_db_err(self) -> DbErr {
        match self {
            Self::Accounts { source } | Self::Database { source, .. } => source,
            refusal => DbErr::Custom(refusal.to_string()),
        }
    }

    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Several { first, .. } => first.code(),
            Self::Input(input) => Some(input.code()),
            Self::AccountNotFound { .. } => Some(Code::AccountNotFound),
            Self::AccountNotOpen { .. } => Some(Code::AccountNotOpen),
            Self::CurrencyMismatch { .. } => Some(Code::CurrencyMismatch),
            Self::CrossesLedgers { .. } => Some(Code::EntryCrossesLedgers),
            Self::InsufficientFunds { .. } => Some(Code::InsufficientFunds),
            Self::LimitExceeded { .. } => Some(Code::LimitExceeded),
            Self::AmountOutOfRange { .. } => Some(Code::AmountOutOfRange),
            Self::PeriodClosed { .. } => Some(Code::PeriodClosed),
            Self::ReferenceTaken { .. } => Some(Code::ReferenceTaken),
            Self::ConditionNotMet(_) => Some(Code::ConditionNotMet),
            Self::VersionConflict { .. } => Some(Code::VersionConflict),
            Self::Accounts { .. } | Self::Database { .. } => None,
        }
    }
}

fn of_ledger(ledger: Option<&str>) -> String {
    ledger.map_or_else(
        || "the ledger without a name".to_owned(),
        |code| format!("the ledger `{code}`"),
    )
}

fn above(min_balance: Option<i64>) -> String {
    min_balance.map_or_else(String::new, |min| {
        format!(" above its `minBalance` of {min}")
    })
}

fn of_prefix(code_prefix: &str) -> String {
    match code_prefix {
        "" => String::new(),
        prefix => format!(" for the accounts whose codes begin with `{prefix}`"),
    }
}

const fn advice(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Open => "open",
        AccountStatus::Frozen => "frozen: set its status to OPEN first",
        AccountStatus::Closed => "closed: use another account",
    }
}

fn differing(differs: &[String]) -> String {
    if differs.is_empty() {
        return ": look at that entry, or choose another reference".to_owned();
    }
    format!(
        ", and this input is another one: it differs in {}; choose another reference, or repeat the first input",
        differs.join(", ")
    )
}
