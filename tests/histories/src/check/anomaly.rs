//! What can be wrong with a history.

use std::fmt;

/// Something that was promised, and did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    pub kind: Kind,
    /// Which operations, entries and accounts.
    pub text: String,
}

/// The kinds. Those of Adya and of Elle have their letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An entry was acknowledged, and is not there.
    Lost,
    /// An entry is there more than once.
    Duplicate,
    /// An entry is there that was refused, that was a dry run, or that nobody asked for.
    Phantom,
    /// Some entries of an operation are there, and some are not.
    Torn,
    /// An entry is not what was asked for, or has another id than its client was told.
    Altered,
    /// Versions or totals of the final state contradict each other.
    Unbalanced,
    /// G1a: a read of what was rolled back, or lost after it was seen.
    AbortedRead,
    /// G1b: a read between two writes of one operation to one account.
    IntermediateRead,
    /// Two reads that no one order of the lines explains.
    IncompatibleOrder,
    /// A balance is not the sum of the lines that it was read with.
    WrongBalance,
    /// A read of an operation on one account and not on another.
    FracturedRead,
    /// A read older than what had been acknowledged, or read, before it began.
    StaleRead,
    /// A read of what a failover then lost, by a query whose token is lost with it. An asynchronous standby shows what is not acknowledged
    /// yet, so this breaks no promise.
    SeenAndLost,
    /// A write based on a version that was not the last one.
    LostUpdate,
    /// G0: a cycle of writes.
    DirtyWrite,
    /// G1c: a cycle of writes and reads of them.
    CircularInformation,
    /// G-single: a cycle with one read that did not see a write.
    ReadSkew,
    /// G2: a cycle with several reads that did not see writes.
    WriteSkew,
    /// A cycle that only the order of real time closes.
    RealTime,
    /// A subscriber never heard of a committed entry.
    MissedEvent,
    /// A subscriber heard of an entry again.
    RepeatedEvent,
    /// Events out of the feed's order, or the feed's order against that of an account.
    UnorderedEvent,
    /// A subscriber heard of an entry that is not there, or not of all of it.
    PhantomEvent,
    /// A client was told an older token than it had shown, or had been told.
    TokenBack,
    /// An answer without the token that it should have.
    TokenMissing,
    /// A query that showed a token of before a failover was answered after it, as if what the token stands for were there.
    TokenIgnored,
    /// No answer within the deadline and its bound, although nothing was in its way.
    Unanswered,
    /// An answer that is none.
    BrokenAnswer,
    /// A session was left in a transaction.
    SessionLeft,
    /// `daybook verify` is not clean.
    NotVerified,
    /// A server did not come back when everything was well again.
    NotRecovered,
    /// Nodes of a cluster have different ledgers.
    NodesDisagree,
}

impl Kind {
    /// Whether it is to be expected of the cluster, and breaks no promise.
    pub const fn is_expected(self) -> bool {
        matches!(self, Self::SeenAndLost)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lost => "acknowledged entry lost",
            Self::Duplicate => "entry more than once",
            Self::Phantom => "entry that must not be there",
            Self::Torn => "operation half done",
            Self::Altered => "entry not as asked for",
            Self::Unbalanced => "ledger does not add up",
            Self::AbortedRead => "aborted read (G1a)",
            Self::IntermediateRead => "intermediate read (G1b)",
            Self::IncompatibleOrder => "incompatible order",
            Self::WrongBalance => "wrong balance",
            Self::FracturedRead => "fractured read",
            Self::StaleRead => "stale read",
            Self::SeenAndLost => "seen, and lost in a failover",
            Self::LostUpdate => "lost update",
            Self::DirtyWrite => "cycle of ww (G0)",
            Self::CircularInformation => "cycle of ww, wr (G1c)",
            Self::ReadSkew => "cycle with one rw (G-single)",
            Self::WriteSkew => "cycle with several rw (G2)",
            Self::RealTime => "cycle with real time",
            Self::MissedEvent => "missed event",
            Self::RepeatedEvent => "repeated event",
            Self::UnorderedEvent => "event out of order",
            Self::PhantomEvent => "event of what is not there",
            Self::TokenBack => "token goes back",
            Self::TokenMissing => "answer without a token",
            Self::TokenIgnored => "token of before a failover taken",
            Self::Unanswered => "unanswered in time",
            Self::BrokenAnswer => "broken answer",
            Self::SessionLeft => "session left in a transaction",
            Self::NotVerified => "verify is not clean",
            Self::NotRecovered => "server not recovered",
            Self::NodesDisagree => "nodes have different ledgers",
        })
    }
}
