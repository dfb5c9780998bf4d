//! The stable names of refusals.

use std::fmt;

/// What kind of refusal an error is, in the words that clients switch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// An account's limit does not allow the amount.
    InsufficientFunds,
    /// What is on an account is beyond the limit that it is to have, or would be above its largest balance.
    LimitExceeded,
    /// An account is no longer at the version or revision that the caller expected.
    VersionConflict,
    /// A balance is not what a condition of the entry asks for.
    ConditionNotMet,
    /// An account is frozen or closed.
    AccountNotOpen,
    /// No account has this id or code.
    AccountNotFound,
    /// Another account has this code.
    AccountCodeTaken,
    /// No group of accounts has this id or path.
    GroupNotFound,
    /// Another group of accounts has this path.
    GroupPathTaken,
    /// Something is in a group of accounts that was to be deleted.
    GroupNotEmpty,
    /// No entry has this id.
    EntryNotFound,
    /// The hold was captured or released before.
    HoldAlreadyResolved,
    /// The hold has expired: it can only be released.
    HoldExpired,
    /// The entry was reversed before.
    AlreadyReversed,
    /// More is to be moved back, captured or released than is left of a line.
    RemainingExceeded,
    /// Another entry has this reference.
    ReferenceTaken,
    /// The books are closed at the instant that an entry counts from.
    PeriodClosed,
    /// An entry's metadata has another value for a key.
    MetadataKeyTaken,
    /// There is a currency of this code.
    CurrencyTaken,
    /// No currency has this code.
    CurrencyNotFound,
    /// No webhook has this id.
    WebhookNotFound,
    /// There is a ledger of this code.
    LedgerTaken,
    /// Accounts have codes that would be those of a new ledger.
    LedgerNotNew,
    /// The accounts of an entry are of different ledgers.
    EntryCrossesLedgers,
    /// A line's currency is not that of its accounts.
    CurrencyMismatch,
    /// A sum would not fit 64 bits.
    AmountOutOfRange,
    /// The input breaks a rule.
    BadUserInput,
    /// Other writers were faster at every attempt.
    ConflictRetriesExhausted,
}

impl Code {
    /// The code as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::VersionConflict => "VERSION_CONFLICT",
            Self::ConditionNotMet => "CONDITION_NOT_MET",
            Self::AccountNotOpen => "ACCOUNT_NOT_OPEN",
            Self::AccountNotFound => "ACCOUNT_NOT_FOUND",
            Self::AccountCodeTaken => "ACCOUNT_CODE_TAKEN",
            Self::GroupNotFound => "GROUP_NOT_FOUND",
            Self::GroupPathTaken => "GROUP_PATH_TAKEN",
            Self::GroupNotEmpty => "GROUP_NOT_EMPTY",
            Self::EntryNotFound => "ENTRY_NOT_FOUND",
            Self::HoldAlreadyResolved => "HOLD_ALREADY_RESOLVED",
            Self::HoldExpired => "HOLD_EXPIRED",
            Self::AlreadyReversed => "ALREADY_REVERSED",
            Self::RemainingExceeded => "REMAINING_EXCEEDED",
            Self::ReferenceTaken => "REFERENCE_TAKEN",
            Self::PeriodClosed => "PERIOD_CLOSED",
            Self::MetadataKeyTaken => "METADATA_KEY_TAKEN",
            Self::CurrencyTaken => "CURRENCY_TAKEN",
            Self::CurrencyNotFound => "CURRENCY_NOT_FOUND",
            Self::WebhookNotFound => "WEBHOOK_NOT_FOUND",
            Self::LedgerTaken => "LEDGER_TAKEN",
            Self::LedgerNotNew => "LEDGER_NOT_NEW",
            Self::EntryCrossesLedgers => "ENTRY_CROSSES_LEDGERS",
            Self::CurrencyMismatch => "CURRENCY_MISMATCH",
            Self::AmountOutOfRange => "AMOUNT_OUT_OF_RANGE",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::ConflictRetriesExhausted => "CONFLICT_RETRIES_EXHAUSTED",
        }
    }

    /// Whether the same request, sent again unchanged, may well succeed.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self, Self::ConflictRetriesExhausted)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
