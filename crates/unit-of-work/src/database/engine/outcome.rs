//! The questions about an unanswered COMMIT, and their answers, for all engines.

use super::Peer;

/// A transaction's identity for the database. SQLite has none: its COMMIT is answered by a thread of this process.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The engine's id of the transaction. It is unique only as long as the other end lives: after a crash of the server or a failover,
    /// another transaction may get the same id.
    pub(crate) transaction: String,
    pub(crate) peer: Peer,
}

/// The progress of a transaction whose COMMIT was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The server is executing COMMIT: it checks, writes, or waits for a standby.
    Committing,
    /// The transaction is open, and the server waits for a statement: COMMIT has not arrived.
    Waiting,
    /// The transaction has ended, with or without COMMIT.
    Over,
    /// This server does not know the transaction.
    Unknown,
}

/// What one server shows of a COMMIT whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The row is there, and will be there after a failover.
    Row,
    /// The row is not there, and never will be.
    Nothing,
    /// It is not there, and may have been: rows as old as it have been deleted.
    Swept,
    /// Ask again.
    NotYet,
}
