//! What a check can find wrong.

use daybook_entity::Side;
use std::fmt;
use uuid::Uuid;

/// The account that a difference is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAccount {
    /// Its id.
    pub id: Uuid,
    /// Its code.
    pub code: String,
}

/// The line that a difference is about, and the side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedLine {
    /// Its entry.
    pub entry_id: Uuid,
    /// Its place in the entry, from 1.
    pub line_no: i32,
    /// Which of its accounts.
    pub side: Side,
}

/// Which of an account's totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Total {
    /// The sum of all lines that debited it.
    DebitsPosted,
    /// What holds would still debit.
    DebitsPending,
    /// The sum of all lines that credited it.
    CreditsPosted,
    /// What holds would still credit.
    CreditsPending,
}

/// Something that does not add up. Amounts are minor units, wide enough for sums that no row could hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// A total is not the sum of the account's lines.
    Total {
        /// The account.
        account: CheckedAccount,
        /// Which total.
        total: Total,
        /// What the account says.
        recorded: i64,
        /// What the lines say.
        recomputed: i128,
    },
    /// An account's version is not the number of its lines.
    Version {
        /// The account.
        account: CheckedAccount,
        /// What the account says.
        recorded: i64,
        /// How many lines touch it.
        recomputed: i64,
    },
    /// The version or balance after a line is not what the account's lines up to it make.
    RunningBalance {
        /// The line.
        line: CheckedLine,
        /// The account.
        account: CheckedAccount,
        /// What the line says.
        recorded_version: i64,
        /// Its place among the account's lines.
        recomputed_version: i64,
        /// What the line says.
        recorded_balance: i64,
        /// The sum of the account's lines up to it.
        recomputed_balance: i128,
    },
    /// A line's currency is not its account's, or its account does not exist.
    Currency {
        /// The line.
        line: CheckedLine,
        /// The account that it names.
        account_id: Uuid,
        /// The line's currency.
        line_currency: String,
        /// The account's currency.
        account_currency: Option<String>,
    },
    /// An account is beyond its limit.
    Overdraft {
        /// The account.
        account: CheckedAccount,
        /// By how much, holds counted as taken.
        by: i128,
    },
    /// A closed account is not empty.
    ClosedNotEmpty {
        /// The account.
        account: CheckedAccount,
    },
    /// What was pending after a version is not what the account's lines up to it make.
    Pending {
        /// The account.
        account: CheckedAccount,
        /// The version.
        version: i64,
        /// The pending debits and credits that are kept, if any are.
        recorded: Option<(i64, i64)>,
        /// Those that the lines make; none where the line leaves them as they were, and nothing should be kept.
        recomputed: Option<(i128, i128)>,
    },
    /// The sums by which history finds balances at an instant are not those of the account's lines.
    History {
        /// The account.
        account: CheckedAccount,
    },
    /// An account is in another ledger than its code says.
    Ledger {
        /// The account.
        account: CheckedAccount,
    },
    /// What describes an account is not what the last of its changes says, a change is missing, or the outbox does not have each change
    /// once.
    AccountChanges {
        /// The account.
        account: CheckedAccount,
    },
    /// What is closed is not what the last closing says.
    Closing {
        /// Of the accounts whose codes begin with this.
        code_prefix: String,
    },
    /// A group of accounts is not what the last of its changes says, a change is missing, or it is in nothing.
    AccountGroup {
        /// Its path.
        path: String,
    },
    /// An account is in another group by hand than the last change says.
    GroupMember {
        /// The account.
        account: CheckedAccount,
    },
    /// A prefix of codes is in another group than the last change says.
    GroupPrefix {
        /// The prefix.
        code_prefix: String,
    },
    /// An entry is not what its kind, or its relation to another entry, makes it.
    Entry {
        /// The entry.
        entry_id: Uuid,
        /// What is wrong with it.
        problem: EntryProblem,
    },
    /// An event is not what its seal says.
    Seal {
        /// The number of the event.
        number: i64,
        /// The entry that it is about, if it is about one.
        entry_id: Option<Uuid>,
        /// What is wrong.
        problem: SealProblem,
    },
}

/// What can be wrong with the seal of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SealProblem {
    /// The event, or its seal, was changed since it was sealed.
    Changed,
    /// It has no seal, and later events have one.
    NotSealed,
    /// There is a seal, and no such event.
    NoEvent,
}

/// What can be wrong with an entry as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryProblem {
    /// It has no line.
    NoLines,
    /// Lines name it, and it does not exist.
    Missing,
    /// A line moves nothing, or moves it to where it is from.
    Amount,
    /// A line does what an entry of this kind does not do.
    Effect,
    /// It ends an entry that is no hold.
    ResolvesNoHold,
    /// It is a hold that more than one entry has ended: each of them has left nothing.
    ResolvedTwice,
    /// It is a hold that is over, and what was captured and freed is not what it had set aside; or more was than that.
    ResolvedInPart,
    /// More than one entry has reversed it: each of them has left nothing.
    ReversedTwice,
    /// It was reversed, and the reversals are not its mirror image together; or they moved back more than it had moved.
    ReversedInPart,
    /// What it is said that parts took and left of its lines, or that it took itself as a part, is not what the lines make.
    Parts,
    /// A line is on an account of another ledger.
    Ledger,
    /// Its metadata is not what the last change of it says, or a change is missing.
    Changes,
    /// It counts from an instant that was closed when it was posted.
    PeriodClosed,
    /// The outbox does not have it, or a change of it, exactly once.
    Outbox,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DebitsPosted => "posted debits",
            Self::DebitsPending => "pending debits",
            Self::CreditsPosted => "posted credits",
            Self::CreditsPending => "pending credits",
        })
    }
}
